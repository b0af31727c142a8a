//! A Pod of a dependency: what keeps it from running, and what of its needs that is.

use super::{Walk, Window, link};
use crate::engine::diagnosis::ChainLink;
use crate::engine::evidence::{Condition, ContainerState, Dependency, ObjectRef, PodRecord, Workload};
use crate::engine::family::first_sentence;
use crate::engine::root_cause::RootCause;
use crate::engine::signatures::{Unschedulable, unschedulable};

/// How many Pods behind a Service are ready, and how many there are; `None` where none is known.
pub(super) fn ready_of(dependency: &Dependency) -> Option<(usize, usize)> {
    let pods = || dependency.workloads.iter().flat_map(|workload| &workload.pods);
    let count = pods().count();
    (count > 0).then(|| (pods().filter(|pod| is_ready(pod)).count(), count))
}

fn is_ready(pod: &PodRecord) -> bool {
    let conditions = &mut pod.conditions.iter();
    conditions.any(|c| c.kind == "Ready" && c.status == "True")
}

/// The field that says so.
pub(super) fn suspended_by(object: &ObjectRef) -> &'static str {
    match object.kind.as_str() {
        "Deployment" => "spec.paused is true",
        "Cluster" => "annotation cnpg.io/hibernation: on",
        _ => "spec.suspend is true",
    }
}

/// The link of a workload, with what it says of itself.
pub(super) fn short_of_replicas(workload: &Workload, relation: &str) -> ChainLink {
    let wanted = workload
        .wanted
        .map_or_else(|| "all".to_owned(), |wanted| wanted.to_string());
    let (what, field) = if workload.object.kind == "Cluster" {
        ("instances", "status.readyInstances")
    } else {
        ("replicas", "status.readyReplicas")
    };
    let phase = match workload.phase.as_str() {
        "" => String::new(),
        phase => format!(", status.phase: {phase}"),
    };
    let says = match workload.says.as_str() {
        "" => String::new(),
        says => format!("; {says}"),
    };
    link(
        &workload.object,
        relation,
        format!("has {} of {wanted} {what} ready", workload.ready),
        match workload.wanted {
            Some(_) => format!("{field} is {}{phase}{says}", workload.ready),
            // The object itself was not seen, only its Pods were.
            None => format!(
                "{} of {} Pods that were seen are ready{says}",
                workload.ready,
                workload.pods.len()
            ),
        },
    )
}

impl Window<'_, '_> {
    /// The walk below a Pod; `needs` are those of its workload's needs that are not met.
    pub(super) fn pod(self, pod: &PodRecord, needs: &[Walk]) -> Option<Walk> {
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
            return Some(here.unplaced(&object, pod, condition, needs));
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
                let cause = RootCause::DependencyCrashloop;
                return Some(Walk::step(&object, relation, finding, proof, cause));
            }
            let waits_for_image = waiting.reason.starts_with("ErrImage")
                || matches!(
                    waiting.reason.as_str(),
                    "ImagePullBackOff"
                        | "InvalidImageName"
                        | "ImageInspectError"
                        | "RegistryUnavailable"
                        | "SignatureValidationFailed"
                );
            let waits_for_config = matches!(
                waiting.reason.as_str(),
                "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError"
            );
            if waits_for_image || waits_for_config {
                let finding = if waits_for_image && !container.image.is_empty() {
                    format!("cannot start: {}, image {}", waiting.reason, container.image)
                } else {
                    format!("cannot start: {}", waiting.reason)
                };
                let above = link(&object, relation, finding.clone(), proof.clone());
                let unmet = needed(pod, needs, &["Secret", "ConfigMap"]);
                if let Some(unmet) = unmet.filter(|_| waits_for_config) {
                    return Some(unmet.clone().below(above));
                }
                let cause = RootCause::DependencyPodPending;
                return Some(Walk::step(&object, relation, finding, proof, cause));
            }
        }
        if is_ready(pod) || pod.phase == "Succeeded" {
            return None;
        }
        let proof = format!("phase {}, Ready is not True", pod.phase);
        if pod.phase == "Pending" {
            let kinds = ["Secret", "ConfigMap", "PersistentVolumeClaim"];
            if let Some(unmet) = needed(pod, needs, &kinds) {
                let above = link(&object, relation, "is pending".to_owned(), proof);
                return Some(unmet.clone().below(above));
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

    /// A Pod without a node: below it its volume, or the nodes and who adds some.
    fn unplaced(&self, object: &ObjectRef, pod: &PodRecord, condition: &Condition, needs: &[Walk]) -> Walk {
        let proof = format!("PodScheduled=False {}: {}", condition.reason, condition.message);
        let kind = unschedulable(&condition.message);
        let finding = format!("finds no node: {}", first_sentence(&condition.message));
        let unmet = needed(pod, needs, &["PersistentVolumeClaim"]);
        if let Some(unmet) = unmet.filter(|_| kind == Some(Unschedulable::Volume)) {
            let above = link(object, "runs as", finding, proof);
            return unmet.clone().below(above).since(condition.at);
        }
        let cause = if kind == Some(Unschedulable::Resources) {
            RootCause::DependencyNodeCapacity
        } else {
            RootCause::DependencyPodPending
        };
        let mut walk = Walk::step(object, "runs as", finding, proof, cause);
        walk.at = condition.at;
        let below = super::room::below(self.case, object, kind == Some(Unschedulable::Resources));
        walk.links.extend(below.links);
        let starts = self.declared.filter(|_| !below.refused);
        let starts = starts.and_then(|_| self.still_young()).map(|young| young.until);
        walk.given_until = below.joins_by.max(starts);
        walk
    }
}

/// The deepest unmet need of these kinds that this Pod has: a claim is a Pod's own, the rest its workload's.
fn needed<'w>(pod: &PodRecord, needs: &'w [Walk], kinds: &[&str]) -> Option<&'w Walk> {
    let of_pod = |walk: &&Walk| {
        let Some(first) = walk.links.first() else {
            return false;
        };
        kinds.contains(&first.kind.as_str())
            && (first.kind != "PersistentVolumeClaim" || pod.claims.contains(&first.name))
    };
    needs.iter().filter(of_pod).max_by_key(|walk| walk.order())
}
