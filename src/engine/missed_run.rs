//! Runs of a `CronJob` that never came: there is no Job to look at, and the `CronJob`'s own events are all that tells.

use jiff::Timestamp;

use super::case::Case;
use super::evidence::{EventRecord, Evidence, JobRecord, ObjectRef};
use super::root_cause::RootCause;

/// The reasons with which the `CronJob` controller says that no Job comes (kubernetes/kubernetes
/// `pkg/controller/cronjob/cronjob_controllerv2.go`; `FailedNeedsStart` until 1.20).
const REASONS: [(&str, RootCause); 8] = [
    ("MissSchedule", RootCause::CronMissedSchedule),
    ("TooManyMissedTimes", RootCause::CronMissedSchedule),
    ("FailedNeedsStart", RootCause::CronMissedSchedule),
    ("JobAlreadyActive", RootCause::CronConcurrencyBlocked),
    ("UnparseableSchedule", RootCause::CronInvalid),
    ("UnParseableCronJobSchedule", RootCause::CronInvalid),
    ("InvalidSchedule", RootCause::CronInvalid),
    ("UnknownTimeZone", RootCause::CronInvalid),
];

/// The cause that an event of a `CronJob` tells.
fn told(event: &EventRecord) -> Option<RootCause> {
    let about_it = event.object.kind == "CronJob";
    let known = REASONS.iter().find(|(reason, _)| *reason == event.reason);
    known.filter(|_| about_it).map(|(_, cause)| *cause)
}

/// The evidence of the run that did not come last, and when that was; `None` where every run came.
#[must_use]
pub fn missed_run(events: &[EventRecord]) -> Option<(Evidence, Timestamp)> {
    let telling = events.iter().filter(|event| told(event).is_some());
    let (at, event) = telling
        .filter_map(|event| Some((event.last.or(event.first)?, event)))
        .max_by_key(|(at, _)| *at)?;
    let cron = &event.object;
    let evidence = Evidence {
        job: JobRecord {
            namespace: cron.namespace.clone(),
            name: cron.name.clone(),
            owner: Some(ObjectRef::clone(cron)),
            ..JobRecord::default()
        },
        events: vec![event.clone()],
        ..Evidence::default()
    };
    Some((evidence, at))
}

/// True where the evidence is that of [`missed_run`]: a Job that was made has a time of its creation.
#[must_use]
pub fn is_missed_run(evidence: &Evidence) -> bool {
    let job = &evidence.job;
    let is_owner = |owner: &ObjectRef| owner.kind == "CronJob" && owner.name == job.name;
    job.created.is_none() && job.uid.is_empty() && job.owner.as_ref().is_some_and(is_owner)
}

/// The event that tells this cause of a run that never came.
pub(super) fn event_of<'e>(case: &Case<'e>, cause: RootCause) -> Option<&'e EventRecord> {
    let mut events = case.evidence.events.iter();
    events.find(|event| is_missed_run(case.evidence) && told(event) == Some(cause))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::engine::testkit::at;

    fn events(list: &[(&str, i64)]) -> Vec<EventRecord> {
        let object = json!({"kind": "CronJob", "namespace": "demo", "name": "backup"});
        let event =
            |(reason, second): &(&str, i64)| json!({"object": object, "reason": reason, "last": at(*second)});
        let list = Value::Array(list.iter().map(event).collect());
        serde_json::from_value(list).expect("events")
    }

    #[test]
    fn the_last_run_that_did_not_come_is_told() {
        let list = events(&[
            ("MissSchedule", 5),
            ("JobAlreadyActive", 9),
            ("SuccessfulCreate", 20),
        ]);
        let (evidence, when) = missed_run(&list).expect("a run");
        assert_eq!(when, at(9));
        assert!(is_missed_run(&evidence));
        assert_eq!(evidence.events[0].reason, "JobAlreadyActive");
        assert_eq!(missed_run(&events(&[("SuccessfulCreate", 20)])), None);
    }
}
