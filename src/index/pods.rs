//! A Pod's history: the API server only keeps the present state, and the kubelet overwrites the past.

use jiff::Timestamp;

use crate::engine::evidence::{ContainerRecord, PodRecord, Termination, Waiting};

/// Ends and waits kept per container. A Job restarts 6 times by default, and the last runs say most.
const HISTORY: usize = 32;

/// What the kubelet writes over the status of a container that it can no longer find: an effect of the Pod's
/// deletion (kubernetes/kubernetes `pkg/kubelet/kubelet_pods.go`).
const STATUS_UNKNOWN: &str = "ContainerStatusUnknown";

/// Takes over the present state of a Pod and keeps what went before.
pub(super) fn merge(known: &mut PodRecord, new: PodRecord) {
    let before = std::mem::replace(known, new);
    known.deleted = known.deleted.or(before.deleted);
    known.node = known.node.take().or(before.node);
    for old in before.containers {
        match known
            .containers
            .iter_mut()
            .find(|c| c.name == old.name && c.init == old.init)
        {
            Some(container) => keep_history(container, old),
            None => known.containers.push(old),
        }
    }
}

/// Notes that a Pod is gone.
pub(super) fn bury(pod: &mut PodRecord, now: Timestamp) {
    pod.deleted.get_or_insert(now);
}

fn keep_history(container: &mut ContainerRecord, old: ContainerRecord) {
    container.restarts = container.restarts.max(old.restarts);
    let ends = std::mem::replace(&mut container.ends, old.ends);
    for end in ends {
        add_end(&mut container.ends, end);
    }
    let waits = std::mem::replace(&mut container.waits, old.waits);
    for wait in waits {
        add_wait(&mut container.waits, wait);
    }
    trim(&mut container.ends);
    trim(&mut container.waits);
}

fn add_end(ends: &mut Vec<Termination>, end: Termination) {
    match ends.iter_mut().find(|known| known.attempt == end.attempt) {
        Some(known) if end.reason == STATUS_UNKNOWN && known.reason != STATUS_UNKNOWN => {}
        Some(known) => *known = end,
        None => {
            let place = ends.partition_point(|known| known.attempt < end.attempt);
            ends.insert(place, end);
        }
    }
}

/// The message of a back-off names a growing span; one entry per reason and message would be one per restart.
fn add_wait(waits: &mut Vec<Waiting>, wait: Waiting) {
    let same = |known: &&mut Waiting| {
        known.reason == wait.reason && (known.message == wait.message || wait.reason == "CrashLoopBackOff")
    };
    match waits.iter_mut().find(same) {
        Some(known) => *known = wait,
        None => waits.push(wait),
    }
}

fn trim<T>(list: &mut Vec<T>) {
    if list.len() > HISTORY {
        list.drain(..list.len() - HISTORY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(container: ContainerRecord) -> PodRecord {
        PodRecord {
            containers: vec![container],
            ..PodRecord::default()
        }
    }

    fn end(attempt: u32, reason: &str) -> Termination {
        Termination {
            attempt,
            exit_code: 1,
            reason: reason.to_owned(),
            ..Termination::default()
        }
    }

    #[test]
    fn every_end_is_kept_in_order_and_not_overwritten_by_the_deletion() {
        let with = |ends: Vec<Termination>| {
            pod(ContainerRecord {
                ends,
                ..ContainerRecord::default()
            })
        };
        let mut known = with(vec![end(1, "OOMKilled")]);
        merge(&mut known, with(vec![end(0, "Error")]));
        merge(
            &mut known,
            with(vec![end(1, STATUS_UNKNOWN), end(2, STATUS_UNKNOWN)]),
        );
        let ends: Vec<_> = known.containers[0]
            .ends
            .iter()
            .map(|end| (end.attempt, end.reason.as_str()))
            .collect();
        assert_eq!(ends, [(0, "Error"), (1, "OOMKilled"), (2, STATUS_UNKNOWN)]);
    }

    #[test]
    fn what_a_container_waited_for_stays_known() {
        let waiting = |reason: &str, message: &str| {
            pod(ContainerRecord {
                waits: vec![Waiting {
                    reason: reason.to_owned(),
                    message: message.to_owned(),
                    seen: None,
                }],
                ..ContainerRecord::default()
            })
        };
        let mut known = waiting("ErrImagePull", "not found");
        for new in [
            waiting("ImagePullBackOff", "Back-off"),
            waiting("CrashLoopBackOff", "10s"),
            waiting("CrashLoopBackOff", "20s"),
            pod(ContainerRecord::default()),
        ] {
            merge(&mut known, new);
        }
        let reasons: Vec<_> = known.containers[0]
            .waits
            .iter()
            .map(|w| w.reason.as_str())
            .collect();
        assert_eq!(reasons, ["ErrImagePull", "ImagePullBackOff", "CrashLoopBackOff"]);
    }
}
