//! What is known of a Job, out before the process ends and in again after it has started.

use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::Timestamp;

use super::{Index, PodOwner};
use crate::engine::diagnosis::Diagnosis;
use crate::engine::evidence::Evidence;
use crate::engine::hide;
use crate::index::entry::{Entry, JobState, Trail, since};
use crate::index::kind::JobKey;
use crate::index::logs::Logs;
use crate::index::view::Reported;
use crate::k8s::job_record::JobSpec;
use crate::k8s::job_status::JobStatus;

impl Index {
    /// Everything that is known of a Job.
    #[must_use]
    pub fn evidence(&self, key: &JobKey) -> Option<Evidence> {
        self.jobs.read(key, |entry| {
            Some(self.evidence_of(key, entry, entry.job.as_ref()?))
        })
    }

    /// Takes back what was known of a Job at `seen`, before this process began. To be called before the first
    /// list: what that does not hold is gone, and its retention counts from `seen`.
    pub fn restore(&mut self, mut evidence: Evidence, seen: Timestamp, now: Timestamp) {
        // The policy may hide more than when it was written down.
        hide::evidence(&mut evidence, &self.settings.policy.redact.patterns);
        let Evidence {
            mut job,
            pods,
            events,
            logs,
            waits,
            downloads,
            dependencies,
            signatures,
            capacity,
            // What is restored itself says it again.
            previous: _,
            lost,
        } = evidence;
        let key = JobKey::new(&job.namespace, &job.name);
        let known = self.jobs.get(&key).and_then(|entry| entry.job.as_ref());
        let over = job
            .deleted
            .is_some_and(|gone| since(gone, now) >= self.settings.retention);
        if over || key.name.is_empty() || job.uid.is_empty() {
            return;
        }
        // Two Jobs may have had the name: the later one counts.
        if known.is_some_and(|known| known.created >= job.created.into()) {
            return;
        }
        let status = JobStatus {
            started: job.started,
            completed: None,
            active: job.active,
            failed: job.failed,
            succeeded: job.succeeded,
            conditions: std::mem::take(&mut job.conditions),
        };
        let (uid, created, gone) = (job.uid.clone(), job.created, job.deleted.take());
        let (of_crons, events): (Vec<_>, Vec<_>) = events
            .into_iter()
            .partition(|event| event.object.kind == "CronJob");
        for event in of_crons {
            self.add_cron_event(event);
        }
        let spec = JobSpec {
            wait_source: "unknown",
            matters: true,
            waits,
            downloads,
            record: job,
            ..JobSpec::default()
        };
        let spec = self.specs.share(spec, &self.settings.policy);
        let ended_seen = status.failure().map(|condition| condition.at.unwrap_or(seen));
        for pod in &pods {
            let owner = PodOwner {
                job: key.name.clone(),
                epoch: 0,
            };
            self.pods.insert(JobKey::new(&pod.namespace, &pod.name), owner);
        }
        // A look at the cluster as it is now does not tell what was in the way when the Job ended.
        let inspected = (!dependencies.is_empty()).then_some(seen);
        let signed = (!signatures.is_empty()).then_some(seen);
        let entry = Entry {
            job: Some(JobState {
                uid: uid.into(),
                version: 0,
                spec,
                created: created.into(),
                owner: None,
                status,
                object: None,
                ended_seen: ended_seen.into(),
            }),
            trail: Some(Box::new(Trail {
                pods,
                events,
                logs: Logs::restored(&key.namespace, logs),
                dependencies: dependencies
                    .into_iter()
                    .map(|dependency| self.seen.share(dependency))
                    .collect(),
                signatures,
                capacity: capacity.map(Box::new),
                inspected: inspected.into(),
                signed: signed.into(),
                lost,
                ..Trail::default()
            })),
            gone: gone.into(),
            touched: now.into(),
            restored: seen.into(),
            ..Entry::default()
        };
        self.jobs.insert(&key, entry);
        self.dirty.insert(key);
    }

    /// What a report of the Job needs besides the diagnosis.
    pub(super) fn reported(&self, entry: &Entry, job: &JobState, diagnosis: &Diagnosis) -> Reported {
        let release = diagnosis
            .owner
            .as_ref()
            .filter(|owner| owner.kind == "HelmRelease");
        let release = release.filter(|owner| owner.namespace == diagnosis.job.namespace);
        let state = release.and_then(|owner| {
            self.release_state
                .get(&JobKey::new(&owner.namespace, &owner.name))
        });
        let owner = job
            .owner
            .clone()
            .or_else(|| state.and_then(|state| state.owner.clone()));
        Reported {
            uid: job.uid.clone(),
            owner,
            mark: mark(entry, job, diagnosis, self.policies.1),
        }
    }
}

/// Changes with what is worth writing down: neither with time nor with each line of a log. `hides` counts policies that
/// hide something else than the one before.
fn mark(entry: &Entry, job: &JobState, diagnosis: &Diagnosis, hides: u32) -> u64 {
    let mut hasher = DefaultHasher::new();
    let of = &mut hasher;
    hides.hash(of);
    (
        diagnosis.state,
        diagnosis.trigger,
        diagnosis.root_cause,
        diagnosis.verdict,
    )
        .hash(of);
    (&diagnosis.contributing, entry.gone, job.status.failed).hash(of);
    for link in &diagnosis.chain {
        (&link.kind, &link.namespace, &link.name).hash(of);
    }
    (diagnosis.retry_advice, &diagnosis.culprit).hash(of);
    // Of a large group nobody writes every Job anew when one comes or goes.
    if diagnosis.same_culprit_more == 0 {
        diagnosis.same_culprit.hash(of);
    }
    if let Some(trail) = &entry.trail {
        for pod in &trail.pods {
            (&pod.name, &pod.phase, &pod.reason, pod.deleted).hash(of);
            for container in &pod.containers {
                (container.restarts, container.ends.len()).hash(of);
                for wait in &container.waits {
                    wait.reason.hash(of);
                }
            }
        }
        for event in &trail.events {
            (&event.object.name, &event.reason).hash(of);
        }
        (trail.logs.runs(), trail.dependencies.len(), trail.lost.len()).hash(of);
    }
    hasher.finish()
}
