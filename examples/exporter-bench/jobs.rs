//! Jobs as an API server sends them, 4 KB each: every tenth one a hook that waits, the others a `CronJob`'s that are
//! done. Twenty Jobs share an owner, as the history of a `CronJob` does.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// Namespaces that the Jobs are spread over.
const NAMESPACES: usize = 200;
/// One of so many waits.
pub(crate) const WAITING: usize = 10;
/// Jobs of one owner.
const OF_ONE: usize = 20;
/// Bytes of a Job.
const SIZE: usize = 4_000;

/// How a Job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Waiting,
    Complete,
    Failed,
}

impl Standing {
    /// What a Job is when nobody has changed it.
    pub(crate) const fn at_first(number: usize) -> Self {
        if number.is_multiple_of(WAITING) {
            Self::Waiting
        } else {
            Self::Complete
        }
    }
}

/// The name of a Job.
pub(crate) fn name(number: usize) -> String {
    format!("bootstrap-zone-{number}")
}

/// A Job in JSON. `began` is when all of them started.
pub(crate) fn job(number: usize, standing: Standing, version: u64, began: Timestamp) -> String {
    let condition = |kind: &str, reason: &str| {
        json!([{"type": kind, "status": "True", "reason": reason, "message": "as the Job controller says it",
            "lastProbeTime": began.to_string(), "lastTransitionTime": began.to_string()}])
    };
    let status = match standing {
        Standing::Waiting => json!({"startTime": began.to_string(), "active": 1, "ready": 1}),
        Standing::Complete => json!({
            "startTime": began.to_string(), "succeeded": 1, "completionTime": began.to_string(),
            "conditions": condition("Complete", "CompletionsReached"),
        }),
        Standing::Failed => json!({
            "startTime": began.to_string(), "failed": 1,
            "conditions": condition("Failed", "BackoffLimitExceeded"),
        }),
    };
    let owner = number / OF_ONE;
    let namespace = format!("team-{}", owner % NAMESPACES);
    let is_hook = Standing::at_first(number) == Standing::Waiting;
    let mut object = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {
            "name": name(number), "namespace": namespace,
            "uid": format!("5f0c3d2e-7a1b-4c3d-8e9f-{number:012}"), "resourceVersion": version.to_string(), "generation": 1,
            "creationTimestamp": began.to_string(),
            "labels": {
                "app.kubernetes.io/name": "bootstrap", "app.kubernetes.io/managed-by": "Helm",
                "helm.sh/chart": "bootstrap-1.2.3",
            },
        },
        "spec": {
            "backoffLimit": 6, "activeDeadlineSeconds": 840, "completions": 1, "parallelism": 1,
            "completionMode": "NonIndexed", "suspend": false,
            "template": {
                "metadata": {"labels": {"batch.kubernetes.io/job-name": name(number)}},
                "spec": {
                    "restartPolicy": "OnFailure", "terminationGracePeriodSeconds": 30,
                    "containers": [{
                        "name": "bootstrap", "image": "alpine:3.20", "imagePullPolicy": "IfNotPresent",
                        "command": ["sh", "-c", format!(
                            "for i in $(seq 1 100); do nc -z powerdns-{} 8081 && exit 0; sleep 5; done; exit 1", owner % 40
                        )],
                        "env": [{"name": "ZONE", "value": format!("zone-{}.example", owner % 40)}],
                        "resources": {"limits": {"memory": "128Mi"}},
                    }],
                },
            },
        },
        "status": status,
    });
    object["metadata"][if is_hook { "annotations" } else { "ownerReferences" }] = if is_hook {
        json!({
            "helm.sh/hook": "post-install,post-upgrade", "meta.helm.sh/release-name": format!("zone-{owner}"),
            "meta.helm.sh/release-namespace": namespace, "hookbudget.dev/release-timeout": "15m",
        })
    } else {
        json!([{
            "apiVersion": "batch/v1", "kind": "CronJob", "name": format!("backup-{owner}"),
            "uid": format!("6f0c3d2e-7a1b-4c3d-8e9f-{owner:012}"), "controller": true, "blockOwnerDeletion": true,
        }])
    };
    pad(&mut object);
    object.to_string()
}

/// Who manages which field: half of what an API server sends, and of no use to anybody here.
fn pad(object: &mut Value) {
    let missing = SIZE.saturating_sub(object.to_string().len() + 160);
    let fields: serde_json::Map<String, Value> = (0..missing / 24)
        .map(|field| (format!("f:field-of-spec-{field:03}"), json!({})))
        .collect();
    object["metadata"]["managedFields"] = json!([{
        "manager": "helm", "operation": "Update", "apiVersion": "batch/v1", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": fields},
    }]);
}

/// An hour of slack behind the clock that everybody shares: waiting Jobs have some of their time behind them.
pub(crate) fn beginning() -> Timestamp {
    Timestamp::now() - SignedDuration::from_secs(60)
}
