//! The roll-up per owner: what stays when the Jobs are gone.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::entry::since;
use super::runs::Runs;
use crate::engine::Seconds;
use crate::engine::evidence::ObjectRef;
use crate::engine::root_cause::RootCause;

/// Upper bounds of the histogram of waits in seconds: around the usual timeouts (5, 10, 15, 20, 30 minutes).
pub const WAIT_BUCKETS: [i64; 11] = [15, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200];
/// The same as a scrape writes them.
pub const WAIT_BOUNDS: [&str; WAIT_BUCKETS.len()] = [
    "15.0", "30.0", "60.0", "120.0", "300.0", "600.0", "900.0", "1200.0", "1800.0", "3600.0", "7200.0",
];

/// Names an owner.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerKey {
    /// The owner's namespace.
    pub namespace: String,
    /// `CronJob`, `HelmRelease`, `Application`, `Release`, or `Job` for a Job that nobody owns.
    pub kind: String,
    /// The name.
    pub name: String,
}

impl OwnerKey {
    /// True where a success of one Job says that the failure of an earlier one is over. What Argo CD runs side by side
    /// says nothing about its neighbour, and a Job that nobody owns has no later run.
    pub(super) fn has_runs(&self) -> bool {
        matches!(self.kind.as_str(), "CronJob" | "HelmRelease" | "Release")
    }
}

impl From<&ObjectRef> for OwnerKey {
    fn from(object: &ObjectRef) -> Self {
        Self {
            namespace: object.namespace.clone(),
            kind: object.kind.clone(),
            name: object.name.clone(),
        }
    }
}

/// How an owner's Jobs went.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OwnerView {
    /// Whether the last one failed; `None` before any has ended.
    pub last_failed: Option<bool>,
    /// Failures since the last success.
    pub consecutive_failures: u32,
    /// Successes since the last failure.
    pub consecutive_successes: u32,
    /// Failures by root cause since the exporter started.
    pub failures: BTreeMap<RootCause, u64>,
    /// Successful Jobs per bucket of [`WAIT_BUCKETS`], not cumulated, the last one without a bound.
    pub waits: [u64; WAIT_BUCKETS.len() + 1],
    /// Sum of what they took.
    pub waited: Seconds,
    /// The last runs, of a `CronJob`.
    pub runs: Runs,
    /// When the last one ended: an older one that is learned of later changes nothing.
    ended: Option<Timestamp>,
    /// When the last one that succeeded ended.
    succeeded: Option<Timestamp>,
    /// What the last failure was one of.
    failed_as: Task,
}

/// What a Job is to its owner: a success of one says nothing about the failure of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Task {
    /// A run of a `CronJob`, or a hook that a release runs on its way in.
    #[default]
    Main,
    /// What a release holds besides, and what it runs on its way out.
    Side,
}

impl Task {
    /// By the owner's kind and the Job's hooks.
    pub(super) fn of(owner_kind: &str, hooks: &[String]) -> Self {
        let on_its_way_in = |hook: &String| {
            matches!(
                hook.as_str(),
                "pre-install" | "post-install" | "pre-upgrade" | "post-upgrade"
            )
        };
        match owner_kind {
            "HelmRelease" | "Release" if !hooks.iter().any(on_its_way_in) => Self::Side,
            _ => Self::Main,
        }
    }
}

impl OwnerView {
    /// Notes a result. `fresh` is false for what had ended before the exporter started: counters must not count
    /// it again after each restart.
    pub(super) fn note(
        &mut self,
        task: Task,
        failed: bool,
        ended: Timestamp,
        took: Option<Seconds>,
        fresh: bool,
    ) {
        if self.ended.is_some_and(|last| ended < last) {
            return;
        }
        if let Some(took) = took.filter(|_| fresh && !failed) {
            let bucket = WAIT_BUCKETS.partition_point(|bound| Seconds::new(*bound) < took);
            self.waits[bucket] += 1;
            self.waited = self.waited + took;
        }
        if failed {
            self.failed_as = task;
        } else if self.last_failed == Some(true) && self.failed_as != task {
            return;
        }
        self.ended = Some(ended);
        self.last_failed = Some(failed);
        if !failed {
            self.succeeded = Some(ended);
        }
        let (up, down) = if failed {
            (&mut self.consecutive_failures, &mut self.consecutive_successes)
        } else {
            (&mut self.consecutive_successes, &mut self.consecutive_failures)
        };
        *up += 1;
        *down = 0;
    }

    /// True when a run that ended later has succeeded.
    pub(super) fn has_succeeded_since(&self, ended: Timestamp) -> bool {
        self.succeeded.is_some_and(|succeeded| succeeded > ended)
    }

    /// True when the last result is not older than `span`.
    pub(super) fn ended_within(&self, span: Seconds, now: Timestamp) -> bool {
        self.ended.is_none_or(|ended| since(ended, now) < span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_written_as_they_are() {
        assert_eq!(WAIT_BUCKETS.map(|bound| format!("{bound}.0")), WAIT_BOUNDS);
    }

    #[test]
    fn results_are_taken_in_the_order_in_which_they_ended() {
        let at = |s| Timestamp::from_second(s).expect("a time");
        let mut owner = OwnerView::default();
        owner.note(Task::Main, true, at(10), None, true);
        owner.note(Task::Main, true, at(20), None, true);
        assert_eq!(owner.consecutive_failures, 2);
        owner.note(Task::Main, false, at(30), Some(Seconds::new(300)), true);
        owner.note(Task::Main, true, at(25), None, true);
        assert_eq!(
            (
                owner.last_failed,
                owner.consecutive_failures,
                owner.consecutive_successes
            ),
            (Some(false), 0, 1)
        );
        assert_eq!(owner.waits[4], 1);
    }

    #[test]
    fn the_success_of_another_task_of_a_release_heals_nothing() {
        let at = |s| Timestamp::from_second(s).expect("a time");
        let hook = Task::of("HelmRelease", &["post-install".to_owned()]);
        let others = [Vec::new(), vec!["post-delete".to_owned()]];
        let mut owner = OwnerView::default();
        owner.note(hook, true, at(10), None, true);
        for (second, hooks) in (20..).zip(others) {
            let task = Task::of("HelmRelease", &hooks);
            owner.note(task, false, at(second), Some(Seconds::new(5)), true);
            assert_eq!(owner.last_failed, Some(true), "{hooks:?}");
        }
        assert_eq!(owner.waits[0], 2, "what they took is known all the same");
        owner.note(hook, false, at(30), None, true);
        assert_eq!((owner.last_failed, owner.consecutive_failures), (Some(false), 0));
        assert_eq!(Task::of("CronJob", &[]), Task::Main);
    }
}
