//! One owner of Jobs: what stays when the Jobs are gone.

use crate::index::{OwnerView, WAIT_BOUNDS, WAIT_BUCKETS};
use crate::metrics::family::{Family, Samples, Source, Type, Value};

const OWNER: &[&str] = &["namespace", "owner_kind", "owner_name"];

/// The families of an owner, until the owner itself is gone.
pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "hookbudget_owner_last_result",
        help: "How the owner's last Job ended: success or failure. Always 1; one result at a time.",
        kind: Type::Gauge,
        unit: None,
        labels: &["namespace", "owner_kind", "owner_name", "result"],
        source: Source::Owner(|owner, out| {
            if let Some(failed) = owner.last_failed {
                let result = if failed { "failure" } else { "success" };
                out.with(&[("result", result)], Value::Int(1));
            }
        }),
    },
    Family {
        name: "hookbudget_owner_consecutive_failures",
        help: "How many of the owner's Jobs have failed since one succeeded.",
        kind: Type::Gauge,
        unit: None,
        labels: OWNER,
        source: Source::Owner(|owner, out| out.write("", Value::Int(owner.consecutive_failures.into()))),
    },
    Family {
        name: "hookbudget_owner_consecutive_successes",
        help: "How many of the owner's Jobs have succeeded since one failed.",
        kind: Type::Gauge,
        unit: None,
        labels: OWNER,
        source: Source::Owner(|owner, out| out.write("", Value::Int(owner.consecutive_successes.into()))),
    },
    Family {
        name: "hookbudget_owner_recent_runs",
        help: "How the last five runs of a CronJob ended, as a count per result; those that never came are left out. Kept longer than the cluster keeps the Jobs.",
        kind: Type::Gauge,
        unit: None,
        labels: &["namespace", "owner_kind", "owner_name", "result"],
        source: Source::Owner(|owner, out| {
            let (succeeded, failed) = owner.runs.recent();
            if succeeded + failed > 0 {
                for (result, count) in [("failure", failed), ("success", succeeded)] {
                    out.with(&[("result", result)], Value::Count(count as u64));
                }
            }
        }),
    },
    Family {
        name: "hookbudget_owner_failures_total",
        help: "Failed Jobs of the owner by root cause since the exporter started.",
        kind: Type::Counter,
        unit: None,
        labels: &["namespace", "owner_kind", "owner_name", "root_cause"],
        source: Source::Owner(|owner, out| {
            for (cause, count) in &owner.failures {
                out.with(&[("root_cause", cause.as_str())], Value::Count(*count));
            }
        }),
    },
    Family {
        name: "hookbudget_owner_wait_seconds",
        help: "How long the owner's successful Jobs took from start to completion since the exporter started: what a cold start truly takes.",
        kind: Type::Histogram,
        unit: Some("seconds"),
        labels: OWNER,
        source: Source::Owner(histogram),
    },
];

fn histogram(owner: &OwnerView, out: &mut Samples<'_>) {
    let mut count = 0;
    for (bound, waits) in WAIT_BOUNDS.iter().zip(owner.waits) {
        count += waits;
        out.with_as("_bucket", &[("le", bound)], Value::Count(count));
    }
    count += owner.waits[WAIT_BUCKETS.len()];
    out.write_as("_bucket", "le=\"+Inf\"", Value::Count(count));
    out.write_as("_sum", "", Value::Span(owner.waited));
    out.write_as("_count", "", Value::Count(count));
}
