//! A cluster that stands still: objects and logs of one moment through the same index as those of a watch.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::change::{Action, Change};
use super::kind::{JobKey, Kind};
use super::store::{Index, Settings};
use super::view::JobView;
use crate::engine::diagnosis::Diagnosis;
use crate::engine::evidence::Evidence;
use crate::engine::policy::Policy;
use crate::k8s::meta::AnyObject;

/// What was read at one moment, and what it says at that moment.
#[derive(Debug)]
pub struct Still {
    index: Index,
    now: Timestamp,
}

impl Still {
    /// Nothing yet, of the moment `now`.
    #[must_use]
    pub fn new(policy: Arc<Policy>, now: Timestamp) -> Self {
        let settings = Settings {
            policy,
            ..Settings::new(now)
        };
        let mut index = Index::new(settings);
        for kind in Kind::ALL {
            index.change(Change::Absent(kind), now);
        }
        Self { index, now }
    }

    /// Takes back what an exporter has captured of Jobs while it could, each with the time at which it was written down.
    /// To be called before the first objects are taken in; what is captured of Jobs that are not among those is left.
    pub fn take_back(
        &mut self,
        captured: impl IntoIterator<Item = (Evidence, Timestamp)>,
        objects: &[Change],
    ) {
        let jobs: BTreeSet<String> = objects
            .iter()
            .filter_map(|change| match change {
                Change::Apply {
                    kind: Kind::Job,
                    object,
                } => serde_json::from_str::<AnyObject>(object.get()).ok(),
                _ => None,
            })
            .map(|job| job.metadata.uid)
            .collect();
        for (mut evidence, written) in captured {
            if jobs.contains(&evidence.job.uid) {
                // How it ended, its own object says; what nobody has looked at yet is looked at now.
                evidence.job.conditions.clear();
                self.index.restore(evidence, written, self.now);
            }
        }
    }

    /// Takes in what was read, and says what else is worth reading. Releases and `CronJob`s go before the Jobs
    /// that they own, Jobs before Pods, and all of them before events and logs.
    pub fn take_in(&mut self, changes: impl IntoIterator<Item = Change>) -> Vec<Action> {
        for change in changes {
            self.index.change(change, self.now);
        }
        self.index.settle(self.now);
        self.index.take_actions()
    }

    /// The Jobs.
    #[must_use]
    pub fn jobs(&self) -> Vec<JobView> {
        self.index.snapshot(self.now).jobs
    }

    /// The diagnosis of a Job, also of one that nothing is wrong with.
    #[must_use]
    pub fn diagnosis(&self, job: &JobKey) -> Option<Diagnosis> {
        self.index.diagnose(job, self.now)
    }

    /// The diagnoses of runs that never came, of each `CronJob` that has not run since.
    #[must_use]
    pub fn missed_runs(&self) -> Vec<Diagnosis> {
        self.index.missed_runs(self.now)
    }

    /// The moment.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }
}
