//! `rbac_denied`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::told;
use crate::engine::root_cause::RootCause;
use crate::engine::signatures::LogSignature;

cause! {
    /// # What it is
    ///
    /// The Job calls the Kubernetes API, and its `ServiceAccount` may not do what it asks for.
    ///
    /// # Evidence
    ///
    /// A line of the log that holds `is forbidden: User "system:serviceaccount:`.
    ///
    /// # Not to be confused with
    ///
    /// `auth_failure`: another service refuses. `pod_create_service_account`: there the account does not exist,
    /// and no container ran.
    ///
    /// # Repair
    ///
    /// The line names verb, resource and namespace: that is the Role's content. In a chart the Role has to be a
    /// hook too when the Job is one, with a lower weight.
    ///
    /// # Do not
    ///
    /// Do not bind `cluster-admin`.
    RbacDenied, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    let found = told(
        case,
        RootCause::RbacDenied,
        LogSignature::Rbac,
        "the API server refuses the Job its wish",
    )?;
    Some(found.repair("Give the Job's ServiceAccount the Role that the line names."))
}

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
            json!({"pods": exited(1, "Error"), "logs": log(&[r#"Error from server (Forbidden): secrets "x" is forbidden: User "system:serviceaccount:demo:job" cannot patch resource "secrets""#])}),
        );
        assert!(find(&RbacDenied, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(RbacDenied.meta().cause));
    }

    #[test]
    fn the_api_servers_own_answer_is_read() {
        let answer = [
            r#"  "status": "Failure","#,
            r#"  "message": "secrets is forbidden: User \"system:serviceaccount:demo:job\" cannot list resource \"secrets\" in API group \"\" at the cluster scope","#,
            r#"  "reason": "Forbidden","#,
            r#"  "code": 403"#,
            "}",
            "curl: (22) The requested URL returned error: 403",
        ];
        let evidence = failed(
            "BackoffLimitExceeded",
            330,
            json!({"pods": exited(22, "Error"), "logs": log(&answer)}),
        );
        assert_eq!(judge(&evidence).root_cause, Some(RbacDenied.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "BackoffLimitExceeded",
            330,
            json!({"pods": exited(1, "Error"), "logs": log(&["curl: (22) The requested URL returned error: 403"])}),
        );
        assert!(find(&RbacDenied, &evidence).is_none());
    }
}
