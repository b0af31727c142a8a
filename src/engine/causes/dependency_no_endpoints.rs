//! `dependency_no_endpoints`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::dependency;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// The Service that the Job calls has no ready address, and nothing deeper explains it: its Pods run and
    /// are not ready, or its selector matches none.
    ///
    /// # Evidence
    ///
    /// The `EndpointSlice`s of the Service hold no address with `ready`, past the time that its Pods may take
    /// to come up.
    ///
    /// # Not to be confused with
    ///
    /// `dependency_pod_pending`, `dependency_crashloop`, `dependency_node_capacity`: the deeper reasons.
    /// `dependency_slow_start`: within the time that it may take. `connection_refused`: there the Service has
    /// ready endpoints.
    ///
    /// # Repair
    ///
    /// Compare the Service's selector with the Pods' labels, then read the Pods' readiness probe events and
    /// logs.
    ///
    /// # Do not
    ///
    /// Do not run the Job again before the Service has an endpoint.
    DependencyNoEndpoints, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    dependency(
        case,
        RootCause::DependencyNoEndpoints,
        "Make what stands behind the Service ready: see its Pods' readiness probes and logs.",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{at, blocked_by, failed, find, judge};

    #[test]
    fn its_evidence_is_found() {
        let evidence = blocked_by(
            json!({"ready": 0, "created": at(-5000)}),
            &json!([{"phase": "Running", "created": at(-5000)}]),
        );
        assert!(find(&DependencyNoEndpoints, &evidence).is_some());
        assert_eq!(
            judge(&evidence).root_cause,
            Some(DependencyNoEndpoints.meta().cause)
        );
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = blocked_by(json!({"ready": 1}), &json!([]));
        assert!(find(&DependencyNoEndpoints, &evidence).is_none());
    }

    #[test]
    fn what_is_scaled_to_zero_is_parked() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"dependencies": [{
                "object": {"kind": "Service", "name": "db"}, "exists": true, "ready": 0,
                "workloads": [{"object": {"kind": "Deployment", "name": "db"}, "wanted": 0}],
            }]}),
        );
        assert_eq!(
            judge(&evidence).verdict,
            crate::engine::diagnosis::Verdict::Parked
        );
    }
}
