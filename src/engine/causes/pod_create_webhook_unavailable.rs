//! `pod_create_webhook_unavailable`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::creation;
use crate::engine::root_cause::RootCause;
use crate::engine::signatures::CreateFailure;

cause! {
    /// # What it is
    ///
    /// A webhook with `failurePolicy: Fail` does not answer. Until it does, no Pod that it watches can be made,
    /// in this Job or in any other.
    ///
    /// # Evidence
    ///
    /// An event `FailedCreate` on the Job whose message holds `failed calling webhook`, with no Pod made
    /// afterwards.
    ///
    /// # Not to be confused with
    ///
    /// `pod_create_webhook_denied`: there the webhook answered.
    ///
    /// # Repair
    ///
    /// Look at the Pods and the certificate behind the webhook's Service. It may itself wait for what this Job
    /// was to prepare.
    ///
    /// # Do not
    ///
    /// Do not rerun the Job before another Pod in the namespace can be made.
    PodCreateWebhookUnavailable, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let event = creation(case, CreateFailure::WebhookUnavailable)?;
    Some(Match::from_event(RootCause::PodCreateWebhookUnavailable, "no Pod can be made: an admission webhook that has to answer does not", event).repair("Bring the webhook that the event names back, or set its failurePolicy to Ignore while it is down."))
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
            json!({"events": job_event("FailedCreate", r#"Error creating: Internal error occurred: failed calling webhook "check.example": context deadline exceeded"#)}),
        );
        assert!(find(&PodCreateWebhookUnavailable, &evidence).is_some());
        assert_eq!(
            judge(&evidence).root_cause,
            Some(PodCreateWebhookUnavailable.meta().cause)
        );
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"events": job_event("FailedCreate", r#"Error creating: admission webhook "check.example" denied the request: no owner label"#)}),
        );
        assert!(find(&PodCreateWebhookUnavailable, &evidence).is_none());
    }

    #[test]
    fn a_pod_that_was_made_later_overtakes_it() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({
                "events": job_event("FailedCreate", r#"Error creating: Internal error occurred: failed calling webhook "check.example": context deadline exceeded"#),
                "pods": [{"name": "job-x", "created": at(60)}],
            }),
        );
        assert!(find(&PodCreateWebhookUnavailable, &evidence).is_none());
    }
}
