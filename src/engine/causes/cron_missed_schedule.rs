//! `cron_missed_schedule`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::missed_run;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// A run was due and no Job was made for it: the CronJob controller was late, or was away for more than 100 runs.
    ///
    /// # Evidence
    ///
    /// An event `MissSchedule` or `TooManyMissedTimes` (`FailedNeedsStart` before 1.21) on the CronJob.
    ///
    /// # Not to be confused with
    ///
    /// `cron_concurrency_blocked`: there the CronJob was told not to start a second run. A CronJob that is suspended makes no
    /// Job and no event.
    ///
    /// # Repair
    ///
    /// See whether the controller manager runs and its clock is right. Give `startingDeadlineSeconds` 200 s or more: a run that is
    /// late by less is made up for, and missed runs before it are not counted.
    ///
    /// # Do not
    ///
    /// Do not wait for the next run where this one made the backup: start it by hand, `kubectl create job --from=cronjob/NAME`.
    CronMissedSchedule, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    missed_run::find(
        case,
        RootCause::CronMissedSchedule,
        "missed a run",
        "Start the run by hand (kubectl create job --from=cronjob/NAME); set startingDeadlineSeconds to 200 or more.",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{at, cron_event, evidence, find, judge, missed};

    #[test]
    fn its_evidence_is_found() {
        for reason in ["MissSchedule", "TooManyMissedTimes"] {
            let evidence = missed(reason);
            assert!(find(&CronMissedSchedule, &evidence).is_some(), "{reason}");
            assert_eq!(judge(&evidence).root_cause, Some(CronMissedSchedule.meta().cause));
        }
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = missed("JobAlreadyActive");
        assert!(find(&CronMissedSchedule, &evidence).is_none());
        assert_eq!(
            judge(&evidence).root_cause,
            Some(RootCause::CronConcurrencyBlocked)
        );
    }

    #[test]
    fn a_run_that_came_has_causes_of_its_own() {
        let owner = json!({"kind": "CronJob", "namespace": "demo", "name": "backup"});
        let job = json!({"namespace": "demo", "name": "backup-1", "owner": owner, "created": at(0)});
        let evidence = evidence(&json!({"job": job, "events": [cron_event("MissSchedule")]}));
        assert!(find(&CronMissedSchedule, &evidence).is_none());
    }
}
