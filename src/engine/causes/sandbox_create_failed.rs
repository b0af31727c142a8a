//! `sandbox_create_failed`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::blocking_event;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// The node cannot set up the Pod's sandbox: the network plugin has no address left, is not ready, or the
    /// runtime is broken.
    ///
    /// # Evidence
    ///
    /// An event `FailedCreatePodSandBox` on the Pod, with no container started afterwards.
    ///
    /// # Not to be confused with
    ///
    /// `volume_mount_failed`: there the sandbox is not the point. One such event at the start of a node is
    /// normal; it counts only while nothing runs.
    ///
    /// # Repair
    ///
    /// Look at the network plugin's Pod on that node, and at the node's free addresses.
    ///
    /// # Do not
    ///
    /// Do not repair the Job: every new Pod on that node meets the same.
    SandboxCreateFailed, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let event = blocking_event(case, "FailedCreatePodSandBox")?;
    let finding = format!("the node cannot set up the Pod's sandbox: {}", event.message);
    Some(
        Match::from_event(RootCause::SandboxCreateFailed, finding, event)
            .repair("Repair the network plugin or the runtime on the Pod's node."),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{failed, find, judge, pod_event};

    #[test]
    fn its_evidence_is_found() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"events": pod_event("FailedCreatePodSandBox", "failed to setup network for sandbox: no IP addresses available in range set")}),
        );
        assert!(find(&SandboxCreateFailed, &evidence).is_some());
        assert_eq!(
            judge(&evidence).root_cause,
            Some(SandboxCreateFailed.meta().cause)
        );
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"events": pod_event("FailedMount", "Unable to attach or mount volumes: timed out")}),
        );
        assert!(find(&SandboxCreateFailed, &evidence).is_none());
    }
}
