//! `terminated_by_signal`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::diagnosis::Confidence;
use crate::engine::family::exit;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// Something sent the container SIGTERM before any of the Job's own clocks had run out: a person, a script,
    /// another controller.
    ///
    /// # Evidence
    ///
    /// Exit code 143 with reason `Error`, ended before the Job's failure was decided, and no `DisruptionTarget`
    /// condition.
    ///
    /// # Not to be confused with
    ///
    /// After `DeadlineExceeded` or `BackoffLimitExceeded` 143 and 137 are effects: the Job controller deletes
    /// the Pod. With a `DisruptionTarget` condition it is `node_drain` or a neighbour.
    ///
    /// # Repair
    ///
    /// Look into the audit log for who deleted or signalled the Pod.
    ///
    /// # Do not
    ///
    /// Do not treat it as a failure of the program.
    TerminatedBySignal, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let end = exit(case, 143).filter(|end| {
        !end.pod
            .conditions
            .iter()
            .any(|c| c.kind == "DisruptionTarget" && c.status == "True")
    })?;
    let finding = format!("something sent container {} SIGTERM", end.container.name);
    Some(
        Match::from_end(RootCause::TerminatedBySignal, finding, end)
            .confident(Confidence::Likely)
            .repair("Find out who ended the container, then run the Job again."),
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
        let evidence = failed("BackoffLimitExceeded", 330, json!({"pods": exited(143, "Error")}));
        assert!(find(&TerminatedBySignal, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(TerminatedBySignal.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed("DeadlineExceeded", 5, json!({"pods": exited(143, "Error")}));
        assert!(find(&TerminatedBySignal, &evidence).is_none());
    }
}
