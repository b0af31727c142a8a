//! Rounds of a `for` loop that are alike are played a few times and counted from then on: 168 tries of one
//! probe are 168 times the same.
//!
//! A round is like the one before when both leave the same state behind, but for the sums that every round adds
//! to. From one state the machine always goes the same way, so all further rounds are alike too, as long as
//! nothing looks at what does change: the loop's variable, the clock, the time of an enclosing `timeout`.

use std::cell::Cell;

use super::frame::Frame;
use super::{MOST_ROUNDS, Machine};
use crate::engine::Seconds;

/// The round after which the state is noted, from 0. Loops inside say what they have to say in the rounds before
/// (`ROUNDS_THAT_TELL`).
const NOTED: usize = 3;

/// The variable of a `for` loop.
#[derive(Clone, Debug)]
pub(super) struct LoopVariable {
    name: String,
    /// Somebody has looked at its value.
    seen: Cell<bool>,
}

impl LoopVariable {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            seen: Cell::new(false),
        }
    }
}

impl Machine<'_> {
    /// Somebody looks at a variable.
    pub(super) fn note_look(&self, name: &str) {
        for variable in &self.loop_variables {
            if variable.name == name {
                variable.seen.set(true);
            }
        }
        self.note_other(name);
    }

    /// To be called after each round of a `for` loop with its number, from 0, and the number of items. Gives the
    /// number of the next round: not the one that follows where those between are alike.
    pub(super) fn next_round(&mut self, index: usize, items: usize, noted: &mut Option<Box<Self>>) -> usize {
        let next = index + 1;
        let last = items.min(usize::try_from(MOST_ROUNDS).unwrap_or(usize::MAX)) - 1;
        if last <= next + 1 {
            return next;
        }
        if index == NOTED && self.rounds_may_be_alike() {
            *noted = Some(Box::new(self.clone()));
        } else if let Some(before) = noted.take()
            && self.rounds_may_be_alike()
            && let Some(variable) = self.loop_variables.last()
            && self.is_alike(&before, &variable.name)
            && self.skip(last - next, &before)
        {
            // The last round is played: what it leaves behind is what the loop does.
            return last;
        }
        next
    }

    fn rounds_may_be_alike(&self) -> bool {
        let variable = self.loop_variables.last();
        let frame = self.frames.last();
        variable.is_some_and(|variable| !variable.seen.get())
            && frame.is_some_and(|frame| !frame.reads_clock && frame.hidden.is_none())
            && self.deadline.is_none()
    }

    /// True where a round has left the state as it was `before`, but for the sums and for what the loop counts.
    #[allow(clippy::too_many_lines, reason = "every field is named")]
    pub(super) fn is_alike(&self, before: &Self, counted: &str) -> bool {
        // Named one by one: whoever adds a field has to say on which side it belongs.
        let Self {
            env: _,
            source: _,
            vars,
            functions,
            arguments,
            recursions: _,
            again: _,
            locals,
            status,
            masked: _,
            masked_looks: _,
            substitutions: _,
            exit_code,
            errexit,
            pipefail,
            in_condition,
            now: _,
            surplus: _,
            limitless: _,
            deadline,
            cap,
            steps: _,
            depth,
            frames,
            output,
            input,
            interrupted,
            codes,
            undecided: _,
            branches,
            subshells,
            left,
            held,
            background,
            waits: _,
            overfull: _,
            calls,
            known_calls: _,
            unread,
            hidden_program,
            doom,
            spared: _,
            open_end,
            present,
            opaque_decisions: _,
            probed: _,
            given_up: _,
            braces,
            sh_braces,
            ended,
            hidden,
            files: _,
            elements: _,
            script_files,
            windows,
            too_deep,
            directory,
            loop_variables: _,
            counters: _,
        } = self;
        let others = |machine: &Self| -> Vec<_> {
            let vars = machine.vars.iter().filter(|(name, _)| name.as_str() != counted);
            vars.map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        let same_variables = std::rc::Rc::ptr_eq(vars, &before.vars) || others(self) == others(before);
        let switches = [errexit, pipefail, hidden_program, open_end, present, too_deep];
        let switches_before = [
            &before.errexit,
            &before.pipefail,
            &before.hidden_program,
            &before.open_end,
            &before.present,
            &before.too_deep,
        ];
        let frames_are_alike = match (frames.split_last(), before.frames.split_last()) {
            (Some((own, outer)), Some((own_before, outer_before))) => {
                outer == outer_before && own.is_alike(own_before)
            }
            _ => false,
        };
        frames_are_alike
            && same_variables
            && switches == switches_before
            && std::rc::Rc::ptr_eq(functions, &before.functions)
            && (arguments, locals, status) == (&before.arguments, &before.locals, &before.status)
            && (exit_code, in_condition, deadline, cap, depth)
                == (
                    &before.exit_code,
                    &before.in_condition,
                    &before.deadline,
                    &before.cap,
                    &before.depth,
                )
            && (output, input, interrupted, codes)
                == (&before.output, &before.input, &before.interrupted, &before.codes)
            && (branches, subshells, left, held)
                == (&before.branches, &before.subshells, &before.left, &before.held)
            && background.len() == before.background.len()
            && self.waits_are_alike(before)
            && (calls, unread) == (&before.calls, &before.unread)
            && (doom, braces, sh_braces) == (&before.doom, &before.braces, &before.sh_braces)
            && (ended, hidden, script_files) == (&before.ended, &before.hidden, &before.script_files)
            && (windows, directory) == (&before.windows, &before.directory)
    }

    /// True where a round has found the waits of the one before, or the same single wait once more: the loop around
    /// it is that wait, as often as it goes round.
    fn waits_are_alike(&self, before: &Self) -> bool {
        if self.waits == before.waits {
            return self.undecided == before.undecided;
        }
        let own = self.frames.last().map_or(0, |frame| frame.waits);
        let (Some((last, rest)), Some(found)) = (self.waits.split_last(), before.waits.get(own..)) else {
            return false;
        };
        let earlier = |(index, branches): (usize, u32)| (index.wrapping_sub(1), branches);
        rest == before.waits
            && !found.is_empty()
            && found.iter().all(|wait| wait == last)
            && self.undecided.map(earlier) == before.undecided
    }

    /// Adds up `rounds` more rounds as the one since `before`; false where there are too many.
    pub(super) fn skip(&mut self, rounds: usize, before: &Self) -> bool {
        let Ok(count) = u32::try_from(rounds) else {
            return false;
        };
        let grown = |now: u32, then: u32| now.saturating_add((now - then).saturating_mul(count));
        let span = |now: Seconds, then: Seconds| now + (now - then).times(u64::from(count));
        self.now = span(self.now, before.now);
        self.surplus = span(self.surplus, before.surplus);
        self.limitless = grown(self.limitless, before.limitless);
        self.opaque_decisions = grown(self.opaque_decisions, before.opaque_decisions);
        self.probed = grown(self.probed, before.probed);
        self.given_up = grown(self.given_up, before.given_up);
        self.substitutions += (self.substitutions - before.substitutions) * u64::from(count);
        if let (Some(frame), Some(then)) = (self.frames.last_mut(), before.frames.last()) {
            frame.skip(u64::from(count), then);
            frame.round = (self.now, self.surplus);
        }
        true
    }
}

impl Frame {
    /// As [`Machine::is_alike`].
    fn is_alike(&self, before: &Self) -> bool {
        let alike =
            |now: &[(Seconds, u64)], then: &[(Seconds, u64)]| match (now.split_last(), then.split_last()) {
                (Some((last, rest)), Some((last_then, rest_then))) => {
                    last.0 == last_then.0 && rest == rest_then
                }
                (None, None) => true,
                _ => false,
            };
        let sums = Self {
            pauses: before.pauses.clone(),
            tools: before.tools.clone(),
            tries: before.tries,
            probes: before.probes,
            round: before.round,
            rounds: before.rounds,
            ..self.clone()
        };
        alike(&self.pauses, &before.pauses) && alike(&self.tools, &before.tools) && sums == *before
    }

    /// Adds up more rounds as the one since `before`.
    fn skip(&mut self, rounds: u64, before: &Self) {
        let add = |list: &mut Vec<(Seconds, u64)>, then: &[(Seconds, u64)]| {
            if let (Some((_, count)), Some((_, count_then))) = (list.last_mut(), then.last()) {
                *count += (*count - count_then) * rounds;
            }
        };
        add(&mut self.pauses, &before.pauses);
        add(&mut self.tools, &before.tools);
        self.tries += (self.tries - before.tries) * rounds;
        self.probes += (self.probes - before.probes) * rounds;
        self.rounds += rounds;
        self.skipped += rounds;
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::shell::{EnvValue, Reading, read};

    fn reading(script: &str) -> Reading {
        read(&["sh", "-c", script], &[], &|_| EnvValue::Unset)
    }

    /// Looking at the variable makes every round a new one: what comes out is the same.
    #[test]
    fn counted_rounds_give_what_played_ones_give() {
        let bodies = [
            "curl -sf -m 3 http://a:1/ && break; sleep 5",
            "if curl -sf http://a:1/; then break; fi; echo \"$i of $N\"; sleep 5",
            "nc -z -w 2 a 1 && exit 0; sleep 2; x=done",
            "kubectl get pod x && break; sleep 1",
            "curl -m 3 http://a:1/ || true; curl -m 4 http://b:1/ && break; sleep 2",
            "for j in 1 2 3; do curl -m 2 http://a:1/ && break 2; sleep 1; done",
            "until curl -m 2 http://a:1/; do sleep 5; break; done",
            "n=$((n+1)); curl -m 3 http://a:1/ && break; [ $n -ge 40 ] && exit 1; sleep 5",
            "d=$(date +%s); curl -m 3 http://a:1/ && break; sleep 5",
            "timeout 7 sh -c 'until nc -z a 1; do sleep 1; done' && break",
            "sleep 1 & curl -m 3 http://a:1/ && break; sleep 5",
            "./ready && break; sleep 5",
            "f() { curl -m 3 http://a:1/; }; f && break; sleep 5",
            "last=$i; curl -m 3 http://a:1/ && break; sleep 5",
            "curl -m 3 http://a:1/$i && break; sleep 5",
            "wait-for-it a:1 -t 5 && break; sleep 5",
            "sleep 5",
            "true",
        ];
        for (head, tail) in [
            ("N=60\nn=0\nfor i in $(seq 1 60); do", "done\necho ready"),
            ("set -e\nn=0\nfor i in $(seq 1 5000); do", "done\nexit 1"),
            ("n=0\ntimeout 100 sh -c '\nfor i in $(seq 1 60); do", "done'"),
            (
                "n=0\nwhile true; do\nfor i in $(seq 1 9); do",
                "done\nsleep 30\ndone",
            ),
        ] {
            for body in bodies
                .iter()
                .filter(|body| !(tail.ends_with('\'') && body.contains('\'')))
            {
                let counted = reading(&format!("{head}\n{body}\n{tail}"));
                let played = reading(&format!("{head} : \"$i\"\n{body}\n{tail}"));
                // Looking costs a step: where the steps run out, they run out elsewhere.
                let spent = |reading: &Reading| {
                    reading
                        .unread
                        .iter()
                        .any(|unread| unread.why.contains("too many steps"))
                };
                if !spent(&counted) && !spent(&played) {
                    assert!(
                        counted == played,
                        "{head}\n{body}\n{tail}\n{counted:#?}\n{played:#?}"
                    );
                }
            }
        }
    }
}
