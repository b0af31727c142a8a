//! HB504.

use crate::engine::annotations::PARKED;
use crate::engine::finding::{At, Confidence, Finding, Severity};
use crate::engine::job::JobKind;
use crate::engine::rule::{Context, rule};

rule! {
    /// The object is suspended, and nothing says why.
    ///
    /// ## What it does
    ///
    /// Reports a suspended CronJob or Job without the annotation `hookbudget.dev/parked`. Jobs of a queue (Kueue)
    /// are passed over: the queue suspends and resumes them.
    ///
    /// ## Why is this bad?
    ///
    /// What was stopped on purpose looks like what was forgotten. A machine that had been parked was taken for an
    /// outage once, and cost two hours. A suspended hook Job never completes and holds its release up to the
    /// timeout.
    ///
    /// ## How to fix
    ///
    /// ```yaml
    /// metadata:
    ///   annotations:
    ///     hookbudget.dev/parked: "until the move of the database, see the runbook"
    /// spec:
    ///   suspend: true
    /// ```
    ///
    /// A reason also tells the exporter that the object is parked and not down.
    ///
    /// ## When to ignore
    ///
    /// For a CronJob that is only a template for Jobs which people start by hand.
    "HB504" "suspended" Info check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let job = cx.job;
    let suspended = job.suspend || job.cron.as_ref().is_some_and(|cron| cron.suspend);
    let parked = job
        .annotation(PARKED)
        .is_some_and(|reason| !reason.trim().is_empty());
    let queued = job.label("kueue.x-k8s.io/queue-name").is_some();
    if !suspended || parked || queued {
        return;
    }
    let by_cron = job.kind == JobKind::CronJob && job.cron.as_ref().is_some_and(|cron| cron.suspend);
    let (pointer, consequence) = if by_cron {
        ("/spec/suspend".to_owned(), "no run starts")
    } else {
        (
            cx.field("suspend"),
            "no Pod starts, and a hook holds its release up to the timeout",
        )
    };
    found.push(Finding {
        at: cx.at(|| At::field(pointer)),
        brief: cx.brief(|_| "suspended without a reason".to_owned()),
        message: cx.message(|_| {
            format!("suspended without {PARKED}: {consequence}, and nobody can tell whether that is meant")
        }),
        help: cx.help(|_| format!("{PARKED}: \"<why, and until when>\"")),
        ..RULE.finding(Severity::Info, Confidence::Certain)
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::job::{Cron, Job};
    use crate::engine::rules::testkit::{HOOK, found};

    fn suspended() -> Job<'static> {
        let mut job = HOOK.job();
        job.cron = Some(Cron {
            suspend: true,
            ..Cron::default()
        });
        job.kind = JobKind::CronJob;
        job
    }

    #[test]
    fn a_reason_makes_it_parked() {
        assert!(found(&HOOK.job(), "HB504").is_empty());
        assert_eq!(found(&suspended(), "HB504")[0].at, At::field("/spec/suspend"));
        for (reason, fires) in [("", true), (" ", true), ("until the move", false)] {
            let mut job = suspended();
            job.annotations.push((PARKED.into(), reason.into()));
            assert_eq!(!found(&job, "HB504").is_empty(), fires, "{reason:?}");
        }
    }

    #[test]
    fn a_job_counts_too_and_a_queue_does_not() {
        let mut job = HOOK.job();
        job.suspend = true;
        assert_eq!(found(&job, "HB504").len(), 1);
        job.labels
            .push(("kueue.x-k8s.io/queue-name".into(), "batch".into()));
        assert!(found(&job, "HB504").is_empty());
    }
}
