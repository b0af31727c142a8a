//! `unschedulable_affinity`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::scheduling;
use crate::engine::signatures::Unschedulable;

cause! {
    /// # What it is
    ///
    /// No node carries the labels that the Pod's selector or affinity asks for, or other Pods stand in the way
    /// of its anti-affinity or spread.
    ///
    /// # Evidence
    ///
    /// The Pod's condition `PodScheduled=False` with a message that holds `didn't match Pod's node
    /// affinity/selector` or another affinity.
    ///
    /// # Not to be confused with
    ///
    /// `unschedulable_volume`: `volume node affinity conflict` is about where a volume lives.
    ///
    /// # Repair
    ///
    /// Compare the selector with the labels of the nodes. A typing error in a label looks exactly like this.
    ///
    /// # Do not
    ///
    /// Do not add nodes: a node without the label changes nothing, and the autoscaler may give up over such a
    /// Pod.
    UnschedulableAffinity, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    scheduling(case, Unschedulable::Affinity).map(|found| {
        found.repair("Correct the nodeSelector or the affinity of the Pod template, or label a node for it.")
    })
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
            "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
        );
        assert!(find(&UnschedulableAffinity, &evidence).is_some());
        assert_eq!(
            judge(&evidence).root_cause,
            Some(UnschedulableAffinity.meta().cause)
        );
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = unplaced(
            "Unschedulable",
            "0/1 nodes are available: 1 node(s) had volume node affinity conflict.",
        );
        assert!(find(&UnschedulableAffinity, &evidence).is_none());
    }

    #[test]
    fn a_pod_that_found_its_node_later_is_not_held_up() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"pods": [
                {"name": "job-x", "phase": "Failed", "conditions": [{"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.", "at": at(1)}]},
                {"name": "job-y", "node": "n", "phase": "Running", "conditions": [{"type": "PodScheduled", "status": "True", "at": at(60)}]},
            ]}),
        );
        assert!(find(&UnschedulableAffinity, &evidence).is_none());
    }
}
