//! The index itself: one writer, three verbs per kind (`reset` as begin and end, `apply`, `delete`), no I/O.

mod apply;
mod crons;
mod culprits;
mod judge;
mod kustomizations;
mod logs;
mod looks;
mod policy;
mod releases;
mod restore;
mod results;
mod signatures;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::value::RawValue;

use self::crons::CronState;
use self::culprits::Culprits;
use self::kustomizations::is_kustomized;
use self::looks::Seen;
use self::results::Outcome;
use super::change::{Action, Change};
use super::entry::since;
use super::job_labels::JobLabels;
use super::jobs::Jobs;
use super::kind::{JobKey, Kind};
use super::owners::{OwnerKey, OwnerView};
use super::spec::Specs;
use super::took::Took;
use super::view::{JobView, KindView, PolicyState, ReportState, Snapshot};
use super::watch_metrics::WatchState;
use crate::engine::Seconds;
use crate::engine::evidence::{Condition, Dependency, EventRecord, PodRecord, PreviousRun};
use crate::engine::policy::Policy;
use crate::engine::release::HelmRelease;
use crate::engine::window::Kustomization;
use crate::k8s::meta::OwnerReference;

/// A watch that has got through again and finds nothing new says nothing; one that has not complains at least this
/// often (kube-runtime backs off to 30 s, and a kind that is optional is asked for every minute).
const TROUBLE: Seconds = Seconds::new(120);

/// How long after that of the Jobs the first list of another kind is waited for, where the kind is optional or its list
/// fails. One that comes page by page takes its time.
const FIRST_LIST: Seconds = Seconds::new(60);

/// What the index is run with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Margins and defaults.
    pub policy: Arc<Policy>,
    /// How long a failed Job's diagnosis is kept after the Job is gone.
    pub retention: Seconds,
    /// When this process began: what had ended before is not counted again.
    pub started: Timestamp,
    /// The labels of Jobs that are exported as they are.
    pub job_labels: JobLabels,
}

impl Settings {
    /// The default policy and a retention of one hour.
    #[must_use]
    pub fn new(started: Timestamp) -> Self {
        Self {
            policy: Arc::new(Policy::default()),
            retention: Seconds::new(3600),
            started,
            job_labels: JobLabels::default(),
        }
    }
}

/// The state of the cluster, as far as Jobs go.
#[derive(Debug)]
pub struct Index {
    settings: Settings,
    jobs: Jobs,
    /// Which Job a Pod belongs to.
    pods: BTreeMap<JobKey, PodOwner>,
    /// Pods of Jobs that have succeeded, made by Jobs of the same names that nobody knows yet.
    early: BTreeMap<JobKey, Vec<PodRecord>>,
    /// Events about Pods that nobody knows yet.
    loose: BTreeMap<JobKey, Vec<EventRecord>>,
    /// Events about `CronJob`s.
    crons: BTreeMap<JobKey, CronState>,
    releases: Vec<HelmRelease>,
    kustomizations: Vec<Kustomization>,
    /// In which list a Kustomization was seen last.
    kustomized: BTreeMap<JobKey, u16>,
    release_state: BTreeMap<JobKey, ReleaseState>,
    specs: Specs,
    seen: Seen,
    /// Shared with the scrapes that are being written.
    owners: BTreeMap<Arc<OwnerKey>, Arc<OwnerView>>,
    culprits: Culprits,
    /// The failed runs per owner since its last success, the newest last.
    blockers: BTreeMap<OwnerKey, Vec<PreviousRun>>,
    watches: [Watch; Kind::ALL.len()],
    /// When the Jobs were listed first.
    listed: Option<Timestamp>,
    skipped: BTreeMap<(Kind, &'static str), u64>,
    evidence_lost: u64,
    /// Jobs that nothing but events is known of, at the last tick, and those that came since.
    unseen: usize,
    reports: ReportState,
    policy: PolicyState,
    /// Policies that there were, and among them those that hide something else: specs and reports are made anew.
    policies: (u32, u32),
    /// How long diagnoses take, where somebody measures it: a recording is played to the same end each time.
    took: Option<Took>,
    dirty: BTreeSet<JobKey>,
    /// Succeeded Jobs whose results go to their owners once every kind is listed.
    uncounted: Vec<Arc<JobKey>>,
    /// Results of Jobs whose names others have taken before that.
    replaced: Vec<(Timestamp, Arc<JobKey>, Outcome)>,
    actions: Vec<Action>,
}

#[derive(Debug)]
struct PodOwner {
    job: Box<str>,
    epoch: u16,
}

#[derive(Debug, Default)]
struct ReleaseState {
    conditions: Vec<Condition>,
    /// Itself, as something that others wait for.
    dependency: Dependency,
    depends_on: Vec<JobKey>,
    owner: Option<Arc<OwnerReference>>,
    epoch: u16,
}

#[derive(Clone, Copy, Debug, Default)]
struct Watch {
    epoch: u16,
    synced: bool,
    absent: bool,
    /// Its first list is not waited for any more.
    waived: bool,
    last_event: Option<Timestamp>,
    trouble: Option<Trouble>,
}

/// What a watch said last when it did not get through.
#[derive(Clone, Copy, Debug)]
struct Trouble {
    at: Timestamp,
    forbidden: bool,
}

impl Watch {
    /// Something came: who had been interrupted is so no longer. A permission that is missing for one of several
    /// namespaces is not there because another one is.
    fn heard(&mut self, now: Timestamp) {
        self.last_event = Some(now);
        self.trouble = self.trouble.filter(|trouble| trouble.forbidden);
    }

    const fn is_awaited(&self) -> bool {
        !self.synced && !self.waived
    }

    fn state(&self, now: Timestamp) -> WatchState {
        let trouble = self.trouble.filter(|trouble| since(trouble.at, now) < TROUBLE);
        match trouble {
            Some(Trouble { forbidden: true, .. }) => WatchState::Forbidden,
            Some(_) => WatchState::Interrupted,
            None if !self.synced => WatchState::Listing,
            None if self.absent => WatchState::Absent,
            None => WatchState::Synced,
        }
    }
}

impl Index {
    /// An empty index.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            jobs: Jobs::default(),
            pods: BTreeMap::new(),
            early: BTreeMap::new(),
            loose: BTreeMap::new(),
            crons: BTreeMap::new(),
            releases: Vec::new(),
            kustomizations: Vec::new(),
            kustomized: BTreeMap::new(),
            release_state: BTreeMap::new(),
            specs: Specs::default(),
            seen: Seen::default(),
            owners: BTreeMap::new(),
            culprits: Culprits::default(),
            blockers: BTreeMap::new(),
            watches: [Watch::default(); Kind::ALL.len()],
            listed: None,
            skipped: BTreeMap::new(),
            evidence_lost: 0,
            unseen: 0,
            reports: ReportState::default(),
            policy: PolicyState::default(),
            policies: (0, 0),
            took: None,
            dirty: BTreeSet::new(),
            uncounted: Vec::new(),
            replaced: Vec::new(),
            actions: Vec::new(),
        }
    }

    /// Measures from now on how long diagnoses take, by the machine's own clock.
    #[must_use]
    pub fn timed(mut self) -> Self {
        self.took = Some(Took::default());
        self
    }

    /// Takes in a change. [`Self::settle`] draws the conclusions.
    pub fn change(&mut self, change: Change, now: Timestamp) {
        match change {
            Change::Begin(kind) => self.begin(kind, now),
            Change::Apply { kind, object } => self.apply(kind, object.get(), now),
            Change::Delete { kind, object } => self.delete(kind, object.get(), now),
            Change::Gone { kind, object } => self.remove(kind, object.get(), now),
            Change::End(kind) => self.end(kind, now),
            Change::Absent(kind) => {
                let watch = &mut self.watches[kind.slot()];
                (watch.synced, watch.absent) = (true, true);
                self.after_sync();
            }
            Change::Interrupted { kind, forbidden } => {
                let watch = &mut self.watches[kind.slot()];
                watch.trouble = Some(Trouble { at: now, forbidden });
                if forbidden && kind != Kind::Job && !std::mem::replace(&mut watch.waived, true) {
                    self.after_sync();
                }
            }
            Change::Log { log, lines } => self.add_log(log, lines, now),
            Change::LogEnd(log) => self.end_log(log, now),
            Change::LogLost { log, why } => self.lose_log(&log, why),
            Change::Dependency {
                job,
                dependency,
                events,
            } => self.add_dependency(&job, *dependency, events),
            Change::Signatures { job, found, lost } => self.add_signatures(&job, found, lost),
            Change::Capacity { job, capacity } => self.add_capacity(&job, *capacity),
        }
    }

    /// A list begins.
    pub fn begin(&mut self, kind: Kind, now: Timestamp) {
        let watch = &mut self.watches[kind.slot()];
        watch.epoch = watch.epoch.wrapping_add(1);
        watch.last_event = Some(now);
    }

    /// A list is complete: what it did not hold is gone.
    pub fn end(&mut self, kind: Kind, now: Timestamp) {
        let watch = &mut self.watches[kind.slot()];
        watch.synced = true;
        watch.absent = false;
        watch.trouble = None;
        watch.last_event = Some(now);
        let epoch = watch.epoch;
        self.sweep(kind, epoch, now);
        if kind == Kind::Job {
            self.listed.get_or_insert(now);
        }
        if kind == Kind::Kustomization {
            self.reassess(|_, job| is_kustomized(job), now);
        }
        self.after_sync();
    }

    /// Replaces everything of a kind.
    pub fn reset(&mut self, kind: Kind, objects: &[Box<RawValue>], now: Timestamp) {
        self.begin(kind, now);
        for object in objects {
            self.apply(kind, object.get(), now);
        }
        self.end(kind, now);
    }

    /// True once the first list of every kind is complete, refused, or not waited for any more: what cannot be read
    /// must not hold up the rest. Without Jobs there is no rest.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        !self.watches.iter().any(Watch::is_awaited)
    }

    /// Gives up on first lists that do not come.
    fn wait_no_longer(&mut self, now: Timestamp) {
        if self.listed.is_none_or(|listed| since(listed, now) < FIRST_LIST) {
            return;
        }
        let mut is_new = false;
        for kind in Kind::ALL {
            let watch = &mut self.watches[kind.slot()];
            if watch.is_awaited() && (kind.is_optional() || watch.trouble.is_some()) {
                tracing::warn!(
                    kind = kind.as_str(),
                    "its first list does not come; the rest goes on without it"
                );
                (watch.waived, is_new) = (true, true);
            }
        }
        if is_new {
            self.after_sync();
        }
    }

    /// What the index asks for since the last call.
    pub fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// What is known of an owner, to be changed.
    fn owner(&mut self, key: OwnerKey) -> &mut OwnerView {
        Arc::make_mut(self.owners.entry(Arc::new(key)).or_default())
    }

    /// The state at `now`. Cheap: the Jobs are shared, not copied.
    #[must_use]
    pub fn snapshot(&self, now: Timestamp) -> Snapshot {
        Snapshot {
            now,
            jobs: self.jobs.views(),
            owners: self
                .owners
                .iter()
                .map(|(key, view)| (Arc::clone(key), Arc::clone(view)))
                .collect(),
            kinds: self.kinds(now),
            skipped: self
                .skipped
                .iter()
                .map(|((kind, reason), count)| (*kind, *reason, *count))
                .collect(),
            evidence_lost: self.evidence_lost,
            reports: self.reports,
            policy: self.policy,
            took: self.took,
        }
    }

    /// How the watches stand.
    #[must_use]
    pub fn kinds(&self, now: Timestamp) -> Vec<KindView> {
        let view = |kind: Kind| {
            let watch = self.watches[kind.slot()];
            KindView {
                kind,
                synced: watch.synced,
                awaited: watch.is_awaited(),
                state: watch.state(now),
                last_event: watch.last_event,
            }
        };
        Kind::ALL.map(view).to_vec()
    }

    /// What the writer of diagnoses says of itself.
    pub fn reports(&mut self) -> &mut ReportState {
        &mut self.reports
    }

    /// One Job.
    #[must_use]
    pub fn job(&self, namespace: &str, name: &str) -> Option<JobView> {
        self.jobs.view(&JobKey::new(namespace, name))
    }

    /// Objects held, for tests of what is forgotten: Jobs, Pods, loose events.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize, usize) {
        (self.jobs.len(), self.pods.len(), self.loose.len())
    }

    /// The first complete picture is judged as a whole: results in the order in which they came about. A kind that is
    /// absent says so every minute; Jobs that wait are not judged anew for that.
    fn after_sync(&mut self) {
        if self.is_synced() {
            let open = self.jobs.all_open().filter(|(_, entry)| entry.untold().is_some());
            self.dirty.extend(open.map(|(key, _)| JobKey::clone(key)));
        }
    }
}
