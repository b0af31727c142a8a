//! A cluster that stands still: objects and logs of one moment through the same index as those of a watch.

use std::sync::Arc;

use jiff::Timestamp;

use super::change::{Action, Change};
use super::kind::{JobKey, Kind};
use super::store::{Index, Settings};
use super::view::JobView;
use crate::engine::diagnosis::Diagnosis;
use crate::engine::policy::Policy;

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
    pub fn jobs(&self) -> Vec<Arc<JobView>> {
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
