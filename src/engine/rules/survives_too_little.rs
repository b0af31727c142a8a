//! HB105.

use std::fmt::{self, Write as _};

use crate::engine::budget::Clock;
use crate::engine::cold_start::ColdStartSource;
use crate::engine::finding::{At, Confidence, Finding, Severity};
use crate::engine::job::RestartPolicy;
use crate::engine::rule::{Context, rule};
use crate::engine::rules::common::{
    WaitInMessage, at_most_a_warning, cluster_call, confidence_of_waits, deadline_to_write, for_target,
    pauses, races_with_the_start, waits_by_failing, waits_for_a_cluster_service,
};
use crate::engine::survival::{Survival, gives_up_before, scenario};
use crate::engine::timeline::Scenario;
use crate::engine::{Limit, Seconds, backoff::Retries};

rule! {
    /// The Job gives up before the thing that it waits for has to be up.
    ///
    /// ## What it does
    ///
    /// Takes the shortest clock of a Job that waits for something (its own wait with all its attempts, its
    /// retries, its deadline, the timeout of its release) and compares it with the cold start that the Job has
    /// to live through. `hookbudget.dev/cold-start` states it on the Job, on the Service, Deployment or
    /// StatefulSet that the Job waits for, or on the namespace; else `coldStart` of the policy (10 minutes)
    /// holds for hooks that run beside the start of their release. A Job that waits for nothing is passed over,
    /// and so is a release timeout that is only assumed, unless an annotation states the cold start.
    ///
    /// ## Why is this bad?
    ///
    /// A dependency is up within seconds on a warm cluster. On a new one its image is pulled, its volume
    /// provisioned and its schema migrated first, and that is when hooks run. A hook that minted a token waited
    /// 5 minutes for a service that needs 10 to 15 on nodes which the autoscaler has yet to start; the number
    /// that decides stood nowhere. What counts is the end of the last attempt: with `OnFailure` and `backoffLimit: 6` it starts
    /// 0 + 10 + 20 + 40 + 80 = 150 s after the first, although the Job is seen to fail after 310 s.
    ///
    /// ## Severity
    ///
    /// An error where an annotation states the cold start; certain when no number is assumed and the annotation
    /// is the Job's or the namespace's, which admission sees too. A warning where
    /// the policy demands it, the Job waits for a service of the cluster, and the timeout of its release is
    /// stated: the hook is looked at in its installation. Information for a chart on its own, for other waits
    /// such as `kubectl wait`, and where only the release gives up too early, which HB104 and HB107 judge.
    ///
    /// ## How to fix
    ///
    /// Set all clocks together, from the inside out:
    ///
    /// ```yaml
    /// metadata:
    ///   annotations:
    ///     hookbudget.dev/cold-start: 10m
    /// spec:
    ///   backoffLimit: 0
    ///   activeDeadlineSeconds: 840     # one wait of 600 s in the container + 240 s of headroom
    ///   template:
    ///     spec:
    ///       restartPolicy: Never       # and a release timeout of 15m35s: 840 + 30 grace + 5 poll + 60 slack
    /// ```
    ///
    /// ## When to ignore
    ///
    /// When the dependency is known to be up sooner: say so with `hookbudget.dev/cold-start` on it.
    "HB105" "survives-too-little" Error check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let (clocks, cold_start) = (cx.clocks, &cx.clocks.cold_start);
    let stated = cold_start.is_stated();
    let by_failing = waits_by_failing(cx);
    let concerned = clocks.has_wait() || by_failing;
    if !concerned || !(stated || races_with_the_start(cx)) {
        return;
    }
    let needed = cold_start.span;
    let release = clocks
        .release
        .timeout
        .filter(|_| stated || clocks.release.is_known());
    let scenario = Scenario {
        release,
        ..scenario(cx.job, clocks, cx.policy)
    };
    let Some(survival) = gives_up_before(needed, clocks, scenario) else {
        return;
    };
    let (until, by) = (survival.until, survival.by);
    let assumed = by == Clock::Release && !clocks.release.is_known();
    let read = if by_failing && !clocks.is_visible() {
        Confidence::Likely
    } else {
        confidence_of_waits(cx)
    };
    // Admission does not see the dependency: nothing is certain that it could not deny.
    let of_dependency = matches!(cold_start.source, ColdStartSource::Dependency { .. });
    let stated_severity = at_most_a_warning(Severity::Error, !by_failing && clocks.waits_for_own_pod_only());
    let (severity, confidence) = match (stated, assumed) {
        (true, false) if !of_dependency => (stated_severity, read),
        (true, _) => (stated_severity, read.min(Confidence::Likely)),
        (false, _) if demanded(cx, by, by_failing) => (Severity::Warning, read.min(Confidence::Likely)),
        (false, _) => (Severity::Info, read.min(Confidence::Likely)),
    };
    let (at, target) = if by_failing {
        let call = cluster_call(cx);
        let at = || call.map(|(container, call)| At::script(container.pointer.clone(), call.place));
        let at = cx.at(|| at().unwrap_or_default());
        (at, call.and_then(|(_, call)| call.target.as_ref()))
    } else {
        let longest = clocks
            .waits_for_something()
            .max_by_key(|(_, wait)| wait.span.nominal);
        (
            cx.at(|| WaitInMessage::of(cx).at),
            longest.and_then(|(_, wait)| wait.target.as_ref()),
        )
    };
    found.push(Finding {
        at,
        brief: cx.brief(|_| format!("gives up after {until}, cold start {needed}")),
        message: cx.message(|text| {
            write!(
                text,
                "the Job waits{} for {until} at the most, and a cold start may take {needed} ({})",
                for_target(target),
                cold_start.source
            )
        }),
        arithmetic: cx.arithmetic(|text| arithmetic(text, cx, survival, scenario.retries)),
        help: cx.help(|text| clocks_to_write(text, cx)),
        ..RULE.finding(severity, confidence)
    });
}

/// True where the policy's demand is worth a warning: the installation is known by its release's timeout, the
/// Job waits for a service of the cluster, and it is the Job that gives up. A release that gives up before is
/// what HB104, HB107 and HB111 speak of.
fn demanded(cx: &Context<'_>, by: Clock, by_failing: bool) -> bool {
    cx.clocks.release.is_known() && by != Clock::Release && (by_failing || waits_for_a_cluster_service(cx))
}

fn arithmetic(text: &mut String, cx: &Context<'_>, survival: Survival, retries: Retries) -> fmt::Result {
    let (clocks, until) = (cx.clocks, survival.until);
    let needed = clocks.cold_start.span;
    let attempts = |text: &mut String| {
        // The pause behind the last attempt sees nothing.
        let before_last = Retries {
            limit: retries.limit.saturating_sub(1),
            ..retries
        };
        let shown = match retries.policy {
            RestartPolicy::Never => pauses(retries),
            _ => pauses(before_last),
        };
        match clocks.run.nominal {
            Limit::At(run) if run > Seconds::ZERO => {
                write!(
                    text,
                    "{} attempts of {run} with pauses of {shown}",
                    clocks.attempts
                )
            }
            _ => write!(
                text,
                "{} attempts that fail at once, {shown} s apart",
                clocks.attempts
            ),
        }
    };
    match survival.by {
        Clock::Retries => {
            attempts(text)?;
            write!(text, ": the last ends after {until}")?;
        }
        Clock::Wait => {
            text.push_str(&WaitInMessage::of(cx).arithmetic);
            if clocks.startup > Seconds::ZERO {
                write!(text, ", with {} start-up {until}", clocks.startup)?;
            }
        }
        Clock::Deadline => match clocks.deadline {
            Some(deadline) if !survival.cuts => {
                attempts(text)?;
                write!(
                    text,
                    ": the last before the deadline of {deadline} ends after {until}"
                )?;
            }
            deadline => write!(text, "deadline {}", deadline.unwrap_or(until))?,
        },
        Clock::Release => {
            let source = &clocks.release.source;
            match clocks.release.timeout {
                Some(timeout) if !survival.cuts => {
                    attempts(text)?;
                    write!(
                        text,
                        ": the last before the release timeout of {timeout} ({source}) ends after {until}"
                    )?;
                }
                _ => write!(text, "release timeout {until} ({source})")?,
            }
        }
        Clock::Nothing => {}
    }
    write!(text, "; cold start {needed}, {} short", needed - until)
}

/// A full set of clocks, from the inside out.
fn clocks_to_write(text: &mut String, cx: &Context<'_>) -> fmt::Result {
    let wait = cx.clocks.cold_start.span;
    let deadline = wait + cx.clocks.startup + cx.policy.headroom;
    write!(
        text,
        "one wait of {wait} inside the container, restartPolicy: Never, backoffLimit: 0 and {}",
        deadline_to_write(cx, deadline)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rules::testkit::{CERTAIN, HOOK, Hook, found};

    const LIKELY: Option<(Severity, Confidence)> = Some((Severity::Warning, Confidence::Likely));
    const INFO: Option<(Severity, Confidence)> = Some((Severity::Info, Confidence::Likely));

    /// Tries for 2 s each, the last sleep included.
    fn wait(tries: u32) -> &'static str {
        let script =
            format!("for i in $(seq {tries}); do nc -z -w 1 catalog 80 && exit 0; sleep 2; done; exit 1");
        Box::leak(script.into_boxed_str())
    }

    #[test]
    fn the_wait_below_at_and_above_the_cold_start_that_the_policy_demands() {
        for (tries, verdict) in [(299, LIKELY), (300, None), (301, None)] {
            let hook = Hook {
                script: wait(tries),
                ..HOOK
            };
            assert_eq!(hook.verdict("HB105"), verdict, "{tries}");
        }
    }

    #[test]
    fn an_annotation_makes_it_an_error_for_whatever_waits() {
        for (runs, tries, cold_start, verdict) in [
            ("post-install", 300, "10m1s", CERTAIN),
            ("post-install", 300, "10m", None),
            ("pre-upgrade", 300, "11m", CERTAIN),
            ("pre-upgrade", 300, "soon", None), // the policy asks hooks beside a start only
        ] {
            let hook = Hook {
                runs,
                script: wait(tries),
                ..HOOK
            };
            let mut job = hook.job();
            job.annotations
                .push(("hookbudget.dev/cold-start".into(), cold_start.into()));
            let verdicts: Vec<_> = found(&job, "HB105")
                .iter()
                .map(|f| (f.severity, f.confidence))
                .collect();
            assert_eq!(verdicts.first().copied(), verdict, "{runs} {cold_start}");
        }
    }

    #[test]
    fn each_clock_can_be_the_shortest() {
        for (policy, limit, deadline, release, verdict) in [
            (RestartPolicy::Never, 0, Some(599), Some("1h"), LIKELY),
            (RestartPolicy::Never, 0, Some(600), Some("1h"), LIKELY), // the deadline comes first
            (RestartPolicy::Never, 0, Some(601), Some("1h"), None),
            (RestartPolicy::Never, 0, None, Some("599s"), INFO),
            (RestartPolicy::Never, 0, None, Some("600s"), None),
            (RestartPolicy::Never, 0, None, None, None), // 300 s are only assumed
            (RestartPolicy::Never, 0, Some(599), None, INFO),
        ] {
            let hook = Hook {
                script: "until nc -z -w 1 catalog 80; do sleep 2; done",
                policy,
                limit,
                deadline,
                release,
                ..HOOK
            };
            assert_eq!(hook.verdict("HB105"), verdict, "{deadline:?} {release:?}");
        }
    }

    #[test]
    fn retries_that_are_the_wait_last_until_the_last_attempt() {
        for (policy, limit, verdict) in [
            (RestartPolicy::OnFailure, 7, LIKELY), // 0 + 10 + 20 + 40 + 80 + 160 = 310 s
            (RestartPolicy::OnFailure, 8, None),   // 610 s
            (RestartPolicy::Never, 5, LIKELY),     // 310 s
            (RestartPolicy::Never, 6, None),       // 630 s
        ] {
            let hook = Hook {
                policy,
                limit,
                ..HOOK
            };
            assert_eq!(hook.verdict("HB105"), verdict, "{policy:?} {limit}");
        }
        let hook = Hook {
            policy: RestartPolicy::OnFailure,
            limit: 6,
            ..HOOK
        };
        let findings = hook.findings("HB105");
        assert_eq!(
            findings[0].arithmetic.as_deref(),
            Some(
                "6 attempts that fail at once, 0 + 10 + 20 + 40 + 80 s apart: the last ends after 150 s; cold start \
                 600 s, 450 s short"
            )
        );
    }

    #[test]
    fn what_waits_for_nothing_or_only_asks_the_api_server_is_no_warning() {
        for (script, limit, verdict) in [
            ("kubectl apply -f /crds", 3, None),
            ("curl -fLO https://example.com/mc", 3, None),
            ("sleep 30; exit 1", 0, None),
            (
                "kubectl wait --for=condition=Available deploy/web --timeout=60s",
                0,
                INFO,
            ),
        ] {
            let hook = Hook {
                script,
                limit,
                ..HOOK
            };
            assert_eq!(hook.verdict("HB105"), verdict, "{script}");
        }
    }
}
