//! The webhook's process and build, for the registry that it publishes.

use std::fmt::Error;
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Unit;

use crate::metrics::process;

/// Asks the kernel at each scrape, as the exporter's families do, under the same names.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let out = &mut encoder;
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        write(
            out,
            "hookbudget_build",
            "The version of this binary.",
            None,
            &version,
        )?;
        if let Some(cpu) = process::cpu() {
            let nanos = u64::try_from(cpu.nanos()).unwrap_or_default();
            let spent = ConstCounter::new(Duration::from_nanos(nanos).as_secs_f64());
            let help = "Time on processors, of the kernel and of the program.";
            write(out, "process_cpu", help, Some(&Unit::Seconds), &spent)?;
        }
        if let Some((resident, size)) = process::memory() {
            let gauge = |bytes| ConstGauge::new(i64::try_from(bytes).unwrap_or(i64::MAX));
            let unit = Some(&Unit::Bytes);
            write(
                out,
                "process_resident_memory",
                "Memory that is resident.",
                unit,
                &gauge(resident),
            )?;
            write(
                out,
                "process_virtual_memory",
                "Address space.",
                unit,
                &gauge(size),
            )?;
        }
        if let Some(started) = process::started() {
            let since = started.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64();
            let help = "When the process began.";
            write(
                out,
                "process_start_time",
                help,
                Some(&Unit::Seconds),
                &ConstGauge::new(since),
            )?;
        }
        let limits = [
            (
                "process_open_fds",
                "Files and sockets that are open.",
                process::open_files(),
            ),
            (
                "process_max_fds",
                "How many may be open at once; absent without a limit.",
                process::most_files(),
            ),
        ];
        for (name, help, count) in limits {
            if let Some(count) = count.and_then(|count| i64::try_from(count).ok()) {
                write(out, name, help, None, &ConstGauge::new(count))?;
            }
        }
        Ok(())
    }
}

fn write(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    metric: &dyn EncodeMetric,
) -> Result<(), Error> {
    metric.encode(out.encode_descriptor(name, help, unit, metric.metric_type())?)
}
