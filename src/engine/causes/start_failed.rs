//! `start_failed`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::waits_for;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// The container was made, and its command could not be started: there is no such file, it is not
    /// executable, or its interpreter is missing.
    ///
    /// # Evidence
    ///
    /// The container terminated with reason `StartError`, `ContainerCannotRun` or waits with
    /// `RunContainerError`; the exit code is 127 or 128.
    ///
    /// # Not to be confused with
    ///
    /// `command_not_found`: there a shell was started and did not find the program; the reason is `Error`.
    /// `config_missing`: there the container was not even made.
    ///
    /// # Repair
    ///
    /// Compare `command` with what the image holds. `command` replaces the entrypoint; a slim image may have no
    /// shell.
    ///
    /// # Do not
    ///
    /// Do not raise `backoffLimit`: the file will not be there at the next try.
    StartFailed, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let end = case
        .ends
        .iter()
        .rev()
        .find(|end| matches!(end.end.reason.as_str(), "StartError" | "ContainerCannotRun"));
    if let Some(end) = end {
        let finding = format!(
            "the command of container {} cannot be started",
            end.container.name
        );
        return Some(Match::from_end(RootCause::StartFailed, finding, end).repair(REPAIR));
    }
    let seen = waits_for(case, &["RunContainerError"])?;
    let finding = format!("the command of container {} cannot be started", seen.1.name);
    Some(Match::from_waiting(RootCause::StartFailed, finding, seen).repair(REPAIR))
}

const REPAIR: &str = "Correct the command, or use an image that has it.";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{exited, failed, find, judge};

    #[test]
    fn its_evidence_is_found() {
        let evidence = failed(
            "BackoffLimitExceeded",
            9,
            json!({"pods": exited(128, "StartError")}),
        );
        assert!(find(&StartFailed, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(StartFailed.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed("BackoffLimitExceeded", 9, json!({"pods": exited(127, "Error")}));
        assert!(find(&StartFailed, &evidence).is_none());
    }
}
