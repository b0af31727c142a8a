//! HB406.

use crate::engine::failure_policy::{Wanted, edits, lacks_disruption, unnamed};
use crate::engine::finding::{At, Confidence, Finding, Fix, FixSafety, Severity};
use crate::engine::job::RestartPolicy;
use crate::engine::rule::{Context, rule};

rule! {
    /// A drained node or a preemption costs one of the Job's few attempts.
    ///
    /// ## What it does
    ///
    /// Reports a Job with `restartPolicy: Never` and `backoffLimit` 0 or 1 whose `podFailurePolicy` does not speak
    /// of `DisruptionTarget`. A rule with another action than `Ignore` is a decision, and passes.
    ///
    /// ## Why is this bad?
    ///
    /// A Pod that is evicted, preempted, or deleted with its node counts as failed (kubernetes/kubernetes
    /// `pkg/controller/job/job_controller.go`, `isPodFailed`). With `backoffLimit: 0` a node that is drained
    /// while a hook waits fails the release, although the hook did nothing wrong. A rule with the action
    /// `Ignore` replaces the Pod and counts nothing.
    ///
    /// ## How to fix
    ///
    /// ```yaml
    /// spec:
    ///   podFailurePolicy:
    ///     rules:
    ///       - action: Ignore
    ///         onPodConditions:
    ///           - type: DisruptionTarget
    ///             status: "True"
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Unsafe: a Pod that was disrupted in the middle of its work runs again.
    ///
    /// ## When to ignore
    ///
    /// When the work must not run twice, not even after an eviction.
    "HB406" "disruption-spends-retries" Info check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let limit = cx.job.backoff_limit.value;
    if cx.job.pod.restart_policy != RestartPolicy::Never || !lacks_disruption(cx.job, limit) {
        return;
    }
    let attempts = if limit == 0 {
        "its only attempt"
    } else {
        "one of its two attempts"
    };
    found.push(Finding {
        at: cx.at(|| At::field(cx.field("podFailurePolicy"))),
        brief: cx.brief(|_| format!("an eviction costs {attempts}")),
        message: cx.message(|_| format!(
            "backoffLimit {limit} and no podFailurePolicy that ignores DisruptionTarget: an eviction or a lost node \
             costs the Job {attempts}"
        )),
        help: cx.help(|_| "podFailurePolicy with action Ignore on the condition DisruptionTarget".to_owned()),
        fix: cx.fix(|| Some(fix(
            cx,
            Wanted {
                disruption: true,
                fatal: cx.is_active("HB407") && retried(cx),
            },
        ))),
        ..RULE.finding(Severity::Info, Confidence::Certain)
    });
}

/// The fixes of HB406 and HB407 are one edit of one field: each brings what both ask for.
pub(super) fn fix(cx: &Context<'_>, wanted: Wanted) -> Fix {
    Fix {
        safety: FixSafety::Unsafe,
        on: None,
        edits: edits(cx.job, wanted, &[]),
    }
}

/// True when a fatal status would be retried.
pub(super) fn retried(cx: &Context<'_>) -> bool {
    cx.clocks.attempts > 1 && unnamed(cx.job).next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::finding::Edit;
    use crate::engine::job::{ExitOperator, FailureAction, FailureRule, Job};
    use crate::engine::rules::testkit::{HOOK, Hook, found};

    #[test]
    fn one_retry_is_few_and_two_are_not() {
        for (policy, limit, fires) in [
            (RestartPolicy::Never, 0, true),
            (RestartPolicy::Never, 1, true),
            (RestartPolicy::Never, 2, false),
            (RestartPolicy::OnFailure, 0, false),
        ] {
            let hook = Hook {
                policy,
                limit,
                ..HOOK
            };
            assert_eq!(hook.verdict("HB406").is_some(), fires, "{policy:?} {limit}");
        }
    }

    #[test]
    fn a_policy_that_ignores_disruptions_is_enough_and_another_one_is_kept() {
        let mut job = HOOK.job();
        let rule = |action, codes: Option<Vec<i32>>, conditions: &[&'static str]| FailureRule {
            action,
            exit_codes: codes.map(|codes| (ExitOperator::In, codes)),
            container: None,
            pod_conditions: conditions.iter().map(|kind| (*kind).into()).collect(),
        };
        job.pod_failure_policy = vec![rule(FailureAction::FailJob, Some(vec![42]), &[])];
        let fix = found(&job, "HB406")[0].fix.clone().expect("a fix");
        assert!(
            matches!(&fix.edits[..], [Edit::Prepend { pointer, .. }] if pointer == "/spec/podFailurePolicy/rules")
        );
        for action in [FailureAction::Ignore, FailureAction::Count] {
            job.pod_failure_policy = vec![rule(action, None, &["DisruptionTarget"])];
            assert!(found(&job, "HB406").is_empty(), "{action:?}");
        }
    }

    fn fields(job: &Job<'_>) -> Vec<String> {
        let fix = found(job, "HB406")[0].fix.clone().expect("a fix");
        fix.edits.iter().map(|edit| edit.pointer().to_owned()).collect()
    }

    #[test]
    fn the_default_replacement_policy_of_the_api_server_goes_with_it() {
        let mut job = HOOK.job();
        assert_eq!(fields(&job), ["/spec/podFailurePolicy"]);
        job.pod_replacement_policy = Some("TerminatingOrFailed".into());
        assert_eq!(
            fields(&job),
            ["/spec/podFailurePolicy", "/spec/podReplacementPolicy"]
        );
    }
}
