//! What the writer remembers of each object.

use jiff::Timestamp;
use tokio::time::Instant;

use crate::engine::evidence::ObjectRef;
use crate::index::{JobKey, JobView, Reported};
use crate::report::object::name;

/// Where an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Never sent.
    Unwritten,
    /// In the API server, or sent without an answer.
    Kept,
    /// Beyond what is kept. Remembered while the index holds the Job, or it would be written again.
    Pruned,
}

/// What is known of one object.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) job: JobKey,
    pub(super) name: String,
    pub(super) created: Timestamp,
    pub(super) owner: Option<ObjectRef>,
    /// When the Job started: a later one of the same name is another Job.
    pub(super) started: Option<Timestamp>,
    pub(super) mark: Option<u64>,
    pub(super) told: Option<String>,
    /// The cause that the Job has, and since when.
    pub(super) cause: Option<(String, Instant)>,
    pub(super) written: Option<Instant>,
    pub(super) place: Place,
    /// What it holds came too late for the index, which knows less of the Job.
    pub(super) unread: bool,
    /// The Job has not failed yet: there may be more to say of it.
    pub(super) waits: bool,
}

impl Known {
    pub(super) fn new(job: &JobView, reported: &Reported, now: Timestamp) -> Self {
        Self {
            job: JobKey::clone(&job.key),
            name: name(&job.key.name, &reported.uid),
            // One that failed before this process began is no news.
            created: job.ended().map_or(now, |ended| ended.min(now)),
            owner: job.spec.record.owner.clone(),
            started: job.started(),
            mark: None,
            told: None,
            cause: None,
            written: None,
            place: Place::Unwritten,
            unread: false,
            waits: true,
        }
    }
}
