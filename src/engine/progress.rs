//! How far a wait has come, read from the lines that it prints.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Seconds;
use super::case::span;
use super::evidence::{Evidence, LogTail, WaitRecord};
use super::signatures::holds;

pub use super::redact::redact;

use super::pattern::ProgressPattern;

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

/// What one line says of a wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineProgress {
    /// The try, from 1.
    pub attempt: Option<u64>,
    /// How many tries there are.
    pub attempts: Option<u64>,
    /// How long it has been waiting.
    pub elapsed: Option<Seconds>,
    /// How long it may wait.
    pub budget: Option<Seconds>,
    /// Whom it waits for.
    pub target: Option<String>,
}

impl LineProgress {
    /// True when the line says that this was the last try, or that the time was up.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        let tries = self.attempt.zip(self.attempts).is_some_and(|(i, n)| i >= n);
        let time = self
            .elapsed
            .zip(self.budget)
            .is_some_and(|(elapsed, budget)| elapsed >= budget);
        tries || time
    }
}

/// Words of a line that is about waiting at all; `(4/9) Installing curl` is not.
const WAIT_WORDS: &[&str] = &[
    "wait",
    "attempt",
    "retry",
    "retries",
    "try ",
    "trying",
    "tries",
    "poll",
    "not ready",
    "not yet",
];
/// Words right before the number of a try.
const TRY_WORDS: &[&str] = &[
    "attempt",
    "attempts",
    "try",
    "retry",
    "retries",
    "tries",
    "iteration",
    "poll",
    "trying",
    "retrying",
    "wait",
    "waiting",
];
/// A number of tries that no loop reaches.
const MANY: u64 = 10_000_000;

/// Reads one line by the policy's patterns, else as [`read_line`] does: who writes a pattern knows the line.
#[must_use]
pub fn read_line_with(line: &str, patterns: &[ProgressPattern]) -> Option<LineProgress> {
    let own = patterns.iter().find_map(|pattern| pattern.read(line));
    own.map(|found| LineProgress {
        target: target(line),
        ..found
    })
    .or_else(|| read_line(line))
}

/// The message of a line that is one JSON object, as structured loggers write them.
#[derive(Deserialize)]
struct Structured<'l> {
    #[serde(borrow, alias = "message")]
    msg: Option<std::borrow::Cow<'l, str>>,
}

/// Reads one line, `None` when it is not about a wait or has no number that can be told. Of a line that is a JSON
/// object its message is read (`msg` or `message`). Linear in its length.
#[must_use]
pub fn read_line(line: &str) -> Option<LineProgress> {
    if line.starts_with('{') {
        let message = serde_json::from_str::<Structured<'_>>(line)
            .ok()
            .and_then(|found| found.msg);
        if let Some(message) = message {
            return read_words(&message);
        }
    }
    read_words(line)
}

fn read_words(line: &str) -> Option<LineProgress> {
    if !WAIT_WORDS.iter().any(|word| holds(line, word)) {
        return None;
    }
    let mut found = LineProgress {
        target: target(line),
        ..LineProgress::default()
    };
    let words: Vec<&str> = line.split_whitespace().collect();
    for (index, word) in words.iter().enumerate() {
        let inner = word.trim_start_matches(['(', '[', '#']);
        let bracketed = inner.len() < word.len();
        let inner = inner.trim_end_matches([')', ']', ',', '.', ':', ';', '!']);
        let after_try = index > 0 && is_try_word(words[index - 1]);
        if found.attempt.is_none() {
            if let Some((attempt, attempts)) = ratio(inner).filter(|_| bracketed || after_try) {
                (found.attempt, found.attempts) = (Some(attempt), Some(attempts));
                continue;
            }
            if let Some(attempt) = count(inner).filter(|_| after_try) {
                found.attempt = Some(attempt);
                let of = words
                    .get(index + 1)
                    .is_some_and(|word| matches!(*word, "of" | "/" | "out"));
                let total = words
                    .get(index + 2..)
                    .into_iter()
                    .flatten()
                    .find(|word| **word != "of");
                let total =
                    total.and_then(|word| count(word.trim_end_matches([')', ']', ',', '.', ':', ';', '!'])));
                found.attempts = total.filter(|total| of && *total >= attempt);
                continue;
            }
        }
        if let Some(span) = seconds(inner) {
            let of = index > 0 && matches!(words[index - 1], "of" | "/");
            if of && found.elapsed.is_some() {
                found.budget = found.budget.or(Some(span));
            } else if found.elapsed.is_none() && !is_pause(&words, index) {
                found.elapsed = Some(span);
            }
        } else if let Some((elapsed, budget)) = span_ratio(inner) {
            (found.elapsed, found.budget) = (Some(elapsed), Some(budget));
        }
    }
    (found.attempt.is_some() || found.elapsed.is_some()).then_some(found)
}

fn is_try_word(word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_ascii_alphabetic());
    TRY_WORDS
        .iter()
        .any(|try_word| word.eq_ignore_ascii_case(try_word))
}

/// `retrying in 5s`, `every 10s`, `sleeping 5s`, `timeout 3s`: the pause to come, not the time spent.
fn is_pause(words: &[&str], index: usize) -> bool {
    let before = words[..index].iter().rev().take(2);
    before.into_iter().any(|word| {
        let word = word.trim_matches(|c: char| !c.is_ascii_alphabetic());
        [
            "in", "every", "sleep", "sleeping", "timeout", "within", "for", "max", "interval", "next",
            "another", "retry", "retrying",
        ]
        .iter()
        .any(|pause| word.eq_ignore_ascii_case(pause))
    })
}

fn count(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.len() <= 8 && text.bytes().all(|b| b.is_ascii_digit());
    digits
        .then(|| text.parse().ok())
        .flatten()
        .filter(|count| *count < MANY)
}

/// `12/168`: two counts, the first not above the second.
fn ratio(text: &str) -> Option<(u64, u64)> {
    let (attempt, attempts) = text.split_once('/')?;
    let (attempt, attempts) = (count(attempt)?, count(attempts)?);
    (attempts > 0 && attempt <= attempts).then_some((attempt, attempts))
}

/// `58s/600s`.
fn span_ratio(text: &str) -> Option<(Seconds, Seconds)> {
    let (elapsed, budget) = text.split_once('/')?;
    Some((seconds(elapsed)?, seconds(budget)?))
}

/// A Go duration with a unit that people wait for: `35s`, `2m30s`.
fn seconds(text: &str) -> Option<Seconds> {
    let starts = text.as_bytes().first().is_some_and(u8::is_ascii_digit);
    let ends = text.ends_with(['s', 'm', 'h']);
    (starts && ends && text.len() <= 16)
        .then(|| Seconds::parse_go(text).ok())
        .flatten()
}

/// The words behind `waiting for` or `wait for`.
fn target(line: &str) -> Option<String> {
    let lower = line.to_ascii_lowercase();
    let at = ["waiting for ", "wait for ", "waiting on "]
        .iter()
        .find_map(|phrase| lower.find(phrase).map(|at| at + phrase.len()))?;
    let rest = line.get(at..)?;
    let end = rest.find(['(', '[', ',', ';']).unwrap_or(rest.len());
    let rest = &rest[..end];
    let end = [" to ", " at attempt", "...", " - ", ": "]
        .iter()
        .filter_map(|stop| rest.find(stop))
        .min();
    let target = rest[..end.unwrap_or(rest.len())]
        .trim()
        .trim_end_matches(['.', ':']);
    (!target.is_empty() && target.len() <= 200).then(|| target.to_owned())
}

/// The last line about a wait, of the newest log that has one, with the log it stands in.
#[must_use]
pub fn newest_line<'e>(
    evidence: &'e Evidence,
    patterns: &[ProgressPattern],
) -> Option<(LineProgress, &'e LogTail, &'e str)> {
    let made = |log: &LogTail| {
        evidence
            .pods
            .iter()
            .find(|pod| pod.name == log.pod)
            .and_then(|pod| pod.created)
    };
    let newest = evidence
        .logs
        .iter()
        .max_by_key(|log| (made(log), log.attempt, log.last_line.or(log.captured)))?;
    newest
        .lines
        .iter()
        .rev()
        .find_map(|line| read_line_with(line, patterns).map(|found| (found, newest, line.as_str())))
}

/// How far the Job's wait had come at `until`.
///
/// Formula F16: the time spent in a loop is about its tries times the pause between them; what is left is the
/// least that any clock leaves: the loop's own, the Job's deadline (from `startTime`), the release's timeout
/// (from the Job's creation). The clock that leaves least gives `elapsed` and `budget`. `None` when no line
/// and no clock says anything.
#[must_use]
pub fn progress(evidence: &Evidence, patterns: &[ProgressPattern], until: Timestamp) -> Option<Progress> {
    let job = &evidence.job;
    let read = newest_line(evidence, patterns);
    let wait = read.as_ref().map_or_else(
        || evidence.waits.first(),
        |(line, log, _)| wait_of(evidence, line, log),
    );
    let mut clocks: Vec<(Seconds, Seconds, String)> = Vec::new();
    let mut loop_elapsed = None;
    if let Some((line, log, _)) = &read {
        let interval = wait.and_then(|wait| wait.interval);
        let spent = |tries: u64| interval.map(|interval| interval.times(tries));
        loop_elapsed = line.elapsed.or_else(|| spent(line.attempt?));
        let attempts = line.attempts.or_else(|| wait.and_then(|wait| wait.attempts));
        let own = line
            .budget
            .or_else(|| attempts.and_then(spent))
            .or_else(|| wait.and_then(|wait| wait.nominal));
        if let Some((elapsed, budget)) = loop_elapsed.zip(own) {
            let source = format!("log of Pod {} container {}", log.pod, log.container);
            clocks.push((elapsed, budget, source));
        }
    }
    if let Some((started, deadline)) = job.started.zip(job.deadline) {
        clocks.push((span(started, until), deadline, "activeDeadlineSeconds".to_owned()));
    }
    let release = job.release.as_ref();
    if let Some((created, timeout)) = job.created.zip(release.and_then(|release| release.timeout)) {
        let source = release.map_or_else(String::new, |release| release.timeout_source.clone());
        clocks.push((span(created, until), timeout, source));
    }
    let least = clocks
        .into_iter()
        .min_by_key(|(elapsed, budget, _)| *budget - *elapsed);
    if read.is_none() && least.is_none() {
        return None;
    }
    let elapsed = loop_elapsed.or_else(|| job.started.map(|started| span(started, until)));
    let mut progress = Progress {
        elapsed,
        source: "log".to_owned(),
        ..Progress::default()
    };
    if let Some((elapsed, budget, source)) = least {
        progress.elapsed = Some(elapsed);
        progress.budget = Some(budget);
        progress.remaining = Some(budget.minus_or_zero(elapsed));
        progress.source = source;
    }
    if let Some((line, ..)) = read {
        progress.attempt = line.attempt;
        progress.attempts = line.attempts.or_else(|| wait.and_then(|wait| wait.attempts));
        progress.target = line.target;
    }
    progress.target = progress.target.or_else(|| {
        wait.and_then(|wait| wait.target.as_ref())
            .map(|target| target.text.clone())
    });
    Some(progress)
}

/// The wait of the script that printed the line: that of its container with as many tries, else its only one.
fn wait_of<'e>(evidence: &'e Evidence, line: &LineProgress, log: &LogTail) -> Option<&'e WaitRecord> {
    let mut own = evidence
        .waits
        .iter()
        .filter(|wait| wait.container == log.container);
    let exact = own
        .clone()
        .find(|wait| wait.attempts.is_some() && wait.attempts == line.attempts);
    exact.or_else(|| own.next().filter(|_| own.next().is_none()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::engine::testkit::{at, evidence};

    /// Attempt, attempts, elapsed, budget.
    type Numbers = (Option<u64>, Option<u64>, Option<i64>, Option<i64>);

    fn read(line: &str) -> Option<Numbers> {
        let found = read_line(line)?;
        Some((
            found.attempt,
            found.attempts,
            found.elapsed.map(Seconds::whole),
            found.budget.map(Seconds::whole),
        ))
    }

    #[test]
    fn lines_that_tell_how_far_a_wait_has_come() {
        for (line, expected) in [
            (
                "waiting for gitea api (12/168)",
                (Some(12), Some(168), None, None),
            ),
            (
                r#"{"attempt":12,"event":"waiting","msg":"waiting for a:1 (12/120, \"x\", 55s of 600s)","target":"a:1"}"#,
                (Some(12), Some(120), Some(55), Some(600)),
            ),
            (
                r#"{"level":"info","message":"retry 4/60"}"#,
                (Some(4), Some(60), None, None),
            ),
            (
                "waiting for gitea api (12/168)...",
                (Some(12), Some(168), None, None),
            ),
            ("attempt 3 of 10", (Some(3), Some(10), None, None)),
            ("Attempt 3/10 failed", (Some(3), Some(10), None, None)),
            ("attempt #3: connection refused", (Some(3), None, None, None)),
            ("retry 4/60", (Some(4), Some(60), None, None)),
            ("[4/60] not ready", (Some(4), Some(60), None, None)),
            (
                "db not ready (attempt 7 of 30), retrying in 5s",
                (Some(7), Some(30), None, None),
            ),
            ("still waiting... 35s", (None, None, Some(35), None)),
            ("still waiting (2m5s elapsed)", (None, None, Some(125), None)),
            ("waiting for x, 30s/600s", (None, None, Some(30), Some(600))),
            (
                "waiting for powerdns.powerdns.svc:8081 (12/120, 000 connection refused, 58s of 600s)",
                (Some(12), Some(120), Some(58), Some(600)),
            ),
        ] {
            assert_eq!(read(line), Some(expected), "{line}");
        }
    }

    #[test]
    fn lines_that_do_not() {
        for line in [
            "(4/9) Installing curl (8.11.1-r0)",
            "GET /api/v1/servers 200/OK",
            "waiting since 1/2/2026",
            "waiting for /var/lib/1/2",
            "waiting for version 1.2/3.4",
            "waiting 20/10",
            "try https://example.org/3/10/x",
            "waiting for the api",
            "2026-01-02T03:04:05Z waiting",
            "retrying in 5s",
            "copied 3 of 10 files",
            "attempt failed",
            "",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    #[test]
    fn a_pattern_of_the_policy_comes_before_the_known_shapes() {
        let pattern = r"(?P<attempt>\d+)\. Versuch \(von (?P<limit>\d+)\)|seit (?P<seconds>\d+) Sekunden";
        let patterns = [ProgressPattern::new(pattern).expect("a pattern")];
        let read = |line| {
            let found = read_line_with(line, &patterns)?;
            Some((found.attempt, found.attempts, found.elapsed.map(Seconds::whole)))
        };
        for (line, expected) in [
            ("5. Versuch (von 40)", Some((Some(5), Some(40), None))),
            ("wartet seit 35 Sekunden", Some((None, None, Some(35)))),
            ("waiting for x (12/168)", Some((Some(12), Some(168), None))),
            ("5. Absatz (von 40)", None),
        ] {
            assert_eq!(read(line), expected, "{line}");
            if expected.is_some() && !line.starts_with("waiting") {
                assert_eq!(read_line(line), None, "{line}");
            }
        }
    }

    #[test]
    fn the_target_is_what_is_waited_for() {
        for (line, name) in [
            ("waiting for gitea api (12/168)", "gitea api"),
            ("Waiting for db to be ready, attempt 3", "db"),
            (
                "waiting for powerdns.powerdns.svc:8081 (12/120, 58s of 600s)",
                "powerdns.powerdns.svc:8081",
            ),
        ] {
            assert_eq!(
                read_line(line).and_then(|found| found.target).as_deref(),
                Some(name),
                "{line}"
            );
        }
    }

    #[test]
    fn the_last_try_is_the_end() {
        for (line, exhausted) in [
            ("waiting for x (167/168)", false),
            ("waiting for x (168/168)", true),
            ("waiting for x (3/120, 600s of 600s)", true),
        ] {
            assert_eq!(
                read_line(line).map(|found| found.is_exhausted()),
                Some(exhausted),
                "{line}"
            );
        }
    }

    fn waiting(deadline: Option<i64>, release: Option<i64>) -> Evidence {
        evidence(&json!({
            "job": {"created": at(0), "started": at(0), "deadline": deadline,
                    "release": release.map(|timeout| json!({"timeout": timeout, "timeout_source": "HelmRelease x"}))},
            "waits": [{"container": "mint", "attempts": 168, "interval": 5, "nominal": 840}],
            "logs": [{"pod": "p", "container": "mint", "lines": ["waiting for gitea api (12/168)"]}],
        }))
    }

    #[test]
    fn the_clock_that_leaves_least_is_shown() {
        for (deadline, release, remaining, source) in [
            (None, None, 780, "log of Pod p container mint"),
            (None, Some(900), 780, "log of Pod p container mint"),
            (None, Some(800), 735, "HelmRelease x"),
            (Some(300), Some(900), 235, "activeDeadlineSeconds"),
            (Some(50), None, 0, "activeDeadlineSeconds"),
        ] {
            let found = progress(&waiting(deadline, release), &[], at(65)).expect("progress");
            assert_eq!(found.remaining.map(Seconds::whole), Some(remaining), "{found:?}");
            assert_eq!(
                (found.attempt, found.attempts, found.source.as_str()),
                (Some(12), Some(168), source)
            );
        }
    }

    #[test]
    fn without_a_line_or_a_clock_there_is_no_progress() {
        assert_eq!(progress(&Evidence::default(), &[], at(0)), None);
    }

    proptest! {
        #[test]
        fn no_line_makes_the_reader_fall(line in "[ -~\u{e4}\u{1f600}()/0-9]{0,60}") {
            let _ = read_line(&line);
            let _ = read_line(&format!("waiting for {line}"));
        }
    }
}
