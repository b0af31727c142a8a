//! Objects in: one function per kind.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use jiff::Timestamp;

use super::kustomizations::is_kustomized;
use super::{Index, PodOwner, ReleaseState};
use crate::engine::capacity::{Capacity, Room};
use crate::engine::diagnosis::JobPhase;
use crate::engine::evidence::{ObjectRef, PodRecord};
use crate::engine::hide;
use crate::engine::job::Origin;
use crate::engine::release::Surroundings;
use crate::index::TOLD_REASON;
use crate::index::entry::{Entry, JobState, add_event, job_of_pod_name};
use crate::index::kind::{JobKey, Kind};
use crate::index::moment::Moment;
use crate::index::owners::OwnerKey;
use crate::index::packed::PackedObject;
use crate::index::pods;
use crate::k8s::JobObject;
use crate::k8s::event::EventObject;
use crate::k8s::flux::FluxObject;
use crate::k8s::helm_release::HelmReleaseObject;
use crate::k8s::job_record::JobSpec;
use crate::k8s::job_status::JobStatusObject;
use crate::k8s::meta::{AnyObject, ConditionedObject, Meta, OwnerReference, without_values};
use crate::k8s::pod::PodObject;

/// Rooms kept per Job.
const ROOMS: usize = 16;
/// Pods whose events are kept before the Pods themselves are seen, and events kept of each; the same for Jobs whose Pods
/// are.
const LOOSE: (usize, usize) = (4096, 16);
/// Jobs, and `CronJob`s, that nothing but events is known of: whoever may write Events can name what does not exist.
const UNSEEN: usize = 65_536;

impl Index {
    /// Takes in an object as the API server sent it. One that cannot be read is skipped and counted.
    pub fn apply(&mut self, kind: Kind, text: &str, now: Timestamp) {
        self.watches[kind.slot()].heard(now);
        let read = match kind {
            Kind::Job => self.apply_job(text, now),
            Kind::Pod => self.apply_pod(text, now),
            Kind::CronJob => self.apply_cron(text),
            Kind::HelmRelease => self.apply_release(text, now),
            Kind::Kustomization => self.apply_kustomization(text, now),
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
            Kind::CronJob | Kind::HelmRelease | Kind::Kustomization => self.watches[kind.slot()].heard(now),
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
            Kind::Kustomization => self.kustomization_gone(&key, now),
            Kind::JobEvent | Kind::PodEvent | Kind::CronJobEvent => {}
        }
    }

    /// What a complete list did not hold is gone.
    pub(super) fn sweep(&mut self, kind: Kind, epoch: u16, now: Timestamp) {
        match kind {
            Kind::Job => {
                for done in self.jobs.each_done() {
                    done.gone |= done.epoch != epoch;
                }
                let open = self.jobs.all_open();
                let gone: Vec<_> = open
                    .filter(|(_, entry)| entry.epoch != epoch && !entry.gone.is_known())
                    .filter_map(|(key, entry)| Some((Arc::clone(key), entry.job.as_ref()?.uid.clone())))
                    .collect();
                for (key, uid) in gone {
                    self.job_gone(&key, &uid, now);
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
            Kind::Kustomization => self.sweep_kustomizations(epoch, now),
            Kind::JobEvent | Kind::PodEvent | Kind::CronJobEvent => {}
        }
    }

    fn note(&mut self, kind: Kind, read: Result<(), Skip>) {
        if let Err(skip) = read {
            let count = self.skipped.entry((kind, skip.reason())).or_default();
            *count += 1;
            // One of a kind tells what is wrong; a line for each of a million would be the next trouble.
            if count.is_power_of_two() {
                tracing::warn!(kind = kind.as_str(), %skip, skipped = *count, "object skipped");
            }
        }
    }

    fn apply_job(&mut self, text: &str, now: Timestamp) -> Result<(), Skip> {
        let (mut meta, status) = serde_json::from_str::<JobStatusObject>(text)?.into_parts();
        let key = named(&meta)?;
        let version = version(&meta, text, self.policies.0);
        let epoch = self.watches[Kind::Job.slot()].epoch;
        if let Some(done) = self.jobs.done_mut(&key).filter(|done| done.is(&meta.uid)) {
            // Most of a list: what has succeeded once has succeeded for good.
            if done.version == version && status.has_succeeded() {
                (done.epoch, done.gone) = (epoch, false);
                return Ok(());
            }
        } else if self.jobs.done(&key).is_some() {
            self.keep_result(&key);
            self.jobs.remove(&key);
        }
        let replaced = |entry: &Entry| {
            let job = entry.job.as_ref();
            job.is_some_and(|job| !job.uid.is_empty() && *job.uid != *meta.uid)
        };
        if self.jobs.get(&key).is_some_and(replaced) {
            self.replace(&key, meta.creation_timestamp, now);
        }
        let spec = if let Some(spec) = self.jobs.spec(&key, version) {
            spec
        } else {
            let spec = self.assess(text, now)?;
            self.specs.share(spec, &self.settings.policy)
        };
        let entry = self.jobs.open(&key);
        let ended_seen = entry.job.as_ref().map(|job| job.ended_seen).unwrap_or_default();
        let owners = &mut meta.owner_references;
        let owner = owners.iter().position(|owner| owner.controller);
        let owner = owner.map(|index| Arc::new(owners.swap_remove(index)));
        let mut job = JobState {
            uid: meta.uid.into(),
            version,
            created: meta.creation_timestamp.into(),
            object: None,
            ended_seen,
            owner,
            status,
            spec,
        };
        job.trim();
        let unfinished = matches!(job.phase(), JobPhase::Waiting | JobPhase::Suspended);
        if !unfinished {
            job.ended_seen = job.ended_seen.or(now);
        }
        let released =
            matches!(job.spec.record.origin, Origin::HelmHook | Origin::Flux) || is_kustomized(text);
        if unfinished && released {
            job.object = PackedObject::of(text);
        }
        if entry.job.is_none() && !entry.restored.is_known() {
            entry.forget_before(job.created.get());
        }
        entry.job = Some(job);
        entry.epoch = epoch;
        entry.gone = Moment::default();
        entry.restored = Moment::default();
        entry.touched = now.into();
        self.adopt_loose(&key);
        self.ask_for_logs(&key);
        self.dirty.insert(key);
        Ok(())
    }

    /// Takes in the events about Pods that bear the Job's name and are themselves gone: after a restart they are
    /// all that is left of a deleted Pod. And those about the Job itself that came while one of its name was known.
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
        let created = entry.job.as_ref().and_then(|job| job.created.get());
        let early = self.early.remove(key).unwrap_or_default();
        for pod in early.into_iter().filter(|pod| pod.created >= created) {
            entry.apply_pod(pod);
        }
        for about in pods.into_iter().chain([key.clone()]) {
            let events = self.loose.remove(&about).unwrap_or_default();
            for event in events.into_iter().filter(|event| event.last >= created) {
                entry.add_event(event);
            }
        }
    }

    pub(super) fn assess(&self, text: &str, now: Timestamp) -> Result<JobSpec, Skip> {
        let (job, _) = serde_json::from_str::<JobObject<'_>>(text)?.into_facts();
        let around = Surroundings {
            helm_releases: &self.releases,
            kustomizations: &self.kustomizations,
            now: Some(now),
            ..Surroundings::default()
        };
        let policy = &self.settings.policy;
        let mut spec = JobSpec::of(&job, around, policy);
        hide::targets(&mut spec.waits, &mut spec.downloads, &policy.redact.patterns);
        spec.labels = self.settings.job_labels.of(|key| job.label(key));
        Ok(spec)
    }

    /// A new Job of the same name: the old one is concluded, and only what is younger than the new one stays.
    fn replace(&mut self, key: &JobKey, created: Option<Timestamp>, now: Timestamp) {
        if let Some(entry) = self.jobs.get_mut(key) {
            entry.gone = entry.gone.or(now);
        }
        self.dirty.insert(key.clone());
        self.settle(now);
        self.keep_result(key);
        // A hook that is tried again at once leaves no time for late evidence.
        self.count_cause(key);
        self.culprits.note(&self.jobs.shared(key), None);
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
        self.jobs.insert(key, new);
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
        if self.jobs.is_settled(&key) {
            let maker = object.metadata.owner_references.iter().find(|of| of.controller);
            if maker.is_some_and(|maker| !self.jobs.is(&key, &maker.uid)) {
                self.add_early(key, object.into_record(Some(now)));
            }
            return Ok(());
        }
        let entry = self.jobs.open(&key);
        entry.touched = now.into();
        entry.apply_pod(object.into_record(Some(now)));
        for event in self.loose.remove(&pod_key).unwrap_or_default() {
            entry.add_event(event);
        }
        self.ask_for_logs(&key);
        self.dirty.insert(key);
        Ok(())
    }

    /// Keeps a Pod that comes before its Job, where another Job of the name is known.
    fn add_early(&mut self, job: JobKey, pod: PodRecord) {
        if self.early.len() >= LOOSE.0 && !self.early.contains_key(&job) {
            return;
        }
        let pods = self.early.entry(job).or_default();
        pods.retain(|known| known.uid != pod.uid);
        if pods.len() < LOOSE.1 {
            pods.push(pod);
        }
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
        self.reassess(|key, _| *key.namespace == *namespace, now);
        Ok(())
    }

    /// The clocks of unfinished Jobs anew: their release, or the policy, may have changed. `concerned` is asked with the
    /// object as text.
    pub(super) fn reassess(&mut self, concerned: impl Fn(&JobKey, &str) -> bool, now: Timestamp) {
        let open = self.jobs.all_open();
        let texts: Vec<_> = open
            .filter_map(|(key, entry)| Some((key, entry.job.as_ref()?.object.as_ref()?.text()?)))
            .filter(|(key, text)| concerned(key, text))
            .map(|(key, text)| (Arc::clone(key), text))
            .collect();
        for (key, text) in texts {
            let Ok(spec) = self.assess(&text, now) else {
                continue;
            };
            let spec = self.specs.share(spec, &self.settings.policy);
            if let Some(job) = self.jobs.get_mut(&key).and_then(|entry| entry.job.as_mut()) {
                job.spec = spec;
            }
            self.dirty.insert(JobKey::clone(&key));
        }
    }

    fn apply_event(&mut self, text: &str, now: Timestamp) -> Result<(), Skip> {
        let event = serde_json::from_str::<EventObject>(text)?.into_record();
        if event.reason == TOLD_REASON {
            return Ok(());
        }
        let about = JobKey::new(&event.object.namespace, &event.object.name);
        let key = match event.object.kind.as_str() {
            "CronJob" if self.crons.len() >= UNSEEN && !self.crons.contains_key(&about) => {
                return Err(Skip::TooMany);
            }
            "CronJob" => {
                self.add_cron_event(event);
                return Ok(());
            }
            "Job" => Some(about),
            "Pod" => self.job_of_pod(&about),
            _ => return Err(Skip::NoJob),
        };
        let Some(key) = key else {
            let about = JobKey::new(&event.object.namespace, &event.object.name);
            if self.loose.len() >= LOOSE.0 && !self.loose.contains_key(&about) {
                return Err(Skip::TooMany);
            }
            add_event(self.loose.entry(about).or_default(), event, LOOSE.1);
            return Ok(());
        };
        if !self.jobs.knows(&key) {
            if self.unseen >= UNSEEN {
                return Err(Skip::TooMany);
            }
            self.unseen += 1;
        }
        if let Some(done) = self.jobs.done(&key) {
            // What comes after its end may be about the next Job of its name.
            if event.last > done.ended.get() && self.loose.len() < LOOSE.0 {
                add_event(self.loose.entry(key).or_default(), event, LOOSE.1);
            }
            return Ok(());
        }
        let entry = self.jobs.open(&key);
        entry.touched = now.into();
        // A Job of the same name that is long gone may have left events.
        let created = entry.job.as_ref().and_then(|job| job.created.get());
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
        job_of_pod_name(&pod.namespace, &pod.name).filter(|key| {
            let is_seen = self.jobs.get(key).is_some_and(|entry| entry.job.is_some());
            is_seen || self.jobs.done(key).is_some()
        })
    }

    fn job_gone(&mut self, key: &JobKey, uid: &str, now: Timestamp) {
        if let Some(done) = self.jobs.done_mut(key).filter(|done| done.is(uid)) {
            done.gone = true;
            return;
        }
        let Some(entry) = self.jobs.get_mut(key) else {
            return;
        };
        if entry.job.as_ref().is_some_and(|job| &*job.uid == uid) {
            // Of a Job that this process has never seen, nobody knows when it went.
            let when = std::mem::take(&mut entry.restored).or(now);
            entry.gone = entry.gone.or(when);
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
        self.forget_owner(&OwnerKey {
            namespace: key.namespace.to_string(),
            kind: kind.to_owned(),
            name: key.name.to_string(),
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
}

/// Why an object is passed over.
#[derive(Debug, thiserror::Error)]
pub(super) enum Skip {
    /// It is not what its kind promises.
    #[error("malformed: {}", without_values(.0))]
    Malformed(#[from] serde_json::Error),
    /// It has no name.
    #[error("it has no metadata.name")]
    NoName,
    /// It belongs to no Job.
    #[error("it belongs to no Job")]
    NoJob,
    /// It is about something that nobody has seen, like many before.
    #[error("too many are about what does not exist")]
    TooMany,
}

impl Skip {
    const fn reason(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::NoName => "no_name",
            Self::NoJob => "no_job",
            Self::TooMany => "too_many",
        }
    }
}

pub(super) fn named(meta: &Meta) -> Result<JobKey, Skip> {
    if meta.name.is_empty() {
        return Err(Skip::NoName);
    }
    Ok(JobKey::new(&meta.namespace, &meta.name))
}

/// Changes with everything that the spec's assessment depends on: `generation` counts changes of the spec, but
/// not those of labels and annotations. An object without a generation counts as new each time. `policy` counts policies.
fn version(meta: &Meta, text: &str, policy: u32) -> u64 {
    let mut hasher = DefaultHasher::new();
    policy.hash(&mut hasher);
    meta.uid.hash(&mut hasher);
    meta.annotations.hash(&mut hasher);
    meta.labels.hash(&mut hasher);
    match meta.generation {
        Some(generation) => generation.hash(&mut hasher),
        None => text.hash(&mut hasher),
    }
    hasher.finish()
}
