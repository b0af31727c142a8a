//! `CronJob`s: their events, and the runs that never came.

use jiff::Timestamp;

use super::Index;
use crate::engine::diagnose::diagnose;
use crate::engine::diagnosis::Diagnosis;
use crate::engine::evidence::EventRecord;
use crate::engine::missed_run::MissedRun;
use crate::engine::root_cause::RootCause;
use crate::index::entry::add_event;
use crate::index::evidence::policy_knobs;
use crate::index::kind::JobKey;
use crate::index::owners::{OwnerKey, Task};
use crate::index::runs::RunOutcome;

/// Events kept of one `CronJob`.
const EVENTS: usize = 16;

#[derive(Debug, Default)]
pub(super) struct CronState {
    pub(super) events: Vec<EventRecord>,
    pub(super) epoch: u16,
    /// When the last run that never came was counted.
    counted: Option<Timestamp>,
}

impl Index {
    pub(super) fn add_cron_event(&mut self, event: EventRecord) {
        let key = JobKey::new(&event.object.namespace, &event.object.name);
        let cron = self.crons.entry(key.clone()).or_default();
        add_event(&mut cron.events, event, EVENTS);
        let Some(MissedRun { cause, at, .. }) = MissedRun::last(&cron.events) else {
            return;
        };
        if cron.counted.is_some_and(|counted| at <= counted) {
            return;
        }
        cron.counted = Some(at);
        let owner = OwnerKey {
            namespace: key.namespace.to_string(),
            kind: "CronJob".to_owned(),
            name: key.name.to_string(),
        };
        let fresh = at >= self.settings.started;
        let owner = self.owner(owner);
        owner.runs.note(at, RunOutcome::Missed(Box::new(cause)));
        // With Forbid the run before goes on: how that one ends is the result.
        if cause != RootCause::CronConcurrencyBlocked {
            owner.note(Task::Main, true, None, at, fresh);
        }
        if fresh {
            *owner.failures.entry(cause).or_default() += 1;
        }
    }

    /// The diagnoses of runs that never came, of each `CronJob` that has not run since.
    #[must_use]
    pub fn missed_runs(&self, now: Timestamp) -> Vec<Diagnosis> {
        let has_run_since = |key: &JobKey, at: Timestamp| {
            let open = self.jobs.all_open();
            let open = open.filter_map(|(job, entry)| {
                Some((job, &entry.job.as_ref()?.spec, entry.job.as_ref()?.created.get()))
            });
            let done = self
                .jobs
                .all_done()
                .map(|(job, done)| (job, &done.spec, done.created.get()));
            open.chain(done).any(|(job, spec, created)| {
                let owner = spec.record.owner.as_ref();
                job.namespace == key.namespace
                    && owner.is_some_and(|owner| owner.kind == "CronJob" && *owner.name == *key.name)
                    && created.is_some_and(|created| created >= at)
            })
        };
        let knobs = policy_knobs(&self.settings.policy);
        self.crons
            .iter()
            .filter_map(|(key, cron)| Some((key, MissedRun::last(&cron.events)?)))
            .filter(|(key, missed)| !has_run_since(key, missed.at))
            .map(|(_, missed)| diagnose(&missed.evidence(), &knobs, now))
            .collect()
    }
}
