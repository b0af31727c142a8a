//! HB503.

use crate::engine::finding::{At, Confidence, Finding, Severity};
use crate::engine::rule::{Context, rule};
use crate::engine::schedule::shortest_period;

rule! {
    /// `ttlSecondsAfterFinished` removes the CronJob's Jobs before its history limits do.
    ///
    /// ## What it does
    ///
    /// Reports a CronJob whose Job template has a `ttlSecondsAfterFinished` that is shorter than the time for which
    /// its history limits would keep a Job: the period times the larger limit.
    ///
    /// ## Why is this bad?
    ///
    /// `successfulJobsHistoryLimit` (3 by default) and `failedJobsHistoryLimit` (1 by default) say how many
    /// finished Jobs stay to be looked at. The TTL controller does not know of them and deletes each Job with its
    /// Pods and logs on its own. Of a nightly run with a TTL of 300 s nothing is left in the morning.
    ///
    /// ## How to fix
    ///
    /// Remove `ttlSecondsAfterFinished` from the Job template, and set the limits to what is to be kept:
    ///
    /// ```yaml
    /// spec:
    ///   successfulJobsHistoryLimit: 1
    ///   failedJobsHistoryLimit: 1
    /// ```
    ///
    /// ## When to ignore
    ///
    /// When Jobs are to go early, whatever the limits say.
    "HB503" "ttl-and-history" Info check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let (Some(cron), Some(ttl)) = (&cx.job.cron, cx.job.ttl_after_finished) else {
        return;
    };
    let limit = cron.failed_history.max(cron.successful_history);
    let Some(period) = shortest_period(&cron.schedule).filter(|_| limit > 0) else {
        return;
    };
    let kept = period.times(limit.into());
    if ttl >= kept {
        return;
    }
    found.push(Finding {
        at: cx.at(|| At::field(cx.field("ttlSecondsAfterFinished"))),
        brief: cx.brief(|_| format!("finished Jobs are gone after {ttl}, whatever the history limits say")),
        message: cx.message(|_| format!(
            "ttlSecondsAfterFinished {}: each Job goes {ttl} after its end with its logs, though the history limits \
             promise {} successful and {} failed ones",
            ttl.whole(),
            cron.successful_history,
            cron.failed_history
        )),
        arithmetic: cx.arithmetic(|_| Some(format!(
            "{limit} Jobs x {period} between two runs = {kept} > {ttl}"
        ))),
        help: cx.help(|_| "no ttlSecondsAfterFinished: the history limits remove the Jobs".to_owned()),
        ..RULE.finding(Severity::Info, Confidence::Certain)
    });
}

#[cfg(test)]
mod tests {
    use crate::engine::Seconds;
    use crate::engine::job::Cron;
    use crate::engine::rules::testkit::{HOOK, found};

    fn fires(ttl: Option<i64>, successful: u32, failed: u32, schedule: &'static str) -> bool {
        let mut job = HOOK.job();
        job.ttl_after_finished = ttl.map(Seconds::new);
        job.cron = Some(Cron {
            schedule: schedule.into(),
            successful_history: successful,
            failed_history: failed,
            ..Cron::default()
        });
        !found(&job, "HB503").is_empty()
    }

    #[test]
    fn the_ttl_has_to_outlast_the_history() {
        const HOURS_3: i64 = 3 * 3600;
        assert!(fires(Some(HOURS_3 - 1), 3, 1, "@hourly"));
        assert!(!fires(Some(HOURS_3), 3, 1, "@hourly"));
        assert!(fires(Some(HOURS_3), 3, 4, "@hourly"));
        assert!(!fires(Some(60), 0, 0, "@hourly"));
        assert!(!fires(None, 3, 1, "@hourly"));
        assert!(!fires(Some(60), 3, 1, "no schedule"));
    }
}
