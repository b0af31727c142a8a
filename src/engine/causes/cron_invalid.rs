//! `cron_invalid`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::missed_run;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// The CronJob's schedule or time zone cannot be read, so that no run is ever due.
    ///
    /// # Evidence
    ///
    /// An event `UnparseableSchedule`, `InvalidSchedule` or `UnknownTimeZone` on the CronJob.
    ///
    /// # Not to be confused with
    ///
    /// `cron_missed_schedule`: there the schedule is right, and a single run did not come.
    ///
    /// # Repair
    ///
    /// Write a schedule of five fields, and a name of the IANA time zone database in `spec.timeZone`. The API server refuses most
    /// mistakes; what remains are zones that its own database has and the controller manager's lacks, and `TZ=` in old objects.
    ///
    /// # Do not
    ///
    /// Do not restart anything: no run comes before the CronJob is changed.
    CronInvalid, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    missed_run::find(
        case,
        RootCause::CronInvalid,
        "has a schedule that cannot be read",
        "Write a schedule of five fields and a time zone of the IANA database.",
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
        for reason in ["UnparseableSchedule", "UnknownTimeZone"] {
            let evidence = missed(reason);
            assert!(find(&CronInvalid, &evidence).is_some(), "{reason}");
            assert_eq!(judge(&evidence).root_cause, Some(CronInvalid.meta().cause));
        }
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = missed("MissSchedule");
        assert!(find(&CronInvalid, &evidence).is_none());
        assert_eq!(judge(&evidence).root_cause, Some(RootCause::CronMissedSchedule));
    }

    #[test]
    fn a_run_that_came_has_causes_of_its_own() {
        let owner = json!({"kind": "CronJob", "namespace": "demo", "name": "backup"});
        let job = json!({"namespace": "demo", "name": "backup-1", "owner": owner, "created": at(0)});
        let evidence = evidence(&json!({"job": job, "events": [cron_event("UnparseableSchedule")]}));
        assert!(find(&CronInvalid, &evidence).is_none());
    }
}
