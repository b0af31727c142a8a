//! `unschedulable_taint`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::scheduling;
use crate::engine::signatures::Unschedulable;

cause! {
    /// # What it is
    ///
    /// All nodes that could take the Pod carry a taint that it does not tolerate, or are cordoned.
    ///
    /// # Evidence
    ///
    /// The Pod's condition `PodScheduled=False` with a message that holds `untolerated taint` or `were
    /// unschedulable`, and no node that only lacks room or fails the selector.
    ///
    /// # Not to be confused with
    ///
    /// `unschedulable_resources`: a control plane node with its taint is in nearly every message; the nodes
    /// that only lack room decide.
    ///
    /// # Repair
    ///
    /// See whether the taint is meant to last (a pool of its own) or is a condition
    /// (`node.kubernetes.io/not-ready`): the second one heals with the node.
    ///
    /// # Do not
    ///
    /// Do not tolerate every taint: the Pod would land on nodes that are not ready.
    UnschedulableTaint, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    scheduling(case, Unschedulable::Taint).map(|found| found.repair("Add the toleration to the Pod template, or take the taint off the nodes if it should not be there."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{at, failed, find, judge, unplaced};

    #[test]
    fn its_evidence_is_found() {
        let evidence = unplaced(
            "Unschedulable",
            "0/2 nodes are available: 2 node(s) had untolerated taint {pool: gpu}. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
        );
        assert!(find(&UnschedulableTaint, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(UnschedulableTaint.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = unplaced(
            "Unschedulable",
            "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.",
        );
        assert!(find(&UnschedulableTaint, &evidence).is_none());
    }

    #[test]
    fn a_pod_that_found_its_node_later_is_not_held_up() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"pods": [
                {"name": "job-x", "phase": "Failed", "conditions": [{"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available: 2 node(s) had untolerated taint {pool: gpu}. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.", "at": at(1)}]},
                {"name": "job-y", "node": "n", "phase": "Running", "conditions": [{"type": "PodScheduled", "status": "True", "at": at(60)}]},
            ]}),
        );
        assert!(find(&UnschedulableTaint, &evidence).is_none());
    }
}
