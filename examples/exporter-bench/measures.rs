//! What is measured, goal by goal; the goals themselves are in `docs/design/performance.md`.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::encode::encoded;
use crate::jobs::{WAITING, name};
use crate::scrape::{get, time};
use crate::table::{Marks, Table};
use crate::{Cluster, Options};

const MIB: f64 = 1024.0 * 1024.0;
/// Changes whose way to the metrics is followed.
const CHANGES: usize = 500;
/// Jobs that fail, each for a diagnosis.
const FAILURES: usize = 200;

#[allow(clippy::cast_precision_loss, reason = "counts of a bench are far below 2^52")]
fn number(count: usize) -> f64 {
    count as f64
}

/// Resident memory, in bytes, once nothing moves any more.
pub(crate) fn settled(cluster: &Cluster) -> f64 {
    let mut last = 0;
    for _ in 0..30 {
        sleep(Duration::from_secs(1));
        let now = cluster.exporter.kibibytes("VmRSS");
        if now.abs_diff(last) < 64 {
            break;
        }
        last = now;
    }
    kib(cluster, "VmRSS")
}

#[allow(
    clippy::cast_precision_loss,
    reason = "kibibytes of a process are far below 2^52"
)]
fn kib(cluster: &Cluster, what: &str) -> f64 {
    cluster.exporter.kibibytes(what) as f64 * 1024.0
}

/// G10 and G11.
pub(crate) fn memory(table: &mut Table, options: &Options, cluster: &Cluster, few: f64) {
    let peak = kib(cluster, "VmHWM");
    let many = settled(cluster);
    let slope = (many - few) / number(options.jobs - options.few);
    table.value(
        "G10",
        &format!(
            "resident memory per Job, {} to {} Jobs",
            options.few, options.jobs
        ),
        (slope, None, "B"),
        Marks::at_most(600.0, 400.0),
    );
    table.value(
        "G11",
        &format!("peak while {} Jobs are listed", options.jobs),
        (peak / MIB, None, "MiB"),
        Marks::at_most(128.0, 64.0),
    );
    table.told(
        "",
        "resident afterwards / time until everything is judged",
        (many / MIB, cluster.listed.as_secs_f64(), "MiB / s"),
    );
}

/// G8 and G9.
pub(crate) fn scrapes(table: &mut Table, options: &Options, cluster: &Cluster) -> anyhow::Result<()> {
    let address = cluster.exporter.address;
    let text = get(address, "/metrics", false)?;
    ensure!(text.status == 200, "/metrics answers {}", text.status);
    let before = settled(cluster);
    // From here on the high-water mark is that of the scrapes.
    fs::write(format!("/proc/{}/clear_refs", cluster.exporter.pid()), "5")
        .context("the high-water mark cannot be reset")?;
    let cost = |gzip: bool| -> anyhow::Result<(f64, f64)> {
        let mut took = Vec::new();
        let begun = cluster.exporter.cpu();
        for _ in 0..options.scrapes.max(1) {
            took.push(time(address, gzip)?);
        }
        let cpu = cluster.exporter.cpu().saturating_sub(begun).as_secs_f64() / number(took.len());
        took.sort_unstable();
        Ok((took[took.len() / 2].as_secs_f64() * 1e3, cpu * 1e3))
    };
    let (plain, cpu) = cost(false)?;
    let (packed, _) = cost(true)?;
    let extra = kib(cluster, "VmHWM") - before;
    let body = String::from_utf8(text.body).context("metrics that are no UTF-8")?;
    let (series, client) = encoded(&body, options.scrapes);
    let client = client.as_secs_f64() * 1e3;
    let millions = number(series) / 1e6;
    let size = number(body.len()) / MIB;
    table.value(
        "G8",
        &format!("scrape of {series} series ({size:.0} MiB), per million"),
        (plain / millions, None, "ms"),
        Marks::at_most(150.0, 60.0),
    );
    table.value(
        "G8",
        "the same with gzip, per million",
        (packed / millions, None, "ms"),
        Marks::at_most(500.0, 250.0),
    );
    table.value(
        "G8",
        "memory beside it at the peak",
        (extra.max(0.0) / MIB, None, "MiB"),
        Marks::limit(16.0),
    );
    table.ratio(
        "G9",
        "prometheus-client's encode (left) against CPU of a scrape, TCP included",
        (client, cpu, "ms"),
        Marks::at_least(5.0, 10.0),
    );
    Ok(())
}

/// G17: from a change in the API server to the metrics, at a steady rate.
pub(crate) fn changes(table: &mut Table, options: &Options, cluster: &Cluster) -> anyhow::Result<()> {
    let address = cluster.exporter.address;
    let pause = Duration::from_secs(1) / u32::try_from(options.changes.max(1))?;
    let wanted: Vec<usize> = (0..CHANGES).map(|change| change * WAITING).collect();
    let (mut sent, mut seen) = (HashMap::new(), HashMap::new());
    scope(|threads| -> anyhow::Result<()> {
        let (orders, wanted) = (cluster.orders, &wanted);
        let sender = threads.spawn(move || -> anyhow::Result<HashMap<String, Instant>> {
            let mut sent = HashMap::new();
            let begun = Instant::now();
            for (change, job) in (0..).zip(wanted) {
                sleep((begun + pause * change).saturating_duration_since(Instant::now()));
                orders.end("complete", *job)?;
                sent.insert(name(*job), Instant::now());
            }
            Ok(sent)
        });
        let names: HashSet<String> = wanted.iter().map(|job| name(*job)).collect();
        let begun = Instant::now();
        while seen.len() < wanted.len() {
            ensure!(
                begun.elapsed() < Duration::from_mins(2),
                "{} changes never came to the metrics",
                wanted.len() - seen.len()
            );
            let answer = get(address, "/metrics", false)?;
            let now = Instant::now();
            for job in states(&answer.body)
                .lines()
                .filter_map(succeeded)
                .filter(|job| names.contains(*job))
            {
                seen.entry(job.to_owned()).or_insert(now);
            }
        }
        sent = sender
            .join()
            .map_err(|_| anyhow::anyhow!("the sender of changes panicked"))??;
        Ok(())
    })?;
    let mut delays: Vec<f64> = seen
        .iter()
        .filter_map(|(job, at)| Some(at.saturating_duration_since(*sent.get(job)?).as_secs_f64() * 1e3))
        .collect();
    delays.sort_by(f64::total_cmp);
    let p99 = delays[(delays.len() * 99 / 100).min(delays.len() - 1)];
    let what = format!(
        "p99 from a change to a scrape that shows it, {} a second, the scrape included",
        options.changes
    );
    table.value("G17", &what, (p99, None, "ms"), Marks::at_most(1_000.0, 200.0));
    Ok(())
}

/// The samples that say how Jobs stand; what else a scrape holds is not looked at, as the exporter's time is measured and
/// not the reader's.
fn states(body: &[u8]) -> &str {
    let find = |bytes: &[u8], wanted: &[u8]| bytes.windows(wanted.len()).position(|window| window == wanted);
    let begin = find(body, b"# TYPE hookbudget_job_state ").unwrap_or(body.len());
    let family = &body[begin..];
    let end = find(family, b"# HELP ").unwrap_or(family.len());
    std::str::from_utf8(&family[..end]).unwrap_or_default()
}

/// The Job of a line that says that it has succeeded.
fn succeeded(line: &str) -> Option<&str> {
    let labels = line.strip_prefix("hookbudget_job_state{")?;
    let (_, rest) = labels.split_once("job_name=\"")?;
    let (job, rest) = rest.split_once('"')?;
    rest.contains("state=\"succeeded\"").then_some(job)
}

/// How long a diagnosis takes, by the exporter's own histogram.
pub(crate) fn diagnoses(table: &mut Table, cluster: &Cluster) -> anyhow::Result<()> {
    let address = cluster.exporter.address;
    let read = || -> anyhow::Result<(f64, f64)> {
        let text =
            String::from_utf8(get(address, "/metrics", false)?.body).context("metrics that are no UTF-8")?;
        let value = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok())
                .unwrap_or(0.0)
        };
        Ok((
            value("hookbudget_diagnosis_duration_seconds_sum "),
            value("hookbudget_diagnosis_duration_seconds_count "),
        ))
    };
    let before = read()?;
    for job in 0..FAILURES {
        cluster.orders.end("fail", (CHANGES + job) * WAITING)?;
    }
    let begun = Instant::now();
    let mut after = read()?;
    while after.1 < before.1 + number(FAILURES) && begun.elapsed() < Duration::from_secs(30) {
        sleep(Duration::from_millis(200));
        after = read()?;
    }
    let diagnosed = after.1 - before.1;
    ensure!(diagnosed > 0.0, "no Job was diagnosed");
    table.value(
        "",
        &format!("diagnosis of a failed Job, mean of {diagnosed}"),
        ((after.0 - before.0) / diagnosed * 1e3, None, "ms"),
        Marks::limit(5.0),
    );
    Ok(())
}
