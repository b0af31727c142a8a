//! HB502.

use crate::engine::Seconds;
use crate::engine::finding::{At, Confidence, Finding, Severity};
use crate::engine::rule::{Context, rule};

rule! {
    /// The CronJob gives its controller less than ten seconds to start a run: runs are skipped without a trace.
    ///
    /// ## What it does
    ///
    /// Reports `startingDeadlineSeconds` below 10.
    ///
    /// ## Why is this bad?
    ///
    /// A run that is due is skipped when the controller comes to it later than `startingDeadlineSeconds` after its
    /// time (`MissSchedule`). The Kubernetes documentation warns that the CronJob controller checks things every
    /// ten seconds, so that with a smaller value a run may never be scheduled; a busy controller, or one that
    /// changes its leader, is late by more.
    ///
    /// ## How to fix
    ///
    /// ```yaml
    /// spec:
    ///   startingDeadlineSeconds: 200
    /// ```
    ///
    /// ## When to ignore
    ///
    /// When a late run would be worse than none, and a missing one is noticed.
    "HB502" "start-deadline-too-short" Warning check
}

/// The pace of the CronJob controller (kubernetes.io, "CronJob", section on the starting deadline).
const PACE: Seconds = Seconds::new(10);

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let deadline = cx.job.cron.as_ref().and_then(|cron| cron.starting_deadline);
    let Some(deadline) = deadline.filter(|deadline| *deadline < PACE) else {
        return;
    };
    found.push(Finding {
        at: cx.at(|| At::field("/spec/startingDeadlineSeconds")),
        brief: cx.brief(|_| format!("runs that start {deadline} late are skipped")),
        message: cx.message(|_| format!(
            "startingDeadlineSeconds {}: a run that the controller comes to {deadline} late is skipped, and no Job \
             fails",
            deadline.whole()
        )),
        arithmetic: cx.arithmetic(|_| Some(format!("{deadline} < {PACE}, the pace of the CronJob controller"))),
        help: cx.help(|_| "startingDeadlineSeconds: 200".to_owned()),
        ..RULE.finding(Severity::Warning, Confidence::Certain)
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::job::Cron;
    use crate::engine::rules::testkit::{HOOK, found};

    #[test]
    fn ten_seconds_are_enough() {
        for (seconds, fires) in [
            (Some(0), true),
            (Some(9), true),
            (Some(10), false),
            (Some(200), false),
            (None, false),
        ] {
            let mut job = HOOK.job();
            job.cron = Some(Cron {
                starting_deadline: seconds.map(Seconds::new),
                ..Cron::default()
            });
            assert_eq!(!found(&job, "HB502").is_empty(), fires, "{seconds:?}");
        }
        assert!(found(&HOOK.job(), "HB502").is_empty());
    }
}
