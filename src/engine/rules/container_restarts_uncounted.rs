//! HB408.

use crate::engine::finding::{At, Confidence, Finding, Severity};
use crate::engine::job::{Container, RestartPolicy};
use crate::engine::rule::{Context, rule};
use crate::engine::rules::common::deadline_to_write;

rule! {
    /// A container has a restart policy of its own under `Never`, and no deadline: no clock counts its restarts.
    ///
    /// ## What it does
    ///
    /// Reports a Job with `restartPolicy: Never` and without `activeDeadlineSeconds` in which a container sets
    /// `restartPolicy: Always` or `OnFailure`, or `restartPolicyRules`. Native sidecars (init containers with
    /// `restartPolicy: Always`) are none of them: they end with the work.
    ///
    /// ## Why is this bad?
    ///
    /// Such a container is restarted in place (KEP-5307, container restart rules). The Job controller sums
    /// restarts only where the Pod's own policy is `OnFailure`, and counts a Pod as failed only when it has
    /// ended (`pastBackoffLimitOnFailure` in kubernetes/kubernetes `pkg/controller/job/job_controller.go`).
    /// Under `Never` it sees neither: `backoffLimit` and `podFailurePolicy` never fire, and a container that
    /// fails for ever is restarted for ever.
    ///
    /// ## How to fix
    ///
    /// ```yaml
    /// spec:
    ///   activeDeadlineSeconds: 840
    /// ```
    ///
    /// ## When to ignore
    ///
    /// Never: without the deadline nothing at all ends the Job.
    "HB408" "container-restarts-uncounted" Error check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let job = cx.job;
    if job.pod.restart_policy != RestartPolicy::Never || job.active_deadline.is_some() {
        return;
    }
    let Some((init, index, container)) = job.containers().find(|(init, _, c)| restarts(*init, c)) else {
        return;
    };
    let (field, what) = if container.has_restart_rules {
        ("restartPolicyRules", "")
    } else {
        (
            "restartPolicy",
            container.restart_policy.as_deref().unwrap_or_default(),
        )
    };
    let clocks = cx.clocks;
    let outer = clocks
        .release
        .timeout
        .map(|timeout| timeout - cx.policy.slack - clocks.grace);
    let help = |_: &mut String| {
        outer.filter(|outer| outer.whole() > 0).map_or_else(
            || "activeDeadlineSeconds above the longest run that is still good".to_owned(),
            |outer| deadline_to_write(cx, outer).to_string(),
        )
    };
    found.push(Finding {
        at: cx.at(|| At::field(format!("{}/{field}", job.container_pointer(init, index)))),
        brief: cx.brief(|_| format!("no clock counts the restarts of container {}", container.name)),
        message: cx.message(|_| format!(
            "container {} has {field}{}{what} under the Pod's restartPolicy Never, and the Job has no activeDeadlineSeconds: \
             its restarts count towards no limit and never end",
            container.name,
            if what.is_empty() { "" } else { " " }
        )),
        help: cx.help(help),
        ..RULE.finding(Severity::Error, Confidence::Certain)
    });
}

/// True for a container that is restarted in place although the Pod's policy is `Never`.
fn restarts(init: bool, container: &Container<'_>) -> bool {
    let own = match container.restart_policy.as_deref() {
        Some("OnFailure") => true,
        Some("Always") => !init,
        _ => false,
    };
    own || (container.has_restart_rules && !(init && container.is_sidecar()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rules::testkit::{CERTAIN, HOOK, Hook, found};

    fn verdict(
        init: bool,
        policy: Option<&'static str>,
        rules: bool,
        hook: Hook,
    ) -> Option<(Severity, Confidence)> {
        let mut job = hook.job();
        let container = Container {
            name: "second".into(),
            restart_policy: policy.map(Into::into),
            has_restart_rules: rules,
            ..Container::default()
        };
        if init {
            job.pod.init_containers.push(container);
        } else {
            job.pod.containers.push(container);
        }
        found(&job, "HB408").first().map(|f| (f.severity, f.confidence))
    }

    #[test]
    fn restarts_in_place_need_a_deadline() {
        for (init, policy, rules, expected) in [
            (false, Some("OnFailure"), false, CERTAIN),
            (false, Some("Always"), false, CERTAIN),
            (false, Some("Never"), false, None),
            (false, Some("Never"), true, CERTAIN),
            (false, None, false, None),
            (true, Some("OnFailure"), false, CERTAIN),
            (true, Some("Always"), false, None),
        ] {
            assert_eq!(
                verdict(init, policy, rules, HOOK),
                expected,
                "{init} {policy:?} {rules}"
            );
        }
        let bounded = Hook {
            deadline: Some(1),
            ..HOOK
        };
        assert_eq!(verdict(false, Some("Always"), false, bounded), None);
        let counted = Hook {
            policy: RestartPolicy::OnFailure,
            ..HOOK
        };
        assert_eq!(verdict(false, Some("Always"), false, counted), None);
    }
}
