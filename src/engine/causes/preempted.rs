//! `preempted`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::disrupted;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// The scheduler removed the Pod to make room for one of higher priority.
    ///
    /// # Evidence
    ///
    /// The Pod's condition `DisruptionTarget` with reason `PreemptionByScheduler`.
    ///
    /// # Not to be confused with
    ///
    /// `node_drain`: there somebody asked for the eviction.
    ///
    /// # Repair
    ///
    /// Set a `priorityClassName` that fits a release's hook, and a `podFailurePolicy` that ignores
    /// `DisruptionTarget`, so that a preemption costs no retry.
    ///
    /// # Do not
    ///
    /// Do not give every Job the highest priority.
    Preempted, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let (pod, condition) =
        disrupted(case, &["PreemptionByScheduler"]).filter(|(_, c)| !case.ran_after(None, c.at))?;
    let finding = format!("Pod {} was preempted by one of higher priority", pod.name);
    let text = format!("DisruptionTarget {}: {}", condition.reason, condition.message);
    Some(
        Match::from_pod(RootCause::Preempted, finding, pod, condition.at, text)
            .repair("Give the Job a PriorityClass that fits its worth, or room."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{disrupted, find, judge};

    #[test]
    fn its_evidence_is_found() {
        let evidence = disrupted("PreemptionByScheduler");
        assert!(find(&Preempted, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(Preempted.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = disrupted("EvictionByEvictionAPI");
        assert!(find(&Preempted, &evidence).is_none());
    }
}
