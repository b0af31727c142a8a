//! How long a Job goes on trying: the longest start of a dependency that it lives through.

use super::backoff::Retries;
use super::budget::{Clock, Clocks};
use super::{Limit, Seconds};

/// When a Job stops trying, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survival {
    /// From then on nothing of the Job would see its dependency come up.
    pub until: Seconds,
    /// The clock that decides.
    pub by: Clock,
}

/// When a Job stops trying, where that is before `needed`; nothing for one that tries for as long.
///
/// An attempt sees the dependency come up until it ends, so that the last attempt's end counts and not the
/// pause behind it: under `OnFailure` with `backoffLimit: 6` the last attempt starts after
/// 0 + 10 + 20 + 40 + 80 = 150 s, and the Job has failed after 310 s. `release` is the release's timeout where
/// it is to count. Attempts take `clocks.run.nominal`.
#[must_use]
pub fn gives_up_before(
    needed: Seconds,
    clocks: &Clocks,
    retries: Retries,
    release: Option<Seconds>,
) -> Option<Survival> {
    let falls_through = clocks
        .waits()
        .any(|(container, wait)| !container.sidecar && wait.falls_through && wait.is_bounded());
    let wait = clocks.wait.filter(|_| falls_through);
    let wait = wait.map_or(Limit::Never, |wait| wait.nominal + clocks.startup);
    let (by, end) = [
        (Clock::Wait, wait),
        (Clock::Deadline, clocks.deadline.into()),
        (Clock::Release, release.into()),
    ]
    .into_iter()
    .min_by_key(|(_, limit)| *limit)?;
    let run = clocks.run.nominal;
    let mut until = Seconds::ZERO;
    for round in (Retries { run, ..retries }).rounds() {
        if Limit::At(round.start) >= end {
            return Some(Survival { until, by });
        }
        until = round.end;
        if until >= needed || end <= Limit::At(until) {
            break;
        }
        if round.last {
            let by = match clocks.wait {
                Some(_) if clocks.attempts == 1 => Clock::Wait,
                _ => Clock::Retries,
            };
            return Some(Survival { until, by });
        }
    }
    end.seconds()
        .filter(|end| *end < needed)
        .map(|until| Survival { until, by })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::budget::retries_of;
    use crate::engine::policy::Policy;
    use crate::engine::release::Surroundings;
    use crate::engine::rules::testkit::{HOOK, Hook};
    use crate::engine::{assess, job::RestartPolicy};

    fn until(hook: Hook, needed: i64, release: Option<i64>) -> Option<(i64, Clock)> {
        let (job, policy) = (hook.job(), Policy::default());
        let clocks = assess(&job, Surroundings::default(), &policy).clocks;
        let survival = gives_up_before(
            Seconds::new(needed),
            &clocks,
            retries_of(&job, &policy),
            release.map(Seconds::new),
        );
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
        assert_eq!(until(never, 600, Some(70)), Some((30, Clock::Release)));
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
        assert_eq!(until(cut, 600, None), Some((200, Clock::Deadline)));
        let endless = Hook {
            script: "until nc -z -w 1 db 5432; do sleep 2; done",
            ..HOOK
        };
        assert_eq!(until(endless, 600, None), None);
        assert_eq!(until(endless, 600, Some(599)), Some((599, Clock::Release)));
    }
}
