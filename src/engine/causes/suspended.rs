//! `suspended`.

use crate::engine::case::Case;
use crate::engine::case::condition;
use crate::engine::cause::{Match, cause};
use crate::engine::diagnosis::JobPhase;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// The Job is suspended: no Pod runs, and the deadline does not count.
    ///
    /// # Evidence
    ///
    /// `spec.suspend` of the Job, or its condition `Suspended=True`.
    ///
    /// # Not to be confused with
    ///
    /// `scheduling_gated`: there the Pod exists and is held back.
    ///
    /// # Repair
    ///
    /// Set `spec.suspend` to false when it is to run; the deadline then starts from zero.
    ///
    /// # Do not
    ///
    /// Do not report it as stuck: somebody stopped it on purpose.
    Suspended, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    (case.phase == JobPhase::Suspended).then(|| {
        let job = case.job();
        let at = condition(&job.conditions, "Suspended").and_then(|c| c.at);
        Match::new(RootCause::Suspended, "the Job is suspended")
            .proof(
                "spec",
                format!("Job {}/{}", job.namespace, job.name),
                at,
                "spec.suspend is true",
            )
            .repair("Set spec.suspend to false when the Job is to run.")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{at, evidence, find, judge};

    #[test]
    fn its_evidence_is_found() {
        let evidence = evidence(&json!({"job": {"suspended": true, "created": at(0)}}));
        assert!(find(&Suspended, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(Suspended.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = evidence(&json!({"job": {"created": at(0), "active": 1}}));
        assert!(find(&Suspended, &evidence).is_none());
    }
}
