//! `cron_replaced`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::diagnosis::JobPhase;
use crate::engine::evidence::EventRecord;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// The next run was due while this one still went on, and `concurrencyPolicy: Replace` lets the CronJob delete
    /// the old one for it.
    ///
    /// # Evidence
    ///
    /// The Job is gone without `Failed` or `Complete`, and an event `SuccessfulDelete` on its CronJob names it. The
    /// CronJob controller writes the same event when it cleans up its history, but then the Job had ended.
    ///
    /// # Not to be confused with
    ///
    /// `job_object_deleted`: there no CronJob says that it was the one. `cron_concurrency_blocked`: with
    /// `Forbid` the new run stays away, and the old one goes on.
    ///
    /// # Repair
    ///
    /// Where a run may take longer than the schedule's interval, make the interval longer, the run shorter, or give
    /// it an `activeDeadlineSeconds` below the interval, so that it fails for a reason of its own.
    ///
    /// # Do not
    ///
    /// Do not read it as a failure of the program: it was not done yet.
    CronReplaced, find
}

/// The event by which the CronJob says that it deleted this Job ("Deleted job NAME", kubernetes/kubernetes
/// `pkg/controller/cronjob/cronjob_controllerv2.go`, `deleteJob`).
pub(super) fn replaced<'e>(case: &Case<'e>) -> Option<&'e EventRecord> {
    if case.phase != JobPhase::Missing {
        return None;
    }
    let name = case.job().name.as_str();
    case.events("CronJob", "SuccessfulDelete")
        .find(|event| event.message.split_whitespace().last() == Some(name))
}

fn find(case: &Case<'_>) -> Option<Match> {
    let event = replaced(case)?;
    let finding = format!(
        "CronJob {} replaced this run by the next one before it had ended",
        event.object.name
    );
    Some(Match::from_event(RootCause::CronReplaced, finding, event).repair(
        "Give the CronJob an interval longer than a run takes, or the Job a deadline below the interval.",
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::evidence::Evidence;
    use crate::engine::testkit::{at, evidence, find, judge};

    fn deleted_by(message: &str, more: &Value) -> Evidence {
        let object = json!({"kind": "CronJob", "namespace": "demo", "name": "backup"});
        let event = json!({"object": object, "type": "Normal", "reason": "SuccessfulDelete", "message": message, "last": at(9)});
        let mut job =
            json!({"namespace": "demo", "name": "backup-29570001", "created": at(0), "deleted": at(9)});
        for (key, value) in more.as_object().into_iter().flatten() {
            job[key] = value.clone();
        }
        evidence(&json!({"job": job, "events": [event]}))
    }

    #[test]
    fn its_evidence_is_found() {
        let evidence = deleted_by("Deleted job backup-29570001", &json!({}));
        assert!(find(&CronReplaced, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(CronReplaced.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = deleted_by("Deleted job backup-2957000", &json!({}));
        assert!(find(&CronReplaced, &evidence).is_none());
        assert_eq!(judge(&evidence).root_cause, Some(RootCause::JobObjectDeleted));
    }

    #[test]
    fn a_cleaned_up_history_is_no_replacement() {
        let complete = json!([{"type": "Complete", "status": "True", "at": at(5)}]);
        let evidence = deleted_by("Deleted job backup-29570001", &json!({"conditions": complete}));
        assert!(find(&CronReplaced, &evidence).is_none());
    }
}
