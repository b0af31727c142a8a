//! `oom_suspected`.

use crate::engine::case::{Case, End};
use crate::engine::cause::{Match, cause};
use crate::engine::diagnosis::Confidence;
use crate::engine::evidence::LogTail;
use crate::engine::family::exit;
use crate::engine::root_cause::RootCause;
use crate::engine::signatures::holds;

cause! {
    /// # What it is
    ///
    /// The container ran short of memory, as far as one can tell, and the runtime did not say so: a child of the
    /// shell was killed and the shell went on, or the program's own limit (the heap of a JVM or of Node.js) was
    /// reached before the container's.
    ///
    /// # Evidence
    ///
    /// The last lines of the log speak of memory that could not be had, or the container has a memory limit, ended
    /// with 137 and reason `Error`, and its shell printed `Killed`. The reason is never `OOMKilled`.
    ///
    /// # Not to be confused with
    ///
    /// `oom_killed`: there the runtime says it. Exit code 137 alone proves nothing: a liveness probe, a deadline and a
    /// person kill in the same way.
    ///
    /// # Repair
    ///
    /// Look at the container's memory beside its limit (`container_memory_working_set_bytes`); raise the limit, or
    /// the program's own (`-Xmx`, `--max-old-space-size`), or make the Job need less.
    ///
    /// # Do not
    ///
    /// Do not raise `backoffLimit` only: the next run needs as much memory as the last.
    OomSuspected, find
}

/// What runtimes and programs print when they get no more memory: the C library (`strerror(ENOMEM)`), the JVM, V8,
/// `CPython`, Go.
const SHORT_OF_MEMORY: [&str; 6] = [
    "cannot allocate memory",
    "java.lang.outofmemoryerror",
    "javascript heap out of memory",
    "memoryerror",
    "fatal error: runtime: out of memory",
    "std::bad_alloc",
];

fn find(case: &Case<'_>) -> Option<Match> {
    let end = case.last_end().filter(|end| end.end.exit_code != 0)?;
    if end.end.reason == "OOMKilled" {
        return None;
    }
    let log = case.evidence.logs.iter().rev().find(|log| is_of(log, end))?;
    let line = said(log, end, case)?;
    let name = &end.container.name;
    let finding = format!("container {name} was short of memory, as its log says: {line}");
    let repair =
        format!("Look at the memory of container {name} beside its limit; raise the limit or need less.");
    Some(
        Match::from_end(RootCause::OomSuspected, finding, end)
            .proof(
                "log",
                format!("Pod {} container {name}", log.pod),
                log.last_line,
                line,
            )
            .confident(Confidence::Likely)
            .repair(repair),
    )
}

fn is_of(log: &LogTail, end: &End<'_>) -> bool {
    log.pod == end.pod.name && log.container == end.container.name
}

/// The line that speaks of memory, among the last that were printed.
fn said<'e>(log: &'e LogTail, end: &End<'_>, case: &Case<'_>) -> Option<&'e str> {
    let last = || log.lines.iter().rev().take(5).map(String::as_str);
    let spoken = last().find(|line| SHORT_OF_MEMORY.iter().any(|words| holds(line, words)));
    let killed = || {
        let limited = end.container.memory_limit.is_some() && exit(case, 137).is_some();
        last().find(|line| limited && line.trim_end().ends_with("Killed"))
    };
    spoken.or_else(killed)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::evidence::Evidence;
    use crate::engine::testkit::{at, failed, find, judge, log, pod};

    fn ended(code: i32, reason: &str, limit: &Value, lines: &[&str]) -> Evidence {
        let end = json!([{"exit_code": code, "reason": reason, "started": at(1), "finished": at(5)}]);
        let pods = pod(json!({"ends": end, "memory_limit": limit}));
        failed(
            "BackoffLimitExceeded",
            330,
            json!({"pods": pods, "logs": log(lines)}),
        )
    }

    #[test]
    fn its_evidence_is_found() {
        let evidence = ended(
            137,
            "Error",
            &json!("64Mi"),
            &["dumping", "sh: line 3:    12 Killed"],
        );
        assert!(find(&OomSuspected, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(OomSuspected.meta().cause));
    }

    #[test]
    fn a_program_that_says_so_needs_no_limit() {
        let evidence = ended(1, "Error", &Value::Null, &["fork: Cannot allocate memory"]);
        assert_eq!(judge(&evidence).root_cause, Some(RootCause::OomSuspected));
    }

    #[test]
    fn its_neighbour_is_not() {
        let said = ended(137, "OOMKilled", &json!("64Mi"), &["Killed"]);
        assert!(find(&OomSuspected, &said).is_none());
        assert_eq!(judge(&said).root_cause, Some(RootCause::OomKilled));
        let silent = ended(137, "Error", &json!("64Mi"), &["copying"]);
        assert!(find(&OomSuspected, &silent).is_none(), "137 alone proves nothing");
    }
}
