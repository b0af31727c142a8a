//! `dependency_crashloop`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::family::dependency;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// A Pod behind what the Job calls starts and crashes again and again.
    ///
    /// # Evidence
    ///
    /// The chain from the Service over its workload to a container that waits with `CrashLoopBackOff`.
    ///
    /// # Not to be confused with
    ///
    /// `dependency_pod_pending`: there the container never ran. `dependency_slow_start`: there it runs and is
    /// not ready yet.
    ///
    /// # Repair
    ///
    /// Read the previous run's log of that container (`kubectl logs --previous`).
    ///
    /// # Do not
    ///
    /// Do not raise the Job's waits: a crash loop does not end by itself.
    DependencyCrashloop, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    dependency(
        case,
        RootCause::DependencyCrashloop,
        "Read the log of the crashing container's last run, and repair that.",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{at, blocked_by, find, judge, pending};

    #[test]
    fn its_evidence_is_found() {
        let evidence = blocked_by(
            json!({"ready": 0}),
            &json!([{"phase": "Running", "created": at(-5000), "containers": [{"restarts": 9, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}]),
        );
        assert!(find(&DependencyCrashloop, &evidence).is_some());
        assert_eq!(
            judge(&evidence).root_cause,
            Some(DependencyCrashloop.meta().cause)
        );
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = blocked_by(
            json!({"ready": 0}),
            &json!([pending(
                "0/2 nodes are available: 2 node(s) had untolerated taint {pool: gpu}. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
            )]),
        );
        assert!(find(&DependencyCrashloop, &evidence).is_none());
    }
}
