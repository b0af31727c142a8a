//! HB501.

use crate::engine::finding::{At, Confidence, Finding, Severity};
use crate::engine::job::{Concurrency, Cron};
use crate::engine::rule::{Context, rule};
use crate::engine::schedule::shortest_period;
use crate::engine::words::Words;
use crate::engine::{Limit, Seconds};

rule! {
    /// A run of the CronJob can last longer than the time between two runs.
    ///
    /// ## What it does
    ///
    /// Compares the longest run with the shortest time between two starts of the schedule (macros and
    /// `@every` included; time zones change nothing about it):
    ///
    /// - under `Allow`, a deadline beyond the period, or without a deadline a wait in the script that can outlast
    ///   it: runs overlap;
    /// - under `Forbid` without a deadline: one Pod that never starts or never ends blocks every later run;
    /// - under `Forbid` with a deadline beyond the period: later runs start late or not at all.
    ///
    /// ## Why is this bad?
    ///
    /// Two runs that write the same thing at the same time spoil it, and each one that waits for a service which
    /// is down adds load to it. Under `Forbid` the controller notes `JobAlreadyActive` and starts nothing; a
    /// backup can stand still for weeks while no Job fails and no alert fires.
    ///
    /// ## Severity
    ///
    /// A warning where runs can overlap, and under `Forbid` without a deadline where the script waits without a
    /// bound or calls a service without a limit. Information for other CronJobs under `Forbid`: many charts leave
    /// the deadline out, and a Pod that cannot start is rare.
    ///
    /// ## How to fix
    ///
    /// ```yaml
    /// spec:
    ///   concurrencyPolicy: Forbid
    ///   jobTemplate:
    ///     spec:
    ///       activeDeadlineSeconds: 240   # below the period less the grace period
    /// ```
    ///
    /// ## When to ignore
    ///
    /// When runs are independent of each other and may overlap.
    "HB501" "runs-overlap" Warning check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let Some(cron) = &cx.job.cron else {
        return;
    };
    let Some(period) = shortest_period(&cron.schedule) else {
        return;
    };
    let clocks = cx.clocks;
    let fits = period.minus_or_zero(clocks.grace);
    let help = |policy: &str| {
        let fits = Seconds::new((fits.whole() - 1).max(1));
        format!(
            "{policy}activeDeadlineSeconds above the longest run that is still good, at most {}",
            fits.whole()
        )
    };
    let verdict = match (cron.concurrency, clocks.deadline) {
        (Concurrency::Replace, _) => None,
        (Concurrency::Allow, _) => longest(cx).filter(|(longest, _, _)| *longest > Limit::At(period)).map(
            |(longest, source, confidence)| Verdict {
                severity: Severity::Warning,
                confidence,
                brief: format!("a run can outlast the {period} to the next one"),
                message: format!(
                    "concurrencyPolicy Allow: a run may last {}, and the next one starts beside it after {period}",
                    words(longest)
                ),
                arithmetic: Some(format!(
                    "{source}: {}; schedule {:?}: every {period}",
                    words(longest),
                    cron.schedule
                )),
                help: help("concurrencyPolicy: Forbid and "),
            },
        ),
        (Concurrency::Forbid, None) => Some(blocked(cx, help(""))),
        (Concurrency::Forbid, Some(deadline)) => (deadline + clocks.grace >= period).then(|| Verdict {
            severity: Severity::Info,
            confidence: Confidence::Certain,
            brief: format!("a run can outlast the {period} to the next one"),
            message: "concurrencyPolicy Forbid: a run that takes as long as it may makes the next one start late or \
                      not at all"
                .to_owned(),
            arithmetic: Some(format!(
                "deadline {deadline} + {} grace = {} >= period {period}",
                clocks.grace,
                deadline + clocks.grace
            )),
            help: help(""),
        }),
    };
    found.extend(verdict.into_iter().map(|verdict| verdict.finding(cron)));
}

/// True where this rule warns of the Job itself.
pub(super) fn warns(cx: &Context<'_>) -> bool {
    let loud = |finding: &Finding| finding.severity == Severity::Warning;
    let mut found = Vec::new();
    if cx.is_active(RULE.code) {
        check(cx, &mut found);
    }
    found.iter().any(loud)
}

struct Verdict {
    severity: Severity,
    confidence: Confidence,
    brief: String,
    message: String,
    arithmetic: Option<String>,
    help: String,
}

impl Verdict {
    fn finding(self, cron: &Cron<'_>) -> Finding {
        let field = match cron.concurrency {
            Concurrency::Allow => "/spec/schedule",
            _ => "/spec/concurrencyPolicy",
        };
        Finding {
            at: At::field(field),
            brief: self.brief.into(),
            message: self.message.into(),
            arithmetic: self.arithmetic.map(Words::from),
            help: self.help.into(),
            ..RULE.finding(self.severity, self.confidence)
        }
    }
}

/// One Pod that hangs keeps every later run from starting.
fn blocked(cx: &Context<'_>, help: String) -> Verdict {
    let unbounded = cx
        .clocks
        .waits_for_something()
        .any(|(_, wait)| !wait.is_bounded());
    let calls = cx.clocks.containers.iter().filter(|container| !container.sidecar);
    let unlimited = calls
        .flat_map(|container| &container.reading.calls)
        .any(|call| call.is_service_call() && !call.limit.is_bounded());
    let (severity, why) = if unbounded {
        (
            Severity::Warning,
            "a wait without a bound, or a Pod that never starts,",
        )
    } else if unlimited {
        (
            Severity::Warning,
            "a call that hangs, or a Pod that never starts,",
        )
    } else {
        (Severity::Info, "a Pod that never starts")
    };
    Verdict {
        severity,
        confidence: if severity == Severity::Info {
            Confidence::Certain
        } else {
            Confidence::Likely
        },
        brief: "one run that hangs blocks every later run".to_owned(),
        message: format!(
            "concurrencyPolicy Forbid without activeDeadlineSeconds: {why} blocks every later run"
        ),
        arithmetic: None,
        help,
    }
}

/// The longest run, and who says so: the deadline; without one, the waits of the script.
fn longest(cx: &Context<'_>) -> Option<(Limit, String, Confidence)> {
    if let Some(deadline) = cx.clocks.deadline {
        return Some((
            Limit::At(deadline),
            "activeDeadlineSeconds".to_owned(),
            Confidence::Certain,
        ));
    }
    // A mere pause says how long a run takes, a wait how long it can take.
    let wait = cx.clocks.wait?;
    Some((
        wait.worst,
        "the wait of the script".to_owned(),
        Confidence::Likely,
    ))
}

fn words(limit: Limit) -> String {
    match limit {
        Limit::At(span) => format!("up to {span}"),
        Limit::Never => "without a bound".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::job::{Job, JobKind};
    use crate::engine::rules::testkit::{HOOK, Hook, found};

    fn cron(schedule: &'static str, concurrency: Concurrency, hook: Hook) -> Job<'static> {
        Job {
            kind: JobKind::CronJob,
            annotations: Vec::new(),
            cron: Some(Cron {
                schedule: schedule.into(),
                concurrency,
                ..Cron::default()
            }),
            ..hook.job()
        }
    }

    fn verdict(job: &Job<'_>) -> Option<Severity> {
        found(job, "HB501").first().map(|finding| finding.severity)
    }

    const QUIET: Hook = Hook {
        script: "report",
        ..HOOK
    };

    #[test]
    fn under_allow_the_deadline_has_to_stay_within_the_period() {
        for (deadline, expected) in [
            (Some(299), None),
            (Some(300), None),
            (Some(301), Some(Severity::Warning)),
            (None, None),
        ] {
            let hook = Hook { deadline, ..QUIET };
            assert_eq!(
                verdict(&cron("*/5 * * * *", Concurrency::Allow, hook)),
                expected,
                "{deadline:?}"
            );
        }
        let long = Hook {
            deadline: Some(3600),
            ..QUIET
        };
        assert_eq!(verdict(&cron("@daily", Concurrency::Allow, long)), None);
        assert_eq!(verdict(&cron("*/5 * * * *", Concurrency::Replace, long)), None);
        assert_eq!(verdict(&cron("no schedule", Concurrency::Allow, long)), None);
    }

    #[test]
    fn under_allow_a_wait_can_outlast_the_period() {
        let waits = Hook {
            script: "until nc -z db 5432; do sleep 5; done",
            ..HOOK
        };
        assert_eq!(
            verdict(&cron("@hourly", Concurrency::Allow, waits)),
            Some(Severity::Warning)
        );
    }

    #[test]
    fn under_forbid_a_run_without_an_end_blocks_the_others() {
        let unlimited = Hook {
            script: "curl -sSf http://catalog:8080/clean",
            ..HOOK
        };
        let limited = Hook {
            script: "curl -sSf --max-time 10 http://catalog:8080/clean",
            ..HOOK
        };
        let forbid = |hook| verdict(&cron("@daily", Concurrency::Forbid, hook));
        assert_eq!(forbid(unlimited), Some(Severity::Warning));
        assert_eq!(forbid(limited), Some(Severity::Info));
        assert_eq!(forbid(QUIET), Some(Severity::Info));
        let bounded = Hook {
            deadline: Some(3600),
            ..unlimited
        };
        assert_eq!(forbid(bounded), None);
        for (deadline, expected) in [(269, None), (270, Some(Severity::Info))] {
            let hook = Hook {
                deadline: Some(deadline),
                ..unlimited
            };
            assert_eq!(
                verdict(&cron("*/5 * * * *", Concurrency::Forbid, hook)),
                expected,
                "{deadline}"
            );
        }
    }
}
