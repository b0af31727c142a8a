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
mod tests {
    use std::cell::Cell;
    use std::sync::Mutex;

    use proptest::prelude::*;

    use super::*;

    /// A clock that moves only when told, shared with the prober so that a probe can take its time.
    #[derive(Default)]
    struct Hand(Mutex<i64>);

    impl Clock for &Hand {
        fn elapsed(&self) -> Seconds {
            Seconds::from_nanos(*self.0.lock().expect("clock"))
        }
        fn sleep(&self, span: Seconds) {
            *self.0.lock().expect("clock") += span.nanos();
        }
    }

    struct Script<'h, F: Fn(Seconds) -> Answer + Sync> {
        hand: &'h Hand,
        takes: Seconds,
        answer: F,
    }

    impl<F: Fn(Seconds) -> Answer + Sync> Prober for Script<'_, F> {
        fn probe(&self, _: &Target, limit: Seconds) -> Answer {
            let at = self.hand.elapsed();
            self.hand.sleep(self.takes.min(limit));
            if self.takes > limit {
                Answer::NotYet("000 no answer".to_owned())
            } else {
                (self.answer)(at)
            }
        }
    }

    fn budget(timeout: i64, interval: i64, probe: i64) -> Budget {
        Budget {
            timeout: Seconds::new(timeout),
            interval: Seconds::new(interval),
            probe_timeout: Seconds::new(probe),
            attempts: None,
        }
    }

    fn refused(_: Seconds) -> Answer {
        Answer::NotYet("000 connection refused".to_owned())
    }

    fn target() -> Vec<Target> {
        vec![Target::parse("http://powerdns.powerdns.svc:8081/api/v1/servers").expect("a target")]
    }

    fn play<F: Fn(Seconds) -> Answer + Sync>(
        budget: &Budget,
        takes: Seconds,
        answer: F,
    ) -> (Outcome, Vec<String>, Seconds) {
        let hand = Hand::default();
        let mut lines = Vec::new();
        let script = Script {
            hand: &hand,
            takes,
            answer,
        };
        let outcome = wait(&target(), budget, &&hand, &script, &mut |line| {
            lines.push(line.to_owned());
        });
        let end = (&hand).elapsed();
        (outcome, lines, end)
    }

    #[test]
    fn a_refused_connection_is_waited_out_to_the_end_of_the_budget() {
        let (outcome, lines, end) = play(&budget(600, 5, 3), Seconds::ZERO, refused);
        assert_eq!(outcome.exit_status(), 124);
        assert_eq!(end, Seconds::from_nanos(599_500_000_000));
        assert_eq!(lines.len(), 120);
        assert_eq!(
            lines[11],
            "waiting for powerdns.powerdns.svc:8081 (12/120, 000 connection refused, 55s of 600s)"
        );
        assert_eq!(
            outcome.message(),
            "out of time: powerdns.powerdns.svc:8081 not ready after 599.5 s of 600 s (121 attempts, last answer 000 \
             connection refused)"
        );
    }

    #[test]
    fn hanging_probes_do_not_lengthen_the_wait() {
        let (outcome, lines, end) = play(&budget(600, 5, 8), Seconds::new(3600), refused);
        assert_eq!((outcome.exit_status(), end), (124, Seconds::new(600)));
        assert!(lines.len() <= 76, "{}", lines.len());
    }

    #[test]
    fn ready_within_the_last_interval_is_still_seen() {
        let up = |at: Seconds| {
            if at >= Seconds::new(58) {
                Answer::Ready("200 OK".to_owned())
            } else {
                refused(at)
            }
        };
        let (outcome, ..) = play(&budget(60, 30, 3), Seconds::ZERO, up);
        assert_eq!(
            outcome.message(),
            "ready: powerdns.powerdns.svc:8081 after 59.5 s (200 OK, 3 attempts)"
        );
    }

    #[test]
    fn a_fatal_answer_ends_the_wait_at_once() {
        let (outcome, lines, end) = play(&budget(600, 5, 3), Seconds::ZERO, |_| {
            Answer::Fatal("401 Unauthorized".to_owned())
        });
        assert_eq!((outcome.exit_status(), end, lines.len()), (77, Seconds::ZERO, 0));
        assert!(outcome.message().contains("401 Unauthorized"));
    }

    #[test]
    fn attempts_can_be_the_limit() {
        let budget = Budget {
            attempts: Some(3),
            ..budget(600, 5, 3)
        };
        let (outcome, lines, end) = play(&budget, Seconds::ZERO, refused);
        assert_eq!(
            (outcome.exit_status(), end, lines.len()),
            (124, Seconds::new(10), 3)
        );
        assert!(
            outcome.message().starts_with("out of attempts"),
            "{}",
            outcome.message()
        );
    }

    #[test]
    fn all_targets_have_to_be_ready_and_a_ready_one_is_not_asked_again() {
        struct Two(Mutex<Vec<String>>);
        impl Prober for Two {
            fn probe(&self, target: &Target, _: Seconds) -> Answer {
                let mut asked = self.0.lock().expect("asked");
                asked.push(target.to_string());
                if target.to_string() == "a:1" || asked.len() > 4 {
                    Answer::Ready("connected".to_owned())
                } else {
                    Answer::NotYet("connection refused".to_owned())
                }
            }
        }
        struct Still(Cell<Seconds>);
        impl Clock for Still {
            fn elapsed(&self) -> Seconds {
                self.0.get()
            }
            fn sleep(&self, span: Seconds) {
                self.0.set(self.0.get() + span);
            }
        }
        let targets = ["tcp://a:1", "tcp://b:2"].map(|text| Target::parse(text).expect(text));
        let prober = Two(Mutex::default());
        let outcome = wait(
            &targets,
            &budget(60, 5, 3),
            &Still(Cell::default()),
            &prober,
            &mut |_| {},
        );
        assert_eq!(outcome.message(), "ready: a:1, b:2 after 15 s (4 attempts)");
        let asked = prober.0.into_inner().expect("asked");
        assert_eq!(asked.iter().filter(|name| *name == "a:1").count(), 1);
    }

    proptest! {
        #[test]
        fn the_budget_is_never_exceeded(
            timeout in 1..2000_i64, interval in 1..100_i64, probe in 1..100_i64, takes in 0..200_i64,
        ) {
            let (outcome, _, end) = play(&budget(timeout, interval, probe), Seconds::new(takes), refused);
            prop_assert_eq!(outcome.exit_status(), 124);
            prop_assert!(end <= Seconds::new(timeout));
            prop_assert!(end >= Seconds::new(timeout) - LAST_LOOK, "gave up early, at {}", end);
        }
    }
}
