//! What a check found: lines of three levels, each with the remedy.

use serde::Serialize;

use crate::cli::render::paint::{BOLD, DIM, GREEN, RED, YELLOW, paint};
use crate::cli::terminal::Terminal;

/// How bad a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// It works, but not for long, or not in every case, or it could not be looked at.
    Warn,
    /// It does not work.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    pub(super) area: &'static str,
    pub(super) level: Level,
    pub(super) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
}

/// All lines.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    version: u32,
    checks: Vec<Line>,
    summary: Summary,
}

#[derive(Debug, Default, Serialize)]
struct Summary {
    ok: usize,
    warn: usize,
    fail: usize,
}

impl Report {
    pub(super) fn new() -> Self {
        Self {
            version: 1,
            ..Self::default()
        }
    }

    /// The lines of one area, which adds them by this.
    pub(super) const fn area(&mut self, area: &'static str) -> Area<'_> {
        Area { area, report: self }
    }

    /// Puts the lines of another report after these.
    pub(super) fn append(&mut self, other: Self) {
        self.checks.extend(other.checks);
        self.summary.ok += other.summary.ok;
        self.summary.warn += other.summary.warn;
        self.summary.fail += other.summary.fail;
    }

    /// Whether anything fails.
    pub(super) const fn fails(&self) -> bool {
        self.summary.fail > 0
    }

    #[cfg(test)]
    pub(super) fn found(&self) -> Vec<(Level, &str)> {
        self.checks
            .iter()
            .map(|line| (line.level, line.message.as_str()))
            .collect()
    }

    pub(super) fn print(&self, terminal: &mut Terminal) -> std::io::Result<()> {
        let style = terminal.style();
        let mut area = "";
        for line in &self.checks {
            if line.area != area {
                area = line.area;
                terminal.line(paint(area, BOLD, style))?;
            }
            let level = match line.level {
                Level::Ok => paint("ok  ", GREEN, style),
                Level::Warn => paint("warn", YELLOW, style),
                Level::Fail => paint("fail", RED, style),
            };
            terminal.line(format!("  {level}  {}", line.message))?;
            if let Some(remedy) = &line.remedy {
                terminal.line(format!("        {}", paint(&format!("-> {remedy}"), DIM, style)))?;
            }
        }
        let Summary { ok, warn, fail } = self.summary;
        terminal.line(format!("{ok} ok, {warn} warn, {fail} fail"))
    }
}

/// Adds lines to an area.
pub(super) struct Area<'a> {
    area: &'static str,
    report: &'a mut Report,
}

impl Area<'_> {
    pub(super) fn ok(&mut self, message: impl Into<String>) {
        self.report.summary.ok += 1;
        self.add(Level::Ok, message.into(), None);
    }

    pub(super) fn warn(&mut self, message: impl Into<String>, remedy: impl Into<String>) {
        self.report.summary.warn += 1;
        self.add(Level::Warn, message.into(), Some(remedy.into()));
    }

    pub(super) fn fail(&mut self, message: impl Into<String>, remedy: impl Into<String>) {
        self.report.summary.fail += 1;
        self.add(Level::Fail, message.into(), Some(remedy.into()));
    }

    fn add(&mut self, level: Level, message: String, remedy: Option<String>) {
        self.report.checks.push(Line {
            area: self.area,
            level,
            message,
            remedy,
        });
    }
}
