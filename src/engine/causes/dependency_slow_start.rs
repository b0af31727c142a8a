//! `dependency_slow_start`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::dependency;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// What the Job calls is on its way: its Pods run or start, and they are younger than the time that they
    /// may take to come up (`hookbudget.dev/cold-start`, else the policy's default).
    ///
    /// # Evidence
    ///
    /// The chain from the Service down to a Pod that is young and not ready, with nothing that waiting would
    /// not heal.
    ///
    /// # Not to be confused with
    ///
    /// `dependency_crashloop`, `dependency_node_capacity`: those do not heal by waiting. Where the Job has
    /// failed while its dependency was still starting, the Job's own clocks are at fault:
    /// `budget_misconfigured`, `inner_budget_exhausted`, `deadline_too_short`.
    ///
    /// # Repair
    ///
    /// Wait. If it always takes this long, declare it with `hookbudget.dev/cold-start` and give the Job a wait
    /// that is longer.
    ///
    /// # Do not
    ///
    /// Do not restart anything inside the window: the start begins anew.
    DependencySlowStart, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    dependency(
        case,
        RootCause::DependencySlowStart,
        "Wait: what the Job calls is within the time that it may take. Give the Job a wait that covers it.",
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
        let evidence = blocked_by(
            json!({"ready": 0}),
            &json!([{"phase": "Running", "created": at(600)}]),
        );
        assert!(find(&DependencySlowStart, &evidence).is_some());
        assert_eq!(
            judge(&evidence).root_cause,
            Some(DependencySlowStart.meta().cause)
        );
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = blocked_by(
            json!({"ready": 0}),
            &json!([{"phase": "Running", "created": at(-5000)}]),
        );
        assert!(find(&DependencySlowStart, &evidence).is_none());
    }
}
