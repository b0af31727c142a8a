//! `runtime_download_failed`.

use super::Match;
use crate::engine::case::Case;
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
    let hit = case.hit(LogSignature::Download)?;
    let finding = format!("a download that every run makes failed: {}", hit.line);
    let mut found = Match::from_hit(RootCause::RuntimeDownloadFailed, finding, hit);
    if let Some(end) = case.last_end() {
        found = found.proof(
            "termination",
            end.source(),
            end.end.finished,
            format!("exit code {}, reason {}", end.end.exit_code, end.end.reason),
        );
    }
    Some(found.repair("Put the tools into the image, so that no run has to fetch them."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::causes::Cause;
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
}
