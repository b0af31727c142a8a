//! `CronJob`s: their events, and the runs that never came.

use jiff::Timestamp;

use super::Index;
use crate::engine::diagnose::diagnose;
use crate::engine::diagnosis::{Diagnosis, DiagnosisKnobs};
use crate::engine::evidence::EventRecord;
use crate::engine::missed_run::missed_run;
use crate::engine::root_cause::RootCause;
use crate::index::entry::add_event;
use crate::index::kind::JobKey;
use crate::index::owners::OwnerKey;

/// Events kept of one `CronJob`.
const EVENTS: usize = 16;

#[derive(Debug, Default)]
pub(super) struct CronState {
    pub(super) events: Vec<EventRecord>,
    pub(super) epoch: u32,
    /// When the last run that never came was counted.
    counted: Option<Timestamp>,
}

impl Index {
    pub(super) fn add_cron_event(&mut self, event: EventRecord, now: Timestamp) {
        let key = JobKey::new(&event.object.namespace, &event.object.name);
        let cron = self.crons.entry(key.clone()).or_default();
        add_event(&mut cron.events, event, EVENTS);
        let Some((_, at)) = missed_run(&cron.events) else {
            return;
        };
        let fresh = at >= self.settings.started;
        let is_new = cron.counted.is_none_or(|counted| at > counted);
        cron.counted = cron.counted.max(Some(at));
        if !is_new {
            return;
        }
        let Some((diagnosis, _)) = self.missed(&key, now) else {
            return;
        };
        let Some(cause) = diagnosis.root_cause else { return };
        let owner = OwnerKey {
            namespace: key.namespace.to_string(),
            kind: "CronJob".to_owned(),
            name: key.name.to_string(),
        };
        let owner = self.owners.entry(owner).or_default();
        // With Forbid the run before goes on: how that one ends is the result.
        if cause != RootCause::CronConcurrencyBlocked {
            owner.note(true, at, None, fresh);
        }
        if fresh {
            *owner.failures.entry(cause).or_default() += 1;
        }
    }

    /// Why the last run of a `CronJob` that did not come did not, and when it was due.
    fn missed(&self, key: &JobKey, now: Timestamp) -> Option<(Diagnosis, Timestamp)> {
        let (evidence, at) = missed_run(&self.crons.get(key)?.events)?;
        Some((diagnose(&evidence, &DiagnosisKnobs::default(), now), at))
    }

    /// The diagnoses of runs that never came, of each `CronJob` that has not run since.
    #[must_use]
    pub fn missed_runs(&self, now: Timestamp) -> Vec<Diagnosis> {
        let has_run_since = |key: &JobKey, at: Timestamp| {
            self.jobs.iter().any(|(job, entry)| {
                let Some(state) = &entry.job else { return false };
                let owner = state.spec.record.owner.as_ref();
                job.namespace == key.namespace
                    && owner.is_some_and(|owner| owner.kind == "CronJob" && *owner.name == *key.name)
                    && state.created.is_some_and(|created| created >= at)
            })
        };
        self.crons
            .keys()
            .filter_map(|key| Some((key, self.missed(key, now)?)))
            .filter(|(key, (_, at))| !has_run_since(key, *at))
            .map(|(_, (diagnosis, _))| diagnosis)
            .collect()
    }
}
