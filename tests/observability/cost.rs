//! What watching costs a Prometheus: `just cost-of-watching` measures it for docs/cost-of-watching.md.

use std::thread::sleep;
use std::time::Duration;

use hookbudget::metrics::{Selection, needed, pattern};
use serde_json::json;

use super::cluster::{Cluster, Job, State};
use super::programs::{Prometheus, scrape, until};

/// Hook Jobs of a cluster of this size: of a hundred, ninety-four have succeeded, three have failed, three wait.
fn fill(cluster: &mut Cluster, count: usize) {
    for number in 0..count {
        let state = match number % 100 {
            0..3 => State::Ended("OOMKilled", 137, "no"),
            3..6 => State::Waiting,
            _ => State::Succeeded,
        };
        let name = format!("release-{}-post-install-hook-{number}", number % 250);
        cluster.job(Job::new("namespace-of-a-team", name, state));
    }
}

/// Series of a scrape, memory of the Prometheus in bytes after a minute, and the largest families.
fn measured(count: usize, selection: Selection) -> (f64, u64, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut cluster = Cluster::publishing(selection);
    fill(&mut cluster, count);
    let [target, _] = cluster.targets();
    let config = json!({"global": {"scrape_interval": "5s", "scrape_timeout": "5s"},
        "scrape_configs": [scrape("hookbudget", &[&target], true)]});
    let prometheus = Prometheus::start(folder.path(), &config, &[]);
    let scraped = "scrape_samples_scraped > 0 and up == 1";
    until("it is scraped", Duration::from_mins(1), || {
        prometheus.query(scraped).pop()
    });
    sleep(Duration::from_mins(1));
    let series = prometheus
        .query("scrape_samples_scraped")
        .pop()
        .expect("a scrape");
    let series: f64 = series["value"][1]
        .as_str()
        .and_then(|text| text.parse().ok())
        .expect("a number");
    let families = prometheus.query("topk(8, count by (__name__) ({job=\"hookbudget\"}))");
    let families = families
        .iter()
        .map(|family| format!("{} {}", family["metric"]["__name__"], family["value"][1]));
    (series, prometheus.resident(), families.collect())
}

#[test]
#[ignore = "measures for minutes; just cost-of-watching"]
fn what_hook_jobs_cost_a_prometheus() {
    println!("| hook Jobs | series | series a Job | samples a second at 30 s | memory of Prometheus |");
    println!("|---|---|---|---|---|");
    for count in [0, 1_000, 10_000] {
        let (series, memory, families) = measured(count, Selection::default());
        let per_job = if count == 0 {
            String::new()
        } else {
            format!("{:.1}", series / f64::from(u32::try_from(count).expect("few")))
        };
        println!(
            "| {count} | {series:.0} | {per_job} | {:.0} | {} MiB |",
            series / 30.0,
            memory >> 20
        );
        for family in families {
            println!("  {family}");
        }
    }
}

/// What the documentation advises to leave out, one step after the other.
const LEFT_OUT: [(&str, &[&str]); 4] = [
    ("nothing", &[]),
    ("the histograms of waits", &["hookbudget_owner_wait_seconds"]),
    (
        "the findings too",
        &["hookbudget_owner_wait_seconds", "hookbudget_job_findings"],
    ),
    (
        "and what dashboards alone show",
        &[
            "hookbudget_owner_wait_seconds",
            "hookbudget_job_findings",
            "hookbudget_job_(attempts|restarts|start_timestamp_seconds)",
            "hookbudget_owner_(consecutive_.+|failures_total)",
        ],
    ),
];

#[test]
#[ignore = "measures for minutes; just cost-of-watching"]
fn what_hook_jobs_cost_a_prometheus_that_does_not_want_everything() {
    println!("| left out | series | memory of Prometheus |\n|---|---|---|");
    let patterns = |texts: &[&str]| {
        let patterns = texts.iter().map(|text| pattern(text).expect("a pattern"));
        patterns.collect::<Vec<_>>()
    };
    let steps = LEFT_OUT
        .iter()
        .map(|(words, denied)| (*words, Selection::without(&patterns(denied))));
    let mut families: Vec<_> = needed().flat_map(|(_, families)| families).collect();
    // What their descriptions tell.
    families.push("hookbudget_job_(chain_info|wait_target_info|gives_up_timestamp_seconds)");
    let alerts = Selection::only(&patterns(&families));
    for (words, selection) in steps.chain([("all but what the alerts need", alerts)]) {
        let (series, memory, _) = measured(10_000, selection);
        println!("| {words} | {series:.0} | {} MiB |", memory >> 20);
    }
}
