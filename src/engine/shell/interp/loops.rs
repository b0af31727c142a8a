//! Loops: `while`, `until`, `for`.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use super::super::syntax::{List, Part, Word};
use super::super::value::{Status, Value};
use super::alike::LoopVariable;
use super::counter::Counting;
use super::frame::Frame;
use super::{Flow, MOST_ROUNDS, Machine, PLAYED_ROUNDS};
use crate::engine::Seconds;

/// What a loop does after a round.
enum Round {
    Again,
    Over(Flow),
}

impl Round {
    const fn flow(self) -> Flow {
        match self {
            Self::Again => Flow::Next,
            Self::Over(flow) => flow,
        }
    }
}

/// The pattern of file names that a word is: it becomes as many words as there are files.
fn pattern_of_files(word: &Word) -> Option<&str> {
    word.parts.iter().find_map(|part| match part {
        Part::Literal(text) if text.contains(['*', '?', '[']) => Some(&**text),
        _ => None,
    })
}

impl Machine<'_> {
    pub(super) fn while_loop(&mut self, at: usize, until: bool, condition: &List, body: &List) -> Flow {
        self.tell_loop(at, &[condition, body], &|machine| {
            machine.run_while(at, until, condition, body)
        })
    }

    fn run_while(&mut self, at: usize, until: bool, condition: &List, body: &List) -> Flow {
        self.open_frame(at);
        // A loop ends with the status of its last round.
        let mut status = Status::Success;
        let mut counting = Counting::default();
        let flow = loop {
            let before = self.fingerprint();
            let flow = self.as_condition(|machine| machine.list(condition));
            if flow != Flow::Next {
                break self.after_body(flow);
            }
            self.classify_codes(|| false);
            let holds = match std::mem::take(&mut self.status) {
                Status::Success => !until,
                Status::Failure(_) | Status::Open => until,
                Status::Hidden(why) => {
                    // One round tells whether it waits.
                    self.hide_bound(&why);
                    self.list(body);
                    false
                }
            };
            if !holds {
                self.status = status;
                break Round::Over(Flow::Next);
            }
            let flow = self.list(body);
            status = self.status.clone();
            match self.after_body(flow) {
                Round::Again => {}
                over @ Round::Over(_) => break over,
            }
            if self.goes_on_forever(before) {
                break Round::Over(self.endless());
            }
            self.count_round(&mut counting);
        };
        self.stop_counting(&counting);
        self.close_frame(flow.flow())
    }

    pub(super) fn for_loop(&mut self, at: usize, name: &str, words: Option<&[Word]>, body: &List) -> Flow {
        let files = words.and_then(|words| words.iter().find_map(pattern_of_files));
        let items = if let Some(words) = words {
            self.fields(words)
        } else {
            self.charge(self.arguments.len() / 4);
            self.arguments.clone()
        };
        self.tell_loop(at, &[body], &|machine| {
            machine.run_for(at, name, &items, files, body)
        })
    }

    fn run_for(&mut self, at: usize, name: &str, items: &[Value], files: Option<&str>, body: &List) -> Flow {
        self.open_frame(at);
        let (start, waits) = (self.now, self.waits.len());
        let works_on_items = !self.leaves_well(body);
        let unknown = items.iter().find_map(|item| item.unknown.clone());
        if let Some(frame) = self.frames.last_mut() {
            frame.assumed |= items.iter().any(|item| item.assumed);
            frame.works_on_items = works_on_items;
        }
        let mut flow = Round::Over(Flow::Next);
        self.loop_variables.push(LoopVariable::new(name));
        let (mut next, mut noted) = (0, None);
        while let Some(item) = items.get(next) {
            let index = next;
            if u64::try_from(index).unwrap_or(u64::MAX) >= MOST_ROUNDS {
                self.hide_bound(&format!("the loop has more than {MOST_ROUNDS} rounds").into());
                break;
            }
            self.assign(name, item.clone());
            let waits = self.waits.len();
            let ended = self.list(body);
            let gave_up = self.gives_up_on(item, waits, ended);
            if let over @ Round::Over(_) = self.after_body(ended) {
                if gave_up && index + 1 < items.len() {
                    // Read on as if this one had come up in time: the next one is waited for too.
                    self.leave_on_failure();
                    if ended == Flow::Return {
                        // What the caller makes of the failure holds for this one too.
                        self.held.extend(self.undecided.map(|(wait, _)| wait));
                    }
                    next = index + 1;
                    continue;
                }
                flow = over;
                break;
            }
            next = self.next_round(index, items.len(), &mut noted);
        }
        self.loop_variables.pop();
        if let Some(pattern) = files.filter(|_| self.now > start || self.waits.len() > waits) {
            self.hide_bound(&format!("the manifest does not show how many files match `{pattern}`").into());
        }
        if let Some(why) = unknown {
            self.hide_bound(&why);
        }
        self.close_frame(flow.flow())
    }

    pub(super) fn for_arithmetic(&mut self, at: usize, parts: &[Word; 3], body: &List) -> Flow {
        let [first, condition, step] = parts;
        self.arithmetic_command(first);
        self.tell_loop(at, &[body], &|machine| {
            machine.run_for_arithmetic(at, condition, step, body)
        })
    }

    fn run_for_arithmetic(&mut self, at: usize, condition: &Word, step: &Word, body: &List) -> Flow {
        self.open_frame(at);
        let works_on_items = !self.leaves_well(body);
        if let Some(frame) = self.frames.last_mut() {
            frame.works_on_items = works_on_items;
        }
        let flow = loop {
            let before = self.fingerprint();
            if !condition.parts.is_empty() {
                match self.arithmetic_command(condition) {
                    Status::Success => {}
                    Status::Hidden(why) => {
                        self.hide_bound(&why);
                        self.list(body);
                        break Round::Over(Flow::Next);
                    }
                    _ => break Round::Over(Flow::Next),
                }
            }
            let flow = self.list(body);
            if let over @ Round::Over(_) = self.after_body(flow) {
                break over;
            }
            self.arithmetic_command(step);
            if self.goes_on_forever(before) {
                if !condition.parts.is_empty() && self.fingerprint() != before {
                    self.hide_bound(&"the loop has too many rounds to be followed".into());
                }
                break Round::Over(self.endless());
            }
        };
        self.close_frame(flow.flow())
    }

    /// True when the script ends because the wait for this item has run out.
    fn gives_up_on(&self, item: &Value, waits: usize, flow: Flow) -> bool {
        let fails = match flow {
            Flow::Exit => self.exit_code != 0,
            Flow::Return => matches!(self.status, Status::Failure(_)),
            _ => false,
        };
        let Some(frame) = self.frames.last().filter(|_| fails && self.doom.is_none()) else {
            return false;
        };
        let target = match self.waits.get(waits..) {
            Some([.., last]) => last.target.as_ref(),
            _ if frame.tool > Seconds::ZERO => frame.calls.last().and_then(|call| call.target.as_ref()),
            _ => None,
        };
        // A small number counts tries; a greater one may be a port.
        let named = item.text.len() > 2 || item.text.parse::<i64>().is_err();
        named
            && !item.text.is_empty()
            && target.is_some_and(|target| target.text.contains(item.text.as_str()))
    }

    pub(super) fn open_frame(&mut self, at: usize) {
        let frame = Frame::new(at, self.now, self.surplus, self.limitless, self.waits.len());
        self.frames.push(Frame {
            deadline: self.deadline,
            ..frame
        });
    }

    /// Says of the innermost loop that its bound is not known.
    pub(super) fn hide_bound(&mut self, why: &Rc<str>) {
        self.leave_the_end_open();
        if let Some(frame) = self.frames.last_mut() {
            frame.hidden.get_or_insert_with(|| why.clone());
        }
    }

    /// A round of the innermost loop is over.
    pub(super) fn end_round(&mut self) {
        let (now, surplus) = (self.now, self.surplus);
        if let Some(frame) = self.frames.last_mut() {
            frame.close_round(now, surplus);
        }
    }

    /// Ends a round, by whatever the body ended with.
    fn after_body(&mut self, flow: Flow) -> Round {
        self.end_round();
        if !self.step() {
            return Round::Over(Flow::Spent);
        }
        match flow {
            Flow::Next | Flow::Continue(0 | 1) => Round::Again,
            Flow::Break(0 | 1) => Round::Over(Flow::Next),
            Flow::Break(levels) => Round::Over(Flow::Break(levels - 1)),
            Flow::Continue(levels) => Round::Over(Flow::Continue(levels - 1)),
            other => Round::Over(other),
        }
    }

    /// The loop has no end when a round has changed nothing, or when there have been too many.
    pub(super) fn goes_on_forever(&mut self, before: u64) -> bool {
        let most = if self.steps > self.most_steps() / 2 {
            PLAYED_ROUNDS
        } else {
            MOST_ROUNDS
        };
        let Some(frame) = self.frames.last_mut() else {
            return true;
        };
        if frame.hidden.is_some() || frame.repeats {
            return true;
        }
        if frame.rounds - frame.skipped >= most {
            // A clock that moves ends the loop at some time.
            let runs = frame.clock.is_some_and(|check| check.first == check.last) && frame.start < self.now;
            if runs {
                frame.hidden = Some(format!("the loop has more than {most} rounds").into());
            }
            frame.assumed = true;
            return true;
        }
        !frame.reads_clock && self.fingerprint() == before
    }

    /// Leaves an endless loop: by the enclosing `timeout` where there is one.
    pub(super) fn endless(&mut self) -> Flow {
        if self.frames.last().is_some_and(|frame| frame.hidden.is_some()) {
            return Flow::Next;
        }
        if let Some(deadline) = self.deadline {
            self.now = deadline;
            return Flow::Killed;
        }
        self.leave_the_end_open();
        if let Some(frame) = self.frames.last_mut() {
            frame.endless = true;
        }
        self.status = Status::Success;
        Flow::Next
    }

    pub(super) fn fingerprint(&mut self) -> u64 {
        let bulk: usize = self.vars.values().map(|value| 1 + value.text.len() / 256).sum();
        self.charge(bulk / 8 + self.arguments.len() / 4);
        let mut hasher = DefaultHasher::new();
        self.vars.hash(&mut hasher);
        // `shift` is progress.
        self.arguments.hash(&mut hasher);
        hasher.finish()
    }
}
