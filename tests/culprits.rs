//! Jobs that end at the same object know of each other; a run against the blocker of the run before is advised
//! against; releases that wait for each other are walked through.
#![cfg(feature = "server")]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // helpers of tests

#[path = "support/standing.rs"]
mod standing;

use std::sync::Arc;

use hookbudget::engine::culprit::LISTED;
use hookbudget::engine::diagnosis::{Diagnosis, RetryAdvice};
use hookbudget::engine::evidence::{Dependency, ObjectRef};
use hookbudget::engine::root_cause::RootCause;
use hookbudget::index::{Action, Change, Index, JobKey, Kind, Settings};
use serde_json::{Value, json};
use standing::{at, raw};

fn empty() -> Index {
    let mut index = Index::new(Settings::new(at(0)));
    for kind in Kind::ALL {
        index.change(Change::Absent(kind), at(0));
    }
    index
}

fn apply(index: &mut Index, kind: Kind, object: &Value, second: i64) {
    let object = raw(object);
    index.change(Change::Apply { kind, object }, at(second));
}

/// A Job that calls `db` and has failed of its deadline.
fn job(name: &str, created: i64, more: &Value) -> Value {
    let mut job = json!({"metadata": {"name": name, "namespace": "demo", "uid": name, "generation": 1,
            "creationTimestamp": at(created).to_string(), "annotations": {"helm.sh/hook": "post-install"}},
        "spec": {"activeDeadlineSeconds": 60, "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x",
            "command": ["sh", "-c", "until curl -f http://db:80/; do sleep 1; done"]}]}}},
        "status": {"startTime": at(created).to_string(), "conditions": [{"type": "Failed", "status": "True",
            "reason": "DeadlineExceeded", "lastTransitionTime": at(created + 60).to_string()}]}});
    for (key, value) in more.as_object().unwrap() {
        job["metadata"][key] = value.clone();
    }
    job
}

/// The Service `db` stands before a Pod that crashes.
fn looked(name: &str, pod: &str) -> Change {
    let dependency = json!({"object": {"kind": "Service", "namespace": "demo", "name": "db"}, "exists": true, "ready": 0,
        "created": at(-9000), "workloads": [{"object": {"kind": "Deployment", "namespace": "demo", "name": "db"}, "wanted": 1,
            "created": at(-9000), "pods": [{"namespace": "demo", "name": pod, "phase": "Running", "created": at(-9000),
                "containers": [{"name": "c", "restarts": 9, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}]}]});
    Change::Dependency {
        job: JobKey::new("demo", name),
        dependency: serde_json::from_value(dependency).unwrap(),
        events: Vec::new(),
    }
}

fn fail(index: &mut Index, name: &str, created: i64, pod: &str, more: &Value) {
    apply(index, Kind::Job, &job(name, created, more), created + 60);
    index.settle(at(created + 60));
    index.change(looked(name, pod), at(created + 61));
    index.settle(at(created + 61));
}

fn diagnosis(index: &Index, name: &str) -> Diagnosis {
    let view = index.job("demo", name).expect(name);
    Arc::unwrap_or_clone(view.diagnosis().expect("a diagnosis"))
}

#[test]
fn jobs_that_end_at_the_same_pod_name_each_other() {
    let mut index = empty();
    fail(&mut index, "a", 0, "db-1", &json!({}));
    assert!(diagnosis(&index, "a").same_culprit.is_empty());
    fail(&mut index, "b", 0, "db-1", &json!({}));
    fail(&mut index, "c", 0, "db-2", &json!({}));
    let (a, c) = (diagnosis(&index, "a"), diagnosis(&index, "c"));
    assert_eq!(a.root_cause, Some(RootCause::DependencyCrashloop));
    assert_eq!(
        a.culprit.as_ref().map(|culprit| culprit.name.as_str()),
        Some("db-1")
    );
    let names: Vec<_> = a.same_culprit.iter().map(|job| job.name.as_str()).collect();
    assert_eq!(names, ["b"]);
    assert!(c.same_culprit.is_empty());
    let view = index.job("demo", "a").unwrap();
    let labels = view.culprit_labels().unwrap();
    assert_eq!(
        labels,
        "culprit_kind=\"Pod\",culprit_namespace=\"demo\",culprit_name=\"db-1\",depth=\"3\""
    );
    // One that comes to another end leaves the group.
    index.change(looked("b", "db-2"), at(70));
    index.settle(at(70));
    assert!(diagnosis(&index, "a").same_culprit.is_empty());
    assert_eq!(diagnosis(&index, "c").same_culprit.len(), 1);
}

#[test]
fn a_large_group_is_bounded_and_counted() {
    let mut index = empty();
    for number in 0..100 {
        fail(&mut index, &format!("job-{number:03}"), 0, "db-1", &json!({}));
    }
    index.tick(at(90));
    let first = diagnosis(&index, "job-000");
    assert_eq!(first.same_culprit.len(), LISTED);
    assert_eq!(first.same_culprit_more as usize, 99 - LISTED);
    assert_eq!(
        index
            .diagnose(&JobKey::new("demo", "job-099"), at(90))
            .unwrap()
            .same_culprit
            .len(),
        LISTED
    );
}

fn of_cron() -> Value {
    json!({"annotations": {}, "ownerReferences": [
        {"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": "c", "controller": true}]})
}

#[test]
fn the_next_run_of_an_owner_is_held_against_the_last() {
    let mut index = empty();
    fail(&mut index, "nightly-1", 0, "db-1", &of_cron());
    assert_eq!(diagnosis(&index, "nightly-1").retry_reason, None);
    fail(&mut index, "nightly-2", 1000, "db-1", &of_cron());
    let second = diagnosis(&index, "nightly-2");
    assert_eq!(second.retry_advice, RetryAdvice::DoNotRetry);
    let reason = second.retry_reason.expect("a reason");
    assert!(
        reason.contains("nightly-1") && reason.contains("Pod demo/db-1"),
        "{reason}"
    );
    // Another Pod is another blocker.
    fail(&mut index, "nightly-3", 2000, "db-2", &of_cron());
    assert_eq!(diagnosis(&index, "nightly-3").retry_reason, None);
}

#[test]
fn a_success_in_between_clears_the_blocker() {
    let mut index = empty();
    fail(&mut index, "nightly-1", 0, "db-1", &of_cron());
    let mut well = job("nightly-2", 1000, &of_cron());
    well["status"] = json!({"startTime": at(1000).to_string(), "completionTime": at(1030).to_string(), "succeeded": 1,
        "conditions": [{"type": "Complete", "status": "True", "lastTransitionTime": at(1030).to_string()}]});
    apply(&mut index, Kind::Job, &well, 1030);
    index.settle(at(1030));
    fail(&mut index, "nightly-3", 2000, "db-1", &of_cron());
    assert_eq!(diagnosis(&index, "nightly-3").retry_reason, None);
}

fn release(name: &str, target: &str, ready: &str, on: &[&str]) -> Value {
    let on: Vec<Value> = on.iter().map(|name| json!({"name": name})).collect();
    json!({"apiVersion": "helm.toolkit.fluxcd.io/v2", "metadata": {"name": name, "namespace": "flux-system", "uid": name},
        "spec": {"targetNamespace": target, "storageNamespace": target, "dependsOn": on},
        "status": {"conditions": [{"type": "Ready", "status": ready, "reason": "InstallFailed", "message": format!("{name} says no"),
            "lastTransitionTime": at(-2000).to_string()}]}})
}

#[test]
fn a_service_that_is_missing_is_traced_over_its_release_to_the_one_that_failed() {
    let mut index = empty();
    for (name, target, ready, on) in [
        ("bp-db", "databases", "False", &["bp-operator"][..]),
        ("bp-operator", "operators", "False", &["bp-db"]),
        ("bp-well", "databases", "True", &[]),
    ] {
        apply(
            &mut index,
            Kind::HelmRelease,
            &release(name, target, ready, on),
            0,
        );
    }
    let mut failed = job("hook", 0, &json!({}));
    failed["spec"]["template"]["spec"]["containers"][0]["command"][2] =
        json!("until curl -f http://db.databases.svc:80/; do sleep 1; done");
    apply(&mut index, Kind::Job, &failed, 60);
    index.settle(at(60));
    let asked = index.take_actions();
    assert!(
        asked
            .iter()
            .any(|ask| matches!(ask, Action::Inspect { namespace, .. } if namespace == "databases")),
        "{asked:?}"
    );
    let missing = Dependency {
        object: ObjectRef {
            kind: "Service".to_owned(),
            namespace: "databases".to_owned(),
            name: "db".to_owned(),
        },
        exists: Some(false),
        ..Dependency::default()
    };
    index.change(
        Change::Dependency {
            job: JobKey::new("demo", "hook"),
            dependency: Box::new(missing),
            events: Vec::new(),
        },
        at(61),
    );
    index.settle(at(61));
    let found = diagnosis(&index, "hook");
    let names: Vec<_> = found.chain.iter().map(|link| link.name.as_str()).collect();
    assert_eq!(names, ["hook", "db", "bp-db", "bp-operator"]);
    assert_eq!(found.root_cause, Some(RootCause::DependencyNotReady));
    assert!(found.chain[3].proof.contains("bp-operator says no"));
    // What the releases have installed is asked for at once, and once.
    let asked = index.take_actions();
    let of_releases = |asked: &[Action]| {
        let releases = asked
            .iter()
            .filter(|ask| matches!(ask, Action::InspectRelease { .. }));
        releases.count()
    };
    assert_eq!(of_releases(&asked), 2, "{asked:?}");
    index.settle(at(62));
    apply(&mut index, Kind::Job, &failed, 63);
    index.settle(at(63));
    assert_eq!(of_releases(&index.take_actions()), 0);
}
