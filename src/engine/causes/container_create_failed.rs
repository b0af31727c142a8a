//! `container_create_failed`.

use super::config_missing::says_missing;
use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::{failed_event, waits_for, without_names};
use crate::engine::phase::{Phase, is_pull, of_event};
use crate::engine::root_cause::RootCause;
use crate::engine::signatures::holds;

cause! {
    /// # What it is
    ///
    /// All that the Pod asks for exists, and the kubelet or the runtime still does not create the container.
    ///
    /// # Evidence
    ///
    /// The container waits with `CreateContainerError`, or with `CreateContainerConfigError` and a message that
    /// names nothing missing (`container has runAsNonRoot and image will run as root`); or the kubelet's event
    /// `Failed` says so.
    ///
    /// # Not to be confused with
    ///
    /// `config_missing`: there the message names a `ConfigMap`, a Secret or a key. `start_failed`: there the container was created
    /// and its command could not be started.
    ///
    /// # Repair
    ///
    /// The message says what. `runAsNonRoot` asks for a numeric user other than 0 in the image or in
    /// `runAsUser`. A runtime that hangs shows as `context deadline exceeded`; look at the
    /// node's disk.
    ///
    /// # Do not
    ///
    /// Do not run the Job again on the same node before you know why.
    ContainerCreateFailed, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let waits = waits_for(case, &["CreateContainerError", "CreateContainerConfigError"]);
    if let Some(seen) = waits.filter(|(_, _, waiting)| !says_missing(&waiting.message)) {
        let message = &seen.2.message;
        let finding = finding(&format!("container {}", seen.1.name), message);
        let found = Match::from_waiting(RootCause::ContainerCreateFailed, finding, seen);
        return Some(found.repair(repair(message)));
    }
    let event = failed_event(case, |message| {
        holds(message, "error: ") && !says_missing(message) && !is_pull(message)
    })
    .filter(|event| of_event(event) == Some(Phase::Configuration))?;
    let message = event.message.trim_start_matches("Error: ");
    let finding = finding("a container", message);
    let found = Match::from_event(RootCause::ContainerCreateFailed, finding, event);
    Some(found.repair(repair(message)))
}

fn finding(container: &str, message: &str) -> String {
    let message = without_names(message);
    if message.is_empty() {
        format!("{container} cannot be created")
    } else {
        format!("{container} cannot be created: {message}")
    }
}

fn repair(message: &str) -> &'static str {
    if holds(message, "runasnonroot") {
        "Set runAsUser to a number other than 0, or use an image whose user is one."
    } else {
        "Repair what the message names: a name in use, a device, a mount path, a cache of the node."
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{failed, find, judge, waiting};

    #[test]
    fn its_evidence_is_found() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"pods": waiting("CreateContainerError", "failed to reserve container name")}),
        );
        assert!(find(&ContainerCreateFailed, &evidence).is_some());
        assert_eq!(
            judge(&evidence).root_cause,
            Some(ContainerCreateFailed.meta().cause)
        );
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"pods": waiting("CreateContainerConfigError", r#"secret "x" not found"#)}),
        );
        assert!(find(&ContainerCreateFailed, &evidence).is_none());
    }
}
