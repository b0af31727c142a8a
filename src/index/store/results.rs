//! Results of Jobs, given to their owners in the order in which they came about.

use std::sync::Arc;

use jiff::Timestamp;

use super::Index;
use crate::engine::diagnosis::JobPhase;
use crate::engine::root_cause::RootCause;
use crate::index::entry::Entry;
use crate::index::jobs::Done;
use crate::index::kind::JobKey;
use crate::index::owners::{OwnerKey, Task};
use crate::index::runs::RunOutcome;
use crate::index::spec::SharedSpec;
use crate::index::view::JobView;
use crate::k8s::job_record::JobSpec;

/// How a Job ended, as far as its owner is concerned.
#[derive(Debug)]
pub(super) struct Outcome {
    spec: Arc<SharedSpec>,
    started: Option<Timestamp>,
    result: RunOutcome,
}

impl Outcome {
    fn of_done(done: &Done) -> Self {
        Self {
            spec: Arc::clone(&done.spec),
            started: done.started.get(),
            result: RunOutcome::Succeeded,
        }
    }

    /// `None` of a Job that has not ended.
    fn of(entry: &Entry) -> Option<Self> {
        let job = entry.job.as_ref()?;
        let cause = entry.view.as_ref().and_then(JobView::root_cause);
        let result = match job.phase() {
            JobPhase::Failed => RunOutcome::Failed(cause.map(Box::new)),
            JobPhase::Succeeded => RunOutcome::Succeeded,
            JobPhase::Waiting | JobPhase::Suspended | JobPhase::Missing => return None,
        };
        Some(Self {
            spec: Arc::clone(&job.spec),
            started: job.status.started,
            result,
        })
    }
}

impl Index {
    /// Gives results to their owners, among them those of Jobs that were replaced meanwhile.
    pub(super) fn count_results(&mut self, mut ended: Vec<(Timestamp, Arc<JobKey>)>) {
        ended.sort_unstable();
        let mut replaced = std::mem::take(&mut self.replaced);
        replaced.sort_by_key(|(at, ..)| *at);
        let mut replaced = replaced.into_iter().peekable();
        for (at, key) in ended {
            while let Some((at, key, outcome)) = replaced.next_if(|(before, ..)| *before <= at) {
                self.give_late(&key, at, &outcome);
            }
            self.count_result(&key, at);
        }
        for (at, key, outcome) in replaced {
            self.give_late(&key, at, &outcome);
        }
    }

    /// Keeps the result of a Job that is about to be replaced and that its owner does not have yet: owners are told once
    /// every kind is listed.
    pub(super) fn keep_result(&mut self, key: &JobKey) {
        let ended = |entry: &Entry| Some((entry.untold()?, Outcome::of(entry)?));
        let result = match self.jobs.done(key) {
            Some(done) if done.counted => None,
            Some(done) => done.ended.get().map(|at| (at, Outcome::of_done(done))),
            None => self.jobs.get(key).and_then(ended),
        };
        if let Some((at, outcome)) = result {
            self.replaced.push((at, self.jobs.shared(key), outcome));
        }
    }

    fn count_result(&mut self, key: &JobKey, ended: Timestamp) {
        let outcome = if let Some(done) = self.jobs.done_mut(key) {
            if std::mem::replace(&mut done.counted, true) {
                return;
            }
            Some(Outcome::of_done(done))
        } else {
            let Some(entry) = self.jobs.get_mut(key) else {
                return;
            };
            entry.counted = true;
            // What had ended before this process began is no news for a counter.
            entry.cause_counted = ended < self.settings.started;
            Outcome::of(entry)
        };
        if let Some(outcome) = outcome {
            self.give(key, ended, &outcome);
        }
    }

    /// As [`Self::give`], of a Job that is no longer there to have its cause counted later.
    fn give_late(&mut self, key: &JobKey, ended: Timestamp, outcome: &Outcome) {
        self.give(key, ended, outcome);
        if let RunOutcome::Failed(Some(cause)) = &outcome.result
            && ended >= self.settings.started
        {
            self.add_cause(key, &outcome.spec, **cause, Some(ended));
        }
    }

    fn give(&mut self, key: &JobKey, ended: Timestamp, outcome: &Outcome) {
        let fresh = ended >= self.settings.started;
        let failed = outcome.result != RunOutcome::Succeeded;
        if let Some(owner) = owner_key(key, &outcome.spec) {
            let is_cron = owner.kind == "CronJob";
            let task = Task::of(&owner.kind, &outcome.spec.record.hooks);
            let owner = self.owner(owner);
            owner.note(task, failed, outcome.started, ended, fresh);
            if is_cron {
                owner.runs.note(ended, outcome.result.clone());
            }
        }
    }

    /// Forgets an owner. What its later runs have made up for stays so for as long as the failed Jobs are kept.
    pub(super) fn forget_owner(&mut self, key: &OwnerKey) {
        let Some(owner) = self.owners.remove(key) else {
            return;
        };
        for (job, entry) in self.jobs.each_open() {
            let Some(view) = &entry.view else { continue };
            let is_its = view.spec.record.owner.as_ref().is_some_and(|owner| {
                (&owner.namespace, &owner.kind, &owner.name) == (&key.namespace, &key.kind, &key.name)
            });
            if is_its && view.root_cause().is_some() {
                entry.later_success = owner
                    .later_success(key, &view.spec, view.started(), view.ended())
                    .into();
                self.dirty.insert(JobKey::clone(job));
            }
        }
    }

    pub(super) fn count_cause(&mut self, key: &JobKey) {
        let entry = self.jobs.get_mut(key);
        let Some(entry) = entry.filter(|entry| entry.counted && !entry.cause_counted) else {
            return;
        };
        entry.cause_counted = true;
        let (Some(job), Some(view)) = (&entry.job, &entry.view) else {
            return;
        };
        let Some(cause) = view.root_cause() else { return };
        let (spec, ended) = (Arc::clone(&job.spec), job.ended());
        self.add_cause(key, &spec, cause, ended);
    }

    fn add_cause(&mut self, key: &JobKey, spec: &JobSpec, cause: RootCause, ended: Option<Timestamp>) {
        if cause == RootCause::EvidenceLost {
            self.evidence_lost += 1;
        }
        if let Some(owner) = owner_key(key, spec) {
            let owner = self.owner(owner);
            *owner.failures.entry(cause).or_default() += 1;
            if let Some(ended) = ended {
                owner.runs.explain(ended, cause);
            }
        }
    }
}

/// A hook that nobody owns comes back under its own name; any other Job without an owner may never come back.
pub(super) fn owner_key(key: &JobKey, spec: &JobSpec) -> Option<OwnerKey> {
    let record = &spec.record;
    record.owner.as_ref().map(OwnerKey::from).or_else(|| {
        record.origin.is_hook().then(|| OwnerKey {
            namespace: key.namespace.to_string(),
            kind: "Job".to_owned(),
            name: key.name.to_string(),
        })
    })
}
