//! `pod_create_policy`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::creation;
use crate::engine::root_cause::RootCause;
use crate::engine::signatures::CreateFailure;

cause! {
    /// # What it is
    ///
    /// The Pod security admission of the API server enforces a standard in this namespace, and the Pod does not
    /// keep it.
    ///
    /// # Evidence
    ///
    /// An event `FailedCreate` on the Job whose message holds `violates PodSecurity`, with no Pod made
    /// afterwards.
    ///
    /// # Not to be confused with
    ///
    /// `pod_create_webhook_denied`: there a policy engine of the cluster refused the Pod, with its own text.
    ///
    /// # Repair
    ///
    /// The event lists each field that offends: usually `runAsNonRoot`, `allowPrivilegeEscalation`,
    /// `capabilities` and `seccompProfile`.
    ///
    /// # Do not
    ///
    /// Do not lower the standard of the namespace for one Job.
    PodCreatePolicy, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let event = creation(case, CreateFailure::Policy)?;
    Some(
        Match::from_event(
            RootCause::PodCreatePolicy,
            "no Pod can be made: it violates the Pod security standard of its namespace",
            event,
        )
        .repair("Set the securityContext fields that the event names in the Pod template."),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{at, failed, find, job_event, judge};

    #[test]
    fn its_evidence_is_found() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"events": job_event("FailedCreate", r#"Error creating: pods "job-x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true"#)}),
        );
        assert!(find(&PodCreatePolicy, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(PodCreatePolicy.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"events": job_event("FailedCreate", r#"Error creating: pods "job-" is forbidden: error looking up service account demo/nosuch: serviceaccount "nosuch" not found"#)}),
        );
        assert!(find(&PodCreatePolicy, &evidence).is_none());
    }

    #[test]
    fn a_pod_that_was_made_later_overtakes_it() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({
                "events": job_event("FailedCreate", r#"Error creating: pods "job-x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true"#),
                "pods": [{"name": "job-x", "created": at(60)}],
            }),
        );
        assert!(find(&PodCreatePolicy, &evidence).is_none());
    }
}
