//! How long to pause between two probes.

use std::hash::{BuildHasher, RandomState};

use super::options::Budget;
use crate::engine::Seconds;

/// A thousand, so that a pace compares exactly.
const WHOLE: i64 = 1000;
/// Beyond this the second pause is longer than any wait.
const GROWTH_MAX: f64 = 100.0;

/// How the interval changes from probe to probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Each interval is this many thousandths of the one before.
    pub growth: i64,
    /// No interval is longer than this, jitter aside.
    pub most: Option<Seconds>,
    /// Up to this many thousandths of an interval are taken from it or added to it, at random.
    pub jitter: i64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            growth: WHOLE,
            most: None,
            jitter: 0,
        }
    }
}

impl Pace {
    /// Reads a factor from 1.
    pub(super) fn growth(text: &str) -> Result<i64, String> {
        thousandths(text)
            .filter(|found| (WHOLE..=in_thousandths(GROWTH_MAX)).contains(found))
            .ok_or_else(|| format!("{text:?} is no factor: write a number from 1 to 100, such as 1.5"))
    }

    /// Reads a part of the interval.
    pub(super) fn jitter(text: &str) -> Result<i64, String> {
        thousandths(text)
            .filter(|found| (0..WHOLE).contains(found))
            .ok_or_else(|| format!("{text:?} is no part of the interval: write a number from 0 to 0.999"))
    }
}

#[allow(clippy::cast_possible_truncation)] // both callers bound it
fn in_thousandths(number: f64) -> i64 {
    (number * 1000.0).round() as i64
}

fn thousandths(text: &str) -> Option<i64> {
    let number: f64 = text.trim().parse().ok()?;
    (0.0..=GROWTH_MAX)
        .contains(&number)
        .then(|| in_thousandths(number))
}

impl Budget {
    /// The interval behind the probe of this number, from 1, without jitter.
    #[must_use]
    pub fn interval_after(&self, attempt: u64) -> Seconds {
        let most = self.pace.most.unwrap_or(self.timeout).max(self.interval);
        let mut interval = self.interval;
        if self.pace.growth > WHOLE {
            for _ in 1..attempt {
                if interval >= most {
                    break;
                }
                interval = scaled(interval, self.pace.growth);
            }
        }
        interval.min(most)
    }

    /// The number of probes that fit when every probe answers at once.
    #[must_use]
    pub fn expected_attempts(&self) -> u64 {
        let fit = if self.pace.growth > WHOLE {
            self.grown_attempts()
        } else {
            let whole = self.timeout.fits(self.interval);
            whole + u64::from(self.interval.times(whole) < self.timeout)
        };
        self.attempts.unwrap_or(fit).min(fit).max(1)
    }

    fn grown_attempts(&self) -> u64 {
        let most = self.pace.most.unwrap_or(self.timeout).max(self.interval);
        let (mut at, mut attempts, mut interval) = (Seconds::ZERO, 0, self.interval);
        while at < self.timeout {
            attempts += 1;
            if interval >= most {
                let left = self.timeout - at;
                let whole = left.fits(most);
                return attempts - 1 + whole + u64::from(most.times(whole) < left);
            }
            at = at + interval;
            interval = scaled(interval, self.pace.growth).min(most);
        }
        attempts
    }

    /// The interval behind the probe of this number, shaken so that many Jobs do not ask at the same moment.
    pub(super) fn pause_after(&self, attempt: u64) -> Seconds {
        let interval = self.interval_after(attempt);
        if self.pace.jitter == 0 {
            return interval;
        }
        // The keys of a hash map are the randomness that the standard library has.
        let random = RandomState::new().hash_one(attempt) % 2001;
        let swing = i64::try_from(random).unwrap_or(WHOLE) - WHOLE;
        scaled(interval, WHOLE + self.pace.jitter * swing / WHOLE)
    }
}

fn scaled(span: Seconds, thousandths: i64) -> Seconds {
    let nanos = i128::from(span.nanos()) * i128::from(thousandths) / i128::from(WHOLE);
    Seconds::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(timeout: i64, growth: &str, most: Option<i64>) -> Budget {
        Budget {
            timeout: Seconds::new(timeout),
            interval: Seconds::new(2),
            pace: Pace {
                growth: Pace::growth(growth).expect("a factor"),
                most: most.map(Seconds::new),
                jitter: Pace::jitter("0.25").expect("a part"),
            },
            probe_timeout: Seconds::new(3),
            attempts: None,
        }
    }

    #[test]
    fn intervals_grow_to_the_longest() {
        let budget = budget(100, "2", Some(10));
        let intervals: Vec<i64> = (1..6).map(|n| budget.interval_after(n).whole()).collect();
        assert_eq!(intervals, [2, 4, 8, 10, 10]);
        // 0, 2, 6, 14, then every ten seconds up to 94.
        assert_eq!(budget.expected_attempts(), 12);
    }

    #[test]
    fn counting_attempts_agrees_with_playing_them() {
        for (timeout, growth, most) in [
            (100, "1.5", Some(7)),
            (60, "3", None),
            (61, "1", None),
            (7, "1.1", None),
        ] {
            let budget = budget(timeout, growth, most);
            let (mut at, mut played) = (Seconds::ZERO, 0);
            while at < budget.timeout {
                played += 1;
                at = at + budget.interval_after(played);
            }
            assert_eq!(budget.expected_attempts(), played, "{timeout} {growth} {most:?}");
        }
    }

    #[test]
    fn jitter_stays_within_its_part() {
        let budget = budget(100, "1", None);
        let pauses: Vec<Seconds> = (1..200).map(|_| budget.pause_after(1)).collect();
        let (least, most) = (
            Seconds::from_nanos(1_500_000_000),
            Seconds::from_nanos(2_500_000_000),
        );
        assert!(
            pauses.iter().all(|pause| (least..=most).contains(pause)),
            "{pauses:?}"
        );
        assert!(pauses.iter().any(|pause| *pause != pauses[0]));
    }

    #[test]
    fn what_is_no_pace_is_refused() {
        for text in ["0.5", "x", "-1", "nan", "inf", "101"] {
            assert!(Pace::growth(text).is_err(), "{text}");
        }
        for text in ["1", "-0.1", "ten", "nan"] {
            assert!(Pace::jitter(text).is_err(), "{text}");
        }
    }
}
