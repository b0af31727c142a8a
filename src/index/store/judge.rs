//! Conclusions: diagnoses, results, what is asked for next, what is forgotten.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Index;
use super::results::owner_key;
use crate::engine::Seconds;
use crate::engine::diagnose::diagnose;
use crate::engine::diagnosis::{Diagnosis, JobPhase};
use crate::engine::evidence::{Evidence, ObjectRef};
use crate::engine::hide;
use crate::index::change::Action;
use crate::index::entry::{Entry, JobState, since};
use crate::index::evidence::{evidence, knobs};
use crate::index::kind::JobKey;
use crate::index::moment::Moment;
use crate::index::owners::OwnerKey;
use crate::index::view::JobView;

/// How often what may go wrong is judged anew without any news, and its dependencies are looked at.
pub(super) const AGAIN: Seconds = Seconds::new(10);
/// Of the Jobs that wait, and of those whose failure is transient no more, one part in so many is judged anew with each
/// tick, and [`AT_LEAST`] of them: ten thousand at once would hold up everything else for a second.
const PARTS: usize = 5;
/// See [`PARTS`].
const AT_LEAST: usize = 500;
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
            if let Some(at) = self.jobs.get(&key).and_then(Entry::untold) {
                ended.push((at, self.jobs.shared(&key)));
            }
            self.jobs.pack(&key);
        }
        if self.is_synced() {
            let waited = std::mem::take(&mut self.uncounted);
            ended.reserve(waited.len());
            ended.extend(waited.into_iter().filter_map(|key| {
                let at = self.jobs.done(&key)?.ended.get()?;
                Some((at, key))
            }));
            let told: Vec<_> = ended.iter().map(|(_, key)| Arc::clone(key)).collect();
            self.count_results(ended);
            // Of a failure that is learned of late, the time to heal may be over already.
            for key in told {
                let entry = self.jobs.get(&key);
                if entry.is_some_and(|entry| entry.is_transient_no_more(now)) {
                    self.judge(&key, now);
                }
            }
        } else {
            self.uncounted.extend(ended.into_iter().map(|(_, key)| key));
        }
        self.regroup(false);
    }

    /// What time alone changes: verdicts of waiting Jobs, causes to count, what to forget. To be called every
    /// few seconds.
    pub fn tick(&mut self, now: Timestamp) {
        self.wait_no_longer(now);
        let retention = self.settings.retention;
        let (mut forgotten, mut waiting, mut overdue) = (Vec::new(), 0, Vec::new());
        self.unseen = 0;
        for (key, entry) in self.jobs.all_open() {
            self.unseen += usize::from(entry.job.is_none());
            let is_old = |then: Moment, span| then.get().is_none_or(|then| since(then, now) >= span);
            let waits = entry.phase() == Some(JobPhase::Waiting);
            let is_due = (waits && is_old(entry.judged, AGAIN)) || entry.is_transient_no_more(now);
            waiting += usize::from(waits || is_due);
            let expired = match (&entry.job, entry.gone.get()) {
                (None, _) => is_old(entry.touched, ORPHANS),
                (Some(_), Some(gone)) => {
                    (entry.is_settled() && entry.counted) || since(gone, now) >= retention
                }
                (Some(_), None) => false,
            };
            if expired {
                forgotten.push(Arc::clone(key));
            } else if needs_cause_counted(entry, now) {
                self.dirty.insert(JobKey::clone(key));
            } else if is_due {
                overdue.push((entry.judged, key));
            }
        }
        let most = AT_LEAST.max(waiting / PARTS);
        if overdue.len() > most {
            overdue.sort_unstable();
        }
        let again = overdue.into_iter().take(most);
        self.dirty.extend(again.map(|(_, key)| JobKey::clone(key)));
        for key in &forgotten {
            self.count_cause(key);
            self.culprits.note(key, None);
            self.jobs.remove(key);
        }
        if self.jobs.bury() || !forgotten.is_empty() {
            let jobs = &self.jobs;
            self.pods
                .retain(|pod, owner| jobs.knows(&JobKey::new(&pod.namespace, &owner.job)));
        }
        self.specs.tidy();
        self.seen.tidy();
        self.early.retain(|_, pods| {
            let is_young = |made: Timestamp| since(made, now) < ORPHANS;
            pods.iter().any(|pod| pod.created.is_some_and(is_young))
        });
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
        let judged = |entry: &Entry| Some(self.diagnosis(key, entry, entry.job.as_ref()?, now));
        let mut diagnosis = self.jobs.read(key, judged)?;
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
        let owner = matters.then(|| owner_key(key, &job.spec)).flatten();
        let ended = job.ended();
        let culprit = diagnosis
            .as_ref()
            .and_then(|diagnosis| diagnosis.culprit.as_ref());
        let shared = self.jobs.shared(key);
        self.culprits.note(&shared, culprit);
        self.note_blocker(owner, key, ended, (phase, diagnosis.as_ref()));
        let diagnosis = diagnosis.map(|mut diagnosis| {
            self.culprits.tell(key, &mut diagnosis);
            diagnosis
        });
        let Some(entry) = self.jobs.get(key) else { return };
        let Some(job) = &entry.job else { return };
        let begun = begun.filter(|_| diagnosis.is_some());
        let until = diagnosis.as_ref().and_then(|found| found.transient_until);
        // As of a moment before that, it stays transient.
        let until = until.filter(|until| !entry.counted || *until > now);
        let within = if job.ended_seen.or(entry.gone).is_known() {
            AT_THE_END
        } else {
            WHILE_WAITING
        };
        let found = diagnosis.map(|found| {
            let reported = self.reported(entry, job, &found);
            (found, reported)
        });
        let view = JobView::of(shared, entry, job, phase, found, now);
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
        entry.judged = now.into();
        entry.transient_until = until.into();
        entry.view = Some(view);
        if phase == JobPhase::Succeeded {
            entry.trail = None;
        }
        if !asks.is_empty() {
            let trail = entry.trail();
            trail.inspected = now.into();
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
        let now = self.as_of(key, entry, job).map_or(now, |at| at.min(now));
        diagnose(&evidence, &knobs(job, &self.settings.policy), now)
    }

    /// The moment as of which a failed Job is judged, where that is not now: when it went, or, where a later run of its
    /// owner has succeeded, its end. Whether one has is not known before the owner has been told, nor of a Job that
    /// another process wrote down.
    fn as_of(&self, key: &JobKey, entry: &Entry, job: &JobState) -> Option<Timestamp> {
        let ended = job.ended().filter(|_| job.phase() == JobPhase::Failed)?;
        if !entry.counted || entry.restored.is_known() || self.is_made_up_for(key, entry, job) {
            return Some(ended);
        }
        entry.gone.get()
    }

    /// True when a later run of the Job's owner has succeeded.
    fn is_made_up_for(&self, key: &JobKey, entry: &Entry, job: &JobState) -> bool {
        let by = |owner: OwnerKey| {
            let known = self.owners.get(&owner)?;
            known.later_success(&owner, &job.spec, job.status.started, job.ended())
        };
        let by_its_owner = owner_key(key, &job.spec).and_then(by);
        by_its_owner.is_some() || entry.later_success.get().is_some()
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
            evidence.previous = self.previous(owner_key(key, &job.spec).as_ref(), job);
        }
        hide::evidence(&mut evidence, &self.settings.policy.redact.patterns);
        evidence
    }
}

fn needs_cause_counted(entry: &Entry, now: Timestamp) -> bool {
    let seen = entry.job.as_ref().and_then(|job| job.ended_seen.get());
    entry.counted
        && !entry.cause_counted
        && entry.phase() == Some(JobPhase::Failed)
        && seen.is_some_and(|seen| since(seen, now) >= LATE_EVIDENCE)
}
