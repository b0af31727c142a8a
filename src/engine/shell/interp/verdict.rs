//! What a loop that has ended says about waiting.

use super::super::arithmetic_text;
use super::super::reading::{Probe, ReadConfidence, Wait};
use super::super::syntax::{CaseArm, Word};
use super::super::value::Status;
use super::frame::Frame;
use super::pauses::MayPause;
use super::{Flow, HiddenText, MOST_FINDS, Machine, look, pattern};
use crate::engine::{Limit, Seconds, Span};

impl Machine<'_> {
    /// Ends the innermost loop and keeps what it says about waiting.
    pub(super) fn close_frame(&mut self, flow: Flow) -> Flow {
        let Some(mut frame) = self.frames.pop() else {
            return flow;
        };
        if frame.round.0 < self.now || frame.tried || frame.pause > Seconds::ZERO {
            frame.close_round(self.now, self.surplus);
        }
        let paused = frame.pause_count() > 0;
        let decides = frame.probe.is_some() || frame.readiness || frame.waits < self.waits.len();
        let waited = !frame.tools.is_empty() || frame.waits < self.waits.len();
        self.doubt_counts(&mut frame);
        if frame.hidden.is_some() && (paused || waited || frame.probe.is_some()) {
            // A wait inside runs nobody knows how often.
            let mut inner = self.waits.split_off(frame.waits.min(self.waits.len()));
            inner.retain(|wait| !wait.is_bounded());
            self.waits.append(&mut inner);
            self.undecided = None;
            let why = frame.hidden.clone().unwrap_or_default();
            self.unreadable(
                frame.at,
                format!("how long this loop waits cannot be told: {why}"),
            );
            self.keep_calls(frame);
            return self.leave(flow);
        }
        if flow == Flow::Spent && !frame.endless {
            self.keep_calls(frame);
            return flow;
        }
        self.tell_pauses(&mut frame, flow, paused || decides || waited);
        if self.frames.is_empty() && paused && !waited && frame.is_work() {
            self.keep_work(frame);
        } else if (paused && (decides || self.frames.is_empty()))
            || !frame.tools.is_empty()
            || (frame.endless && decides)
            || self.repeats_a_wait(&frame)
        {
            self.keep_wait(frame, flow);
        } else {
            self.hand_up(frame);
        }
        self.leave(flow)
    }

    /// A job in the background may end the loop, or a test of what a program of the container printed.
    fn doubt_counts(&mut self, frame: &mut Frame) {
        if let Some(why) = self.watchdog() {
            if std::mem::take(&mut frame.endless) {
                frame.hidden.get_or_insert_with(|| why.into());
            }
            frame.assumed = true;
        }
        if frame.probe.is_none() {
            return;
        }
        if let Some(why) = frame.counts.clone() {
            if std::mem::take(&mut frame.endless) {
                frame
                    .hidden
                    .get_or_insert_with(|| format!("{why}, and a test of it may end the loop").into());
            }
            frame.assumed = true;
        }
        frame.assumed |= frame.files_decide && frame.endless;
    }

    /// Says of a loop that something in it may pause for longer than is shown, where that changes how long it lasts.
    fn tell_pauses(&mut self, frame: &mut Frame, flow: Flow, waits: bool) {
        let decided = frame.endless || flow == Flow::Killed || frame.overshoot(self.now).is_some();
        let asked = |may: &MayPause| may.asks && frame.probe.is_none();
        let Some(may) = frame.may_pause.take().filter(|may| !decided && !asked(may)) else {
            return;
        };
        frame.assumed = true;
        match self.frames.last_mut() {
            Some(outer) => {
                outer.assumed = true;
                outer.may_pause.get_or_insert(may);
            }
            // A single round is no loop that lasts.
            None if !waits && frame.rounds < 2 => {}
            None => {
                let what = if waits { "waits" } else { "takes" };
                self.unreadable(
                    frame.at,
                    format!("how long this loop {what} cannot be told: {}", may.why),
                );
                for call in &mut frame.calls {
                    call.behind_unread = true;
                }
            }
        }
    }

    /// An exit inside the outermost loop ends the loop; the script is read on as if the dependency had come
    /// up in time.
    fn leave(&mut self, flow: Flow) -> Flow {
        if flow != Flow::Exit || self.in_loop() || self.doom.is_some() {
            return flow;
        }
        self.given_up += u32::from(self.exit_code != 0);
        self.leave_on_failure();
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
        outer.files_decide |= frame.files_decide;
        if outer.counts.is_none() {
            outer.counts = frame.counts;
        }
        outer.ends_when_refused |= frame.ends_when_refused;
        outer.reads_clock |= frame.reads_clock;
        outer.ready.extend(frame.ready);
        outer.fatal.extend(frame.fatal);
        if outer.hidden.is_none() && paused {
            outer.hidden = frame.hidden;
        }
    }

    /// A loop without a pause of its own around a loop that waits, for the same thing again and again.
    fn repeats_a_wait(&self, frame: &Frame) -> bool {
        match self.waits.get(frame.waits..) {
            Some([first, rest @ ..]) => {
                !rest.is_empty()
                    && rest
                        .iter()
                        .all(|wait| wait.place == first.place && wait.target == first.target)
            }
            _ => false,
        }
    }

    /// Work items with pauses between them: the loop takes its time, and waits for nobody.
    fn keep_work(&mut self, frame: Frame) {
        let paused: Seconds = frame
            .pauses
            .iter()
            .map(|(pause, count)| pause.times(*count))
            .sum();
        self.keep_pause(frame.at, Span::exactly(paused), frame.assumed);
        self.keep_calls(frame);
    }

    fn keep_calls(&mut self, frame: Frame) {
        for mut probe in frame.calls {
            probe.behind_unread |= frame.hidden.is_some();
            self.keep_call(probe);
        }
    }

    pub(super) fn keep_call(&mut self, probe: Probe) {
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
            let late = Seconds::new(i64::from(frame.clock.is_some_and(|check| check.late)));
            surplus = clock + late + frame.longest.1 - elapsed;
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
        let counted = frame.tools.is_empty() && clock.is_none() && !endless && !killed && frame.tries > 0;
        let mut arithmetic = arithmetic_text::of_loop(&arithmetic_text::Loop {
            span,
            clock: clock.map(|clock| (clock, frame.longest)),
            killed,
            pauses: if frame.pauses.is_empty() {
                &frame.tools
            } else {
                &frame.pauses
            },
            probe: frame.probe.as_ref(),
            probe_limit: frame.probe_limit(),
            probes: frame.probes,
            surplus,
        });
        if frame.ends_when_refused {
            arithmetic.push_str("; under `set -e` a refused connection ends it at once");
        }
        let wait = Wait {
            place: self.place(frame.at),
            target: frame.probe.as_ref().and_then(|probe| probe.target.clone()),
            tool: frame.tool_name.take().filter(|_| frame.pauses.is_empty()),
            span,
            attempts: counted.then_some(frame.tries),
            interval: frame.interval(),
            probe: frame.probe,
            falls_through: !endless && (flow != Flow::Exit || self.subshells > 0),
            ready_statuses: frame.ready,
            fatal_statuses: frame.fatal,
            confidence,
            arithmetic,
        };
        self.keep(wait);
    }

    pub(super) fn keep(&mut self, mut wait: Wait) {
        // A loop that counts nothing has no end, whatever the hidden text has set.
        if self.hidden == HiddenText::Here && wait.is_bounded() {
            wait.confidence = wait.confidence.min(ReadConfidence::Likely);
        }
        if self.waits.len() < MOST_FINDS {
            self.undecided = Some((self.waits.len(), self.branches));
            self.waits.push(wait);
        } else {
            self.overfull = true;
        }
    }

    /// A command that has nothing to do with the last wait: the script went on. In a branch that only a
    /// failure reaches, it may still end the script.
    pub(super) fn settle(&mut self) {
        if self
            .undecided
            .is_some_and(|(_, branches)| self.branches <= branches)
        {
            self.undecided = None;
            self.held.clear();
        }
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
    pub(super) fn read_case_codes(&mut self, arms: &[CaseArm]) {
        if !self
            .frames
            .last()
            .is_some_and(|frame| frame.ready.is_empty() && frame.fatal.is_empty())
        {
            return;
        }
        // The first arm that a status fits is its own.
        let mut open = STATUSES.to_vec();
        for arm in arms {
            let looks = look::list(&arm.body);
            self.charge(looks.size + arm.patterns.len());
            let mut codes = Vec::new();
            for pattern in arm.patterns.iter().filter_map(Word::bare) {
                match status_code(pattern) {
                    Some(code) => codes.push(code),
                    None if pattern != "*" => codes.extend(matched_by(pattern, &open)),
                    None => {}
                }
            }
            open.retain(|code| !codes.contains(code));
            if looks.leaves {
                self.codes.append(&mut codes);
                self.classify_codes(|| looks.fails);
            }
        }
    }
}

/// The statuses that a pattern is asked for: those that services which start, or refuse, do answer.
const STATUSES: [u16; 15] = [
    200, 201, 202, 204, 301, 302, 400, 401, 403, 404, 429, 500, 502, 503, 504,
];

/// The statuses among these that a pattern such as `4*` or `40[13]` stands for.
pub(super) fn matched_by<'c>(pattern: &'c str, among: &'c [u16]) -> impl Iterator<Item = u16> + 'c {
    let short = pattern.len() <= 16 && pattern.contains(['*', '?', '[']);
    let fits = move |code: &&u16| short && pattern::matches(pattern, &code.to_string());
    among.iter().filter(fits).copied()
}

/// The statuses that a pattern stands for, of all that are asked for.
pub(super) fn statuses_of(pattern: &str) -> impl Iterator<Item = u16> {
    matched_by(pattern, &STATUSES)
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
