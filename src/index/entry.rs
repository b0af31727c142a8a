//! What is known of one Job, from the moment that anything mentions it until its retention is over.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::kind::JobKey;
use super::logs::Logs;
use super::moment::Moment;
use super::packed::PackedObject;
use super::pods;
use super::spec::SharedSpec;
use super::view::JobView;
use crate::engine::Seconds;
use crate::engine::capacity::Capacity;
use crate::engine::diagnosis::JobPhase;
use crate::engine::evidence::{Dependency, EventRecord, Lost, ObjectRef, PodRecord, SignatureHit};
use crate::k8s::job_status::JobStatus;
use crate::k8s::meta::OwnerReference;

/// Events kept per Job; repeated ones count as one.
const EVENTS: usize = 64;
/// Pods kept per Job: under Never each attempt leaves one, and 6 retries are the default.
const PODS: usize = 16;

/// How long after the end of a Job the cluster counts as it was then.
const JUST_ENDED: Seconds = Seconds::new(10);

/// One Job.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// The Job object; `None` while only its Pods or events are known.
    pub(super) job: Option<JobState>,
    /// What happened to it. Dropped once the Job has succeeded.
    pub(super) trail: Option<Box<Trail>>,
    /// The list in which it was seen last.
    pub(super) epoch: u16,
    /// When it was seen to be gone.
    pub(super) gone: Moment,
    /// When anything was heard of it last.
    pub(super) touched: Moment,
    /// When a process before this one wrote down what it knew, until the Job itself is seen.
    pub(super) restored: Moment,
    /// When it was judged last.
    pub(super) judged: Moment,
    /// When the verdict on its failure is no longer transient.
    pub(super) transient_until: Moment,
    /// Whether its result has been given to the owner, and its cause to the owner's counter.
    pub(super) counted: bool,
    /// See `counted`.
    pub(super) cause_counted: bool,
    /// When a later run of its owner had succeeded, once the owner is gone.
    pub(super) later_success: Moment,
    /// What scrapes and pages see.
    pub(super) view: Option<JobView>,
}

/// The Job object.
#[derive(Debug)]
pub(super) struct JobState {
    pub(super) uid: Arc<str>,
    /// Changes when the spec or an annotation does.
    pub(super) version: u64,
    /// Without namespace, name and uid, so that Jobs can share it.
    pub(super) spec: Arc<SharedSpec>,
    pub(super) created: Moment,
    /// Its controller, of a Job that has not succeeded.
    pub(super) owner: Option<Arc<OwnerReference>>,
    pub(super) status: JobStatus,
    /// The object, kept only while a change of its release may alter its clocks.
    pub(super) object: Option<PackedObject>,
    /// When it was first seen to have ended.
    pub(super) ended_seen: Moment,
}

/// What happened to a Job.
#[derive(Debug, Default)]
pub(super) struct Trail {
    pub(super) pods: Vec<PodRecord>,
    pub(super) events: Vec<EventRecord>,
    pub(super) logs: Logs,
    pub(super) dependencies: Vec<Arc<Dependency>>,
    pub(super) capacity: Option<Box<Capacity>>,
    pub(super) inspected: Moment,
    /// Objects that signatures of the policy match, what could not be looked at, and when that was asked for.
    pub(super) signatures: Vec<SignatureHit>,
    pub(super) unsigned: Vec<Lost>,
    pub(super) signed: Moment,
    /// The releases that were asked for.
    pub(super) asked: BTreeSet<ObjectRef>,
    pub(super) lost: Vec<Lost>,
}

impl JobState {
    /// Drops what nobody asks of a Job that has succeeded: most Jobs of a cluster have.
    pub(super) fn trim(&mut self) {
        if !self.status.has_succeeded() {
            return;
        }
        self.owner = None;
        let conditions = &mut self.status.conditions;
        conditions.retain(|condition| condition.kind == "Complete");
        for condition in conditions.iter_mut() {
            (condition.reason, condition.message) = Default::default();
        }
        conditions.shrink_to_fit();
    }

    /// How the Job stands, without regard to its Pods.
    pub(super) fn phase(&self) -> JobPhase {
        if self.status.failure().is_some() {
            JobPhase::Failed
        } else if self.status.has_succeeded() {
            JobPhase::Succeeded
        } else if self.spec.record.suspended || self.status.condition("Suspended").is_some() {
            JobPhase::Suspended
        } else {
            JobPhase::Waiting
        }
    }

    /// True while a look at the cluster may still tell of the time at which the Job ended.
    pub(super) fn has_just_ended(&self, now: Timestamp) -> bool {
        self.ended().is_none_or(|ended| since(ended, now) < JUST_ENDED)
    }

    /// When it ended.
    pub(super) fn ended(&self) -> Option<Timestamp> {
        match self.phase() {
            JobPhase::Failed => self.status.failure().and_then(|c| c.at),
            JobPhase::Succeeded => self
                .status
                .completed
                .or_else(|| self.status.condition("Complete").and_then(|c| c.at)),
            _ => None,
        }
        .or(self.ended_seen.get())
    }
}

impl Entry {
    /// How the Job stands.
    pub(super) fn phase(&self) -> Option<JobPhase> {
        let phase = self.job.as_ref()?.phase();
        let unfinished = matches!(phase, JobPhase::Waiting | JobPhase::Suspended);
        Some(if self.gone.is_known() && unfinished {
            JobPhase::Missing
        } else {
            phase
        })
    }

    /// True once nothing about the Job is worth keeping but its result.
    pub(super) fn is_settled(&self) -> bool {
        self.phase() == Some(JobPhase::Succeeded)
    }

    /// True of a failure that was transient for a time, once that is over. Not before the owner has been told: whether a
    /// later run has succeeded is not known until then.
    pub(super) fn is_transient_no_more(&self, now: Timestamp) -> bool {
        self.counted && self.transient_until.get().is_some_and(|until| until <= now)
    }

    /// When the Job ended, where its owner has not been told yet.
    pub(super) fn untold(&self) -> Option<Timestamp> {
        let job = self.job.as_ref().filter(|_| !self.counted)?;
        matches!(job.phase(), JobPhase::Failed | JobPhase::Succeeded)
            .then(|| job.ended())
            .flatten()
    }

    /// Where evidence goes.
    pub(super) fn trail(&mut self) -> &mut Trail {
        self.trail.get_or_insert_default()
    }

    /// Takes over a Pod's present state.
    pub(super) fn apply_pod(&mut self, pod: PodRecord) {
        let pods = &mut self.trail().pods;
        let known = pods
            .iter_mut()
            .find(|known| known.uid == pod.uid && known.name == pod.name);
        if let Some(known) = known {
            pods::merge(known, pod);
            return;
        }
        if pods.len() >= PODS {
            // The first attempts say what every attempt says; the last ones what ended the Job.
            pods.remove(1);
        }
        pods.push(pod);
    }

    /// Keeps an event; one that is known is renewed.
    pub(super) fn add_event(&mut self, event: EventRecord) {
        let events = &mut self.trail().events;
        add_event(events, event, EVENTS);
    }

    /// Drops what is older than the Job: it was about another one of its name.
    pub(super) fn forget_before(&mut self, created: Option<Timestamp>) {
        if let Some(trail) = &mut self.trail {
            trail
                .events
                .retain(|event| event.last.is_none_or(|last| Some(last) >= created));
            trail
                .pods
                .retain(|pod| pod.created.is_none_or(|made| Some(made) >= created));
        }
    }

    /// Something may be wrong: a restart, a failure, a Pod that does not come up.
    pub(super) fn is_in_trouble(&self, now: Timestamp) -> bool {
        let Some(phase) = self.phase() else { return false };
        match phase {
            JobPhase::Failed | JobPhase::Missing => true,
            JobPhase::Succeeded | JobPhase::Suspended => false,
            JobPhase::Waiting => {
                let started = self
                    .job
                    .as_ref()
                    .and_then(|job| job.status.started.or(job.created.get()));
                let patience = Seconds::new(15);
                self.restarts() > 0 || started.is_some_and(|start| since(start, now) > patience)
            }
        }
    }

    /// Restarts of all containers of all Pods that were seen.
    pub(super) fn restarts(&self) -> u32 {
        let containers = self
            .trail
            .iter()
            .flat_map(|trail| &trail.pods)
            .flat_map(|pod| &pod.containers);
        containers.map(|container| container.restarts).sum()
    }

    /// Runs that have begun: Pods, and restarts within them.
    pub(super) fn attempts(&self) -> u32 {
        let seen = self.trail.as_ref().map_or(0, |trail| trail.pods.len());
        let counted = self.job.as_ref().map_or(0, |job| {
            job.status.active + job.status.failed + job.status.succeeded
        });
        counted.max(u32::try_from(seen).unwrap_or(u32::MAX)) + self.restarts()
    }
}

/// Keeps an event among others, at most `limit` of them; a repeated one is renewed.
pub(super) fn add_event(events: &mut Vec<EventRecord>, event: EventRecord, limit: usize) {
    let same = |known: &&mut EventRecord| {
        known.object == event.object
            && known.reason == event.reason
            && known.message == event.message
            && known.first == event.first
    };
    if let Some(known) = events.iter_mut().find(same) {
        *known = event;
        return;
    }
    if events.len() >= limit {
        events.remove(0);
    }
    events.push(event);
}

/// The span between two times, zero when they are the wrong way round.
pub(super) fn since(then: Timestamp, now: Timestamp) -> Seconds {
    let nanos = now.duration_since(then).as_nanos().max(0);
    Seconds::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}

/// A time later by a span.
pub(super) fn after(then: Timestamp, span: Seconds) -> Timestamp {
    then.checked_add(jiff::SignedDuration::from_nanos(span.nanos()))
        .unwrap_or(Timestamp::MAX)
}

/// The key of a Pod's Job, guessed from the Pod's name: the Job controller appends `-` and five characters
/// (kubernetes/kubernetes `pkg/controller/job/utils.go`).
pub(super) fn job_of_pod_name(namespace: &str, pod: &str) -> Option<JobKey> {
    let (job, suffix) = pod.rsplit_once('-')?;
    (suffix.len() == 5).then(|| JobKey::new(namespace, job))
}
