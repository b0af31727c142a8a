//! HB405.

use crate::engine::Limit;
use crate::engine::backoff::Retries;
use crate::engine::budget::retries_of;
use crate::engine::finding::{At, Confidence, Finding, Severity};
use crate::engine::job::RestartPolicy;
use crate::engine::rule::{Context, rule};

rule! {
    /// Under `OnFailure` the restarts of all containers are summed: a sidecar spends the Job's retries.
    ///
    /// ## What it does
    ///
    /// Reports a Job with `restartPolicy: OnFailure` that has several ordinary containers, or a native sidecar
    /// (an init container with `restartPolicy: Always`) beside its own.
    ///
    /// ## Why is this bad?
    ///
    /// The Job controller adds the `restartCount` of every container and every init container of the Pod and
    /// compares the sum with `backoffLimit` (kubernetes/kubernetes `pkg/controller/job/job_controller.go`,
    /// `pastBackoffLimitOnFailure`). Two containers that fail in step reach a limit of 6 after three restarts
    /// each: 0 + 10 + 20 = 30 s instead of 310 s. A log shipper that cannot reach its server ends the Job while
    /// the work goes well. Under `Never` a sidecar's restarts do not count.
    ///
    /// ## How to fix
    ///
    /// ```yaml
    /// spec:
    ///   backoffLimit: 2
    ///   template:
    ///     spec:
    ///       restartPolicy: Never
    /// ```
    ///
    /// ## When to ignore
    ///
    /// When the other containers cannot fail before the work is done.
    "HB405" "sidecar-spends-retries" Warning check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let job = cx.job;
    if job.pod.restart_policy != RestartPolicy::OnFailure {
        return;
    }
    let sidecars = job.pod.init_containers.iter().filter(|c| c.is_sidecar()).count();
    let together = u32::try_from(job.pod.containers.len() + sidecars).unwrap_or(u32::MAX);
    if together < 2 {
        return;
    }
    let limit = job.backoff_limit.value;
    let alone = retries_of(job, cx.policy);
    let end = |containers| {
        let (Limit::At(end), _) = (Retries { containers, ..alone }).end() else {
            return "never".to_owned();
        };
        end.to_string()
    };
    let what = match sidecars {
        0 => format!("{together} containers"),
        1 => "a native sidecar".to_owned(),
        more => format!("{more} native sidecars"),
    };
    found.push(Finding {
        at: cx.at(|| At::field(cx.field("template/spec/restartPolicy"))),
        brief: cx.brief(|_| format!("{what}: all restarts count towards backoffLimit {limit}")),
        message: cx.message(|_| format!(
            "restartPolicy OnFailure with {what}: the restarts of all containers are summed, and {limit} of them end \
             the Job, whoever restarts"
        )),
        arithmetic: cx.arithmetic(|_| Some(format!(
            "{together} containers that fail at once and in step end it at {}; one alone at {}",
            end(together),
            end(1)
        ))),
        help: cx.help(|_| "restartPolicy: Never, under which a sidecar's restarts do not count".to_owned()),
        ..RULE.finding(Severity::Warning, Confidence::Likely)
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::job::{Container, Job};
    use crate::engine::rules::testkit::{HOOK, Hook, found};

    fn job(policy: RestartPolicy) -> Job<'static> {
        Hook {
            policy,
            limit: 6,
            ..HOOK
        }
        .job()
    }

    fn sidecar(policy: Option<&'static str>) -> Container<'static> {
        Container {
            name: "shipper".into(),
            restart_policy: policy.map(Into::into),
            ..Container::default()
        }
    }

    #[test]
    fn two_containers_that_restart_share_the_limit() {
        let mut two = job(RestartPolicy::OnFailure);
        assert!(found(&two, "HB405").is_empty());
        two.pod.containers.push(sidecar(None));
        let arithmetic = found(&two, "HB405")[0].arithmetic.clone().expect("a sum");
        assert_eq!(
            arithmetic,
            "2 containers that fail at once and in step end it at 30 s; one alone at 310 s"
        );
        two.pod.restart_policy = RestartPolicy::Never;
        assert!(found(&two, "HB405").is_empty());
    }

    #[test]
    fn a_native_sidecar_counts_and_an_init_container_does_not() {
        let mut with = job(RestartPolicy::OnFailure);
        with.pod.init_containers.push(sidecar(None));
        assert!(found(&with, "HB405").is_empty());
        with.pod.init_containers.push(sidecar(Some("Always")));
        assert_eq!(found(&with, "HB405").len(), 1);
    }
}
