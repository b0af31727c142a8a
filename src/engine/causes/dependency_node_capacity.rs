//! `dependency_node_capacity`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::dependency;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// A Pod that the Job depends on, maybe several layers down, finds no node with room. All that hangs on it
    /// waits: the Secret that it would have made, the Deployment that reads the Secret, the Service, the Job,
    /// the release.
    ///
    /// # Evidence
    ///
    /// The chain down to a Pod with `PodScheduled=False` and a message that holds `Insufficient`. Below it stand the
    /// nodes with their arithmetic (allocatable less requested against what is asked for), what the autoscaler says
    /// (events, or its status), and the Pods that it cannot make room for or that hold room and do no work.
    ///
    /// # Not to be confused with
    ///
    /// `unschedulable_resources`: there it is the Job's own Pod. `dependency_pod_pending`: there room would not
    /// help.
    ///
    /// # Repair
    ///
    /// Free room or add a node, then wait: the layers above heal from the bottom up. See whether other Pods
    /// that no node could ever fit keep the autoscaler in its back-off.
    ///
    /// # Do not
    ///
    /// Do not repair a layer above, and do not run the Job again while the nodes are as full as before.
    DependencyNodeCapacity, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    dependency(
        case,
        RootCause::DependencyNodeCapacity,
        "Make room on the nodes: free what is requested, add a node, or find out why the autoscaler adds none.",
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
                "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
            )]),
        );
        assert!(find(&DependencyNodeCapacity, &evidence).is_some());
        assert_eq!(
            judge(&evidence).root_cause,
            Some(DependencyNodeCapacity.meta().cause)
        );
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = blocked_by(
            json!({"ready": 0}),
            &json!([pending(
                "0/2 nodes are available: 2 node(s) had untolerated taint {pool: gpu}. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
            )]),
        );
        assert!(find(&DependencyNodeCapacity, &evidence).is_none());
    }
}
