//! The longest cold start of its dependency that a Job survives, found on the Job's own timeline: a dependency
//! that comes up earlier never makes a Job fail, so halving finds the edge.

use super::timeline::{Outcome, Reason, Scenario, Timeline};
use super::{Limit, Seconds};

/// Longer cold starts are not told apart: nobody waits for a year.
const LONGEST: i64 = 366 * 86_400;

/// How long the dependency may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// As long as it likes: no clock ends the Job.
    Any,
    /// Up to this span, in whole seconds.
    UpTo(Seconds, Death),
    /// Not even a dependency that is up from the start saves it.
    None(Death),
}

/// How a Job dies whose dependency takes a little longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Death {
    /// `Failed`, or `Hangs`.
    pub result: Outcome,
    /// Why, when it fails.
    pub reason: Option<Reason>,
    /// When.
    pub at: Limit,
}

impl Survival {
    /// The longest span that is survived; `None` where there is no longest or none at all.
    #[must_use]
    pub const fn longest(self) -> Option<Seconds> {
        match self {
            Self::UpTo(longest, _) => Some(longest),
            Self::Any | Self::None(_) => None,
        }
    }
}

/// Cold starts that end the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The shortest of them.
    pub from: Seconds,
    /// The longest of them, in whole seconds.
    pub to: Seconds,
    /// How the Job ends.
    pub result: Outcome,
    /// Why, when it fails.
    pub reason: Option<Reason>,
    /// The attempt that succeeds, or the number of attempts made in vain.
    pub attempts: u32,
    /// When the Job ends for the longest of them.
    pub ends_at: Limit,
}

impl Scenario {
    /// The story when the dependency comes up after this many seconds.
    fn ready_after(self, seconds: i64) -> Timeline {
        Self {
            ready_after: Some(Seconds::new(seconds)),
            ..self
        }
        .play()
    }

    /// As [`Scenario::ready_after`], the end alone.
    fn ends_after(self, seconds: i64) -> Timeline {
        Self {
            ready_after: Some(Seconds::new(seconds)),
            ..self
        }
        .ending()
    }

    /// The longest cold start that the Job survives; when the dependency really comes up plays no part.
    #[must_use]
    pub fn survives(self) -> Survival {
        let death = |story: Timeline| Death {
            result: story.result,
            reason: story.reason,
            at: story.ends_at_lower,
        };
        let lives = |seconds: i64| self.ends_after(seconds).result == Outcome::Succeeded;
        if !lives(0) {
            return Survival::None(death(self.ends_after(0)));
        }
        if lives(LONGEST) {
            return Survival::Any;
        }
        let longest = last(0, LONGEST, lives);
        Survival::UpTo(Seconds::new(longest), death(self.ends_after(longest + 1)))
    }

    /// The longest cold start that the Job survives and how it dies of a longer one, where that is before
    /// `needed`; nothing where it survives that.
    #[must_use]
    pub fn dies_before(self, needed: Seconds) -> Option<(Seconds, Death)> {
        let story = |ready: Seconds| {
            let ready_after = Some(ready);
            Self { ready_after, ..self }.ending()
        };
        let death = |story: Timeline| Death {
            result: story.result,
            reason: story.reason,
            at: story.ends_at_lower,
        };
        let lives = |seconds: i64| self.ends_after(seconds).result == Outcome::Succeeded;
        let at_last = story(needed);
        if at_last.result == Outcome::Succeeded {
            return None;
        }
        if !lives(0) {
            return Some((Seconds::ZERO, death(self.ends_after(0))));
        }
        let longest = last(0, needed.ceil().min(LONGEST), lives);
        Some((Seconds::new(longest), death(self.ends_after(longest + 1))))
    }

    /// The cold starts from `from` to `to` in stretches that end the same way, at most `most` of them.
    #[must_use]
    pub fn sweep(self, from: Seconds, to: Seconds, most: usize) -> Vec<Stretch> {
        let (mut at, to) = (from.whole(), to.whole().min(LONGEST));
        let key = |story: &Timeline| {
            let when = (story.result != Outcome::Succeeded).then_some(story.ends_at_lower);
            (story.result, story.reason, when, story.attempts.len())
        };
        let mut stretches = Vec::new();
        while at <= to && stretches.len() < most {
            let first = key(&self.ready_after(at));
            let end = last(at, to + 1, |seconds| {
                seconds <= to && key(&self.ready_after(seconds)) == first
            });
            let story = self.ready_after(end);
            stretches.push(Stretch {
                from: Seconds::new(at),
                to: Seconds::new(end),
                result: story.result,
                reason: story.reason,
                attempts: u32::try_from(story.attempts.len()).unwrap_or(u32::MAX),
                ends_at: story.ends_at_lower,
            });
            at = end + 1;
        }
        stretches
    }
}

/// The last number that `holds`, which it does for `yes` and up to some number, and for `no` not any more.
fn last(mut yes: i64, mut no: i64, holds: impl Fn(i64) -> bool) -> i64 {
    while no - yes > 1 {
        let middle = yes + (no - yes) / 2;
        if holds(middle) {
            yes = middle;
        } else {
            no = middle;
        }
    }
    yes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::backoff::Retries;
    use crate::engine::job::RestartPolicy;

    fn on_failure(limit: u32) -> Scenario {
        Scenario {
            retries: Retries {
                policy: RestartPolicy::OnFailure,
                limit,
                ..Retries::default()
            },
            ..Scenario::default()
        }
    }

    #[test]
    fn restarts_that_ask_once_survive_up_to_the_last_that_starts() {
        // Attempts start at 0, 0, 10, 30, 70 and 150 s; the limit is reached at 310 s.
        let Survival::UpTo(longest, death) = on_failure(6).survives() else {
            unreachable!("six attempts survive something")
        };
        assert_eq!(longest, Seconds::new(150));
        assert_eq!(death.reason, Some(Reason::BackoffLimitExceeded));
        assert_eq!(death.at, Limit::At(Seconds::new(310)));
    }

    #[test]
    fn a_deadline_has_to_be_undercut_and_a_release_may_be_met() {
        let waits = Scenario {
            retries: Retries {
                run: Limit::Never,
                ..Retries::default()
            },
            patience: Limit::Never,
            ..Scenario::default()
        };
        assert_eq!(waits.survives(), Survival::Any);
        let clock = Some(Seconds::new(840));
        let by_deadline = Scenario {
            deadline: clock,
            ..waits
        };
        assert_eq!(by_deadline.survives().longest(), Some(Seconds::new(839)));
        let by_release = Scenario {
            release: clock,
            ..waits
        };
        assert_eq!(by_release.survives().longest(), clock);
        let dead = Scenario {
            deadline: Some(Seconds::ZERO),
            ..waits
        };
        assert!(matches!(dead.survives(), Survival::None(_)));
    }

    #[test]
    fn a_sweep_names_every_attempt_and_then_the_end() {
        let sweep = on_failure(3).sweep(Seconds::ZERO, Seconds::new(100), 20);
        let told: Vec<_> = sweep
            .iter()
            .map(|s| (s.from.whole(), s.to.whole(), s.attempts, s.reason))
            .collect();
        let limit = Some(Reason::BackoffLimitExceeded);
        assert_eq!(told, [(0, 0, 1, None), (1, 10, 3, None), (11, 100, 3, limit)]);
    }
}
