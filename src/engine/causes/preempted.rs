//! `preempted`.

use super::Match;
use crate::engine::case::Case;
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
    use serde_json::json;

    use super::*;
    use crate::engine::causes::Cause;
    use crate::engine::testkit::{at, failed, find, judge};

    #[test]
    fn its_evidence_is_found() {
        let evidence = failed(
            "BackoffLimitExceeded",
            30,
            json!({"pods": [{"namespace": "demo", "name": "job-x", "phase": "Failed", "node": "n", "created": at(0), "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler", "message": "so it was", "at": at(20)}]}]}),
        );
        assert!(find(&Preempted, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(Preempted.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "BackoffLimitExceeded",
            30,
            json!({"pods": [{"namespace": "demo", "name": "job-x", "phase": "Failed", "node": "n", "created": at(0), "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "so it was", "at": at(20)}]}]}),
        );
        assert!(find(&Preempted, &evidence).is_none());
    }
}
