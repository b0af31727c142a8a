//! The same series, held and encoded by `prometheus-client`.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

type Labels = Vec<(String, String)>;
type Gauges = Family<Labels, Gauge<f64, std::sync::atomic::AtomicU64>>;

/// How many series a text holds, and the CPU time that `prometheus-client` takes to write them: what the product takes
/// beside it is CPU time too, and neither grows with what else the machine does.
pub(crate) fn encoded(text: &str, times: usize) -> (usize, Duration) {
    let mut families: BTreeMap<&str, Gauges> = BTreeMap::new();
    let mut series = 0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, labels, value)) = parts(line) else {
            continue;
        };
        series += 1;
        families
            .entry(name)
            .or_default()
            .get_or_create(&labels)
            .set(value);
    }
    let mut registry = Registry::default();
    for (name, family) in families {
        registry.register(name, "The same words for each", family);
    }
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    let mut all: Vec<Duration> = (0..times.max(1))
        .map(|_| {
            out.clear();
            let begun = own_cpu();
            // Writing to a String cannot fail.
            let _ = encode(&mut out, &registry);
            own_cpu().saturating_sub(begun)
        })
        .collect();
    all.sort_unstable();
    (series, all[all.len() / 2])
}

/// CPU time of this thread so far.
fn own_cpu() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

/// Name, labels and value of a line. The values of labels here hold neither quotes nor commas.
fn parts(line: &str) -> Option<(&str, Labels, f64)> {
    let (head, value) = line.rsplit_once(' ')?;
    let (name, labels) = head.split_once('{').unwrap_or((head, ""));
    let labels = labels.trim_end_matches('}').split("\",").filter_map(|label| {
        let (name, value) = label.split_once("=\"")?;
        Some((name.to_owned(), value.trim_end_matches('"').to_owned()))
    });
    Some((name, labels.collect(), value.parse().ok()?))
}
