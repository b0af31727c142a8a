//! One owner of Jobs: what stays when the Jobs are gone.

use crate::index::{OwnerKey, OwnerView, Snapshot, WAIT_BOUNDS, WAIT_BUCKETS};
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
        source: Source::All(|snapshot, out| {
            each(snapshot, out, |labels, owner, out| {
                if let Some(failed) = owner.last_failed {
                    let result = if failed { "failure" } else { "success" };
                    out.with("", &with(labels, "result", result), Value::Int(1));
                }
            });
        }),
    },
    Family {
        name: "hookbudget_owner_consecutive_failures",
        help: "How many of the owner's Jobs have failed since one succeeded.",
        kind: Type::Gauge,
        unit: None,
        labels: OWNER,
        source: Source::All(|snapshot, out| {
            each(snapshot, out, |labels, owner, out| {
                out.with("", &labels, Value::Int(owner.consecutive_failures.into()));
            });
        }),
    },
    Family {
        name: "hookbudget_owner_consecutive_successes",
        help: "How many of the owner's Jobs have succeeded since one failed.",
        kind: Type::Gauge,
        unit: None,
        labels: OWNER,
        source: Source::All(|snapshot, out| {
            each(snapshot, out, |labels, owner, out| {
                out.with("", &labels, Value::Int(owner.consecutive_successes.into()));
            });
        }),
    },
    Family {
        name: "hookbudget_owner_failures_total",
        help: "Failed Jobs of the owner by root cause since the exporter started.",
        kind: Type::Counter,
        unit: None,
        labels: &["namespace", "owner_kind", "owner_name", "root_cause"],
        source: Source::All(|snapshot, out| {
            each(snapshot, out, |labels, owner, out| {
                for (cause, count) in &owner.failures {
                    out.with(
                        "",
                        &with(labels, "root_cause", cause.as_str()),
                        Value::Count(*count),
                    );
                }
            });
        }),
    },
    Family {
        name: "hookbudget_owner_wait_seconds",
        help: "How long the owner's successful Jobs took from start to completion since the exporter started: what a cold start truly takes.",
        kind: Type::Histogram,
        unit: Some("seconds"),
        labels: OWNER,
        source: Source::All(|snapshot, out| each(snapshot, out, histogram)),
    },
];

/// The labels that name an owner.
type Labels<'s> = [(&'static str, &'s str); 3];

fn with<'s>(
    [namespace, kind, name]: Labels<'s>,
    label: &'static str,
    value: &'s str,
) -> [(&'static str, &'s str); 4] {
    [namespace, kind, name, (label, value)]
}

fn each(
    snapshot: &Snapshot,
    out: &mut Samples<'_>,
    write: impl Fn(Labels<'_>, &OwnerView, &mut Samples<'_>),
) {
    for (key, owner) in &snapshot.owners {
        let OwnerKey {
            namespace,
            kind,
            name,
        } = &**key;
        let labels = [
            ("namespace", namespace.as_str()),
            ("owner_kind", kind),
            ("owner_name", name),
        ];
        write(labels, owner, out);
    }
}

fn histogram(labels: Labels<'_>, owner: &OwnerView, out: &mut Samples<'_>) {
    let mut count = 0;
    for (bound, waits) in WAIT_BOUNDS.iter().zip(owner.waits) {
        count += waits;
        out.with_as("_bucket", "", &with(labels, "le", bound), Value::Count(count));
    }
    count += owner.waits[WAIT_BUCKETS.len()];
    out.with_as("_bucket", "", &with(labels, "le", "+Inf"), Value::Count(count));
    out.with_as("_sum", "", &labels, Value::Span(owner.waited));
    out.with_as("_count", "", &labels, Value::Count(count));
}
