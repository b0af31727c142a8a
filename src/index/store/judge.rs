//! Conclusions: diagnoses, results, what is asked for next, what is forgotten.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Index;
use crate::engine::Seconds;
use crate::engine::diagnose::diagnose;
use crate::engine::diagnosis::{Diagnosis, JobPhase};
use crate::engine::evidence::{Evidence, ObjectRef};
use crate::engine::hide;
use crate::engine::root_cause::RootCause;
use crate::index::change::Action;
use crate::index::entry::{Entry, JobState, since};
use crate::index::evidence::{evidence, knobs};
use crate::index::kind::JobKey;
use crate::index::owners::OwnerKey;
use crate::index::runs::RunOutcome;
use crate::index::view::JobView;

/// How often what may go wrong is judged anew without any news, and its dependencies are looked at.
pub(super) const AGAIN: Seconds = Seconds::new(10);
/// How old a look at a dependency may be while the Job waits: one look serves all who ask meanwhile.
const WHILE_WAITING: Duration = Duration::from_secs(10);
/// The same for the last look, after the Job has ended: what it died of may be a second old.
const AT_THE_END: Duration = Duration::from_secs(1);
/// How long a failure's cause may still change by late events before it is counted.
const LATE_EVIDENCE: Seconds = Seconds::new(10);
/// How long a Job's Pods or events are kept while the Job itself is not seen.
const ORPHANS: Seconds = Seconds::new(600);
/// How long the result of a Job that nobody owns is kept after it has ended.
const OWNERLESS: Seconds = Seconds::new(24 * 3600);
/// How long what an owner's runs failed at is remembered.
const BLOCKERS: Seconds = Seconds::new(7 * 24 * 3600);

impl Index {
    /// Judges what has changed, and gives results to the owners in the order in which they came about.
    pub fn settle(&mut self, now: Timestamp) {
        let dirty = std::mem::take(&mut self.dirty);
        let mut ended = Vec::new();
        for key in dirty {
            self.judge(&key, now);
            if let Some(at) = self.result_to_count(&key) {
                ended.push((at, key));
            }
        }
        if self.is_synced() {
            ended.sort_unstable();
            for (at, key) in ended {
                self.count_result(&key, at);
            }
        }
        self.regroup(false);
    }

    /// What time alone changes: verdicts of waiting Jobs, causes to count, what to forget. To be called every
    /// few seconds.
    pub fn tick(&mut self, now: Timestamp) {
        let retention = self.settings.retention;
        let mut forgotten = Vec::new();
        for (key, entry) in &self.jobs {
            let is_old = |then: Option<Timestamp>, span| then.is_none_or(|then| since(then, now) >= span);
            let waits = entry.phase() == Some(JobPhase::Waiting);
            let expired = match (&entry.job, entry.gone) {
                (None, _) => is_old(entry.touched, ORPHANS),
                (Some(_), Some(gone)) => {
                    (entry.is_settled() && entry.counted) || since(gone, now) >= retention
                }
                (Some(_), None) => false,
            };
            if expired {
                forgotten.push(key.clone());
            } else if (waits && is_old(entry.judged, AGAIN)) || needs_cause_counted(entry, now) {
                self.dirty.insert(key.clone());
            }
        }
        for key in &forgotten {
            self.count_cause(key);
            self.culprits.note(key, None);
            self.jobs.remove(key);
        }
        if !forgotten.is_empty() {
            let jobs = &self.jobs;
            self.pods
                .retain(|pod, owner| jobs.contains_key(&JobKey::new(&pod.namespace, &owner.job)));
        }
        self.loose.retain(|_, events| {
            let latest = events.iter().filter_map(|event| event.last).max();
            latest.is_some_and(|latest| since(latest, now) < ORPHANS)
        });
        self.owners
            .retain(|key, owner| key.kind != "Job" || owner.ended_within(OWNERLESS, now));
        self.blockers
            .retain(|_, runs| runs.iter().any(|run| since(run.ended, now) < BLOCKERS));
        let due: Vec<_> = self
            .dirty
            .iter()
            .filter(|key| {
                self.jobs
                    .get(key)
                    .is_some_and(|entry| needs_cause_counted(entry, now))
            })
            .cloned()
            .collect();
        self.settle(now);
        for key in due {
            self.count_cause(&key);
        }
        self.regroup(true);
    }

    /// Judges one Job as it stands, whether or not anything seems to be wrong with it.
    #[must_use]
    pub fn diagnose(&self, key: &JobKey, now: Timestamp) -> Option<Diagnosis> {
        let entry = self.jobs.get(key)?;
        let mut diagnosis = self.diagnosis(key, entry, entry.job.as_ref()?, now);
        self.culprits.tell(key, &mut diagnosis);
        Some(diagnosis)
    }

    fn judge(&mut self, key: &JobKey, now: Timestamp) {
        let Some(entry) = self.jobs.get(key) else { return };
        let (Some(job), Some(phase)) = (&entry.job, entry.phase()) else {
            return;
        };
        let trouble = entry.is_in_trouble(now);
        let begun = self.took.map(|_| Instant::now());
        let diagnosis = match phase {
            JobPhase::Succeeded => None,
            JobPhase::Waiting if !trouble && !job.spec.matters => None,
            _ => Some(self.diagnosis(key, entry, job, now)),
        };
        let matters = phase == JobPhase::Failed || !self.blockers.is_empty();
        let owner = matters.then(|| owner_key(key, job)).flatten();
        let ended = job.ended();
        let culprit = diagnosis
            .as_ref()
            .and_then(|diagnosis| diagnosis.culprit.as_ref());
        self.culprits.note(key, culprit);
        self.note_blocker(owner, key, ended, (phase, diagnosis.as_ref()));
        let diagnosis = diagnosis.map(|mut diagnosis| {
            self.culprits.tell(key, &mut diagnosis);
            Arc::new(diagnosis)
        });
        let Some(entry) = self.jobs.get(key) else { return };
        let Some(job) = &entry.job else { return };
        let begun = begun.filter(|_| diagnosis.is_some());
        let policy = &self.settings.policy;
        let mut view = JobView::of(key, entry, job, phase, policy, diagnosis.clone(), now);
        let within = match entry.job.as_ref().and_then(|job| job.ended_seen).or(entry.gone) {
            Some(_) => AT_THE_END,
            None => WHILE_WAITING,
        };
        let found = diagnosis.as_deref();
        view.reported = found.map(|found| Box::new(self.reported(entry, job, found)));
        let asks = if trouble {
            self.looks(key, entry, job, within, now)
        } else {
            Vec::new()
        };
        if let (Some(took), Some(begun)) = (&mut self.took, begun) {
            took.since(begun);
        }
        let Some(entry) = self.jobs.get_mut(key) else {
            return;
        };
        entry.judged = Some(now);
        entry.view = Some(Arc::new(view));
        if phase == JobPhase::Succeeded {
            entry.trail = None;
        } else {
            entry.trail().diagnosis = diagnosis;
        }
        if !asks.is_empty() {
            let trail = entry.trail();
            trail.inspected = Some(now);
            trail.asked.extend(asks.iter().filter_map(|ask| match ask {
                Action::InspectRelease { release, .. } => Some(release.clone()),
                _ => None,
            }));
        }
        if trouble {
            self.ask_for_signatures(key, now);
        }
        self.actions.extend(asks);
    }

    fn diagnosis(&self, key: &JobKey, entry: &Entry, job: &JobState, now: Timestamp) -> Diagnosis {
        let evidence = self.evidence_of(key, entry, job);
        diagnose(&evidence, &knobs(job, &self.settings.policy), now)
    }

    pub(super) fn evidence_of(&self, key: &JobKey, entry: &Entry, job: &JobState) -> Evidence {
        let record = &job.spec.record;
        let of = |object: &ObjectRef| JobKey::new(&object.namespace, &object.name);
        let cron = record
            .owner
            .as_ref()
            .filter(|owner| owner.kind == "CronJob")
            .map(of);
        let events = cron
            .and_then(|key| self.crons.get(&key))
            .map_or(&[][..], |cron| &cron.events);
        let release = record
            .release
            .as_ref()
            .and_then(|release| release.object.as_ref())
            .map(of);
        let conditions = release
            .and_then(|key| self.release_state.get(&key))
            .map_or(&[][..], |release| &release.conditions);
        let mut evidence = evidence(key, entry, job, events, conditions);
        let known = entry.trail.as_ref().map(|trail| trail.dependencies.as_slice());
        evidence.dependencies = self.with_releases(job, known.unwrap_or_default());
        if !self.blockers.is_empty() {
            evidence.previous = self.previous(owner_key(key, job).as_ref(), job);
        }
        hide::evidence(&mut evidence, &self.settings.policy.redact.patterns);
        evidence
    }

    fn result_to_count(&self, key: &JobKey) -> Option<Timestamp> {
        let entry = self.jobs.get(key).filter(|entry| !entry.counted)?;
        let job = entry.job.as_ref()?;
        matches!(job.phase(), JobPhase::Failed | JobPhase::Succeeded)
            .then(|| job.ended())
            .flatten()
    }

    fn count_result(&mut self, key: &JobKey, ended: Timestamp) {
        let fresh = ended >= self.settings.started;
        let Some(entry) = self.jobs.get_mut(key) else {
            return;
        };
        entry.counted = true;
        // What had ended before this process began is no news for a counter.
        entry.cause_counted = !fresh;
        let Some(job) = &entry.job else { return };
        let failed = job.phase() == JobPhase::Failed;
        let took = job.status.started.map(|start| since(start, ended));
        let cause = entry.view.as_ref().and_then(|view| view.root_cause());
        if let Some(owner) = owner_key(key, job) {
            let is_cron = owner.kind == "CronJob";
            let owner = self.owner(owner);
            owner.note(failed, ended, took, fresh);
            if is_cron {
                let outcome = if failed {
                    RunOutcome::Failed(cause)
                } else {
                    RunOutcome::Succeeded
                };
                owner.runs.note(ended, outcome);
            }
        }
    }

    fn count_cause(&mut self, key: &JobKey) {
        let Some(entry) = self
            .jobs
            .get_mut(key)
            .filter(|entry| entry.counted && !entry.cause_counted)
        else {
            return;
        };
        entry.cause_counted = true;
        let (Some(job), Some(view)) = (&entry.job, &entry.view) else {
            return;
        };
        let Some(cause) = view.root_cause() else { return };
        if cause == RootCause::EvidenceLost {
            self.evidence_lost += 1;
        }
        let ended = job.ended();
        if let Some(owner) = owner_key(key, job) {
            let owner = self.owner(owner);
            *owner.failures.entry(cause).or_default() += 1;
            if let Some(ended) = ended {
                owner.runs.explain(ended, cause);
            }
        }
    }
}

fn needs_cause_counted(entry: &Entry, now: Timestamp) -> bool {
    let seen = entry.job.as_ref().and_then(|job| job.ended_seen);
    entry.counted
        && !entry.cause_counted
        && entry.phase() == Some(JobPhase::Failed)
        && seen.is_some_and(|seen| since(seen, now) >= LATE_EVIDENCE)
}

/// A hook that nobody owns comes back under its own name; any other Job without an owner may never come back.
fn owner_key(key: &JobKey, job: &JobState) -> Option<OwnerKey> {
    let record = &job.spec.record;
    record.owner.as_ref().map(OwnerKey::from).or_else(|| {
        record.origin.is_hook().then(|| OwnerKey {
            namespace: key.namespace.to_string(),
            kind: "Job".to_owned(),
            name: key.name.to_string(),
        })
    })
}
