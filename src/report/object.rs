//! A Job's diagnosis and evidence as a `JobDiagnosis` object.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{GROUP, KIND, VERSION};
use crate::engine::evidence::Evidence;
use crate::index::{JobView, Reported};

/// What an object may take: etcd takes 1.5 MB at most, and a list of all of them is read at every start.
pub const MOST_BYTES: usize = 192 * 1024;
/// The annotation that says which cause an Event has told already.
pub(super) const TOLD: &str = "hookbudget.dev/told";
/// The annotation with the time of the last write.
pub(super) const WRITTEN: &str = "hookbudget.dev/written";
/// The label with the Job's uid.
pub(super) const JOB_UID: &str = "hookbudget.dev/job-uid";

/// The name of a Job's object: Jobs of one name follow each other, so it has a part of the uid in it.
pub(super) fn name(job: &str, uid: &str) -> String {
    let part: String = uid.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
    format!(
        "{}-{}",
        &job[..job.floor_char_boundary(240)],
        part.to_ascii_lowercase()
    )
}

/// The object of a Job, within [`MOST_BYTES`]: the oldest logs go first, then what stands behind the
/// dependencies, then all of the evidence. `told` is the cause that an Event has told, `now` when that was. `None` for a Job that
/// nothing is known to be wrong with.
#[must_use]
pub fn object(job: &JobView, mut evidence: Evidence, told: Option<&str>, now: Timestamp) -> Option<Value> {
    let (diagnosis, reported) = (job.diagnosis()?, job.reported()?);
    let report = serde_json::to_value(&*diagnosis).ok()?;
    evidence
        .logs
        .sort_by_key(|log| std::cmp::Reverse((log.last_line.or(log.captured), log.attempt)));
    let room = MOST_BYTES.saturating_sub(report.to_string().len());
    loop {
        let kept = serde_json::to_value(&evidence).ok()?;
        if kept.to_string().len() <= room {
            return Some(made(job, reported, &report, &kept, (told, now)));
        }
        if evidence.logs.len() > 1 {
            evidence.logs.pop();
        } else if !evidence.dependencies.is_empty() {
            evidence.dependencies.clear();
        } else if !evidence.events.is_empty() {
            evidence.events.clear();
        } else {
            return Some(made(job, reported, &report, &Value::Null, (told, now)));
        }
    }
}

fn made(
    job: &JobView,
    reported: &Reported,
    report: &Value,
    evidence: &Value,
    (told, now): (Option<&str>, Timestamp),
) -> Value {
    let mut metadata = json!({
        "name": name(&job.key.name, &reported.uid),
        "namespace": &*job.key.namespace,
        "labels": {"app.kubernetes.io/managed-by": "hookbudget", JOB_UID: &*reported.uid},
        "annotations": {WRITTEN: now.to_string()},
    });
    if let Some(told) = told {
        metadata["annotations"][TOLD] = json!(told);
    }
    // Not the Job: the diagnosis is there to outlive it.
    if let Some(owner) = reported.owner.as_deref().filter(|owner| !owner.uid.is_empty()) {
        metadata["ownerReferences"] = json!([{
            "apiVersion": owner.api_version, "kind": owner.kind, "name": owner.name, "uid": owner.uid}]);
    }
    let mut object = Map::from_iter([
        ("apiVersion".to_owned(), json!(format!("{GROUP}/{VERSION}"))),
        ("kind".to_owned(), json!(KIND)),
        ("metadata".to_owned(), metadata),
        ("report".to_owned(), report.clone()),
        ("log".to_owned(), json!(job.tail())),
    ]);
    if !evidence.is_null() {
        object.insert("evidence".to_owned(), evidence.clone());
    }
    Value::Object(object)
}
