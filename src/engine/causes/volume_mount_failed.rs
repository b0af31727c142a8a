//! `volume_mount_failed`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::blocking_event;
use crate::engine::root_cause::RootCause;
use crate::engine::signatures::holds;

cause! {
    /// # What it is
    ///
    /// The Pod has its node, and a volume cannot be attached to it or mounted. The containers stay in
    /// `ContainerCreating`.
    ///
    /// # Evidence
    ///
    /// An event `FailedMount` or `FailedAttachVolume` on the Pod that does not speak of a missing object, with
    /// no container started afterwards.
    ///
    /// # Not to be confused with
    ///
    /// `config_missing`: `FailedMount` for a `ConfigMap` or Secret that does not exist. `unschedulable_volume`:
    /// there the Pod has no node yet.
    ///
    /// # Repair
    ///
    /// Read the event: a volume still attached to another node, a driver that is not there, a secret of the
    /// storage that is wrong.
    ///
    /// # Do not
    ///
    /// Do not delete the Pod again and again: a volume that is still attached elsewhere needs its time.
    VolumeMountFailed, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let event = ["FailedMount", "FailedAttachVolume"]
        .into_iter()
        .filter_map(|reason| blocking_event(case, reason))
        .find(|event| !holds(&event.message, "not found"))?;
    let finding = format!("a volume of the Pod cannot be mounted: {}", event.message);
    Some(
        Match::from_event(RootCause::VolumeMountFailed, finding, event)
            .repair("Repair the volume as the event says: attachment, driver or credentials."),
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
            json!({"events": pod_event("FailedAttachVolume", r#"Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) other-0"#)}),
        );
        assert!(find(&VolumeMountFailed, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(VolumeMountFailed.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"events": pod_event("FailedMount", r#"MountVolume.SetUp failed for volume "s" : secret "nosuch" not found"#)}),
        );
        assert!(find(&VolumeMountFailed, &evidence).is_none());
    }
}
