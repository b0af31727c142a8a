//! Whether to run a Job again.

use super::case::Case;
use super::cause::{Match, named};
use super::diagnosis::RetryAdvice;
use super::evidence::ObjectRef;
use super::root_cause::RootCause;

/// Whether another run can do better while nothing was repaired, by the cause alone.
#[must_use]
pub const fn advice(cause: RootCause) -> RetryAdvice {
    use RootCause as C;
    match cause {
        C::Preempted
        | C::NodeDrain
        | C::NodeShutdown
        | C::NodeLost
        | C::RuntimeDownloadFailed
        | C::TerminatedBySignal
        | C::EvidenceLost
        | C::Unknown
        | C::JobObjectDeleted
        | C::CronReplaced => RetryAdvice::Retry,
        C::ImagePullNetwork
        | C::ImagePullRateLimited
        | C::PodCreateWebhookUnavailable
        | C::SandboxCreateFailed
        | C::DnsFailure
        | C::ConnectionRefused
        | C::DependencyNoEndpoints
        | C::DependencyNotReady
        | C::DependencySlowStart
        | C::LoadBalancerPending
        | C::InnerBudgetExhausted
        | C::DeadlineTooShort
        | C::BudgetMisconfigured
        | C::NoProgressHang
        | C::Suspended
        | C::SchedulingGated
        | C::CronConcurrencyBlocked => RetryAdvice::Wait,
        _ => RetryAdvice::DoNotRetry,
    }
}

/// The same for what was found: a signature of the policy says it itself.
pub(super) fn advice_of(found: &Match) -> RetryAdvice {
    found
        .stated
        .map_or_else(|| advice(found.cause), |stated| stated.advice)
}

/// The advice on this Job, and why not where the last failed run of its owner failed at the same object: each
/// further run would, too. What heals by itself is waited for all the same.
pub(super) fn advised(
    case: &Case<'_>,
    root: Option<&Match>,
    culprit: Option<&ObjectRef>,
) -> (RetryAdvice, Option<String>) {
    let Some(root) = root else {
        return (RetryAdvice::Wait, None);
    };
    let usual = advice_of(root);
    let same = case.evidence.previous.as_ref().filter(|previous| {
        !root.soft && previous.root_cause == root.cause && previous.culprit.as_ref() == culprit
    });
    let (Some(previous), Some(culprit)) = (same, culprit) else {
        return (usual, None);
    };
    // Unchanged since then, where it is known since when it stands so.
    let since = root
        .at
        .filter(|at| *at <= previous.ended)
        .map_or_else(String::new, |at| format!(", and has stood so since {at}"));
    let reason = format!(
        "the run before, {} at {}, failed at the same {}{since}",
        previous.job,
        previous.ended,
        named(culprit)
    );
    (RetryAdvice::DoNotRetry, Some(reason))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::engine::evidence::Evidence;
    use crate::engine::testkit::{at, blocked_by, judge};

    /// A Job that found the Service `db` without endpoints, after a run that failed of this at that object.
    fn after(cause: &str, kind: &str, name: &str) -> Evidence {
        let pods = json!([{"namespace": "demo", "name": "db-1", "phase": "Running", "created": at(-5000)}]);
        let mut evidence = blocked_by(json!({"ready": 0, "created": at(-5000)}), &pods);
        let previous: Value = json!({
            "job": "job-1", "ended": at(-3600), "root_cause": cause,
            "culprit": {"kind": kind, "namespace": "demo", "name": name},
        });
        evidence.previous = serde_json::from_value(previous).expect("a run");
        evidence
    }

    #[test]
    fn a_blocker_that_has_not_changed_is_not_run_against_again() {
        let judged = judge(&after("dependency_no_endpoints", "Pod", "db-1"));
        assert_eq!(judged.root_cause, Some(RootCause::DependencyNoEndpoints));
        assert_eq!(judged.retry_advice, RetryAdvice::DoNotRetry);
        let reason = judged.retry_reason.expect("a reason");
        assert!(reason.contains("failed at the same Pod demo/db-1"), "{reason}");
    }

    #[test]
    fn another_object_or_another_cause_is_another_blocker() {
        for (cause, name) in [
            ("dependency_no_endpoints", "db-0"),
            ("dependency_crashloop", "db-1"),
        ] {
            let judged = judge(&after(cause, "Pod", name));
            assert_eq!(judged.retry_advice, RetryAdvice::Wait, "{cause} {name}");
            assert_eq!(judged.retry_reason, None);
        }
    }

    #[test]
    fn what_time_heals_is_waited_for_though_it_was_so_before() {
        let mut evidence = after("dependency_slow_start", "Pod", "db-1");
        evidence.dependencies[0].workloads[0].created = Some(at(600));
        evidence.dependencies[0].workloads[0].pods[0].created = Some(at(600));
        let judged = judge(&evidence);
        assert_eq!(judged.root_cause, Some(RootCause::DependencySlowStart));
        assert_eq!(judged.retry_advice, RetryAdvice::Wait);
    }
}
