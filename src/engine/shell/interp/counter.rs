//! Rounds of a `while` loop that count a variable and are alike otherwise are counted, as those of a `for` loop are
//! ([`super::alike`]): `i=$((i + 1))` and `[ "$i" -ge 60 ]` are all that looks at it, so it is known when that test
//! will end otherwise, and until then every round is like the one before.
//!
//! Two rounds tell which variable that is, a third is watched: whatever looks at the variable or changes it in another
//! way than these two ends the counting.

use std::cell::Cell;

use super::super::syntax::{Assign, ParamOp, Part, Word};
use super::super::value::Value;
use super::{MOST_COUNTED, Machine};

/// The round after which the state is noted for the first time, as for `for` loops.
const NOTED: u64 = 4;

/// A variable that a loop counts, in the round that is watched.
#[derive(Clone, Debug)]
pub(super) struct Counter {
    name: String,
    /// What a round adds.
    step: i64,
    /// What the round at hand has added.
    added: i64,
    /// For how many more rounds all tests end as they did.
    rounds: u64,
    /// Something else has looked at it or changed it.
    other: Cell<bool>,
}

/// How far a loop is in learning what it counts.
#[derive(Default)]
pub(super) enum Counting<'e> {
    #[default]
    Nothing,
    /// The state after a round.
    Noted(Box<Machine<'e>>),
    /// The state before the round that is watched, by the last of [`Machine::counters`].
    Watched(Box<Machine<'e>>),
    /// The rounds are not alike.
    Over,
}

/// What a comparison does when its left side grows.
#[derive(Clone, Copy)]
enum Order {
    Less,
    LessOrEqual,
    Equal,
}

impl Order {
    /// The order behind an operator of a test: a negated test changes when the test itself does.
    fn of(operator: &str) -> Option<Self> {
        Some(match operator {
            "-lt" | "-ge" => Self::Less,
            "-le" | "-gt" => Self::LessOrEqual,
            "-eq" | "-ne" => Self::Equal,
            _ => return None,
        })
    }
}

/// For how many more steps a comparison of `value` with `bound` ends as it does now.
fn unchanged(value: i64, order: Order, bound: i64, step: i64) -> Option<u64> {
    let (value, bound, step) = (i128::from(value), i128::from(bound), i128::from(step));
    let gap = bound - value;
    let steps = match order {
        Order::Less | Order::LessOrEqual => {
            // `value <= bound` is `value < bound + 1`.
            let gap = if matches!(order, Order::LessOrEqual) {
                gap + 1
            } else {
                gap
            };
            match (gap > 0, step > 0) {
                (true, true) => (gap - 1) / step,
                (false, false) => -gap / -step,
                _ => return Some(u64::MAX),
            }
        }
        Order::Equal if gap == 0 => 0,
        Order::Equal if gap % step == 0 && gap / step > 0 => gap / step - 1,
        Order::Equal => return Some(u64::MAX),
    };
    u64::try_from(steps).ok()
}

impl<'e> Machine<'e> {
    /// To be called after each round of a `while` loop that goes on.
    pub(super) fn count_round(&mut self, counting: &mut Counting<'e>) {
        let rounds = self.frames.last().map_or(0, |frame| frame.rounds);
        let clear = self.deadline.is_none()
            && self
                .frames
                .last()
                .is_some_and(|frame| !frame.reads_clock && frame.hidden.is_none());
        *counting = match std::mem::take(counting) {
            Counting::Nothing if rounds < NOTED => Counting::Nothing,
            Counting::Nothing if clear => Counting::Noted(Box::new(self.clone())),
            Counting::Noted(before) if clear => match self.counted_since(&before) {
                Some(counter) => {
                    let watched = Counting::Watched(Box::new(self.clone()));
                    self.counters.push(counter);
                    watched
                }
                None => Counting::Over,
            },
            Counting::Watched(before) => {
                if let Some(counter) = self.counters.pop().filter(|_| clear) {
                    self.skip_counted(&counter, &before);
                }
                Counting::Over
            }
            _ => Counting::Over,
        };
    }

    /// To be called when the loop has ended.
    pub(super) fn stop_counting(&mut self, counting: &Counting<'_>) {
        if matches!(counting, Counting::Watched(_)) {
            self.counters.pop();
        }
    }

    /// The one variable that differs, if all else is alike and it is a number.
    fn counted_since(&self, before: &Self) -> Option<Counter> {
        let mut changed = self
            .vars
            .iter()
            .filter(|(name, value)| before.vars.get(*name) != Some(value));
        let (name, value) = changed.next().filter(|_| changed.next().is_none())?;
        let step = number(value)?.checked_sub(number(before.vars.get(name)?)?)?;
        (step != 0 && self.is_alike(before, name)).then(|| Counter {
            name: name.clone(),
            step,
            added: 0,
            rounds: u64::MAX,
            other: Cell::new(false),
        })
    }

    fn skip_counted(&mut self, counter: &Counter, before: &Self) {
        let value = |machine: &Self| machine.vars.get(&counter.name).and_then(number);
        let told = !counter.other.get() && counter.added == counter.step;
        let (Some(now), Some(then)) = (value(self), value(before)) else {
            return;
        };
        if !told || now.checked_sub(then) != Some(counter.step) || !self.is_alike(before, &counter.name) {
            return;
        }
        if counter.rounds == u64::MAX {
            // No test looks at it that will ever end otherwise.
            if let Some(frame) = self.frames.last_mut() {
                frame.repeats = true;
            }
            return;
        }
        let played = self.frames.last().map_or(MOST_COUNTED, |frame| frame.rounds + 1);
        let rounds = counter.rounds.min(MOST_COUNTED.saturating_sub(played));
        let grown = i64::try_from(rounds)
            .ok()
            .and_then(|rounds| now.checked_add(counter.step.checked_mul(rounds)?));
        if let (Some(grown), Ok(rounds)) = (grown, usize::try_from(rounds))
            && rounds > 0
            && self.skip(rounds, before)
        {
            self.assign(&counter.name, Value::known(grown.to_string()));
        }
    }

    /// Somebody looks at a variable, or changes it.
    pub(super) fn note_other(&self, name: &str) {
        for counter in &self.counters {
            if counter.name == name {
                counter.other.set(true);
            }
        }
    }

    /// Runs what is known to look at the counter in no other way than `told` tells.
    fn as_told<T>(&mut self, told: impl FnOnce(&mut Counter), run: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.counters.last().is_none_or(|counter| counter.other.get());
        let result = run(self);
        if let Some(counter) = self.counters.last_mut().filter(|_| !before) {
            counter.other.set(false);
            told(counter);
        }
        result
    }

    /// Makes an assignment; `i=$((i + 1))` of the counter is its step.
    pub(super) fn counted_assignment(&mut self, assign: &Assign, run: impl FnOnce(&mut Self)) {
        let step = self.counters.last().and_then(|counter| {
            let word = assign
                .value
                .as_ref()
                .filter(|_| !assign.append && assign.name == counter.name)?;
            match word.parts.as_slice() {
                [Part::Arith(sum)] => step_of(sum, &counter.name),
                _ => None,
            }
        });
        match step {
            Some(step) => self.as_told(|counter| counter.added = counter.added.saturating_add(step), run),
            None => run(self),
        }
    }

    /// Makes a test; `"$i" -ge 60` of the counter tells for how many rounds it ends as it does.
    pub(super) fn counted_test<T>(&mut self, test: &[Word], run: impl FnOnce(&mut Self) -> T) -> T {
        match self.rounds_until_changed(test) {
            Some(rounds) => self.as_told(|counter| counter.rounds = counter.rounds.min(rounds), run),
            None => run(self),
        }
    }

    fn rounds_until_changed(&self, test: &[Word]) -> Option<u64> {
        let counter = self.counters.last()?;
        let [left, operator, right] = test else {
            return None;
        };
        let [Part::Param { param, .. }] = left.parts.as_slice() else {
            return None;
        };
        if param.op != ParamOp::Plain || param.name != counter.name {
            return None;
        }
        let order = Order::of(operator.bare()?)?;
        let value = number(self.vars.get(&counter.name)?)?;
        unchanged(value, order, self.known_number(right)?, counter.step)
    }

    /// The number that a word stands for, without running anything: what is written, or a variable.
    fn known_number(&self, word: &Word) -> Option<i64> {
        match word.parts.as_slice() {
            [Part::Literal(text) | Part::Quoted(text)] => decimal(text),
            [Part::Param { param, .. }] if param.op == ParamOp::Plain => {
                let counted = self.counters.iter().any(|counter| counter.name == param.name);
                self.vars.get(&param.name).filter(|_| !counted).and_then(number)
            }
            _ => None,
        }
    }
}

/// A number that arithmetic and tests read alike.
fn number(value: &Value) -> Option<i64> {
    let plain = !value.clock && !value.code && !value.printed;
    value.get().filter(|_| plain).and_then(decimal)
}

fn decimal(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let canonical = digits == "0" || digits.starts_with(|first: char| matches!(first, '1'..='9'));
    canonical.then(|| text.parse().ok()).flatten()
}

/// What `i + 1` and `$i - 2` add to `i`.
fn step_of(sum: &Word, name: &str) -> Option<i64> {
    let mut text = String::new();
    for part in &sum.parts {
        match part {
            Part::Literal(piece) | Part::Quoted(piece) => text.push_str(piece),
            Part::Param { param, .. } if param.op == ParamOp::Plain && param.name == name => {
                text.push_str(name);
            }
            _ => return None,
        }
    }
    let rest = text.trim().strip_prefix(name)?.trim_start();
    let (sign, digits) = match rest.strip_prefix('+') {
        Some(digits) => (1, digits),
        None => (-1, rest.strip_prefix('-')?),
    };
    let digits = digits.trim_start();
    let plain = digits.starts_with(|first: char| matches!(first, '1'..='9'));
    decimal(digits).filter(|_| plain).map(|step| sign * step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::shell::{EnvValue, ReadConfidence, Reading, read};

    #[test]
    fn a_test_ends_as_it_did_until_the_bound() {
        for order in [Order::Less, Order::LessOrEqual, Order::Equal] {
            for (value, bound, step) in (-4..5).flat_map(|value| {
                (-4..5).flat_map(move |bound| [-3, -2, -1, 1, 2, 3].map(|step| (value, bound, step)))
            }) {
                let holds = |value: i64| match order {
                    Order::Less => value < bound,
                    Order::LessOrEqual => value <= bound,
                    Order::Equal => value == bound,
                };
                let played = (1..50)
                    .take_while(|round| holds(value + round * step) == holds(value))
                    .count();
                let counted = unchanged(value, order, bound, step).unwrap();
                let wanted = if played == 49 { u64::MAX } else { played as u64 };
                assert_eq!(counted, wanted, "{value} {bound} {step}");
            }
        }
    }

    fn reading(script: &str) -> Reading {
        read(&["sh", "-c", script], &[], &|_| EnvValue::Unset)
    }

    #[test]
    fn only_a_loop_that_is_played_can_have_too_many_rounds() {
        let script = |rounds: u32, look: &str| {
            reading(&format!(
                "i=0; until nc -z a 1; do {look}i=$((i+1)); [ $i -ge {rounds} ] && exit 1; sleep 5; done"
            ))
        };
        assert_eq!(script(4_500, ""), script(4_500, ": $i; "));
        let attempts = |reading: &Reading| reading.waits.first().and_then(|wait| wait.attempts);
        assert_eq!(attempts(&script(4_500, "")), Some(4_500));
        assert_eq!(attempts(&script(90_000, "")), Some(90_000));
        let played = script(90_000, ": $i; ");
        assert!(
            played
                .waits
                .iter()
                .all(|wait| !wait.is_bounded() && wait.confidence < ReadConfidence::Certain),
            "{played:#?}"
        );
    }

    /// A look at the counter makes every round a new one: what comes out is the same.
    #[test]
    fn counted_rounds_give_what_played_ones_give() {
        let steps = [
            "i=$((i + 1))",
            "i=$(($i+3))",
            "i=$(( $i - 1 ))",
            "i=$((i+1)); i=$((i + 1))",
            "i=$((i * 2 + 1))",
            "i=$(((i + 1) % 7))",
            "i=$((i+1)); [ $i -ge 9 ] && i=9",
            "i=$((i+1)); i=9",
            "(i=$((i + 1))); i=$((i + 1))",
            "i=$(expr $i + 1)",
            "j=$((i+1)); i=$((i+1))",
            "i=$((i+1)); f",
            "i=$((i+1)); i=$((i+1)) true",
        ];
        let tests = [
            "[ \"$i\" -ge 24 ] && exit 1",
            "if [ $i -gt $N ]; then echo late >&2; exit 1; fi",
            "[ $i -eq 13 ] && break",
            "test $i -le -20 && exit 1",
            "[ 24 -le $i ] && exit 1",
            "[[ $i -ge 24 ]] && exit 1",
            "[ $i -lt 24 ] || exit 1; [ $i -ge 15 ] && sleep 7",
            "[ $i = 17 ] && exit 1; [ $i -ge 30 ] && exit 1",
            "[ $i -ge 24 -o $i -lt -24 ] && exit 1",
            "case $i in 1?) break ;; esac",
        ];
        let heads = [
            ("N=24; i=0\nuntil curl -fs -m 3 http://a:1/; do", "done"),
            (
                "set -e; N=18; i=0\nwhile ! nc -z -w 2 a 1; do",
                "done\necho ready",
            ),
            (
                "N=24; i=07\nwhile true; do curl -m 3 http://a:1/ && break;",
                "done",
            ),
            (
                "N=24; i=0; f() { : $i; }\nwhile [ $i -lt 20 ]; do kubectl get pod x && break;",
                "done\nexit 1",
            ),
            (
                "N=24; i=0; f() { i=$((i+1)); }\nfor x in 1 2 3; do until curl http://a/; do",
                "done; i=0; done",
            ),
            (
                "N=24; i=0\ntimeout 900 sh -c 'until nc -z a 1; do sleep 1; done'; until nc -z b 1; do",
                "done",
            ),
        ];
        for (head, tail) in heads {
            for step in steps {
                for test in tests {
                    let counted = reading(&format!("{head}\n{step}\n{test}\nsleep 5\n{tail}"));
                    let mut played = reading(&format!("{head} : \"$i\"\n{step}\n{test}\nsleep 5\n{tail}"));
                    // What is played for long is taken for endless; what is counted is known to be.
                    for (played, counted) in played.waits.iter_mut().zip(&counted.waits) {
                        if !played.is_bounded() && !counted.is_bounded() {
                            played.confidence = played.confidence.max(counted.confidence);
                        }
                    }
                    let spent = |reading: &Reading| {
                        let mut unread = reading.unread.iter();
                        unread.any(|unread| unread.why.contains("too many steps"))
                    };
                    if !spent(&counted) && !spent(&played) {
                        assert!(
                            counted == played,
                            "{head}\n{step}\n{test}\n{counted:#?}\n{played:#?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn rounds_that_are_counted_are_not_played() {
        let script = "i=0\nuntil curl -m 3 http://a:1/$PATH_; do\n i=$((i + 1))\n [ \"$i\" -ge 3000 ] && exit 1\n sleep 5\ndone";
        let asked = Cell::new(0);
        let env = |_: &str| {
            asked.set(asked.get() + 1);
            EnvValue::Known("ready")
        };
        let reading = read(&["sh", "-c", script], &[], &env);
        assert_eq!(reading.waits.first().and_then(|wait| wait.attempts), Some(3_000));
        assert!(asked.get() < 60, "{} rounds are played", asked.get());
    }
}
