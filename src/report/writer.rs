//! Writes down what changed, reads it back at the start, tells of it by an Event, and forgets what is old.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Client, Error};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::object::{name, object};
use super::store::Store;
use super::{KIND, Lease};
use crate::engine::diagnosis::{Diagnosis, JobPhase, Verdict};
use crate::engine::evidence::ObjectRef;
use crate::index::{Handle, JobKey, JobView, Reported, TOLD_REASON};
use crate::shutdown::Shutdown;

/// How often changes are looked for. What was captured since is what a kill can lose.
const LOOK: Duration = Duration::from_secs(1);
/// A Job that goes on changing is written no more often than this; one that fails is written at once.
const QUIET: Duration = Duration::from_secs(5);
/// The pause after something was refused or the API server did not answer.
const PAUSE: Duration = Duration::from_secs(30);
/// How long a failure's cause may still change by late evidence before an Event tells it.
const SETTLED: Duration = Duration::from_secs(5);
/// How often what is old is looked for.
const PRUNE: Duration = Duration::from_mins(1);
/// Most bytes of an Event's note (kubernetes/api `events/v1` `Event`: 1 kB).
const NOTE: usize = 1000;

/// What is kept, and how long.
#[derive(Clone, Copy, Debug)]
pub struct ReportSettings {
    /// Diagnoses per owner: the oldest go first.
    pub per_owner: usize,
    /// How long a diagnosis without an owner in its own namespace is kept: nobody else deletes it.
    pub age: SignedDuration,
}

/// What is known of one object.
#[derive(Debug)]
struct Known {
    job: JobKey,
    name: String,
    created: Timestamp,
    owner: Option<ObjectRef>,
    /// When the Job started: a later one of the same name is another Job.
    started: Option<Timestamp>,
    mark: Option<u64>,
    told: Option<String>,
    /// The cause that the Job has, and since when.
    cause: Option<(String, Instant)>,
    written: Option<Instant>,
}

/// The writer.
pub struct Reports {
    store: Store,
    lease: Option<Lease>,
    recorder: Recorder,
    index: Handle,
    settings: ReportSettings,
    known: BTreeMap<String, Known>,
    paused: Option<Instant>,
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
        }
    }

    /// Gives the index back what it knew. To be called before the watches begin.
    pub async fn read_back(&mut self) {
        let now = self.index.clock().now();
        let mut tries = 0;
        let kept = loop {
            match self.store.list(now).await {
                Ok(kept) => break kept,
                Err(error) if is_refused(&error) || tries == 3 => {
                    self.cannot(&error);
                    return;
                }
                Err(_) => tries += 1,
            }
            sleep(Duration::from_secs(1)).await;
        };
        let (mut restored, mut skipped) = (0_u64, 0_u64);
        for kept in kept {
            let Some(kept) = kept else {
                skipped += 1;
                continue;
            };
            let job = kept.evidence.as_ref().map(|evidence| &evidence.job);
            let known = Known {
                job: JobKey::new(&kept.namespace, job.map_or("", |job| &job.name)),
                name: kept.name,
                created: kept.created,
                owner: kept.owner,
                started: job.and_then(|job| job.started),
                mark: None,
                told: kept.told,
                cause: None,
                written: None,
            };
            self.known.insert(kept.uid, known);
            match kept.evidence {
                Some(evidence) => {
                    self.index
                        .with(|index| index.restore(evidence, kept.written, now));
                    restored += 1;
                }
                None => skipped += 1,
            }
        }
        self.index.with(|index| {
            let state = index.reports();
            state.available = Some(true);
            state.restored = restored;
            state.skipped = skipped;
        });
        tracing::info!(restored, skipped, "diagnoses read back");
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
            if self.paused.is_some_and(|since| since.elapsed() < PAUSE) || !self.may_write().await {
                continue;
            }
            self.paused = None;
            self.write(false).await;
            if pruned.elapsed() >= PRUNE {
                pruned = Instant::now();
                self.prune().await;
            }
        }
        if self.may_write().await {
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
        if !snapshot.kinds.iter().all(|watch| watch.synced) {
            return;
        }
        for job in &snapshot.jobs {
            if self.paused.is_some() {
                return;
            }
            if let (Some(diagnosis), Some(reported)) = (job.diagnosis.as_deref(), job.reported.as_deref())
                && is_worth(job, diagnosis)
            {
                self.write_one(job, diagnosis, reported, last, snapshot.now).await;
            }
        }
        self.forget(&snapshot.jobs).await;
    }

    async fn write_one(
        &mut self,
        job: &JobView,
        diagnosis: &Diagnosis,
        reported: &Reported,
        last: bool,
        now: Timestamp,
    ) {
        let known = self
            .known
            .entry(reported.uid.to_string())
            .or_insert_with(|| Known {
                job: job.key.clone(),
                name: name(&job.key.name, &reported.uid),
                created: now,
                owner: diagnosis.owner.clone(),
                started: job.started,
                mark: None,
                told: None,
                cause: None,
                written: None,
            });
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
            return;
        }
        if let Some(cause) = tell {
            let told = self
                .recorder
                .publish(&event(diagnosis), &about(job, reported))
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
            return;
        };
        let written = self.store.apply(&job.key.namespace, &known.name, &object).await;
        match written {
            Ok(()) => {
                known.mark = Some(reported.mark);
                known.written = Some(Instant::now());
                self.index.with(|index| {
                    let state = index.reports();
                    state.available = Some(true);
                    state.written += 1;
                });
            }
            // A namespace that goes takes its diagnoses along.
            Err(Error::Api(status)) if status.code == 403 && status.message.contains("being terminated") => {
                known.mark = Some(reported.mark);
            }
            Err(error) => {
                known.written = Some(Instant::now());
                self.cannot(&error);
            }
        }
    }

    /// A Job that has succeeded after all has nothing to explain. `jobs` are in the order of their keys.
    async fn forget(&mut self, jobs: &[Arc<JobView>]) {
        let succeeded = |known: &Known| {
            let place = jobs.binary_search_by(|job| job.key.cmp(&known.job));
            let job = place.ok().and_then(|place| jobs.get(place));
            job.is_some_and(|job| job.phase == JobPhase::Succeeded && job.started == known.started)
        };
        let over = self.known.iter().filter(|(_, known)| succeeded(known));
        let over: Vec<String> = over.map(|(uid, _)| uid.clone()).collect();
        for uid in over {
            if self.paused.is_some() {
                return;
            }
            self.delete(&uid).await;
        }
    }

    async fn delete(&mut self, uid: &str) {
        let Some(known) = self.known.get(uid) else { return };
        match self.store.delete(&known.job.namespace, &known.name).await {
            Ok(()) => {
                self.known.remove(uid);
                self.index.with(|index| index.reports().deleted += 1);
            }
            Err(error) => self.cannot(&error),
        }
    }

    /// The oldest of each owner beyond the limit, and what nobody owns and is old.
    async fn prune(&mut self) {
        let now = self.index.clock().now();
        let mut by_owner: BTreeMap<_, Vec<(Timestamp, &String)>> = BTreeMap::new();
        let mut old = BTreeSet::new();
        for (uid, known) in &self.known {
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
        for uid in old {
            if self.paused.is_some() {
                return;
            }
            self.delete(&uid).await;
        }
    }

    fn cannot(&mut self, error: &Error) {
        let refused = is_refused(error);
        let first = self.index.with(|index| {
            let state = index.reports();
            state.failed += 1;
            refused && state.available.replace(false) != Some(false)
        });
        if first {
            tracing::warn!(%error, "{KIND} objects cannot be kept: is their definition installed, and may the exporter \
                write them? Diagnoses are lost with the next restart until then");
        } else {
            tracing::debug!(%error, "a {KIND} is not written");
        }
        self.paused = Some(Instant::now());
    }
}

/// The kind is not there, or not allowed: another try will not change that soon.
fn is_refused(error: &Error) -> bool {
    matches!(error, Error::Api(status) if matches!(status.code, 401 | 403 | 404 | 405))
}

/// A Job that has failed; one that waits as soon as a run of it has gone wrong, or something holds it up.
fn is_worth(job: &JobView, diagnosis: &Diagnosis) -> bool {
    let wrong = job.restarts > 0 || job.attempts > 1 || diagnosis.root_cause.is_some();
    job.root_cause().is_some() || (job.phase == JobPhase::Waiting && job.spec.matters && wrong)
}

fn about(job: &JobView, reported: &Reported) -> ObjectReference {
    ObjectReference {
        api_version: Some("batch/v1".to_owned()),
        kind: Some("Job".to_owned()),
        namespace: Some(job.key.namespace.to_string()),
        name: Some(job.key.name.to_string()),
        uid: Some(reported.uid.to_string()),
        ..ObjectReference::default()
    }
}

fn event(diagnosis: &Diagnosis) -> Event {
    let cause = diagnosis
        .root_cause
        .as_ref()
        .map_or("unknown", |cause| cause.as_str());
    let first = diagnosis.repair_order.first().map_or("", String::as_str);
    let mut note = format!("root cause {cause}: {} {first}", diagnosis.summary);
    note.truncate(note.floor_char_boundary(NOTE));
    let needed = matches!(diagnosis.verdict, Verdict::Real | Verdict::Unknown);
    Event {
        type_: if needed {
            EventType::Warning
        } else {
            EventType::Normal
        },
        reason: TOLD_REASON.to_owned(),
        note: Some(note),
        action: "Diagnose".to_owned(),
        secondary: None,
    }
}
