//! `dependency_pod_pending`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::dependency;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// A Pod behind what the Job calls cannot start, for another reason than room on the nodes: an image that
    /// cannot be pulled, a missing Secret, a taint, a volume.
    ///
    /// # Evidence
    ///
    /// The chain from the Service over its workload to a Pod in phase `Pending`, or with a container that waits
    /// for its image or its configuration; below it a claim that is not bound, or a volume out of reach. A workload
    /// whose Pods are refused (`FailedCreate`) counts too.
    ///
    /// # Not to be confused with
    ///
    /// `dependency_node_capacity`: there no node has room. `dependency_slow_start`: a Pod that is young and
    /// merely starting.
    ///
    /// # Repair
    ///
    /// Repair that Pod first; everything above it heals by itself.
    ///
    /// # Do not
    ///
    /// Do not restart the workload: the new Pod meets the same.
    DependencyPodPending, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    dependency(
        case,
        RootCause::DependencyPodPending,
        "Repair what holds the Pod: its image, its configuration, its volume or its node selection.",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{blocked_by, find, judge, pending};

    #[test]
    fn its_evidence_is_found() {
        let evidence = blocked_by(
            json!({"ready": 0}),
            &json!([pending(
                "0/2 nodes are available: 2 node(s) had untolerated taint {pool: gpu}. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
            )]),
        );
        assert!(find(&DependencyPodPending, &evidence).is_some());
        assert_eq!(
            judge(&evidence).root_cause,
            Some(DependencyPodPending.meta().cause)
        );
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = blocked_by(
            json!({"ready": 0}),
            &json!([pending(
                "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
            )]),
        );
        assert!(find(&DependencyPodPending, &evidence).is_none());
    }
}
