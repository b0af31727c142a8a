//! All Jobs by name: those that something may still happen to, and, packed, those that have succeeded.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::entry::{Entry, JobState};
use super::kind::JobKey;
use super::moment::Moment;
use super::spec::SharedSpec;
use super::view::JobView;
use crate::engine::diagnosis::JobPhase;
use crate::engine::evidence::Condition;
use crate::k8s::job_status::JobStatus;

/// The Jobs. Nine of ten in a cluster have succeeded, and are kept in a fraction of what an [`Entry`] takes. Boxes,
/// because the nodes of a B-tree are half empty.
#[derive(Debug, Default)]
pub(super) struct Jobs(BTreeMap<Arc<JobKey>, Kept>);

/// A Job in one of the two forms.
#[derive(Debug)]
enum Kept {
    Open(Box<Entry>),
    Done(Box<Done>),
}

/// A Job that has succeeded.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) spec: Arc<SharedSpec>,
    pub(super) created: Moment,
    pub(super) started: Moment,
    pub(super) ended: Moment,
    /// A hash of its uid: all that it is for is to tell a Job from another one of the same name.
    uid: u32,
    /// As [`JobState::version`].
    pub(super) version: u64,
    pub(super) restarts: u32,
    pub(super) attempts: u32,
    failed: u32,
    succeeded: u32,
    /// As [`Entry::epoch`].
    pub(super) epoch: u16,
    /// Whether its result has been given to the owner.
    pub(super) counted: bool,
    /// Whether the object is gone.
    pub(super) gone: bool,
}

impl Done {
    /// True when that is its uid.
    pub(super) fn is(&self, uid: &str) -> bool {
        self.uid == hash(uid)
    }

    /// What stays of a Job that has succeeded, once it was judged; `None` of any other one.
    fn of(entry: &Entry) -> Option<Self> {
        let (job, view) = (entry.job.as_ref()?, entry.view.as_ref()?);
        let is_done = view.phase == JobPhase::Succeeded && entry.is_settled();
        (is_done && !entry.gone.is_known()).then(|| Self {
            spec: Arc::clone(&view.spec),
            created: job.created,
            started: view.started().into(),
            ended: view.ended().into(),
            uid: hash(&job.uid),
            version: job.version,
            restarts: view.restarts,
            attempts: view.attempts,
            failed: job.status.failed,
            succeeded: job.status.succeeded,
            epoch: entry.epoch,
            counted: entry.counted,
            gone: false,
        })
    }

    /// The same as an entry.
    fn unpacked(&self, key: &Arc<JobKey>) -> Entry {
        let ended = self.ended.get();
        let complete = Condition {
            kind: "Complete".to_owned(),
            status: "True".to_owned(),
            at: ended,
            ..Condition::default()
        };
        let status = JobStatus {
            started: self.started.get(),
            completed: ended,
            active: 0,
            failed: self.failed,
            succeeded: self.succeeded,
            conditions: vec![complete],
        };
        let job = JobState {
            uid: Arc::default(),
            version: self.version,
            spec: Arc::clone(&self.spec),
            created: self.created,
            owner: None,
            status,
            object: None,
            ended_seen: self.ended,
        };
        Entry {
            job: Some(job),
            epoch: self.epoch,
            counted: self.counted,
            cause_counted: self.counted,
            view: Some(JobView::done(key, self)),
            ..Entry::default()
        }
    }
}

impl Jobs {
    /// A Job that has not been packed.
    pub(super) fn get(&self, key: &JobKey) -> Option<&Entry> {
        self.0.get(key)?.open()
    }

    /// As [`Self::get`], to be changed.
    pub(super) fn get_mut(&mut self, key: &JobKey) -> Option<&mut Entry> {
        self.0.get_mut(key)?.open_mut()
    }

    /// A Job that has been packed.
    pub(super) fn done(&self, key: &JobKey) -> Option<&Done> {
        self.0.get(key)?.done()
    }

    /// As [`Self::done`], to be changed.
    pub(super) fn done_mut(&mut self, key: &JobKey) -> Option<&mut Done> {
        self.0.get_mut(key)?.done_mut()
    }

    /// True of a Job that has succeeded, packed or not.
    pub(super) fn is_settled(&self, key: &JobKey) -> bool {
        match self.0.get(key) {
            Some(Kept::Done(_)) => true,
            Some(Kept::Open(entry)) => entry.is_settled(),
            None => false,
        }
    }

    /// True when that is the uid of the Job, or may be.
    pub(super) fn is(&self, key: &JobKey, uid: &str) -> bool {
        match self.0.get(key) {
            Some(Kept::Done(done)) => done.is(uid),
            Some(Kept::Open(entry)) => {
                let known = entry.job.as_ref().map(|job| &*job.uid);
                known.is_none_or(|known| known.is_empty() || known == uid)
            }
            None => true,
        }
    }

    /// A Job as an entry, whichever way it is kept.
    pub(super) fn read<T>(&self, key: &JobKey, read: impl FnOnce(&Entry) -> Option<T>) -> Option<T> {
        match self.0.get_key_value(key)? {
            (_, Kept::Open(entry)) => read(entry),
            (key, Kept::Done(done)) => read(&done.unpacked(key)),
        }
    }

    /// The spec of a Job, if that is the version that is known.
    pub(super) fn spec(&self, key: &JobKey, version: u64) -> Option<Arc<SharedSpec>> {
        let (known, spec) = match self.0.get(key)? {
            Kept::Done(done) => (done.version, &done.spec),
            Kept::Open(entry) => entry.job.as_ref().map(|job| (job.version, &job.spec))?,
        };
        (known == version).then(|| Arc::clone(spec))
    }

    /// What scrapes and pages see of a Job.
    pub(super) fn view(&self, key: &JobKey) -> Option<JobView> {
        let (key, kept) = self.0.get_key_value(key)?;
        kept.view(key)
    }

    /// The entry of a Job, unpacked, and new where nothing was known of it.
    pub(super) fn open(&mut self, key: &JobKey) -> &mut Entry {
        let key = self.shared(key);
        let kept = self.0.entry(Arc::clone(&key));
        kept.or_insert_with(|| Kept::Open(Box::default())).opened(&key)
    }

    /// Replaces what was known of a Job.
    pub(super) fn insert(&mut self, key: &JobKey, entry: Entry) {
        *self.open(key) = entry;
    }

    /// Packs a Job that has succeeded and leaves any other one as it is.
    pub(super) fn pack(&mut self, key: &JobKey) {
        if let Some(kept) = self.0.get_mut(key)
            && let Some(done) = kept.open().and_then(Done::of)
        {
            *kept = Kept::Done(Box::new(done));
        }
    }

    /// Forgets a Job.
    pub(super) fn remove(&mut self, key: &JobKey) -> Option<Box<Entry>> {
        match self.0.remove(key)? {
            Kept::Open(entry) => Some(entry),
            Kept::Done(_) => None,
        }
    }

    /// Forgets the packed Jobs that are gone; true if there were any.
    pub(super) fn bury(&mut self) -> bool {
        let before = self.0.len();
        let is_over = |done: &Done| done.gone && done.counted;
        self.0.retain(|_, kept| !kept.done().is_some_and(is_over));
        self.0.len() < before
    }

    /// True when anything is known of a Job.
    pub(super) fn knows(&self, key: &JobKey) -> bool {
        self.0.contains_key(key)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The key as it is kept, so that to hold on to it costs no copy.
    pub(super) fn shared(&self, key: &JobKey) -> Arc<JobKey> {
        let known = self.0.get_key_value(key).map(|(known, _)| known);
        known.map_or_else(|| Arc::new(key.clone()), Arc::clone)
    }

    /// Those that have not been packed, in the order of their names.
    pub(super) fn all_open(&self) -> impl Iterator<Item = (&Arc<JobKey>, &Entry)> {
        self.0.iter().filter_map(|(key, kept)| Some((key, kept.open()?)))
    }

    /// As [`Self::all_open`], to be changed.
    pub(super) fn each_open(&mut self) -> impl Iterator<Item = (&Arc<JobKey>, &mut Entry)> {
        self.0
            .iter_mut()
            .filter_map(|(key, kept)| Some((key, kept.open_mut()?)))
    }

    /// Those that have been packed, in the order of their names.
    pub(super) fn all_done(&self) -> impl Iterator<Item = (&Arc<JobKey>, &Done)> {
        self.0.iter().filter_map(|(key, kept)| Some((key, kept.done()?)))
    }

    /// As [`Self::all_done`], to be changed.
    pub(super) fn each_done(&mut self) -> impl Iterator<Item = &mut Done> {
        self.0.values_mut().filter_map(|kept| kept.done_mut())
    }

    /// All of them as scrapes and pages see them, in the order of their names.
    pub(super) fn views(&self) -> Vec<JobView> {
        let mut views = Vec::with_capacity(self.len());
        views.extend(self.0.iter().filter_map(|(key, kept)| kept.view(key)));
        views
    }
}

impl Kept {
    /// The entry, unpacked.
    fn opened(&mut self, key: &Arc<JobKey>) -> &mut Entry {
        match self {
            Self::Open(entry) => entry,
            Self::Done(done) => {
                *self = Self::Open(Box::new(done.unpacked(key)));
                self.opened(key)
            }
        }
    }

    fn open(&self) -> Option<&Entry> {
        match self {
            Self::Open(entry) => Some(entry),
            Self::Done(_) => None,
        }
    }

    fn open_mut(&mut self) -> Option<&mut Entry> {
        match self {
            Self::Open(entry) => Some(entry),
            Self::Done(_) => None,
        }
    }

    fn done(&self) -> Option<&Done> {
        match self {
            Self::Open(_) => None,
            Self::Done(done) => Some(done),
        }
    }

    fn done_mut(&mut self) -> Option<&mut Done> {
        match self {
            Self::Open(_) => None,
            Self::Done(done) => Some(done),
        }
    }

    fn view(&self, key: &Arc<JobKey>) -> Option<JobView> {
        match self {
            Self::Open(entry) => entry.view.clone(),
            Self::Done(done) => Some(JobView::done(key, done)),
        }
    }
}

/// Half of a hash: one of four thousand million Jobs that replace another of their name is taken for it.
#[allow(clippy::cast_possible_truncation, reason = "half of it is wanted")]
fn hash(uid: &str) -> u32 {
    let mut hasher = DefaultHasher::new();
    uid.hash(&mut hasher);
    hasher.finish() as u32
}
