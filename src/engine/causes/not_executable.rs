//! `not_executable`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::diagnosis::Confidence;
use crate::engine::family::exit;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// The shell found the file and could not execute it.
    ///
    /// # Evidence
    ///
    /// Exit code 126 with reason `Error`.
    ///
    /// # Not to be confused with
    ///
    /// `rbac_denied`: "permission denied" of the API server is another matter. `command_not_found` is 127.
    ///
    /// # Repair
    ///
    /// Set `defaultMode` of the `ConfigMap` volume, or call the script through its interpreter.
    ///
    /// # Do not
    ///
    /// Do not run the container as root for it.
    NotExecutable, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let end = exit(case, 126)?;
    let finding = format!(
        "the script in container {} calls a file that cannot be executed",
        end.container.name
    );
    Some(
        Match::from_end(RootCause::NotExecutable, finding, end)
            .confident(Confidence::Likely)
            .repair("Set the execute bit, or correct the interpreter line."),
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
        let evidence = failed("BackoffLimitExceeded", 330, json!({"pods": exited(126, "Error")}));
        assert!(find(&NotExecutable, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(NotExecutable.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed("BackoffLimitExceeded", 330, json!({"pods": exited(127, "Error")}));
        assert!(find(&NotExecutable, &evidence).is_none());
    }
}
