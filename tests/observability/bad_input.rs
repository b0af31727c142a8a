//! What a cluster and its scrapes may bring that nobody wants: floods, labels that are taken away, several clusters.

use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use super::cluster::{Cluster, Job, State};
use super::live::PATIENCE;
use super::programs::{scrape, until};
use super::receiver::{Notification, Receiver};
use super::stack;

#[test]
fn a_thousand_jobs_that_fail_in_one_namespace_are_told_a_few_times() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut cluster = Cluster::new();
    for number in 0..1000 {
        cluster.job(Job::new(
            "flood",
            format!("job-{number}"),
            State::Ended("Error", 1, "no"),
        ));
    }
    let receiver = Receiver::start();
    let alertmanager = stack::alertmanager(&folder.path().join("alertmanager"), &receiver);
    let [target, _] = cluster.targets();
    let targets = [scrape("hookbudget", &[&target], true)];
    let prometheus = stack::prometheus(
        &folder.path().join("prometheus"),
        &targets,
        &alertmanager.address,
        stack::SLOW,
    );
    let all =
        "count(ALERTS{alertname=\"HookJobFailed\", namespace=\"flood\", alertstate=\"firing\"}) == 1000";
    until("a thousand alerts fire", PATIENCE, || prometheus.query(all).pop());
    sleep(Duration::from_secs(12));
    let told = receiver.told();
    let about = |told: &&Notification| {
        told.alerts("firing")
            .any(|alert| alert["labels"]["namespace"] == "flood")
    };
    let count = told.iter().filter(about).count();
    assert!(
        (1..=3).contains(&count),
        "a thousand failing Jobs are told {count} times"
    );
    let longest = receiver.chat().iter().map(|one| one.to_string().len()).max();
    assert!(longest < Some(12_000), "a chat is sent {longest:?} characters");
    println!(
        "a thousand Jobs that fail in one namespace: {count} notifications, the longest in a chat of {longest:?} characters"
    );
}

#[test]
fn a_scrape_that_takes_labels_away_is_told_and_breaks_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut cluster = Cluster::new();
    for (name, line) in [("one", "a \"quoted\"\nline"), ("two", "no")] {
        cluster.job(Job::new("shop", name, State::Ended("Error", 1, line)));
    }
    let [east, west] = cluster.targets();
    let of = |name: &str, address: &str, honor: bool| {
        let mut target = scrape(name, &[address], honor);
        target["static_configs"][0]["labels"] = json!({"cluster": name, "namespace": "monitoring"});
        target
    };
    // One cluster whose labels are taken away, one whose labels are kept, in one Prometheus; no kube-state-metrics.
    let targets = [of("east", &east, false), of("west", &west, true)];
    let prometheus = stack::prometheus(folder.path(), &targets, "127.0.0.1:9", stack::QUICK);
    let clusters = |alert: &str| {
        let found = prometheus.query(&format!(
            "count by (cluster) (ALERTS{{alertname=\"{alert}\", alertstate=\"firing\"}})"
        ));
        let names = found
            .iter()
            .map(|one| one["metric"]["cluster"].as_str().unwrap_or_default().to_owned());
        names.collect::<Vec<_>>()
    };
    until("the wrong scrape is told", PATIENCE, || {
        (clusters("HookbudgetLabelsOverwritten") == ["east"]).then_some(())
    });
    until("both clusters tell of their Jobs", PATIENCE, || {
        let mut names = clusters("HookJobFailed");
        names.sort();
        (names == ["east", "west"]).then_some(())
    });
    let failed = "sum by (rule_group) (prometheus_rule_evaluation_failures_total{rule_group!~\".*;hookbudget.broken\"}) > 0";
    assert_eq!(
        prometheus.query(failed),
        Vec::<Value>::new(),
        "{}",
        prometheus.log()
    );
    let west = prometheus
        .query("ALERTS{alertname=\"HookJobFailed\", cluster=\"west\", namespace=\"shop\", job_name=\"one\"}");
    assert_eq!(west.len(), 1, "{west:?}");
}
