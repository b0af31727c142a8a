//! HB101.

use std::fmt::{self, Write as _};

use crate::engine::finding::{At, Confidence, Finding, Fix, FixSafety, Severity};
use crate::engine::job::Origin;
use crate::engine::rule::{Context, rule};
use crate::engine::rules::common::{
    Unprepared, cluster_call, deadline_to_write, limit_under_never, races_with_the_start, retry_sum,
    retry_under_never, seems_to_wait_by_failing, unprepared, waits_by_failing,
};
use crate::engine::shell::Probe;
use crate::engine::{Limit, Seconds};

rule! {
    /// The retries of a Job that waits by failing are spent before its deadline can ever fire.
    ///
    /// ## What it does
    ///
    /// Plays the retry timeline of a hook Job (attempts, kubelet back-off or Job back-off) and reports a Job
    /// whose `backoffLimit` ends it before `activeDeadlineSeconds`, when the Job has no wait of its own and
    /// calls a service of the cluster: its restarts are its wait loop.
    ///
    /// ## Why is this bad?
    ///
    /// The deadline reads like the time that the Job grants its dependency, but it is another clock than the
    /// retries. With `restartPolicy: OnFailure` and `backoffLimit: 6` a refused connection ends the Job after
    /// 0 + 10 + 20 + 40 + 80 + 160 = 310 s, whatever the deadline says. A hook that had its deadline raised
    /// from 300 s to 840 s after an outage failed again five minutes later for this reason. The first restart
    /// is immediate, the next wait 10 s, doubled up to 300 s (kubernetes/kubernetes `pkg/kubelet/kubelet.go`);
    /// the Job fails as soon as the sum of restarts reaches the limit (`pkg/controller/job`,
    /// `pastBackoffLimitOnFailure`). Under `OnFailure` the span is a setting of the node and not of the Job.
    ///
    /// ## Severity
    ///
    /// An error, certain, when every script is visible, one calls a service of the cluster, none waits, the
    /// failure of the call ends the container, and the retries of attempts that fail at once end before the
    /// deadline. A warning when the waiting is only presumed because an image hides its script or an unread
    /// command runs before the call, and for an ordinary Job of a release. Nothing when the script swallows the
    /// failure (`|| true`, a last `echo` without `set -e`), or when an init container waits for the service. Information for a hook
    /// that runs when its service has long been up (`pre-upgrade`, `pre-delete`, `test`) and for other Jobs.
    ///
    /// ## How to fix
    ///
    /// Own the whole wait in one container run, and keep `wait + headroom <= deadline`:
    ///
    /// ```yaml
    /// metadata:
    ///   annotations:
    ///     hookbudget.dev/wait-for: http://powerdns:8081/api/v1/servers
    ///     hookbudget.dev/rewrite: all
    /// spec:
    ///   backoffLimit: 0
    ///   activeDeadlineSeconds: 840
    ///   template:
    ///     spec:
    ///       restartPolicy: Never
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Unsafe: attempts become Pods of their own, and their number changes.
    ///
    /// ## When to ignore
    ///
    /// When the deadline is only a safety net and the dependency is up whenever the Job runs. The check
    /// `restart-policy` of kube-linter (off by default) asks for the opposite of this fix.
    "HB101" "retries-end-before-deadline" Error check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let (job, clocks) = (cx.job, cx.clocks);
    let (Some(deadline), Limit::At(lower)) = (job.active_deadline, clocks.retries_lower) else {
        return;
    };
    if lower >= deadline || clocks.attempts < 2 || clocks.has_wait() {
        return;
    }
    let call = cluster_call(cx);
    let prepared = call.map(|(container, call)| unprepared(cx, container, call));
    let (severity, confidence, habit) = match call {
        Some(_) if prepared == Some(Unprepared::Awaited) => return,
        Some((_, call)) => {
            if races_with_the_start(cx) && prepared == Some(Unprepared::Certain) {
                (Severity::Error, Confidence::Certain, Habit::Waits(call))
            } else if races_with_the_start(cx) && prepared == Some(Unprepared::Unknown) {
                (
                    Severity::Warning,
                    Confidence::Possible,
                    Habit::CallsAfterMore(call),
                )
            } else if races_with_the_start(cx) || cx.origin() == Origin::Flux {
                (Severity::Warning, Confidence::Likely, Habit::Waits(call))
            } else {
                (Severity::Info, Confidence::Likely, Habit::Calls(call))
            }
        }
        None if seems_to_wait_by_failing(cx) => (
            Severity::Warning,
            Confidence::Possible,
            Habit::Retries(clocks.attempts),
        ),
        None => return,
    };
    let wait = deadline.minus_or_zero(cx.policy.headroom + cx.policy.startup);
    let at = || {
        call.map_or_else(
            || At::field(cx.field("backoffLimit")),
            |(c, call)| At::script(c.pointer.clone(), call.place),
        )
    };
    found.push(Finding {
        at: cx.at(at),
        brief: cx.brief(|_| format!("retries end after {lower}, deadline {deadline}")),
        message: cx.message(|text| write!(
            text,
            "the Job {habit}, and its retries end after {lower}: the deadline of {deadline} can never fire"
        )),
        arithmetic: cx.arithmetic(|text| write!(text, "{}; deadline {deadline}", retry_sum(cx))),
        help: cx.help(|text| if wait > Seconds::ZERO {
            write!(
                text,
                "restartPolicy: Never, backoffLimit: 0 and one wait of at most {wait} inside the container \
                 ({deadline} - {} headroom), or the annotation hookbudget.dev/wait-for",
                cx.policy.headroom
            )
        } else {
            write!(
                text,
                "restartPolicy: Never, backoffLimit: 0, one wait of {} inside the container and {}",
                cx.clocks.cold_start.span,
                deadline_to_write(
                    cx,
                    cx.clocks.cold_start.span + cx.policy.startup + cx.policy.headroom
                )
            )
        }),
        // Elsewhere the retries have a meaning of their own, and another number of them mends nothing.
        fix: cx.unsafe_fix(|| waits_by_failing(cx).then(|| Fix {
            safety: FixSafety::Unsafe,
            on: None,
            edits: retry_under_never(cx, limit_under_never(cx)),
        })),
        ..RULE.finding(severity, confidence)
    });
}

/// How the Job treats what it calls.
enum Habit<'a> {
    Waits(&'a Probe),
    Calls(&'a Probe),
    CallsAfterMore(&'a Probe),
    Retries(u32),
}

impl fmt::Display for Habit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = |call: &Probe, f: &mut fmt::Formatter<'_>| match &call.target {
            Some(target) => target.fmt(f),
            None => f.write_str(&call.tool),
        };
        match self {
            Self::Waits(call) => {
                f.write_str("waits for ")?;
                target(call, f)?;
                f.write_str(" by failing")
            }
            Self::Calls(call) => {
                f.write_str("calls ")?;
                target(call, f)?;
                f.write_str(" without waiting")
            }
            Self::CallsAfterMore(call) => {
                f.write_str("calls ")?;
                target(call, f)?;
                f.write_str(" after commands that are not shown")
            }
            Self::Retries(attempts) => write!(f, "makes {attempts} attempts, which looks like a wait"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::job::{Container, Job, RestartPolicy};
    use crate::engine::rules::testkit::{CERTAIN, HOOK, Hook, found};

    #[test]
    fn the_retries_end_before_at_and_after_the_deadline() {
        for (policy, limit, deadline, verdict) in [
            (RestartPolicy::OnFailure, 6, 311, CERTAIN),
            (RestartPolicy::OnFailure, 6, 310, None), // the limit is looked at first, and both are over
            (RestartPolicy::OnFailure, 6, 309, None),
            (RestartPolicy::OnFailure, 7, 611, CERTAIN),
            (RestartPolicy::OnFailure, 7, 610, None),
            (RestartPolicy::Never, 6, 631, CERTAIN),
            (RestartPolicy::Never, 6, 630, None),
            (RestartPolicy::Never, 0, 840, None), // one attempt is no wait
            (RestartPolicy::OnFailure, 1, 840, None),
        ] {
            let hook = Hook {
                policy,
                limit,
                deadline: Some(deadline),
                ..HOOK
            };
            assert_eq!(hook.verdict("HB101"), verdict, "{policy:?} {limit} {deadline}");
        }
    }

    #[test]
    fn who_is_called_and_when_decides_how_bad_it_is() {
        let likely = Some((Severity::Info, Confidence::Likely));
        let possible = Some((Severity::Warning, Confidence::Possible));
        let seed = HOOK.script;
        for (hook, script, verdict) in [
            ("pre-install, pre-upgrade", seed, CERTAIN),
            ("PostSync", seed, CERTAIN),
            ("pre-upgrade", seed, likely),
            ("pre-delete", seed, likely),
            (
                "post-install",
                "curl -f http://gitea.git.svc.cluster.local:3000/",
                CERTAIN,
            ),
            ("post-install", "curl -f http://catalog.shop:8080/", CERTAIN),
            ("post-install", "curl -fLO https://example.com/mc", None),
            ("post-install", "kubectl get deployment", None),
            ("post-install", "oc get deployment", None),
            ("post-install", "flux reconcile kustomization shop", None),
            ("post-install", "argocd admin settings validate", None),
            ("post-install", "sleep 20; curl -f http://catalog:8080/", CERTAIN),
            ("post-install", "nc -z -w 3 catalog 8080 || exit 1", CERTAIN),
            // What cannot be read may be the wait: nothing certain, and nothing is denied.
            (
                "post-install",
                ". /lib/wait.sh; curl -f http://catalog:8080/",
                possible,
            ),
            (
                "post-install",
                "/opt/until-up catalog && curl -f http://catalog:8080/",
                possible,
            ),
            (
                "post-install",
                "python prepare.py\ncurl -f http://catalog:8080/",
                possible,
            ),
            (
                "post-install",
                "for i in $(seq 1 $TRIES); do curl -f -m 3 http://catalog && exit 0; sleep 5; done; exit 1",
                possible,
            ),
            (
                "post-install",
                "curl -f http://catalog:8080/ && python seed.py",
                CERTAIN,
            ),
        ] {
            assert_eq!(called(hook, script), verdict, "{hook}: {script}");
        }
    }

    #[test]
    fn a_failure_that_the_script_swallows_never_runs_the_job_again() {
        let presumed = Some((Severity::Warning, Confidence::Likely));
        for (script, verdict) in [
            ("curl -f http://catalog:8080/ || true", None),
            ("curl -f http://catalog:8080/; echo done", None),
            ("curl -f http://catalog:8080/\nexit 0", None),
            ("pg_dump -h db shop | gzip > /backup/shop.gz", None),
            (
                "set -o pipefail; pg_dump -h db shop | gzip > /backup/shop.gz",
                CERTAIN,
            ),
            ("set -e\ncurl -f http://catalog:8080/\necho done", CERTAIN),
            ("curl -f http://catalog:8080/ || exit 3; echo done", CERTAIN),
            ("if ! curl -f http://catalog:8080/; then exit 1; fi", CERTAIN),
            ("if curl -f http://catalog:8080/; then echo up; fi", None),
            ("x=$(curl -f http://catalog:8080/) || exit 1; echo $x", CERTAIN),
            ("curl -f http://catalog:8080/; rc=$?; echo $rc; exit $rc", CERTAIN),
            ("curl -f http://catalog:8080/\npython seed.py", presumed),
            ("curl -f http://catalog:8080/\nif then (", presumed),
            (
                "for i in $(seq 9); do curl -f -m 3 http://catalog && exit 0; sleep 5; done; exit 1",
                None,
            ),
        ] {
            assert_eq!(called("post-install", script), verdict, "{script}");
        }
    }

    #[test]
    fn a_retry_or_two_of_what_is_not_shown_are_no_wait() {
        for (limit, warned) in [(3, false), (4, true)] {
            let mut job = Hook {
                limit,
                deadline: Some(3600),
                ..HOOK
            }
            .job();
            job.pod.containers[0].command = vec!["/opt/migrate".into()];
            assert_eq!(!found(&job, "HB101").is_empty(), warned, "{limit}");
        }
    }

    /// The verdict on a hook of six retries that end long before its deadline.
    fn called(runs: &'static str, script: &'static str) -> Option<(Severity, Confidence)> {
        let job = Hook {
            runs,
            script,
            policy: RestartPolicy::OnFailure,
            limit: 6,
            deadline: Some(840),
            ..HOOK
        };
        job.verdict("HB101")
    }

    #[test]
    fn a_domain_is_no_service_while_the_namespace_is_unknown() {
        let hook = Hook {
            script: "curl -fLO https://github.com/minio/mc",
            policy: RestartPolicy::OnFailure,
            limit: 6,
            deadline: Some(840),
            ..HOOK
        };
        let job = Job {
            namespace: None,
            ..hook.job()
        };
        assert_eq!(found(&job, "HB101"), []);
        assert_eq!(found(&job, "HB206"), []);
    }

    #[test]
    fn an_init_container_may_be_the_wait() {
        let hook = Hook {
            policy: RestartPolicy::OnFailure,
            limit: 6,
            deadline: Some(840),
            ..HOOK
        };
        for (name, args, code, found_) in [
            ("prepare", "--all", "HB101", 1),
            ("prepare", "--all", "HB206", 0),
            ("wait-for-it-all", "--all", "HB101", 0),
            ("prepare", "--host=catalog", "HB101", 0),
            ("prepare", "http://catalog.shop.svc:8080/", "HB206", 0),
            ("prepare", "--host=catalogue", "HB101", 1),
        ] {
            let mut job = hook.job();
            job.pod.init_containers.push(Container {
                name: name.into(),
                image: "registry.example/tool:1".into(),
                args: vec![args.into()],
                ..Container::default()
            });
            assert_eq!(found(&job, code).len(), found_, "{name} {args} {code}");
        }
    }

    #[test]
    fn a_hidden_image_beside_it_makes_it_a_warning() {
        let mut job = Hook {
            policy: RestartPolicy::OnFailure,
            limit: 6,
            deadline: Some(840),
            ..HOOK
        }
        .job();
        job.pod.init_containers.push(Container {
            name: "prepare".into(),
            image: "registry.example/wait:1".into(),
            ..Container::default()
        });
        let severities: Vec<_> = found(&job, "HB101").iter().map(|f| f.severity).collect();
        assert_eq!(severities, [Severity::Warning]);
    }
}
