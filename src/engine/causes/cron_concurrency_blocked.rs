//! `cron_concurrency_blocked`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::missed_run;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// A run was due while the one before still went on, and `concurrencyPolicy: Forbid` keeps the two apart: this run was left out.
    ///
    /// # Evidence
    ///
    /// An event `JobAlreadyActive` on the CronJob.
    ///
    /// # Not to be confused with
    ///
    /// `cron_missed_schedule`: there nothing was in the way. `cron_replaced`: with `Replace` the old run is deleted instead.
    ///
    /// # Repair
    ///
    /// Look at the run that still goes on: it hangs, or takes longer than the interval. An `activeDeadlineSeconds` below the
    /// interval ends it in time for the next one.
    ///
    /// # Do not
    ///
    /// Do not set `Allow` to get rid of it: two runs at once may spoil what they both write.
    CronConcurrencyBlocked, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    missed_run::find(
        case,
        RootCause::CronConcurrencyBlocked,
        "left a run out: the one before still goes on",
        "Give the Job an activeDeadlineSeconds below the interval of the schedule, and see why the run that goes on takes so long.",
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
        let evidence = missed("JobAlreadyActive");
        assert!(find(&CronConcurrencyBlocked, &evidence).is_some());
        assert_eq!(
            judge(&evidence).root_cause,
            Some(CronConcurrencyBlocked.meta().cause)
        );
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = missed("MissSchedule");
        assert!(find(&CronConcurrencyBlocked, &evidence).is_none());
        assert_eq!(judge(&evidence).root_cause, Some(RootCause::CronMissedSchedule));
    }

    #[test]
    fn a_run_that_came_has_causes_of_its_own() {
        let owner = json!({"kind": "CronJob", "namespace": "demo", "name": "backup"});
        let job = json!({"namespace": "demo", "name": "backup-1", "owner": owner, "created": at(0)});
        let evidence = evidence(&json!({"job": job, "events": [cron_event("JobAlreadyActive")]}));
        assert!(find(&CronConcurrencyBlocked, &evidence).is_none());
    }
}
