//! `dependency_slow_start`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::chain::Walk;
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
    /// A Job that failed inside that time and stands as failed behind it, without a later run that succeeded, is
    /// real, and a warning: see whether what it calls has come up by now, and run the Job again.
    ///
    /// # Do not
    ///
    /// Do not restart anything inside the window: the start begins anew.
    DependencySlowStart, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    const WAIT: &str =
        "Wait: what the Job calls is within the time that it may take. Give the Job a wait that covers it.";
    const LOOK: &str = "See whether what the Job calls has come up since. Run the Job again, with a wait that covers the start.";
    let is_over = |walk: &Walk| walk.given_until.is_some_and(|until| until <= case.now);
    let repair = if case.walk().is_some_and(is_over) {
        LOOK
    } else {
        WAIT
    };
    dependency(case, RootCause::DependencySlowStart, repair)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::diagnose::diagnose;
    use crate::engine::diagnosis::{DiagnosisKnobs, Verdict};
    use crate::engine::root_cause::Severity;
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
    fn a_job_that_stands_as_failed_behind_the_time_is_real() {
        let evidence = blocked_by(
            json!({"ready": 0}),
            &json!([{"namespace": "demo", "name": "db-1", "phase": "Running", "created": at(600)}]),
        );
        for (now, verdict, severity, over) in [
            (1199, Verdict::Transient, Severity::Info, false),
            (1200, Verdict::Real, Severity::Warning, true),
            (90_000, Verdict::Real, Severity::Warning, true),
        ] {
            let found = diagnose(&evidence, &DiagnosisKnobs::default(), at(now));
            assert_eq!(
                (found.root_cause, found.verdict, found.severity),
                (Some(RootCause::DependencySlowStart), verdict, severity),
                "{now}"
            );
            assert_eq!(found.transient_until, (!over).then(|| at(1200)), "{now}");
            let step = if over {
                "See whether"
            } else {
                "Wait: what the Job calls"
            };
            assert!(
                found.repair_order[0].starts_with(step),
                "{:?}",
                found.repair_order
            );
            let summary = &found.summary;
            assert_eq!(
                summary.contains(&format!(" It was given until {}.", at(1200))),
                over,
                "{summary}"
            );
            assert!(
                summary.contains("may take 600 s to come up (240 s so far)"),
                "{summary}"
            );
        }
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
