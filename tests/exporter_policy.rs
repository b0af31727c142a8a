//! The exporter's policy while it runs: a changed file is in force without a restart, a bad one never is.
#![cfg(all(feature = "cli", feature = "server"))]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // helpers of tests

#[path = "support/api.rs"]
mod api;
#[path = "support/exporter.rs"]
mod exporter;
#[path = "support/standing.rs"]
mod standing;
mod support;

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::{Api, Objects};
use exporter::Exporter;
use hookbudget::cli::policy::read_text;
use hookbudget::engine::Seconds;
use hookbudget::index::{Change, Index, Kind, LogKey, LogLine, Settings};
use serde_json::{Value, json};
use standing::at;

fn job(name: &str, status: &Value) -> Value {
    json!({"metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}"), "generation": 1, "resourceVersion": "5",
            "creationTimestamp": at(0).to_string(), "annotations": {"helm.sh/hook": "post-install",
            "hookbudget.dev/wait-for": "http://customer-47:80/x"}},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "a:1", "command": ["x"]}]}}},
        "status": status})
}

fn failed() -> Value {
    json!({"startTime": at(0).to_string(), "failed": 1, "conditions": [
        {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "lastTransitionTime": at(50).to_string()}]})
}

fn pod(job: &str) -> Value {
    let end = json!({"terminated": {"exitCode": 3, "reason": "Error", "finishedAt": at(40).to_string()}});
    json!({"metadata": {"name": format!("{job}-abcde"), "namespace": "shop", "uid": format!("pod-{job}"), "resourceVersion": "6",
            "labels": {"batch.kubernetes.io/job-name": job}},
        "spec": {"containers": [{"name": "c", "image": "a:1"}]},
        "status": {"phase": "Failed", "containerStatuses": [{"name": "c", "restartCount": 0, "state": end}]}})
}

/// Hides customers, knows the ledger, counts rounds, and gives everybody two minutes to come up.
const POLICY: &str = "coldStart: 2m
releaseTimeout: 20m
redact: {patterns: ['customer-[0-9]+']}
progress: {patterns: ['round (?<attempt>[0-9]+) of (?<limit>[0-9]+)']}
signatures:
  - name: ledger_locked
    when: {text: 'ledger is locked'}
    verdict: real
    severity: critical
    route: app
    finding: the ledger is locked
    repair: Unlock the ledger.
";

#[test]
fn another_policy_changes_what_is_told_of_jobs_that_are_there() {
    let mut index = Index::new(Settings::new(at(0)));
    for kind in Kind::ALL {
        index.reset(kind, &[], at(0));
    }
    let running = json!({"startTime": at(0).to_string(), "active": 1});
    for (name, status) in [("waits", &running), ("died", &failed())] {
        index.apply(Kind::Job, &job(name, status).to_string(), at(1));
        index.apply(Kind::Pod, &pod(name).to_string(), at(1));
        let log = LogKey {
            namespace: "shop".into(),
            pod: format!("{name}-abcde"),
            container: "c".into(),
            attempt: 0,
        };
        let lines = ["customer-47: the ledger is locked", "round 3 of 12"];
        let lines = lines
            .map(|text| LogLine {
                at: None,
                text: text.to_owned(),
            })
            .to_vec();
        index.change(Change::Log { log, lines }, at(2));
    }
    index.settle(at(60));
    let before = index.job("shop", "died").unwrap();
    assert!(before.tail()[0].contains("customer-47") && before.root_cause().is_some());
    let mark = before.reported().unwrap().mark;

    let policy = Arc::new(read_text("policy.yaml", POLICY).unwrap());
    index.set_policy(Arc::clone(&policy), at(61));
    let died = index.job("shop", "died").unwrap();
    assert_eq!(died.root_cause().unwrap().as_str(), "custom_ledger_locked");
    assert!(died.tail()[0].starts_with("[redacted]"), "{:?}", died.tail());
    assert_ne!(
        died.reported().unwrap().mark,
        mark,
        "what was written down is written anew"
    );
    let waits = index.job("shop", "waits").unwrap();
    let cold_start = waits.budgets().find(|budget| budget.clock == "cold_start");
    assert_eq!(cold_start.map(|budget| budget.span), Some(Seconds::new(120)));
    let progress = waits.diagnosis().unwrap().progress.clone().unwrap();
    assert_eq!((progress.attempt, progress.attempts), (Some(3), Some(12)));
    let release = waits.budgets().find(|budget| budget.clock == "release").unwrap();
    assert_eq!(release.span, Seconds::new(1_200));
    for view in [&waits, &died] {
        let shown = format!(
            "{:?} {:?} {:?}",
            view.tail(),
            view.target_labels(),
            view.diagnosis()
        );
        assert!(!shown.contains("customer-47"), "{shown}");
    }
    // And back: what was hidden stays hidden.
    index.set_policy(Arc::default(), at(62));
    let died = index.job("shop", "died").unwrap();
    assert_ne!(died.root_cause().unwrap().as_str(), "custom_ledger_locked");
    assert!(died.tail()[0].starts_with("[redacted]"));
    // The same one again is no news.
    let diagnosis = |index: &Index| index.job("shop", "died").unwrap().diagnosis().unwrap();
    let same = diagnosis(&index);
    index.set_policy(Arc::default(), at(63));
    assert!(Arc::ptr_eq(&same, &diagnosis(&index)));
}

/// Asks until the answer is as wished for.
fn until(exporter: &Exporter, path: &str, what: &str, wished: impl Fn(&str) -> bool) -> String {
    let begun = Instant::now();
    loop {
        let answer = exporter.get(path, "*/*").unwrap_or_default();
        if wished(&answer) {
            return answer;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "{what}: {answer}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_policy_is_never_in_force_and_a_good_one_without_a_restart() {
    let api = Api::start(Objects {
        lists: [
            ("jobs", vec![job("died", &failed())]),
            ("pods", vec![pod("died")]),
            ("events", vec![]),
            ("cronjobs", vec![]),
        ]
        .into(),
        log: vec!["customer-47: the ledger is locked\n".into()],
        ..Objects::default()
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = directory.path().join("kubeconfig");
    fs::write(&kubeconfig, api.kubeconfig()).unwrap();
    let policy = directory.path().join("policy.yaml");
    fs::write(&policy, "coldStrat: 2m\n").unwrap();
    let name = policy.display().to_string();
    let arguments = ["--policy", &name, "--policy-config-map", "hookbudget-policy"];
    let exporter = Exporter::start(&kubeconfig.display().to_string(), &arguments);

    let is = |sample: &'static str| move |answer: &str| answer.lines().any(|line| line == sample);
    until(
        &exporter,
        "/metrics",
        "refused",
        is("hookbudget_policy_load_success 0"),
    );
    let told = |reason: &str| api.written().iter().any(|body| body.contains(reason));
    let begun = Instant::now();
    while !told("HookbudgetPolicyRefused") {
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", api.written());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(
        exporter
            .get("/readyz", "*/*")
            .unwrap()
            .starts_with("HTTP/1.1 503")
    );
    assert!(
        !api.asked().iter().any(|path| path.contains("/jobs")),
        "nothing is taken in: {:?}",
        api.asked()
    );

    fs::write(&policy, POLICY).unwrap();
    until(
        &exporter,
        "/metrics",
        "loaded",
        is("hookbudget_policy_load_success 1"),
    );
    let page = until(&exporter, "/", "judged", |page| {
        page.contains("custom_ledger_locked")
    });
    assert!(
        page.contains("[redacted]: the ledger is locked") && !page.contains("customer-47"),
        "{page}"
    );

    fs::write(&policy, "redact: {patterns: ['(']}\n").unwrap();
    until(
        &exporter,
        "/metrics",
        "refused again",
        is("hookbudget_policy_loads_total{result=\"refused\"} 2"),
    );
    let page = exporter.get("/", "*/*").unwrap();
    assert!(
        page.contains("custom_ledger_locked") && !page.contains("customer-47"),
        "the last good one holds"
    );

    fs::write(
        &policy,
        POLICY
            .replace("ledger is locked", "something else")
            .replace("2m", "3m"),
    )
    .unwrap();
    until(&exporter, "/metrics", "another one", |text| {
        text.contains("hookbudget_policy_loads_total{result=\"loaded\"} 2")
            && !text.contains("custom_ledger_locked")
    });
    assert!(told("HookbudgetPolicyLoaded"), "{:?}", api.written());
    let log = exporter.end();
    assert!(
        log.contains("coldStart") && log.contains("the policy is refused"),
        "{log}"
    );
}
