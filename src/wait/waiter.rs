//! The loop itself, with clock and network injected.

use std::thread;

use super::Target;
use super::options::Budget;
use crate::engine::Seconds;

/// The last look happens this long before the budget ends, so that a dependency which comes up within the
/// last interval is still seen.
const LAST_LOOK: Seconds = Seconds::from_nanos(500_000_000);

/// What one probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The target is there.
    Ready(String),
    /// Not yet: refused, silent, an error that may pass.
    NotYet(String),
    /// An answer that waiting will not change.
    Fatal(String),
}

/// The time since the wait began. Tests turn it by hand.
pub trait Clock {
    /// Time since the wait began.
    fn elapsed(&self) -> Seconds;
    /// Lets `span` pass.
    fn sleep(&self, span: Seconds);
}

/// Looks at a target once.
pub trait Prober: Sync {
    /// Probes `target`; comes back within `limit` whatever the other side does.
    fn probe(&self, target: &Target, limit: Seconds) -> Answer;
}

/// How a wait ended, with the sentence that says why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every target is there.
    Ready(String),
    /// The budget is spent.
    OutOfTime(String),
    /// A target gave an answer that waiting will not change.
    Fatal(String),
    /// A signal ended the wait.
    Ended(i32, String),
}

impl Outcome {
    /// The sentence that says why the wait ended.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Ready(why) | Self::OutOfTime(why) | Self::Fatal(why) | Self::Ended(_, why) => why,
        }
    }

    /// The exit status: 0 ready, 124 out of time (as `timeout` of coreutils), 77 fatal (`EX_NOPERM` of
    /// sysexits.h), 128 + signal.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Ready(_) => 0,
            Self::OutOfTime(_) => 124,
            Self::Fatal(_) => 77,
            Self::Ended(signal, _) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        }
    }
}

/// A target that was not ready so far, and why not.
struct Pending<'t> {
    target: &'t Target,
    last: String,
}

/// Waits until every target is there, a fatal answer comes, or the budget is spent. A target that was ready
/// once is not asked again. Probes start one interval apart; a probe that takes longer moves the next one.
pub fn wait<C: Clock, P: Prober>(
    targets: &[Target],
    budget: &Budget,
    clock: &C,
    prober: &P,
    say: &mut dyn FnMut(&str),
) -> Outcome {
    let mut pending: Vec<_> = targets
        .iter()
        .map(|target| Pending {
            target,
            last: "never asked".to_owned(),
        })
        .collect();
    let (mut attempt, mut answers) = (0, String::new());
    loop {
        let start = clock.elapsed();
        let limit = budget.probe_timeout.min(budget.timeout - start);
        if limit <= Seconds::ZERO {
            return out_of_time(&pending, clock, budget, attempt);
        }
        attempt += 1;
        let mut still = Vec::with_capacity(pending.len());
        for (seen, answer) in probe_all(pending, prober, limit) {
            match answer {
                Answer::Ready(how) => {
                    if targets.len() > 1 {
                        say(&format!("{} is ready ({how})", seen.target));
                    }
                    answers = how;
                }
                Answer::Fatal(how) => return fatal(seen.target, &how, clock, attempt),
                Answer::NotYet(how) => still.push(Pending {
                    target: seen.target,
                    last: how,
                }),
            }
        }
        pending = still;
        if pending.is_empty() {
            return ready(targets, &answers, clock, attempt);
        }
        let last_start = budget.timeout - LAST_LOOK.min(Seconds::from_nanos(budget.timeout.nanos() / 4));
        let last_look = start >= last_start;
        let shown = budget.expected_attempts();
        if attempt <= shown && !last_look {
            for one in &pending {
                say(&progress(one, attempt, shown, clock.elapsed(), budget));
            }
        }
        if last_look || budget.attempts.is_some_and(|most| attempt >= most) {
            return out_of_time(&pending, clock, budget, attempt);
        }
        let next = (start + budget.interval).min(last_start);
        clock.sleep(next.minus_or_zero(clock.elapsed()));
    }
}

/// Probes all that are pending at the same time, so that one silent target does not hold up the others.
fn probe_all<'t, P: Prober>(
    pending: Vec<Pending<'t>>,
    prober: &P,
    limit: Seconds,
) -> Vec<(Pending<'t>, Answer)> {
    if pending.len() == 1 {
        return pending
            .into_iter()
            .map(|one| {
                let answer = prober.probe(one.target, limit);
                (one, answer)
            })
            .collect();
    }
    thread::scope(|scope| {
        let running: Vec<_> = pending
            .into_iter()
            .map(|one| {
                let target = one.target;
                (one, scope.spawn(move || prober.probe(target, limit)))
            })
            .collect();
        running
            .into_iter()
            .map(|(one, probe)| {
                let answer = probe
                    .join()
                    .unwrap_or_else(|_| Answer::NotYet("000 the probe itself failed".to_owned()));
                (one, answer)
            })
            .collect()
    })
}

fn progress(one: &Pending<'_>, attempt: u64, of: u64, elapsed: Seconds, budget: &Budget) -> String {
    format!(
        "waiting for {} ({attempt}/{of}, {}, {}s of {}s)",
        one.target,
        one.last,
        elapsed.whole(),
        budget.timeout.whole()
    )
}

fn ready<C: Clock>(targets: &[Target], how: &str, clock: &C, attempt: u64) -> Outcome {
    let names = list(targets.iter());
    let how = if targets.len() == 1 {
        format!("{how}, ")
    } else {
        String::new()
    };
    Outcome::Ready(format!(
        "ready: {names} after {} ({how}{})",
        took(clock),
        tries(attempt)
    ))
}

fn fatal<C: Clock>(target: &Target, how: &str, clock: &C, attempt: u64) -> Outcome {
    Outcome::Fatal(format!(
        "fatal: {target} answered {how}, which waiting will not change; after {} ({}); correct the credentials \
         (--header) or the address",
        took(clock),
        tries(attempt)
    ))
}

fn out_of_time<C: Clock>(pending: &[Pending<'_>], clock: &C, budget: &Budget, attempt: u64) -> Outcome {
    let names = list(pending.iter().map(|one| one.target));
    let last = pending
        .iter()
        .map(|one| one.last.as_str())
        .collect::<Vec<_>>()
        .join("; ");
    let spent = if budget.attempts.is_some_and(|most| attempt >= most) {
        "attempts"
    } else {
        "time"
    };
    Outcome::OutOfTime(format!(
        "out of {spent}: {names} not ready after {} of {} s ({}, last answer {last})",
        took(clock),
        budget.timeout.whole(),
        tries(attempt)
    ))
}

fn list<'t>(targets: impl Iterator<Item = &'t Target>) -> String {
    targets.map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn tries(attempt: u64) -> String {
    if attempt == 1 {
        "1 attempt".to_owned()
    } else {
        format!("{attempt} attempts")
    }
}

/// Time since the beginning, to the millisecond.
pub(super) fn took<C: Clock>(clock: &C) -> String {
    clock.elapsed().to_string()
}

#[cfg(test)]
mod tests;
