//! The process itself, under the names that every Prometheus client library uses.

use crate::metrics::family::{Family, Source, Type, Value};
use crate::metrics::process;

/// The families of the process.
pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "process_cpu_seconds_total",
        help: "Time on processors, of the kernel and of the program.",
        kind: Type::Counter,
        unit: None,
        labels: &[],
        source: Source::All(|_, out| {
            if let Some(cpu) = process::cpu() {
                out.write("", Value::Span(cpu));
            }
        }),
    },
    Family {
        name: "process_resident_memory_bytes",
        help: "Memory that is resident.",
        kind: Type::Gauge,
        unit: Some("bytes"),
        labels: &[],
        source: Source::All(|_, out| {
            if let Some((resident, _)) = process::memory() {
                out.write("", Value::Count(resident));
            }
        }),
    },
    Family {
        name: "process_virtual_memory_bytes",
        help: "Address space.",
        kind: Type::Gauge,
        unit: Some("bytes"),
        labels: &[],
        source: Source::All(|_, out| {
            if let Some((_, size)) = process::memory() {
                out.write("", Value::Count(size));
            }
        }),
    },
    Family {
        name: "process_start_time_seconds",
        help: "When the process began.",
        kind: Type::Gauge,
        unit: Some("seconds"),
        labels: &[],
        source: Source::All(|_, out| {
            if let Some(at) = process::started() {
                out.write("", Value::Time(at));
            }
        }),
    },
    Family {
        name: "process_open_fds",
        help: "Files and sockets that are open.",
        kind: Type::Gauge,
        unit: None,
        labels: &[],
        source: Source::All(|_, out| {
            if let Some(open) = process::open_files() {
                out.write("", Value::Count(open));
            }
        }),
    },
    Family {
        name: "process_max_fds",
        help: "How many may be open at once; absent without a limit.",
        kind: Type::Gauge,
        unit: None,
        labels: &[],
        source: Source::All(|_, out| {
            if let Some(most) = process::most_files() {
                out.write("", Value::Count(most));
            }
        }),
    },
];
