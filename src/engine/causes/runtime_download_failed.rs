//! `runtime_download_failed`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::downloads::{Told, suspect};
use crate::engine::root_cause::RootCause;
use crate::engine::signatures::LogSignature;

cause! {
    /// # What it is
    ///
    /// The script fetches packages or programs from outside on every run, and that failed this time. The Job's
    /// success then depends on somebody else's servers at two in the morning.
    ///
    /// # Evidence
    ///
    /// The last telling line is of a package manager (`unable to select packages`), or of a download from a
    /// host outside the cluster that broke off, timed out or was answered with an error (curl's 22, 28, 56).
    /// Where no line names the host: the error line or the exit code of the program with which the script
    /// fetches from outside.
    ///
    /// # Not to be confused with
    ///
    /// `dns_failure`: there the host's name does not resolve. `oom_killed`: a big download can end so as well;
    /// the captured end tells. `connection_refused`: there it is a service inside the cluster.
    ///
    /// # Repair
    ///
    /// Put the tools into the image. Until then, retry the download itself inside the script.
    ///
    /// # Do not
    ///
    /// Do not raise `backoffLimit`: each retry downloads everything again.
    RuntimeDownloadFailed, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let cause = RootCause::RuntimeDownloadFailed;
    let found = if let Some(hit) = case.hit(LogSignature::Download) {
        let finding = format!("a download that every run makes failed: {}", hit.line);
        ended(Match::from_hit(cause, finding, hit), case)
    } else {
        let suspect = suspect(case)?;
        let download = suspect.download;
        let what = download.command();
        let failed = format!("a download that every run makes failed ({what})");
        let found = match suspect.told {
            Told::Line(hit) => ended(
                Match::from_hit(cause, format!("{failed}: {}", hit.line), hit),
                case,
            ),
            Told::Code(end) => {
                let finding = format!("{failed}: exit code {}", end.end.exit_code);
                Match::from_end(cause, finding, end)
            }
        };
        let source = format!("script of container {}", download.container);
        found
            .proof("spec", source, None, what)
            .confident(suspect.confidence)
    };
    Some(found.repair("Put the tools into the image, so that no run has to fetch them."))
}

fn ended(found: Match, case: &Case<'_>) -> Match {
    let Some(end) = case.last_end() else { return found };
    let text = format!("exit code {}, reason {}", end.end.exit_code, end.end.reason);
    found.proof("termination", end.source(), end.end.finished, text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::diagnosis::Confidence;
    use crate::engine::evidence::Evidence;
    use crate::engine::testkit::{exited, failed, find, judge, log};

    #[test]
    fn its_evidence_is_found() {
        let evidence = failed(
            "BackoffLimitExceeded",
            330,
            json!({"pods": exited(28, "Error"), "logs": log(&["curl: (28) Failed to connect to dl.example.org port 443 after 130000 ms: Timeout was reached"])}),
        );
        assert!(find(&RuntimeDownloadFailed, &evidence).is_some());
        assert_eq!(
            judge(&evidence).root_cause,
            Some(RuntimeDownloadFailed.meta().cause)
        );
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "BackoffLimitExceeded",
            330,
            json!({"pods": exited(28, "Error"), "logs": log(&["curl: (28) Failed to connect to minio.minio.svc.cluster.local port 9000: timed out"])}),
        );
        assert!(find(&RuntimeDownloadFailed, &evidence).is_none());
    }

    /// The script's download, and what was captured of a run.
    fn fetching(alone: bool, code: i32, lines: &[&str]) -> Evidence {
        let target = "http://203.0.113.9/mc";
        let download = json!({"container": "c", "tool": "curl", "target": target, "alone": alone});
        let mut more = json!({"pods": exited(code, "Error"), "downloads": [download]});
        if !lines.is_empty() {
            more["logs"] = log(lines);
        }
        failed("BackoffLimitExceeded", 33, more)
    }

    #[test]
    fn an_address_that_does_not_answer_is_a_failed_download() {
        for line in [
            "curl: (28) Failed to connect to 203.0.113.9 port 80 after 3000 ms: Timeout was reached",
            "curl: (28) Connection timed out after 3001 milliseconds",
        ] {
            let judged = judge(&fetching(true, 28, &["fetching tools", line]));
            assert_eq!(
                judged.root_cause,
                Some(RootCause::RuntimeDownloadFailed),
                "{line}"
            );
            assert!(judged.evidence.iter().any(|proof| proof.text == line));
            assert_eq!(judged.contributing, [], "{line}");
        }
    }

    #[test]
    fn the_exit_code_and_the_script_tell_where_no_log_does() {
        for code in [7, 22, 28, 56] {
            for lines in [&[][..], &["fetching tools"]] {
                let judged = judge(&fetching(true, code, lines));
                assert_eq!(
                    (judged.root_cause, judged.confidence),
                    (Some(RootCause::RuntimeDownloadFailed), Confidence::Likely),
                    "{code}"
                );
                assert!(!judged.contributing.contains(&RootCause::BudgetMisconfigured));
            }
        }
        // A name that does not resolve is the deeper cause.
        let judged = judge(&fetching(true, 6, &[]));
        assert!(find(&RuntimeDownloadFailed, &fetching(true, 6, &[])).is_some());
        assert_eq!(judged.root_cause, Some(RootCause::DnsFailure));
    }

    #[test]
    fn a_script_that_calls_services_too_leaves_it_open_whose_error_it_was() {
        let found = find(&RuntimeDownloadFailed, &fetching(false, 28, &[])).expect("a match");
        assert_eq!(found.confidence, Confidence::Possible);
        let line = "curl: (28) Connection timed out after 3001 milliseconds";
        assert!(find(&RuntimeDownloadFailed, &fetching(false, 28, &[line])).is_none());
        assert!(find(&RuntimeDownloadFailed, &fetching(true, 1, &[])).is_none());
    }
}
