//! Why a Job failed.

use crate::metrics::family::{Family, Source, Type, Value};

/// The families of a Job that has failed, until the Job is gone past its retention.
pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "hookbudget_job_root_cause",
        help: "Why a Job failed: how it ended, the root cause, who is told, whether anybody has to act. Always 1; exactly one per failed Job.",
        kind: Type::Gauge,
        unit: None,
        labels: &[
            "namespace",
            "job_name",
            "trigger",
            "root_cause",
            "route",
            "severity",
            "verdict",
            "owner_kind",
            "owner_name",
        ],
        source: Source::Job(|job, _, out| {
            if let Some(cause) = job.cause_labels() {
                out.write(cause, Value::Int(1));
            }
        }),
    },
    Family {
        name: "hookbudget_job_root_cause_info",
        help: "The deepest object that is proven to be at fault, and how many links below the Job it was found. Always 1.",
        kind: Type::Gauge,
        unit: None,
        labels: &[
            "namespace",
            "job_name",
            "culprit_kind",
            "culprit_namespace",
            "culprit_name",
            "depth",
        ],
        source: Source::Job(|job, _, out| {
            if let Some(culprit) = job.culprit_labels() {
                out.write(culprit, Value::Int(1));
            }
        }),
    },
    Family {
        name: "hookbudget_job_chain_info",
        help: "What a failed Job hangs on, one series for each of the first nine links below it: how deep it lies, and which it is in the order of repair, from the ground up. Always 1.",
        kind: Type::Gauge,
        unit: None,
        labels: &[
            "namespace",
            "job_name",
            "depth",
            "repair",
            "link_kind",
            "link_namespace",
            "link_name",
        ],
        source: Source::Job(|job, _, out| {
            for link in job.chain_labels() {
                out.write(link, Value::Int(1));
            }
        }),
    },
    Family {
        name: "hookbudget_job_later_success_timestamp_seconds",
        help: "When a later run of a failed Job's owner succeeded last: of its CronJob, or of the release whose hook it was. Absent until then, and for Jobs that run side by side.",
        kind: Type::Gauge,
        unit: Some("seconds"),
        labels: &["namespace", "job_name"],
        source: Source::Job(|job, seen, out| {
            if let Some(at) = seen.later_success(job) {
                out.write("", Value::Time(at));
            }
        }),
    },
];
