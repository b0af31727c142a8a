//! The ends of the logs of a Job's containers, one per run, within a fixed size.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;

use super::change::{LogKey, LogLine};
use crate::engine::evidence::LogTail;
use crate::engine::hide;
use crate::engine::pattern::Pattern;
use crate::engine::pem::{PemBlock, PemLine, is_body};
use crate::engine::redact::{HIDDEN, redact_with};

/// Lines kept per run.
const LINES: usize = 40;
/// Bytes kept per run.
const BYTES: usize = 16 * 1024;
/// Bytes kept of one line.
const LINE_BYTES: usize = 2 * 1024;
/// Runs kept per Job: the first ones go first.
const TAILS: usize = 24;

/// The tails of one Job.
#[derive(Debug, Default)]
pub(super) struct Logs {
    tails: BTreeMap<LogKey, Tail>,
    /// Logs whose lines are from before this process, until they are asked for again.
    restored: BTreeSet<LogKey>,
}

#[derive(Debug, Default)]
struct Tail {
    lines: VecDeque<String>,
    bytes: usize,
    truncated: bool,
    last_line: Option<Timestamp>,
    captured: Option<Timestamp>,
    complete: bool,
    asked_previous: bool,
    /// Where the next line stands: keys and certificates go over several of them.
    block: PemBlock,
}

impl Logs {
    /// Tails that were read before this process began.
    pub(super) fn restored(namespace: &str, tails: Vec<LogTail>) -> Self {
        let tails = tails.into_iter().take(TAILS).map(|tail| {
            let key = LogKey {
                namespace: namespace.to_owned(),
                pod: tail.pod,
                container: tail.container,
                attempt: tail.attempt,
            };
            let tail = Tail {
                bytes: tail.lines.iter().map(String::len).sum(),
                complete: tail.lines.is_empty(),
                lines: tail.lines.into(),
                truncated: tail.truncated,
                last_line: tail.last_line,
                captured: tail.captured,
                ..Tail::default()
            };
            (key, tail)
        });
        let tails: BTreeMap<_, _> = tails.collect();
        Self {
            restored: tails.keys().cloned().collect(),
            tails,
        }
    }

    /// How many runs there are lines of, and how many of them are read to their end.
    pub(super) fn runs(&self) -> (usize, usize) {
        let read = self.tails.values().filter(|tail| !tail.lines.is_empty());
        let whole = self.tails.values().filter(|tail| tail.complete);
        (read.count(), whole.count())
    }

    /// Notes that a log has been asked for; true if it has not been before.
    pub(super) fn ask(&mut self, key: &LogKey) -> bool {
        if self.tails.contains_key(key) {
            return self.restored.remove(key);
        }
        self.make_room();
        self.tails.insert(key.clone(), Tail::default());
        true
    }

    /// Notes that the log of a run that is over has been asked for; true if that is worth while and new.
    pub(super) fn ask_previous(&mut self, key: &LogKey) -> bool {
        self.ask(key);
        let Some(tail) = self.tails.get_mut(key) else {
            return false;
        };
        let worth = !tail.asked_previous && (!tail.complete || tail.lines.is_empty());
        tail.asked_previous = true;
        worth
    }

    /// True when a log has been read to its end.
    pub(super) fn is_complete(&self, key: &LogKey) -> bool {
        self.tails.get(key).is_some_and(|tail| tail.complete)
    }

    /// Adds lines, redacted, also by the policy's patterns.
    pub(super) fn add(&mut self, key: LogKey, lines: Vec<LogLine>, patterns: &[Pattern], now: Timestamp) {
        if !self.tails.contains_key(&key) {
            self.make_room();
        }
        let tail = self.tails.entry(key).or_default();
        // A stream that was cut starts again with lines that are known; the times tell them apart.
        let known = tail.last_line;
        for line in lines {
            if line.at.is_some() && line.at <= known {
                continue;
            }
            tail.push(&line, patterns);
        }
        tail.captured = Some(now);
    }

    /// Hides in all lines what patterns match that were not there when the lines came.
    pub(super) fn hide(&mut self, patterns: &[Pattern]) {
        for tail in self.tails.values_mut() {
            tail.hide(patterns);
        }
    }

    /// Notes that a log has been read to its end.
    pub(super) fn finish(&mut self, key: LogKey, now: Timestamp) {
        let tail = self.tails.entry(key).or_default();
        tail.complete = true;
        tail.captured.get_or_insert(now);
    }

    /// True when no line of this run is known.
    pub(super) fn is_empty_for(&self, key: &LogKey) -> bool {
        self.tails.get(key).is_none_or(|tail| tail.lines.is_empty())
    }

    /// The tails that hold lines, and those of runs that were read to their end and wrote none.
    pub(super) fn records(&self) -> Vec<LogTail> {
        self.tails
            .iter()
            .filter(|(_, tail)| tail.complete || !tail.lines.is_empty())
            .map(|(key, tail)| LogTail {
                pod: key.pod.clone(),
                container: key.container.clone(),
                attempt: key.attempt,
                lines: tail.lines.iter().cloned().collect(),
                last_line: tail.last_line,
                captured: tail.captured,
                truncated: tail.truncated,
            })
            .collect()
    }

    fn make_room(&mut self) {
        if self.tails.len() < TAILS {
            return;
        }
        let oldest = self
            .tails
            .iter()
            .min_by_key(|(key, tail)| (tail.last_line.or(tail.captured), key.attempt))
            .map(|(key, _)| key.clone());
        if let Some(key) = oldest {
            self.tails.remove(&key);
        }
    }
}

impl Tail {
    fn push(&mut self, line: &LogLine, patterns: &[Pattern]) {
        let cut = line.text.floor_char_boundary(LINE_BYTES);
        self.truncated |= cut < line.text.len();
        let raw = &line.text[..cut];
        let text = match self.block.next(raw) {
            PemLine::Inside => HIDDEN.to_owned(),
            PemLine::Outside => redact_with(raw, patterns).into_owned(),
            PemLine::EndAlone => {
                self.hide_body();
                redact_with(raw, patterns).into_owned()
            }
        };
        self.bytes += text.len();
        self.lines.push_back(text);
        while self.lines.len() > LINES || self.bytes > BYTES {
            let Some(old) = self.lines.pop_front() else { break };
            self.bytes -= old.len();
            self.truncated = true;
        }
        self.last_line = line.at.or(self.last_line);
    }

    /// Hides what was kept of a block whose beginning is not there: a tail begins anywhere.
    fn hide_body(&mut self) {
        let mut last = true;
        for line in self.lines.iter_mut().rev() {
            if !is_body(line, last) {
                break;
            }
            last = false;
            self.bytes -= line.len();
            HIDDEN.clone_into(line);
            self.bytes += line.len();
        }
    }

    /// Hides what patterns match that were not there when the lines came.
    fn hide(&mut self, patterns: &[Pattern]) {
        for line in &mut self.lines {
            self.bytes -= line.len();
            hide::text(line, patterns);
            self.bytes += line.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, at: Option<&str>) -> LogLine {
        LogLine {
            at: at.map(|at| at.parse().expect("a time")),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_tail_keeps_the_last_lines_within_its_size() {
        let mut logs = Logs::default();
        let lines = (0..100)
            .map(|i| line(&format!("{i} {}", "x".repeat(1000)), None))
            .collect();
        logs.add(LogKey::default(), lines, &[], Timestamp::UNIX_EPOCH);
        let tail = &logs.records()[0];
        assert!(tail.truncated);
        assert!(tail.lines.iter().map(String::len).sum::<usize>() <= BYTES);
        assert!(tail.lines.last().expect("a line").starts_with("99 "));
    }

    #[test]
    fn a_key_over_several_lines_is_hidden_wherever_the_tail_begins() {
        let key = "starts\n-----BEGIN RSA PRIVATE KEY-----\nTtkMkPEPpIVtSDbn0gB\nlpHPPlkFlMzC7AfF6uRuS8XT2\nq8w=\n-----END RSA PRIVATE KEY-----\ndone";
        let all: Vec<_> = key.lines().map(|text| line(text, None)).collect();
        for from in 0..all.len() {
            let mut logs = Logs::default();
            for part in all[from..].chunks(2) {
                logs.add(LogKey::default(), part.to_vec(), &[], Timestamp::UNIX_EPOCH);
            }
            let kept = logs.records()[0].lines.join("\n");
            for part in ["TtkMk", "lpHPP", "q8w"] {
                assert!(!kept.contains(part), "from line {from}: {kept}");
            }
            assert!(kept.ends_with("done"), "{kept}");
            assert_eq!(kept.contains("starts"), from == 0, "{kept}");
        }
    }

    #[test]
    fn lines_that_come_twice_are_kept_once() {
        let mut logs = Logs::default();
        let first = line("a", Some("2026-11-21T10:00:00Z"));
        let second = line("b", Some("2026-11-21T10:00:01Z"));
        logs.add(LogKey::default(), vec![first.clone()], &[], Timestamp::UNIX_EPOCH);
        logs.add(LogKey::default(), vec![first, second], &[], Timestamp::UNIX_EPOCH);
        assert_eq!(logs.records()[0].lines, ["a", "b"]);
    }
}
