//! HB407.

use super::disruption_spends_retries::{fix, retried};
use crate::engine::failure_policy::{FATAL, Runs, Wanted, lacks_disruption, unnamed};
use crate::engine::finding::{At, Confidence, Finding, Severity};
use crate::engine::job::RestartPolicy;
use crate::engine::rule::{Context, rule};

rule! {
    /// The wait helper says that no further attempt helps, and the Job makes one all the same.
    ///
    /// ## What it does
    ///
    /// Reports a Job that runs `hookbudget-wait`, is retried, and has no `podFailurePolicy` rule that speaks of the
    /// helper's fatal statuses: 77 (an answer such as 401 or 403) and 64 (wrong use).
    ///
    /// ## Why is this bad?
    ///
    /// A wrong password does not get better by waiting. Each further attempt asks the same service with the same
    /// key, may lock the account, and ends in the same place minutes later; the release fails late with a message
    /// about a limit instead of at once with the reason. A failure against an unchanged blocker is no reason to
    /// try again.
    ///
    /// ## How to fix
    ///
    /// ```yaml
    /// spec:
    ///   podFailurePolicy:
    ///     rules:
    ///       - action: FailJob
    ///         onExitCodes:
    ///           containerName: wait
    ///           operator: In
    ///           values: [64, 77]
    ///   template:
    ///     spec:
    ///       restartPolicy: Never     # a Pod failure policy needs it
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Unsafe: the Job makes fewer attempts. Under `OnFailure` there is no fix: the fix of HB301 comes first.
    ///
    /// ## When to ignore
    ///
    /// When the key that the service refuses is put right while the Job is running. A rule with the action `Count`
    /// says so in the manifest.
    "HB407" "fatal-exit-retried" Warning check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    if !retried(cx) {
        return;
    }
    let Some((init, index, container, runs)) = unnamed(cx.job).next() else {
        return;
    };
    let never = cx.job.pod.restart_policy == RestartPolicy::Never;
    let wanted = Wanted {
        fatal: true,
        disruption: cx.is_active("HB406") && lacks_disruption(cx.job, cx.job.backoff_limit.value),
    };
    let [wrong_use, refused] = FATAL;
    let rule = format!("podFailurePolicy with action FailJob on exit codes {wrong_use} and {refused}");
    found.push(Finding {
        at: cx.at(|| At::field(format!("{}/name", cx.job.container_pointer(init, index)))),
        brief: cx.brief(|_| format!("exit {refused} of the wait helper is retried")),
        message: cx.message(|_| format!(
            "container {} ends with {refused} when the service refuses its key (401, 403), and the Job tries it {} \
             times: no further attempt can help",
            container.name, cx.clocks.attempts
        )),
        help: cx.help(|_| if never {
            rule
        } else {
            format!("restartPolicy: Never and {rule}")
        }),
        fix: cx.fix(|| never.then(|| fix(cx, wanted))),
        ..RULE.finding(
            Severity::Warning,
            match runs {
                Runs::Helper => Confidence::Certain,
                Runs::Script => Confidence::Likely,
            },
        )
    });
}

#[cfg(test)]
mod tests {
    use crate::engine::finding::Edit;
    use crate::engine::job::{ExitOperator, FailureAction, FailureRule, Job};
    use crate::engine::rules::testkit::{HOOK, Hook, found};

    fn job(script: &'static str, limit: u32) -> Job<'static> {
        Hook {
            script,
            limit,
            ..HOOK
        }
        .job()
    }

    #[test]
    fn the_helper_that_is_retried_is_found() {
        for (script, limit, fires) in [
            ("set -e\nhookbudget-wait http://web/ready\nseed", 1, true),
            ("exec /usr/bin/hookbudget-wait http://web/ready", 1, true),
            ("if ! hookbudget-wait http://web/ready; then exit 1; fi", 1, true),
            ("hookbudget-wait http://web/ready", 0, false),
            ("# hookbudget-wait http://web/ready", 1, false),
            ("echo hookbudget-wait", 1, false),
            ("curl -sSf http://web/ready", 1, false),
        ] {
            assert_eq!(!found(&job(script, limit), "HB407").is_empty(), fires, "{script}");
        }
    }

    #[test]
    fn a_rule_that_speaks_of_the_status_is_a_decision() {
        let rule = |action, operator, codes| FailureRule {
            action,
            exit_codes: Some((operator, codes)),
            container: None,
            pod_conditions: Vec::new(),
        };
        for (rule, fires) in [
            (
                rule(FailureAction::FailJob, ExitOperator::In, vec![64, 77]),
                false,
            ),
            (rule(FailureAction::FailJob, ExitOperator::NotIn, vec![1]), false),
            (rule(FailureAction::Count, ExitOperator::In, vec![64, 77]), false),
            (rule(FailureAction::FailJob, ExitOperator::In, vec![42]), true),
            (rule(FailureAction::FailJob, ExitOperator::In, vec![77]), true),
        ] {
            let mut job = job("hookbudget-wait http://web/ready", 2);
            job.pod_failure_policy = vec![rule.clone()];
            assert_eq!(!found(&job, "HB407").is_empty(), fires, "{rule:?}");
        }
    }

    #[test]
    fn both_rules_propose_the_same_policy() {
        let job = job("hookbudget-wait http://web/ready", 1);
        let edits = |code| found(&job, code)[0].fix.clone().expect("a fix").edits;
        assert_eq!(edits("HB406"), edits("HB407"));
        let Edit::Set { value, .. } = &edits("HB407")[0] else {
            panic!("no Set")
        };
        assert_eq!(value["rules"].as_array().map(Vec::len), Some(2));
    }
}
