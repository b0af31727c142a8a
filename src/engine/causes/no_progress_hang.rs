//! `no_progress_hang`.

use crate::engine::case::Case;
use crate::engine::case::span;
use crate::engine::cause::{Match, cause};
use crate::engine::diagnosis::{Confidence, Trigger};
use crate::engine::progress::newest_line;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// The Job's container ran until the deadline, and wrote nothing for a long time before it.
    ///
    /// # Evidence
    ///
    /// `DeadlineExceeded`, a container that was running until then, and a last line of log that is older than
    /// the policy's silence.
    ///
    /// # Not to be confused with
    ///
    /// `deadline_too_short`: there the log was growing. `sidecar_not_terminated`: there the main container was
    /// done. A program that prints nothing by design looks the same.
    ///
    /// # Repair
    ///
    /// Give every call inside the script a limit of its own (`--max-time`, `timeout`), so that a hang shows as
    /// what it is.
    ///
    /// # Do not
    ///
    /// Do not raise the deadline.
    NoProgressHang, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    if case.trigger != Trigger::DeadlineExceeded || !case.ends.is_empty() || !case.ran_after(None, None) {
        return None;
    }
    let log = case.evidence.logs.iter().max_by_key(|log| log.last_line)?;
    let silent = span(log.last_line?, case.until());
    let went_on = newest_line(case.evidence, &case.knobs.progress)
        .is_some_and(|(line, ..)| line.attempts.is_some() && !line.is_exhausted());
    (silent >= case.knobs.silence && !went_on).then(|| {
        let finding = format!(
            "the Job stood still for the last {} s before its deadline",
            silent.whole()
        );
        Match::new(RootCause::NoProgressHang, finding)
            .confident(Confidence::Likely)
            .proof(
                "log",
                format!("log of Pod {} container {}", log.pod, log.container),
                log.last_line,
                log.lines.last().map_or("", String::as_str),
            )
            .repair("Give each call in the script a limit of its own, and find the one that hangs.")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{at, failed, find, judge, log, pod};

    #[test]
    fn its_evidence_is_found() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"pods": pod(json!({"state": {"running": {"started": at(1)}}})), "logs": log(&["starting"])}),
        );
        assert!(find(&NoProgressHang, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(NoProgressHang.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "DeadlineExceeded",
            100,
            json!({"pods": pod(json!({"state": {"running": {"started": at(1)}}})), "logs": log(&["starting"])}),
        );
        assert!(find(&NoProgressHang, &evidence).is_none());
    }
}
