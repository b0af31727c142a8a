//! Walking down from what a Job calls to what keeps it from answering: Service, workload, Pod, what that Pod
//! cannot start without, and so on. The deepest proven link is the root.

use jiff::Timestamp;

use super::Seconds;
use super::case::{Case, span};
use super::diagnosis::{ChainLink, Verdict};
use super::evidence::{Condition, ContainerState, Dependency, EventRecord, ObjectRef, PodRecord, Workload};
use super::family::first_sentence;
use super::root_cause::RootCause;
use super::signatures::{Unschedulable, holds, unschedulable};

/// How deep a walk goes: no real chain comes near, and a circle of needs must end.
const MAX_DEPTH: usize = 12;

/// What a walk found at its end.
#[derive(Clone, Debug)]
pub struct Walk {
    /// The cause that the last link proves.
    pub cause: RootCause,
    /// From the object that the Job calls down to the root.
    pub links: Vec<ChainLink>,
    /// When the last link was so.
    pub at: Option<Timestamp>,
    /// Parked or transient where the evidence says so.
    pub verdict: Verdict,
}

impl Walk {
    fn step(
        dependency: &ObjectRef,
        relation: &str,
        finding: String,
        proof: String,
        cause: RootCause,
    ) -> Self {
        Self {
            cause,
            links: vec![link(dependency, relation, finding, proof)],
            at: None,
            verdict: Verdict::Real,
        }
    }

    fn below(mut self, above: ChainLink) -> Self {
        self.links.insert(0, above);
        self
    }

    fn parked(mut self) -> Self {
        self.verdict = Verdict::Parked;
        self
    }

    /// Of two walks the one that ends deeper, and of two equally deep ones the one that waiting will not heal.
    fn order(&self) -> (bool, usize, u8) {
        let weight = match self.cause {
            RootCause::DependencyNodeCapacity => 6,
            RootCause::DependencyCrashloop => 5,
            RootCause::DependencyPodPending => 4,
            RootCause::DependencyMissing => 3,
            RootCause::LoadBalancerPending => 2,
            RootCause::DependencyNoEndpoints => 1,
            _ => 0,
        };
        (
            self.cause != RootCause::DependencySlowStart,
            self.links.len(),
            weight,
        )
    }
}

fn link(object: &ObjectRef, relation: &str, finding: String, proof: String) -> ChainLink {
    ChainLink {
        kind: object.kind.clone(),
        namespace: object.namespace.clone(),
        name: object.name.clone(),
        relation: relation.to_owned(),
        finding,
        proof,
    }
}

/// Walks down every dependency of the Job and gives the deepest root; `None` when all that could be looked at
/// is there and ready.
#[must_use]
pub fn walk(case: &Case<'_>) -> Option<Walk> {
    let window = Window {
        case,
        declared: None,
        since: case.job().created,
    };
    case.evidence
        .dependencies
        .iter()
        .filter_map(|dependency| window.dependency(dependency, "calls", 0))
        .max_by_key(Walk::order)
}

/// How long the things below may take to come up, and since when.
#[derive(Clone, Copy)]
struct Window<'c, 'e> {
    case: &'c Case<'e>,
    /// `hookbudget.dev/cold-start` of the nearest object above that has one.
    declared: Option<Seconds>,
    since: Option<Timestamp>,
}

impl Window<'_, '_> {
    fn narrowed(self, declared: Option<Seconds>, since: Option<Timestamp>) -> Self {
        Self {
            declared: declared.or(self.declared),
            since: since.or(self.since),
            ..self
        }
    }

    /// Age at the end of the Job when it lies within the time to come up.
    fn still_young(&self) -> Option<(Seconds, Seconds)> {
        let age = span(self.since?, self.case.until());
        let allowed = self.declared.unwrap_or(self.case.knobs.cold_start);
        (age < allowed).then_some((age, allowed))
    }

    fn dependency(self, dependency: &Dependency, relation: &str, depth: usize) -> Option<Walk> {
        if depth > MAX_DEPTH {
            return None;
        }
        let object = &dependency.object;
        let here = self.narrowed(dependency.cold_start, dependency.created);
        if let Some(reason) = &dependency.parked {
            let proof = format!("annotation hookbudget.dev/parked: {reason}");
            let finding = format!("is parked: {reason}");
            return Some(
                Walk::step(object, relation, finding, proof, RootCause::DependencyNoEndpoints).parked(),
            );
        }
        if dependency.exists == Some(false) {
            let proof = format!(
                "no {} {} in namespace {}",
                object.kind, object.name, object.namespace
            );
            let above = link(object, relation, "does not exist".to_owned(), proof.clone());
            return here.deepest(dependency, depth, &above).or_else(|| {
                let cause = RootCause::DependencyMissing;
                Some(Walk::step(
                    object,
                    relation,
                    "does not exist".to_owned(),
                    proof,
                    cause,
                ))
            });
        }
        if dependency.ready.is_some_and(|ready| ready > 0) {
            return None;
        }
        if dependency.load_balancer_pending {
            let (finding, proof) = ("has no address yet", "status.loadBalancer.ingress is empty");
            let above = link(object, relation, finding.to_owned(), proof.to_owned());
            return here.deepest(dependency, depth, &above).or_else(|| {
                let cause = RootCause::LoadBalancerPending;
                Some(Walk::step(
                    object,
                    relation,
                    finding.to_owned(),
                    proof.to_owned(),
                    cause,
                ))
            });
        }
        if dependency.ready.is_none() && object.kind == "Service" {
            return None;
        }
        let (finding, proof) = if object.kind == "Service" {
            let waiting = dependency.not_ready.unwrap_or(0);
            (
                "has no ready endpoint".to_owned(),
                format!("EndpointSlices: 0 ready addresses, {waiting} not ready"),
            )
        } else {
            let unmet = dependency
                .conditions
                .iter()
                .find(|c| c.kind == "Ready" && c.status != "True");
            let said = unmet.map_or_else(String::new, |c| format!(": {}: {}", c.reason, c.message));
            (
                "is not ready".to_owned(),
                format!("condition Ready is not True{said}"),
            )
        };
        let above = link(object, relation, finding.clone(), proof.clone());
        here.deepest(dependency, depth, &above).or_else(|| {
            if object.kind != "Service" {
                return None;
            }
            Some(here.young_or(RootCause::DependencyNoEndpoints, object, relation, finding, proof))
        })
    }

    fn deepest(self, dependency: &Dependency, depth: usize, above: &ChainLink) -> Option<Walk> {
        let relation = if dependency.object.kind == "Service" {
            "is served by"
        } else {
            "is made by"
        };
        dependency
            .workloads
            .iter()
            .filter_map(|workload| self.workload(workload, relation, depth + 1))
            .max_by_key(Walk::order)
            .map(|walk| walk.below(above.clone()))
    }

    fn workload(self, workload: &Workload, relation: &str, depth: usize) -> Option<Walk> {
        let object = &workload.object;
        let here = self.narrowed(workload.cold_start, workload.created);
        let stopped = if let Some(reason) = &workload.parked {
            Some((
                format!("is parked: {reason}"),
                format!("annotation hookbudget.dev/parked: {reason}"),
            ))
        } else if workload.wanted == Some(0) {
            Some(("is scaled to zero".to_owned(), "spec.replicas is 0".to_owned()))
        } else if workload.suspended {
            Some(("is suspended".to_owned(), "spec.suspend is true".to_owned()))
        } else {
            None
        };
        if let Some((finding, proof)) = stopped {
            return Some(
                Walk::step(object, relation, finding, proof, RootCause::DependencyNoEndpoints).parked(),
            );
        }
        let wanted = workload
            .wanted
            .map_or_else(|| "all".to_owned(), |wanted| wanted.to_string());
        let above = link(
            object,
            relation,
            format!("has {} of {wanted} replicas ready", workload.ready),
            format!("status.readyReplicas is {}", workload.ready),
        );
        let needs = workload
            .needs
            .iter()
            .filter_map(|need| here.dependency(need, "cannot start without", depth + 2))
            .max_by_key(Walk::order);
        let pods = workload
            .pods
            .iter()
            .rev()
            .filter_map(|pod| here.pod(pod, needs.as_ref()));
        pods.max_by_key(Walk::order)
            .or(needs)
            .map(|walk| walk.below(above))
    }

    fn pod(self, pod: &PodRecord, needs: Option<&Walk>) -> Option<Walk> {
        let object = ObjectRef {
            kind: "Pod".to_owned(),
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
        };
        let here = self.narrowed(None, pod.created);
        let relation = "runs as";
        if let Some(condition) = pod
            .conditions
            .iter()
            .find(|c| c.kind == "PodScheduled" && c.status == "False")
        {
            return Some(here.unplaced(&object, condition));
        }
        for container in &pod.containers {
            let ContainerState::Waiting(waiting) = &container.state else {
                continue;
            };
            let proof = format!(
                "container {} waiting {}: {}",
                container.name, waiting.reason, waiting.message
            );
            if waiting.reason == "CrashLoopBackOff" {
                let last = container.ends.last().map_or_else(String::new, |end| {
                    format!(", last exit {} ({})", end.exit_code, end.reason)
                });
                let finding = format!("crashed {} times{last}", container.restarts);
                return Some(Walk::step(
                    &object,
                    relation,
                    finding,
                    proof,
                    RootCause::DependencyCrashloop,
                ));
            }
            let waits_for_image = waiting.reason.starts_with("ErrImage")
                || matches!(waiting.reason.as_str(), "ImagePullBackOff" | "InvalidImageName");
            let waits_for_config = matches!(
                waiting.reason.as_str(),
                "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError"
            );
            if waits_for_image || waits_for_config {
                let finding = format!("cannot start: {}", waiting.reason);
                let above = link(&object, relation, finding.clone(), proof.clone());
                if let Some(needs) = needs.filter(|_| waits_for_config) {
                    return Some(needs.clone().below(above));
                }
                return Some(Walk::step(
                    &object,
                    relation,
                    finding,
                    proof,
                    RootCause::DependencyPodPending,
                ));
            }
        }
        let ready = pod
            .conditions
            .iter()
            .any(|c| c.kind == "Ready" && c.status == "True");
        if ready || pod.phase == "Succeeded" {
            return None;
        }
        let proof = format!("phase {}, Ready is not True", pod.phase);
        if pod.phase == "Pending" {
            let above = link(&object, relation, "is pending".to_owned(), proof.clone());
            if let Some(needs) = needs {
                return Some(needs.clone().below(above));
            }
            let finding = "is pending".to_owned();
            return Some(here.young_or(RootCause::DependencyPodPending, &object, relation, finding, proof));
        }
        let finding = "runs and is not ready".to_owned();
        Some(here.young_or(
            RootCause::DependencyNoEndpoints,
            &object,
            relation,
            finding,
            proof,
        ))
    }

    /// A Pod without a node; the autoscaler's word, where there is one, is the last link.
    fn unplaced(&self, pod: &ObjectRef, condition: &Condition) -> Walk {
        let proof = format!("PodScheduled=False {}: {}", condition.reason, condition.message);
        let cause = if unschedulable(&condition.message) == Some(Unschedulable::Resources) {
            RootCause::DependencyNodeCapacity
        } else {
            RootCause::DependencyPodPending
        };
        let finding = format!("finds no node: {}", first_sentence(&condition.message));
        let mut walk = Walk::step(pod, "runs as", finding, proof, cause);
        walk.at = condition.at;
        if let Some(event) = self.autoscaler(pod) {
            walk.links.push(autoscaler_link(event));
        } else if self.declared.is_some() && self.still_young().is_some() {
            walk.verdict = Verdict::Transient;
        }
        walk
    }

    /// A slow start while the object is younger than the time it is given, else `cause`.
    fn young_or(
        &self,
        cause: RootCause,
        object: &ObjectRef,
        relation: &str,
        finding: String,
        proof: String,
    ) -> Walk {
        match self.still_young() {
            Some((age, allowed)) => {
                let finding = format!("{finding}, and may take {allowed} to come up ({age} so far)");
                let mut walk = Walk::step(object, relation, finding, proof, RootCause::DependencySlowStart);
                walk.verdict = Verdict::Transient;
                walk
            }
            None => Walk::step(object, relation, finding, proof, cause),
        }
    }

    /// The autoscaler's refusal to make room for the Pod.
    fn autoscaler(&self, pod: &ObjectRef) -> Option<&EventRecord> {
        self.case.evidence.events.iter().rev().find(|event| {
            let refused = matches!(
                event.reason.as_str(),
                "NotTriggerScaleUp" | "FailedScaleUp" | "ScaleUpFailed"
            );
            refused
                && (event.object == *pod || holds(&event.message, "backoff") && event.object.kind != "Pod")
        })
    }
}

fn autoscaler_link(event: &EventRecord) -> ChainLink {
    ChainLink {
        kind: "Autoscaler".to_owned(),
        namespace: String::new(),
        name: "cluster-autoscaler".to_owned(),
        relation: "gets its node from".to_owned(),
        finding: "adds no node".to_owned(),
        proof: format!(
            "event {} on {} {}: {}",
            event.reason, event.object.kind, event.object.name, event.message
        ),
    }
}
