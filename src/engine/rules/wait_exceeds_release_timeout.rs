//! HB104.

use crate::engine::finding::{Confidence, Finding, Severity};
use crate::engine::formulas::needed_release;
use crate::engine::rule::{Context, rule};
use crate::engine::rules::common::{WaitInMessage, at_most_a_warning, confidence_of_waits, plus_startup};
use crate::engine::rules::release_field::release_timeout_to_write;
use crate::engine::{Limit, Seconds};

rule! {
    /// The Job's own wait does not fit into the timeout of the release that waits for it.
    ///
    /// ## What it does
    ///
    /// Compares the nominal wait plus the slack (policy, 60 s) with the timeout of the owning release action,
    /// and the worst case, every probe hanging to its limit, with the timeout itself.
    ///
    /// ## Why is this bad?
    ///
    /// Counting only the sleeps is the usual mistake. A loop of 168 tries with 5 s of sleep waits 840 s and
    /// leaves 60 s of a timeout of 900 s; but 60 s / 168 = 0.357 s, so a probe that takes longer than that on
    /// average breaks the timeout, and with `curl --max-time 3` the loop takes 168 x (5 s + 3 s) = 1344 s when
    /// the dependency accepts and never answers. The release then fails with a timeout that names no cause,
    /// while the Job goes on.
    ///
    /// ## Severity
    ///
    /// An error when the nominal wait with the slack passes a timeout that is stated; a warning when the
    /// default is assumed, or when only the worst case passes it and no deadline ends the wait before. A probe
    /// without a limit is HB202's.
    ///
    /// ## How to fix
    ///
    /// Fewer tries, so that `tries x (sleep + probe limit) + slack <= timeout`, or a longer timeout:
    ///
    /// ```sh
    /// for i in $(seq 1 105); do            # 105 x (5 s + 3 s) = 840 s in the worst case
    ///   curl -sSf --max-time 3 "$URL" && break
    ///   sleep 5
    /// done
    /// ```
    ///
    /// ## When to ignore
    ///
    /// The worst case, when the dependency refuses connections until it is up and never hangs.
    "HB104" "wait-exceeds-release-timeout" Error check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let clocks = cx.clocks;
    let (Some(timeout), Some(wait)) = (clocks.release.timeout, clocks.wait) else {
        return;
    };
    let Limit::At(nominal) = wait.nominal else {
        return;
    };
    let (slack, source) = (cx.policy.slack, &clocks.release.source);
    let needed = nominal + clocks.startup + slack;
    let known = clocks.release.is_known();
    let (severity, message) = if needed > timeout {
        let severity = if known { Severity::Error } else { Severity::Warning };
        let message = cx.message(|_| format!(
            "the wait of {nominal} with {slack} of slack does not fit into the release timeout of {timeout} ({source})"
        ));
        (severity, message)
    } else if let Limit::At(worst) = wait.worst
        && worst + clocks.startup > timeout
        && !ended_before(cx, timeout)
    {
        let message = cx.message(|_| format!(
            "the wait of {nominal} takes {worst} when its probes hang, beyond the release timeout of {timeout} \
             ({source})"
        ));
        (Severity::Warning, message)
    } else {
        return;
    };
    let confidence = confidence_of_waits(cx).min(if known {
        Confidence::Certain
    } else {
        Confidence::Likely
    });
    let said = || WaitInMessage::of(cx);
    let worst = wait
        .worst
        .seconds()
        .map_or(needed, |worst| worst + clocks.startup + slack);
    let after_deadline = clocks
        .deadline
        .map_or(needed, |deadline| needed_release(deadline, clocks.grace) + slack);
    let raise = || release_timeout_to_write(cx, needed.max(worst).max(after_deadline));
    let room = timeout.minus_or_zero(slack + clocks.startup);
    found.push(Finding {
        at: cx.at(|| said().at),
        brief: cx.brief(|_| {
            format!(
                "wait {nominal}, at worst {}, release timeout {timeout}",
                wait.worst
            )
        }),
        message,
        arithmetic: cx.arithmetic(|_| {
            Some(format!(
                "{}; {nominal}{} + {slack} slack = {needed}, release timeout {timeout}",
                said().arithmetic,
                plus_startup(cx)
            ))
        }),
        help: cx.help(|_| {
            said()
                .shorter(room, room)
                .map_or_else(raise, |shorter| format!("{shorter}, or {}", raise()))
        }),
        ..RULE.finding(
            at_most_a_warning(severity, clocks.waits_for_own_pod_only()),
            confidence,
        )
    });
}

/// True when the deadline ends the Job so early that the release sees it: then HB102 speaks of the worst case.
fn ended_before(cx: &Context<'_>, timeout: Seconds) -> bool {
    cx.clocks
        .deadline
        .is_some_and(|deadline| needed_release(deadline, cx.clocks.grace) < timeout)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rules::testkit::{CERTAIN, HOOK, Hook};

    const WAIT_840: &str =
        "for i in $(seq 168); do curl -f -m 3 http://gitea && exit 0; sleep 5; done; exit 1"; // 1344 s at worst

    #[test]
    fn the_timeout_below_at_and_above_the_wait_and_its_slack() {
        let warned = Some((Severity::Warning, Confidence::Certain));
        for (release, verdict) in [
            ("899s", CERTAIN),
            ("900s", warned), // 840 + 60 fit; 1344 do not
            ("1343s", warned),
            ("1344s", None),
        ] {
            let hook = Hook {
                script: WAIT_840,
                release: Some(release),
                ..HOOK
            };
            assert_eq!(hook.verdict("HB104"), verdict, "{release}");
        }
    }

    #[test]
    fn a_deadline_that_the_release_sees_ends_the_worst_case() {
        for (deadline, warned) in [(864, false), (865, true)] {
            let hook = Hook {
                script: WAIT_840,
                release: Some("900s"),
                deadline: Some(deadline),
                ..HOOK
            };
            assert_eq!(hook.verdict("HB104").is_some(), warned, "{deadline}");
        }
    }

    #[test]
    fn an_assumed_timeout_is_no_proof() {
        let hook = Hook {
            script: WAIT_840,
            release: None,
            ..HOOK
        };
        assert_eq!(
            hook.verdict("HB104"),
            Some((Severity::Warning, Confidence::Likely))
        );
    }
}
