//! One Job: what it is, its clocks, how far it has come.

use crate::engine::Seconds;
use crate::engine::diagnosis::JobPhase;
use crate::metrics::family::{Family, Source, Type, Value};

const JOB: &[&str] = &["namespace", "job_name"];

/// The families of a Job that is there.
pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "hookbudget_job_info",
        help: "A Job: who owns it, which hooks it is, how its containers restart. Always 1.",
        kind: Type::Gauge,
        unit: None,
        labels: &[
            "namespace",
            "job_name",
            "owner_kind",
            "owner_name",
            "release",
            "hook",
            "restart_policy",
        ],
        source: Source::Job(|job, _, out| out.write(&job.spec.info_labels, Value::Int(1))),
    },
    Family {
        name: "hookbudget_job_labels",
        help: "Labels of the Job, or of its Pod template, that --metric-labels-allowlist names, each as label_KEY; absent without it. Always 1.",
        kind: Type::Gauge,
        unit: None,
        labels: JOB,
        source: Source::Job(|job, _, out| {
            if let Some(labels) = &job.spec.labels {
                out.write(labels, Value::Int(1));
            }
        }),
    },
    Family {
        name: "hookbudget_job_state",
        help: "How a Job stands: waiting, suspended, failed, succeeded, or missing when it was deleted before it had ended. Always 1; one state at a time.",
        kind: Type::Gauge,
        unit: None,
        labels: &["namespace", "job_name", "state"],
        source: Source::Job(|job, _, out| {
            out.write(state(job.phase), Value::Int(1));
        }),
    },
    Family {
        name: "hookbudget_job_budget_seconds",
        help: "The clocks that bound a Job, by clock and by who states it; a clock without an end is absent.",
        kind: Type::Gauge,
        unit: Some("seconds"),
        labels: &["namespace", "job_name", "clock", "source"],
        source: Source::Job(|job, _, out| {
            for (labels, span) in job.spec.budget_series.iter() {
                out.write(labels, Value::Span(*span));
            }
        }),
    },
    Family {
        name: "hookbudget_job_start_timestamp_seconds",
        help: "When the Job started, which is what its deadline counts from; absent before.",
        kind: Type::Gauge,
        unit: Some("seconds"),
        labels: JOB,
        source: Source::Job(|job, _, out| {
            if let Some(at) = job.started() {
                out.write("", Value::Time(at));
            }
        }),
    },
    Family {
        name: "hookbudget_job_gives_up_timestamp_seconds",
        help: "When a waiting Job, or the release that waits for it, gives up, and which clock does it; absent once it has ended.",
        kind: Type::Gauge,
        unit: Some("seconds"),
        labels: &["namespace", "job_name", "clock"],
        source: Source::Job(|job, _, out| {
            if let Some((clock, at)) = job.gives_up() {
                out.with(&[("clock", clock.as_str())], Value::Time(at));
            }
        }),
    },
    Family {
        name: "hookbudget_job_wait_elapsed_seconds",
        help: "How long the Job has been running since its start; stands still once it has ended.",
        kind: Type::Gauge,
        unit: Some("seconds"),
        labels: JOB,
        source: Source::Job(|job, seen, out| {
            if let Some(elapsed) = job.elapsed(seen.now) {
                out.write("", Value::Span(elapsed));
            }
        }),
    },
    Family {
        name: "hookbudget_job_wait_remaining_seconds",
        help: "What is left until the clock that ends the Job runs out, 0 at least; absent once it has ended.",
        kind: Type::Gauge,
        unit: Some("seconds"),
        labels: JOB,
        source: Source::Job(|job, seen, out| {
            if let Some(remaining) = job.remaining(seen.now) {
                out.write("", Value::Span(remaining));
            }
        }),
    },
    Family {
        name: "hookbudget_job_wait_ratio",
        help: "Elapsed time over the time that the Job has in all, 1 when that is used up; absent once it has ended.",
        kind: Type::Gauge,
        unit: Some("ratio"),
        labels: JOB,
        source: Source::Job(|job, seen, out| {
            if let (Some(elapsed), Some(remaining)) = (job.elapsed(seen.now), job.remaining(seen.now)) {
                out.write("", Value::Ratio(share(elapsed, remaining)));
            }
        }),
    },
    Family {
        name: "hookbudget_job_wait_attempts",
        help: "The try that the container's own progress lines say it is at.",
        kind: Type::Gauge,
        unit: None,
        labels: JOB,
        source: Source::Job(|job, _, out| {
            if let Some(attempt) = job.gist().and_then(|gist| gist.attempts.0) {
                out.write("", Value::Count(attempt));
            }
        }),
    },
    Family {
        name: "hookbudget_job_wait_attempts_limit",
        help: "How many tries the container's own progress lines say there are.",
        kind: Type::Gauge,
        unit: None,
        labels: JOB,
        source: Source::Job(|job, _, out| {
            if let Some(limit) = job.gist().and_then(|gist| gist.attempts.1) {
                out.write("", Value::Count(limit));
            }
        }),
    },
    Family {
        name: "hookbudget_job_wait_target_info",
        help: "What the Job waits for, as its script, its annotation or its log names it. Always 1.",
        kind: Type::Gauge,
        unit: None,
        labels: &["namespace", "job_name", "target"],
        source: Source::Job(|job, _, out| {
            if let Some(target) = job.target_labels() {
                out.write(target, Value::Int(1));
            }
        }),
    },
    Family {
        name: "hookbudget_job_restarts",
        help: "Restarts of the Job's containers in all of its Pods that were seen; under OnFailure they count towards backoffLimit.",
        kind: Type::Gauge,
        unit: None,
        labels: JOB,
        source: Source::Job(|job, _, out| out.write("", Value::Int(job.restarts.into()))),
    },
    Family {
        name: "hookbudget_job_attempts",
        help: "Runs that have begun: the Job's Pods, and the restarts within them.",
        kind: Type::Gauge,
        unit: None,
        labels: JOB,
        source: Source::Job(|job, _, out| out.write("", Value::Int(job.attempts.into()))),
    },
    Family {
        name: "hookbudget_job_findings",
        help: "What the rules have to say about the Job as it is, as a count per rule; exempted findings are left out.",
        kind: Type::Gauge,
        unit: None,
        labels: &["namespace", "job_name", "code", "severity"],
        source: Source::Job(|job, _, out| {
            for (labels, count) in job.spec.finding_series.iter() {
                out.write(labels, Value::Count(*count));
            }
        }),
    },
];

/// Ready, because each Job has it.
const fn state(phase: JobPhase) -> &'static str {
    match phase {
        JobPhase::Failed => "state=\"failed\"",
        JobPhase::Waiting => "state=\"waiting\"",
        JobPhase::Suspended => "state=\"suspended\"",
        JobPhase::Missing => "state=\"missing\"",
        JobPhase::Succeeded => "state=\"succeeded\"",
    }
}

/// Elapsed over all, in ten-thousandths.
fn share(elapsed: Seconds, remaining: Seconds) -> i64 {
    let millis = |span: Seconds| i128::from(span.nanos() / 1_000_000);
    let all = millis(elapsed) + millis(remaining);
    if all == 0 {
        return 10_000;
    }
    i64::try_from(millis(elapsed) * 10_000 / all).unwrap_or(10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_has_run_out_is_used_up() {
        assert_eq!(share(Seconds::new(30), Seconds::new(90)), 2_500);
        assert_eq!(share(Seconds::new(30), Seconds::ZERO), 10_000);
        assert_eq!(share(Seconds::ZERO, Seconds::ZERO), 10_000);
    }
}
