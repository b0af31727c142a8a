//! HB102.

use crate::engine::finding::{Confidence, Edit, Finding, Fix, FixSafety, Severity};
use crate::engine::formulas::needed_deadline;
use crate::engine::rule::{Context, rule};
use crate::engine::rules::common::{
    WaitInMessage, at_most_a_warning, confidence_of_waits, deadline_to_write, plus_startup, read_confidence,
};
use crate::engine::rules::deadline_exceeds_release_timeout::fitting_deadline;
use crate::engine::{Limit, Seconds};

rule! {
    /// The Job's own wait does not fit into its `activeDeadlineSeconds`.
    ///
    /// ## What it does
    ///
    /// Adds the nominal wait of the script, the start-up of the Pod and the headroom (policy, 240 s) and
    /// compares the sum with `activeDeadlineSeconds`.
    ///
    /// ## Why is this bad?
    ///
    /// The deadline counts from the Job's start: scheduling, image pull, the wait and the work that follows
    /// it all count. When it fires, the running Pod is deleted under both restart policies, so the attempt in
    /// progress loses its logs (kubernetes/kubernetes `pkg/controller/job/job_controller.go`). A wait that is
    /// cut by the deadline never says what it was waiting for.
    ///
    /// ## Severity
    ///
    /// An error when the nominal wait alone reaches the deadline. A warning when only the headroom is missing,
    /// or when only probes that hang to their limits pass the deadline. A probe without a limit is HB202's.
    ///
    /// ## How to fix
    ///
    /// Keep `wait + start-up + headroom <= deadline`: for a wait of 600 s and the default headroom that is
    ///
    /// ```yaml
    /// spec:
    ///   activeDeadlineSeconds: 840
    /// ```
    ///
    /// and a release timeout above 840 s + grace + 5 s (HB103). The unsafe fix writes the later deadline, where the
    /// release's timeout has room for it.
    ///
    /// ## When to ignore
    ///
    /// When the work that follows the wait takes seconds and a wait that is cut short needs no explanation.
    "HB102" "wait-exceeds-deadline" Error check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let clocks = cx.clocks;
    let (Some(deadline), Some(wait)) = (clocks.deadline, clocks.wait) else {
        return;
    };
    let Limit::At(nominal) = wait.nominal else {
        return;
    };
    let needed = needed_deadline(nominal, clocks.startup, cx.policy.headroom);
    let (severity, message) =
        if nominal + clocks.startup >= deadline {
            (
                Severity::Error,
                cx.message(|_| format!("the wait of {nominal} cannot end before the deadline of {deadline}")),
            )
        } else if needed > deadline {
            let left = deadline - nominal - clocks.startup;
            let message = cx.message(|_| format!(
            "the wait of {nominal} leaves {left} of the deadline of {deadline}, less than the headroom of {}",
            cx.policy.headroom
        ));
            (Severity::Warning, message)
        } else if let Limit::At(worst) = wait.worst
            && worst + clocks.startup > deadline
        {
            let message = cx.message(|_| format!(
            "the wait of {nominal} takes {worst} when its probes hang, beyond the deadline of {deadline}"
        ));
            (Severity::Warning, message)
        } else {
            return;
        };
    let confidence = confidence_of_waits(cx);
    // Only a wait that is fully read is worth a denial; the headroom is a margin and no proof.
    let confidence = if severity == Severity::Error {
        confidence
    } else {
        confidence.min(Confidence::Likely)
    };
    // Nobody chose how long a tool waits by default: the deadline may well be meant to end it.
    let by_default = clocks
        .waits_for_something()
        .max_by_key(|(_, wait)| wait.span.nominal)
        .is_some_and(|(_, wait)| {
            wait.tool.is_some() && read_confidence(wait.confidence) < Confidence::Certain
        });
    let severity = if by_default {
        Severity::Info
    } else {
        at_most_a_warning(severity, clocks.waits_for_own_pod_only())
    };
    let said = || WaitInMessage::of(cx);
    found.push(Finding {
        at: cx.at(|| said().at),
        brief: cx.brief(|_| format!("wait {nominal}, at worst {}, deadline {deadline}", wait.worst)),
        message,
        arithmetic: cx.arithmetic(|_| {
            Some(format!(
                "{}; {nominal}{} + {} headroom = {needed} needed, deadline {deadline}",
                said().arithmetic,
                plus_startup(cx),
                cx.policy.headroom
            ))
        }),
        help: cx.help(|_| help(cx, &said(), needed, wait.worst)),
        fix: cx.fix(|| later_deadline(cx, needed, wait.worst)),
        ..RULE.finding(severity, confidence)
    });
}

/// A shorter wait or a later deadline, each with the values that make the clocks fit into each other.
fn help(cx: &Context<'_>, said: &WaitInMessage, needed: Seconds, worst: Limit) -> String {
    let (deadline, startup) = (cx.clocks.deadline.unwrap_or(Seconds::ZERO), cx.clocks.startup);
    let room = deadline.minus_or_zero(startup + cx.policy.headroom);
    let shorter = said.shorter(room, deadline.minus_or_zero(startup));
    let later = deadline_to_write(cx, longest(needed, worst, startup));
    shorter.map_or_else(|| later.to_string(), |shorter| format!("{shorter}, or {later}"))
}

/// What the deadline has to be for the wait with its headroom, and for probes that hang to their limits.
fn longest(needed: Seconds, worst: Limit, startup: Seconds) -> Seconds {
    worst
        .seconds()
        .map_or(needed, |worst| needed.max(worst + startup))
}

/// The later deadline, where the release still sees it end; one that is only assumed to be waited for counts as well.
fn later_deadline(cx: &Context<'_>, needed: Seconds, worst: Limit) -> Option<Fix> {
    let later = Seconds::new(longest(needed, worst, cx.clocks.startup).ceil());
    let release = cx.clocks.release.timeout;
    let is_seen = release.is_none_or(|timeout| later <= fitting_deadline(timeout, cx.clocks.grace));
    is_seen.then(|| Fix {
        safety: FixSafety::Unsafe,
        on: None,
        edits: vec![Edit::Set {
            pointer: cx.field("activeDeadlineSeconds"),
            value: later.whole().into(),
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rules::testkit::{CERTAIN, HOOK, Hook};

    const WAIT_600: &str =
        "for i in $(seq 120); do curl -f -m 1 http://catalog && exit 0; sleep 5; done; exit 1"; // 720 s at worst

    #[test]
    fn the_deadline_below_at_and_above_the_wait_and_its_headroom() {
        let likely = Some((Severity::Warning, Confidence::Likely));
        for (deadline, verdict) in [
            (599, CERTAIN),
            (600, CERTAIN),
            (601, likely),
            (839, likely),
            (840, None),
            (841, None),
        ] {
            let hook = Hook {
                script: WAIT_600,
                deadline: Some(deadline),
                ..HOOK
            };
            assert_eq!(hook.verdict("HB102"), verdict, "{deadline}");
        }
    }

    #[test]
    fn only_the_worst_case_passes_the_deadline() {
        let script = "for i in $(seq 60); do curl -f -m 10 http://catalog && exit 0; sleep 5; done; exit 1";
        for (deadline, warned) in [(899, true), (900, false), (901, false)] {
            let hook = Hook {
                script,
                deadline: Some(deadline),
                ..HOOK
            };
            assert_eq!(hook.verdict("HB102").is_some(), warned, "{deadline}");
        }
    }

    #[test]
    fn a_default_of_a_tool_may_be_meant_to_be_cut() {
        for (script, severity) in [
            ("kubectl rollout status deployment/catalog", Severity::Info),
            (
                "kubectl rollout status deployment/catalog --timeout=600s",
                Severity::Error,
            ),
        ] {
            let hook = Hook {
                script,
                deadline: Some(600),
                ..HOOK
            };
            assert_eq!(
                hook.verdict("HB102").map(|found| found.0),
                Some(severity),
                "{script}"
            );
        }
    }

    #[test]
    fn a_wait_for_the_own_pod_is_a_warning_at_most() {
        for (host, severity) in [("localhost", Severity::Warning), ("catalog", Severity::Error)] {
            let hook = Hook {
                script: WAIT_600.replace("//catalog", &format!("//{host}")).leak(),
                deadline: Some(599),
                ..HOOK
            };
            assert_eq!(
                hook.verdict("HB102").map(|found| found.0),
                Some(severity),
                "{host}"
            );
        }
    }
}
