//! Which Jobs end at the same object, and what an owner's last failed run ended at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::Index;
use crate::engine::culprit::LISTED;
use crate::engine::diagnosis::{Diagnosis, JobName, JobPhase};
use crate::engine::evidence::{ObjectRef, PreviousRun};
use crate::index::entry::JobState;
use crate::index::kind::JobKey;
use crate::index::owners::OwnerKey;

/// Groups of at most this many Jobs are kept up to date with each change; larger ones with each tick.
const AT_ONCE: usize = 32;

/// Jobs by the object that their chains end at.
#[derive(Debug, Default)]
pub(super) struct Culprits {
    jobs: BTreeMap<Arc<ObjectRef>, BTreeSet<Arc<JobKey>>>,
    of: BTreeMap<Arc<JobKey>, Arc<ObjectRef>>,
    /// Whose Jobs have changed since they were told of each other.
    touched: BTreeSet<Arc<ObjectRef>>,
}

impl Culprits {
    /// A Job's chain ends at this object now.
    pub(super) fn note(&mut self, job: &Arc<JobKey>, culprit: Option<&ObjectRef>) {
        let before = self.of.get(job);
        if before.map(|before| &**before) == culprit {
            return;
        }
        if let Some(before) = self.of.remove(job) {
            if let Some(jobs) = self.jobs.get_mut(&before) {
                jobs.remove(job);
                if jobs.is_empty() {
                    self.jobs.remove(&before);
                }
            }
            self.touched.insert(before);
        }
        if let Some(culprit) = culprit {
            let known = self.jobs.get_key_value(culprit);
            let culprit = known.map_or_else(|| Arc::new(culprit.clone()), |(known, _)| Arc::clone(known));
            let jobs = self.jobs.entry(Arc::clone(&culprit)).or_default();
            jobs.insert(Arc::clone(job));
            self.of.insert(Arc::clone(job), Arc::clone(&culprit));
            self.touched.insert(culprit);
        }
    }

    /// The first of the other Jobs with this culprit, and how many more there are.
    fn others(&self, job: &JobKey, culprit: &ObjectRef) -> (Vec<JobName>, u32) {
        let Some(jobs) = self.jobs.get(culprit) else {
            return (Vec::new(), 0);
        };
        let others = jobs.iter().filter(|other| ***other != *job);
        let listed: Vec<JobName> = others
            .take(LISTED)
            .map(|other| JobName {
                namespace: other.namespace.to_string(),
                name: other.name.to_string(),
            })
            .collect();
        let all = jobs.len() - usize::from(jobs.contains(job));
        let more = u32::try_from(all - listed.len()).unwrap_or(u32::MAX);
        (listed, more)
    }

    /// Writes the other Jobs with the same culprit into a diagnosis.
    pub(super) fn tell(&self, job: &JobKey, diagnosis: &mut Diagnosis) {
        let others = diagnosis
            .culprit
            .as_ref()
            .map(|culprit| self.others(job, culprit));
        (diagnosis.same_culprit, diagnosis.same_culprit_more) = others.unwrap_or_default();
    }

    fn take_touched(&mut self, all: bool) -> Vec<Arc<ObjectRef>> {
        let jobs = &self.jobs;
        let small = |culprit: &Arc<ObjectRef>| jobs.get(culprit).is_none_or(|jobs| jobs.len() <= AT_ONCE);
        let ready = self.touched.extract_if(.., |culprit| all || small(culprit));
        ready.collect()
    }
}

impl Index {
    /// Tells the Jobs of each other whose culprit they share. Of a large group only when `all` is asked for, every few
    /// seconds: ten thousand Jobs that fail one after another must not be told of each one.
    pub(super) fn regroup(&mut self, all: bool) {
        for culprit in self.culprits.take_touched(all) {
            let jobs = self.culprits.jobs.get(&culprit).cloned().unwrap_or_default();
            for key in jobs {
                self.retell(&key);
            }
        }
    }

    fn retell(&mut self, key: &JobKey) {
        let Some(entry) = self.jobs.get(key) else { return };
        let (Some(view), Some(job)) = (&entry.view, &entry.job) else {
            return;
        };
        let Some(culprit) = self.culprits.of.get(key) else {
            return;
        };
        let (same, more) = self.culprits.others(key, culprit);
        if view.names(&same, more) {
            return;
        }
        let Some(known) = view.diagnosis() else { return };
        let mut diagnosis = Arc::unwrap_or_clone(known);
        (diagnosis.same_culprit, diagnosis.same_culprit_more) = (same, more);
        let reported = self.reported(entry, job, &diagnosis);
        let view = view.retold(diagnosis, reported);
        if let Some(entry) = self.jobs.get_mut(key) {
            entry.view = Some(view);
        }
    }

    /// Remembers what an owner's run failed at; a later success clears it.
    pub(super) fn note_blocker(
        &mut self,
        owner: Option<OwnerKey>,
        job: &JobKey,
        ended: Option<Timestamp>,
        outcome: (JobPhase, Option<&Diagnosis>),
    ) {
        let (Some(owner), Some(ended)) = (owner, ended) else {
            return;
        };
        match outcome {
            (JobPhase::Succeeded, _) => {
                if let Some(runs) = self.blockers.get_mut(&owner) {
                    runs.retain(|run| run.ended > ended);
                    if runs.is_empty() {
                        self.blockers.remove(&owner);
                    }
                }
            }
            (JobPhase::Failed, Some(diagnosis)) => {
                let Some(root_cause) = diagnosis.root_cause else {
                    return;
                };
                let known = self.owners.get(&owner);
                if known.is_some_and(|owner| owner.has_succeeded_since(ended)) {
                    return;
                }
                let run = PreviousRun {
                    job: job.name.to_string(),
                    ended,
                    root_cause,
                    culprit: diagnosis.culprit.clone(),
                };
                let runs = self.blockers.entry(owner).or_default();
                // The same run again, in the light of later evidence. A hook's next run may bear the same name.
                runs.retain(|known| known.job != run.job || known.ended != run.ended);
                runs.push(run);
                runs.sort_by_key(|run| run.ended);
                // The newest is this run, once it has ended; the one before is what it is held against.
                if runs.len() > RUNS {
                    runs.remove(0);
                }
            }
            _ => {}
        }
    }

    /// The last failed run of the Job's owner that had ended when this one was made.
    pub(super) fn previous(&self, owner: Option<&OwnerKey>, job: &JobState) -> Option<PreviousRun> {
        let runs = self.blockers.get(owner?)?;
        let created = job.created.get()?;
        runs.iter().rev().find(|run| run.ended <= created).cloned()
    }
}

/// Failed runs remembered per owner.
const RUNS: usize = 4;
