//! HB305.

use crate::engine::finding::{At, Confidence, Edit, Finding, Fix, FixSafety, Severity};
use crate::engine::rule::{Context, rule};

rule! {
    /// A CronJob keeps none of its failed Jobs: every failure is deleted at once.
    ///
    /// ## What it does
    ///
    /// Reports a CronJob with `failedJobsHistoryLimit: 0`.
    ///
    /// ## Why is this bad?
    ///
    /// The CronJob controller deletes finished Jobs beyond the limits at its next sync, with their Pods and
    /// logs (kubernetes/kubernetes `pkg/controller/cronjob`, `cleanupFinishedJobs`). With a limit of 0 a run that
    /// has failed is gone within seconds, and with it the only object that says that it has failed: an alert on
    /// failed Jobs never fires.
    ///
    /// ## How to fix
    ///
    /// ```yaml
    /// spec:
    ///   failedJobsHistoryLimit: 1   # the default
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Safe: what runs, and how often, stays as it is; the last failed Job stays until the next one.
    ///
    /// ## When to ignore
    ///
    /// When logs and Pod status are collected elsewhere, and the success of a run is watched by its result.
    "HB305" "failed-history-zero" Warning check
}

/// The default of `failedJobsHistoryLimit` (kubernetes/kubernetes `pkg/apis/batch/v1/defaults.go`).
const KEPT: u32 = 1;

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    if cx.job.cron.as_ref().is_none_or(|cron| cron.failed_history > 0) {
        return;
    }
    let pointer = "/spec/failedJobsHistoryLimit".to_owned();
    found.push(Finding {
        at: cx.at(|| At::field(pointer.clone())),
        brief: cx.brief(|_| "every failed run is deleted at once".to_owned()),
        message: cx.message(|_| "failedJobsHistoryLimit 0: a run that fails is deleted at once, with its Pods and their logs, and \
                  nothing says that it has failed"
            .to_owned()),
        help: cx.help(|_| format!("failedJobsHistoryLimit: {KEPT}")),
        fix: cx.fix(|| Some(Fix {
            safety: FixSafety::Safe,
            on: None,
            edits: vec![Edit::Set {
                pointer,
                value: KEPT.into(),
            }],
        })),
        ..RULE.finding(Severity::Warning, Confidence::Certain)
    });
}

#[cfg(test)]
mod tests {
    use crate::engine::job::{Cron, Job, JobKind};
    use crate::engine::rules::testkit::{HOOK, found};

    #[test]
    fn no_history_below_and_at_one() {
        for (kept, found_so) in [(0, true), (1, false), (3, false)] {
            let job = Job {
                kind: JobKind::CronJob,
                annotations: Vec::new(),
                cron: Some(Cron {
                    failed_history: kept,
                    ..Cron::default()
                }),
                ..HOOK.job()
            };
            assert_eq!(!found(&job, "HB305").is_empty(), found_so, "{kept}");
        }
        assert_eq!(found(&HOOK.job(), "HB305"), []);
    }
}
