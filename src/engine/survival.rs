//! How long a Job goes on trying: the longest start of a dependency that it lives through, on the same timeline
//! that `simulate` plays.
//!
//! `simulate` tells a story: what comes behind a wait that falls through fails without the dependency, so that
//! the container runs and waits again. A rule says no more than what is sure: the first such wait is the last
//! one that is known. [`Clocks::goes_on_without`] tells the two apart, and `simulate` says so where they differ.

use super::budget::{Clock, Clocks, retries_of};
use super::job::{Job, RestartPolicy};
use super::policy::Policy;
use super::timeline::{Reason, Scenario};
use super::{Limit, Seconds};
use crate::engine::backoff::Retries;

/// When a Job stops trying, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survival {
    /// The longest cold start that is survived, in whole seconds.
    pub until: Seconds,
    /// The clock that decides.
    pub by: Clock,
    /// True when that clock ends an attempt that would have gone on; false when it ends a pause.
    pub cuts: bool,
}

/// What the manifest says a Job does when its dependency never comes up. One container fails and counts: where
/// several fail in step, HB405 speaks.
#[must_use]
pub fn scenario(job: &Job<'_>, clocks: &Clocks, policy: &Policy) -> Scenario {
    Scenario {
        retries: Retries {
            run: clocks.run.nominal,
            ..retries_of(job, policy)
        },
        patience: clocks.wait.map_or(Limit::ZERO, |wait| wait.nominal),
        deadline: clocks.deadline,
        release: clocks.release.timeout,
        grace: clocks.grace,
        ..Scenario::default()
    }
}

/// When a Job stops trying, where that is before `needed`; nothing for one that tries for as long.
///
/// An attempt sees the dependency come up until it ends, so that the last attempt's end counts and not the
/// pause behind it: under `OnFailure` with `backoffLimit: 6` the last attempt starts after
/// 0 + 10 + 20 + 40 + 80 = 150 s, and the Job has failed after 310 s. `scenario` is [`scenario`]'s, without the
/// release's timeout where that is not to count.
#[must_use]
pub fn gives_up_before(needed: Seconds, clocks: &Clocks, scenario: Scenario) -> Option<Survival> {
    let once = clocks.goes_on_without();
    let scenario = if once {
        let policy = RestartPolicy::Never;
        let retries = Retries {
            policy,
            limit: 0,
            ..scenario.retries
        };
        Scenario { retries, ..scenario }
    } else {
        scenario
    };
    let (until, death) = scenario.dies_before(needed)?;
    let by = match death.reason {
        Some(Reason::DeadlineExceeded) => Clock::Deadline,
        Some(Reason::ReleaseTimeout) => Clock::Release,
        _ if clocks.wait.is_some() && (once || clocks.attempts == 1) => Clock::Wait,
        _ => Clock::Retries,
    };
    let cuts = death.at <= Limit::At(until + Seconds::new(1));
    Some(Survival { until, by, cuts })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::release::Surroundings;
    use crate::engine::rules::testkit::{HOOK, Hook};
    use crate::engine::{assess, job::RestartPolicy};

    fn until(hook: Hook, needed: i64, release: Option<i64>) -> Option<(i64, Clock)> {
        let (job, policy) = (hook.job(), Policy::default());
        let clocks = assess(&job, Surroundings::default(), &policy).clocks;
        let scenario = Scenario {
            release: release.map(Seconds::new),
            ..scenario(&job, &clocks, &policy)
        };
        let survival = gives_up_before(Seconds::new(needed), &clocks, scenario);
        survival.map(|survival| (survival.until.whole(), survival.by))
    }

    #[test]
    fn the_last_attempt_counts_and_not_the_pause_behind_it() {
        let on_failure = Hook {
            policy: RestartPolicy::OnFailure,
            limit: 6,
            ..HOOK
        };
        assert_eq!(until(on_failure, 151, None), Some((150, Clock::Retries)));
        assert_eq!(until(on_failure, 150, None), None);
        let never = Hook { limit: 6, ..HOOK };
        assert_eq!(until(never, 631, None), Some((630, Clock::Retries)));
        let cut = Hook {
            deadline: Some(400),
            ..never
        };
        // 310 s is the start of the sixth attempt; the seventh would start at 630 s.
        assert_eq!(until(cut, 600, None), Some((310, Clock::Deadline)));
        assert_eq!(until(never, 600, Some(69)), Some((30, Clock::Release)));
    }

    #[test]
    fn a_wait_counts_with_all_its_attempts() {
        let wait = Hook {
            script: "for i in $(seq 60); do nc -z -w 1 db 5432 && exit 0; sleep 2; done; exit 1",
            ..HOOK
        };
        assert_eq!(until(wait, 600, None), Some((120, Clock::Wait)));
        let twice = Hook { limit: 1, ..wait };
        assert_eq!(until(twice, 600, None), Some((250, Clock::Retries)));
        let cut = Hook {
            deadline: Some(200),
            ..twice
        };
        assert_eq!(until(cut, 600, None), Some((199, Clock::Deadline)));
        let endless = Hook {
            script: "until nc -z -w 1 db 5432; do sleep 2; done",
            ..HOOK
        };
        assert_eq!(until(endless, 600, None), None);
        assert_eq!(until(endless, 600, Some(599)), Some((599, Clock::Release)));
    }

    #[test]
    fn what_goes_on_without_its_dependency_is_not_known_to_ask_again() {
        let falls = Hook {
            script: "for i in $(seq 60); do nc -z -w 1 db 5432 && break; sleep 2; done; curl -f http://db/seed",
            limit: 6,
            ..HOOK
        };
        assert_eq!(until(falls, 600, None), Some((120, Clock::Wait)));
    }

    #[test]
    fn it_is_what_the_timeline_says() {
        for (policy, limit, deadline) in [
            (RestartPolicy::Never, 6, None),
            (RestartPolicy::Never, 6, Some(400)),
            (RestartPolicy::OnFailure, 6, Some(100)),
        ] {
            let job = Hook {
                policy,
                limit,
                deadline,
                ..HOOK
            }
            .job();
            let policy = Policy::default();
            let clocks = assess(&job, Surroundings::default(), &policy).clocks;
            let scenario = scenario(&job, &clocks, &policy);
            let found = gives_up_before(Seconds::new(100_000), &clocks, scenario);
            assert_eq!(found.map(|found| found.until), scenario.survives().longest());
        }
    }
}
