//! `config_missing`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::{blocking_event, failed_event, waits_for};
use crate::engine::phase::is_pull;
use crate::engine::root_cause::RootCause;
use crate::engine::signatures::holds;

cause! {
    /// # What it is
    ///
    /// The container cannot be made because a `ConfigMap`, a Secret, or a key in one of them does not exist.
    /// Under a release this is often a matter of order: a hook runs before the object that it reads.
    ///
    /// # Evidence
    ///
    /// The container waits with `CreateContainerConfigError` and names a `ConfigMap` or Secret that is not
    /// there, or the kubelet's event `Failed` does; or, where a volume needs the object, an event
    /// `FailedMount` on the Pod says `configmap "x" not found`, `secret "x" not found` or names a key that is
    /// not there, while the container stays in `ContainerCreating`.
    ///
    /// # Not to be confused with
    ///
    /// `volume_mount_failed`: `FailedMount` for any other reason. `container_create_failed`: there nothing is
    /// missing, and the kubelet or the runtime refuses what the Pod asks for.
    ///
    /// # Repair
    ///
    /// Create the object, or repair what makes it. It may come from elsewhere: an operator, External Secrets,
    /// cert-manager. Then that is where to look.
    ///
    /// # Do not
    ///
    /// Do not mark the reference `optional` unless the program can do without it.
    ConfigMissing, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let waits = waits_for(case, &["CreateContainerConfigError"]);
    if let Some(seen) = waits.filter(|(_, _, waiting)| says_missing(&waiting.message)) {
        let finding = format!("container {} cannot be made: {}", seen.1.name, seen.2.message);
        return Some(Match::from_waiting(RootCause::ConfigMissing, finding, seen).repair(REPAIR));
    }
    if let Some(event) = failed_event(case, says_missing) {
        let finding = format!("a container cannot be made: {}", event.message);
        return Some(Match::from_event(RootCause::ConfigMissing, finding, event).repair(REPAIR));
    }
    let event = blocking_event(case, "FailedMount").filter(|event| says_missing(&event.message))?;
    let finding = format!("a volume names what does not exist: {}", event.message);
    Some(Match::from_event(RootCause::ConfigMissing, finding, event).repair(REPAIR))
}

/// `configmap "x" not found`, `couldn't find key k in Secret n/x`, `references non-existent secret key: k`.
pub(super) fn says_missing(message: &str) -> bool {
    let any = |parts: &[&str]| parts.iter().any(|part| holds(message, part));
    any(&["configmap", "secret"])
        && any(&["not found", "couldn't find key", "references non-existent"])
        && !is_pull(message)
}

const REPAIR: &str = "Create the ConfigMap, Secret or key that is named, before the Job runs.";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{failed, find, judge, pod_event, waiting};

    #[test]
    fn its_evidence_is_found() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"pods": waiting("CreateContainerConfigError", r#"configmap "nosuch" not found"#)}),
        );
        assert!(find(&ConfigMissing, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(ConfigMissing.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"pods": waiting("CreateContainerError", "context deadline exceeded")}),
        );
        assert!(find(&ConfigMissing, &evidence).is_none());
    }

    #[test]
    fn a_message_that_names_nothing_missing_is_another_cause() {
        for (message, found) in [
            ("couldn't find key token in Secret demo/api", true),
            ("couldn't find key zone in ConfigMap demo/zones", true),
            ("container has runAsNonRoot and image will run as root", false),
            (
                "failed to sync secret cache: timed out waiting for the condition",
                false,
            ),
        ] {
            for more in [
                json!({"pods": waiting("CreateContainerConfigError", message)}),
                json!({"events": pod_event("Failed", &format!("Error: {message}"))}),
            ] {
                let evidence = failed("DeadlineExceeded", 840, more);
                assert_eq!(find(&ConfigMissing, &evidence).is_some(), found, "{message}");
                let other = [RootCause::ContainerCreateFailed, RootCause::ConfigMissing][usize::from(found)];
                assert_eq!(judge(&evidence).root_cause, Some(other), "{message}");
            }
        }
    }

    #[test]
    fn a_secret_volume_only_shows_in_an_event() {
        let told = |message: &str| {
            failed(
                "DeadlineExceeded",
                60,
                json!({"events": pod_event("FailedMount", message)}),
            )
        };
        let missing = r#"MountVolume.SetUp failed for volume "s" : secret "nosuch" not found"#;
        assert_eq!(judge(&told(missing)).root_cause, Some(RootCause::ConfigMissing));
        assert!(
            find(
                &ConfigMissing,
                &told("MountVolume.SetUp failed for volume \"d\" : exit status 32")
            )
            .is_none()
        );
    }
}
