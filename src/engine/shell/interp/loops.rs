//! Loops: `while`, `until`, `for`; and what a loop that has ended says about waiting.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use super::super::arithmetic_text;
use super::super::reading::{ReadConfidence, Wait};
use super::super::syntax::{List, Word};
use super::super::value::Status;
use super::frame::Frame;
use super::{Flow, MOST_FINDS, MOST_ROUNDS, Machine, look};
use crate::engine::{Limit, Seconds, Span};

/// What a loop does after a round.
enum Round {
    Again,
    Over(Flow),
}

impl Machine<'_> {
    pub(super) fn while_loop(&mut self, at: usize, until: bool, condition: &List, body: &List) -> Flow {
        self.open_frame(at);
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
                    self.hide_bound(&why);
                    false
                }
            };
            if !holds {
                break Round::Over(Flow::Next);
            }
            let flow = self.list(body);
            match self.after_body(flow) {
                Round::Again => {}
                over @ Round::Over(_) => break over,
            }
            if self.goes_on_forever(before) {
                break Round::Over(self.endless());
            }
        };
        self.close_frame(flow)
    }

    pub(super) fn for_loop(&mut self, at: usize, name: &str, words: Option<&[Word]>, body: &List) -> Flow {
        let items = match words {
            Some(words) => self.fields(words),
            None => self.arguments.clone(),
        };
        self.open_frame(at);
        let unknown = items.iter().find_map(|item| item.unknown.clone());
        if let Some(frame) = self.frames.last_mut() {
            frame.assumed |= items.iter().any(|item| item.assumed);
        }
        let mut flow = Round::Over(Flow::Next);
        for (index, item) in items.into_iter().enumerate() {
            if u64::try_from(index).unwrap_or(u64::MAX) >= MOST_ROUNDS {
                self.hide_bound(&format!("the loop has more than {MOST_ROUNDS} rounds").into());
                break;
            }
            self.assign(name, item);
            let ended = self.list(body);
            if let over @ Round::Over(_) = self.after_body(ended) {
                flow = over;
                break;
            }
        }
        if let Some(why) = unknown {
            self.hide_bound(&why);
        }
        self.close_frame(flow)
    }

    pub(super) fn for_arithmetic(&mut self, at: usize, parts: &[Word; 3], body: &List) -> Flow {
        let [first, condition, step] = parts;
        self.arithmetic_command(first);
        self.open_frame(at);
        let flow = loop {
            let before = self.fingerprint();
            if !condition.parts.is_empty() {
                match self.arithmetic_command(condition) {
                    Status::Success => {}
                    Status::Hidden(why) => {
                        self.hide_bound(&why);
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
                break Round::Over(self.endless());
            }
        };
        self.close_frame(flow)
    }

    fn open_frame(&mut self, at: usize) {
        self.frames.push(Frame::new(
            at,
            self.now,
            self.surplus,
            self.limitless,
            self.waits.len(),
        ));
    }

    /// Says of the innermost loop that its bound is not known.
    pub(super) fn hide_bound(&mut self, why: &Rc<str>) {
        if let Some(frame) = self.frames.last_mut() {
            frame.hidden.get_or_insert_with(|| why.clone());
        }
    }

    /// Ends a round, by whatever the body ended with.
    fn after_body(&mut self, flow: Flow) -> Round {
        let (now, surplus) = (self.now, self.surplus);
        if let Some(frame) = self.frames.last_mut() {
            frame.close_round(now, surplus);
        }
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
    fn goes_on_forever(&mut self, before: u64) -> bool {
        let Some(frame) = self.frames.last_mut() else {
            return true;
        };
        if frame.hidden.is_some() {
            return true;
        }
        if frame.rounds >= MOST_ROUNDS {
            frame.assumed = true;
            return true;
        }
        !frame.reads_clock && self.fingerprint() == before
    }

    /// Leaves an endless loop: by the enclosing `timeout` where there is one.
    fn endless(&mut self) -> Flow {
        if self.frames.last().is_some_and(|frame| frame.hidden.is_some()) {
            return Flow::Next;
        }
        if let Some(deadline) = self.deadline {
            self.now = deadline;
            return Flow::Killed;
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.endless = true;
        }
        self.status = Status::Success;
        Flow::Next
    }

    fn fingerprint(&mut self) -> u64 {
        let bulk: usize = self.vars.values().map(|value| 1 + value.text.len() / 256).sum();
        self.charge(bulk / 8);
        let mut hasher = DefaultHasher::new();
        self.vars.hash(&mut hasher);
        hasher.finish()
    }

    /// Ends the innermost loop and keeps what it says about waiting.
    fn close_frame(&mut self, round: Round) -> Flow {
        let flow = match round {
            Round::Again => Flow::Next,
            Round::Over(flow) => flow,
        };
        let Some(mut frame) = self.frames.pop() else {
            return flow;
        };
        if frame.round.0 < self.now || frame.tried || frame.pause > Seconds::ZERO {
            frame.close_round(self.now, self.surplus);
        }
        let paused = frame.pause_count() > 0;
        let decides = frame.probe.is_some() || frame.readiness || frame.waits < self.waits.len();
        if frame.hidden.is_some() && (paused || frame.probe.is_some()) {
            let why = frame.hidden.clone().unwrap_or_default();
            self.unreadable(frame.at, format!("how long this loop waits is not shown: {why}"));
            self.keep_calls(frame);
            return self.leave(flow);
        }
        if flow == Flow::Spent && !frame.endless {
            self.keep_calls(frame);
            return flow;
        }
        if (paused && (decides || self.frames.is_empty())) || (frame.endless && decides) {
            self.keep_wait(frame, flow);
        } else {
            self.hand_up(frame);
        }
        self.leave(flow)
    }

    /// An exit inside the outermost loop ends the loop; the script is read on as if the dependency had come
    /// up in time.
    fn leave(&mut self, flow: Flow) -> Flow {
        if flow != Flow::Exit || self.in_loop() {
            return flow;
        }
        if self.exit_code != 0 {
            self.decide_failure();
        }
        self.status = Status::Success;
        Flow::Next
    }

    /// A loop that is no wait: what it found belongs to the loop around it, or to the script.
    fn hand_up(&mut self, frame: Frame) {
        let Some(outer) = self.frames.last_mut() else {
            self.keep_calls(frame);
            return;
        };
        let paused = frame.pause_count() > 0;
        for (pause, count) in &frame.pauses {
            outer.pause = outer.pause + pause.times(*count);
        }
        for probe in &frame.calls {
            outer.note_probe(probe);
        }
        outer.probes += frame.tries.saturating_sub(1);
        outer.readiness |= frame.readiness;
        outer.assumed |= frame.assumed;
        outer.reads_clock |= frame.reads_clock;
        outer.ready.extend(frame.ready);
        outer.fatal.extend(frame.fatal);
        if outer.hidden.is_none() && paused {
            outer.hidden = frame.hidden;
        }
    }

    fn keep_calls(&mut self, frame: Frame) {
        for probe in frame.calls {
            self.keep_call(probe);
        }
    }

    pub(super) fn keep_call(&mut self, probe: super::super::reading::Probe) {
        if self.calls.len() < MOST_FINDS && !self.calls.contains(&probe) {
            self.calls.push(probe);
        }
    }

    fn keep_wait(&mut self, mut frame: Frame, flow: Flow) {
        if let Some(outer) = self.frames.last_mut() {
            outer.reads_clock |= frame.reads_clock;
        }
        let inner = self.waits.split_off(frame.waits.min(self.waits.len()));
        for wait in &inner {
            if frame.probe.is_none() {
                frame.probe.clone_from(&wait.probe);
            }
            frame.ready.extend(&wait.ready_statuses);
            frame.fatal.extend(&wait.fatal_statuses);
            frame.endless |= !wait.is_bounded();
        }
        let endless = frame.endless;
        let elapsed = self.now - frame.start;
        let mut surplus = self.surplus - frame.surplus;
        let limitless = self.limitless > frame.limitless;
        let clock = frame
            .overshoot(self.now)
            .map(|overshoot| elapsed.minus_or_zero(overshoot));
        let nominal = clock.unwrap_or(elapsed);
        if let Some(clock) = clock {
            // The last round may begin just before the clock runs out.
            surplus = clock + frame.longest.1 - elapsed;
            self.surplus = frame.surplus + surplus.max(Seconds::ZERO);
        }
        let killed = flow == Flow::Killed;
        let worst = match (limitless, killed) {
            (_, true) => Limit::At(elapsed),
            (true, false) => Limit::Never,
            (false, false) => Limit::At(elapsed + surplus),
        };
        let span = if endless {
            Span::UNBOUNDED
        } else {
            Span::between(Limit::At(nominal), worst)
        };
        let confidence = if frame.probe.is_none() {
            ReadConfidence::Possible
        } else if frame.assumed {
            ReadConfidence::Likely
        } else {
            ReadConfidence::Certain
        };
        tidy(&mut frame.ready);
        tidy(&mut frame.fatal);
        let counted = clock.is_none() && !endless && !killed && frame.tries > 0;
        let arithmetic = arithmetic_text::of_loop(&arithmetic_text::Loop {
            span,
            clock: clock.map(|clock| (clock, frame.longest)),
            killed,
            pauses: &frame.pauses,
            probe: frame.probe.as_ref(),
            probe_limit: frame.probe_limit(),
            probes: frame.probes,
            surplus,
        });
        let wait = Wait {
            place: self.place(frame.at),
            target: frame.probe.as_ref().and_then(|probe| probe.target.clone()),
            span,
            attempts: counted.then_some(frame.tries),
            interval: frame.interval(),
            probe: frame.probe,
            falls_through: !endless && !killed && flow != Flow::Exit,
            ready_statuses: frame.ready,
            fatal_statuses: frame.fatal,
            confidence,
            arithmetic,
        };
        self.keep(wait);
    }

    pub(super) fn keep(&mut self, wait: Wait) {
        if self.waits.len() < MOST_FINDS {
            self.undecided = Some(self.waits.len());
            self.waits.push(wait);
        }
    }

    /// A call of a function or a command that has nothing to do with the verdict of the last wait.
    pub(super) fn settle(&mut self) {
        self.undecided = None;
    }

    /// The HTTP statuses that a condition has compared with are ready ones, or fatal ones when what follows
    /// fails.
    pub(super) fn classify_codes(&mut self, fatal: impl FnOnce() -> bool) {
        if self.codes.is_empty() {
            return;
        }
        let codes = std::mem::take(&mut self.codes);
        let fatal = fatal();
        if let Some(frame) = self.frames.last_mut() {
            let list = if fatal { &mut frame.fatal } else { &mut frame.ready };
            for code in codes {
                if !list.contains(&code) {
                    list.push(code);
                }
            }
        }
    }

    /// The HTTP statuses that the arms of a `case` name.
    pub(super) fn read_case_codes(&mut self, arms: &[super::super::syntax::CaseArm]) {
        if !self
            .frames
            .last()
            .is_some_and(|frame| frame.ready.is_empty() && frame.fatal.is_empty())
        {
            return;
        }
        for arm in arms {
            let looks = look::list(&arm.body);
            self.charge(looks.size);
            if !looks.leaves {
                continue;
            }
            self.codes
                .extend(arm.patterns.iter().filter_map(|word| status_code(word.bare()?)));
            self.classify_codes(|| looks.fails);
        }
    }
}

/// An HTTP status.
pub(super) fn status_code(text: &str) -> Option<u16> {
    text.parse()
        .ok()
        .filter(|code| (100..600).contains(code) && text.len() == 3)
}

fn tidy(codes: &mut Vec<u16>) {
    codes.sort_unstable();
    codes.dedup();
}

#[cfg(test)]
mod tests {
    use super::status_code;

    #[test]
    fn an_http_status_has_three_digits() {
        assert_eq!(status_code("200"), Some(200));
        assert_eq!(status_code("000"), None);
        assert_eq!(status_code("0200"), None);
        assert_eq!(status_code("600"), None);
    }
}
