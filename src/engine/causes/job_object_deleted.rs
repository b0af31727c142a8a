//! `job_object_deleted`.

use super::cron_replaced::replaced;
use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::diagnosis::JobPhase;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// The Job was deleted before it had ended: by a hook's delete policy, an uninstall, a person, or its
    /// CronJob.
    ///
    /// # Evidence
    ///
    /// The object is gone, and no condition `Failed` or `Complete` was seen.
    ///
    /// # Not to be confused with
    ///
    /// `cron_replaced`: there the CronJob's own event says that it made room for the next run.
    ///
    /// # Repair
    ///
    /// If it was not meant to go, look into the audit log. Helm deletes a hook before it makes the next one
    /// (`before-hook-creation`).
    ///
    /// # Do not
    ///
    /// Do not read it as a failure of the program.
    JobObjectDeleted, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    (case.phase == JobPhase::Missing && replaced(case).is_none()).then(|| {
        let job = case.job();
        Match::new(
            RootCause::JobObjectDeleted,
            "the Job was deleted before it had ended",
        )
        .proof(
            "state",
            format!("Job {}/{}", job.namespace, job.name),
            job.deleted,
            "gone without Failed or Complete",
        )
        .repair("Find out who deleted the Job, if it was not meant to go.")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{at, evidence, failed, find, judge};

    #[test]
    fn its_evidence_is_found() {
        let evidence = evidence(&json!({"job": {"created": at(0), "deleted": at(9)}}));
        assert!(find(&JobObjectDeleted, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(JobObjectDeleted.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed("BackoffLimitExceeded", 9, json!({"job": {"deleted": at(20)}}));
        assert!(find(&JobObjectDeleted, &evidence).is_none());
    }
}
