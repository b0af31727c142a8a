//! `pod_create_webhook_denied`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::creation;
use crate::engine::root_cause::RootCause;
use crate::engine::signatures::CreateFailure;

cause! {
    /// # What it is
    ///
    /// An admission webhook looked at the Pod and said no. The Job itself was admitted; its Pods are not.
    ///
    /// # Evidence
    ///
    /// An event `FailedCreate` on the Job whose message holds `admission webhook` and `denied the request`,
    /// with no Pod made afterwards.
    ///
    /// # Not to be confused with
    ///
    /// `pod_create_webhook_unavailable`: there nobody looked at the Pod. `pod_create_policy`: there the
    /// built-in Pod security admission refused it.
    ///
    /// # Repair
    ///
    /// Read the denial in the event and change the template.
    ///
    /// # Do not
    ///
    /// Do not switch the webhook off for the namespace.
    PodCreateWebhookDenied, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let event = creation(case, CreateFailure::WebhookDenied)?;
    Some(
        Match::from_event(
            RootCause::PodCreateWebhookDenied,
            "no Pod can be made: an admission webhook denies it",
            event,
        )
        .repair("Change the Pod template as the denial in the event asks, or have the policy changed."),
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
            json!({"events": job_event("FailedCreate", r#"Error creating: admission webhook "check.example" denied the request: no owner label"#)}),
        );
        assert!(find(&PodCreateWebhookDenied, &evidence).is_some());
        assert_eq!(
            judge(&evidence).root_cause,
            Some(PodCreateWebhookDenied.meta().cause)
        );
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"events": job_event("FailedCreate", r#"Error creating: Internal error occurred: failed calling webhook "check.example": context deadline exceeded"#)}),
        );
        assert!(find(&PodCreateWebhookDenied, &evidence).is_none());
    }

    #[test]
    fn a_pod_that_was_made_later_overtakes_it() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({
                "events": job_event("FailedCreate", r#"Error creating: admission webhook "check.example" denied the request: no owner label"#),
                "pods": [{"name": "job-x", "created": at(60)}],
            }),
        );
        assert!(find(&PodCreateWebhookDenied, &evidence).is_none());
    }
}
