//! The exporter itself.

use crate::engine::Seconds;
use crate::index::watch_metrics::WatchState;
use crate::index::{TOOK_BUCKETS, Took};
use crate::metrics::family::{Family, Samples, Source, Type, Value};

/// The families of the exporter.
pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "hookbudget_index_synced",
        help: "1 once the first list of a kind is complete, or the cluster is known not to have the kind.",
        kind: Type::Gauge,
        unit: None,
        labels: &["kind"],
        source: Source::All(|snapshot, out| {
            for watch in &snapshot.kinds {
                let kind = format!("kind=\"{}\"", watch.kind.as_str());
                out.write(&kind, Value::Int(watch.synced.into()));
            }
        }),
    },
    Family {
        name: "hookbudget_watch_state",
        help: "1 for the state that the watch of the kind is in: listing, synced, interrupted, absent, forbidden.",
        kind: Type::Gauge,
        unit: None,
        labels: &["kind", "state"],
        source: Source::All(|snapshot, out| {
            for watch in &snapshot.kinds {
                for state in WatchState::ALL {
                    let labels = format!("kind=\"{}\",state=\"{}\"", watch.kind.as_str(), state.as_str());
                    out.write(&labels, Value::Int((watch.state == state).into()));
                }
            }
        }),
    },
    Family {
        name: "hookbudget_watch_last_event_timestamp_seconds",
        help: "When the watch of a kind brought something last; absent before.",
        kind: Type::Gauge,
        unit: Some("seconds"),
        labels: &["kind"],
        source: Source::All(|snapshot, out| {
            for watch in &snapshot.kinds {
                if let Some(at) = watch.last_event {
                    let kind = format!("kind=\"{}\"", watch.kind.as_str());
                    out.write(&kind, Value::Time(at));
                }
            }
        }),
    },
    Family {
        name: "hookbudget_objects_skipped_total",
        help: "Objects that were passed over, by kind and reason: malformed, no_name, no_job, too_many (events about what nobody has seen).",
        kind: Type::Counter,
        unit: None,
        labels: &["kind", "reason"],
        source: Source::All(|snapshot, out| {
            for (kind, reason, count) in &snapshot.skipped {
                let labels = format!("kind=\"{}\",reason=\"{reason}\"", kind.as_str());
                out.write(&labels, Value::Count(*count));
            }
        }),
    },
    Family {
        name: "hookbudget_evidence_lost_total",
        help: "Pieces of evidence that could not be had: logs that were gone before they were read, failed Jobs of which nothing was left.",
        kind: Type::Counter,
        unit: None,
        labels: &[],
        source: Source::All(|snapshot, out| out.write("", Value::Count(snapshot.evidence_lost))),
    },
    Family {
        name: "hookbudget_diagnosis_duration_seconds",
        help: "How long it took to find out what a Job suffers from, its series and its record included; the index takes nothing in meanwhile.",
        kind: Type::Histogram,
        unit: Some("seconds"),
        labels: &[],
        source: Source::All(|snapshot, out| {
            if let Some(took) = &snapshot.took {
                durations(took, out);
            }
        }),
    },
    Family {
        name: "hookbudget_diagnoses_available",
        help: "1 when diagnoses can be kept as JobDiagnosis objects, 0 when the kind or a permission is missing; absent when nobody asks for it.",
        kind: Type::Gauge,
        unit: None,
        labels: &[],
        source: Source::All(|snapshot, out| {
            if let Some(available) = snapshot.reports.available {
                out.write("", Value::Int(available.into()));
            }
        }),
    },
    Family {
        name: "hookbudget_diagnoses_leader",
        help: "1 when this process is the one that writes JobDiagnosis objects; absent when nobody asks for it.",
        kind: Type::Gauge,
        unit: None,
        labels: &[],
        source: Source::All(|snapshot, out| {
            if let Some(leader) = snapshot.reports.leader {
                out.write("", Value::Int(leader.into()));
            }
        }),
    },
    Family {
        name: "hookbudget_diagnoses_total",
        help: "What was done with JobDiagnosis objects: written, deleted, restored at the start, skipped at the start because they could not be read, failed.",
        kind: Type::Counter,
        unit: None,
        labels: &["result"],
        source: Source::All(|snapshot, out| {
            let reports = &snapshot.reports;
            if reports.available.is_none() {
                return;
            }
            for (result, count) in [
                ("written", reports.written),
                ("deleted", reports.deleted),
                ("restored", reports.restored),
                ("skipped", reports.skipped),
                ("failed", reports.failed),
            ] {
                let result = format!("result=\"{result}\"");
                out.write(&result, Value::Count(count));
            }
        }),
    },
    Family {
        name: "hookbudget_policy_load_success",
        help: "1 when the policy in force is what the policy file holds, or there is no file; 0 when the file is refused and an earlier policy holds.",
        kind: Type::Gauge,
        unit: None,
        labels: &[],
        source: Source::All(|snapshot, out| out.write("", Value::Int(snapshot.policy.good.into()))),
    },
    Family {
        name: "hookbudget_policy_loaded_timestamp_seconds",
        help: "When the policy in force was read; absent before.",
        kind: Type::Gauge,
        unit: Some("seconds"),
        labels: &[],
        source: Source::All(|snapshot, out| {
            if let Some(at) = snapshot.policy.loaded {
                out.write("", Value::Time(at));
            }
        }),
    },
    Family {
        name: "hookbudget_policy_loads_total",
        help: "New contents of the policy file, by what became of them: loaded, refused.",
        kind: Type::Counter,
        unit: None,
        labels: &["result"],
        source: Source::All(|snapshot, out| {
            for (result, count) in [
                ("loaded", snapshot.policy.taken),
                ("refused", snapshot.policy.refused),
            ] {
                let result = format!("result=\"{result}\"");
                out.write(&result, Value::Count(count));
            }
        }),
    },
    Family {
        name: "hookbudget_build_info",
        help: "The version of this binary. Always 1.",
        kind: Type::Gauge,
        unit: None,
        labels: &["version"],
        source: Source::All(|_, out| {
            let version = concat!("version=\"", env!("CARGO_PKG_VERSION"), "\"");
            out.write(version, Value::Int(1));
        }),
    },
];

fn durations(took: &Took, out: &mut Samples<'_>) {
    let mut count = 0;
    for ((_, bound), diagnoses) in TOOK_BUCKETS.iter().zip(took.counts) {
        count += diagnoses;
        out.write_as("_bucket", &format!("le=\"{bound}\""), Value::Count(count));
    }
    count += took.counts[TOOK_BUCKETS.len()];
    out.write_as("_bucket", "le=\"+Inf\"", Value::Count(count));
    let nanos = i64::try_from(took.sum.as_nanos()).unwrap_or(i64::MAX);
    out.write_as("_sum", "", Value::Span(Seconds::from_nanos(nanos)));
    out.write_as("_count", "", Value::Count(count));
}
