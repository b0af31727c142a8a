//! HB301.

use std::fmt::{self, Write as _};

use crate::engine::finding::{At, Confidence, Finding, Fix, FixSafety, Severity};
use crate::engine::job::{Origin, RestartPolicy};
use crate::engine::rule::{Context, rule};
use crate::engine::rules::common::{attempts_made, limit_under_never, retry_under_never, waits_by_failing};

rule! {
    /// A Job with `restartPolicy: OnFailure` loses the logs of every attempt at the moment it fails.
    ///
    /// ## What it does
    ///
    /// Reports every Job whose Pod has `restartPolicy: OnFailure`.
    ///
    /// ## Why is this bad?
    ///
    /// Under `OnFailure` all attempts run in one Pod. When the sum of restarts reaches `backoffLimit`, the Job
    /// controller deletes that Pod, because its next restart has just begun and it counts as active
    /// (kubernetes/kubernetes `pkg/controller/job/job_controller.go`, `deleteActivePods`). With the Pod go the
    /// logs of every attempt, the exit codes and the reason `OOMKilled`. What stays is a condition that says
    /// `BackoffLimitExceeded` and an event that expires. Nobody can tell afterwards an out-of-memory kill from
    /// a download that failed.
    ///
    /// Under `Never` each attempt is a Pod of its own, and failed Pods stay until the Job is deleted.
    ///
    /// ## Severity
    ///
    /// A warning for hooks and CronJobs, which run unattended; information for other Jobs. Never an error:
    /// many charts that people like ship their hooks this way.
    ///
    /// ## How to fix
    ///
    /// ```yaml
    /// spec:
    ///   backoffLimit: 2        # attempts = backoffLimit + 1 under Never
    ///   template:
    ///     spec:
    ///       restartPolicy: Never
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Unsafe: `OnFailure` makes `max(1, backoffLimit)` attempts, `Never` makes one more, each in a new Pod
    /// with new volumes, and the delays between them differ. The fix keeps the number of attempts, and raises it
    /// only where the retries would be over before the deadline (HB101). Attempts that would start after the
    /// deadline are not counted.
    ///
    /// ## When to ignore
    ///
    /// When the container ships its logs elsewhere and its exit codes do not matter. Other linters ask for
    /// the opposite: the check `restart-policy` of kube-linter (off by default) and the Kyverno sample
    /// `restrict-jobs` want `OnFailure`.
    "HB301" "logs-lost-on-failure" Warning check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let job = cx.job;
    if job.pod.restart_policy != RestartPolicy::OnFailure {
        return;
    }
    let unattended = cx.origin().is_hook() || cx.origin() == Origin::CronJob;
    let severity = if unattended {
        Severity::Warning
    } else {
        Severity::Info
    };
    let attempts = attempts_made(cx);
    let cut = cx.clocks.deadline.filter(|_| attempts < cx.clocks.attempts);
    let limit = || limit_under_never(cx);
    found.push(Finding {
        at: cx.at(|| At::field(cx.field("template/spec/restartPolicy"))),
        brief: cx.brief(|text| write!(text, "a failure deletes the logs of {}", attempts_word(attempts))),
        message: cx.message(|text| {
            write!(text, "restartPolicy OnFailure with backoffLimit {}: when the Job fails", job.backoff_limit.value)?;
            if let Some(deadline) = cut {
                write!(text, ", at the deadline of {deadline} at the latest")?;
            }
            write!(
                text,
                ", its Pod is deleted, and the logs and exit codes of {} go with it",
                attempts_word(attempts)
            )
        }),
        help: cx.help(|text| {
            if waits_by_failing(cx) {
                text.push_str(
                    "restartPolicy: Never keeps every Pod; with one wait inside the container, backoffLimit: 0 is enough",
                );
                Ok(())
            } else if cx.clocks.has_wait() && attempts > 1 {
                write!(
                    text,
                    "restartPolicy: Never with backoffLimit: 0 waits once and keeps the Pod; backoffLimit: {} waits as \
                     often as now",
                    limit()
                )
            } else {
                write!(
                    text,
                    "restartPolicy: Never with backoffLimit: {} makes as many attempts and keeps every Pod",
                    limit()
                )
            }
        }),
        fix: cx.unsafe_fix(|| Some(Fix {
            safety: FixSafety::Unsafe,
            on: None,
            edits: retry_under_never(cx, limit()),
        })),
        ..RULE.finding(severity, Confidence::Certain)
    });
}

fn attempts_word(attempts: u32) -> impl fmt::Display {
    fmt::from_fn(move |f| match attempts {
        1 => f.write_str("its only attempt"),
        2 => f.write_str("both attempts"),
        more => write!(f, "all {more} attempts"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::finding::Edit;
    use crate::engine::rules::testkit::{HOOK, Hook};

    fn hook(policy: RestartPolicy, limit: u32) -> Hook {
        Hook {
            script: "kubectl apply -f /crds",
            policy,
            limit,
            ..HOOK
        }
    }

    #[test]
    fn only_the_restart_policy_decides() {
        let warned = Some((Severity::Warning, Confidence::Certain));
        assert_eq!(hook(RestartPolicy::OnFailure, 3).verdict("HB301"), warned);
        assert_eq!(hook(RestartPolicy::Never, 3).verdict("HB301"), None);
    }

    #[test]
    fn the_fix_makes_as_many_attempts() {
        for (limit, written, says) in [
            (0, None, "its only attempt"), // as it is
            (1, Some(0), "its only attempt"),
            (2, Some(1), "both attempts"),
            (6, Some(5), "all 6 attempts"),
        ] {
            let findings = hook(RestartPolicy::OnFailure, limit).findings("HB301");
            let finding = &findings[0];
            assert!(finding.message.contains(says), "{}", finding.message);
            let fix = finding.fix.as_ref().expect("a fix");
            let limit = fix.edits.get(1).map(|edit| match edit {
                Edit::Set { value, .. } => value.clone(),
                other => panic!("{other:?}"),
            });
            assert_eq!(limit, written.map(serde_json::Value::from));
        }
    }

    #[test]
    fn attempts_behind_the_deadline_are_not_counted() {
        // They start at 0, 0, 10, 30, 70, 150 and 310 s.
        for (deadline, says) in [
            (150, "all 5 attempts"),
            (151, "all 6 attempts"),
            (1, "both attempts"),
        ] {
            let cut = Hook {
                deadline: Some(deadline),
                ..hook(RestartPolicy::OnFailure, 100)
            };
            let message = cut.findings("HB301")[0].message.clone();
            assert!(message.contains(says), "{deadline}: {message}");
            assert!(
                message.contains(&format!("at the deadline of {deadline} s")),
                "{message}"
            );
        }
    }

    #[test]
    fn the_fix_does_not_undo_that_of_hb101() {
        let racing = Hook {
            policy: RestartPolicy::OnFailure,
            limit: 6,
            deadline: Some(840),
            ..HOOK
        };
        let edits = |code| racing.findings(code)[0].fix.clone().expect("a fix").edits;
        assert_eq!(edits("HB101"), edits("HB301"));
    }
}
