//! HB304.

use crate::engine::Seconds;
use crate::engine::finding::{At, Confidence, Edit, Finding, Fix, FixSafety, Severity};
use crate::engine::job::Origin;
use crate::engine::rule::{Context, rule};

rule! {
    /// `ttlSecondsAfterFinished` deletes a failed Job before anybody can look at it.
    ///
    /// ## What it does
    ///
    /// Reports a Job whose `ttlSecondsAfterFinished` is below the policy's `minTtl` (300 s).
    ///
    /// ## Why is this bad?
    ///
    /// The time to live counts for failures as for successes: so long after the Job has failed it is deleted,
    /// with its Pods, their logs and exit codes, and with its conditions (kubernetes/kubernetes
    /// `pkg/controller/ttlafterfinished`). A person who is called at night needs minutes, an alert that waits
    /// for 5 minutes does not even fire.
    ///
    /// With a Helm hook a very short one is worse. Helm watches the Job, and takes one that is deleted for one
    /// that is done (helm/helm `pkg/kube`, the watch until ready): where it sees the deletion before the
    /// failure, the failed hook counts as a success.
    ///
    /// ## Severity
    ///
    /// A warning for hooks, CronJobs and Jobs of a release, which run unattended; information for other Jobs.
    ///
    /// ## How to fix
    ///
    /// ```yaml
    /// spec:
    ///   ttlSecondsAfterFinished: 300
    /// ```
    ///
    /// or none at all for a hook: its delete policy and the next run clean up.
    ///
    /// ## Fix safety
    ///
    /// Safe: what runs, and how often, stays as it is; the finished Job stays longer. Where a hook must be gone
    /// after a success, `helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded` does that.
    ///
    /// ## When to ignore
    ///
    /// When logs and Pod status are collected elsewhere, or when finished Jobs are so many that they weigh on
    /// the API server.
    "HB304" "ttl-deletes-evidence" Warning check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let wanted = Seconds::new(cx.policy.min_ttl.ceil());
    let Some(ttl) = cx.job.ttl_after_finished.filter(|ttl| *ttl < wanted) else {
        return;
    };
    let severity = match cx.origin() {
        Origin::Plain => Severity::Info,
        _ => Severity::Warning,
    };
    let pointer = cx.field("ttlSecondsAfterFinished");
    let when = if ttl == Seconds::ZERO {
        "at once".to_owned()
    } else {
        format!("after {ttl}")
    };
    let done = if ttl == Seconds::ZERO && cx.origin() == Origin::HelmHook {
        "; Helm may see the deletion before the failure, and take the hook for done"
    } else {
        ""
    };
    found.push(Finding {
        at: cx.at(|| At::field(pointer.clone())),
        brief: cx.brief(|_| format!("a failed Job and its logs are deleted {when}")),
        message: cx.message(|_| format!(
            "ttlSecondsAfterFinished {}: when the Job has failed, it is deleted {when}, with its Pods and their \
             logs{done}",
            ttl.whole()
        )),
        arithmetic: cx.arithmetic(|_| Some(format!(
            "{ttl} < {wanted}, the shortest that the policy allows (minTtl)"
        ))),
        help: cx.help(|_| format!("ttlSecondsAfterFinished: {}", wanted.whole())),
        fix: cx.fix(|| Some(Fix {
            safety: FixSafety::Safe,
            on: None,
            edits: vec![Edit::Set {
                pointer,
                value: wanted.whole().into(),
            }],
        })),
        ..RULE.finding(severity, Confidence::Certain)
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::assess;
    use crate::engine::job::Job;
    use crate::engine::policy::Policy;
    use crate::engine::release::Surroundings;
    use crate::engine::rules::testkit::{HOOK, found};

    #[test]
    fn the_ttl_below_at_and_above_the_minimum() {
        for (ttl, found_so) in [
            (None, false),
            (Some(0), true),
            (Some(299), true),
            (Some(300), false),
            (Some(301), false),
        ] {
            let job = Job {
                ttl_after_finished: ttl.map(Seconds::new),
                ..HOOK.job()
            };
            let findings = found(&job, "HB304");
            assert_eq!(!findings.is_empty(), found_so, "{ttl:?}");
            let looks_done = findings
                .iter()
                .any(|f| f.message.contains("take the hook for done"));
            assert_eq!(looks_done, ttl == Some(0), "{ttl:?}");
        }
    }

    #[test]
    fn the_policy_says_how_long_is_long_enough() {
        let job = Job {
            ttl_after_finished: Some(Seconds::new(599)),
            ..HOOK.job()
        };
        let policy = Policy {
            min_ttl: Seconds::new(600),
            ..Policy::default()
        };
        let findings = assess(&job, Surroundings::default(), &policy).findings;
        let helps: Vec<_> = findings
            .iter()
            .filter(|f| f.code == "HB304")
            .map(|f| f.help.as_str())
            .collect();
        assert_eq!(helps, ["ttlSecondsAfterFinished: 600"]);
    }

    #[test]
    fn somebody_looks_after_a_plain_job() {
        let mut job = HOOK.job();
        job.ttl_after_finished = Some(Seconds::new(60));
        job.annotations.clear();
        assert_eq!(found(&job, "HB304")[0].severity, Severity::Info);
    }
}
