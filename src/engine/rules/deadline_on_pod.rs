//! HB109.

use crate::engine::backoff::Retries;
use crate::engine::budget::retries_of;
use crate::engine::finding::{At, Confidence, Edit, Finding, Fix, FixSafety, Severity};
use crate::engine::formulas::needed_release;
use crate::engine::job::RestartPolicy;
use crate::engine::rule::{Context, rule};
use crate::engine::rules::common::pauses;
use crate::engine::{Limit, Seconds};

rule! {
    /// `activeDeadlineSeconds` stands in the Pod template, where it bounds each Pod and not the Job.
    ///
    /// ## What it does
    ///
    /// Reports a Job whose Pod template has `activeDeadlineSeconds` and whose own spec has none.
    ///
    /// ## Why is this bad?
    ///
    /// The two fields have one name and are two clocks. The Pod's is the kubelet's
    /// (kubernetes/kubernetes `pkg/kubelet/active_deadline.go`): it starts when a node has accepted the Pod, so
    /// that a Pod that no node has room for is never ended, and its end is one failed Pod, which the Job
    /// replaces. With `backoffLimit: 6` a deadline of 600 s on the Pod is 7 x 600 s and the pauses between
    /// them, 80 minutes in all. Both report the reason `DeadlineExceeded`.
    ///
    /// ## How to fix
    ///
    /// ```yaml
    /// spec:
    ///   activeDeadlineSeconds: 600     # of the Job
    ///   template:
    ///     spec: {}                     # and not of the Pod
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Unsafe: all attempts together get the time that each of them had. The fix writes the Job's field; the
    /// Pod's never fires beside it, because it starts later, and may be deleted.
    ///
    /// ## When to ignore
    ///
    /// When each attempt is meant to have its own limit: the Pod and its logs then outlive it, as they do not
    /// at the Job's deadline.
    "HB109" "deadline-on-pod" Warning check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let (Some(of_pod), None) = (cx.job.pod.active_deadline, cx.clocks.deadline) else {
        return;
    };
    // A Pod that its deadline ends has failed under either policy, and the Job makes another.
    let retries = Retries {
        policy: RestartPolicy::Never,
        run: Limit::At(of_pod),
        ..retries_of(cx.job, cx.policy)
    };
    let pods = retries.rounds().take(MOST_PODS).count();
    let all = retries.end().0;
    let (lasts, arithmetic) = match all {
        Limit::At(end) if pods < MOST_PODS => (
            format!("all of them may take {end}"),
            format!("{pods} x {of_pod}{} = {end}", plus_pauses(retries, pods)),
        ),
        _ => (
            "together they have no end".to_owned(),
            format!("backoffLimit {}", retries.limit),
        ),
    };
    let fits = cx
        .clocks
        .release
        .timeout
        .is_none_or(|timeout| needed_release(of_pod, cx.clocks.grace) < timeout);
    let pointer = cx.field("activeDeadlineSeconds");
    found.push(Finding {
        at: cx.at(|| At::field(cx.field("template/spec/activeDeadlineSeconds"))),
        brief: cx.brief(|_| format!("ends each Pod after {of_pod}, not the Job")),
        message: cx.message(|_| format!(
            "activeDeadlineSeconds of the Pod template ends each of {pods} Pods after {of_pod}, {lasts}, and it ends \
             none that no node has accepted: nothing ends the Job"
        )),
        arithmetic: cx.arithmetic(|_| Some(arithmetic)),
        help: cx.help(|_| format!(
            "{}: {} (the Job's field), and no activeDeadlineSeconds in the Pod template",
            At::field(&pointer).dotted(),
            of_pod.whole()
        )),
        fix: cx.fix(|| (fits && of_pod > Seconds::ZERO).then(|| Fix {
            safety: FixSafety::Unsafe,
            on: None,
            edits: vec![Edit::Set {
                pointer,
                value: of_pod.whole().into(),
            }],
        })),
        ..RULE.finding(Severity::Warning, Confidence::Certain)
    });
}

/// No message counts more Pods than this.
const MOST_PODS: usize = 1_000;

fn plus_pauses(retries: Retries, pods: usize) -> String {
    let startup = match retries.startup {
        Seconds::ZERO => String::new(),
        startup => format!(" + {pods} x {startup} start-up"),
    };
    if pods < 2 {
        startup
    } else {
        format!("{startup} + {}", pauses(retries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rules::testkit::{HOOK, found};

    fn arithmetic(of_pod: Option<i64>, of_job: Option<i64>, limit: u32) -> Option<String> {
        let mut job = HOOK.job();
        job.pod.active_deadline = of_pod.map(Seconds::new);
        job.active_deadline = of_job.map(Seconds::new);
        job.backoff_limit.value = limit;
        let mut findings = found(&job, "HB109");
        findings
            .pop()
            .and_then(|finding| Some(finding.arithmetic?.into()))
    }

    #[test]
    fn only_a_deadline_that_the_job_lacks_is_found_and_all_pods_are_counted() {
        assert_eq!(arithmetic(None, None, 6), None);
        assert_eq!(arithmetic(None, Some(600), 6), None);
        assert_eq!(arithmetic(Some(600), Some(600), 6), None);
        let sum = arithmetic(Some(600), None, 6);
        assert_eq!(
            sum.as_deref(),
            Some("7 x 600 s + 10 + 20 + 40 + 80 + 160 + 320 = 4830 s")
        );
        assert_eq!(
            arithmetic(Some(600), None, 0).as_deref(),
            Some("1 x 600 s = 600 s")
        );
        assert_eq!(
            arithmetic(Some(600), None, 1).as_deref(),
            Some("2 x 600 s + 10 = 1210 s")
        );
    }

    #[test]
    fn the_field_is_written_only_where_the_release_sees_it_fire() {
        for (of_pod, fixed) in [(864, true), (865, false), (0, false)] {
            let mut job = crate::engine::rules::testkit::Hook {
                release: Some("15m"),
                ..HOOK
            }
            .job();
            job.pod.active_deadline = Some(Seconds::new(of_pod));
            assert_eq!(found(&job, "HB109")[0].fix.is_some(), fixed, "{of_pod}");
        }
    }
}
