//! `evidence_lost`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::diagnosis::{Confidence, Trigger};
use crate::engine::evidence::Lost;
use crate::engine::job::RestartPolicy;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// The Job failed, and whatever could have told why was gone before it could be kept. Under `OnFailure` the
    /// Job's failure deletes the Pod with all its logs; the events that are left only say that there was a
    /// failure. This is the project's measure of its own blind spot.
    ///
    /// # Evidence
    ///
    /// A failed Job with no end of a run, no waiting reason, no telling event and no log; or with ends that
    /// were seen while the log that would explain them is gone.
    ///
    /// # Not to be confused with
    ///
    /// `app_error`: there the log was kept and holds nothing that is known. `unknown`: there is telling
    /// evidence, and no cause fits it.
    ///
    /// # Repair
    ///
    /// Let the exporter run while the Job does. Set `restartPolicy: Never`, so that failed Pods stay, and
    /// `terminationMessagePolicy: FallbackToLogsOnError`, so that the last lines stay with the Pod's status.
    ///
    /// # Do not
    ///
    /// Do not guess. "Probably out of memory" has cost more time than "not known".
    EvidenceLost, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    if !case.is_failure()
        || case.trigger == Trigger::NeverStarted
        || case.has_logs() && !case.evidence.logs.is_empty()
    {
        return None;
    }
    let unexplained = case
        .last_end()
        .filter(|end| (1..=125).contains(&end.end.exit_code) && case.hits.is_empty());
    let nothing = case.ends.is_empty()
        && case.waiting().next().is_none()
        && !case.evidence.events.iter().any(|event| is_telling(&event.reason))
        && case
            .evidence
            .pods
            .iter()
            .all(|pod| pod.conditions.is_empty() && pod.reason.is_empty() || case.ran_after(None, None));
    let (finding, mut found) = match unexplained {
        Some(end) if !case.has_logs() => {
            let finding = format!(
                "container {} ended with exit code {}, and its log was gone before it could be kept",
                end.container.name, end.end.exit_code
            );
            (
                finding.clone(),
                Match::from_end(RootCause::EvidenceLost, finding, end),
            )
        }
        _ if nothing => {
            let finding = "nothing that could tell why was kept".to_owned();
            (finding.clone(), Match::new(RootCause::EvidenceLost, finding))
        }
        _ => return None,
    };
    found.finding = finding;
    let job = case.job();
    let why = if job.restart_policy == RestartPolicy::OnFailure {
        "under OnFailure the Pod is deleted with its logs when the Job fails"
    } else {
        "it was not captured while it existed"
    };
    let mut miss = |what: &str| {
        found.missing.push(Lost {
            what: what.to_owned(),
            why: why.to_owned(),
        });
    };
    miss("the logs of all runs");
    if case.ends.is_empty() {
        miss("the end of every run: exit code and reason");
    }
    if case.evidence.pods.is_empty() {
        miss("the Pods");
    }
    Some(found.confident(Confidence::Certain).repair("Keep the evidence: run the exporter while the Job runs, use restartPolicy Never and terminationMessagePolicy FallbackToLogsOnError."))
}

/// Events that say more than that the Job lives and fails.
fn is_telling(reason: &str) -> bool {
    !matches!(
        reason,
        "SuccessfulCreate"
            | "SuccessfulDelete"
            | "BackOff"
            | "BackoffLimitExceeded"
            | "DeadlineExceeded"
            | "Killing"
            | "Started"
            | "Created"
            | "Pulled"
            | "Pulling"
            | "Scheduled"
            | "Completed"
            | "SawCompletedJob"
            | "UnexpectedJob"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{exited, failed, find, job_event, judge, log};

    #[test]
    fn its_evidence_is_found() {
        let evidence = failed(
            "BackoffLimitExceeded",
            330,
            json!({"events": job_event("BackoffLimitExceeded", "Job has reached the specified backoff limit")}),
        );
        assert!(find(&EvidenceLost, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(EvidenceLost.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "BackoffLimitExceeded",
            330,
            json!({"pods": exited(1, "Error"), "logs": log(&["zone example.org is malformed"])}),
        );
        assert!(find(&EvidenceLost, &evidence).is_none());
    }

    #[test]
    fn an_exit_code_without_its_log_is_no_explanation() {
        let judged = judge(&failed(
            "BackoffLimitExceeded",
            330,
            json!({"pods": exited(1, "Error")}),
        ));
        assert_eq!(judged.root_cause, Some(RootCause::EvidenceLost));
        assert!(judged.evidence_lost.iter().any(|lost| lost.what.contains("logs")));
        assert!(
            !judged.candidates.contains(&RootCause::OomKilled),
            "the reason Error was captured"
        );
    }
}
