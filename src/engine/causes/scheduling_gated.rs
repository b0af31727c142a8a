//! `scheduling_gated`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::unplaced;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// The Pod carries `spec.schedulingGates`. As long as one is left, the scheduler does not look at it: a
    /// queue or a quota controller holds it back on purpose.
    ///
    /// # Evidence
    ///
    /// The Pod's condition `PodScheduled=False` with reason `SchedulingGated`.
    ///
    /// # Not to be confused with
    ///
    /// `unschedulable_resources` and its neighbours: there the scheduler looked and found no node.
    ///
    /// # Repair
    ///
    /// Ask the controller that set the gate. The Job's deadline runs meanwhile, unless the Job is suspended
    /// instead.
    ///
    /// # Do not
    ///
    /// Do not take the gate off by hand.
    SchedulingGated, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let (pod, condition) = unplaced(case).filter(|(_, condition)| condition.reason == "SchedulingGated")?;
    let finding = format!("a scheduling gate holds Pod {} back", pod.name);
    Some(
        Match::from_pod(
            RootCause::SchedulingGated,
            finding,
            pod,
            condition.at,
            condition.message.clone(),
        )
        .repair("Have the controller that set the scheduling gate take it off."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{find, judge, unplaced};

    #[test]
    fn its_evidence_is_found() {
        let evidence = unplaced(
            "SchedulingGated",
            "Scheduling is blocked due to non-empty scheduling gates",
        );
        assert!(find(&SchedulingGated, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(SchedulingGated.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = unplaced(
            "Unschedulable",
            "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.",
        );
        assert!(find(&SchedulingGated, &evidence).is_none());
    }
}
