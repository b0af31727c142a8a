//! `JobDiagnosis` objects: what is written, and what an index knows after it has been read back.
#![cfg(feature = "server")]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // helpers of tests

#[path = "support/standing.rs"]
mod standing;
mod support;

use hookbudget::engine::Seconds;
use hookbudget::engine::evidence::{Dependency, Evidence, ObjectRef};
use hookbudget::engine::root_cause::RootCause;
use hookbudget::index::{Action, Change, Index, JobKey, Kind, LogKey, LogLine, Settings};
use hookbudget::report::{MOST_BYTES, crd, object};
use serde_json::{Value, json};
use standing::{at, raw};
use support::root;

fn empty() -> Index {
    Index::new(Settings::new(at(0)))
}

fn list(index: &mut Index, kind: Kind, objects: &[Value], second: i64) {
    let objects: Vec<_> = objects.iter().map(raw).collect();
    index.reset(kind, &objects, at(second));
}

fn list_all(index: &mut Index, jobs: &[Value], second: i64) {
    for kind in Kind::ALL {
        list(index, kind, if kind == Kind::Job { jobs } else { &[] }, second);
    }
    index.settle(at(second));
}

/// A night's run of a `CronJob` whose container ran out of memory, and what is left of it: the Job.
fn job(status: &Value) -> Value {
    json!({"metadata": {"name": "backup-1", "namespace": "tofu-state", "uid": "0f3c9a1e-7d5b", "generation": 1,
            "creationTimestamp": at(0).to_string(), "ownerReferences": [
                {"apiVersion": "batch/v1", "kind": "CronJob", "name": "backup", "uid": "cron-uid", "controller": true}]},
        "spec": {"backoffLimit": 2, "template": {"spec": {"restartPolicy": "OnFailure",
            "containers": [{"name": "c0", "image": "alpine:3.22", "command": ["backup"]}]}}},
        "status": status})
}

fn failed() -> Value {
    job(
        &json!({"startTime": at(0).to_string(), "failed": 1, "conditions": [{"type": "Failed", "status": "True",
        "reason": "BackoffLimitExceeded", "lastTransitionTime": at(40).to_string()}]}),
    )
}

fn pod() -> Value {
    json!({"metadata": {"name": "backup-1-abcde", "namespace": "tofu-state", "uid": "pod-uid",
            "creationTimestamp": at(0).to_string(), "labels": {"batch.kubernetes.io/job-name": "backup-1"}},
        "spec": {"nodeName": "node-1", "containers": [{"name": "c0", "image": "alpine:3.22"}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "c0", "restartCount": 1, "ready": false,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
            "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled",
                "startedAt": at(1).to_string(), "finishedAt": at(9).to_string()}}}]}})
}

fn lines(count: usize, text: &str) -> Vec<LogLine> {
    vec![
        LogLine {
            at: None,
            text: text.to_owned()
        };
        count
    ]
}

/// An index that has seen the Pod die and the Job fail.
fn seen(log: &str) -> Index {
    let mut index = empty();
    list_all(
        &mut index,
        &[job(&json!({"startTime": at(0).to_string(), "active": 1}))],
        0,
    );
    index.apply(Kind::Pod, &pod().to_string(), at(10));
    for attempt in 0..24 {
        let key = LogKey {
            namespace: "tofu-state".to_owned(),
            pod: "backup-1-abcde".to_owned(),
            container: "c0".to_owned(),
            attempt,
        };
        index.change(
            Change::Log {
                log: key,
                lines: lines(40, log),
            },
            at(11),
        );
    }
    index.apply(Kind::Job, &failed().to_string(), at(40));
    index.settle(at(41));
    index
}

fn key() -> JobKey {
    JobKey::new("tofu-state", "backup-1")
}

fn cause(index: &Index) -> Option<RootCause> {
    index
        .job("tofu-state", "backup-1")
        .and_then(|job| job.root_cause())
}

fn written(index: &Index) -> Value {
    let job = index.job("tofu-state", "backup-1").unwrap();
    object(&job, index.evidence(&key()).unwrap(), Some("oom_killed"), at(41)).expect("an object")
}

fn evidence_of(object: &Value) -> Evidence {
    serde_json::from_value(object["evidence"].clone()).expect("evidence")
}

#[test]
fn the_cause_is_known_after_a_restart_though_the_pod_is_gone() {
    let before = seen("fetching mc (25 MB)");
    assert_eq!(cause(&before), Some(RootCause::OomKilled));
    let kept = written(&before);
    // Without it, all that is left says nothing.
    let mut blank = empty();
    list_all(&mut blank, &[failed()], 100);
    assert_eq!(cause(&blank), Some(RootCause::EvidenceLost));
    let mut after = empty();
    after.restore(evidence_of(&kept), at(41), at(90));
    after.settle(at(90));
    assert_eq!(cause(&after), Some(RootCause::OomKilled), "before the first list");
    list_all(&mut after, &[failed()], 100);
    assert_eq!(cause(&after), Some(RootCause::OomKilled));
    let (old, new) = (
        before.job("tofu-state", "backup-1").unwrap(),
        after.job("tofu-state", "backup-1").unwrap(),
    );
    let (old, new) = (old.diagnosis().unwrap(), new.diagnosis().unwrap());
    assert_eq!(
        (&old.chain, &old.evidence, &old.evidence_lost),
        (&new.chain, &new.evidence, &new.evidence_lost)
    );
    assert_eq!(old.summary, new.summary);
}

#[test]
fn a_job_that_went_meanwhile_stays_published_for_its_retention() {
    let kept = written(&seen("x"));
    let mut index = empty();
    index.restore(evidence_of(&kept), at(41), at(600));
    list_all(&mut index, &[], 600);
    assert_eq!(cause(&index), Some(RootCause::OomKilled));
    index.tick(at(3000));
    assert_eq!(cause(&index), Some(RootCause::OomKilled));
    // One hour after it was written down last, not after the restart.
    index.tick(at(41 + 3601));
    assert_eq!(cause(&index), None);
    assert_eq!(index.sizes(), (0, 0, 0));
}

#[test]
fn another_job_of_the_same_name_does_not_inherit_what_the_old_one_died_of() {
    let kept = written(&seen("x"));
    let mut index = empty();
    index.restore(evidence_of(&kept), at(41), at(90));
    let mut new = failed();
    new["metadata"]["uid"] = json!("another");
    new["metadata"]["creationTimestamp"] = json!(at(60).to_string());
    list_all(&mut index, &[new], 100);
    assert_eq!(cause(&index), Some(RootCause::EvidenceLost));
}

/// A Job that calls a Service without an endpoint, as it is written down after `second`.
fn blocked(job_object: &Value, second: i64) -> Value {
    let mut index = empty();
    list_all(&mut index, std::slice::from_ref(job_object), 0);
    index.apply(Kind::Pod, &pod().to_string(), at(10));
    let log = LogKey {
        namespace: "tofu-state".to_owned(),
        pod: "backup-1-abcde".to_owned(),
        container: "c0".to_owned(),
        attempt: 1,
    };
    let refused = lines(1, "curl: (7) Failed to connect to minio port 9000");
    index.change(Change::Log { log, lines: refused }, at(11));
    index.settle(at(11));
    let asks = index.take_actions();
    assert!(asks.iter().any(is_look), "{asks:?}");
    let service = ObjectRef {
        kind: "Service".to_owned(),
        namespace: "tofu-state".to_owned(),
        name: "minio".to_owned(),
    };
    let dependency = Dependency {
        object: service,
        exists: Some(true),
        ready: Some(0),
        not_ready: Some(0),
        cold_start: Some(Seconds::new(1)),
        created: Some(at(0)),
        ..Dependency::default()
    };
    let found = Change::Dependency {
        job: key(),
        dependency: Box::new(dependency),
        events: Vec::new(),
    };
    index.change(found, at(12));
    index.settle(at(second));
    let view = index.job("tofu-state", "backup-1").unwrap();
    object(&view, index.evidence(&key()).unwrap(), None, at(second)).expect("an object")
}

fn is_look(action: &Action) -> bool {
    matches!(action, Action::Inspect { .. })
}

#[test]
fn what_stood_in_the_way_is_not_looked_for_once_the_end_is_long_ago() {
    let running = job(&json!({"startTime": at(0).to_string(), "active": 1}));
    let kept = blocked(&running, 38);
    // It failed at 40 s while nobody looked.
    for (now, looks) in [(45, true), (60, false)] {
        let mut after = empty();
        after.restore(evidence_of(&kept), at(38), at(now));
        // Before the Job itself is seen, it only seems to wait.
        after.tick(at(now));
        assert!(!after.take_actions().iter().any(is_look), "{now}");
        list_all(&mut after, &[failed()], now);
        assert_eq!(after.take_actions().iter().any(is_look), looks, "{now}");
        let evidence = after.evidence(&key()).unwrap();
        assert_eq!(evidence.dependencies.len(), 1, "{now}");
    }
    // It still waits: how things stand now is what counts.
    let mut after = empty();
    after.restore(evidence_of(&kept), at(38), at(60));
    list_all(&mut after, &[running], 60);
    assert!(after.take_actions().iter().any(is_look));
}

#[cfg(feature = "cli")]
#[test]
fn a_dump_with_what_was_kept_tells_more_than_the_job_alone() {
    let mut kept = written(&seen("fetching mc (25 MB)"));
    kept["metadata"]["creationTimestamp"] = json!(at(41).to_string());
    let mut of_job = failed();
    (of_job["apiVersion"], of_job["kind"]) = (json!("batch/v1"), json!("Job"));
    let cause = |objects: &[&Value], more: &[&str]| {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
        let arguments = ["diagnose", "job/backup-1", "--from", "-", "--format", "json"];
        let ran = support::run_with(&[&arguments, more].concat(), &list);
        serde_json::from_str::<Value>(&ran.out).map_or_else(|_| json!(ran.err), |found| found[0].clone())
    };
    let alone = cause(&[&of_job], &[]);
    assert_eq!(alone["root_cause"], "evidence_lost");
    let both = cause(&[&of_job, &kept], &[]);
    assert_eq!(both["root_cause"], "oom_killed", "{both:#}");
    assert!(both["evidence"].to_string().contains("OOMKilled"), "{both:#}");
    // The Job is gone: what was said of it is left, of its own namespace.
    assert_eq!(cause(&[&kept], &[])["root_cause"], "oom_killed");
    assert_eq!(cause(&[&kept], &["-n", "other"]), Value::Null);
    // A later Job of the same name died of something else.
    of_job["metadata"]["uid"] = json!("another");
    assert_eq!(cause(&[&of_job, &kept], &[])["root_cause"], "evidence_lost");
}

#[test]
fn a_log_that_goes_on_is_followed_again() {
    let mut index = empty();
    let running = json!({"startTime": at(0).to_string(), "active": 1});
    list_all(&mut index, &[job(&running)], 0);
    index.apply(Kind::Pod, &pod().to_string(), at(10));
    index.settle(at(10));
    assert!(!index.take_actions().is_empty());
    let job_view = index.job("tofu-state", "backup-1").unwrap();
    let kept = object(&job_view, index.evidence(&key()).unwrap(), None, at(11)).expect("an object");
    let mut after = empty();
    after.restore(evidence_of(&kept), at(11), at(20));
    for kind in Kind::ALL {
        let objects = match kind {
            Kind::Job => vec![job(&running)],
            Kind::Pod => vec![pod()],
            _ => Vec::new(),
        };
        list(&mut after, kind, &objects, 20);
    }
    after.settle(at(20));
    assert!(
        !after.take_actions().is_empty(),
        "the log of the run before is asked for"
    );
}

#[test]
fn an_object_is_owned_by_who_outlives_the_job_and_fits_its_definition() {
    let kept = written(&seen("fetching"));
    assert_eq!(kept["metadata"]["name"], "backup-1-0f3c9a1e");
    assert_eq!(kept["metadata"]["ownerReferences"][0]["kind"], "CronJob");
    assert_eq!(kept["metadata"]["ownerReferences"][0]["uid"], "cron-uid");
    assert_eq!(kept["report"]["root_cause"], "oom_killed");
    // The API server prunes what the definition does not name, and refuses what has another type.
    let mut schema = crd::crd()
        .pointer("/spec/versions/0/schema/openAPIV3Schema")
        .unwrap()
        .clone();
    close(&mut schema);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<_> = validator
        .iter_errors(&kept)
        .map(|error| error.to_string())
        .collect();
    assert_eq!(errors, [""; 0]);
}

/// A structural schema as JSON Schema: what is not named is refused, `nullable` is a type.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.remove("nullable") == Some(json!(true)) {
                let kind = fields["type"].clone();
                fields.insert("type".to_owned(), json!([kind, "null"]));
            }
            let open = fields.contains_key("x-kubernetes-preserve-unknown-fields");
            if fields.contains_key("properties") && !open {
                fields.insert("additionalProperties".to_owned(), json!(false));
            }
            fields.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

#[test]
fn an_object_stays_within_its_size_and_keeps_the_newest_log() {
    let big = seen(&"wait ".repeat(400));
    let kept = written(&big);
    assert!(
        kept.to_string().len() < MOST_BYTES + 64 * 1024,
        "{}",
        kept.to_string().len()
    );
    let evidence = evidence_of(&kept);
    assert!(!evidence.logs.is_empty() && !evidence.pods.is_empty());
}

#[test]
fn what_another_version_wrote_is_no_reason_to_fail() {
    for text in ["{}", r#"{"job": {"name": "x", "colour": 3}, "new": []}"#] {
        let evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let mut index = empty();
        index.restore(evidence, at(0), at(1));
        index.settle(at(1));
        assert_eq!(index.sizes().0, 0, "{text}");
    }
}

#[test]
fn the_definition_in_the_chart_is_up_to_date() {
    let path = root().join("charts/hookbudget/files/jobdiagnoses.yaml");
    let yaml = serde_saphyr::to_string(&crd::crd()).unwrap();
    let wanted = format!(
        "# Generated from src/report/crd.rs by `BLESS=1 cargo test --test report`.\n{}\n",
        yaml.trim_end()
    );
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(there, wanted, "stale: BLESS=1 cargo test --test report");
}
