//! HB102.

use crate::engine::Limit;
use crate::engine::finding::{Confidence, Finding, Severity};
use crate::engine::formulas::needed_deadline;
use crate::engine::rule::{Context, rule};
use crate::engine::rules::common::{WaitInMessage, confidence_of_waits};

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
    /// or when only probes that hang to their limits pass the deadline.
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
    /// and a release timeout above 840 s + grace + 5 s (HB103).
    ///
    /// ## When to ignore
    ///
    /// When the work that follows the wait takes seconds and a wait that is cut short needs no explanation.
    "HB102" "wait-exceeds-deadline" Error check
}

fn check(cx: &Context<'_>) -> Vec<Finding> {
    let clocks = cx.clocks;
    let (Some(deadline), Some(wait)) = (clocks.deadline, clocks.wait) else {
        return Vec::new();
    };
    let Limit::At(nominal) = wait.nominal else {
        return Vec::new();
    };
    let needed = needed_deadline(nominal, clocks.startup, cx.policy.headroom);
    let worst_passes = wait.worst + clocks.startup > Limit::At(deadline);
    let said = WaitInMessage::of(cx);
    let (severity, message) = if nominal + clocks.startup >= deadline {
        (
            Severity::Error,
            format!("the wait of {nominal} cannot end before the deadline of {deadline}"),
        )
    } else if needed > deadline {
        let left = deadline - nominal - clocks.startup;
        let message = format!(
            "the wait of {nominal} leaves {left} of the deadline of {deadline}, less than the headroom of {}",
            cx.policy.headroom
        );
        (Severity::Warning, message)
    } else if worst_passes {
        let message = format!(
            "the wait of {nominal} can take {} when its probes hang, beyond the deadline of {deadline}",
            wait.worst
        );
        (Severity::Warning, message)
    } else {
        return Vec::new();
    };
    let confidence = confidence_of_waits(cx);
    // Only a wait that is fully read is worth a denial; the headroom is a margin and no proof.
    let confidence = if severity == Severity::Error {
        confidence
    } else {
        confidence.min(Confidence::Likely)
    };
    vec![Finding {
        at: said.at,
        brief: format!("wait {nominal}, at worst {}, deadline {deadline}", wait.worst),
        message,
        arithmetic: Some(format!(
            "{}; {nominal} + {} start-up + {} headroom = {needed} needed, deadline {deadline}",
            said.arithmetic, clocks.startup, cx.policy.headroom
        )),
        help: format!(
            "activeDeadlineSeconds: {}, or a wait of at most {}",
            needed.ceil(),
            deadline.minus_or_zero(clocks.startup + cx.policy.headroom)
        ),
        ..RULE.finding(severity, confidence)
    }]
}
