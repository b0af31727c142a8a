//! The exposition, in pieces: Prometheus' text format 0.0.4 and OpenMetrics 1.0.0.

use std::sync::Arc;

use super::family::{Family, Samples, Source, Type};
use super::selection::Selection;
use crate::index::{OwnerView, Snapshot, push_label_pairs};

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
    selection: Selection,
    /// The labels that name each Job, and each owner: once for all families, side by side.
    jobs: Labels,
    owners: Labels,
    family: usize,
    /// The Job or the owner that comes next.
    next: usize,
    done: bool,
}

impl Exposition {
    /// The exposition of a snapshot, every family of it.
    #[must_use]
    pub fn new(snapshot: Arc<Snapshot>, format: Format) -> Self {
        Self::of(snapshot, format, Selection::default())
    }

    /// The exposition of a snapshot, as far as somebody wants it.
    #[must_use]
    pub fn of(snapshot: Arc<Snapshot>, format: Format, selection: Selection) -> Self {
        let wants = |is: fn(&Source) -> bool| selection.families().iter().any(|family| is(&family.source));
        // Where no family of Jobs is wanted, nothing is written of any.
        let jobs = if wants(|source| matches!(source, Source::Job(_))) {
            snapshot.jobs.as_slice()
        } else {
            &[]
        };
        let owners = if wants(|source| matches!(source, Source::Owner(_))) {
            snapshot.owners.as_slice()
        } else {
            &[]
        };
        let jobs = jobs.iter().map(|job| {
            let key = &*job.key;
            [("namespace", &*key.namespace), ("job_name", &*key.name)]
        });
        let owners = owners.iter().map(|(key, _)| {
            [
                ("namespace", key.namespace.as_str()),
                ("owner_kind", &key.kind),
                ("owner_name", &key.name),
            ]
        });
        Self {
            jobs: Labels::of(jobs),
            owners: Labels::of(owners),
            snapshot,
            format,
            selection,
            family: 0,
            next: 0,
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
        if self.next == 0 {
            self.head(family, text);
        }
        let snapshot = &*self.snapshot;
        let lead = format!("{}{{", family.name);
        let mut samples = Samples {
            name: family.name,
            lead: &lead,
            of: "",
            text,
        };
        match family.source {
            Source::All(write) => {
                write(snapshot, &mut samples);
                true
            }
            Source::Job(write) => each(&snapshot.jobs, &self.jobs, &mut self.next, samples, |job, out| {
                write(job, snapshot, out);
            }),
            Source::Owner(write) => {
                let write = |(_, owner): &(_, Arc<OwnerView>), out: &mut Samples<'_>| write(owner, out);
                each(&snapshot.owners, &self.owners, &mut self.next, samples, write)
            }
        }
    }
}

/// Writes on from `next`, until all are written (true) or the piece is large enough (false).
fn each<'l, T>(
    all: &[T],
    labels: &'l Labels,
    next: &mut usize,
    mut samples: Samples<'l>,
    write: impl Fn(&T, &mut Samples<'_>),
) -> bool {
    let rest = all.get(*next..).unwrap_or_default();
    for one in rest {
        samples.of = labels.get(*next);
        write(one, &mut samples);
        *next += 1;
        if samples.text.len() >= PIECE {
            return false;
        }
    }
    true
}

/// Lists of labels in one text, each with a comma behind it, so that a family that is written walks through memory in one direction.
#[derive(Debug)]
struct Labels {
    text: String,
    ends: Vec<u32>,
}

impl Labels {
    fn of<'s, const N: usize>(lists: impl ExactSizeIterator<Item = [(&'static str, &'s str); N]>) -> Self {
        let mut labels = Self {
            text: String::with_capacity(lists.len() * 64),
            ends: Vec::with_capacity(lists.len()),
        };
        for pairs in lists {
            push_label_pairs(&mut labels.text, &pairs);
            labels.text.push(',');
            // Of names that are 4 GiB long in all, the last ones would be missing.
            labels
                .ends
                .push(u32::try_from(labels.text.len()).unwrap_or(u32::MAX));
        }
        labels
    }

    fn get(&self, place: usize) -> &str {
        let end = |place: usize| self.ends.get(place).map_or(0, |end| *end as usize);
        let start = place.checked_sub(1).map_or(0, end);
        self.text.get(start..end(place)).unwrap_or_default()
    }
}

impl Iterator for Exposition {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        if self.done {
            return None;
        }
        let mut text = String::with_capacity(PIECE + 1024);
        while let Some(family) = self.selection.families().get(self.family).copied() {
            if !self.family(&family, &mut text) {
                return Some(text);
            }
            self.family += 1;
            self.next = 0;
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
