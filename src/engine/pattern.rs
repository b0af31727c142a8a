//! Regular expressions of the policy: linear in the text they are held against, and limited in their own size.

use std::fmt;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::Seconds;
use super::progress::LineProgress;

/// Longest pattern, in bytes.
const LONGEST: usize = 1024;
/// Largest compiled pattern, in bytes; `regex` counts repetitions such as `{1000}` out.
const COMPILED: usize = 1024 * 1024;
/// Deepest nesting of groups.
const NESTED: u32 = 32;

/// A compiled regular expression in the syntax of Rust's `regex`: no look-around, no back references.
#[derive(Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// Says what is wrong with it, and what to write instead where that is known.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!(
                "the pattern has {} bytes: at most {LONGEST} are taken; split it",
                text.len()
            ));
        }
        let regex = RegexBuilder::new(text)
            .size_limit(COMPILED)
            .dfa_size_limit(COMPILED)
            .nest_limit(NESTED)
            .build()
            .map_err(|error| explained(text, &error))?;
        if regex.is_match("") {
            return Err(format!(
                "the pattern {text:?} matches the empty text, and so everything: let it ask for at least one character"
            ));
        }
        Ok(Self(regex))
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// True when some part of the text matches.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// The text with each match replaced; `None` when there is none.
    pub(super) fn replaced(&self, text: &str, with: &str) -> Option<String> {
        match self.0.replace_all(text, regex::NoExpand(with)) {
            std::borrow::Cow::Owned(text) => Some(text),
            std::borrow::Cow::Borrowed(_) => None,
        }
    }
}

/// The parser's message without its drawing over several lines.
fn explained(text: &str, error: &regex::Error) -> String {
    let message = match error {
        regex::Error::CompiledTooBig(_) => {
            return format!("the pattern {text:?} grows too large: write smaller repetitions than {{n}} has");
        }
        error => error.to_string(),
    };
    let last = message.lines().last().unwrap_or_default();
    let why = last.trim().trim_start_matches("error: ");
    format!("{text:?} is no regular expression: {why}")
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.as_str())
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// A pattern that reads how far a wait has come, by its groups `attempt`, `limit` and `seconds`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ProgressPattern(Pattern);

impl ProgressPattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// As [`Pattern::new`], and when no group tells anything.
    pub fn new(text: &str) -> Result<Self, String> {
        let pattern = Pattern::new(text)?;
        let groups: Vec<&str> = pattern.0.capture_names().flatten().collect();
        if let Some(other) = groups
            .iter()
            .find(|name| !matches!(**name, "attempt" | "limit" | "seconds"))
        {
            return Err(format!(
                "the pattern {text:?} has a group {other}: there are attempt, limit and seconds"
            ));
        }
        if !groups.contains(&"attempt") && !groups.contains(&"seconds") {
            return Err(format!(
                "the pattern {text:?} tells no progress: name a group, such as (?P<attempt>[0-9]+) or \
                 (?P<seconds>[0-9]+)"
            ));
        }
        Ok(Self(pattern))
    }

    /// Reads one line.
    pub(super) fn read(&self, line: &str) -> Option<LineProgress> {
        let found = self.0.0.captures(line)?;
        let number = |name| found.name(name)?.as_str().trim().parse::<u64>().ok();
        let progress = LineProgress {
            attempt: number("attempt"),
            attempts: number("limit").filter(|limit| *limit > 0),
            elapsed: number("seconds")
                .and_then(|s| i64::try_from(s).ok())
                .map(Seconds::new),
            ..LineProgress::default()
        };
        (progress.attempt.is_some() || progress.elapsed.is_some()).then_some(progress)
    }
}

impl<'de> Deserialize<'de> for ProgressPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(feature = "cli")]
macro_rules! schema_of_pattern {
    ($type:ty, $name:literal) => {
        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "minLength": 1, "maxLength": LONGEST})
            }
        }
    };
}
#[cfg(feature = "cli")]
schema_of_pattern!(Pattern, "Pattern");
#[cfg(feature = "cli")]
schema_of_pattern!(ProgressPattern, "ProgressPattern");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_pattern_is_refused_with_what_to_write() {
        for (text, says) in [
            ("(", "is no regular expression: unclosed group"),
            ("(?=a)", "look-around"),
            (r"(a)\1", "backreferences"),
            ("a*", "matches the empty text"),
            ("(a{1000}){1000}", "grows too large"),
            (&"(".repeat(400), "is no regular expression"),
            (&"a".repeat(2000), "at most 1024"),
        ] {
            let error = Pattern::new(text).expect_err(text);
            assert!(error.contains(says), "{text:.20}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn progress_is_read_out_of_the_named_groups() {
        let pattern = ProgressPattern::new(r"try (?P<attempt>\d+) von (?P<limit>\d+)(, (?P<seconds>\d+) s)?");
        let read = |line| pattern.as_ref().expect("a pattern").read(line);
        let found = read("db: try 3 von 40, 12 s").expect("progress");
        assert_eq!((found.attempt, found.attempts), (Some(3), Some(40)));
        assert_eq!(found.elapsed.map(Seconds::whole), Some(12));
        assert_eq!(read("db: try 3 von 0").and_then(|found| found.attempts), None);
        // A number that no counter reaches is none.
        assert_eq!(read("db: try 99999999999999999999999 von 3"), None);
        assert_eq!(read("something else"), None);
        for (text, says) in [
            (r"try (\d+)", "name a group"),
            (r"(?P<limit>\d+)", "name a group"),
            (r"(?P<attempt>\d+)(?P<of>\d+)", "a group of"),
        ] {
            let error = ProgressPattern::new(text).expect_err(text);
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn a_hostile_line_takes_linear_time() {
        let pattern = Pattern::new("(a+)+$").expect("a pattern");
        assert!(!pattern.is_match(&("a".repeat(200_000) + "b")));
    }
}
