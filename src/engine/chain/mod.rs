//! Walking down from what a Job calls to what keeps it from answering: Service, workload, Pod, what that Pod
//! cannot start without, and so on. The deepest proven link is the root.

mod pod;
mod room;
mod waits;

use jiff::Timestamp;

pub(crate) use self::room::{AUTOSCALER, NODES, below as below_a_pod, no_node_helps};
use super::Seconds;
use super::case::{Case, later, span};
use super::diagnosis::{ChainLink, Verdict};
use super::evidence::{Dependency, ObjectRef, Workload};
use super::root_cause::RootCause;

/// What is said of workloads that somebody has stopped; their repair goes by it.
pub(super) const SCALED_TO_ZERO: &str = "is scaled to zero";
pub(super) const SUSPENDED: &str = "is suspended";
pub(super) const PARKED: &str = "is parked";

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
    /// Parked where the evidence says so.
    pub verdict: Verdict,
    /// When the time is over that the last link is given to come up, where the Job ended within it.
    pub given_until: Option<Timestamp>,
}

impl Walk {
    fn step(object: &ObjectRef, relation: &str, finding: String, proof: String, cause: RootCause) -> Self {
        Self {
            cause,
            links: vec![link(object, relation, finding, proof)],
            at: None,
            verdict: Verdict::Real,
            given_until: None,
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

    fn since(mut self, at: Option<Timestamp>) -> Self {
        self.at = self.at.or(at);
        self
    }

    /// Of two walks the one that ends deeper, and of two equally deep ones the one that waiting will not heal.
    fn order(&self) -> (bool, usize, u8) {
        let weight = match self.cause {
            RootCause::DependencyNodeCapacity => 7,
            RootCause::DependencyCrashloop => 6,
            RootCause::DependencyPodPending => 5,
            RootCause::DependencyMissing => 4,
            RootCause::LoadBalancerPending => 3,
            RootCause::DependencyNotReady => 2,
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
/// is there and ready. What the Job itself calls comes before what its release waits for: a release may depend on
/// something that this Job never needs.
#[must_use]
pub fn walk(case: &Case<'_>) -> Option<Walk> {
    let window = Window {
        case,
        declared: None,
        since: case.job().created,
    };
    let deepest = |of_release: bool| {
        case.evidence
            .dependencies
            .iter()
            .filter(|dependency| waits::is_of_release(dependency) == of_release)
            .filter_map(|dependency| window.dependency(dependency, "calls", 0))
            .max_by_key(Walk::order)
    };
    let called = deepest(false);
    let may_be_release = case.ends.is_empty() || case.last_hit().is_some();
    called.or_else(|| may_be_release.then(|| deepest(true)).flatten())
}

/// How long the things below may take to come up, and since when.
#[derive(Clone, Copy)]
struct Window<'c, 'e> {
    case: &'c Case<'e>,
    /// `hookbudget.dev/cold-start` of the nearest object above that has one.
    declared: Option<Seconds>,
    since: Option<Timestamp>,
}

/// Something within the time that it may take to come up.
struct Young {
    age: Seconds,
    allowed: Seconds,
    /// When that time is over.
    until: Timestamp,
}

impl Window<'_, '_> {
    fn narrowed(self, declared: Option<Seconds>, since: Option<Timestamp>) -> Self {
        Self {
            declared: declared.or(self.declared),
            since: since.or(self.since),
            ..self
        }
    }

    /// Whether it lies within the time to come up at the end of the Job.
    fn still_young(&self) -> Option<Young> {
        let since = self.since?;
        let age = span(since, self.case.until());
        let allowed = self.declared.unwrap_or(self.case.knobs.cold_start);
        (age < allowed).then(|| Young {
            age,
            allowed,
            until: later(since, allowed),
        })
    }

    fn dependency(self, dependency: &Dependency, relation: &str, depth: usize) -> Option<Walk> {
        if depth > MAX_DEPTH {
            return None;
        }
        let object = &dependency.object;
        let relation = match dependency.relation.as_str() {
            "" => relation,
            stated => stated,
        };
        let here = self.narrowed(dependency.cold_start, dependency.created);
        if let Some(reason) = &dependency.parked {
            let proof = format!("annotation hookbudget.dev/parked: {reason}");
            let finding = format!("{PARKED}: {reason}");
            return Some(
                Walk::step(object, relation, finding, proof, RootCause::DependencyNoEndpoints).parked(),
            );
        }
        if dependency.exists == Some(false) {
            let place = if object.namespace.is_empty() {
                String::new()
            } else {
                format!(" in namespace {}", object.namespace)
            };
            let proof = match dependency.says.as_str() {
                "" => format!("no {} {}{place}", object.kind, object.name),
                says => says.to_owned(),
            };
            let above = link(object, relation, "does not exist".to_owned(), proof);
            return here
                .deepest(dependency, depth, &above)
                .or_else(|| Some(ending(above, RootCause::DependencyMissing)));
        }
        if object.kind != "Service" {
            return here.waits(dependency, relation, depth);
        }
        if dependency.ready.is_some_and(|ready| ready > 0) {
            return None;
        }
        if dependency.load_balancer_pending {
            let (finding, proof) = ("has no address yet", "status.loadBalancer.ingress is empty");
            let above = link(object, relation, finding.to_owned(), proof.to_owned());
            return here
                .deepest(dependency, depth, &above)
                .or_else(|| Some(ending(above, RootCause::LoadBalancerPending)));
        }
        let Some(ready) = dependency.ready else {
            // Nobody saw its addresses: what is proven below it counts, and that it has none does not.
            let (ready, pods) = pod::ready_of(dependency)?;
            let proof =
                format!("{ready} of {pods} Pods behind it are ready; its EndpointSlices were not seen");
            let above = link(object, relation, "has no ready Pod behind it".to_owned(), proof);
            return here.deepest(dependency, depth, &above).filter(|_| ready == 0);
        };
        let waiting = dependency.not_ready.unwrap_or(0);
        let proof = format!("EndpointSlices: {ready} ready addresses, {waiting} not ready");
        let finding = "has no ready endpoint".to_owned();
        let above = link(object, relation, finding.clone(), proof.clone());
        here.deepest(dependency, depth, &above).or_else(|| {
            Some(here.young_or(RootCause::DependencyNoEndpoints, object, relation, finding, proof))
        })
    }

    /// The deepest of what runs behind a dependency, what makes it, and what it waits for.
    fn deepest(self, dependency: &Dependency, depth: usize, above: &ChainLink) -> Option<Walk> {
        let relation = match dependency.object.kind.as_str() {
            "Service" => "is served by",
            "HelmRelease" | "Kustomization" => "has installed",
            _ => "is made by",
        };
        let workloads = dependency
            .workloads
            .iter()
            .filter_map(|workload| self.workload(workload, relation, depth + 1));
        let needs = dependency
            .needs
            .iter()
            .filter_map(|need| self.dependency(need, "depends on", depth + 1));
        workloads
            .chain(needs)
            .max_by_key(Walk::order)
            .map(|walk| walk.below(above.clone()))
    }

    fn workload(self, workload: &Workload, relation: &str, depth: usize) -> Option<Walk> {
        let object = &workload.object;
        let here = self.narrowed(workload.cold_start, workload.created);
        let stopped = if let Some(reason) = &workload.parked {
            Some((
                format!("{PARKED}: {reason}"),
                format!("annotation hookbudget.dev/parked: {reason}"),
            ))
        } else if workload.wanted == Some(0) {
            Some((SCALED_TO_ZERO.to_owned(), "spec.replicas is 0".to_owned()))
        } else if workload.suspended {
            Some((SUSPENDED.to_owned(), pod::suspended_by(object).to_owned()))
        } else {
            None
        };
        if let Some((finding, proof)) = stopped {
            return Some(
                Walk::step(object, relation, finding, proof, RootCause::DependencyNoEndpoints).parked(),
            );
        }
        let above = pod::short_of_replicas(workload, relation);
        let needs: Vec<Walk> = workload
            .needs
            .iter()
            .filter_map(|need| here.dependency(need, "cannot start without", depth + 2))
            .collect();
        let of_pods = workload
            .pods
            .iter()
            .rev()
            .filter_map(|pod| here.pod(pod, &needs))
            .max_by_key(Walk::order);
        let of_needs = || needs.iter().max_by_key(|walk| walk.order()).cloned();
        if let Some(walk) = of_pods.or_else(of_needs) {
            return Some(walk.below(above));
        }
        // No Pod tells anything: the object itself, or an event about it, may.
        let tells = !workload.says.is_empty() || !workload.phase.is_empty();
        let complains = tells && workload.ready < workload.wanted.unwrap_or(1);
        complains.then(|| {
            let cause = if workload.object.kind == "Cluster" {
                RootCause::DependencyNotReady
            } else {
                RootCause::DependencyPodPending
            };
            let finding = above.finding.clone();
            here.young_or(cause, object, relation, finding, above.proof)
        })
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
            Some(Young { age, allowed, until }) => {
                let finding = format!("{finding}, and may take {allowed} to come up ({age} so far)");
                let mut walk = Walk::step(object, relation, finding, proof, RootCause::DependencySlowStart);
                walk.given_until = Some(until);
                walk
            }
            None => Walk::step(object, relation, finding, proof, cause),
        }
    }
}

/// A walk of one link.
fn ending(link: ChainLink, cause: RootCause) -> Walk {
    Walk {
        cause,
        links: vec![link],
        at: None,
        verdict: Verdict::Real,
        given_until: None,
    }
}
