//! What is learnt about a loop while it runs.

use std::borrow::Cow;
use std::rc::Rc;

use super::super::reading::Probe;
use super::pauses::MayPause;
use crate::engine::{Limit, Seconds};

/// A loop that runs.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::struct_excessive_bools)] // marks that do not exclude each other
pub(super) struct Frame {
    pub at: usize,
    /// When an enclosing `timeout` ends it.
    pub deadline: Option<Seconds>,
    pub start: Seconds,
    pub surplus: Seconds,
    pub limitless: u32,
    /// How many waits were known before.
    pub waits: usize,
    /// Pauses per round, equal neighbours counted together.
    pub pauses: Vec<(Seconds, u64)>,
    /// Pause in the round at hand.
    pub pause: Seconds,
    /// What tools wait by themselves, per round, as `pauses`; and in the round at hand.
    pub tools: Vec<(Seconds, u64)>,
    pub tool: Seconds,
    /// The last one of them.
    pub tool_name: Option<Cow<'static, str>>,
    /// Its rounds are work items: nothing in it leaves when a call works.
    pub works_on_items: bool,
    /// Rounds with a probe.
    pub tries: u64,
    pub tried: bool,
    /// Probes in the round at hand and at most in any round.
    pub probes: u64,
    pub probe: Option<Probe>,
    /// How long a probe hangs at most, where something ends it.
    pub hangs: Option<Seconds>,
    /// All calls of network services inside.
    pub calls: Vec<Probe>,
    /// Something that is no network probe decides: a program, a file.
    pub readiness: bool,
    pub ready: Vec<u16>,
    pub fatal: Vec<u16>,
    /// The last comparison with the clock.
    pub clock: Option<ClockCheck>,
    /// The clock was read.
    pub reads_clock: bool,
    pub assumed: bool,
    /// It may last longer than its own pauses say.
    pub may_pause: Option<MayPause>,
    /// Something that a program of the container printed decides: it may be what the script counts.
    pub counts: Option<Rc<str>>,
    /// A file decides, or what stands in one.
    pub files_decide: bool,
    /// Why its bound is not known.
    pub hidden: Option<Rc<str>>,
    pub endless: bool,
    /// Its rounds are alike from here on, and nothing ends them.
    pub repeats: bool,
    /// Under `set -e` a refused connection ends it in the first round.
    pub ends_when_refused: bool,
    /// The longest round: its own time, and with hanging probes.
    pub longest: (Seconds, Seconds),
    /// Where the round at hand began.
    pub round: (Seconds, Seconds),
    pub rounds: u64,
    /// How many of them were not played.
    pub skipped: u64,
}

/// A comparison of a number with the clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ClockCheck {
    /// How it ended when it was made first.
    pub first: bool,
    /// How it ended last.
    pub last: bool,
    /// By how many seconds the two sides differed last.
    pub gap: i64,
    /// When that was.
    pub at: Seconds,
    /// It ends a second after the two sides are equal, as `-gt` does.
    pub late: bool,
}

impl Frame {
    pub(super) fn new(at: usize, start: Seconds, surplus: Seconds, limitless: u32, waits: usize) -> Self {
        Self {
            at,
            deadline: None,
            start,
            surplus,
            limitless,
            waits,
            pauses: Vec::new(),
            pause: Seconds::ZERO,
            tools: Vec::new(),
            tool: Seconds::ZERO,
            tool_name: None,
            works_on_items: false,
            tries: 0,
            tried: false,
            probes: 0,
            probe: None,
            hangs: None,
            calls: Vec::new(),
            readiness: false,
            ready: Vec::new(),
            fatal: Vec::new(),
            clock: None,
            reads_clock: false,
            assumed: false,
            may_pause: None,
            counts: None,
            files_decide: false,
            hidden: None,
            endless: false,
            repeats: false,
            ends_when_refused: false,
            longest: (Seconds::ZERO, Seconds::ZERO),
            round: (start, surplus),
            rounds: 0,
            skipped: 0,
        }
    }

    /// A round is over.
    pub(super) fn close_round(&mut self, now: Seconds, surplus: Seconds) {
        self.rounds += 1;
        let own = now - self.round.0;
        let worst = own + (surplus - self.round.1);
        self.longest = (self.longest.0.max(own), self.longest.1.max(worst));
        self.round = (now, surplus);
        self.tries += u64::from(self.tried);
        self.tried = false;
        count(&mut self.pauses, std::mem::take(&mut self.pause));
        count(&mut self.tools, std::mem::take(&mut self.tool));
    }

    /// True when each round calls somebody else, and none leaves the loop because the call has worked.
    pub(super) fn is_work(&self) -> bool {
        let varies = |one: &Probe| {
            let same_place = self.calls.iter().filter(|other| other.place == one.place);
            same_place.clone().any(|other| other.target != one.target)
        };
        self.works_on_items && self.calls.iter().any(varies)
    }

    /// How many rounds paused.
    pub(super) fn pause_count(&self) -> u64 {
        self.pauses.iter().map(|(_, count)| count).sum()
    }

    /// The pause of every round, when it is always the same.
    pub(super) fn interval(&self) -> Option<Seconds> {
        match self.pauses.as_slice() {
            [(pause, _)] => Some(*pause),
            _ => None,
        }
    }

    pub(super) fn note_probe(&mut self, probe: &Probe) {
        self.tried = true;
        self.probes += 1;
        if self
            .probe
            .as_ref()
            .is_none_or(|known| known.target.is_none() && probe.target.is_some())
        {
            self.probe = Some(probe.clone());
        }
        if self.calls.len() < 16 && !self.calls.contains(probe) {
            self.calls.push(probe.clone());
        }
    }

    pub(super) fn note_clock(&mut self, outcome: bool, gap: i64, late: bool, at: Seconds) {
        let first = self.clock.map_or(outcome, |check| check.first);
        self.clock = Some(ClockCheck {
            first,
            last: outcome,
            gap,
            at,
            late,
        });
    }

    /// By how much the clock was passed when the loop ended, if the clock ended it.
    pub(super) fn overshoot(&self, now: Seconds) -> Option<Seconds> {
        let check = self.clock?;
        let ended = check.at == now && check.first != check.last;
        ended.then(|| Seconds::new(check.gap.saturating_abs()))
    }

    /// The limit of its probe.
    pub(super) fn probe_limit(&self) -> Option<Seconds> {
        match self.probe.as_ref()?.limit {
            Limit::At(limit) => Some(limit),
            Limit::Never => self.hangs,
        }
    }
}

/// Counts equal neighbours together.
fn count(list: &mut Vec<(Seconds, u64)>, span: Seconds) {
    if span <= Seconds::ZERO {
        return;
    }
    if let Some((_, count)) = list.last_mut().filter(|(last, _)| *last == span) {
        *count += 1;
    } else if list.len() < 64 {
        list.push((span, 1));
    }
}
