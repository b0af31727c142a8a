//! HB107.

use std::fmt::Write as _;

use crate::engine::Seconds;
use crate::engine::backoff::Retries;
use crate::engine::budget::retries_of;
use crate::engine::finding::{At, Confidence, Edit, Finding, Fix, FixSafety, Severity};
use crate::engine::job::RestartPolicy;
use crate::engine::release::RELEASE_POLL;
use crate::engine::rule::{Context, rule};
use crate::engine::rules::common::{go, limit_is_chosen, retry_sum, waits_by_failing};
use crate::engine::rules::deadline_missing;
use crate::engine::{Limit, formulas::needed_release};

rule! {
    /// The retries of a Job without a deadline last longer than its release waits.
    ///
    /// ## What it does
    ///
    /// Plays the retry timeline of a Job without `activeDeadlineSeconds`, with attempts that fail as soon as
    /// they can, and reports one whose `backoffLimit` is reached only after the release has given up. An
    /// attempt that outlasts the release by itself is HB104's.
    ///
    /// ## Why is this bad?
    ///
    /// The release fails at its timeout with a sentence that names no cause, before the Job has reached its
    /// own verdict. The Job goes on in the cluster behind it, and the next attempt of the release deletes it
    /// in the middle. A public chart sets `backoffLimit: 20` with `restartPolicy: Never` on a hook that needs
    /// its database: 10 + 20 + 40 + ... + 320 s and then 600 s between two Pods, more than two and a half
    /// hours against the 5 minutes that Helm waits.
    ///
    /// ## Severity
    ///
    /// A warning where the limit was chosen, unless the timeout is only assumed and the Job visibly calls
    /// nothing but the API server. With the default limit of 6 a warning only where the timeout is stated and
    /// the Job waits for or calls a service; else information: neither number is anybody's.
    ///
    /// ## How to fix
    ///
    /// ```yaml
    /// spec:
    ///   backoffLimit: 4                # Never: 10 + 20 + 40 + 80 = 150 s
    ///   activeDeadlineSeconds: 210     # 300 - 60 slack - 30 grace
    /// ```
    ///
    /// A Job that waits for something does better with one wait inside the container and `backoffLimit: 0`.
    ///
    /// ## Fix safety
    ///
    /// Unsafe: fewer attempts are made. It is offered where the timeout is stated and no deadline can be
    /// derived (HB106), and not where the fewer retries would wait for less than the cold start. Admission does
    /// not write it.
    ///
    /// ## When to ignore
    ///
    /// When the Job may well end after its release, and something else watches it.
    "HB107" "retries-outlast-release" Warning check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let clocks = cx.clocks;
    let (None, Some(timeout)) = (clocks.deadline, clocks.release.timeout) else {
        return;
    };
    // One attempt that outlasts the release by itself is HB104's.
    let one_fits = clocks.run.nominal < Limit::At(timeout);
    if clocks.attempts < 2 || !one_fits || clocks.retries_lower < Limit::At(timeout) {
        return;
    }
    let known = clocks.release.is_known();
    let needs_something = clocks.has_wait() || clocks.calls_a_service();
    let serious = match (limit_is_chosen(cx), known) {
        (true, true) => true,
        (true, false) => !only_asks_the_api_server(cx),
        (false, known) => known && needs_something,
    };
    if !known && !limit_is_chosen(cx) && !cx.origin().is_hook() {
        // Whether anybody waits for an ordinary Job of a release is not known either.
        return;
    }
    let severity = if serious {
        Severity::Warning
    } else {
        Severity::Info
    };
    let confidence = if known {
        Confidence::Certain
    } else {
        Confidence::Likely
    };
    let pointer = || cx.field("backoffLimit");
    let limit = cx.job.backoff_limit.value;
    let lasts = || match clocks.retries_lower {
        Limit::At(lower) => format!("last {lower}"),
        Limit::Never => "never end".to_owned(),
    };
    let source = &clocks.release.source;
    let fitting = || fitting(cx, timeout);
    let fix = || {
        fitting().filter(|(_, end)| {
            let long_enough = !waits_by_failing(cx) || *end >= clocks.cold_start.span;
            known && long_enough && !deadline_missing::can_be_derived(cx)
        })
    };
    found.push(Finding {
        at: cx.at(|| At::field(pointer())),
        brief: cx.brief(|_| format!("retries {}, release timeout {timeout}", lasts())),
        message: cx.message(|_| format!(
            "backoffLimit: {limit} lets the retries {} at the least, and the release gives up at {timeout} \
             ({source}): the Job goes on and nobody is told how it ends",
            lasts()
        )),
        arithmetic: cx.arithmetic(|text| write!(text, "{}; release timeout {timeout}", retry_sum(cx))),
        help: cx.help(|_| help(cx, timeout, fitting())),
        fix: cx.fix(|| fix().map(|(fitting, _)| Fix {
            safety: FixSafety::Unsafe,
            on: None,
            edits: vec![Edit::Set {
                pointer: pointer(),
                value: fitting.into(),
            }],
        })),
        ..RULE.finding(severity, confidence)
    });
}

/// True for a Job that visibly does nothing but call the API server, which is up when a Job runs.
fn only_asks_the_api_server(cx: &Context<'_>) -> bool {
    let clocks = cx.clocks;
    let calls = clocks
        .containers
        .iter()
        .any(|c| !c.sidecar && !c.reading.calls.is_empty());
    calls && clocks.is_visible() && !clocks.has_wait() && !clocks.calls_a_service()
}

/// The largest limit whose retries end, seen by the release, before it gives up; and when they end at the
/// latest.
fn fitting(cx: &Context<'_>, timeout: Seconds) -> Option<(u32, Seconds)> {
    let retries = Retries {
        run: cx.clocks.run.nominal,
        ..retries_of(cx.job, cx.policy)
    };
    // Under OnFailure the Pod is there when the limit is reached, and `Failed` waits for it to be gone.
    let grace = match retries.policy {
        RestartPolicy::Never => Seconds::ZERO,
        _ => cx.clocks.grace,
    };
    let end = |limit: u32| {
        let (_, upper) = Retries { limit, ..retries }.end();
        upper
            .seconds()
            .filter(|end| *end + grace + RELEASE_POLL < timeout)
    };
    (0..retries.limit)
        .map_while(|limit| Some((limit, end(limit)?)))
        .last()
}

fn help(cx: &Context<'_>, timeout: Seconds, fitting: Option<(u32, Seconds)>) -> String {
    let deadline = timeout - cx.policy.slack - cx.clocks.grace;
    let limit = fitting.map(|(limit, end)| format!("backoffLimit: {limit}, over after {end} at the latest"));
    let deadline = (deadline > Seconds::ZERO).then(|| format!("activeDeadlineSeconds: {}", deadline.whole()));
    match (limit, deadline) {
        (Some(limit), Some(deadline)) => format!("{limit}, or {deadline}"),
        (Some(limit), None) => limit,
        (None, Some(deadline)) => deadline,
        (None, None) => {
            let needed = cx.policy.cold_start + cx.policy.headroom;
            format!(
                "a release timeout of {}",
                go(needed_release(needed, cx.clocks.grace) + cx.policy.slack)
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rules::testkit::{HOOK, Hook, found};

    const WARNED: Option<(Severity, Confidence)> = Some((Severity::Warning, Confidence::Certain));

    #[test]
    fn the_timeout_below_at_and_above_the_end_of_the_retries() {
        for (policy, limit, release, verdict) in [
            (RestartPolicy::Never, 5, "309s", WARNED),
            (RestartPolicy::Never, 5, "310s", WARNED), // the release looks too late
            (RestartPolicy::Never, 5, "311s", None),
            (RestartPolicy::OnFailure, 7, "610s", WARNED),
            (RestartPolicy::OnFailure, 7, "611s", None),
            (RestartPolicy::Never, 20, "15m", WARNED),
        ] {
            let hook = Hook {
                policy,
                limit,
                release: Some(release),
                ..HOOK
            };
            assert_eq!(hook.verdict("HB107"), verdict, "{policy:?} {limit} {release}");
        }
        let bounded = Hook {
            limit: 20,
            deadline: Some(5_000),
            release: Some("15m"),
            ..HOOK
        };
        assert_eq!(bounded.verdict("HB107"), None);
    }

    #[test]
    fn numbers_that_nobody_wrote_are_information() {
        let likely = |severity| Some((severity, Confidence::Likely));
        for (script, limit, release, verdict) in [
            ("kubectl apply -f /crds", 6, None, likely(Severity::Info)),
            (HOOK.script, 6, None, likely(Severity::Info)),
            (
                "kubectl apply -f /crds",
                6,
                Some("5m"),
                Some((Severity::Info, Confidence::Certain)),
            ),
            (HOOK.script, 6, Some("5m"), WARNED),
            ("kubectl apply -f /crds", 20, None, likely(Severity::Info)),
            ("kubectl apply -f /crds", 20, Some("5m"), WARNED),
            (HOOK.script, 20, None, likely(Severity::Warning)),
            ("exec /opt/migrate --all", 20, None, likely(Severity::Warning)),
        ] {
            let hook = Hook {
                script,
                limit,
                release,
                ..HOOK
            };
            assert_eq!(hook.verdict("HB107"), verdict, "{script} {limit} {release:?}");
        }
    }

    #[test]
    fn the_limit_to_write_fits() {
        let wait = "for i in $(seq 100); do nc -z -w 1 catalog 80 && exit 0; sleep 5; done; exit 1";
        let hook = Hook {
            script: wait,
            limit: 3,
            release: Some("13m20s"), // a deadline of 500 s + 240 s of headroom would not fit
            ..HOOK
        };
        let findings = hook.findings("HB107");
        let edits = &findings[0].fix.as_ref().expect("a fix").edits;
        assert_eq!(
            edits,
            &[Edit::Set {
                pointer: "/spec/backoffLimit".into(),
                value: 0.into()
            }]
        );
        let mut job = hook.job();
        job.backoff_limit.value = 0;
        assert_eq!(found(&job, "HB107"), []);
    }

    #[test]
    fn retries_that_are_a_wait_are_not_cut_below_the_cold_start() {
        for (release, fix) in [("10m", None), ("15m", Some(6))] {
            let hook = Hook {
                limit: 20,
                release: Some(release),
                ..HOOK
            };
            let findings = hook.findings("HB107");
            let written = findings[0].fix.as_ref().map(|fix| fix.edits.clone());
            let expected = fix.map(|limit: u32| {
                vec![Edit::Set {
                    pointer: "/spec/backoffLimit".into(),
                    value: limit.into(),
                }]
            });
            assert_eq!(written, expected, "{release}");
        }
    }
}
