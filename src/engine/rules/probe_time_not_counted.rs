//! HB203.

use crate::engine::finding::{Confidence, Finding, Severity};
use crate::engine::formulas::needed_release;
use crate::engine::rule::{Context, rule};
use crate::engine::rules::common::{WaitInMessage, confidence_of_waits};
use crate::engine::{Limit, Seconds};

rule! {
    /// The wait fits while its probes return at once; when they hang to their limits it does not.
    ///
    /// ## What it does
    ///
    /// Adds up the wait as it is when every probe hangs to its limit, and compares it with what the wait without
    /// probes respects: the Pod's own `activeDeadlineSeconds`, and the margins inside the Job's deadline
    /// (headroom, 240 s) and inside the release's timeout (slack, 60 s).
    ///
    /// A worst case that passes the Job's deadline itself, or the release's timeout itself, is reported by HB102
    /// and HB104, and a probe without any limit by HB202; this rule then says nothing. There is one finding for
    /// one wait.
    ///
    /// ## Why is this bad?
    ///
    /// A loop of 60 tries with 5 s of sleep is read as 300 s. With `curl --max-time 3` it takes 480 s on the day
    /// on which the dependency accepts connections and does not answer: the 180 s are taken out of the time that
    /// the work behind the wait was to have, or the Pod is ended in the middle of it.
    ///
    /// ## Severity
    ///
    /// A warning when the worst case passes the deadline of the Pod, which ends it. Information when it only uses
    /// up a margin.
    ///
    /// ## How to fix
    ///
    /// Count both, `tries x (sleep + probe limit)`, or bound the loop by a clock:
    ///
    /// ```sh
    /// end=$(( $(date +%s) + 300 ))
    /// until curl -sSf --max-time 3 "$URL"; do
    ///   if [ "$(date +%s)" -ge "$end" ]; then echo "not up after 300 s" >&2; exit 1; fi
    ///   sleep 5
    /// done
    /// ```
    ///
    /// ## When to ignore
    ///
    /// When the dependency refuses connections until it is up, and never hangs.
    "HB203" "probe-time-not-counted" Warning check
}

/// A clock, or what it leaves when its margin is taken off.
struct Room {
    severity: Severity,
    span: Seconds,
    clock: RoomClock,
}

/// Which clock, with its span.
enum RoomClock {
    Pod(Seconds),
    Deadline(Seconds),
    Release(Seconds),
}

impl RoomClock {
    fn name(&self, cx: &Context<'_>) -> String {
        match self {
            Self::Pod(deadline) => format!("activeDeadlineSeconds {deadline} of the Pod"),
            Self::Deadline(deadline) => format!("deadline {deadline} - headroom {}", cx.policy.headroom),
            Self::Release(timeout) => format!("release timeout {timeout} - slack {}", cx.policy.slack),
        }
    }

    fn left(&self, cx: &Context<'_>, worst: Seconds) -> String {
        match self {
            Self::Pod(deadline) => format!("activeDeadlineSeconds of the Pod ends it after {deadline}"),
            Self::Deadline(deadline) => format!(
                "{} of the deadline of {deadline} are left for the work behind it, not the headroom of {}",
                deadline.minus_or_zero(worst),
                cx.policy.headroom
            ),
            Self::Release(timeout) => format!(
                "{} of the release timeout of {timeout} are left, not the slack of {}",
                timeout.minus_or_zero(worst),
                cx.policy.slack
            ),
        }
    }
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let clocks = cx.clocks;
    let Some((Limit::At(nominal), Limit::At(worst))) = clocks.wait.map(|wait| (wait.nominal, wait.worst))
    else {
        return;
    };
    let (nominal, worst) = (nominal + clocks.startup, worst + clocks.startup);
    let passed = |room: &Room| nominal <= room.span && worst > room.span;
    if said_already(cx, nominal, worst) {
        return;
    }
    let Some(room) = rooms(cx).find(passed) else {
        return;
    };
    let said = || WaitInMessage::of(cx);
    let name = || room.clock.name(cx);
    found.push(Finding {
        at: cx.at(|| said().at),
        brief: cx.brief(|_| format!("wait {nominal}, at worst {worst}, {}", name())),
        message: cx.message(|_| {
            format!(
                "the wait of {nominal} takes {worst} when its probes hang: {}",
                room.clock.left(cx, worst)
            )
        }),
        arithmetic: cx.arithmetic(|_| {
            Some(format!(
                "{}; {worst} > {} ({})",
                said().arithmetic,
                room.span,
                name()
            ))
        }),
        help: cx.help(|_| {
            said()
                .shorter(
                    room.span.minus_or_zero(clocks.startup),
                    room.span.minus_or_zero(clocks.startup),
                )
                .unwrap_or_else(|| "a shorter limit for each probe".to_owned())
        }),
        ..RULE.finding(room.severity, confidence_of_waits(cx).min(Confidence::Likely))
    });
}

/// HB102 and HB104 compare the same sums with the clocks themselves.
fn said_already(cx: &Context<'_>, nominal: Seconds, worst: Seconds) -> bool {
    let passes = |clock: Option<Seconds>, margin: Seconds| {
        clock.is_some_and(|clock| worst > clock || nominal + margin > clock)
    };
    passes(cx.clocks.deadline, cx.policy.headroom)
        || (passes(cx.clocks.release.timeout, cx.policy.slack) && !ends_before_the_release(cx))
}

/// The deadline ends the Job so early that the release sees it.
fn ends_before_the_release(cx: &Context<'_>) -> bool {
    match (cx.clocks.deadline, cx.clocks.release.timeout) {
        (Some(deadline), Some(timeout)) => needed_release(deadline, cx.clocks.grace) < timeout,
        _ => false,
    }
}

/// What the wait has to fit into, the hardest limit first.
fn rooms(cx: &Context<'_>) -> impl Iterator<Item = Room> {
    let pod = cx.job.pod.active_deadline.map(|deadline| Room {
        severity: Severity::Warning,
        span: deadline,
        clock: RoomClock::Pod(deadline),
    });
    let deadline = cx.clocks.deadline.map(|deadline| Room {
        severity: Severity::Info,
        span: deadline - cx.policy.headroom,
        clock: RoomClock::Deadline(deadline),
    });
    let release = cx
        .clocks
        .release
        .timeout
        .filter(|_| !ends_before_the_release(cx))
        .map(|timeout| Room {
            severity: Severity::Info,
            span: timeout - cx.policy.slack,
            clock: RoomClock::Release(timeout),
        });
    [pod, deadline, release].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rules::testkit::{HOOK, Hook, found};

    /// 300 s, and 480 s when every probe hangs.
    const WAIT: &str = "for i in $(seq 60); do curl -f -m 3 http://catalog && exit 0; sleep 5; done; exit 1";

    #[test]
    fn the_margins_below_at_and_above_the_worst_case() {
        let info = Some((Severity::Info, Confidence::Likely));
        for (deadline, release, verdict) in [
            (Some(479), "1h", None), // HB102: the deadline itself
            (Some(539), "1h", None), // HB102: the headroom is missing already
            (Some(540), "1h", info),
            (Some(719), "1h", info),
            (Some(720), "1h", None),
            (None, "479s", None), // HB104
            (None, "480s", info),
            (None, "539s", info),
            (None, "540s", None),
        ] {
            let hook = Hook {
                script: WAIT,
                deadline,
                release: Some(release),
                ..HOOK
            };
            assert_eq!(hook.verdict("HB203"), verdict, "{deadline:?} {release}");
            let others = ["HB102", "HB104"].iter().any(|code| hook.verdict(code).is_some());
            assert!(
                !(others && verdict.is_some()),
                "{deadline:?} {release}: one finding for one wait"
            );
        }
    }

    #[test]
    fn the_deadline_of_the_pod_below_at_and_above() {
        let warning = Some(Severity::Warning);
        for (deadline, severity) in [(299, None), (300, warning), (479, warning), (480, None)] {
            let mut job = Hook { script: WAIT, ..HOOK }.job();
            job.pod.active_deadline = Some(Seconds::new(deadline));
            let findings = found(&job, "HB203");
            assert_eq!(findings.first().map(|f| f.severity), severity, "{deadline}");
        }
    }
}
