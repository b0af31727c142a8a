//! Evidence for tests, written as JSON.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::case::Case;
use super::cause::{Cause, Match};
use super::diagnose::diagnose;
use super::diagnosis::{Diagnosis, DiagnosisKnobs};
use super::evidence::Evidence;
use super::missed_run::MissedRun;

/// The moment so many seconds after the Job's creation in every test.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).expect("a time of our age")
}

/// Reads evidence, and fails on a key that the types do not know.
pub(crate) fn evidence(value: &Value) -> Evidence {
    let evidence: Evidence = serde_json::from_value(value.clone()).expect("evidence");
    assert_known(value, &serde_json::to_value(&evidence).expect("JSON"), "evidence");
    evidence
}

fn assert_known(given: &Value, read: &Value, path: &str) {
    match (given, read) {
        (Value::Object(given), Value::Object(read)) => {
            for (key, value) in given {
                let read = read
                    .get(key)
                    .unwrap_or_else(|| panic!("{path}.{key} is not a key of Evidence"));
                assert_known(value, read, &format!("{path}.{key}"));
            }
        }
        (Value::Array(given), Value::Array(read)) => {
            for (index, (given, read)) in given.iter().zip(read).enumerate() {
                assert_known(given, read, &format!("{path}[{index}]"));
            }
        }
        _ => {}
    }
}

/// An event of the `CronJob` `demo/backup`.
pub(crate) fn cron_event(reason: &str) -> Value {
    let object = json!({"kind": "CronJob", "namespace": "demo", "name": "backup"});
    json!({"object": object, "type": "Warning", "reason": reason, "message": "a word", "last": at(9)})
}

/// The evidence of a run that did not come, as such an event tells it.
pub(crate) fn missed(reason: &str) -> Evidence {
    let event = serde_json::from_value(cron_event(reason)).expect("an event");
    MissedRun::last(&[event]).expect("a run").evidence()
}

/// A failed Job `demo/job` with these further fields of evidence.
pub(crate) fn failed(reason: &str, ended: i64, more: Value) -> Evidence {
    let job = json!({
        "namespace": "demo", "name": "job", "restart_policy": "OnFailure", "backoff_limit": 6, "deadline": 840,
        "created": at(0), "started": at(0),
        "conditions": [{"type": "FailureTarget", "status": "True", "reason": reason, "at": at(ended)}],
    });
    let mut whole = json!({ "job": job });
    merge(&mut whole, more);
    evidence(&whole)
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

/// The Job's Pod with one container `c` that has these further fields.
pub(crate) fn pod(container: Value) -> Value {
    let mut whole = json!({"name": "c"});
    merge(&mut whole, container);
    json!([{"namespace": "demo", "name": "job-x", "phase": "Running", "node": "n", "created": at(0), "containers": [whole]}])
}

/// The Job's Pod whose container `c` waits for this reason.
pub(crate) fn waiting(reason: &str, message: &str) -> Value {
    pod(json!({"image": "tool:1", "waits": [{"reason": reason, "message": message, "seen": at(40)}]}))
}

/// The Job's Pod whose container `c` ended so.
pub(crate) fn exited(code: i32, reason: &str) -> Value {
    pod(json!({"ends": [{"exit_code": code, "reason": reason, "started": at(1), "finished": at(5)}]}))
}

/// The log of the first run of container `c`.
pub(crate) fn log(lines: &[&str]) -> Value {
    json!([{"pod": "job-x", "container": "c", "lines": lines, "captured": at(5), "last_line": at(5)}])
}

/// An event about the Job.
pub(crate) fn job_event(reason: &str, message: &str) -> Value {
    json!([{"object": {"kind": "Job", "namespace": "demo", "name": "job"}, "type": "Warning", "reason": reason, "message": message, "last": at(30)}])
}

/// An event about the Job's Pod.
pub(crate) fn pod_event(reason: &str, message: &str) -> Value {
    json!([{"object": {"kind": "Pod", "namespace": "demo", "name": "job-x"}, "type": "Warning", "reason": reason, "message": message, "last": at(30)}])
}

/// What the cause finds.
pub(crate) fn find(cause: &dyn Cause, evidence: &Evidence) -> Option<Match> {
    cause.find(&Case::new(evidence, &DiagnosisKnobs::default(), at(900)))
}

/// The whole diagnosis.
pub(crate) fn judge(evidence: &Evidence) -> Diagnosis {
    diagnose(evidence, &DiagnosisKnobs::default(), at(900))
}

/// A Job at its deadline whose Pod the scheduler does not place.
pub(crate) fn unplaced(reason: &str, message: &str) -> Evidence {
    let condition =
        json!({"type": "PodScheduled", "status": "False", "reason": reason, "message": message, "at": at(1)});
    let pod = json!({"namespace": "demo", "name": "job-x", "phase": "Pending", "created": at(0), "conditions": [condition]});
    failed("DeadlineExceeded", 840, json!({ "pods": [pod] }))
}

/// A failed Job whose Pod was put out or refused by its node.
pub(crate) fn put_out(reason: &str, message: &str) -> Evidence {
    let mut pods = pod(json!({}));
    pods[0]["phase"] = json!("Failed");
    pods[0]["reason"] = json!(reason);
    pods[0]["message"] = json!(message);
    failed("BackoffLimitExceeded", 30, json!({ "pods": pods }))
}

/// A failed Job whose Pod was the target of a disruption.
pub(crate) fn disrupted(reason: &str) -> Evidence {
    let mut pods = pod(json!({}));
    let condition = json!({"type": "DisruptionTarget", "status": "True", "reason": reason, "message": "so it was", "at": at(20)});
    pods[0]["conditions"] = json!([condition]);
    failed("BackoffLimitExceeded", 30, json!({ "pods": pods }))
}

/// A Job at its deadline that could not reach the old Service `db`, behind which these Pods of one Deployment
/// stand.
pub(crate) fn blocked_by(service: Value, pods: &Value) -> Evidence {
    let deployment = json!({
        "object": {"kind": "Deployment", "namespace": "demo", "name": "db"},
        "wanted": 1, "created": at(-5000), "pods": pods.clone(),
    });
    let stands = pods.as_array().is_some_and(|pods| !pods.is_empty());
    let mut dependency = json!({
        "object": {"kind": "Service", "namespace": "demo", "name": "db"}, "exists": true,
        "workloads": if stands { json!([deployment]) } else { json!([]) },
    });
    merge(&mut dependency, service);
    failed(
        "DeadlineExceeded",
        840,
        json!({"logs": log(&["curl: (7) refused"]), "dependencies": [dependency]}),
    )
}

/// An old Pod of a dependency that the scheduler does not place.
pub(crate) fn pending(message: &str) -> Value {
    let condition =
        json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message});
    json!({"namespace": "demo", "name": "db-1", "phase": "Pending", "created": at(-5000), "conditions": [condition]})
}
