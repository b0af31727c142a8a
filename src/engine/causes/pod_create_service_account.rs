//! `pod_create_service_account`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::creation;
use crate::engine::root_cause::RootCause;
use crate::engine::signatures::CreateFailure;

cause! {
    /// # What it is
    ///
    /// The Pod template names a `ServiceAccount` that the namespace does not have. A Helm hook often meets
    /// this: the account is an ordinary object of the chart and comes after a `pre-install` hook.
    ///
    /// # Evidence
    ///
    /// An event `FailedCreate` on the Job whose message holds `error looking up service account` or
    /// `serviceaccount "x" not found`, with no Pod made afterwards. No Pod ever exists.
    ///
    /// # Not to be confused with
    ///
    /// `rbac_denied`: there the account exists and may not do what the Job asks for, which only shows once a
    /// container runs.
    ///
    /// # Repair
    ///
    /// Create the account, or make it a hook too, with a lower weight than the Job.
    ///
    /// # Do not
    ///
    /// Do not fall back to the default account and give that one the rights.
    PodCreateServiceAccount, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let event = creation(case, CreateFailure::ServiceAccount)?;
    Some(Match::from_event(RootCause::PodCreateServiceAccount, "no Pod can be made: its ServiceAccount does not exist", event).repair("Create the ServiceAccount that the event names, in a hook of lower weight where the Job is a hook."))
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
            json!({"events": job_event("FailedCreate", r#"Error creating: pods "job-" is forbidden: error looking up service account demo/nosuch: serviceaccount "nosuch" not found"#)}),
        );
        assert!(find(&PodCreateServiceAccount, &evidence).is_some());
        assert_eq!(
            judge(&evidence).root_cause,
            Some(PodCreateServiceAccount.meta().cause)
        );
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"events": job_event("FailedCreate", r#"Error creating: pods "job-x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true"#)}),
        );
        assert!(find(&PodCreateServiceAccount, &evidence).is_none());
    }

    #[test]
    fn a_pod_that_was_made_later_overtakes_it() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({
                "events": job_event("FailedCreate", r#"Error creating: pods "job-" is forbidden: error looking up service account demo/nosuch: serviceaccount "nosuch" not found"#),
                "pods": [{"name": "job-x", "created": at(60)}],
            }),
        );
        assert!(find(&PodCreateServiceAccount, &evidence).is_none());
    }
}
