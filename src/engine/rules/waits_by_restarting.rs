//! HB206.

use crate::engine::Limit;
use crate::engine::finding::{At, Confidence, Finding, Severity};
use crate::engine::rule::{Context, rule};
use crate::engine::rules::common::{Unprepared, internal_call, unprepared, waits_by_failing};

rule! {
    /// A hook calls a service of its own namespace without waiting for it: its restarts are the wait loop.
    ///
    /// ## What it does
    ///
    /// Reports a Helm or Argo CD hook that runs beside the start of its release, whose script calls a network
    /// service of the same namespace, has no wait of its own, and is retried when the call fails. A hook that
    /// runs when the service has long been up (`pre-upgrade`, `pre-delete`, `test`) is passed over, and so is one
    /// that may have waited: an unread command or an unread init container runs before the call.
    ///
    /// ## Why is this bad?
    ///
    /// A hook that runs beside the service it needs races with its start. Restarting until it answers works
    /// as long as the service is up within the first restarts; on a cold cluster it is not, and how long the
    /// restarts last is decided by back-offs that nobody chose. Each restart is a new container or a new Pod,
    /// and its log shows a refused connection instead of how long it has been waiting.
    ///
    /// ## Severity
    ///
    /// A warning; an error, certain, together with HB101: the restarts are spent before the deadline.
    ///
    /// ## How to fix
    ///
    /// Wait inside one container run, in the script or by an init container:
    ///
    /// ```yaml
    /// metadata:
    ///   annotations:
    ///     hookbudget.dev/wait-for: http://powerdns:8081/api/v1/servers
    /// ```
    ///
    /// ## When to ignore
    ///
    /// When the service is part of another release that is always up first.
    "HB206" "waits-by-restarting" Error check
}

fn check(cx: &Context<'_>) -> Vec<Finding> {
    let clocks = cx.clocks;
    if !waits_by_failing(cx) {
        return Vec::new();
    }
    let Some((container, call)) = internal_call(cx) else {
        return Vec::new();
    };
    let prepared = unprepared(cx, container, call);
    if matches!(prepared, Unprepared::Awaited | Unprepared::Unknown) {
        // What is not shown may be the wait.
        return Vec::new();
    }
    let target = call
        .target
        .as_ref()
        .map_or_else(|| call.tool.clone(), ToString::to_string);
    let spent = matches!((clocks.deadline, clocks.retries_lower), (Some(d), Limit::At(end)) if end < d);
    let proven = spent && prepared == Unprepared::Certain;
    let (severity, confidence) = if proven {
        (Severity::Error, Confidence::Certain)
    } else {
        (Severity::Warning, Confidence::Likely)
    };
    let cold_start = cx.clocks.cold_start.span;
    let lasts = match clocks.retries_lower {
        Limit::At(end) => format!("its restarts last {end} when the connection is refused"),
        Limit::Never => "its restarts never end".to_owned(),
    };
    vec![Finding {
        at: At::script(container.pointer.clone(), call.place),
        brief: format!("no wait of its own: {lasts}"),
        message: format!(
            "container {} calls {target} without waiting for it: {lasts}",
            container.name
        ),
        arithmetic: clocks.retries_lower.seconds().map(|end| {
            format!(
                "{} attempts, over after {end}; cold start to survive {cold_start}",
                clocks.attempts
            )
        }),
        help: format!(
            "wait for {target} inside the container for at least {cold_start}, or annotate \
             hookbudget.dev/wait-for: {target}"
        ),
        ..RULE.finding(severity, confidence)
    }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rules::testkit::{CERTAIN, HOOK, Hook};

    use crate::engine::job::RestartPolicy;

    #[test]
    fn retries_and_the_deadline_decide() {
        let likely = Some((Severity::Warning, Confidence::Likely));
        for (policy, limit, deadline, verdict) in [
            (RestartPolicy::Never, 0, None, None),
            (RestartPolicy::Never, 1, None, likely),
            (RestartPolicy::OnFailure, 1, None, None), // the first restart is already over the limit
            (RestartPolicy::OnFailure, 2, None, likely),
            (RestartPolicy::OnFailure, 6, Some(310), likely),
            (RestartPolicy::OnFailure, 6, Some(311), CERTAIN),
        ] {
            let hook = Hook {
                policy,
                limit,
                deadline,
                ..HOOK
            };
            assert_eq!(hook.verdict("HB206"), verdict, "{policy:?} {limit} {deadline:?}");
        }
    }

    #[test]
    fn only_a_service_that_starts_beside_the_hook_counts() {
        for (hook, script, fails) in [
            ("post-install", "curl -f http://catalog", true),
            ("pre-upgrade", "curl -f http://catalog", false),
            ("test-success", "curl -f http://catalog", false),
            ("post-install", "curl -f http://catalog.other.svc", false),
            ("post-install", "curl -f https://10.0.0.1/", false),
            ("post-install", "kubectl get pods", false),
        ] {
            let job = Hook {
                runs: hook,
                script,
                limit: 3,
                ..HOOK
            };
            assert_eq!(job.verdict("HB206").is_some(), fails, "{hook}: {script}");
        }
    }
}
