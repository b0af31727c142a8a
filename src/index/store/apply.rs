//! Objects in: one function per kind.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use jiff::Timestamp;

use super::{Index, PodOwner, ReleaseState};
use crate::engine::capacity::{Capacity, Room};
use crate::engine::diagnosis::JobPhase;
use crate::engine::evidence::{Dependency, EventRecord, ObjectRef};
use crate::engine::hide;
use crate::engine::job::Origin;
use crate::engine::release::Surroundings;
use crate::index::TOLD_REASON;
use crate::index::entry::{Entry, JobState, job_of_pod_name};
use crate::index::kind::{JobKey, Kind};
use crate::index::pods;
use crate::index::view::info_labels;
use crate::k8s::JobObject;
use crate::k8s::event::EventObject;
use crate::k8s::flux::FluxObject;
use crate::k8s::helm_release::HelmReleaseObject;
use crate::k8s::job_record::JobSpec;
use crate::k8s::job_status::JobStatusObject;
use crate::k8s::meta::{AnyObject, ConditionedObject, Meta, OwnerReference};
use crate::k8s::pod::PodObject;

/// Rooms kept per Job.
const ROOMS: usize = 16;
/// Pods whose events are kept before the Pods themselves are seen.
const LOOSE: usize = 4096;

impl Index {
    /// Takes in an object as the API server sent it. One that cannot be read is skipped and counted.
    pub fn apply(&mut self, kind: Kind, text: &str, now: Timestamp) {
        self.watches[kind.slot()].heard(now);
        let read = match kind {
            Kind::Job => self.apply_job(text, now),
            Kind::Pod => self.apply_pod(text, now),
            Kind::CronJob => self.apply_cron(text),
            Kind::HelmRelease => self.apply_release(text, now),
            Kind::JobEvent | Kind::PodEvent | Kind::CronJobEvent => self.apply_event(text, now),
        };
        self.note(kind, read);
    }

    /// An object is gone; `text` is its last state, which may say more than the one before.
    pub fn delete(&mut self, kind: Kind, text: &str, now: Timestamp) {
        match kind {
            // The API server deletes events after an hour; what they said stays true.
            Kind::JobEvent | Kind::PodEvent | Kind::CronJobEvent => {
                self.watches[kind.slot()].heard(now);
                return;
            }
            Kind::Job | Kind::Pod => self.apply(kind, text, now),
            Kind::CronJob | Kind::HelmRelease => self.watches[kind.slot()].heard(now),
        }
        self.remove(kind, text, now);
    }

    /// An object is gone, whatever it was like.
    pub(super) fn remove(&mut self, kind: Kind, text: &str, now: Timestamp) {
        let Ok(AnyObject { metadata }) = serde_json::from_str(text) else {
            return;
        };
        let key = JobKey::new(&metadata.namespace, &metadata.name);
        match kind {
            Kind::Job => self.job_gone(&key, &metadata.uid, now),
            Kind::Pod => self.pod_gone(&key, now),
            Kind::CronJob => self.owner_gone("CronJob", &key),
            Kind::HelmRelease => self.owner_gone("HelmRelease", &key),
            Kind::JobEvent | Kind::PodEvent | Kind::CronJobEvent => {}
        }
    }

    /// What a complete list did not hold is gone.
    pub(super) fn sweep(&mut self, kind: Kind, epoch: u32, now: Timestamp) {
        match kind {
            Kind::Job => {
                let gone: Vec<_> = self
                    .jobs
                    .iter()
                    .filter(|(_, entry)| entry.job.is_some() && entry.epoch != epoch && entry.gone.is_none())
                    .map(|(key, _)| key.clone())
                    .collect();
                for key in gone {
                    let uid = self
                        .jobs
                        .get(&key)
                        .and_then(|entry| Some(entry.job.as_ref()?.uid.clone()));
                    self.job_gone(&key, uid.as_deref().unwrap_or_default(), now);
                }
            }
            Kind::Pod => {
                let gone: Vec<_> = self
                    .pods
                    .iter()
                    .filter(|(_, pod)| pod.epoch != epoch)
                    .map(|(key, _)| key.clone())
                    .collect();
                for key in gone {
                    self.pod_gone(&key, now);
                }
            }
            Kind::CronJob => {
                let gone: Vec<_> = self
                    .crons
                    .iter()
                    .filter(|(_, cron)| cron.epoch != epoch)
                    .map(|(key, _)| key.clone())
                    .collect();
                for key in gone {
                    self.owner_gone("CronJob", &key);
                }
            }
            Kind::HelmRelease => {
                let gone: Vec<_> = self
                    .release_state
                    .iter()
                    .filter(|(_, release)| release.epoch != epoch)
                    .map(|(key, _)| key.clone())
                    .collect();
                for key in gone {
                    self.owner_gone("HelmRelease", &key);
                }
            }
            Kind::JobEvent | Kind::PodEvent | Kind::CronJobEvent => {}
        }
    }

    fn note(&mut self, kind: Kind, read: Result<(), Skip>) {
        if let Err(skip) = read {
            *self.skipped.entry((kind, skip.reason())).or_default() += 1;
            tracing::warn!(kind = kind.as_str(), %skip, "object skipped");
        }
    }

    fn apply_job(&mut self, text: &str, now: Timestamp) -> Result<(), Skip> {
        let (mut meta, status) = serde_json::from_str::<JobStatusObject>(text)?.into_parts();
        let key = named(&meta)?;
        let version = version(&meta, text);
        let replaced = |entry: &Entry| entry.job.as_ref().is_some_and(|job| *job.uid != *meta.uid);
        if self.jobs.get(&key).is_some_and(replaced) {
            self.replace(&key, meta.creation_timestamp, now);
        }
        let known = self.jobs.get(&key).and_then(|entry| entry.job.as_ref());
        let (spec, info_labels) = match known {
            Some(job) if job.version == version => (Arc::clone(&job.spec), Arc::clone(&job.info_labels)),
            _ => {
                let spec = self.assess(text, now)?;
                self.shared(spec, &key)
            }
        };
        let known = self.jobs.get(&key).and_then(|entry| entry.job.as_ref());
        let ended_seen = known.and_then(|job| job.ended_seen);
        let owners = &mut meta.owner_references;
        let owner = owners.iter().position(|owner| owner.controller);
        let owner = owner.map(|index| Arc::new(owners.swap_remove(index)));
        let mut job = JobState {
            uid: meta.uid.into_boxed_str(),
            version,
            created: meta.creation_timestamp,
            text: None,
            ended_seen,
            owner,
            status,
            spec,
            info_labels,
        };
        job.trim();
        let unfinished = matches!(job.phase(), JobPhase::Waiting | JobPhase::Suspended);
        if !unfinished {
            job.ended_seen.get_or_insert(now);
        }
        let released = matches!(job.spec.record.origin, Origin::HelmHook | Origin::Flux);
        job.text = (unfinished && released).then(|| text.into());
        let epoch = self.watches[Kind::Job.slot()].epoch;
        let entry = self.jobs.entry(key.clone()).or_default();
        entry.job = Some(job);
        entry.epoch = epoch;
        entry.gone = None;
        entry.restored = None;
        entry.touched = Some(now);
        self.adopt_loose(&key);
        self.ask_for_logs(&key);
        self.dirty.insert(key);
        Ok(())
    }

    /// Takes in the events about Pods that bear the Job's name and are themselves gone: after a restart they are
    /// all that is left of a deleted Pod.
    fn adopt_loose(&mut self, key: &JobKey) {
        let first = JobKey::new(&key.namespace, &format!("{}-", key.name));
        let pods: Vec<_> = self
            .loose
            .range(&first..)
            .map(|(pod, _)| pod)
            .take_while(|pod| pod.namespace == key.namespace && pod.name.starts_with(&*first.name))
            .filter(|pod| job_of_pod_name(&pod.namespace, &pod.name).as_ref() == Some(key))
            .cloned()
            .collect();
        let Some(entry) = self.jobs.get_mut(key).filter(|entry| !entry.is_settled()) else {
            return;
        };
        let created = entry.job.as_ref().and_then(|job| job.created);
        for pod in pods {
            let events = self.loose.remove(&pod).unwrap_or_default();
            for event in events.into_iter().filter(|event| event.last >= created) {
                entry.add_event(event);
            }
        }
    }

    /// The spec of another Job of the same owner where it is the same: a `CronJob`'s runs differ in their names,
    /// which are not part of what is kept.
    pub(super) fn shared(&mut self, mut spec: JobSpec, key: &JobKey) -> (Arc<JobSpec>, Arc<str>) {
        let record = &mut spec.record;
        (record.namespace, record.name, record.uid) = Default::default();
        let owner = record.owner.as_ref().map_or_else(
            || (key.namespace.clone(), key.name.clone(), String::new()),
            |owner| {
                (
                    key.namespace.clone(),
                    owner.name.as_str().into(),
                    owner.kind.clone(),
                )
            },
        );
        match self.specs.get(&owner) {
            Some((known, labels)) if **known == spec => (Arc::clone(known), Arc::clone(labels)),
            _ => {
                let labels: Arc<str> = info_labels(&spec).into();
                let spec = Arc::new(spec);
                let kept = spec.record.owner.is_some();
                if kept {
                    self.specs.insert(owner, (Arc::clone(&spec), Arc::clone(&labels)));
                }
                (spec, labels)
            }
        }
    }

    pub(super) fn assess(&self, text: &str, now: Timestamp) -> Result<JobSpec, Skip> {
        let (job, _) = serde_json::from_str::<JobObject<'_>>(text)?.into_facts();
        let around = Surroundings {
            helm_releases: &self.releases,
            now: Some(now),
            ..Surroundings::default()
        };
        let policy = &self.settings.policy;
        let mut spec = JobSpec::of(&job, around, policy);
        hide::targets(&mut spec.waits, &mut spec.downloads, &policy.redact.patterns);
        Ok(spec)
    }

    /// A new Job of the same name: the old one is concluded, and only what is younger than the new one stays.
    fn replace(&mut self, key: &JobKey, created: Option<Timestamp>, now: Timestamp) {
        if let Some(entry) = self.jobs.get_mut(key) {
            entry.gone.get_or_insert(now);
        }
        self.dirty.insert(key.clone());
        self.settle(now);
        self.culprits.note(key, None);
        let Some(old) = self.jobs.remove(key) else { return };
        let mut new = Entry::default();
        if let Some(trail) = old.trail {
            let young = trail.pods.into_iter().filter(|pod| pod.created >= created);
            for pod in young {
                new.apply_pod(pod);
            }
            for event in trail.events.into_iter().filter(|event| event.first >= created) {
                new.add_event(event);
            }
        }
        self.jobs.insert(key.clone(), new);
    }

    fn apply_pod(&mut self, text: &str, now: Timestamp) -> Result<(), Skip> {
        let object: PodObject = serde_json::from_str(text)?;
        let pod_key = named(&object.metadata)?;
        let Some(job) = object.job_name() else {
            return Err(Skip::NoJob);
        };
        let key = JobKey::new(&pod_key.namespace, job);
        let epoch = self.watches[Kind::Pod.slot()].epoch;
        let owner = PodOwner {
            job: key.name.clone(),
            epoch,
        };
        self.pods.insert(pod_key.clone(), owner);
        let entry = self.jobs.entry(key.clone()).or_default();
        entry.touched = Some(now);
        if entry.is_settled() {
            return Ok(());
        }
        entry.apply_pod(object.into_record(Some(now)));
        for event in self.loose.remove(&pod_key).unwrap_or_default() {
            entry.add_event(event);
        }
        self.ask_for_logs(&key);
        self.dirty.insert(key);
        Ok(())
    }

    fn apply_cron(&mut self, text: &str) -> Result<(), Skip> {
        let AnyObject { metadata } = serde_json::from_str(text)?;
        let key = named(&metadata)?;
        self.crons.entry(key).or_default().epoch = self.watches[Kind::CronJob.slot()].epoch;
        Ok(())
    }

    fn apply_release(&mut self, text: &str, now: Timestamp) -> Result<(), Skip> {
        let (release, _) = serde_json::from_str::<HelmReleaseObject<'_>>(text)?.into_facts();
        let mut object = serde_json::from_str::<ConditionedObject>(text)?;
        let flux = serde_json::from_str::<FluxObject>(text)?;
        let key = JobKey::new(&release.namespace, &release.name);
        let owner = OwnerReference {
            api_version: std::mem::take(&mut object.api_version),
            kind: "HelmRelease".to_owned(),
            name: release.name.clone(),
            uid: std::mem::take(&mut object.metadata.uid),
            controller: false,
        };
        let depends_on = flux.depends_on();
        let state = ReleaseState {
            depends_on: depends_on
                .map(|(namespace, name)| JobKey::new(namespace, name))
                .collect(),
            dependency: flux.to_dependency("HelmRelease"),
            conditions: object.into_conditions(),
            owner: Some(Arc::new(owner)),
            epoch: self.watches[Kind::HelmRelease.slot()].epoch,
        };
        self.release_state.insert(key, state);
        let namespace = release.release_namespace().to_owned();
        let same = |known: &crate::engine::release::HelmRelease| {
            known.namespace == release.namespace && known.name == release.name
        };
        match self.releases.iter_mut().find(|known| same(known)) {
            Some(known) if *known == release => {}
            Some(known) => *known = release,
            None => self.releases.push(release),
        }
        self.reassess(&namespace, now);
        Ok(())
    }

    /// The clocks of a namespace's unfinished Jobs anew: their release may have changed.
    fn reassess(&mut self, namespace: &str, now: Timestamp) {
        let texts: Vec<_> = self
            .jobs
            .iter()
            .filter(|(key, _)| &*key.namespace == namespace)
            .filter_map(|(key, entry)| Some((key.clone(), entry.job.as_ref()?.text.clone()?)))
            .collect();
        for (key, text) in texts {
            let Ok(spec) = self.assess(&text, now) else {
                continue;
            };
            let (spec, info_labels) = self.shared(spec, &key);
            if let Some(job) = self.jobs.get_mut(&key).and_then(|entry| entry.job.as_mut()) {
                job.spec = spec;
                job.info_labels = info_labels;
            }
            self.dirty.insert(key);
        }
    }

    fn apply_event(&mut self, text: &str, now: Timestamp) -> Result<(), Skip> {
        let event = serde_json::from_str::<EventObject>(text)?.into_record();
        if event.reason == TOLD_REASON {
            return Ok(());
        }
        let about = JobKey::new(&event.object.namespace, &event.object.name);
        let key = match event.object.kind.as_str() {
            "CronJob" => {
                self.add_cron_event(event);
                return Ok(());
            }
            "Job" => Some(about),
            "Pod" => self.job_of_pod(&about),
            _ => return Err(Skip::NoJob),
        };
        let Some(key) = key else {
            if self.loose.len() < LOOSE {
                let about = JobKey::new(&event.object.namespace, &event.object.name);
                self.loose.entry(about).or_default().push(event);
            }
            return Ok(());
        };
        let entry = self.jobs.entry(key.clone()).or_default();
        entry.touched = Some(now);
        // A Job of the same name that is long gone may have left events.
        let created = entry.job.as_ref().and_then(|job| job.created);
        if entry.is_settled() || (created.is_some() && event.last.is_some() && event.last < created) {
            return Ok(());
        }
        entry.add_event(event);
        self.dirty.insert(key);
        Ok(())
    }

    /// The Job of a Pod: by the Pod's label, or by its name when the Pod itself was never seen.
    pub(super) fn job_of_pod(&self, pod: &JobKey) -> Option<JobKey> {
        if let Some(owner) = self.pods.get(pod) {
            return Some(JobKey::new(&pod.namespace, &owner.job));
        }
        job_of_pod_name(&pod.namespace, &pod.name)
            .filter(|key| self.jobs.get(key).is_some_and(|entry| entry.job.is_some()))
    }

    fn job_gone(&mut self, key: &JobKey, uid: &str, now: Timestamp) {
        let Some(entry) = self.jobs.get_mut(key) else {
            return;
        };
        if entry.job.as_ref().is_some_and(|job| &*job.uid == uid) {
            // Of a Job that this process has never seen, nobody knows when it went.
            let when = entry.restored.take().unwrap_or(now);
            entry.gone.get_or_insert(when);
            self.dirty.insert(key.clone());
        }
    }

    fn pod_gone(&mut self, pod: &JobKey, now: Timestamp) {
        let Some(owner) = self.pods.remove(pod) else {
            return;
        };
        let key = JobKey::new(&pod.namespace, &owner.job);
        let Some(entry) = self.jobs.get_mut(&key) else {
            return;
        };
        if let Some(trail) = &mut entry.trail {
            let known = trail.pods.iter_mut().rev().find(|known| *known.name == *pod.name);
            if let Some(known) = known {
                pods::bury(known, now);
            }
        }
        self.dirty.insert(key);
    }

    fn owner_gone(&mut self, kind: &str, key: &JobKey) {
        self.crons.remove(key);
        if kind == "HelmRelease" {
            self.release_state.remove(key);
            self.releases
                .retain(|release| *release.namespace != *key.namespace || *release.name != *key.name);
        }
        self.specs.retain(|(namespace, name, of), _| {
            of != kind || *namespace != key.namespace || *name != key.name
        });
        self.owners.retain(|owner, _| {
            owner.kind != kind || *owner.namespace != *key.namespace || *owner.name != *key.name
        });
    }

    pub(super) fn add_capacity(&mut self, key: &JobKey, mut capacity: Capacity) {
        if let Some(entry) = self.jobs.get_mut(key) {
            let trail = entry.trail();
            // Each look works out the room of its own Pods.
            if let Some(known) = trail.capacity.take() {
                let asked = |pod: &ObjectRef| capacity.rooms.iter().any(|room| room.pod == *pod);
                let others: Vec<Room> = known.rooms.into_iter().filter(|room| !asked(&room.pod)).collect();
                capacity.rooms.extend(others);
                capacity.rooms.truncate(ROOMS);
            }
            trail.capacity = Some(Box::new(capacity));
            self.dirty.insert(key.clone());
        }
    }

    pub(super) fn add_dependency(&mut self, key: &JobKey, dependency: Dependency, events: Vec<EventRecord>) {
        let Some(entry) = self.jobs.get_mut(key) else {
            return;
        };
        let trail = entry.trail();
        match trail
            .dependencies
            .iter_mut()
            .find(|known| known.object == dependency.object)
        {
            // A look that could not see the Service takes nothing away from what an earlier one saw.
            Some(known) if dependency.exists.is_some() || known.exists.is_none() => *known = dependency,
            Some(_) => {}
            None => trail.dependencies.push(dependency),
        }
        for event in events {
            entry.add_event(event);
        }
        self.dirty.insert(key.clone());
    }
}

/// Why an object is passed over.
#[derive(Debug, thiserror::Error)]
pub(super) enum Skip {
    /// It is not what its kind promises.
    #[error("malformed: {0}")]
    Malformed(#[from] serde_json::Error),
    /// It has no name.
    #[error("it has no metadata.name")]
    NoName,
    /// It belongs to no Job.
    #[error("it belongs to no Job")]
    NoJob,
}

impl Skip {
    const fn reason(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::NoName => "no_name",
            Self::NoJob => "no_job",
        }
    }
}

fn named(meta: &Meta) -> Result<JobKey, Skip> {
    if meta.name.is_empty() {
        return Err(Skip::NoName);
    }
    Ok(JobKey::new(&meta.namespace, &meta.name))
}

/// Changes with everything that the spec's assessment depends on: `generation` counts changes of the spec, but
/// not those of labels and annotations. An object without a generation counts as new each time.
fn version(meta: &Meta, text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    meta.uid.hash(&mut hasher);
    meta.annotations.hash(&mut hasher);
    meta.labels.hash(&mut hasher);
    match meta.generation {
        Some(generation) => generation.hash(&mut hasher),
        None => text.hash(&mut hasher),
    }
    hasher.finish()
}
