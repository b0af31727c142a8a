//! Failures within the time that something is given to come up: transient until it is over, real behind it, if nothing
//! has succeeded since.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // helpers of tests
#![cfg(feature = "server")]

#[path = "support/standing.rs"]
mod standing;

use std::sync::Arc;

use hookbudget::engine::evidence::{Dependency, SignatureHit};
use hookbudget::engine::policy::Policy;
use hookbudget::engine::root_cause::RootCause;
use hookbudget::index::{Change, Clock, Handle, Index, JobKey, JobView, Kind, Settings};
use serde_json::{Value, json};
use standing::{at, raw, synced};

/// When the Jobs fail, and when the time is over that the policy gives what they call.
const FAILED: i64 = 300;
const OVER: i64 = 600;

fn failed(second: i64) -> Value {
    json!({"startTime": at(0).to_string(), "failed": 1, "conditions": [{"type": "Failed", "status": "True",
        "reason": "DeadlineExceeded", "lastTransitionTime": at(second).to_string()}]})
}

fn succeeded(second: i64) -> Value {
    json!({"startTime": at(0).to_string(), "succeeded": 1, "completionTime": at(second).to_string(),
        "conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": at(second).to_string()}]})
}

/// A run of the `CronJob` sync, which waits for the Service db.
fn job(name: &str, status: &Value) -> Value {
    json!({"metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}"), "generation": 1,
            "creationTimestamp": at(0).to_string(), "annotations": {"hookbudget.dev/wait-for": "http://db:8080"},
            "ownerReferences": [{"apiVersion": "batch/v1", "kind": "CronJob", "name": "sync", "uid": "cron-uid",
                "controller": true}]},
        "spec": {"backoffLimit": 0, "activeDeadlineSeconds": 300, "template": {"spec": {"restartPolicy": "Never",
            "containers": [{"name": "c0", "image": "curl:8", "command": ["sync"]}]}}},
        "status": status})
}

/// The Service db as a look at second 300 shows it: its Pod, made at second 0, runs and is not ready.
fn starting(job: &str) -> Change {
    let dependency: Dependency = serde_json::from_value(json!({
        "object": {"kind": "Service", "namespace": "shop", "name": "db"}, "exists": true, "ready": 0, "not_ready": 1,
        "workloads": [{"object": {"kind": "Deployment", "namespace": "shop", "name": "db"}, "wanted": 1,
            "pods": [{"namespace": "shop", "name": "db-1", "phase": "Running", "created": at(0).to_string()}]}]}))
    .unwrap();
    Change::Dependency {
        job: JobKey::new("shop", job),
        dependency: Box::new(dependency),
        events: Vec::new(),
    }
}

fn apply(index: &mut Index, object: &Value, second: i64) {
    index.apply(Kind::Job, &object.to_string(), at(second));
    index.settle(at(second));
}

/// A Job that has failed while what it waits for was starting.
fn fails(index: &mut Index, name: &str) {
    apply(index, &job(name, &failed(FAILED)), FAILED);
    index.change(starting(name), at(FAILED + 1));
    index.settle(at(FAILED + 1));
}

fn view(index: &Index, name: &str) -> JobView {
    index
        .job("shop", name)
        .unwrap_or_else(|| panic!("Job {name} is not in the index"))
}

/// The labels that decide who is told of a Job.
fn told(index: &Index, name: &str) -> [String; 3] {
    let view = view(index, name);
    let labels = view.cause_labels().expect("a cause").to_owned();
    let value = |label: &str| {
        let rest = labels.split_once(&format!("{label}=\"")).expect("a label").1;
        rest.split('"').next().unwrap().to_owned()
    };
    ["root_cause", "verdict", "severity"].map(value)
}

const TRANSIENT: [&str; 3] = ["dependency_slow_start", "transient", "info"];
const REAL: [&str; 3] = ["dependency_slow_start", "real", "warning"];

#[test]
fn a_failure_is_real_once_the_time_is_over() {
    let mut index = synced();
    fails(&mut index, "sync-1");
    assert_eq!(told(&index, "sync-1"), TRANSIENT);
    let before = view(&index, "sync-1");
    index.tick(at(OVER - 1));
    assert_eq!(told(&index, "sync-1"), TRANSIENT);
    let _ = index.take_actions();
    index.tick(at(OVER));
    assert_eq!(told(&index, "sync-1"), REAL);
    assert!(
        index.take_actions().is_empty(),
        "what stood in the way at the end stands"
    );
    let after = view(&index, "sync-1");
    let diagnosis = after.diagnosis().unwrap();
    assert_eq!(diagnosis.chain, before.diagnosis().unwrap().chain);
    assert!(
        diagnosis
            .summary
            .ends_with(" It was given until 2026-11-21T10:10:00Z.")
    );
    assert_ne!(
        after.reported().unwrap().mark,
        before.reported().unwrap().mark,
        "it is written down"
    );
}

#[test]
fn who_has_succeeded_since_is_left_alone() {
    let mut index = synced();
    fails(&mut index, "sync-1");
    apply(&mut index, &job("sync-2", &succeeded(400)), 400);
    apply(&mut index, &job("sync-3", &failed(500)), 500);
    for second in [OVER, OVER + 100] {
        index.tick(at(second));
        assert_eq!(told(&index, "sync-1"), TRANSIENT, "{second}");
    }
    // A success says nothing about a later failure, and what is over is no blocker of a later run.
    assert_ne!(told(&index, "sync-3")[1], "transient");
    let mut next = job("sync-4", &failed(900));
    next["metadata"]["creationTimestamp"] = json!(at(450).to_string());
    apply(&mut index, &next, 900);
    let evidence = index.evidence(&JobKey::new("shop", "sync-4")).unwrap();
    assert_eq!(evidence.previous, None);
}

#[test]
fn a_job_that_is_gone_stays_what_it_was() {
    let mut index = synced();
    for name in ["sync-1", "sync-2"] {
        fails(&mut index, name);
    }
    let delete = |index: &mut Index, name: &str, second: i64| {
        index.delete(Kind::Job, &job(name, &failed(FAILED)).to_string(), at(second));
        index.settle(at(second));
    };
    delete(&mut index, "sync-1", OVER - 10);
    index.tick(at(OVER));
    delete(&mut index, "sync-2", OVER + 10);
    index.tick(at(OVER + 20));
    assert_eq!(told(&index, "sync-1"), TRANSIENT);
    assert_eq!(told(&index, "sync-2"), REAL);
}

#[test]
fn what_failed_long_ago_is_real_from_the_start() {
    let mut index = Index::new(Settings::new(at(5000)));
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Job) {
        index.reset(kind, &[], at(5000));
    }
    index.apply(Kind::Job, &job("sync-1", &failed(FAILED)).to_string(), at(5001));
    index.change(starting("sync-1"), at(5001));
    index.settle(at(5001));
    assert_eq!(told(&index, "sync-1"), TRANSIENT, "a later run may be on its way");
    index.reset(Kind::Job, &[raw(&job("sync-1", &failed(FAILED)))], at(5002));
    index.settle(at(5002));
    assert_eq!(told(&index, "sync-1"), REAL);
}

/// What a process that begins at this second knows, once it has read back what was written down of a failure, and has
/// listed these Jobs.
fn restarted(second: i64, jobs: &[Value]) -> Index {
    let mut old = synced();
    fails(&mut old, "sync-1");
    let evidence = old.evidence(&JobKey::new("shop", "sync-1")).unwrap();
    let written = serde_json::to_string(&evidence).unwrap();
    let mut index = Index::new(Settings::new(at(second)));
    index.restore(
        serde_json::from_str(&written).unwrap(),
        at(FAILED + 1),
        at(second),
    );
    index.settle(at(second));
    assert_eq!(
        told(&index, "sync-1"),
        TRANSIENT,
        "whether it is still there is not known yet"
    );
    for kind in Kind::ALL {
        let jobs = if kind == Kind::Job { jobs } else { &[] };
        index.reset(kind, &jobs.iter().map(raw).collect::<Vec<_>>(), at(second));
        index.settle(at(second));
    }
    index
}

#[test]
fn a_restart_loses_neither_the_evidence_nor_the_time() {
    let still = [job("sync-1", &failed(FAILED))];
    // While the time goes on.
    let mut index = restarted(OVER - 100, &still);
    assert_eq!(told(&index, "sync-1"), TRANSIENT);
    index.tick(at(OVER));
    assert_eq!(told(&index, "sync-1"), REAL);
    // When it is over.
    let mut index = restarted(OVER + 100, &still);
    assert_eq!(told(&index, "sync-1"), REAL);
    index.tick(at(OVER + 110));
    assert_eq!(told(&index, "sync-1"), REAL);
    // A later run, or nothing at all, is there.
    let later = [still[0].clone(), job("sync-2", &succeeded(400))];
    for jobs in [&later[..], &[]] {
        let mut index = restarted(OVER + 100, jobs);
        index.tick(at(OVER + 110));
        assert_eq!(told(&index, "sync-1"), TRANSIENT, "{jobs:?}");
    }
}

#[test]
fn the_window_of_a_signature_ends_as_well() {
    let policy = json!({"signatures": [{"name": "api_down", "severity": "critical", "within": "20m",
        "when": {"object": {"apiVersion": "v1", "kind": "Node", "cel": "true"}}}]});
    let mut index = Index::new(Settings {
        policy: Arc::new(serde_json::from_value::<Policy>(policy).unwrap()),
        ..Settings::new(at(0))
    });
    for kind in Kind::ALL {
        index.change(Change::Absent(kind), at(0));
    }
    apply(&mut index, &job("sync-1", &failed(FAILED)), FAILED);
    let hit: SignatureHit = serde_json::from_value(json!({"name": "api_down", "proof": "Ready=False",
        "object": {"kind": "Node", "namespace": "", "name": "n1"}, "since": at(100).to_string()}))
    .unwrap();
    let change = Change::Signatures {
        job: JobKey::new("shop", "sync-1"),
        found: vec![hit],
        lost: Vec::new(),
    };
    index.change(change, at(FAILED + 1));
    index.settle(at(FAILED + 1));
    for (second, verdict, severity) in [
        (FAILED + 2, "transient", "info"),
        (1299, "transient", "info"),
        (1300, "real", "critical"),
        (9000, "real", "critical"),
    ] {
        index.tick(at(second));
        let expected = ["custom_api_down", verdict, severity];
        assert_eq!(told(&index, "sync-1"), expected, "{second}");
    }
}

#[test]
fn many_that_are_over_at_once_are_judged_in_turns_and_once_each() {
    const JOBS: u64 = 1300;
    let handle = Handle::new(Settings::new(at(0)), Clock::Real);
    let names: Vec<String> = (0..JOBS).map(|number| format!("sync-{number:04}")).collect();
    let judged = || -> u64 { handle.snapshot().took.unwrap().counts.iter().sum() };
    handle.with(|index| {
        for kind in Kind::ALL {
            index.reset(kind, &[], at(0));
        }
        for name in &names {
            fails(index, name);
        }
    });
    let real = || {
        let jobs = handle.snapshot().jobs;
        jobs.iter()
            .filter(|job| job.cause_labels().unwrap().contains("verdict=\"real\""))
            .count()
    };
    handle.with(|index| index.tick(at(OVER - 2)));
    let before = judged();
    assert_eq!(real(), 0);
    for (tick, expected) in (0..).zip([500, 1000, 1300, 1300, 1300]) {
        handle.with(|index| index.tick(at(OVER + 2 * tick)));
        assert_eq!(real(), expected, "{tick}");
    }
    assert_eq!(judged() - before, JOBS);
    let all = handle.snapshot().jobs;
    assert!(
        all.iter()
            .all(|job| job.root_cause() == Some(RootCause::DependencySlowStart))
    );
}
