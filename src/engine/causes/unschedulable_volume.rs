//! `unschedulable_volume`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::scheduling;
use crate::engine::signatures::Unschedulable;

cause! {
    /// # What it is
    ///
    /// The Pod's volume lives where no node with room is, or its claim is not bound to any volume.
    ///
    /// # Evidence
    ///
    /// The Pod's condition `PodScheduled=False` with a message that holds `volume node affinity conflict` or
    /// names a claim that is unbound or missing.
    ///
    /// # Not to be confused with
    ///
    /// `volume_mount_failed`: there the Pod has its node, and the volume cannot be mounted on it.
    /// `unschedulable_affinity`: there the Pod's own affinity decides.
    ///
    /// # Repair
    ///
    /// Look at the `PersistentVolumeClaim`'s events and at the zone of the volume.
    ///
    /// # Do not
    ///
    /// Do not delete the claim to get the Pod scheduled: the data goes with it.
    UnschedulableVolume, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    scheduling(case, Unschedulable::Volume).map(|found| {
        found.repair("Bind the claim, or make a node available where the volume can be reached.")
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
            "0/1 nodes are available: 1 node(s) had volume node affinity conflict.",
        );
        assert!(find(&UnschedulableVolume, &evidence).is_some());
        assert_eq!(
            judge(&evidence).root_cause,
            Some(UnschedulableVolume.meta().cause)
        );
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = unplaced(
            "Unschedulable",
            "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
        );
        assert!(find(&UnschedulableVolume, &evidence).is_none());
    }

    #[test]
    fn a_pod_that_found_its_node_later_is_not_held_up() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"pods": [
                {"name": "job-x", "phase": "Failed", "conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available: 1 node(s) had volume node affinity conflict.", "at": at(1)}]},
                {"name": "job-y", "node": "n", "phase": "Running", "conditions": [{"type": "PodScheduled", "status": "True", "at": at(60)}]},
            ]}),
        );
        assert!(find(&UnschedulableVolume, &evidence).is_none());
    }
}
