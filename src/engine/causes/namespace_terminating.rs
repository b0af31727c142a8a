//! `namespace_terminating`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::creation;
use crate::engine::root_cause::RootCause;
use crate::engine::signatures::CreateFailure;

cause! {
    /// # What it is
    ///
    /// The namespace is being deleted, so nothing new can be made in it.
    ///
    /// # Evidence
    ///
    /// An event `FailedCreate` on the Job whose message says that the namespace is being terminated, with no
    /// Pod made afterwards.
    ///
    /// # Not to be confused with
    ///
    /// `pod_create_policy` and the other refusals: those can be repaired.
    ///
    /// # Repair
    ///
    /// Wait until the namespace is gone, then install again. A namespace that stays in Terminating holds an
    /// object with a finalizer whose controller is gone.
    ///
    /// # Do not
    ///
    /// Do not remove finalizers by hand before you know what they protect.
    NamespaceTerminating, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let event = creation(case, CreateFailure::Terminating)?;
    Some(
        Match::from_event(
            RootCause::NamespaceTerminating,
            "no Pod can be made: the namespace is being deleted",
            event,
        )
        .repair("Nothing: the namespace is going away. If it should not, find what deleted it."),
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
            json!({"events": job_event("FailedCreate", r#"Error creating: pods "job-x" is forbidden: unable to create new content in namespace demo because it is being terminated"#)}),
        );
        assert!(find(&NamespaceTerminating, &evidence).is_some());
        assert_eq!(
            judge(&evidence).root_cause,
            Some(NamespaceTerminating.meta().cause)
        );
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"events": job_event("FailedCreate", r#"Error creating: pods "job-x" is forbidden: exceeded quota: team, requested: cpu=1, used: cpu=4, limited: cpu=4"#)}),
        );
        assert!(find(&NamespaceTerminating, &evidence).is_none());
    }

    #[test]
    fn a_pod_that_was_made_later_overtakes_it() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({
                "events": job_event("FailedCreate", r#"Error creating: pods "job-x" is forbidden: unable to create new content in namespace demo because it is being terminated"#),
                "pods": [{"name": "job-x", "created": at(60)}],
            }),
        );
        assert!(find(&NamespaceTerminating, &evidence).is_none());
    }
}
