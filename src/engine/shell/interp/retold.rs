//! Loops that say nothing of a wait when the dependency is not there: they wait for something to go, or what
//! decides is not shown. No loop that may pause is passed over in silence.

use super::super::reading::ReadConfidence;
use super::super::syntax::List;
use super::super::value::{Status, Value};
use super::{Flow, Machine};
use crate::engine::Seconds;

/// What a piece of script weighs at least when it sleeps; see [`Machine::weight`].
const SLEEPS: i64 = 20;

/// A loop inside of another tells what it has to say in the first rounds of that one.
const ROUNDS_THAT_TELL: u64 = 2;

impl Machine<'_> {
    /// Runs a loop. Where it neither waits nor says why that cannot be told, it runs once more in a world where
    /// what it asks for is there: `while kubectl get ns old; do sleep 5; done` waits for absence.
    pub(super) fn tell_loop(&mut self, at: usize, parts: &[&List], run: &dyn Fn(&mut Self) -> Flow) -> Flow {
        let told = self.present
            || self.doom.is_some()
            || self
                .frames
                .last()
                .is_some_and(|outer| outer.rounds > ROUNDS_THAT_TELL)
            || !parts.iter().any(|list| self.weight(list) >= SLEEPS);
        if told {
            return run(self);
        }
        let kept = self.waits.len() + self.calls.len() + self.unread.len() + self.arguments.len();
        self.charge(kept);
        let before = self.clone();
        let flow = run(self);
        // A call that fails and ends the script is no wait.
        let gives_up = (flow == Flow::Exit && self.exit_code != 0) || self.given_up > before.given_up;
        let undecided =
            self.opaque_decisions > before.opaque_decisions || (self.probed > before.probed && !gives_up);
        if matches!(flow, Flow::Spent | Flow::Killed) || self.says_more_than(&before) || !undecided {
            return flow;
        }
        let mut other = before.clone();
        (other.present, other.steps) = (true, self.steps);
        let absent = run(&mut other);
        if other.says_more_than(&before) && absent != Flow::Spent {
            other.present = false;
            for wait in other.waits.iter_mut().skip(before.waits.len()) {
                wait.confidence = wait.confidence.min(ReadConfidence::Likely);
            }
            *self = other;
            return absent;
        }
        self.steps = other.steps;
        let why = if self.masked_looks > before.masked_looks {
            "`$?` behind `local NAME=$(...)` is the status of `local`, which is always 0: this loop never sees the \
             command fail, and ends in its first round"
        } else {
            "this loop may pause, and what decides whether it does is not shown"
        };
        self.unreadable(at, why);
        flow
    }

    /// True where a wait, a pause of the loop around, or something unread was found since then.
    fn says_more_than(&self, before: &Self) -> bool {
        let pause = |machine: &Self| {
            let outer = machine.frames.last();
            outer.map_or((Seconds::ZERO, false), |outer| {
                (outer.pause + outer.tool, outer.hidden.is_some() || outer.endless)
            })
        };
        self.waits.len() > before.waits.len()
            || self.unread.len() > before.unread.len()
            || pause(self) != pause(before)
    }

    /// Something that is not shown has decided.
    pub(super) fn note_opaque(&mut self, opaque: bool) {
        self.opaque_decisions += u32::from(opaque);
    }

    /// A test looks at what a program of the container has printed.
    pub(super) fn note_count(&mut self, value: &Value) {
        if value.local
            && let Some(why) = &value.unknown
            && let Some(frame) = self.frames.last_mut()
        {
            frame.counts.get_or_insert_with(|| why.clone());
        }
    }

    /// The status of what is not shown.
    pub(super) fn undecided_status(&mut self) -> Status {
        if !self.in_loop() {
            return Status::Open;
        }
        self.note_opaque(true);
        if self.present {
            Status::Success
        } else {
            Status::Open
        }
    }
}
