//! The last runs of a `CronJob`, kept longer than its Jobs: three good ones and one bad one are all that a cluster
//! keeps of them by default.

use std::sync::Arc;

use jiff::Timestamp;

use super::moment::Moment;
use crate::engine::root_cause::RootCause;

/// Runs kept per `CronJob`: two weeks of a daily one, enough to see a pattern, and little memory.
pub const KEPT_RUNS: usize = 14;
/// Of that many runs, so many failures make a `CronJob` one that flaps; as the alert `HookJobFlapping` has it.
const FLAPS: (usize, usize) = (5, 2);

/// How a run ended. Causes are in boxes: a cause has room for a name of the policy, and hardly any run of a cluster has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunOutcome {
    /// It succeeded.
    Succeeded,
    /// It failed; the cause as far as it is known.
    Failed(Option<Box<RootCause>>),
    /// It never came.
    Missed(Box<RootCause>),
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    at: Moment,
    /// How it ended.
    pub outcome: RunOutcome,
}

impl Run {
    /// When it ended, or when it was last said that it did not come.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        // It is made of a time.
        self.at.get().unwrap_or_default()
    }
}

/// The last [`KEPT_RUNS`] runs, the oldest first. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs(Arc<Vec<Run>>);

impl Runs {
    /// The runs, the oldest first.
    #[must_use]
    pub fn all(&self) -> &[Run] {
        &self.0
    }

    /// True when good and bad runs take turns: two of the last five failed, and not all of them.
    #[must_use]
    pub fn flap(&self) -> bool {
        let (succeeded, failed) = self.recent();
        failed >= FLAPS.1 && succeeded > 0
    }

    /// How many of the last five that ended have succeeded, and how many have failed.
    #[must_use]
    pub fn recent(&self) -> (usize, usize) {
        let ended = self.0.iter().rev().filter_map(|run| match run.outcome {
            RunOutcome::Succeeded => Some(false),
            RunOutcome::Failed(_) => Some(true),
            RunOutcome::Missed(_) => None,
        });
        ended.take(FLAPS.0).fold((0, 0), |(succeeded, failed), bad| {
            (succeeded + usize::from(!bad), failed + usize::from(bad))
        })
    }

    /// Notes a run, wherever in the order it belongs. The controller says again and again of one run that it does not
    /// come; that stays one run.
    pub(super) fn note(&mut self, at: Timestamp, outcome: RunOutcome) {
        let (runs, at) = (Arc::make_mut(&mut self.0), Moment::from(at));
        let place = runs.partition_point(|run| run.at <= at);
        if let Some(before) = place.checked_sub(1).and_then(|before| runs.get_mut(before)) {
            let again = matches!(outcome, RunOutcome::Missed(_)) && before.outcome == outcome;
            if again || (before.at == at && before.outcome == outcome) {
                before.at = at;
                return;
            }
        }
        // To its size: very many CronJobs have a few runs each.
        runs.reserve_exact(1);
        runs.insert(place, Run { at, outcome });
        if runs.len() > KEPT_RUNS {
            runs.remove(0);
        }
    }

    /// Why the run that ended then failed: known a little later than that it failed.
    pub(super) fn explain(&mut self, at: Timestamp, cause: RootCause) {
        let (runs, at) = (Arc::make_mut(&mut self.0), Moment::from(at));
        let failed = |run: &&mut Run| run.at == at && matches!(run.outcome, RunOutcome::Failed(_));
        if let Some(run) = runs.iter_mut().rev().find(failed) {
            run.outcome = RunOutcome::Failed(Some(Box::new(cause)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn runs(outcomes: &[RunOutcome]) -> Runs {
        let mut runs = Runs::default();
        for (second, outcome) in (0..).zip(outcomes) {
            runs.note(at(second), outcome.clone());
        }
        runs
    }

    const GOOD: RunOutcome = RunOutcome::Succeeded;
    const BAD: RunOutcome = RunOutcome::Failed(None);

    fn none() -> RunOutcome {
        RunOutcome::Missed(Box::new(RootCause::CronMissedSchedule))
    }

    #[test]
    fn two_failures_of_the_last_five_flap_and_an_unbroken_row_of_them_does_not() {
        assert!(!runs(&[]).flap());
        assert!(!runs(&[GOOD, GOOD, GOOD, GOOD, BAD]).flap());
        assert!(runs(&[BAD, GOOD, GOOD, GOOD, BAD]).flap());
        assert!(!runs(&[BAD, BAD, GOOD, GOOD, GOOD, GOOD, BAD]).flap());
        assert!(!runs(&[BAD, BAD, BAD, BAD, BAD]).flap());
        assert!(runs(&[BAD, none(), none(), GOOD, GOOD, GOOD, BAD]).flap());
    }

    #[test]
    fn runs_are_kept_in_the_order_in_which_they_ended_and_only_the_last_of_them() {
        let mut runs = runs(&[const { GOOD }; KEPT_RUNS + 3]);
        assert_eq!((runs.all().len(), runs.all()[0].at()), (KEPT_RUNS, at(3)));
        runs.note(at(9), BAD);
        let place = runs.all().iter().position(|run| run.outcome == BAD);
        assert_eq!(
            place.map(|place| (runs.all()[place - 1].at(), runs.all()[place + 1].at())),
            Some((at(9), at(10)))
        );
        runs.explain(at(9), RootCause::OomKilled);
        let explained = RunOutcome::Failed(Some(Box::new(RootCause::OomKilled)));
        assert!(runs.all().iter().any(|run| run.outcome == explained));
    }

    #[test]
    fn a_run_that_is_said_not_to_come_time_and_again_is_one() {
        let runs = runs(&[GOOD, none(), none(), none()]);
        assert_eq!(runs.all().len(), 2);
        assert_eq!(runs.all()[1].at(), at(3));
    }
}
