//! `app_error`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::diagnosis::Confidence;
use crate::engine::root_cause::RootCause;
use crate::engine::signatures::exit_signature;

cause! {
    /// # What it is
    ///
    /// The program in the container failed by itself, and its log holds no line that is known. The log was
    /// kept: reading it is the next step.
    ///
    /// # Evidence
    ///
    /// An exit code from 1 to 125 without a meaning of its own, a reason that is not a kill, and a log or a
    /// termination message of that run that holds no known signature.
    ///
    /// # Not to be confused with
    ///
    /// `unknown`: no run's end was seen. `evidence_lost`: an end was seen, and the log of it is gone, so a
    /// known signature may have stood there.
    ///
    /// # Repair
    ///
    /// Read the log that is shown. A cause that comes back deserves a signature of its own.
    ///
    /// # Do not
    ///
    /// Do not assume that another run does better when several have ended the same way.
    AppError, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let end = case
        .last_end()
        .filter(|end| (1..=125).contains(&end.end.exit_code) && end.end.reason != "OOMKilled")?;
    if !case.hits.is_empty() || !case.has_logs() || exit_signature(end.end.exit_code).is_some() {
        return None;
    }
    let finding = format!(
        "container {} failed with exit code {}",
        end.container.name, end.end.exit_code
    );
    let mut found = Match::from_end(RootCause::AppError, finding, end).confident(Confidence::Likely);
    let log = case
        .evidence
        .logs
        .iter()
        .rev()
        .find(|log| log.pod == end.pod.name && log.container == end.container.name);
    let last = log.and_then(|log| Some((log, log.lines.iter().rev().find(|line| !line.trim().is_empty())?)));
    if let Some((log, line)) = last {
        found = found.proof(
            "log",
            format!(
                "log of Pod {} container {}, run {}",
                log.pod,
                log.container,
                log.attempt + 1
            ),
            log.last_line,
            line.as_str(),
        );
    }
    Some(found.repair("Read the log of the failed run and repair what it says."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{exited, failed, find, judge, log};

    #[test]
    fn its_evidence_is_found() {
        let evidence = failed(
            "BackoffLimitExceeded",
            330,
            json!({"pods": exited(1, "Error"), "logs": log(&["zone example.org is malformed"])}),
        );
        assert!(find(&AppError, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(AppError.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "BackoffLimitExceeded",
            330,
            json!({"pods": exited(1, "Error"), "logs": log(&["curl: (7) Failed to connect to powerdns port 8081"])}),
        );
        assert!(find(&AppError, &evidence).is_none());
    }
}
