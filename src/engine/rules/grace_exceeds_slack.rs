//! HB112.

use crate::engine::Seconds;
use crate::engine::finding::{At, Confidence, Finding, Severity};
use crate::engine::formulas::needed_release;
use crate::engine::job::DEFAULT_GRACE;
use crate::engine::release::RELEASE_POLL;
use crate::engine::rule::{Context, rule};
use crate::engine::rules::common::go;

rule! {
    /// The grace period of the Pod is longer than what is left between the deadline and the release's timeout.
    ///
    /// ## What it does
    ///
    /// Reports a Job whose deadline ends before the timeout of its release, but whose
    /// `terminationGracePeriodSeconds`, raised above the default of 30 s, does not fit between the two.
    ///
    /// ## Why is this bad?
    ///
    /// Since Kubernetes 1.31 a Job is `Failed` only when all its Pods are gone; until then it has the
    /// condition `FailureTarget`, which Helm, Flux and Argo CD do not look at (KEP-3939, kubernetes/kubernetes
    /// `delayTerminalCondition`). A shell as PID 1 without a trap ignores SIGTERM and always takes the whole
    /// grace period. A deadline of 840 s with a grace of 60 s ends 900 s after the start, and a release that
    /// gives up at 900 s says "timed out" instead of `DeadlineExceeded`.
    ///
    /// ## How to fix
    ///
    /// ```yaml
    /// spec:
    ///   template:
    ///     spec:
    ///       terminationGracePeriodSeconds: 30
    /// ```
    ///
    /// A wait needs no grace at all; a migration may, and then a lower deadline or a longer timeout is right.
    ///
    /// ## When to ignore
    ///
    /// When the process surely ends at once on SIGTERM.
    "HB112" "grace-exceeds-slack" Warning check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let clocks = cx.clocks;
    let (Some(deadline), Some(timeout), Some(grace)) =
        (clocks.deadline, clocks.release.timeout, cx.job.pod.grace)
    else {
        return;
    };
    // A deadline that leaves no room at all, or too little for the default, is HB103's alone.
    let left = timeout - deadline;
    if left <= Seconds::ZERO || grace <= left || grace <= DEFAULT_GRACE {
        return;
    }
    let confidence = if clocks.release.is_known() {
        Confidence::Certain
    } else {
        Confidence::Likely
    };
    let fitting = left - RELEASE_POLL - Seconds::new(1);
    let source = &clocks.release.source;
    let raise = format!(
        "a release timeout of {}",
        go(needed_release(deadline, grace) + cx.policy.slack)
    );
    found.push(Finding {
        at: cx.at(|| At::field(cx.field("template/spec/terminationGracePeriodSeconds"))),
        brief: cx.brief(|_| format!("grace {grace}, {left} between deadline and release")),
        message: cx.message(|_| format!(
            "the grace period of {grace} is longer than the {left} between the deadline of {deadline} and the release \
             timeout of {timeout} ({source}): the Job is Failed only when its Pod is gone, after the release has \
             given up"
        )),
        arithmetic: cx.arithmetic(|_| Some(format!(
            "release timeout {timeout} - deadline {deadline} = {left}, grace {grace}; {deadline} + {grace} + \
             {RELEASE_POLL} poll = {}",
            needed_release(deadline, grace)
        ))),
        help: cx.help(|_| if fitting > Seconds::ZERO {
            format!("terminationGracePeriodSeconds: {}, or {raise}", fitting.whole())
        } else {
            raise
        }),
        ..RULE.finding(Severity::Warning, confidence)
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rules::testkit::{HOOK, Hook, found};

    fn verdict(grace: Option<i64>, deadline: i64, release: Option<&'static str>) -> Option<Confidence> {
        let mut job = Hook {
            deadline: Some(deadline),
            release,
            ..HOOK
        }
        .job();
        job.pod.grace = grace.map(Seconds::new);
        found(&job, "HB112").first().map(|finding| finding.confidence)
    }

    #[test]
    fn the_grace_below_at_and_above_what_is_left() {
        for (grace, deadline, release, expected) in [
            (Some(59), 840, Some("15m"), None),
            (Some(60), 840, Some("15m"), None), // HB103 counts the poll
            (Some(61), 840, Some("15m"), Some(Confidence::Certain)),
            (Some(61), 240, None, Some(Confidence::Likely)), // 300 s are assumed
            (Some(30), 880, Some("15m"), None),
            (None, 880, Some("15m"), None),
            (Some(300), 900, Some("15m"), None),
        ] {
            assert_eq!(
                verdict(grace, deadline, release),
                expected,
                "{grace:?} {deadline} {release:?}"
            );
        }
    }

    #[test]
    fn the_grace_to_write_fits() {
        let mut job = Hook {
            deadline: Some(840),
            release: Some("15m"),
            ..HOOK
        }
        .job();
        job.pod.grace = Some(Seconds::new(120));
        assert!(
            found(&job, "HB112")[0]
                .help
                .starts_with("terminationGracePeriodSeconds: 54,")
        );
        job.pod.grace = Some(Seconds::new(54));
        assert_eq!(found(&job, "HB112"), []);
        assert_eq!(found(&job, "HB103"), []);
    }
}
