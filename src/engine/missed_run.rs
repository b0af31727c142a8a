//! Runs of a `CronJob` that never came: there is no Job to look at, and the `CronJob`'s own events are all that tells.

use jiff::Timestamp;

use super::case::Case;
use super::cause::Match;
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

/// A run that never came.
#[derive(Clone, Copy, Debug)]
pub struct MissedRun<'e> {
    /// Why.
    pub cause: RootCause,
    /// When that was told last.
    pub at: Timestamp,
    event: &'e EventRecord,
}

impl<'e> MissedRun<'e> {
    /// The last one that the events of a `CronJob` tell of; `None` where every run came.
    #[must_use]
    pub fn last(events: &'e [EventRecord]) -> Option<Self> {
        let missed = events.iter().filter_map(|event| {
            let (cause, at) = (told(event)?, event.last.or(event.first)?);
            Some(Self { cause, at, event })
        });
        missed.max_by_key(|missed| missed.at)
    }

    /// What is known of it: its event.
    #[must_use]
    pub fn evidence(&self) -> Evidence {
        let cron = &self.event.object;
        Evidence {
            job: JobRecord {
                namespace: cron.namespace.clone(),
                name: cron.name.clone(),
                owner: Some(cron.clone()),
                ..JobRecord::default()
            },
            events: vec![self.event.clone()],
            ..Evidence::default()
        }
    }
}

/// True where the evidence is that of a [`MissedRun`]: a Job that was made has a time of its creation.
#[must_use]
pub fn is_missed_run(evidence: &Evidence) -> bool {
    let job = &evidence.job;
    let is_owner = |owner: &ObjectRef| owner.kind == "CronJob" && owner.name == job.name;
    job.created.is_none() && job.uid.is_empty() && job.owner.as_ref().is_some_and(is_owner)
}

/// The match of a cause that such an event tells: what the `CronJob` did instead, and what mends it.
pub(super) fn find(case: &Case<'_>, cause: RootCause, did: &str, repair: &str) -> Option<Match> {
    let mut events = case.evidence.events.iter();
    let event = events.find(|event| is_missed_run(case.evidence) && told(event) == Some(cause))?;
    let finding = format!("CronJob {} {did}", event.object.name);
    Some(Match::from_event(cause, finding, event).repair(repair))
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
        let missed = MissedRun::last(&list).expect("a run");
        assert_eq!(missed.at, at(9));
        assert!(is_missed_run(&missed.evidence()));
        assert_eq!(missed.evidence().events[0].reason, "JobAlreadyActive");
        assert!(MissedRun::last(&events(&[("SuccessfulCreate", 20)])).is_none());
    }
}
