//! `abort`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::diagnosis::Confidence;
use crate::engine::family::exit;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// The process received SIGABRT, mostly by its own hand: a failed assertion, or a runtime that gave up.
    ///
    /// # Evidence
    ///
    /// Exit code 134 with reason `Error`.
    ///
    /// # Not to be confused with
    ///
    /// `segfault` is 139. A runtime that cannot get memory from its own heap limit may abort too, without the
    /// kernel's doing.
    ///
    /// # Repair
    ///
    /// The last lines of the log tell the assertion or the stack.
    ///
    /// # Do not
    ///
    /// Do not call it an OOM kill without `OOMKilled`.
    Abort, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let end = exit(case, 134)?;
    let finding = format!("a process in container {} aborted itself", end.container.name);
    Some(
        Match::from_end(RootCause::Abort, finding, end)
            .confident(Confidence::Likely)
            .repair("Read the last lines of the log: a program that aborts says why."),
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
        let evidence = failed("BackoffLimitExceeded", 330, json!({"pods": exited(134, "Error")}));
        assert!(find(&Abort, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(Abort.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed("BackoffLimitExceeded", 330, json!({"pods": exited(139, "Error")}));
        assert!(find(&Abort, &evidence).is_none());
    }
}
