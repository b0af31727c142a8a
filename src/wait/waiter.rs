//! The loop itself, with clock and network injected.

use std::fmt;

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

/// Looks at targets once.
pub trait Prober {
    /// Probes all of `targets` at the same time and answers in their order. Comes back within `limit` whatever the
    /// other sides do, and at once when one answer decides: with `any` the first that is ready, else the first that
    /// is fatal. Who has not answered by then counts as not ready.
    fn probe(&self, targets: &[&Target], any: bool, limit: Seconds) -> Vec<Answer>;
}

/// What there is to say while it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice<'n> {
    /// One of several targets is ready.
    Ready {
        /// Which one.
        target: &'n Target,
        /// What it answered.
        answer: &'n str,
    },
    /// A target is not ready yet.
    Waiting {
        /// Which one.
        target: &'n Target,
        /// What it answered, or why it did not.
        answer: &'n str,
        /// The probe, from 1.
        attempt: u64,
        /// The probes that fit into the budget.
        attempts: u64,
        /// Time since the wait began.
        elapsed: Seconds,
        /// The budget.
        timeout: Seconds,
    },
}

/// The line that people and the exporter read.
impl fmt::Display for Notice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready { target, answer } => write!(f, "{target} is ready ({answer})"),
            Self::Waiting {
                target,
                answer,
                attempt,
                attempts,
                elapsed,
                timeout,
            } => write!(
                f,
                "waiting for {target} ({attempt}/{attempts}, {answer}, {}s of {}s)",
                elapsed.whole(),
                timeout.whole()
            ),
        }
    }
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

/// Waits until every target is there (with `any`, until one is), a fatal answer comes, or the budget is spent. A
/// target that was ready once is not asked again. Probes start one interval apart; one that takes longer moves the
/// next.
pub fn wait<C: Clock, P: Prober>(
    targets: &[Target],
    any: bool,
    budget: &Budget,
    clock: &C,
    prober: &P,
    say: &mut dyn FnMut(&Notice<'_>),
) -> Outcome {
    let mut pending: Vec<_> = targets
        .iter()
        .map(|target| Pending {
            target,
            last: "never asked".to_owned(),
        })
        .collect();
    let shown = budget.expected_attempts();
    let mut attempt = 0;
    loop {
        let start = clock.elapsed();
        let limit = budget.probe_timeout.min(budget.timeout - start);
        if limit <= Seconds::ZERO {
            return out_of_time(&pending, any, clock, budget, attempt);
        }
        attempt += 1;
        let asked: Vec<&Target> = pending.iter().map(|one| one.target).collect();
        let answers = prober.probe(&asked, any, limit);
        let mut still = Vec::with_capacity(pending.len());
        let (mut last_ready, mut refused) = (None, None);
        for (target, answer) in asked.into_iter().zip(answers) {
            match answer {
                Answer::Ready(answer) => {
                    if targets.len() > 1 && !any {
                        say(&Notice::Ready {
                            target,
                            answer: &answer,
                        });
                    }
                    last_ready = Some((target, answer));
                }
                Answer::Fatal(how) => refused = Some((target, how)),
                Answer::NotYet(last) => still.push(Pending { target, last }),
            }
        }
        match (last_ready, refused) {
            // One is enough, whatever the others say.
            (Some((target, how)), _) if any => {
                return ready(std::slice::from_ref(target), &how, clock, attempt);
            }
            // Of several that would do, one that never will is left out.
            (None, Some(_)) if any && !still.is_empty() => pending = still,
            (_, Some((target, how))) => return fatal(target, &how, clock, attempt),
            (Some((_, how)), None) if still.is_empty() => return ready(targets, &how, clock, attempt),
            _ => pending = still,
        }
        let last_start = budget.timeout - LAST_LOOK.min(Seconds::from_nanos(budget.timeout.nanos() / 4));
        let last_look = start >= last_start;
        if attempt <= shown && !last_look {
            for one in &pending {
                say(&Notice::Waiting {
                    target: one.target,
                    answer: &one.last,
                    attempt,
                    attempts: shown,
                    elapsed: clock.elapsed(),
                    timeout: budget.timeout,
                });
            }
        }
        if last_look || budget.attempts.is_some_and(|most| attempt >= most) {
            return out_of_time(&pending, any, clock, budget, attempt);
        }
        let next = (start + budget.pause_after(attempt)).min(last_start);
        clock.sleep(next.minus_or_zero(clock.elapsed()));
    }
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
    let remedy = match target {
        Target::Http { .. } => "; correct the credentials (--header) or the address",
        Target::Kubernetes(_) | Target::Grpc { .. } => "; correct what it asks for, or its rights",
        Target::Tcp(_) | Target::Dns { .. } | Target::Postgres(_) | Target::Redis { .. } => "",
    };
    Outcome::Fatal(format!(
        "fatal: {target} answered {how}, which waiting will not change; after {} ({}){remedy}",
        took(clock),
        tries(attempt)
    ))
}

fn out_of_time<C: Clock>(
    pending: &[Pending<'_>],
    any: bool,
    clock: &C,
    budget: &Budget,
    attempt: u64,
) -> Outcome {
    let names = list(pending.iter().map(|one| one.target));
    let none_of = if any && pending.len() > 1 { "any of " } else { "" };
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
        "out of {spent}: {none_of}{names} not ready after {} of {} s ({}, last answer {last})",
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
