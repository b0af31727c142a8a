//! `timeout DURATION COMMAND`: a limit around whatever runs inside.

use super::super::duration;
use super::super::reading::{ReadConfidence, Target, Wait};
use super::super::value::{Status, Value};
use super::{Flow, Machine};
use crate::engine::{Limit, Seconds, Span};

impl Machine<'_> {
    /// `timeout [OPTION].. DURATION COMMAND`; busybox once wrote the duration as `-t SECONDS`.
    pub(super) fn timeout(&mut self, at: usize, arguments: &[Value]) -> Flow {
        let mut rest = arguments;
        let mut span = None;
        while let Some((first, after)) = rest.split_first() {
            match first.get() {
                Some("-t") => {
                    span = after.first().cloned();
                    rest = after.get(1..).unwrap_or_default();
                    break;
                }
                Some("-k" | "-s" | "--kill-after" | "--signal") => rest = after.get(1..).unwrap_or_default(),
                Some(flag) if flag.starts_with('-') => rest = after,
                _ => {
                    span = Some(first.clone());
                    rest = after;
                    break;
                }
            }
        }
        let Some(span) = span else {
            self.status = Status::Failure(125);
            return Flow::Next;
        };
        match span.get().and_then(duration::seconds) {
            // 0 switches the limit off.
            Some(Seconds::ZERO) => self.dispatch(at, rest),
            Some(limit) => {
                if span.assumed {
                    for frame in &mut self.frames {
                        frame.assumed = true;
                    }
                }
                let waits = self.waits.len();
                let flow = self.within(at, limit, rest);
                for wait in self.waits.iter_mut().skip(waits).filter(|_| span.assumed) {
                    wait.confidence = wait.confidence.min(ReadConfidence::Likely);
                }
                flow
            }
            None => {
                let why = span.unknown.as_deref().unwrap_or("it is no number");
                let why = format!("the limit of `timeout {}` is not shown: {why}", span.text);
                self.unreadable(at, why);
                // What runs inside is bounded by a limit that is not shown: nothing of it is certain.
                let waits = self.waits.len();
                let flow = self.dispatch(at, rest);
                self.waits.truncate(waits);
                flow
            }
        }
    }

    /// Runs a command that is killed after `limit`.
    fn within(&mut self, at: usize, limit: Seconds, command: &[Value]) -> Flow {
        let (start, surplus, limitless) = (self.now, self.surplus, self.limitless);
        let (outer_deadline, outer_cap, waits) = (self.deadline, self.cap, self.waits.len());
        let mine = start + limit;
        self.deadline = Some(outer_deadline.map_or(mine, |outer| outer.min(mine)));
        self.cap = Some(outer_cap.map_or(limit, |outer| outer.min(limit)));
        let flow = self.dispatch(at, command);
        let elapsed = self.now - start;
        (self.deadline, self.cap) = (outer_deadline, outer_cap);
        let room = limit.minus_or_zero(elapsed);
        if self.limitless > limitless {
            self.surplus = surplus + room;
            self.limitless = limitless;
        } else {
            self.surplus = self.surplus.min(surplus + room);
        }
        self.hidden_wait_within(at, limit, command, waits);
        for wait in self.waits.iter_mut().skip(waits) {
            let killed = flow == Flow::Killed;
            wait.span = Span::between(wait.span.nominal, wait.span.worst.min(Limit::At(limit)));
            if killed && !wait.arithmetic.contains("timeout") {
                wait.arithmetic = format!("timeout {limit}");
            }
        }
        if flow == Flow::Killed && outer_deadline.is_none_or(|outer| self.now < outer) {
            self.status = Status::Failure(124);
            return Flow::Next;
        }
        flow
    }

    /// `timeout 600 /scripts/wait-for-db.sh`: nobody sees how it waits, but its limit is there.
    fn hidden_wait_within(&mut self, at: usize, limit: Seconds, command: &[Value], waits: usize) {
        let waiting = |word: &&Value| word.text.to_ascii_lowercase().contains("wait");
        if self.in_loop() || self.waits.len() > waits || !self.unread_ahead() {
            return;
        }
        let Some(name) = command.iter().find(waiting).filter(|word| word.text.len() < 80) else {
            return;
        };
        let target = Target {
            text: name.text.as_str().to_owned(),
            host: None,
            port: None,
        };
        self.keep(Wait {
            place: self.place(at),
            target: Some(target),
            tool: Some("timeout".into()),
            span: Span::exactly(limit),
            attempts: None,
            interval: None,
            probe: None,
            falls_through: !self.errexit || self.in_condition > 0,
            ready_statuses: Vec::new(),
            fatal_statuses: Vec::new(),
            confidence: ReadConfidence::Possible,
            arithmetic: format!("timeout {limit}"),
        });
    }
}
