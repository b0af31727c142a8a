//! The lines of logs and termination messages that tell why a run failed.

use jiff::Timestamp;

use super::evidence::{ContainerRecord, Evidence, LogTail, PodRecord, Termination};
use super::signatures::{LogSignature, holds, log_signature};

/// A signature counts among this many last lines of a log; what is further up was survived.
pub(super) const TELLING_LINES: usize = 12;

/// A line that tells why a run failed.
#[derive(Clone, Debug)]
pub struct Hit<'e> {
    /// What it says.
    pub signature: LogSignature,
    /// The line.
    pub line: &'e str,
    /// The Job's namespace.
    pub namespace: &'e str,
    /// The Pod that wrote it.
    pub pod: &'e str,
    /// Where it stands.
    pub source: String,
    /// When the log was read or ended.
    pub at: Option<Timestamp>,
    /// True when it is from the newest log.
    pub last: bool,
}

/// Lines of one run: a log, or the run's termination message.
pub(super) struct Told<'e> {
    made: Option<Timestamp>,
    attempt: u32,
    /// When the log was read or ended.
    pub(super) at: Option<Timestamp>,
    /// The Pod that wrote them.
    pub(super) pod: &'e str,
    /// Where they stand.
    pub(super) source: String,
    /// The lines, oldest first.
    pub(super) lines: Vec<&'e str>,
}

impl Told<'_> {
    /// Tells the runs apart, the newest being the largest.
    pub(super) const fn run(&self) -> (Option<Timestamp>, u32) {
        (self.made, self.attempt)
    }
}

/// The logs and termination messages, oldest first.
pub(super) fn told(evidence: &Evidence) -> Vec<Told<'_>> {
    let mut told: Vec<Told<'_>> = evidence.logs.iter().map(|log| from_log(evidence, log)).collect();
    for pod in &evidence.pods {
        for container in &pod.containers {
            let spoken = container.ends.iter().filter(|end| !end.message.trim().is_empty());
            told.extend(spoken.map(|end| from_message(pod, container, end)));
        }
    }
    told.sort_by_key(|told| (told.run(), told.at));
    told
}

/// The telling line of each log and message, oldest first.
#[must_use]
pub fn hits(evidence: &Evidence) -> Vec<Hit<'_>> {
    let told = told(evidence);
    let newest = told.last().map(Told::run);
    told.into_iter()
        .filter_map(|told| {
            let (line, signature) = telling(&told.lines)?;
            let last = Some(told.run()) == newest;
            Some(Hit {
                signature,
                line,
                namespace: &evidence.job.namespace,
                pod: told.pod,
                source: told.source,
                at: told.at,
                last,
            })
        })
        .collect()
}

fn from_log<'e>(evidence: &'e Evidence, log: &'e LogTail) -> Told<'e> {
    let made = evidence
        .pods
        .iter()
        .find(|pod| pod.name == log.pod)
        .and_then(|pod| pod.created);
    Told {
        made,
        attempt: log.attempt,
        at: log.last_line.or(log.captured),
        pod: &log.pod,
        source: format!(
            "log of Pod {} container {}, run {}",
            log.pod,
            log.container,
            log.attempt + 1
        ),
        lines: log.lines.iter().map(String::as_str).collect(),
    }
}

fn from_message<'e>(pod: &'e PodRecord, container: &'e ContainerRecord, end: &'e Termination) -> Told<'e> {
    let run = end.attempt + 1;
    Told {
        made: pod.created,
        attempt: end.attempt,
        at: end.finished,
        pod: &pod.name,
        source: format!(
            "termination message of Pod {} container {}, run {run}",
            pod.name, container.name
        ),
        lines: end.message.lines().collect(),
    }
}

/// The last telling line. A line about reaching something is void once a later one says that it was reached.
fn telling<'l>(lines: &[&'l str]) -> Option<(&'l str, LogSignature)> {
    let mut reached = false;
    let mut last = lines
        .iter()
        .rev()
        .filter(|line| !line.trim().is_empty())
        .take(TELLING_LINES);
    while let Some(line) = last.next() {
        if let Some(signature) = log_signature(line) {
            if !(reached && signature.is_unreachable()) {
                // A client prints the status last (`"code": 403`), and above it who may not do what.
                let named = (signature == LogSignature::Auth)
                    .then(|| last.find(|line| log_signature(line) == Some(LogSignature::Rbac)));
                return Some(match named.flatten() {
                    Some(line) => (line.trim(), LogSignature::Rbac),
                    None => (line.trim(), signature),
                });
            }
        } else if says_reached(line) {
            reached = true;
        }
    }
    None
}

fn says_reached(line: &str) -> bool {
    let negated = ["not ready", "not yet", "unready", "waiting", "until"]
        .iter()
        .any(|part| holds(line, part));
    !negated
        && [
            " is ready",
            " ready after",
            "connected to",
            " is up",
            "accepting connections",
        ]
        .iter()
        .any(|part| holds(line, part))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::testkit::evidence;

    #[test]
    fn a_line_that_was_survived_tells_nothing() {
        for (lines, signature) in [
            (["curl: (7) refused", "api is ready", "zone malformed"], None),
            (
                ["curl: (7) refused", "again", "server returned error 401"],
                Some(LogSignature::Auth),
            ),
            (
                ["curl: (7) refused", "api is not ready", "waiting"],
                Some(LogSignature::Refused),
            ),
        ] {
            let evidence = evidence(&json!({"logs": [{"pod": "p", "container": "c", "lines": lines}]}));
            assert_eq!(
                hits(&evidence).last().map(|hit| hit.signature),
                signature,
                "{lines:?}"
            );
        }
    }
}
