//! HB106.

use crate::engine::Seconds;
use crate::engine::backoff::fitting_limit;
use crate::engine::finding::{At, Confidence, Edit, Finding, Fix, FixSafety, Severity};
use crate::engine::formulas::needed_deadline;
use crate::engine::job::Origin;
use crate::engine::rule::{Context, rule};
use crate::engine::rules::common::{WaitInMessage, deadline_to_write, retries_end_first, waits_by_failing};
use crate::engine::rules::runs_overlap;

rule! {
    /// The Job has no `activeDeadlineSeconds`: nothing ends a Pod that never starts.
    ///
    /// ## What it does
    ///
    /// Reports a Job or CronJob without `activeDeadlineSeconds`.
    ///
    /// ## Why is this bad?
    ///
    /// A Pod whose image cannot be pulled, or that no node has room for, stays `Pending`: no container exits,
    /// no restart counts, no Pod fails, so `backoffLimit` never fires. Only the deadline ends such a Job.
    /// Without one, a Helm hook fails at the release's timeout without a cause and the Job stays behind; an
    /// Argo CD sync has no timeout per hook and can wait for ever; a CronJob with `Forbid` skips every later
    /// run.
    ///
    /// ## Severity
    ///
    /// An error for an Argo CD hook that also waits without a bound for something outside its Pod: nothing at all
    /// ends it. A warning for a Job that waits for a service, or waits without a bound, and for a hook or CronJob
    /// that calls one. Information for the others: most public charts leave the deadline out, a Job that only
    /// talks to the API server rarely needs it, nobody waits for a plain Job, and a CronJob that blocks its later
    /// runs is HB501's.
    ///
    /// ## How to fix
    ///
    /// ```yaml
    /// spec:
    ///   activeDeadlineSeconds: 840   # release timeout - slack - grace, and at least wait + headroom
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Safe where the deadline can be derived from a stated release timeout and the wait fits into it: the
    /// release has given up by then anyway. Unsafe, together with retries that outlast the deadline, where an
    /// image hides what it does and its retries look like its wait: the deadline alone would be HB101.
    ///
    /// ## When to ignore
    ///
    /// When the run time has no sensible bound, such as a migration of unknown size that must not be cut.
    "HB106" "deadline-missing" Error check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let clocks = cx.clocks;
    if clocks.deadline.is_some() {
        return;
    }
    let unbounded = clocks.waits_for_something().any(|(_, wait)| !wait.is_bounded());
    let outside = clocks
        .waits_for_something()
        .any(|(_, wait)| !wait.is_bounded() && !wait.is_for_own_pod());
    // Nobody waits for a plain Job that does not wait itself, and HB501 says more of one that blocks later runs.
    let said_better = cx.origin() == Origin::Plain || runs_overlap::warns(cx);
    let (severity, consequence) = if cx.origin() == Origin::ArgoHook && outside {
        (
            Severity::Error,
            "Argo CD has no timeout per hook, so that a wait without a bound blocks the sync for ever",
        )
    } else if unbounded || (clocks.calls_a_service() && (clocks.has_wait() || !said_better)) {
        (Severity::Warning, NEVER_STARTS)
    } else {
        (Severity::Info, NEVER_STARTS)
    };
    let pointer = cx.field("activeDeadlineSeconds");
    let plan = Plan::of(cx, unbounded);
    let derived = plan.derived(cx);
    let arithmetic = |_: &mut String| {
        plan.outer.zip(clocks.release.timeout).map(|(outer, timeout)| {
            let (slack, grace) = (cx.policy.slack, clocks.grace);
            let source = &clocks.release.source;
            format!("release timeout {timeout} ({source}) - {slack} slack - {grace} grace = {outer}")
        })
    };
    found.push(Finding {
        at: cx.at(|| At::field(pointer.clone())),
        brief: cx.brief(|_| "nothing ends a Pod that never starts".to_owned()),
        message: cx.message(|_| format!("no activeDeadlineSeconds: {consequence}")),
        arithmetic: cx.arithmetic(arithmetic),
        help: cx.help(|_| plan.help(cx)),
        fix: cx.fix(|| derived.map(|deadline| fix(cx, pointer, deadline))),
        ..RULE.finding(severity, Confidence::Certain)
    });
}

/// The deadline; where the retries of a hook that seems to wait by them would be over before it, together with
/// retries that outlast it.
fn fix(cx: &Context<'_>, pointer: String, deadline: Seconds) -> Fix {
    let set = |pointer, value| Edit::Set { pointer, value };
    let mut edits = vec![set(pointer, deadline.whole().into())];
    let mut safety = FixSafety::Safe;
    if retries_end_first(cx, deadline) {
        safety = FixSafety::Unsafe;
        edits.push(set(cx.field("template/spec/restartPolicy"), "Never".into()));
        edits.push(set(cx.field("backoffLimit"), fitting_limit(deadline).into()));
    }
    Fix {
        safety,
        on: None,
        edits,
    }
}

const NEVER_STARTS: &str = "a Pod that cannot be pulled or scheduled never counts as failed";

/// True where a deadline can be derived from the release's timeout, which then bounds the retries too.
pub(super) fn can_be_derived(cx: &Context<'_>) -> bool {
    let unbounded = cx
        .clocks
        .waits_for_something()
        .any(|(_, wait)| !wait.is_bounded());
    cx.clocks.deadline.is_none() && Plan::of(cx, unbounded).derived(cx).is_some()
}

/// The deadlines that come into question.
struct Plan {
    /// What the wait needs: with its headroom, with hanging probes, and with the cold start where the script
    /// does not bound the wait.
    needed: Seconds,
    /// The last moment at which the release still sees the Job fail.
    outer: Option<Seconds>,
    /// True where nothing is known of how long a good run takes.
    blind: bool,
}

impl Plan {
    fn of(cx: &Context<'_>, unbounded: bool) -> Self {
        let clocks = cx.clocks;
        let nominal = clocks.wait.and_then(|wait| wait.nominal.seconds());
        let worst = clocks.wait.and_then(|wait| wait.worst.seconds());
        let waits_outside = unbounded || (!clocks.has_wait() && clocks.calls_a_service());
        let wait = if waits_outside {
            cx.clocks.cold_start.span
        } else {
            nominal.unwrap_or(Seconds::ZERO)
        };
        let needed = needed_deadline(wait, clocks.startup, cx.policy.headroom)
            .max(worst.unwrap_or(Seconds::ZERO) + clocks.startup);
        let outer = clocks
            .release
            .timeout
            .map(|timeout| timeout - cx.policy.slack - clocks.grace)
            .filter(|outer| *outer > Seconds::ZERO);
        Self {
            needed,
            outer,
            blind: !clocks.has_wait(),
        }
    }

    /// The deadline that a stated release timeout leaves, where it changes nothing else: the wait fits into it,
    /// and it does not outlast retries that are meant as a wait (HB101).
    fn derived(&self, cx: &Context<'_>) -> Option<Seconds> {
        self.outer.filter(|outer| {
            let fits = self.needed <= *outer || (self.blind && !cx.clocks.calls_a_service());
            cx.clocks.release.is_known() && fits && !waits_by_failing(cx)
        })
    }

    fn help(&self, cx: &Context<'_>) -> String {
        let write = |deadline: Seconds| format!("activeDeadlineSeconds: {}", deadline.whole());
        let needed = deadline_to_write(cx, self.needed).to_string();
        match self.outer {
            Some(outer) if waits_by_failing(cx) => {
                let wait = outer.minus_or_zero(cx.policy.headroom + cx.clocks.startup);
                if wait >= cx.clocks.cold_start.span {
                    format!("{} and one wait of at most {wait} inside the container", write(outer))
                } else {
                    let wait = cx.clocks.cold_start.span;
                    format!("one wait of {wait} inside the container, and {needed}")
                }
            }
            Some(outer) if self.blind || self.needed <= outer => write(outer),
            Some(outer) => {
                let room = outer.minus_or_zero(cx.policy.headroom + cx.clocks.startup);
                let shorter = WaitInMessage::of(cx).shorter(room, outer.minus_or_zero(cx.clocks.startup));
                shorter.map_or_else(
                    || needed.clone(),
                    |shorter| format!("{} and {shorter}, or {needed}", write(outer)),
                )
            }
            None if self.blind && cx.origin() == Origin::CronJob => {
                "activeDeadlineSeconds above the longest run that is still good, and below the time between two runs"
                    .to_owned()
            }
            None if self.blind && !cx.origin().is_hook() => {
                "activeDeadlineSeconds above the longest run that is still good".to_owned()
            }
            None => needed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rules::testkit::{HOOK, Hook, found};

    const WAIT: &str = "for i in $(seq 60); do curl -f -m 3 http://catalog && exit 0; sleep 5; done; exit 1";

    fn severity(hook: Hook) -> Option<Severity> {
        hook.verdict("HB106").map(|(severity, _)| severity)
    }

    #[test]
    fn what_the_job_does_decides_how_bad_it_is() {
        for (hook, script, verdict) in [
            ("post-install", WAIT, Severity::Warning),
            ("post-install", "curl -f http://catalog", Severity::Warning),
            ("post-install", "sleep 10", Severity::Info),
            ("post-install", "kubectl apply -f /crds", Severity::Info),
            (
                "PostSync",
                "until nc -z db 5432; do sleep 2; done",
                Severity::Error,
            ),
            ("PostSync", WAIT, Severity::Warning),
            (
                "post-install",
                "until nc -z db 5432; do sleep 2; done",
                Severity::Warning,
            ),
        ] {
            let job = Hook {
                runs: hook,
                script,
                ..HOOK
            };
            assert_eq!(severity(job), Some(verdict), "{hook}: {script}");
        }
        // Nobody waits for a plain Job.
        for (script, verdict) in [
            ("curl -f http://catalog", Severity::Info),
            (WAIT, Severity::Warning),
        ] {
            let mut job = Hook { script, ..HOOK }.job();
            job.annotations.clear();
            assert_eq!(found(&job, "HB106")[0].severity, verdict, "{script}");
        }
        let bounded = Hook {
            script: WAIT,
            deadline: Some(1),
            ..HOOK
        };
        assert_eq!(severity(bounded), None);
    }

    #[test]
    fn a_deadline_is_set_only_where_the_wait_fits_below_the_timeout() {
        // 300 s of waiting and 240 s of headroom need 540 s; timeout - 60 s slack - 30 s grace is left.
        for (release, fix) in [("629s", None), ("630s", Some(540)), ("900s", Some(810))] {
            let hook = Hook {
                script: WAIT,
                release: Some(release),
                ..HOOK
            };
            let findings = hook.findings("HB106");
            let written = findings[0].fix.as_ref().map(|fix| {
                let [Edit::Set { value, .. }] = fix.edits.as_slice() else {
                    panic!("{fix:?}")
                };
                value.as_i64().unwrap()
            });
            assert_eq!(written, fix, "{release}");
        }
    }

    #[test]
    fn a_deadline_over_retries_that_look_like_a_wait_comes_with_retries_that_outlast_it() {
        use crate::engine::job::RestartPolicy;
        let mut job = Hook {
            policy: RestartPolicy::OnFailure,
            limit: 6,
            release: Some("15m"),
            ..HOOK
        }
        .job();
        job.pod.containers[0].command.clear();
        let fix = found(&job, "HB106")[0].fix.clone().unwrap();
        let set = |pointer: &str, value: serde_json::Value| Edit::Set {
            pointer: pointer.to_owned(),
            value,
        };
        assert_eq!(fix.safety, FixSafety::Unsafe);
        assert_eq!(
            fix.edits,
            [
                set("/spec/activeDeadlineSeconds", 810.into()),
                set("/spec/template/spec/restartPolicy", "Never".into()),
                set("/spec/backoffLimit", 7.into()),
            ]
        );
        job.active_deadline = Some(Seconds::new(810));
        assert_eq!(found(&job, "HB101").len(), 1, "the deadline alone");
        job.pod.restart_policy = RestartPolicy::Never;
        job.backoff_limit.value = 7;
        assert_eq!(found(&job, "HB101"), []);
        assert_eq!(found(&job, "HB106"), []);
    }

    #[test]
    fn no_deadline_is_put_over_retries_that_are_a_wait() {
        let hook = Hook {
            policy: crate::engine::job::RestartPolicy::OnFailure,
            limit: 6,
            ..HOOK
        };
        let findings = hook.findings("HB106");
        assert_eq!(findings[0].fix, None);
        assert!(findings[0].help.contains("wait"), "{}", findings[0].help);
    }
}
