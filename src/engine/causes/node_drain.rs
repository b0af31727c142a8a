//! `node_drain`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::disrupted;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// Somebody or something drained the node, or evicted this Pod by the API.
    ///
    /// # Evidence
    ///
    /// The Pod's condition `DisruptionTarget` with reason `EvictionByEvictionAPI`.
    ///
    /// # Not to be confused with
    ///
    /// `node_shutdown`: there the node itself went down. `preempted`: there the scheduler did it.
    ///
    /// # Repair
    ///
    /// Let the Job run again; ignore `DisruptionTarget` in a `podFailurePolicy`, so that a drain costs no
    /// retry.
    ///
    /// # Do not
    ///
    /// Do not look for an error in the Job.
    NodeDrain, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let (pod, condition) =
        disrupted(case, &["EvictionByEvictionAPI"]).filter(|(_, c)| !case.ran_after(None, c.at))?;
    let finding = format!("Pod {} was evicted on request, as a drain does", pod.name);
    let text = format!("DisruptionTarget {}: {}", condition.reason, condition.message);
    Some(
        Match::from_pod(RootCause::NodeDrain, finding, pod, condition.at, text)
            .repair("Run the Job again once the node is back or its Pods have moved."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{disrupted, find, judge};

    #[test]
    fn its_evidence_is_found() {
        let evidence = disrupted("EvictionByEvictionAPI");
        assert!(find(&NodeDrain, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(NodeDrain.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = disrupted("PreemptionByScheduler");
        assert!(find(&NodeDrain, &evidence).is_none());
    }
}
