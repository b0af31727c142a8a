//! `unknown`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause, named};
use crate::engine::diagnosis::Confidence;
use crate::engine::family::is_pull_reason;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// There is evidence, and no cause that is known fits it. This is an honest answer, and a list of what it
    /// may have been comes with it.
    ///
    /// # Evidence
    ///
    /// A failed Job that no other cause claims.
    ///
    /// # Not to be confused with
    ///
    /// `evidence_lost`: there is nothing to go by. `app_error`: a program's own failure with its log.
    ///
    /// # Repair
    ///
    /// Look at the evidence that is listed. If it comes back, it deserves a cause of its own.
    ///
    /// # Do not
    ///
    /// Do not take the first of the candidates for the answer.
    Unknown, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    if !case.is_failure() {
        return None;
    }
    let mut found =
        Match::new(RootCause::Unknown, "no known cause fits the evidence").confident(Confidence::Possible);
    if case
        .waiting()
        .any(|(_, _, waiting)| is_pull_reason(&waiting.reason))
    {
        "an image cannot be pulled, and no message says why".clone_into(&mut found.finding);
        found.candidates = vec![
            RootCause::ImagePullNotFound,
            RootCause::ImagePullAuth,
            RootCause::ImagePullRateLimited,
            RootCause::ImagePullNetwork,
        ];
    }
    if let Some(end) = case.last_end() {
        let text = format!("exit code {}, reason {}", end.end.exit_code, end.end.reason);
        found = found.proof("termination", end.source(), end.end.finished, text);
    }
    if let Some(hit) = case.last_hit() {
        found = found.proof("log", hit.source.clone(), hit.at, hit.line);
    }
    let told = case
        .evidence
        .events
        .iter()
        .filter(|event| event.kind == "Warning");
    if let Some(event) = told.max_by_key(|event| event.last) {
        let source = format!("{} {}", named(&event.object), event.reason);
        found = found.proof("event", source, event.last, event.message.clone());
    }
    Some(found.repair("Read the evidence that is listed; no known cause fits it."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::testkit::{at, evidence, exited, failed, find, judge, waiting};

    #[test]
    fn it_stands_behind_every_other_cause() {
        let evidence = failed("BackoffLimitExceeded", 330, json!({"pods": exited(137, "Error")}));
        assert_eq!(judge(&evidence).root_cause, Some(RootCause::Unknown));
        let evidence = failed(
            "BackoffLimitExceeded",
            330,
            json!({"pods": exited(137, "OOMKilled")}),
        );
        assert_eq!(judge(&evidence).root_cause, Some(RootCause::OomKilled));
    }

    #[test]
    fn a_job_that_has_not_failed_has_no_unknown_cause() {
        assert!(
            find(
                &Unknown,
                &evidence(&json!({"job": {"created": at(0), "active": 1}}))
            )
            .is_none()
        );
    }

    #[test]
    fn a_back_off_without_a_word_leaves_four_candidates() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"pods": waiting("ImagePullBackOff", "Back-off pulling image")}),
        );
        assert_eq!(judge(&evidence).candidates.len(), 4);
    }
}
