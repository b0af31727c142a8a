//! How a Job stands: the half of the object that [`super::JobObject`] passes over.

use jiff::Timestamp;
use serde::Deserialize;

use super::meta::{ConditionObject, Meta, lenient_time};
use super::text::null_default;
use crate::engine::evidence::Condition;

/// A Job's metadata and status.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct JobStatusObject {
    /// `metadata`.
    #[serde(deserialize_with = "null_default")]
    pub metadata: Meta,
    #[serde(deserialize_with = "null_default")]
    status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    #[serde(deserialize_with = "lenient_time")]
    start_time: Option<Timestamp>,
    #[serde(deserialize_with = "lenient_time")]
    completion_time: Option<Timestamp>,
    active: Option<u32>,
    failed: Option<u32>,
    succeeded: Option<u32>,
    #[serde(deserialize_with = "null_default")]
    conditions: Vec<ConditionObject>,
}

/// `status` as facts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobStatus {
    /// `startTime`.
    pub started: Option<Timestamp>,
    /// `completionTime`.
    pub completed: Option<Timestamp>,
    /// `active`.
    pub active: u32,
    /// `failed`.
    pub failed: u32,
    /// `succeeded`.
    pub succeeded: u32,
    /// `conditions`.
    pub conditions: Vec<Condition>,
}

impl JobStatusObject {
    /// Metadata and status apart.
    #[must_use]
    pub fn into_parts(self) -> (Meta, JobStatus) {
        let Status {
            start_time,
            completion_time,
            active,
            failed,
            succeeded,
            conditions,
        } = self.status;
        let status = JobStatus {
            started: start_time,
            completed: completion_time,
            active: active.unwrap_or(0),
            failed: failed.unwrap_or(0),
            succeeded: succeeded.unwrap_or(0),
            conditions: conditions.into_iter().map(Condition::from).collect(),
        };
        (self.metadata, status)
    }
}

impl JobStatus {
    /// The condition of this type, if it is true.
    #[must_use]
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions
            .iter()
            .find(|condition| condition.kind == kind && condition.status == "True")
    }

    /// The condition that says that the Job has failed, or is about to: `FailureTarget` is set before the last
    /// Pods have ended (kubernetes/kubernetes `pkg/controller/job/job_controller.go`).
    #[must_use]
    pub fn failure(&self) -> Option<&Condition> {
        self.condition("Failed")
            .or_else(|| self.condition("FailureTarget"))
    }

    /// True once the Job has succeeded.
    #[must_use]
    pub fn has_succeeded(&self) -> bool {
        self.condition("Complete").is_some()
    }
}
