//! `pod_create_quota`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::creation;
use crate::engine::root_cause::RootCause;
use crate::engine::signatures::CreateFailure;

cause! {
    /// # What it is
    ///
    /// The Job controller tries to make the Pod and the API server refuses, because a `ResourceQuota` of the
    /// namespace has no room for it. No container ever runs, so nothing counts against `backoffLimit`.
    ///
    /// # Evidence
    ///
    /// An event `FailedCreate` on the Job whose message holds `exceeded quota:`, with no Pod made afterwards.
    ///
    /// # Not to be confused with
    ///
    /// `pod_create_quota_spec`: there the quota has room, but the Pod states no request or limit for what it
    /// counts. `unschedulable_resources`: there the Pod exists and no node has room.
    ///
    /// # Repair
    ///
    /// Delete what uses the quota up (finished Pods count too where they hold counted resources), or raise the
    /// quota.
    ///
    /// # Do not
    ///
    /// Do not raise `backoffLimit` or the deadline: the controller retries by itself, and the next try meets
    /// the same quota.
    PodCreateQuota, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let event = creation(case, CreateFailure::Quota)?;
    Some(
        Match::from_event(
            RootCause::PodCreateQuota,
            "no Pod can be made: a quota of the namespace is used up",
            event,
        )
        .repair("Free quota in the namespace, or raise the ResourceQuota that the event names."),
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
            json!({"events": job_event("FailedCreate", r#"Error creating: pods "job-x" is forbidden: exceeded quota: team, requested: cpu=1, used: cpu=4, limited: cpu=4"#)}),
        );
        assert!(find(&PodCreateQuota, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(PodCreateQuota.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"events": job_event("FailedCreate", r#"Error creating: pods "job-x" is forbidden: failed quota: team: must specify limits.cpu"#)}),
        );
        assert!(find(&PodCreateQuota, &evidence).is_none());
    }

    #[test]
    fn a_pod_that_was_made_later_overtakes_it() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({
                "events": job_event("FailedCreate", r#"Error creating: pods "job-x" is forbidden: exceeded quota: team, requested: cpu=1, used: cpu=4, limited: cpu=4"#),
                "pods": [{"name": "job-x", "created": at(60)}],
            }),
        );
        assert!(find(&PodCreateQuota, &evidence).is_none());
    }
}
