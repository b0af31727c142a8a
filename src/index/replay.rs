//! Recordings: what a cluster said, with the times at which it said it, as JSON lines.
//!
//! The first line is `{"start": "2026-11-21T10:00:00Z"}`, each further one `{"at": 12.5, "change": {..}}`: seconds
//! since the start, and a [`Change`] with raw Kubernetes objects. Empty lines and lines that begin with `#` are
//! passed over. A recording holds objects as they are: whoever publishes one looks at its `env` first.

use std::io::{self, BufRead, Write};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep_until};

use super::change::Change;
use super::clock::Clock;
use super::kind::Kind;

/// A recording in memory.
#[derive(Clone, Debug)]
pub struct Recording {
    /// When it was made.
    pub start: Timestamp,
    /// The changes, each with the span since the start, in order.
    pub steps: Vec<(Duration, Change)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    start: Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
struct Step {
    at: f64,
    change: Change,
}

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file cannot be read.
    #[error("cannot read the recording: {0}")]
    Io(#[from] io::Error),
    /// A line is not what it has to be.
    #[error(
        "line {line} of the recording: {why}; write {{\"start\": TIME}} first, then {{\"at\": SECONDS, \"change\": ..}}"
    )]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
}

impl Recording {
    /// Reads a recording.
    ///
    /// # Errors
    /// If it cannot be read, or a line is not what it has to be.
    pub fn read(input: impl BufRead) -> Result<Self, RecordingError> {
        Self::read_from(input, None)
    }

    /// Reads a recording as if it were made at `start`: every RFC 3339 time in its objects moves along.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_moved_to(input: impl BufRead, start: Timestamp) -> Result<Self, RecordingError> {
        Self::read_from(input, Some(start))
    }

    fn read_from(input: impl BufRead, to: Option<Timestamp>) -> Result<Self, RecordingError> {
        let mut recording: Option<Self> = None;
        let mut by = SignedDuration::ZERO;
        for (index, text) in input.lines().enumerate() {
            let text = text?;
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let wrong = |error: serde_json::Error| RecordingError::Line {
                line: index + 1,
                why: error.to_string(),
            };
            let Some(recording) = &mut recording else {
                let Head { start } = serde_json::from_str(text).map_err(wrong)?;
                by = to.map_or(SignedDuration::ZERO, |to| to.duration_since(start));
                recording = Some(Self {
                    start: to.unwrap_or(start),
                    steps: Vec::new(),
                });
                continue;
            };
            let step: Step = if by.is_zero() {
                serde_json::from_str(text)
            } else {
                moved(text, by).and_then(|text| serde_json::from_str(&text))
            }
            .map_err(wrong)?;
            let at = Duration::try_from_secs_f64(step.at).map_err(|error| RecordingError::Line {
                line: index + 1,
                why: format!("\"at\": {}: {error}", step.at),
            })?;
            recording.steps.push((at, step.change));
        }
        let mut recording = recording.ok_or(RecordingError::Line {
            line: 1,
            why: "the recording is empty".to_owned(),
        })?;
        recording.steps.sort_by_key(|(at, _)| *at);
        Ok(recording)
    }

    /// Kinds that the recording never lists: they are given as empty, so that the index is complete.
    #[must_use]
    pub fn unlisted(&self) -> Vec<Kind> {
        Kind::ALL
            .into_iter()
            .filter(|kind| {
                !self
                    .steps
                    .iter()
                    .any(|(_, change)| matches!(change, Change::End(listed) | Change::Absent(listed) if listed == kind))
            })
            .collect()
    }

    /// Plays the recording into a channel at `speed` times its own pace and moves `clock` along, until the end or
    /// until nobody listens. The clock goes on after the last step, at the same pace, while the future is polled
    /// by [`Self::keep_time`].
    pub async fn play(&self, speed: f64, clock: &Clock, sink: &Sender<Change>) {
        let begun = Instant::now();
        clock.set(self.start);
        for kind in self.unlisted() {
            if sink.send(Change::Absent(kind)).await.is_err() {
                return;
            }
        }
        for (at, change) in &self.steps {
            let due = begun + at.div_f64(speed);
            while Instant::now() < due {
                sleep_until(due.min(Instant::now() + Duration::from_millis(100))).await;
                self.set_clock(clock, begun, speed);
            }
            clock.set(later(self.start, *at));
            if sink.send(change.clone()).await.is_err() {
                return;
            }
        }
    }

    /// Moves the clock on after [`Self::play`], for ever, at the pace of `speed`.
    pub async fn keep_time(&self, speed: f64, clock: &Clock) {
        let from = clock.now();
        let begun = Instant::now();
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            clock.set(later(from, begun.elapsed().mul_f64(speed)));
        }
    }

    fn set_clock(&self, clock: &Clock, begun: Instant, speed: f64) {
        clock.set(later(self.start, begun.elapsed().mul_f64(speed)));
    }
}

/// Writes a recording while it happens.
#[derive(Debug)]
pub struct Recorder<W> {
    start: Timestamp,
    out: W,
}

impl<W: Write> Recorder<W> {
    /// Begins a recording.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn begin(mut out: W, start: Timestamp) -> io::Result<Self> {
        serde_json::to_writer(&mut out, &Head { start })?;
        out.write_all(b"\n")?;
        Ok(Self { start, out })
    }

    /// Adds a change.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn add(&mut self, change: &Change, now: Timestamp) -> io::Result<()> {
        #[derive(Serialize)]
        struct Line<'a> {
            at: f64,
            change: &'a Change,
        }
        let at = now.duration_since(self.start).as_secs_f64().max(0.0);
        serde_json::to_writer(&mut self.out, &Line { at, change })?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }
}

fn later(start: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by)
        .ok()
        .and_then(|by| start.checked_add(by).ok())
        .unwrap_or(Timestamp::MAX)
}

/// A line with every time in it moved.
fn moved(text: &str, by: SignedDuration) -> Result<String, serde_json::Error> {
    fn walk(value: &mut Value, by: SignedDuration) {
        match value {
            Value::String(text) if text.len() >= 20 && text.as_bytes()[4] == b'-' => {
                if let Ok(at) = text.parse::<Timestamp>()
                    && let Ok(at) = at.checked_add(by)
                {
                    *text = at.to_string();
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, by)),
            Value::Object(fields) => fields.values_mut().for_each(|field| walk(field, by)),
            _ => {}
        }
    }
    let mut value: Value = serde_json::from_str(text)?;
    walk(&mut value, by);
    serde_json::to_string(&value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"start":"2026-11-21T10:00:00Z"}
# A Job is made.
{"at":1.5,"change":{"apply":{"kind":"Job","object":{"metadata":{"name":"a","creationTimestamp":"2026-11-21T10:00:01Z"}}}}}
{"at":2,"change":{"log":{"namespace":"n","pod":"a-x","container":"c","lines":[{"text":"hello"}]}}}
{"at":3,"change":{"end":"Job"}}"#;

    #[test]
    fn a_recording_reads_back_and_says_what_it_does_not_list() {
        let recording = Recording::read(TEXT.as_bytes()).expect("a recording");
        assert_eq!(recording.steps.len(), 3);
        assert_eq!(recording.unlisted().len(), Kind::ALL.len() - 1);
        let mut out = Vec::new();
        let mut recorder = Recorder::begin(&mut out, recording.start).expect("begins");
        for (at, change) in &recording.steps {
            recorder.add(change, later(recording.start, *at)).expect("adds");
        }
        let again = Recording::read(out.as_slice()).expect("reads back");
        assert_eq!(format!("{:?}", again.steps), format!("{:?}", recording.steps));
    }

    #[test]
    fn a_recording_can_be_moved_in_time() {
        let to = "2027-01-01T00:00:00Z".parse().expect("a time");
        let recording = Recording::read_moved_to(TEXT.as_bytes(), to).expect("a recording");
        let Change::Apply { object, .. } = &recording.steps[0].1 else {
            panic!("an object")
        };
        assert!(object.get().contains("2027-01-01T00:00:01Z"), "{object}");
    }

    #[test]
    fn a_wrong_line_is_named() {
        let error = Recording::read("{\"start\":\"2026-11-21T10:00:00Z\"}\n{\"at\":1}".as_bytes());
        assert!(
            error
                .expect_err("an error")
                .to_string()
                .starts_with("line 2 of the recording")
        );
    }
}
