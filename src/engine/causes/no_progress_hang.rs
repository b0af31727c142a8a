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
    /// the policy's silence; or a container that ran as long and wrote nothing at all. What its script fetches
    /// from outside the cluster is named: a server that takes a connection and never answers looks so.
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
    let since = match log.last_line {
        None if log.lines.is_empty() => case.began(&log.pod, &log.container)?,
        last_line => last_line?,
    };
    let silent = span(since, case.until());
    let went_on = newest_line(case.evidence, &case.knobs.progress)
        .is_some_and(|(line, ..)| line.attempts.is_some() && !line.is_exhausted());
    (silent >= case.knobs.silence && !went_on).then(|| {
        let finding = format!(
            "the Job stood still for the last {} s before its deadline",
            silent.whole()
        );
        let found = Match::new(RootCause::NoProgressHang, finding)
            .confident(Confidence::Likely)
            .proof(
                "log",
                format!("log of Pod {} container {}", log.pod, log.container),
                log.last_line,
                log.lines.last().map_or("not a line", String::as_str),
            );
        let mut downloads = case.evidence.downloads.iter();
        let found = match downloads.find(|download| download.container == log.container) {
            Some(download) => found.proof(
                "spec",
                format!("script of container {}", download.container),
                None,
                download.command(),
            ),
            None => found,
        };
        found.repair("Give each call in the script a limit of its own, and find the one that hangs.")
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
    fn a_container_that_never_wrote_a_line_hangs_too_and_its_download_is_named() {
        let silent = json!([{"pod": "job-x", "container": "c", "captured": at(840)}]);
        let download =
            json!({"container": "c", "tool": "curl", "target": "https://dl.example.org/mc", "alone": true});
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"pods": pod(json!({"state": {"running": {"started": at(1)}}})), "logs": silent,
                "downloads": [download]}),
        );
        let judged = judge(&evidence);
        assert_eq!(judged.root_cause, Some(RootCause::NoProgressHang));
        let told = |text: &str| judged.evidence.iter().any(|proof| proof.text == text);
        assert!(
            told("not a line") && told("curl https://dl.example.org/mc"),
            "{judged:#?}"
        );
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
