//! `auth_failure`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::diagnosis::Confidence;
use crate::engine::family::{exit, told};
use crate::engine::root_cause::RootCause;
use crate::engine::signatures::LogSignature;

cause! {
    /// # What it is
    ///
    /// Something that the Job calls answered, and refuses the Job's credentials: a key that was rotated, a
    /// Secret with an old password, a user that does not exist. Waiting does not help, so a good wait loop ends
    /// at once on it.
    ///
    /// # Evidence
    ///
    /// The last telling line of the newest log, or the termination message, speaks of `401`, `403`,
    /// `Unauthorized`, a failed password or a denied permission; or `hookbudget-wait` ended with its exit code
    /// 77 for a fatal status.
    ///
    /// # Not to be confused with
    ///
    /// `image_pull_auth`: there no container ran. `rbac_denied`: there the API server refuses the
    /// `ServiceAccount`. `connection_refused`: there nobody answered.
    ///
    /// # Repair
    ///
    /// Compare the Secret that the Job reads with what the service knows. A service that was set up once and
    /// kept its data keeps its old password.
    ///
    /// # Do not
    ///
    /// Do not retry: some services lock an account after a few tries.
    AuthFailure, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let finding = "what the Job calls refuses its credentials";
    let fatal = || {
        let end =
            exit(case, FATAL_EXIT).filter(|_| !case.evidence.waits.is_empty() && case.hits.is_empty())?;
        let found = Match::from_end(RootCause::AuthFailure, finding, end);
        Some(found.confident(Confidence::Possible))
    };
    let found = told(case, RootCause::AuthFailure, LogSignature::Auth, finding).or_else(fatal)?;
    Some(found.repair("Put the right credentials into the Secret that the Job reads."))
}

/// How `hookbudget-wait` ends on a status that no waiting heals.
const FATAL_EXIT: i32 = 77;

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
            json!({"pods": exited(1, "Error"), "logs": log(&["curl: (22) The requested URL returned error: 401"])}),
        );
        assert!(find(&AuthFailure, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(AuthFailure.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "BackoffLimitExceeded",
            330,
            json!({"pods": exited(1, "Error"), "logs": log(&["curl: (7) Failed to connect to powerdns port 8081"])}),
        );
        assert!(find(&AuthFailure, &evidence).is_none());
    }

    #[test]
    fn an_answer_after_refusals_is_the_later_evidence() {
        let lines = [
            "curl: (7) Failed to connect to powerdns port 8081",
            "api answered with status 403, giving up",
        ];
        let evidence = failed(
            "BackoffLimitExceeded",
            330,
            json!({"pods": exited(1, "Error"), "logs": log(&lines)}),
        );
        assert_eq!(judge(&evidence).root_cause, Some(RootCause::AuthFailure));
    }
}
