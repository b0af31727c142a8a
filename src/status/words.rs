//! Numbers, times and verdicts in words.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::engine::Seconds;
use crate::engine::budget::Clock;
use crate::engine::diagnosis::{Confidence, RetryAdvice, Verdict};

/// `1 run`, `2 runs`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{s}")
}

/// A span to the second, as Kubernetes writes it.
pub(super) fn span(span: Seconds) -> String {
    Seconds::new(span.whole()).to_go()
}

/// The span between two times, zero when they are the wrong way round.
pub(super) fn since(then: Timestamp, now: Timestamp) -> Seconds {
    Seconds::new(now.duration_since(then).as_secs().max(0))
}

/// A time for people and machines: without the day where it is today.
pub(super) struct Time {
    pub(super) at: Timestamp,
    pub(super) now: Timestamp,
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = |at: Timestamp| Timestamp::from_second(at.as_second()).unwrap_or(at);
        let (at, now) = (second(self.at), second(self.now));
        let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
        let time = at.to_zoned(TimeZone::UTC).time();
        write!(f, "<time datetime=\"{at}\">")?;
        if day(at) != day(now) {
            write!(f, "{} ", day(at))?;
        }
        write!(f, "{time} UTC</time>")
    }
}

/// What runs out, as the end of "until ...".
pub(super) const fn runs_out(clock: Clock) -> &'static str {
    match clock {
        Clock::Wait => "its own wait runs out",
        Clock::Retries => "its retries are spent (<code>backoffLimit</code>)",
        Clock::Deadline => "its deadline is over (<code>activeDeadlineSeconds</code>)",
        Clock::Release => "its release gives up",
        Clock::Nothing => "nothing ends it",
    }
}

/// The name of a clock as `JobView::budgets` calls it; `None` for what the page says elsewhere or not at all.
pub(super) fn clock_name(clock: &str) -> Option<&'static str> {
    Some(match clock {
        "wait_nominal" => "own wait",
        "wait_worst" => "own wait at worst",
        "retries" => "retries",
        "deadline" => "deadline",
        "release" => "release",
        _ => return None,
    })
}

/// What a verdict means to the reader.
pub(super) const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Real => "has to be repaired",
        Verdict::Transient => "still within its cold start",
        Verdict::Cosmetic => "known and harmless",
        Verdict::Parked => "stopped on purpose",
        Verdict::Unknown => "cannot be told",
    }
}

/// Whether to run a Job again that has failed.
pub(super) const fn advice(advice: RetryAdvice) -> &'static str {
    match advice {
        RetryAdvice::Retry => "Running it again may work.",
        RetryAdvice::Wait => "Wait until the dependency is up before you run it again.",
        RetryAdvice::DoNotRetry => "Do not run it again before this is repaired: it would fail the same way.",
    }
}

/// How sure a diagnosis is.
pub(super) const fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Certain => "certain: a field of the API says it",
        Confidence::Likely => "likely",
        Confidence::Possible => "possible",
    }
}
