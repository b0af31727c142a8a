//! `container_create_failed`.

use super::Match;
use crate::engine::case::Case;
use crate::engine::family::waits_for;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// All that the Pod asks for exists, and the runtime still cannot create the container.
    ///
    /// # Evidence
    ///
    /// The container waits with `CreateContainerError`.
    ///
    /// # Not to be confused with
    ///
    /// `config_missing`: that is `CreateContainerConfigError`. `start_failed`: there the container was created
    /// and its command could not be started.
    ///
    /// # Repair
    ///
    /// The message is the runtime's own. A runtime that hangs shows as `context deadline exceeded`; look at the
    /// node's disk.
    ///
    /// # Do not
    ///
    /// Do not run the Job again on the same node before you know why.
    ContainerCreateFailed, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let seen = waits_for(case, &["CreateContainerError"])?;
    let finding = format!(
        "the runtime cannot create container {container}",
        container = seen.1.name
    );
    Some(
        Match::from_waiting(RootCause::ContainerCreateFailed, finding, seen).repair(
            "Read the runtime's message and repair what it names: a name in use, a device, a mount path.",
        ),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::causes::Cause;
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
