//! The exposition, in pieces: Prometheus' text format 0.0.4 and OpenMetrics 1.0.0.

use std::sync::Arc;

use super::families::FAMILIES;
use super::family::{Family, Samples, Source, Type};
use crate::index::Snapshot;

/// A piece is handed on when it has this size: large enough for few system calls, small enough that a scrape of
/// a million series costs no memory to speak of.
const PIECE: usize = 64 * 1024;

/// The format of an exposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format.
    Text,
    /// OpenMetrics.
    OpenMetrics,
}

impl Format {
    /// What an `Accept` header asks for.
    #[must_use]
    pub fn accepted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }

    /// The `Content-Type` of the answer.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The text of a snapshot, piece by piece.
#[derive(Debug)]
pub struct Exposition {
    snapshot: Arc<Snapshot>,
    format: Format,
    family: usize,
    job: usize,
    done: bool,
}

impl Exposition {
    /// The exposition of a snapshot.
    #[must_use]
    pub const fn new(snapshot: Arc<Snapshot>, format: Format) -> Self {
        Self {
            snapshot,
            format,
            family: 0,
            job: 0,
            done: false,
        }
    }

    fn head(&self, family: &Family, text: &mut String) {
        let name = match (self.format, family.kind) {
            (Format::OpenMetrics, Type::Counter) => family.name.trim_end_matches("_total"),
            _ => family.name,
        };
        text.extend(["# HELP ", name, " ", family.help, "\n"]);
        text.extend(["# TYPE ", name, " ", family.kind.as_str(), "\n"]);
        if let (Format::OpenMetrics, Some(unit)) = (self.format, family.unit) {
            text.extend(["# UNIT ", name, " ", unit, "\n"]);
        }
    }

    /// Writes on until the family is complete (true) or the piece is large enough (false).
    fn family(&mut self, family: &Family, text: &mut String) -> bool {
        if self.job == 0 {
            self.head(family, text);
        }
        let snapshot = &*self.snapshot;
        let mut samples = Samples {
            name: family.name,
            text,
        };
        match family.source {
            Source::All(write) => write(snapshot, &mut samples),
            Source::Job(write) => {
                while let Some(job) = snapshot.jobs.get(self.job) {
                    write(job, snapshot.now, &mut samples);
                    self.job += 1;
                    if samples.text.len() >= PIECE {
                        return false;
                    }
                }
            }
        }
        true
    }
}

impl Iterator for Exposition {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        if self.done {
            return None;
        }
        let mut text = String::with_capacity(PIECE + 1024);
        while let Some(family) = FAMILIES.get(self.family) {
            if !self.family(family, &mut text) {
                return Some(text);
            }
            self.family += 1;
            self.job = 0;
            if text.len() >= PIECE {
                return Some(text);
            }
        }
        if self.format == Format::OpenMetrics {
            text.push_str("# EOF\n");
        }
        self.done = true;
        Some(text)
    }
}
