//! A Pod as evidence: its phase, and the states of its containers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use super::meta::{ConditionObject, Meta, lenient_time, safe};
use super::text::null_default;
use crate::engine::evidence::{Condition, ContainerRecord, ContainerState, PodRecord, Termination, Waiting};

/// A Pod as it stands in a list or a file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PodObject {
    /// `metadata`.
    #[serde(deserialize_with = "null_default")]
    pub metadata: Meta,
    #[serde(deserialize_with = "null_default")]
    spec: Spec,
    #[serde(deserialize_with = "null_default")]
    status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    #[serde(deserialize_with = "null_default")]
    node_name: String,
    #[serde(deserialize_with = "null_default")]
    init_containers: Vec<Container>,
    #[serde(deserialize_with = "null_default")]
    containers: Vec<Container>,
    #[serde(deserialize_with = "null_default")]
    volumes: Vec<Volume>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Volume {
    #[serde(deserialize_with = "null_default")]
    name: String,
    persistent_volume_claim: Option<Claim>,
    ephemeral: Option<serde::de::IgnoredAny>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Claim {
    #[serde(deserialize_with = "null_default")]
    claim_name: String,
}

impl Volume {
    /// The claim of a volume; that of an ephemeral one is named after Pod and volume (kubernetes/component-helpers
    /// `storage/ephemeral`).
    fn claim(&self, pod: &str) -> Option<String> {
        let own = self.ephemeral.map(|_| format!("{pod}-{}", self.name));
        let stated = self.persistent_volume_claim.as_ref();
        stated
            .map(|claim| claim.claim_name.clone())
            .or(own)
            .filter(|name| !name.is_empty())
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Container {
    #[serde(deserialize_with = "null_default")]
    name: String,
    #[serde(deserialize_with = "null_default")]
    image: String,
    restart_policy: Option<String>,
    #[serde(deserialize_with = "null_default")]
    resources: Resources,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Resources {
    #[serde(deserialize_with = "null_default")]
    limits: BTreeMap<String, serde_json::Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    #[serde(deserialize_with = "null_default")]
    phase: String,
    #[serde(deserialize_with = "null_default")]
    reason: String,
    #[serde(deserialize_with = "null_default")]
    message: String,
    #[serde(deserialize_with = "null_default")]
    conditions: Vec<ConditionObject>,
    #[serde(deserialize_with = "null_default")]
    init_container_statuses: Vec<ContainerStatus>,
    #[serde(deserialize_with = "null_default")]
    container_statuses: Vec<ContainerStatus>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContainerStatus {
    #[serde(deserialize_with = "null_default")]
    name: String,
    #[serde(deserialize_with = "null_default")]
    ready: bool,
    #[serde(deserialize_with = "null_default")]
    restart_count: u32,
    #[serde(deserialize_with = "null_default")]
    state: State,
    #[serde(deserialize_with = "null_default")]
    last_state: State,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct State {
    waiting: Option<Reason>,
    running: Option<Running>,
    terminated: Option<Terminated>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Reason {
    #[serde(deserialize_with = "null_default")]
    reason: String,
    #[serde(deserialize_with = "null_default")]
    message: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Running {
    #[serde(deserialize_with = "lenient_time")]
    started_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Terminated {
    #[serde(deserialize_with = "null_default")]
    exit_code: i32,
    signal: Option<i32>,
    #[serde(deserialize_with = "null_default")]
    reason: String,
    #[serde(deserialize_with = "null_default")]
    message: String,
    #[serde(deserialize_with = "lenient_time")]
    started_at: Option<Timestamp>,
    #[serde(deserialize_with = "lenient_time")]
    finished_at: Option<Timestamp>,
}

impl PodObject {
    /// The name of the Job that made the Pod, from the labels that the Job controller sets
    /// (`batch.kubernetes.io/job-name` since 1.27, `job-name` before and still).
    #[must_use]
    pub fn job_name(&self) -> Option<&str> {
        let labels = &self.metadata.labels;
        labels
            .get("batch.kubernetes.io/job-name")
            .or_else(|| labels.get("job-name"))
            .map(String::as_str)
    }

    /// True while it is pending and mounts a claim: what stands behind the claim may be why.
    #[must_use]
    pub fn waits_with_a_claim(&self) -> bool {
        self.status.phase == "Pending" && self.claims().next().is_some()
    }

    /// True when the scheduler says that no node with room reaches its volumes.
    #[must_use]
    pub fn is_out_of_reach(&self) -> bool {
        let conditions = self.status.conditions.iter().cloned().map(Condition::from);
        let mut conditions = conditions.filter(|c| c.kind == "PodScheduled" && c.status == "False");
        conditions.any(|c| c.message.contains("volume node affinity conflict"))
    }

    /// The claims that it mounts.
    pub fn claims(&self) -> impl Iterator<Item = String> {
        let volumes = self.spec.volumes.iter();
        volumes.filter_map(|volume| volume.claim(&self.metadata.name))
    }

    /// The Pod as it stood at `seen`. `ends` and `waits` hold what this one object says; who keeps a history
    /// adds to it.
    #[must_use]
    pub fn into_record(self, seen: Option<Timestamp>) -> PodRecord {
        let claims = if self.status.phase == "Pending" {
            self.claims().collect()
        } else {
            Vec::new()
        };
        let Self {
            metadata,
            spec,
            status,
        } = self;
        let mut containers = Vec::with_capacity(spec.init_containers.len() + spec.containers.len());
        for (init, list, statuses) in [
            (true, spec.init_containers, status.init_container_statuses),
            (false, spec.containers, status.container_statuses),
        ] {
            for container in list {
                let status = statuses.iter().find(|s| s.name == container.name).cloned();
                containers.push(record(init, container, status.unwrap_or_default(), seen));
            }
        }
        PodRecord {
            claims,
            namespace: metadata.namespace,
            name: metadata.name,
            uid: metadata.uid,
            phase: status.phase,
            reason: safe(status.reason),
            message: safe(status.message),
            node: Some(spec.node_name).filter(|node| !node.is_empty()),
            created: metadata.creation_timestamp,
            deleted: metadata.deletion_timestamp,
            conditions: status.conditions.into_iter().map(Condition::from).collect(),
            containers,
        }
    }
}

fn record(
    init: bool,
    container: Container,
    status: ContainerStatus,
    seen: Option<Timestamp>,
) -> ContainerRecord {
    let restarts = status.restart_count;
    let mut ends: Vec<Termination> = status
        .last_state
        .terminated
        .map(|end| termination(end, restarts.saturating_sub(1)))
        .into_iter()
        .collect();
    let state = if let Some(end) = status.state.terminated {
        let end = termination(end, restarts);
        ends.push(end.clone());
        ContainerState::Terminated(end)
    } else if let Some(running) = status.state.running {
        ContainerState::Running {
            started: running.started_at,
        }
    } else if let Some(reason) = status.state.waiting {
        ContainerState::Waiting(Waiting {
            reason: safe(reason.reason),
            message: safe(reason.message),
            seen,
        })
    } else {
        ContainerState::Unknown
    };
    let waits = match &state {
        ContainerState::Waiting(waiting) => vec![waiting.clone()],
        _ => Vec::new(),
    };
    ContainerRecord {
        sidecar: init && container.restart_policy.as_deref() == Some("Always"),
        name: container.name,
        image: safe(container.image),
        init,
        ready: status.ready,
        restarts,
        memory_limit: container.resources.limits.get("memory").map(|quantity| {
            quantity
                .as_str()
                .map_or_else(|| quantity.to_string(), str::to_owned)
        }),
        state,
        waits,
        ends,
    }
}

/// The termination message is what the program wrote last, so it is redacted like its log.
fn termination(end: Terminated, attempt: u32) -> Termination {
    Termination {
        attempt,
        exit_code: end.exit_code,
        signal: end.signal.filter(|signal| *signal != 0),
        reason: safe(end.reason),
        message: safe(end.message),
        started: end.started_at,
        finished: end.finished_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restarted_container_gives_the_end_of_the_run_before() {
        let object: PodObject = serde_json::from_str(
            r#"{"metadata":{"name":"a-x","namespace":"n","labels":{"job-name":"a"}},
            "spec":{"containers":[{"name":"c0","image":"busybox","resources":{"limits":{"memory":"128Mi"}}}]},
            "status":{"phase":"Running","containerStatuses":[{"name":"c0","restartCount":2,"ready":false,
              "state":{"waiting":{"reason":"CrashLoopBackOff","message":"back-off 20s"}},
              "lastState":{"terminated":{"exitCode":137,"reason":"OOMKilled",
                "startedAt":"2026-11-21T10:00:00Z","finishedAt":"2026-11-21T10:00:05Z"}}}]}}"#,
        )
        .expect("a Pod");
        assert_eq!(object.job_name(), Some("a"));
        let pod = object.into_record(None);
        let container = &pod.containers[0];
        assert_eq!(container.memory_limit.as_deref(), Some("128Mi"));
        assert_eq!(container.ends.len(), 1);
        assert_eq!((container.ends[0].attempt, container.ends[0].exit_code), (1, 137));
        assert_eq!(container.waits[0].reason, "CrashLoopBackOff");
    }

    #[test]
    fn a_pod_without_status_and_with_odd_times_is_still_read() {
        let object: PodObject = serde_json::from_str(
            r#"{"metadata":{"name":"a","creationTimestamp":"yesterday","labels":null},"spec":{"containers":null}}"#,
        )
        .expect("a Pod");
        let pod = object.into_record(None);
        assert_eq!((pod.created, pod.containers.len()), (None, 0));
    }
}
