//! `command_not_found`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::diagnosis::Confidence;
use crate::engine::family::exit;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// The container started, and its script called a program that the image does not have.
    ///
    /// # Evidence
    ///
    /// Exit code 127 with reason `Error`; the log usually holds `not found`.
    ///
    /// # Not to be confused with
    ///
    /// `start_failed`: there the container's own command was missing; the reason is `StartError` or
    /// `ContainerCannotRun`.
    ///
    /// # Repair
    ///
    /// Put the program into the image. A script that installs it on every run fails when the mirror does.
    ///
    /// # Do not
    ///
    /// Do not wait and try again.
    CommandNotFound, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let end = exit(case, 127)?;
    let finding = format!(
        "the script in container {} calls a program that is not there",
        end.container.name
    );
    Some(
        Match::from_end(RootCause::CommandNotFound, finding, end)
            .confident(Confidence::Likely)
            .repair("Install the program in the image, or correct its name or PATH."),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{exited, failed, find, judge};

    #[test]
    fn its_evidence_is_found() {
        let evidence = failed("BackoffLimitExceeded", 330, json!({"pods": exited(127, "Error")}));
        assert!(find(&CommandNotFound, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(CommandNotFound.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "BackoffLimitExceeded",
            330,
            json!({"pods": exited(128, "StartError")}),
        );
        assert!(find(&CommandNotFound, &evidence).is_none());
    }
}
