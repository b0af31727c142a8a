//! The roll-up per owner: what stays when the Jobs are gone.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::entry::since;
use super::moment::Moment;
use super::runs::Runs;
use super::spec::SharedSpec;
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
    /// True where Jobs are runs of one thing, so that a success says that an earlier failure is over. What Argo CD runs side by
    /// side says nothing about its neighbour, and a Job that nobody owns has no later run.
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
    /// What the last failure was one of.
    failed_as: Task,
    /// The successes per [`Task`], however old the failures beside them are.
    succeeded: [Success; 2],
}

/// The latest of an owner's successes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Success {
    /// The latest start among them.
    started: Moment,
    /// The latest end.
    ended: Moment,
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
        started: Option<Timestamp>,
        ended: Timestamp,
        fresh: bool,
    ) {
        if !failed {
            self.succeeded[task as usize].note(started, ended);
        }
        if self.ended.is_some_and(|last| ended < last) {
            return;
        }
        if let Some(started) = started.filter(|_| fresh && !failed) {
            let took = since(started, ended);
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
        let mut successes = self.succeeded.iter().filter_map(|success| success.ended.get());
        successes.any(|succeeded| succeeded > ended)
    }

    /// When the owner's last Job succeeded that makes up for one with that spec which began and ended then.
    pub(super) fn later_success(
        &self,
        key: &OwnerKey,
        spec: &SharedSpec,
        began: Option<Timestamp>,
        ended: Option<Timestamp>,
    ) -> Option<Timestamp> {
        let task = Task::of(&key.kind, &spec.record.hooks);
        key.has_runs()
            .then(|| self.succeeded_after(task, began, ended))
            .flatten()
    }

    /// When the last Job of that task succeeded, if that was after one that has ended then, or began then and has not
    /// ended.
    fn succeeded_after(
        &self,
        task: Task,
        began: Option<Timestamp>,
        ended: Option<Timestamp>,
    ) -> Option<Timestamp> {
        let Success {
            started,
            ended: succeeded,
        } = self.succeeded[task as usize];
        let (started, succeeded) = (started.get(), succeeded.get()?);
        let is_later = match ended {
            // Times of the API server are whole seconds.
            Some(ended) => succeeded > ended || started.is_some_and(|started| started >= ended),
            None => began.zip(started).is_some_and(|(began, started)| started > began),
        };
        is_later.then_some(succeeded)
    }

    /// True when the last result is not older than `span`.
    pub(super) fn ended_within(&self, span: Seconds, now: Timestamp) -> bool {
        self.ended.is_none_or(|ended| since(ended, now) < span)
    }
}

impl Success {
    fn note(&mut self, started: Option<Timestamp>, ended: Timestamp) {
        self.started = self.started.get().max(started).into();
        self.ended = self.ended.get().max(Some(ended)).into();
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
        owner.note(Task::Main, true, None, at(10), true);
        owner.note(Task::Main, true, None, at(20), true);
        assert_eq!(owner.consecutive_failures, 2);
        owner.note(Task::Main, false, Some(at(-270)), at(30), true);
        owner.note(Task::Main, true, None, at(25), true);
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
        owner.note(hook, true, None, at(10), true);
        for (second, hooks) in (20..).zip(others) {
            let task = Task::of("HelmRelease", &hooks);
            owner.note(task, false, Some(at(second - 5)), at(second), true);
            assert_eq!(owner.last_failed, Some(true), "{hooks:?}");
        }
        assert_eq!(owner.waits[0], 2, "what they took is known all the same");
        owner.note(hook, false, None, at(30), true);
        assert_eq!((owner.last_failed, owner.consecutive_failures), (Some(false), 0));
        assert_eq!(Task::of("CronJob", &[]), Task::Main);
    }

    #[test]
    fn a_success_makes_up_for_what_failed_before_it_and_for_nothing_later() {
        let at = |s| Timestamp::from_second(s).expect("a time");
        let later = |owner: &OwnerView, began, ended: Option<i64>| {
            owner.succeeded_after(Task::Main, Some(at(began)), ended.map(at))
        };
        let mut owner = OwnerView::default();
        owner.note(Task::Main, true, Some(at(0)), at(10), true);
        assert_eq!(later(&owner, 0, Some(10)), None);
        owner.note(Task::Main, false, Some(at(20)), at(30), true);
        owner.note(Task::Main, true, Some(at(40)), at(50), true);
        for (began, ended, expected) in [
            (0, Some(10), Some(at(30))),
            (40, Some(50), None),
            // Side by side: what ended last counts.
            (15, Some(29), Some(at(30))),
            (15, Some(30), None),
            // Within one second, one after the other.
            (15, Some(20), Some(at(30))),
            // Of one that goes on, though its release has given up.
            (19, None, Some(at(30))),
            (20, None, None),
        ] {
            assert_eq!(later(&owner, began, ended), expected, "{began} {ended:?}");
        }
        // Learned of later than the failure after it.
        owner.note(Task::Main, false, Some(at(44)), at(45), true);
        assert_eq!(owner.last_failed, Some(true));
        assert_eq!(later(&owner, 40, Some(44)), Some(at(45)));
        assert_eq!(owner.succeeded_after(Task::Side, Some(at(0)), Some(at(10))), None);
    }

    #[test]
    fn a_job_that_succeeds_in_the_second_in_which_another_failed_is_later_where_it_began_then() {
        let at = |s| Timestamp::from_second(s).expect("a time");
        let mut owner = OwnerView::default();
        owner.note(Task::Main, false, Some(at(10)), at(10), true);
        assert_eq!(
            owner.succeeded_after(Task::Main, None, Some(at(10))),
            Some(at(10))
        );
    }
}
