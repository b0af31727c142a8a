//! `pod_create_quota_spec`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::creation;
use crate::engine::root_cause::RootCause;
use crate::engine::signatures::CreateFailure;

cause! {
    /// # What it is
    ///
    /// A `ResourceQuota` counts a resource for which the Pod states no request or limit. The API server refuses
    /// such a Pod, however much room the quota has.
    ///
    /// # Evidence
    ///
    /// An event `FailedCreate` on the Job whose message holds `failed quota:` and `must specify`, with no Pod
    /// made afterwards.
    ///
    /// # Not to be confused with
    ///
    /// `pod_create_quota`: there the Pod states everything and the quota is full.
    ///
    /// # Repair
    ///
    /// State the resources in the Job's template, or give the namespace a `LimitRange` with defaults.
    ///
    /// # Do not
    ///
    /// Do not delete the quota to get one Job through.
    PodCreateQuotaSpec, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let event = creation(case, CreateFailure::QuotaSpec)?;
    Some(Match::from_event(RootCause::PodCreateQuotaSpec, "no Pod can be made: a quota asks for requests or limits that the Pod does not state", event).repair("Add the requests or limits that the event names to the Pod template, or a LimitRange with defaults."))
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
            json!({"events": job_event("FailedCreate", r#"Error creating: pods "job-x" is forbidden: failed quota: team: must specify limits.cpu"#)}),
        );
        assert!(find(&PodCreateQuotaSpec, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(PodCreateQuotaSpec.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"events": job_event("FailedCreate", r#"Error creating: pods "job-x" is forbidden: exceeded quota: team, requested: cpu=1, used: cpu=4, limited: cpu=4"#)}),
        );
        assert!(find(&PodCreateQuotaSpec, &evidence).is_none());
    }

    #[test]
    fn a_pod_that_was_made_later_overtakes_it() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({
                "events": job_event("FailedCreate", r#"Error creating: pods "job-x" is forbidden: failed quota: team: must specify limits.cpu"#),
                "pods": [{"name": "job-x", "created": at(60)}],
            }),
        );
        assert!(find(&PodCreateQuotaSpec, &evidence).is_none());
    }
}
