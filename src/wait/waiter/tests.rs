use std::cell::RefCell;
use std::sync::Mutex;

use proptest::prelude::*;

use super::*;
use crate::wait::Pace;

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
    fn probe(&self, targets: &[&Target], _: bool, limit: Seconds) -> Vec<Answer> {
        let at = self.hand.elapsed();
        self.hand.sleep(self.takes.min(limit));
        let answer = |_: &&Target| {
            if self.takes > limit {
                Answer::NotYet("000 no answer".to_owned())
            } else {
                (self.answer)(at)
            }
        };
        targets.iter().map(answer).collect()
    }
}

fn budget(timeout: i64, interval: i64, probe: i64) -> Budget {
    Budget {
        timeout: Seconds::new(timeout),
        interval: Seconds::new(interval),
        pace: Pace::default(),
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
    let outcome = wait(&target(), false, budget, &&hand, &script, &mut |notice| {
        lines.push(notice.to_string());
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

/// Answers by the target's port, and writes down who was asked.
struct ByPort<F: Fn(u16, usize) -> Answer>(RefCell<Vec<u16>>, F);

impl<F: Fn(u16, usize) -> Answer> Prober for ByPort<F> {
    fn probe(&self, targets: &[&Target], _: bool, _: Seconds) -> Vec<Answer> {
        let answer = |target: &&Target| {
            let Target::Tcp(server) = target else {
                unreachable!()
            };
            self.0.borrow_mut().push(server.port);
            let times = self
                .0
                .borrow()
                .iter()
                .filter(|port| **port == server.port)
                .count();
            (self.1)(server.port, times)
        };
        targets.iter().map(answer).collect()
    }
}

fn both<F: Fn(u16, usize) -> Answer>(any: bool, answer: F) -> (Outcome, Vec<u16>) {
    let hand = Hand::default();
    let targets = ["tcp://a:1", "tcp://b:2"].map(|text| Target::parse(text).expect(text));
    let prober = ByPort(RefCell::default(), answer);
    let outcome = wait(&targets, any, &budget(60, 5, 3), &&hand, &prober, &mut |_| {});
    (outcome, prober.0.into_inner())
}

#[test]
fn all_targets_have_to_be_ready_and_a_ready_one_is_not_asked_again() {
    let (outcome, asked) = both(false, |port, times| {
        if port == 1 || times > 3 {
            Answer::Ready("connected".to_owned())
        } else {
            refused(Seconds::ZERO)
        }
    });
    assert_eq!(outcome.message(), "ready: a:1, b:2 after 15 s (4 attempts)");
    assert_eq!(asked.iter().filter(|port| **port == 1).count(), 1);
}

#[test]
fn of_several_that_would_do_one_is_enough() {
    let (outcome, _) = both(true, |port, times| {
        if port == 2 && times > 2 {
            Answer::Ready("connected".to_owned())
        } else {
            refused(Seconds::ZERO)
        }
    });
    assert_eq!(outcome.message(), "ready: b:2 after 10 s (connected, 3 attempts)");
    let (outcome, _) = both(true, |_, _| refused(Seconds::ZERO));
    assert!(
        outcome
            .message()
            .starts_with("out of time: any of a:1, b:2 not ready"),
        "{outcome:?}"
    );
}

#[test]
fn of_several_that_would_do_one_that_refuses_for_good_is_left_out() {
    let wrong = || Answer::Fatal("401 Unauthorized".to_owned());
    let (outcome, asked) = both(true, |port, times| match (port, times) {
        (1, _) => wrong(),
        (_, 1) => refused(Seconds::ZERO),
        _ => Answer::Ready("connected".to_owned()),
    });
    assert_eq!(outcome.exit_status(), 0, "{outcome:?}");
    assert_eq!(asked, [1, 2, 2]);
    let (outcome, _) = both(true, |_, _| wrong());
    assert_eq!(outcome.exit_status(), 77);
    let (outcome, _) = both(false, |port, _| {
        if port == 1 {
            wrong()
        } else {
            refused(Seconds::ZERO)
        }
    });
    assert_eq!(outcome.exit_status(), 77);
}

#[test]
fn intervals_that_grow_stay_within_the_budget() {
    let pace = Pace {
        growth: 2000,
        most: Some(Seconds::new(20)),
        jitter: 0,
    };
    let budget = Budget {
        pace,
        ..budget(60, 5, 3)
    };
    let (outcome, lines, end) = play(&budget, Seconds::ZERO, refused);
    assert_eq!(
        (outcome.exit_status(), end),
        (124, Seconds::from_nanos(59_500_000_000))
    );
    let starts: Vec<&str> = lines
        .iter()
        .map(|line| line.rsplit(", ").next().unwrap_or_default())
        .collect();
    assert_eq!(
        starts,
        [
            "0s of 60s)",
            "5s of 60s)",
            "15s of 60s)",
            "35s of 60s)",
            "55s of 60s)"
        ]
    );
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
