//! `segfault`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::diagnosis::Confidence;
use crate::engine::family::exit;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// The process received SIGSEGV.
    ///
    /// # Evidence
    ///
    /// Exit code 139 with reason `Error`.
    ///
    /// # Not to be confused with
    ///
    /// `oom_killed`: too little memory ends with SIGKILL. `abort` is 134.
    ///
    /// # Repair
    ///
    /// Check that the image is built for the node's processor, then keep a core dump.
    ///
    /// # Do not
    ///
    /// Do not raise the memory limit for it.
    Segfault, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let end = exit(case, 139)?;
    let finding = format!(
        "a process in container {} accessed memory that is not its own",
        end.container.name
    );
    Some(
        Match::from_end(RootCause::Segfault, finding, end)
            .confident(Confidence::Likely)
            .repair(
                "Take the crash to those who make the program; try the image for the node's architecture.",
            ),
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
        let evidence = failed("BackoffLimitExceeded", 330, json!({"pods": exited(139, "Error")}));
        assert!(find(&Segfault, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(Segfault.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed("BackoffLimitExceeded", 330, json!({"pods": exited(134, "Error")}));
        assert!(find(&Segfault, &evidence).is_none());
    }
}
