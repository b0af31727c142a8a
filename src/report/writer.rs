//! Writes down what changed, reads it back at the start, tells of it by an Event, and forgets what is old.

mod known;
mod refused;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::runtime::events::Recorder;
use kube::{Client, Error};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use self::known::{Known, Place};
use self::refused::{Refused, is_refused, refused};
use self::told::{about, event};
use super::object::object;
use super::store::{Kept, Store};
use super::{KIND, Lease};
use crate::engine::diagnosis::JobPhase;
use crate::engine::root_cause::RootCause;
use crate::index::{Handle, JobKey, JobView, Kind, Reported, Snapshot};
use crate::shutdown::Shutdown;

/// How often changes are looked for. What was captured since is what a kill can lose.
const LOOK: Duration = Duration::from_secs(1);
/// A Job that goes on changing is written no more often than this; one that fails is written at once.
const QUIET: Duration = Duration::from_secs(5);
/// The pause after something was refused or the API server did not answer: of everything, or of one namespace.
const PAUSE: Duration = Duration::from_secs(30);
/// How long one look may take until the next one renews the Lease: a webhook that does not answer takes up to 30 s
/// for each object (kubernetes/api `admissionregistration/v1` `timeoutSeconds`).
const ROUND: Duration = Duration::from_secs(5);
/// How long a write that succeeded says that others can, whatever single namespaces refuse.
const RECENT: Duration = Duration::from_mins(10);
/// The longest pause between two tries to read back.
const LONGEST: Duration = Duration::from_secs(10);
/// How long a failure's cause may still change by late evidence before an Event tells it.
const SETTLED: Duration = Duration::from_secs(5);
/// How often what is old is looked for.
const PRUNE: Duration = Duration::from_mins(1);

/// What is kept, and how long.
#[derive(Clone, Copy, Debug)]
pub struct ReportSettings {
    /// Diagnoses per owner: the oldest go first.
    pub per_owner: usize,
    /// How long a diagnosis without an owner in its own namespace is kept: nobody else deletes it.
    pub age: SignedDuration,
}

/// How long the first read is tried.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// The pause after the first try. Each later one is twice as long, up to [`LONGEST`].
    first: Duration,
    /// How long an API server that answers, but not this, holds up the watches.
    grace: Duration,
}

const PATIENCE: Patience = Patience {
    first: Duration::from_secs(1),
    grace: Duration::from_mins(1),
};

/// The writer.
pub struct Reports {
    store: Store,
    lease: Option<Lease>,
    recorder: Recorder,
    index: Handle,
    settings: ReportSettings,
    known: BTreeMap<String, Known>,
    paused: Option<Instant>,
    patience: Patience,
    /// What is there has been read: it can be written over.
    has_read: bool,
    /// Namespaces that refused the last write, and when. They are tried after all others.
    held: BTreeMap<Box<str>, Instant>,
    /// The last write that succeeded.
    wrote: Option<Instant>,
}

impl std::fmt::Debug for Reports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reports")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl Reports {
    /// A writer of what an index holds. Without a Lease it is the only one.
    #[must_use]
    pub fn new(
        client: Client,
        store: Store,
        lease: Option<Lease>,
        index: Handle,
        settings: ReportSettings,
    ) -> Self {
        Self {
            store,
            lease,
            recorder: Recorder::new(client, "hookbudget".into()),
            index,
            settings,
            known: BTreeMap::new(),
            paused: None,
            patience: PATIENCE,
            has_read: false,
            held: BTreeMap::new(),
            wrote: None,
        }
    }

    /// Gives the index back what it knew. To be called before the watches begin, which would find nothing either while
    /// the API server does not answer. Where it answers, but refuses this or fails at it, they are not held up for
    /// long: [`Self::run`] goes on trying, and nothing is written before.
    pub async fn read_back(&mut self, shutdown: &Shutdown) {
        let (begun, mut pause, mut warned) = (Instant::now(), self.patience.first, false);
        loop {
            let now = self.index.clock().now();
            let read = tokio::select! {
                () = shutdown.requested() => return,
                read = timeout(self.patience.grace, self.store.list(now)) => read,
            };
            let error = match read {
                Ok(Ok(kept)) => return self.take_back(kept, now),
                Ok(Err(error)) if is_refused(&error) => return self.cannot(&error),
                Ok(Err(error)) => error,
                Err(_) => {
                    tracing::warn!(
                        "the list of {KIND} objects does not end; nothing is written until it does"
                    );
                    return;
                }
            };
            self.index.with(|index| index.reports().failed += 1);
            if !std::mem::replace(&mut warned, true) {
                tracing::warn!(%error, "{KIND} objects cannot be read back yet; it is tried again, and nothing is \
                    written until then, or what was captured would be overwritten");
            }
            let answers = !matches!(error, Error::Service(_) | Error::HyperError(_));
            if answers && begun.elapsed() >= self.patience.grace {
                return;
            }
            tokio::select! {
                () = shutdown.requested() => return,
                () = sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST);
        }
    }

    fn take_back(&mut self, objects: Vec<Option<Kept>>, now: Timestamp) {
        let (mut restored, mut skipped) = (0_u64, 0_u64);
        self.index.with(|index| {
            let kinds = index.snapshot(now).kinds;
            let listed = kinds.iter().any(|watch| watch.kind == Kind::Job && watch.synced);
            for kept in objects {
                let Some(kept) = kept else {
                    skipped += 1;
                    continue;
                };
                let job = kept.evidence.as_ref().map(|evidence| &evidence.job);
                let key = JobKey::new(&kept.namespace, job.map_or("", |job| &job.name));
                let met = || {
                    let known = index.evidence(&key);
                    known.is_some_and(|known| known.job.uid == kept.uid)
                };
                let late = listed || met();
                let known = Known {
                    job: key,
                    name: kept.name,
                    created: kept.created,
                    owner: kept.owner,
                    started: job.and_then(|job| job.started),
                    mark: None,
                    told: kept.told,
                    cause: None,
                    written: None,
                    place: Place::Kept,
                    unread: late || kept.evidence.is_none(),
                    waits: false,
                };
                self.known.insert(kept.uid, known);
                match kept.evidence {
                    Some(evidence) if !late => {
                        index.restore(evidence, kept.written, now);
                        restored += 1;
                    }
                    _ => skipped += 1,
                }
            }
            let state = index.reports();
            state.available = Some(true);
            state.restored = restored;
            state.skipped = skipped;
        });
        self.has_read = true;
        tracing::info!(restored, skipped, "diagnoses read back");
    }

    /// Another try of what [`Self::read_back`] could not.
    async fn read_late(&mut self) {
        let now = self.index.clock().now();
        match self.store.list(now).await {
            Ok(kept) => self.take_back(kept, now),
            Err(error) => {
                self.unavailable(&error);
                self.paused = Some(Instant::now());
            }
        }
    }

    /// Writes until shutdown, and once more then.
    pub async fn run(mut self, shutdown: Shutdown) {
        let mut ticks = interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pruned = Instant::now();
        loop {
            tokio::select! {
                () = shutdown.requested() => break,
                _ = ticks.tick() => {}
            }
            if self.paused.is_some_and(|since| since.elapsed() < PAUSE) {
                continue;
            }
            if !self.has_read {
                tokio::select! {
                    () = shutdown.requested() => break,
                    () = self.read_late() => {}
                }
            }
            if !self.has_read || !self.may_write().await {
                continue;
            }
            self.paused = None;
            self.write(false).await;
            if pruned.elapsed() >= PRUNE {
                pruned = Instant::now();
                self.prune().await;
            }
        }
        if self.has_read && self.may_write().await {
            self.write(true).await;
        }
        let now = self.index.clock().now();
        if let Some(lease) = &mut self.lease {
            lease.release(now).await;
        }
    }

    async fn may_write(&mut self) -> bool {
        let now = self.index.clock().now();
        let held = match &mut self.lease {
            None => Ok(true),
            Some(lease) => lease.hold(now).await,
        };
        let held = held.unwrap_or_else(|error| {
            tracing::warn!(%error, "the lease cannot be held; nothing is written meanwhile");
            self.paused = Some(Instant::now());
            false
        });
        self.index.with(|index| index.reports().leader = Some(held));
        held
    }

    /// One look at all Jobs. `last` when there will be no other one.
    async fn write(&mut self, last: bool) {
        let snapshot = self.index.snapshot();
        // What is judged without the Pods and events that are still on their way would be told too soon.
        if snapshot.kinds.iter().any(|watch| watch.awaited) {
            return;
        }
        self.note(&snapshot);
        let (begun, mut refused) = (Instant::now(), None);
        for (job, reported) in in_turns(&snapshot.jobs, &self.held, &self.known) {
            if self.paused.is_some() || (!last && begun.elapsed() >= ROUND) {
                break;
            }
            if !self.is_held(&job.key.namespace) {
                let tried = self.write_one(job, reported, last, snapshot.now).await;
                refused = tried.err().or(refused);
            }
        }
        if let Some(error) = refused
            && self.wrote.is_none_or(|at| at.elapsed() >= RECENT)
        {
            self.unavailable(&error);
        }
        self.forget(&snapshot.jobs).await;
    }

    /// Notes Jobs that are new. What would be pruned at once is not written to begin with.
    fn note(&mut self, snapshot: &Snapshot) {
        let mut is_new = false;
        for job in &snapshot.jobs {
            let Some(reported) = worth(job) else {
                continue;
            };
            let waits = job.root_cause().is_none();
            if let Some(known) = self.known.get_mut(&*reported.uid) {
                known.waits = waits;
                continue;
            }
            let mut known = Known::new(job, reported, snapshot.now);
            known.waits = waits;
            self.known.insert(reported.uid.to_string(), known);
            is_new = true;
        }
        let surplus = if is_new {
            self.surplus(snapshot.now)
        } else {
            BTreeSet::new()
        };
        for uid in surplus {
            if let Some(known) = self.known.get_mut(&uid)
                && known.place == Place::Unwritten
            {
                known.place = Place::Pruned;
            }
        }
    }

    fn is_held(&self, namespace: &str) -> bool {
        let since = self.held.get(namespace);
        since.is_some_and(|since| since.elapsed() < PAUSE)
    }

    /// Writes one object where there is something new to say. An error is one of its namespace alone.
    async fn write_one(
        &mut self,
        job: &JobView,
        reported: &Reported,
        last: bool,
        now: Timestamp,
    ) -> Result<(), Error> {
        let Some(known) = self.known.get_mut(&*reported.uid) else {
            return Ok(());
        };
        let says_less = known.unread
            && job
                .root_cause()
                .is_none_or(|cause| cause == RootCause::EvidenceLost);
        if known.place == Place::Pruned || says_less {
            return Ok(());
        }
        let failed = job.root_cause();
        if let Some(cause) = failed
            && known
                .cause
                .as_ref()
                .is_none_or(|(known, _)| known != cause.as_str())
        {
            known.cause = Some((cause.as_str().to_owned(), Instant::now()));
        }
        let tell = known.cause.as_ref().filter(|(cause, since)| {
            let settled = last || since.elapsed() >= SETTLED;
            settled && failed.is_some() && known.told.as_ref() != Some(cause)
        });
        let tell = tell.map(|(cause, _)| cause.clone());
        let quiet = known.written.is_some_and(|at| at.elapsed() < QUIET) && failed.is_none() && !last;
        if (known.mark == Some(reported.mark) && tell.is_none()) || quiet {
            return Ok(());
        }
        if let Some(cause) = tell
            && let Some(diagnosis) = job.diagnosis()
        {
            let told = self
                .recorder
                .publish(&event(&diagnosis), &about(job, reported))
                .await;
            if let Err(error) = told {
                tracing::warn!(%error, job = %job.key.name, "the Event about a diagnosis is not written");
            }
            // Told or not: the object says it, and an Event that is refused is refused again.
            known.told = Some(cause);
        }
        let evidence = self.index.with(|index| index.evidence(&job.key));
        let told = known.told.as_deref();
        let Some(object) = evidence.and_then(|evidence| object(job, evidence, told, now)) else {
            return Ok(());
        };
        // Also where no answer comes.
        known.place = Place::Kept;
        let written = self.store.apply(&job.key.namespace, &known.name, &object).await;
        match written {
            Ok(()) => {
                known.mark = Some(reported.mark);
                known.written = Some(Instant::now());
                self.wrote = known.written;
                self.held.remove(&job.key.namespace);
                self.index.with(|index| {
                    let state = index.reports();
                    state.available = Some(true);
                    state.written += 1;
                });
                Ok(())
            }
            Err(error) => {
                match refused(&error) {
                    Refused::Gone => known.mark = Some(reported.mark),
                    Refused::Object => {
                        tracing::warn!(%error, job = %job.key.name, "this diagnosis is not kept");
                        known.mark = Some(reported.mark);
                        self.index.with(|index| index.reports().failed += 1);
                    }
                    Refused::Namespace => {
                        self.hold(&job.key.namespace, &error);
                        return Err(error);
                    }
                    Refused::All => {
                        known.written = Some(Instant::now());
                        self.cannot(&error);
                    }
                }
                Ok(())
            }
        }
    }

    /// A Job that has succeeded after all has nothing to explain. `jobs` are in the order of their keys.
    async fn forget(&mut self, jobs: &[JobView]) {
        let succeeded = |known: &Known| {
            let place = jobs.binary_search_by(|job| (*job.key).cmp(&known.job));
            let job = place.ok().and_then(|place| jobs.get(place));
            job.is_some_and(|job| job.phase == JobPhase::Succeeded && job.started() == known.started)
        };
        let over = self.known.iter().filter(|(_, known)| succeeded(known));
        let over: Vec<String> = over.map(|(uid, _)| uid.clone()).collect();
        for uid in over {
            if self.paused.is_some() {
                return;
            }
            if self.delete(&uid).await {
                self.known.remove(&uid);
            }
        }
    }

    /// True when the API server does not have it any more.
    async fn delete(&mut self, uid: &str) -> bool {
        let Some(known) = self.known.get(uid) else {
            return false;
        };
        let namespace = known.job.namespace.clone();
        if known.place != Place::Kept {
            return true;
        }
        if self.is_held(&namespace) {
            return false;
        }
        match self.store.delete(&namespace, &known.name).await {
            Ok(()) => {
                self.index.with(|index| index.reports().deleted += 1);
                true
            }
            Err(error) => {
                match refused(&error) {
                    Refused::All => self.cannot(&error),
                    Refused::Gone | Refused::Object | Refused::Namespace => self.hold(&namespace, &error),
                }
                false
            }
        }
    }

    /// Deletes what is beyond what is kept.
    async fn prune(&mut self) {
        let snapshot = self.index.snapshot();
        let uids = snapshot.jobs.iter().filter_map(JobView::reported);
        let there: BTreeSet<&str> = uids.map(|reported| &*reported.uid).collect();
        self.known.retain(|uid, known| {
            let is_there = there.contains(uid.as_str());
            known.waits &= is_there;
            is_there || known.place != Place::Pruned
        });
        for uid in self.surplus(snapshot.now) {
            if self.paused.is_some() {
                return;
            }
            if self.delete(&uid).await
                && let Some(known) = self.known.get_mut(&uid)
            {
                known.place = Place::Pruned;
            }
        }
    }

    /// The oldest of each owner beyond the limit, and what nobody owns and is old.
    fn surplus(&self, now: Timestamp) -> BTreeSet<String> {
        let mut by_owner: BTreeMap<_, Vec<(Timestamp, &String)>> = BTreeMap::new();
        let mut old = BTreeSet::new();
        let candidates = self
            .known
            .iter()
            .filter(|(_, known)| known.place != Place::Pruned && !known.waits);
        for (uid, known) in candidates {
            let owner = known.owner.as_ref();
            let (kind, of) = owner.map_or(("Job", &*known.job.name), |owner| (&*owner.kind, &*owner.name));
            let key = (known.job.namespace.to_string(), kind.to_owned(), of.to_owned());
            by_owner.entry(key).or_default().push((known.created, uid));
            let kept_by_owner = owner.is_some_and(|owner| owner.kind == "CronJob");
            if !kept_by_owner && now.duration_since(known.created) > self.settings.age {
                old.insert(uid.clone());
            }
        }
        for mut of_owner in by_owner.into_values() {
            of_owner.sort_unstable();
            let beyond = of_owner.len().saturating_sub(self.settings.per_owner);
            old.extend(of_owner[..beyond].iter().map(|(_, uid)| (*uid).clone()));
        }
        old
    }

    /// One namespace refuses: a quota, a policy, a role that is missing, somebody's webhook that fails.
    fn hold(&mut self, namespace: &str, error: &Error) {
        self.index.with(|index| index.reports().failed += 1);
        let before = self.held.insert(namespace.into(), Instant::now());
        if before.is_none() {
            tracing::warn!(%error, namespace, "{KIND} objects cannot be kept in this namespace: does a quota, a policy or \
                a webhook refuse them, or a role miss? It is tried again");
        }
    }

    /// Nothing can be written for a while.
    fn cannot(&mut self, error: &Error) {
        self.index.with(|index| index.reports().failed += 1);
        if is_refused(error) {
            self.unavailable(error);
        } else {
            tracing::warn!(%error, "a {KIND} is not written; it is tried again in {} s", PAUSE.as_secs());
        }
        self.paused = Some(Instant::now());
    }

    fn unavailable(&self, error: &Error) {
        let before = self.index.with(|index| index.reports().available.replace(false));
        if before != Some(false) {
            tracing::warn!(%error, "{KIND} objects cannot be kept: is their definition installed, and may the exporter \
                write them? Diagnoses are lost with the next restart until then");
        }
    }
}

/// What there is to write, the first of each namespace before the second of any: one namespace with hundreds keeps nobody
/// else waiting. Among these what was never written comes first, and then what was written longest ago, or a round that
/// ends before its time would begin with the same ones again. A namespace that refuses again, and slowly, comes behind
/// those that do not.
fn in_turns<'j>(
    jobs: &'j [JobView],
    held: &BTreeMap<Box<str>, Instant>,
    known: &BTreeMap<String, Known>,
) -> impl Iterator<Item = (&'j JobView, &'j Reported)> + use<'j> {
    let (mut namespace, mut turn) = ("", 0_usize);
    let mut due: Vec<_> = jobs
        .iter()
        .filter_map(|job| {
            let reported = worth(job)?;
            let own = &*job.key.namespace;
            turn = if own == namespace { turn + 1 } else { 0 };
            namespace = own;
            let written = known.get(&*reported.uid).and_then(|known| known.written);
            Some(((held.contains_key(own), turn, written), job, reported))
        })
        .collect();
    due.sort_by_key(|(order, ..)| *order);
    due.into_iter().map(|(_, job, reported)| (job, reported))
}

/// What there is to write of a Job that has failed; of one that waits as soon as a run of it has gone wrong, or something
/// holds it up.
fn worth(job: &JobView) -> Option<&Reported> {
    let (gist, reported) = (job.gist()?, job.reported()?);
    let wrong = job.restarts > 0 || job.attempts > 1 || gist.root_cause.is_some();
    let is_worth =
        job.root_cause().is_some() || (job.phase == JobPhase::Waiting && job.spec.matters && wrong);
    is_worth.then_some(reported)
}

#[cfg(test)]
mod tests;
