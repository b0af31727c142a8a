//! HB108.

use crate::engine::backoff::Retries;
use crate::engine::budget::retries_of;
use crate::engine::finding::{At, Edit, Finding, Fix, FixSafety, Severity};
use crate::engine::job::{FailureAction, FailureRule, Job, RestartPolicy};
use crate::engine::rule::{Context, rule};
use crate::engine::rules::common::{WaitInMessage, confidence_of_waits};
use crate::engine::shell::Wait;
use crate::engine::{Limit, Seconds};

rule! {
    /// A retry starts too late to finish its wait before the deadline, and its logs are deleted with it.
    ///
    /// ## What it does
    ///
    /// Plays the attempts of a Job under `restartPolicy: Never` whose container waits by itself, and reports
    /// the attempt that the deadline ends in the middle.
    ///
    /// ## Why is this bad?
    ///
    /// At the deadline the Job controller deletes the Pod that runs, and its logs with it
    /// (kubernetes/kubernetes `pkg/controller/job`, `deleteActivePods`). A wait of 600 s under a deadline of
    /// 840 s that fails is tried again at 610 s and killed 230 s later: the Job reports `DeadlineExceeded`
    /// instead of what the first attempt had found out, and the last thing that was seen is lost. The second
    /// attempt waits for the same blocker as the first.
    ///
    /// ## Severity
    ///
    /// Information; a warning when more than half of the attempts that `backoffLimit` grants cannot finish:
    /// the limit then says something that the deadline takes back.
    ///
    /// ## How to fix
    ///
    /// ```yaml
    /// spec:
    ///   backoffLimit: 0                # 1 together with the rule below, for the loss of a node
    ///   podFailurePolicy:
    ///     rules:
    ///       - action: Ignore
    ///         onPodConditions: [{type: DisruptionTarget}]
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Unsafe: fewer attempts are made.
    ///
    /// ## When to ignore
    ///
    /// When the first attempt often fails for another reason than its wait, long before it runs out.
    "HB108" "last-attempt-cut" Warning check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let (job, clocks) = (cx.job, cx.clocks);
    let (RestartPolicy::Never, Some(deadline), Limit::At(wait)) =
        (job.pod.restart_policy, clocks.deadline, clocks.run.nominal)
    else {
        return;
    };
    if !clocks.has_wait()
        || wait <= Seconds::ZERO
        || !is_repeated_whole(job, clocks.waits().map(|(_, wait)| wait))
    {
        return;
    }
    let retries = Retries {
        run: clocks.run.nominal,
        ..retries_of(job, cx.policy)
    };
    let Some((number, cut)) = retries.cut_by(deadline) else {
        return;
    };
    let (attempts, finished) = (clocks.attempts, number - 1);
    // Where not even the first wait fits it is HB102's; and a Job without containers, which the API server refuses, has
    // no attempts at all.
    if finished == 0 || finished >= attempts {
        return;
    }
    let most = u64::from(attempts - finished) * 2 > u64::from(attempts);
    let severity = if most { Severity::Warning } else { Severity::Info };
    let pointer = cx.field("backoffLimit");
    let limit = finished - 1;
    let (start, end) = (cut.start, cut.end);
    found.push(Finding {
        at: cx.at(|| At::field(pointer.clone())),
        brief: cx.brief(|_| format!("attempt {number} starts at {start}, cut at {deadline}")),
        message: cx.message(|_| format!(
            "attempt {number} of {attempts} starts at {start} and waits until {end}: the deadline cuts it at \
             {deadline} and its logs are deleted with its Pod"
        )),
        arithmetic: cx.arithmetic(|_| Some(format!(
            "{}; {finished} of {attempts} attempts can finish, the next starts at {start} and has {} of {wait} left \
             before the deadline of {deadline}",
            WaitInMessage::of(cx).arithmetic,
            deadline - start
        ))),
        help: cx.help(|_| if limit == 0 {
            "backoffLimit: 0, or backoffLimit: 1 with a podFailurePolicy that ignores DisruptionTarget"
                .to_owned()
        } else {
            format!("backoffLimit: {limit}")
        }),
        fix: cx.fix(|| Some(Fix {
            safety: FixSafety::Unsafe,
            on: None,
            edits: vec![Edit::Set {
                pointer,
                value: limit.into(),
            }],
        })),
        ..RULE.finding(severity, confidence_of_waits(cx))
    });
}

/// True when a wait that runs out fails its attempt, and the next waits again: no wait falls through, and no
/// exit status ends the Job.
pub(in crate::engine) fn is_repeated_whole<'w>(
    job: &Job<'_>,
    mut waits: impl Iterator<Item = &'w Wait>,
) -> bool {
    let goes_on = waits.any(|wait| wait.falls_through);
    let ends = |rule: &FailureRule<'_>| rule.action == FailureAction::FailJob;
    !goes_on && !job.pod_failure_policy.iter().any(ends)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::finding::Confidence;
    use crate::engine::rules::testkit::{HOOK, Hook};

    /// 300 s.
    const WAIT: &str = "for i in $(seq 60); do nc -z -w 1 catalog 80 && exit 0; sleep 5; done; exit 1";

    #[test]
    fn the_deadline_before_in_and_after_the_second_attempt() {
        let some = |severity| Some((severity, Confidence::Certain));
        for (limit, deadline, verdict) in [
            (1, 300, None),                    // the first ends with it: HB102 speaks of that
            (1, 301, None),                    // in the pause
            (1, 310, None),                    // the second does not start
            (1, 311, some(Severity::Info)),    // it starts at 310 s
            (1, 609, some(Severity::Info)),    // 310 + 300 = 610
            (1, 610, None),                    // the last attempt ends with the deadline
            (2, 610, some(Severity::Warning)), // 1 of 3 finishes
            (2, 630, None),                    // the third would start at 630 s
            (2, 631, some(Severity::Info)),    // 2 of 3 finish
            (0, 840, None),
            (6, 840, some(Severity::Warning)),
        ] {
            let hook = Hook {
                script: WAIT,
                limit,
                deadline: Some(deadline),
                ..HOOK
            };
            assert_eq!(hook.verdict("HB108"), verdict, "{limit} {deadline}");
        }
    }

    #[test]
    fn only_an_attempt_that_waits_and_fails_is_cut() {
        for (policy, script) in [
            (RestartPolicy::OnFailure, WAIT),
            (RestartPolicy::Never, "curl -f http://catalog"),
            (
                RestartPolicy::Never,
                "for i in $(seq 60); do nc -z -w 1 catalog 80 && break; sleep 5; done; echo go",
            ),
        ] {
            let hook = Hook {
                script,
                policy,
                limit: 6,
                deadline: Some(840),
                ..HOOK
            };
            assert_eq!(hook.verdict("HB108"), None, "{policy:?} {script}");
        }
    }

    #[test]
    fn the_limit_to_write_lets_every_attempt_finish() {
        for (deadline, limit) in [(600, 0), (700, 1)] {
            let hook = Hook {
                script: WAIT,
                limit: 6,
                deadline: Some(deadline),
                ..HOOK
            };
            assert!(
                hook.findings("HB108")[0]
                    .help
                    .starts_with(&format!("backoffLimit: {limit}"))
            );
            let repaired = Hook { limit, ..hook };
            assert_eq!(repaired.verdict("HB108"), None, "{deadline}");
        }
    }
}
