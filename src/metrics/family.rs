//! What a metric family is.

use std::fmt::Write as _;

use itoa::Buffer;
use jiff::Timestamp;

use crate::engine::Seconds;
use crate::index::{JobView, OwnerView, Snapshot, push_label_pairs};

/// A table entry: everything about a family but its values' text.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// The name of its samples; of a histogram without `_bucket`, `_sum`, `_count`.
    pub name: &'static str,
    /// What it says, in one sentence.
    pub help: &'static str,
    /// What kind of number it is.
    pub kind: Type,
    /// `seconds` or `ratio`, which the name then ends with.
    pub unit: Option<&'static str>,
    /// Its labels, in the order in which they are written.
    pub labels: &'static [&'static str],
    /// Where the samples come from.
    pub(super) source: Source,
}

/// What kind of number a family holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Goes up and down. Facts whose value is always 1 are gauges too: `hookbudget_job_root_cause` and
    /// `hookbudget_job_root_cause_info` would be one family by the name rules of OpenMetrics' info type.
    Gauge,
    /// Only goes up.
    Counter,
    /// Counts per bucket.
    Histogram,
}

impl Type {
    /// The word in the exposition.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Histogram => "histogram",
        }
    }
}

/// Where a family's samples come from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    /// One Job after the other.
    Job(fn(&JobView, &Snapshot, &mut Samples<'_>)),
    /// One owner after the other.
    Owner(fn(&OwnerView, &mut Samples<'_>)),
    /// Everything at once.
    All(fn(&Snapshot, &mut Samples<'_>)),
}

/// Writes the samples of one family.
#[derive(Debug)]
pub(super) struct Samples<'b> {
    pub(super) name: &'static str,
    /// The name and the brace behind it: a sample is a handful of copies, and each one less is felt.
    pub(super) lead: &'b str,
    /// The labels that name the Job or the owner at hand, as they are written, with a comma behind the last one; nothing
    /// for everything at once.
    pub(super) of: &'b str,
    pub(super) text: &'b mut String,
}

/// A sample's value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    Int(i64),
    Count(u64),
    /// A fraction with four digits, in ten-thousandths.
    Ratio(i64),
    Span(Seconds),
    Time(Timestamp),
}

impl Samples<'_> {
    /// A sample; `labels` are further ones in their final form, or none.
    pub(super) fn write(&mut self, labels: &str, value: Value) {
        let text = &mut *self.text;
        match (self.of, labels) {
            ("", "") => text.extend([self.name, " "]),
            (of, "") => {
                text.extend([self.lead, bare(of), "} "]);
            }
            // What a Job says by its labels: half of all samples.
            (of, further) if value.is_one() => {
                text.extend([self.lead, of, further, "} 1\n"]);
                return;
            }
            (of, further) => text.extend([self.lead, of, further, "} "]),
        }
        value.write(text);
    }

    /// A sample with further labels that have to be escaped.
    pub(super) fn with(&mut self, pairs: &[(&str, &str)], value: Value) {
        self.with_as("", pairs, value);
    }

    /// As [`Self::write`], with a suffix to the name.
    pub(super) fn write_as(&mut self, suffix: &str, labels: &str, value: Value) {
        let text = &mut *self.text;
        text.extend([self.name, suffix]);
        match (self.of, labels) {
            ("", "") => text.push(' '),
            (of, "") => text.extend(["{", bare(of), "} "]),
            (of, further) => text.extend(["{", of, further, "} "]),
        }
        value.write(text);
    }

    /// As [`Self::with`], with a suffix to the name.
    pub(super) fn with_as(&mut self, suffix: &str, pairs: &[(&str, &str)], value: Value) {
        let text = &mut *self.text;
        text.extend([self.name, suffix, "{", self.of]);
        push_label_pairs(text, pairs);
        text.push_str("} ");
        value.write(text);
    }
}

/// The labels without the comma behind them.
fn bare(of: &str) -> &str {
    of.strip_suffix(',').unwrap_or(of)
}

impl Value {
    const fn is_one(self) -> bool {
        matches!(self, Self::Int(1))
    }

    /// Writes the value and ends the line.
    fn write(self, text: &mut String) {
        match self {
            // The value of whatever says something by its labels.
            Self::Int(1) => {
                text.push_str("1\n");
                return;
            }
            Self::Int(value) => text.push_str(Buffer::new().format(value)),
            Self::Count(value) => text.push_str(Buffer::new().format(value)),
            Self::Ratio(value) => {
                text.push_str(Buffer::new().format(value / 10_000));
                // Writing to a String cannot fail.
                let _ = write!(text, ".{:04}", value % 10_000);
            }
            Self::Span(span) => millis(text, span.nanos() / 1_000_000),
            Self::Time(at) => millis(text, at.as_millisecond()),
        }
        text.push('\n');
    }
}

/// Seconds with as many of three digits as there are.
fn millis(text: &mut String, millis: i64) {
    let (whole, rest) = (millis.unsigned_abs() / 1000, millis.unsigned_abs() % 1000);
    if millis < 0 {
        text.push('-');
    }
    text.push_str(Buffer::new().format(whole));
    if rest != 0 {
        // Writing to a String cannot fail.
        let _ = write!(text, ".{rest:03}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: Value) -> String {
        let mut text = String::new();
        value.write(&mut text);
        text.trim_end().to_owned()
    }

    #[test]
    fn values_are_written_short_and_exact() {
        assert_eq!(text(Value::Span(Seconds::new(840))), "840");
        assert_eq!(text(Value::Span(Seconds::from_nanos(1_500_000_000))), "1.500");
        assert_eq!(text(Value::Ratio(8_340)), "0.8340");
        assert_eq!(text(Value::Int(-3)), "-3");
        let at = "2026-11-21T10:00:00.007Z".parse().expect("a time");
        assert_eq!(text(Value::Time(at)), "1795255200.007");
    }
}
