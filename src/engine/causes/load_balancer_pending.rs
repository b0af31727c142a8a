//! `load_balancer_pending`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::dependency;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// The Job calls a Service of type `LoadBalancer` that has no address yet.
    ///
    /// # Evidence
    ///
    /// `spec.type` is `LoadBalancer` and `status.loadBalancer.ingress` is empty.
    ///
    /// # Not to be confused with
    ///
    /// `dependency_no_endpoints`: there the address is there and nobody stands behind it.
    ///
    /// # Repair
    ///
    /// Look at the Service's events: quota, no room for another instance, a controller that is not running. The
    /// load balancer comes before everything that is reached through it.
    ///
    /// # Do not
    ///
    /// Do not trigger a failover again and again: a try that fails within seconds found no room, and each
    /// leaves another orphan behind.
    LoadBalancerPending, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    dependency(
        case,
        RootCause::LoadBalancerPending,
        "Repair the load balancer first: see the Service's events and its controller.",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{at, blocked_by, find, judge};

    #[test]
    fn its_evidence_is_found() {
        let evidence = blocked_by(json!({"load_balancer_pending": true}), &json!([]));
        assert!(find(&LoadBalancerPending, &evidence).is_some());
        assert_eq!(
            judge(&evidence).root_cause,
            Some(LoadBalancerPending.meta().cause)
        );
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = blocked_by(json!({"ready": 0, "created": at(-5000)}), &json!([]));
        assert!(find(&LoadBalancerPending, &evidence).is_none());
    }
}
