//! `budget_misconfigured`.

use crate::engine::Seconds;
use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::diagnosis::{Confidence, Trigger};
use crate::engine::downloads::suspect;
use crate::engine::evidence::JobRecord;
use crate::engine::progress::newest_line;
use crate::engine::root_cause::RootCause;
use crate::engine::signatures::{LogSignature, exit_signature};

cause! {
    /// # What it is
    ///
    /// The Job waits for something by failing: it tries once, ends, and leaves the waiting to the restarts.
    /// These were used up long before the deadline, which therefore never got a chance. Restarts times back-off
    /// and the deadline are two clocks; raising one leaves the other. Also, a release that gives up on a Job
    /// whose own clocks allow it to go on.
    ///
    /// # Evidence
    ///
    /// `BackoffLimitExceeded` while time was left until the deadline (or until the release's timeout, where
    /// there is no deadline), and a last run that could not reach what it calls. Or `ReleaseTimeout` for a Job
    /// that may wait longer than the release does.
    ///
    /// # Not to be confused with
    ///
    /// `inner_budget_exhausted`: there the script waited inside and ran out. `app_error`: a program that fails
    /// for its own reasons needs no longer wait. `dependency_node_capacity` and its neighbours: where the
    /// dependency could not have come up in any time, that is the root, and this contributes.
    ///
    /// # Repair
    ///
    /// Let one container run own the whole wait: `restartPolicy: Never`, a loop with a limit inside the script,
    /// and `wait + headroom <= deadline <= release timeout`.
    ///
    /// # Do not
    ///
    /// Do not only raise `activeDeadlineSeconds`: the retries end before it. Do not only raise `backoffLimit`:
    /// the back-off is a setting of the node.
    BudgetMisconfigured, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let job = case.job();
    let unreachable = case.last_hit().map_or_else(
        || {
            case.last_end()
                .and_then(|end| exit_signature(end.end.exit_code))
                .is_some_and(LogSignature::is_unreachable)
        },
        |hit| hit.signature.is_unreachable(),
    );
    let gave_up_inside = newest_line(case.evidence, &case.knobs.progress)
        .is_some_and(|(line, ..)| line.is_exhausted())
        || case.last_end().is_some_and(|end| end.end.exit_code == 124);
    // Nobody waits for a download: it worked or it did not.
    if !unreachable || gave_up_inside || suspect(case).is_some() {
        return None;
    }
    let release = job
        .release
        .as_ref()
        .filter(|release| !release.assumed)
        .and_then(|release| release.timeout);
    let found = match case.trigger {
        Trigger::BackoffLimitExceeded => {
            let elapsed = case.elapsed()?;
            let (clock, limit) = match (job.deadline, release) {
                (Some(deadline), _) => ("deadline", deadline),
                (None, Some(timeout)) => ("release's timeout", timeout),
                (None, None) => return None,
            };
            let left = limit - elapsed;
            if left <= Seconds::ZERO {
                return None;
            }
            let retries = job
                .backoff_limit
                .map_or_else(|| "all retries".to_owned(), |limit| format!("{limit} retries"));
            let finding = format!(
                "{retries} were used up after {} s, {} s before the {clock} of {limit}, while what it calls could not be reached",
                elapsed.whole(),
                left.whole()
            );
            let text = format!("ended after {} s, the {clock} is {limit}", elapsed.whole());
            Match::new(RootCause::BudgetMisconfigured, finding).proof(
                "spec",
                format!("Job {}/{}", job.namespace, job.name),
                case.ended,
                text,
            )
        }
        Trigger::ReleaseTimeout => {
            let (timeout, wait) = release.zip(longest(job))?;
            if wait <= timeout {
                return None;
            }
            let finding = format!("the Job may go on for {wait}, and its release gives up after {timeout}");
            let text = format!("the Job's own clocks allow {wait}, the release's timeout is {timeout}");
            Match::new(RootCause::BudgetMisconfigured, finding).proof(
                "spec",
                format!("Job {}/{}", job.namespace, job.name),
                Some(case.now),
                text,
            )
        }
        _ => return None,
    };
    let confidence = if case.last_hit().is_some() {
        Confidence::Certain
    } else {
        Confidence::Likely
    };
    Some(found.confident(confidence).repair("Let one run own the whole wait: restartPolicy Never, a bounded loop inside, and wait + headroom <= deadline <= release timeout."))
}

/// The span after which the Job ends by itself, at the latest.
fn longest(job: &JobRecord) -> Option<Seconds> {
    let waits = job
        .clocks
        .retries_upper
        .into_iter()
        .chain(job.clocks.wait_worst)
        .chain(job.clocks.wait_nominal);
    match (job.deadline, waits.max()) {
        (Some(deadline), Some(wait)) => Some(deadline.min(wait)),
        (deadline, wait) => deadline.or(wait),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{at, evidence, exited, failed, find, judge, log};

    #[test]
    fn its_evidence_is_found() {
        let evidence = failed(
            "BackoffLimitExceeded",
            330,
            json!({"pods": exited(7, "Error"), "logs": log(&["curl: (7) Failed to connect to powerdns port 8081 after 2 ms: Couldn't connect to server"])}),
        );
        assert!(find(&BudgetMisconfigured, &evidence).is_some());
        assert_eq!(
            judge(&evidence).root_cause,
            Some(BudgetMisconfigured.meta().cause)
        );
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "BackoffLimitExceeded",
            330,
            json!({"pods": exited(1, "Error"), "logs": log(&["zone example.org is malformed"])}),
        );
        assert!(find(&BudgetMisconfigured, &evidence).is_none());
    }

    #[test]
    fn at_the_deadline_the_retries_did_not_end_it() {
        let evidence = |ended| {
            failed(
                "BackoffLimitExceeded",
                ended,
                json!({"pods": exited(7, "Error"), "logs": log(&["curl: (7) Failed to connect"])}),
            )
        };
        for (ended, found) in [(839, true), (840, false), (841, false)] {
            assert_eq!(
                find(&BudgetMisconfigured, &evidence(ended)).is_some(),
                found,
                "{ended}"
            );
        }
    }

    #[test]
    fn a_release_that_gives_up_first_is_a_matter_of_budgets_too() {
        for (timeout, found) in [(300, true), (840, false)] {
            let evidence = evidence(&json!({
                "job": {"namespace": "demo", "name": "job", "created": at(0), "started": at(0), "active": 1,
                        "clocks": {"wait_nominal": 840}, "release": {"timeout": timeout}},
                "logs": log(&["curl: (7) Failed to connect"]),
            }));
            assert_eq!(
                find(&BudgetMisconfigured, &evidence).is_some(),
                found,
                "{timeout}"
            );
        }
    }
}
