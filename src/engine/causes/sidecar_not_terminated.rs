//! `sidecar_not_terminated`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::diagnosis::Trigger;
use crate::engine::evidence::{ContainerRecord, ContainerState};
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// The main container was done, and another one kept the Pod running until a clock ran out.
    ///
    /// # Evidence
    ///
    /// A container that ended with exit code 0 beside one that was still running when the Job failed or its
    /// release gave up.
    ///
    /// # Not to be confused with
    ///
    /// `no_progress_hang`: there the main container itself ran on.
    ///
    /// # Repair
    ///
    /// Make the other container a native sidecar: an init container with `restartPolicy: Always`. The kubelet
    /// ends it when the main container is done.
    ///
    /// # Do not
    ///
    /// Do not raise the deadline: the second container never ends.
    SidecarNotTerminated, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    if !matches!(case.trigger, Trigger::DeadlineExceeded | Trigger::ReleaseTimeout) {
        return None;
    }
    case.evidence.pods.iter().find_map(|pod| {
        let main = || pod.containers.iter().filter(|container| !container.init);
        let done = main().find(|container| ended_well(container))?;
        let other = main().find(|container| outlived(container))?;
        let finding = format!(
            "container {} was done, container {} kept the Pod running",
            done.name, other.name
        );
        let text = format!(
            "{} terminated with exit code 0, {} was still running",
            done.name, other.name
        );
        Some(
            Match::from_pod(RootCause::SidecarNotTerminated, finding, pod, case.ended, text)
                .repair(format!("Make container {} a native sidecar.", other.name)),
        )
    })
}

fn ended_well(container: &ContainerRecord) -> bool {
    matches!(&container.state, ContainerState::Terminated(end) if end.exit_code == 0)
        || container.ends.last().is_some_and(|end| end.exit_code == 0)
}

/// Still running when it was seen last, or ended by the signal of the deletion.
fn outlived(container: &ContainerRecord) -> bool {
    match &container.state {
        ContainerState::Running { .. } => true,
        ContainerState::Terminated(end) => matches!(end.exit_code, 137 | 143) && end.reason != "OOMKilled",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{at, failed, find, judge};

    #[test]
    fn its_evidence_is_found() {
        let evidence = failed(
            "DeadlineExceeded",
            60,
            json!({"pods": [{"namespace": "demo", "name": "job-x", "phase": "Running", "containers": [
                {"name": "main", "state": {"terminated": {"exit_code": 0, "reason": "Completed", "started": at(1), "finished": at(9)}}},
                {"name": "proxy", "state": {"running": {"started": at(1)}}},
            ]}]}),
        );
        assert!(find(&SidecarNotTerminated, &evidence).is_some());
        assert_eq!(
            judge(&evidence).root_cause,
            Some(SidecarNotTerminated.meta().cause)
        );
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "DeadlineExceeded",
            60,
            json!({"pods": [{"namespace": "demo", "name": "job-x", "phase": "Running", "containers": [
                {"name": "main", "state": {"running": {"started": at(1)}}},
                {"name": "proxy", "state": {"running": {"started": at(1)}}},
            ]}]}),
        );
        assert!(find(&SidecarNotTerminated, &evidence).is_none());
    }
}
