//! HB106.

use crate::engine::Seconds;
use crate::engine::finding::{At, Confidence, Edit, Finding, Fix, FixSafety, Severity};
use crate::engine::formulas::needed_deadline;
use crate::engine::job::Origin;
use crate::engine::rule::{Context, rule};

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
    /// An error for an Argo CD hook that also waits without a bound: nothing at all ends it. A warning for a
    /// Job that waits for or calls a service. Information for the others: most public charts leave the
    /// deadline out, and a Job that only talks to the API server rarely needs it.
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
    /// release has given up by then anyway.
    ///
    /// ## When to ignore
    ///
    /// When the run time has no sensible bound, such as a migration of unknown size that must not be cut.
    "HB106" "deadline-missing" Error check
}

fn check(cx: &Context<'_>) -> Vec<Finding> {
    let clocks = cx.clocks;
    if clocks.deadline.is_some() {
        return Vec::new();
    }
    let unbounded = clocks.waits().any(|(_, wait)| !wait.is_bounded());
    let (severity, consequence) = if cx.origin() == Origin::ArgoHook && unbounded {
        (
            Severity::Error,
            "and Argo CD has no timeout per hook: a wait without a bound blocks the sync for ever",
        )
    } else if clocks.wait.is_some() || clocks.calls_a_service() {
        (
            Severity::Warning,
            "a Pod that cannot be pulled or scheduled never counts as failed",
        )
    } else {
        (
            Severity::Info,
            "a Pod that cannot be pulled or scheduled never counts as failed",
        )
    };
    let pointer = cx.field("activeDeadlineSeconds");
    let wait = clocks
        .wait
        .and_then(|wait| wait.nominal.seconds())
        .unwrap_or(Seconds::ZERO);
    let needed = needed_deadline(wait, clocks.startup, cx.policy.headroom);
    let derived = clocks
        .release
        .timeout
        .filter(|_| clocks.release.is_known())
        .map(|timeout| timeout - cx.policy.slack - clocks.grace)
        .filter(|deadline| *deadline >= wait + clocks.startup && *deadline > Seconds::ZERO);
    vec![Finding {
        at: At::field(pointer.clone()),
        brief: "nothing ends a Pod that never starts".to_owned(),
        message: format!("no activeDeadlineSeconds: {consequence}"),
        arithmetic: derived.and_then(|deadline| {
            let timeout = clocks.release.timeout?;
            Some(format!(
                "release timeout {timeout} - {} slack - {} grace = {deadline}",
                cx.policy.slack, clocks.grace
            ))
        }),
        help: format!("activeDeadlineSeconds: {}", derived.unwrap_or(needed).whole()),
        fix: derived.map(|deadline| Fix {
            safety: FixSafety::Safe,
            edits: vec![Edit::Set {
                pointer,
                value: deadline.whole().into(),
            }],
        }),
        ..RULE.finding(severity, Confidence::Certain)
    }]
}
