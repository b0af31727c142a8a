//! A Job's timeline as a picture: one row per attempt, all on one time axis, with the clocks marked on it.

use super::bars::cells;
use anstyle::Style;

use super::paint::{BOLD, CYAN, DIM, GREEN, PLAIN, RED, YELLOW, paint};
use super::story::{Story, setting, verdict};
use crate::cli::terminal::Terminal;
use crate::engine::Seconds;
use crate::engine::timeline::{Attempt, EndedBy, Scenario, Timeline};

/// Rows that are drawn before the middle is cut out.
const MOST_ROWS: usize = 16;
/// Columns from which on an attempt is told in full words.
const ROOMY: usize = 90;
/// What stands before the axis, the sign of an attempt's end and the blank behind it.
const MARGIN: usize = 15;

/// Draws the timeline.
#[must_use]
pub fn draw(drawing: &Story<'_>, terminal: &Terminal) -> String {
    let Story {
        job,
        scenario,
        timeline: story,
        ..
    } = *drawing;
    let style = terminal.style();
    let short = terminal.width() < ROOMY;
    let said = |attempt: &Attempt| said(attempt, short);
    let beside = story.attempts.iter().map(|attempt| said(attempt).len());
    let beside = beside.max().unwrap_or(0).max("up at 9999 s".len());
    let width = terminal.width().saturating_sub(MARGIN + beside).max(20);
    let axis = Axis {
        end: axis_end(scenario, story),
        width,
    };
    let mut lines = vec![paint(&job.to_string(), BOLD, style)];
    let assumed = wrapped(vec![(setting(drawing), PLAIN)], terminal.width() - 2);
    lines.extend(assumed.into_iter().map(|(line, _)| format!("  {line}")));
    lines.push(String::new());
    if let Some(ready) = scenario.ready_after {
        lines.push(axis.marker("dependency", ready, &format!("up at {ready}"), terminal, GREEN));
    }
    let shown = story.attempts.len();
    for (index, attempt) in story.attempts.iter().enumerate() {
        if shown > MOST_ROWS && index == MOST_ROWS / 2 {
            lines.push(format!("  ... {} more attempts ...", shown - MOST_ROWS));
        }
        if shown <= MOST_ROWS || index < MOST_ROWS / 2 || index >= shown - MOST_ROWS / 2 {
            lines.push(axis.attempt(attempt, &said(attempt), terminal));
        }
    }
    if story.attempts.is_empty() {
        lines.push("  no container ever starts".to_owned());
    }
    lines.push(axis.ruler(terminal));
    for (name, clock) in [("deadline", scenario.deadline), ("release", scenario.release)] {
        if let Some(at) = clock {
            lines.push(axis.marker(name, at, &at.to_string(), terminal, CYAN));
        }
    }
    lines.push(String::new());
    let words = wrapped(verdict(drawing), terminal.width());
    lines.extend(
        words
            .into_iter()
            .map(|(line, colour)| paint(&line, colour, style)),
    );
    lines.join("\n")
}

struct Axis {
    end: Seconds,
    width: usize,
}

impl Axis {
    fn column(&self, at: Seconds) -> usize {
        if at <= Seconds::ZERO {
            0
        } else {
            cells(at, self.end, self.width)
        }
    }

    fn attempt(&self, attempt: &Attempt, said: &str, terminal: &Terminal) -> String {
        let style = terminal.style();
        let start = self.column(attempt.start);
        let end = attempt.end.map_or(self.width, |end| self.column(end));
        let length = end.saturating_sub(start);
        let (sign, colour) = match attempt.ended_by {
            EndedBy::Success => ("\u{2713}", GREEN),
            EndedBy::Failure => ("\u{2717}", RED),
            EndedBy::Retries | EndedBy::Deadline => ("\u{2020}", RED),
            EndedBy::Nothing => ("\u{2026}", YELLOW),
        };
        let run = "\u{2588}".repeat(length.min(self.width - start.min(self.width)));
        let pad = self.width.saturating_sub(start + length);
        let number = format!("#{:<3}", attempt.number);
        let (what, logs) = said.rsplit_once(", ").unwrap_or((said, ""));
        format!(
            "  {number:<10} {}{}{}{} {what}, {}",
            " ".repeat(start.min(self.width)),
            paint(&run, DIM, style),
            paint(sign, colour, style),
            " ".repeat(pad),
            paint(logs, if attempt.logs_kept { GREEN } else { YELLOW }, style),
        )
    }

    fn marker(
        &self,
        name: &str,
        at: Seconds,
        said: &str,
        terminal: &Terminal,
        colour: anstyle::Style,
    ) -> String {
        let style = terminal.style();
        if at > self.end {
            return format!("  {name:<10} {} {said}", " ".repeat(self.width) + ">");
        }
        let column = self.column(at);
        let pad = " ".repeat(self.width - column);
        format!(
            "  {name:<10} {}{}{pad} {said}",
            "\u{b7}".repeat(column),
            paint("\u{2502}", colour, style)
        )
    }

    fn ruler(&self, terminal: &Terminal) -> String {
        let step = nice_step(self.end, self.width / 10);
        let mut line = vec!['\u{2500}'; self.width + 1];
        let mut labels = vec![' '; self.width + 9];
        let mut at = Seconds::ZERO;
        while at <= self.end {
            let column = self.column(at);
            line[column] = '\u{253c}';
            for (offset, letter) in label(at).chars().enumerate() {
                if let Some(cell) = labels.get_mut(column + offset) {
                    *cell = letter;
                }
            }
            at = at + step;
        }
        let text = |cells: Vec<char>| cells.into_iter().collect::<String>().trim_end().to_owned();
        let style = terminal.style();
        format!(
            "  {:<10} {}\n  {:<10} {}",
            "",
            paint(&text(line), DIM, style),
            "",
            paint(&text(labels), DIM, style)
        )
    }
}

/// An attempt in words; a narrow terminal leaves the axis more room than the words.
fn said(attempt: &Attempt, short: bool) -> String {
    let word = match attempt.ended_by {
        EndedBy::Retries | EndedBy::Deadline if short => "killed",
        EndedBy::Success => "succeeds",
        EndedBy::Failure => "fails",
        EndedBy::Retries => "killed: limit",
        EndedBy::Deadline => "killed: deadline",
        EndedBy::Nothing => "goes on",
    };
    let span = match attempt.end {
        Some(end) if end > attempt.start => format!("{}..{}", attempt.start.whole(), end),
        _ => attempt.start.to_string(),
    };
    let logs = match (attempt.logs_kept, short) {
        (true, true) => "kept",
        (false, true) => "lost",
        (true, false) => "logs kept",
        (false, false) => "logs lost",
    };
    format!("{span} {word}, {logs}")
}

/// A step between ticks that people count in.
pub(super) fn nice_step(end: Seconds, most_ticks: usize) -> Seconds {
    let steps = [
        1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 86_400,
    ];
    let most = u64::try_from(most_ticks.max(2)).unwrap_or(2);
    let fits = |step: &Seconds| end.fits(*step) <= most;
    steps
        .into_iter()
        .map(Seconds::new)
        .find(fits)
        .unwrap_or_else(|| Seconds::new(end.whole() / 4 + 1))
}

/// `45s`, `5m`, `1h30m`.
pub(super) fn label(at: Seconds) -> String {
    let text = at.to_go();
    if at == Seconds::ZERO {
        return "0".to_owned();
    }
    let text = text
        .strip_suffix("m0s")
        .map_or(text.clone(), |minutes| format!("{minutes}m"));
    text.strip_suffix("h0m")
        .map_or(text.clone(), |hours| format!("{hours}h"))
}

/// The axis ends a little behind the last thing that happens; clocks far behind it do not stretch it.
pub(super) fn axis_end(scenario: &Scenario, story: &Timeline) -> Seconds {
    let last = story
        .attempts
        .iter()
        .filter_map(|a| a.end.or(Some(a.start)))
        .max();
    let own = story
        .after_release
        .map_or(story.ends_at_lower, |after| after.ends_at);
    let events = [
        last,
        own.seconds(),
        story.ends_at_lower.seconds(),
        scenario.ready_after,
    ];
    let end = events
        .into_iter()
        .flatten()
        .max()
        .unwrap_or(Seconds::ZERO)
        .max(Seconds::new(10));
    let clocks = [scenario.deadline, scenario.release];
    let near = clocks
        .into_iter()
        .flatten()
        .filter(|clock| *clock <= end.times(4))
        .max();
    near.unwrap_or(end).max(end)
}

/// Lines that are longer than the terminal, broken between words.
fn wrapped(lines: Vec<(String, Style)>, width: usize) -> Vec<(String, Style)> {
    let mut broken: Vec<(String, Style)> = Vec::new();
    for (line, colour) in lines {
        let mut row = String::new();
        for word in line.split(' ') {
            if !row.is_empty() && row.chars().count() + 1 + word.chars().count() > width {
                broken.push((std::mem::replace(&mut row, "  ".to_owned()), colour));
            }
            if !row.trim().is_empty() {
                row.push(' ');
            }
            row.push_str(word);
        }
        broken.push((row, colour));
    }
    broken
}
