//! `unschedulable_resources`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::scheduling;
use crate::engine::family::some_container_ran;
use crate::engine::signatures::Unschedulable;

cause! {
    /// # What it is
    ///
    /// No node has the cpu, the memory or another resource left that the Pod requests. Also known as
    /// `unschedulable_capacity`. A Pod that waits for a node counts against no `backoffLimit`: only a deadline
    /// or the release's timeout ends it.
    ///
    /// # Evidence
    ///
    /// The Pod's condition `PodScheduled=False` with reason `Unschedulable` and a message that holds
    /// `Insufficient`. Where nodes fall out for several reasons, those that lack room decide.
    ///
    /// # Not to be confused with
    ///
    /// `unschedulable_taint`, `unschedulable_affinity`, `unschedulable_volume`: there room would not help.
    /// `dependency_node_capacity`: there it is not the Job's own Pod that finds no node.
    ///
    /// # Repair
    ///
    /// Compare what is requested on the nodes with what is used; ask the autoscaler's events
    /// (`NotTriggerScaleUp`) why no node is added.
    ///
    /// # Do not
    ///
    /// Do not raise `backoffLimit`, and do not run the Job again while the nodes are as full as before.
    UnschedulableResources, find, rules_out: some_container_ran
}

fn find(case: &Case<'_>) -> Option<Match> {
    scheduling(case, Unschedulable::Resources).map(|found| {
        found.repair("Make room: free what other Pods request, add a node, or lower what this Pod requests.")
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
            "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.",
        );
        assert!(find(&UnschedulableResources, &evidence).is_some());
        assert_eq!(
            judge(&evidence).root_cause,
            Some(UnschedulableResources.meta().cause)
        );
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = unplaced(
            "Unschedulable",
            "0/2 nodes are available: 2 node(s) had untolerated taint {pool: gpu}. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
        );
        assert!(find(&UnschedulableResources, &evidence).is_none());
    }

    #[test]
    fn a_pod_that_found_its_node_later_is_not_held_up() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"pods": [
                {"name": "job-x", "phase": "Failed", "conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.", "at": at(1)}]},
                {"name": "job-y", "node": "n", "phase": "Running", "conditions": [{"type": "PodScheduled", "status": "True", "at": at(60)}]},
            ]}),
        );
        assert!(find(&UnschedulableResources, &evidence).is_none());
    }
}
