//! What scrapes and pages see of the index: immutable and shared.

use std::sync::Arc;

use jiff::Timestamp;

use super::entry::{Entry, JobState, after, since};
use super::found::{Found, Gist};
use super::jobs::Done;
use super::kind::{JobKey, Kind};
use super::labels::label_pairs;
use super::moment::Moment;
use super::owners::{OwnerKey, OwnerView};
use super::spec::SharedSpec;
use super::took::Took;
use super::watch_metrics::WatchState;
use crate::engine::Seconds;
use crate::engine::budget::Clock;
use crate::engine::culprit::place_of;
use crate::engine::diagnosis::{ChainLink, Diagnosis, JobName, JobPhase, Trigger};
use crate::engine::root_cause::RootCause;
use crate::k8s::meta::OwnerReference;

/// The state of the index at one time.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When it was taken.
    pub now: Timestamp,
    /// The Jobs by namespace and name.
    pub jobs: Vec<JobView>,
    /// The owners in the order of their names.
    pub owners: Vec<(Arc<OwnerKey>, Arc<OwnerView>)>,
    /// The watches.
    pub kinds: Vec<KindView>,
    /// Objects that could not be read, by kind and reason.
    pub skipped: Vec<(Kind, &'static str, u64)>,
    /// Pieces of evidence that could not be had.
    pub evidence_lost: u64,
    /// The writer of diagnoses.
    pub reports: ReportState,
    /// The policy file.
    pub policy: PolicyState,
    /// How long diagnoses took; `None` where nobody measures it.
    pub took: Option<Took>,
}

impl Snapshot {
    /// When a later run of the same owner succeeded, of a Job that has failed: the last time. `None` until then, and where
    /// a neighbour's success says nothing.
    #[must_use]
    pub fn later_success(&self, job: &JobView) -> Option<Timestamp> {
        job.cause_labels()?;
        let owner = job.spec.record.owner.as_ref()?;
        let wanted = (&owner.namespace, &owner.kind, &owner.name);
        let place = self
            .owners
            .binary_search_by(|(key, _)| (&key.namespace, &key.kind, &key.name).cmp(&wanted));
        let known = place.ok().and_then(|at| self.owners.get(at));
        known
            .and_then(|(key, owner)| owner.later_success(key, &job.spec, job.started(), job.ended()))
            .or_else(|| job.open.as_ref()?.later_success.get())
    }
}

/// What the writer of diagnoses says of itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReportState {
    /// Whether diagnoses can be kept; `None` where nobody asks for it, or before it is known.
    pub available: Option<bool>,
    /// Whether this process is the one that writes; `None` where nobody asks for it.
    pub leader: Option<bool>,
    /// Diagnoses written.
    pub written: u64,
    /// Diagnoses deleted: of Jobs that have succeeded after all, and old ones.
    pub deleted: u64,
    /// Reads and writes that failed.
    pub failed: u64,
    /// Diagnoses that were read back at the start.
    pub restored: u64,
    /// Those that could not be read back.
    pub skipped: u64,
}

/// What became of the policy file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyState {
    /// Whether the policy in force is what the file holds; true where there is no file.
    pub good: bool,
    /// When the policy in force was read.
    pub loaded: Option<Timestamp>,
    /// New contents that were taken.
    pub taken: u64,
    /// New contents that were refused.
    pub refused: u64,
}

impl Default for PolicyState {
    fn default() -> Self {
        Self {
            good: true,
            loaded: None,
            taken: 0,
            refused: 0,
        }
    }
}

/// What a report of a Job needs besides its diagnosis.
#[derive(Clone, Debug)]
pub struct Reported {
    /// The Job's `metadata.uid`.
    pub uid: Arc<str>,
    /// Who outlives the Job, in its namespace: its `CronJob`, or its `HelmRelease`.
    pub owner: Option<Arc<OwnerReference>>,
    /// Changes with what is worth writing down.
    pub mark: u64,
}

/// One watch.
#[derive(Clone, Copy, Debug)]
pub struct KindView {
    /// What is watched.
    pub kind: Kind,
    /// True once its first list is complete.
    pub synced: bool,
    /// True while nothing is concluded, written down or called ready without its first list.
    pub awaited: bool,
    /// How the watch stands.
    pub state: WatchState,
    /// When it brought something last.
    pub last_event: Option<Timestamp>,
}

/// One Job. Cheap to clone: what is large is shared.
#[derive(Clone, Debug)]
pub struct JobView {
    /// Its name.
    pub key: Arc<JobKey>,
    /// What its spec says.
    pub spec: Arc<SharedSpec>,
    /// How it stands.
    pub phase: JobPhase,
    started: Moment,
    ended: Moment,
    /// Restarts of its containers.
    pub restarts: u32,
    /// Runs that have begun.
    pub attempts: u32,
    /// What a Job has that waits or has failed.
    open: Option<Arc<Open>>,
}

/// What there is to say of a Job that has not succeeded.
#[derive(Clone, Debug, Default)]
struct Open {
    found: Option<Found>,
    gives_up: Option<(Clock, Timestamp)>,
    failure_labels: Option<Box<FailureLabels>>,
    target_labels: Option<Box<str>>,
    reported: Option<Reported>,
    tail: Vec<String>,
    later_success: Moment,
}

/// The further labels of what is said of a Job that has failed.
#[derive(Clone, Debug)]
struct FailureLabels {
    cause: Box<str>,
    culprit: Box<str>,
    /// One text for each link.
    chain: Box<[Box<str>]>,
}

/// One entry of `hookbudget_job_budget_seconds`.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget<'a> {
    /// The label `clock`.
    pub clock: &'static str,
    /// The label `source`.
    pub source: &'a str,
    /// The span.
    pub span: Seconds,
}

impl JobView {
    /// `status.startTime`.
    #[must_use]
    pub fn started(&self) -> Option<Timestamp> {
        self.started.get()
    }

    /// When it ended.
    #[must_use]
    pub fn ended(&self) -> Option<Timestamp> {
        self.ended.get()
    }

    /// How long the Job has been waiting, or did wait until it ended.
    #[must_use]
    pub fn elapsed(&self, now: Timestamp) -> Option<Seconds> {
        let started = self.started()?;
        (self.phase != JobPhase::Suspended).then(|| since(started, self.ended().unwrap_or(now)))
    }

    /// The clock that ends it, and when; `None` once it has ended and when nothing ends it.
    #[must_use]
    pub fn gives_up(&self) -> Option<(Clock, Timestamp)> {
        self.open.as_ref()?.gives_up
    }

    /// What is left until the clock that ends it runs out, zero at least.
    #[must_use]
    pub fn remaining(&self, now: Timestamp) -> Option<Seconds> {
        self.gives_up().map(|(_, at)| since(now, at))
    }

    /// The clocks that the spec states or implies; those without an end are left out.
    pub fn budgets(&self) -> impl Iterator<Item = Budget<'_>> {
        self.spec.budgets()
    }

    /// The diagnosis; `None` for a Job that has succeeded and for one that nothing is wrong with yet. Of a Job that waits
    /// it is unpacked with each call.
    #[must_use]
    pub fn diagnosis(&self) -> Option<Arc<Diagnosis>> {
        self.found()?.diagnosis()
    }

    /// What the diagnosis says in a word each.
    #[must_use]
    pub fn gist(&self) -> Option<&Gist> {
        self.found().map(|found| &found.gist)
    }

    /// True when the diagnosis names these Jobs with the same culprit, and that many more.
    pub(super) fn names(&self, others: &[JobName], more: u32) -> bool {
        self.found().is_some_and(|found| found.names(others, more))
    }

    fn failure_labels(&self) -> Option<&FailureLabels> {
        self.open.as_ref()?.failure_labels.as_deref()
    }

    fn found(&self) -> Option<&Found> {
        self.open.as_ref()?.found.as_ref()
    }

    /// What a report needs besides the diagnosis; `None` where there is none.
    #[must_use]
    pub fn reported(&self) -> Option<&Reported> {
        self.open.as_ref()?.reported.as_ref()
    }

    /// The end of the log of its last run; nothing once it has succeeded.
    #[must_use]
    pub fn tail(&self) -> &[String] {
        self.open.as_ref().map_or(&[], |open| &open.tail)
    }

    /// The further labels of `hookbudget_job_root_cause`, for a Job that has failed.
    #[must_use]
    pub fn cause_labels(&self) -> Option<&str> {
        self.failure_labels().map(|labels| &*labels.cause)
    }

    /// The further labels of `hookbudget_job_root_cause_info`, for a Job that has failed.
    #[must_use]
    pub fn culprit_labels(&self) -> Option<&str> {
        self.failure_labels().map(|labels| &*labels.culprit)
    }

    /// The further labels of `hookbudget_job_chain_info`, for a Job that has failed: one text for each link.
    #[must_use]
    pub fn chain_labels(&self) -> &[Box<str>] {
        self.failure_labels().map_or(&[], |labels| &labels.chain)
    }

    /// The further labels of `hookbudget_job_wait_target_info`: what the spec names comes before what a log names.
    #[must_use]
    pub fn target_labels(&self) -> Option<&str> {
        let printed = || self.open.as_ref()?.target_labels.as_deref();
        self.spec.target_labels.as_deref().or_else(printed)
    }

    /// The root cause, for a Job that has failed: exactly one.
    #[must_use]
    pub fn root_cause(&self) -> Option<RootCause> {
        root_cause_of(
            self.phase,
            self.gist().map(|gist| (gist.trigger, gist.root_cause)),
        )
    }

    /// A Job as it stands. `found` is its diagnosis, and what a report needs besides.
    pub(super) fn of(
        key: Arc<JobKey>,
        entry: &Entry,
        job: &JobState,
        phase: JobPhase,
        found: Option<(Diagnosis, Reported)>,
        now: Timestamp,
    ) -> Self {
        let (diagnosis, reported) = found.unzip();
        let mut view = Self {
            key,
            spec: Arc::clone(&job.spec),
            phase,
            started: job.status.started.into(),
            ended: Moment::from(job.ended()).or(entry.gone),
            restarts: entry.restarts(),
            attempts: entry.attempts(),
            open: None,
        };
        if phase == JobPhase::Succeeded {
            return view;
        }
        let printed = diagnosis
            .as_ref()
            .filter(|_| view.spec.target_labels.is_none())
            .and_then(|found| found.progress.as_ref()?.target.as_deref())
            .filter(|target| is_address(target));
        let mut open = Open {
            gives_up: (phase == JobPhase::Waiting)
                .then(|| gives_up(entry, job, now))
                .flatten(),
            target_labels: printed.map(|target| label_pairs(&[("target", target)])),
            reported,
            tail: last_lines(entry),
            later_success: entry.later_success,
            ..Open::default()
        };
        let said = diagnosis.as_ref();
        if let Some(cause) = root_cause_of(phase, said.map(|found| (found.trigger, found.root_cause))) {
            open.failure_labels = Some(Box::new(failure_labels(&view, said, cause)));
        }
        open.found = diagnosis.map(Found::of);
        view.open = Some(Arc::new(open));
        view
    }

    /// A Job that has succeeded.
    pub(super) fn done(key: &Arc<JobKey>, done: &Done) -> Self {
        Self {
            key: Arc::clone(key),
            spec: Arc::clone(&done.spec),
            phase: JobPhase::Succeeded,
            started: done.started,
            ended: done.ended,
            restarts: done.restarts,
            attempts: done.attempts,
            open: None,
        }
    }

    /// The same with another diagnosis of the same cause.
    pub(super) fn retold(&self, diagnosis: Diagnosis, reported: Reported) -> Self {
        let mut view = self.clone();
        let open = Arc::make_mut(view.open.get_or_insert_default());
        (open.found, open.reported) = (Some(Found::of(diagnosis)), Some(reported));
        view
    }
}

/// The root cause of a Job in that phase of which a diagnosis says that: of one that has failed, or that has missed its
/// release (it has given up, the Job goes on, and nobody else tells), exactly one.
fn root_cause_of(phase: JobPhase, said: Option<(Trigger, Option<RootCause>)>) -> Option<RootCause> {
    let missed = said.is_some_and(|(trigger, _)| trigger == Trigger::ReleaseTimeout);
    (matches!(phase, JobPhase::Failed | JobPhase::Missing) || missed)
        .then(|| said.and_then(|(_, cause)| cause).unwrap_or(RootCause::Unknown))
}

fn failure_labels(view: &JobView, diagnosis: Option<&Diagnosis>, cause: RootCause) -> FailureLabels {
    let record = &view.spec.record;
    let (owner_kind, owner_name) = record
        .owner
        .as_ref()
        .map_or(("", ""), |owner| (owner.kind.as_str(), owner.name.as_str()));
    let cause_labels = label_pairs(&[
        ("trigger", diagnosis.map_or("NotFailed", |d| d.trigger.as_str())),
        ("root_cause", cause.as_str()),
        (
            "route",
            diagnosis.and_then(|d| d.route).unwrap_or(cause.route()).as_str(),
        ),
        (
            "severity",
            diagnosis.map_or(cause.severity(), |d| d.severity).as_str(),
        ),
        ("verdict", diagnosis.map_or("unknown", |d| d.verdict.as_str())),
        ("owner_kind", owner_kind),
        ("owner_name", owner_name),
    ]);
    let chain = diagnosis.map_or(&[][..], |d| &d.chain);
    // A chain that ends at the Job, or above it, has the Job itself as its culprit.
    let at = place_of(chain).and_then(|at| Some((at, chain.get(at)?)));
    let (depth, (kind, namespace, name)) = at.map_or(
        (0, ("Job", &*view.key.namespace, &*view.key.name)),
        |(at, link)| {
            let depth = links_below_the_job(chain, at);
            (
                depth,
                (link.kind.as_str(), link.namespace.as_str(), link.name.as_str()),
            )
        },
    );
    let culprit_labels = label_pairs(&[
        ("culprit_kind", kind),
        ("culprit_namespace", namespace),
        ("culprit_name", name),
        ("depth", &depth.to_string()),
    ]);
    FailureLabels {
        cause: cause_labels,
        culprit: culprit_labels,
        chain: chain_labels(chain),
    }
}

/// Links of a chain that are published: one digit, by which a template can put them in order.
const LINKS: usize = 9;

/// What lies below the Job, with its place from the Job down, and from the ground up.
fn chain_labels(chain: &[ChainLink]) -> Box<[Box<str>]> {
    let job = chain.iter().position(|link| link.kind == "Job");
    let below = job.map_or(&[][..], |job| &chain[job + 1..]);
    let below = &below[..below.len().min(LINKS)];
    let labels = below.iter().enumerate().map(|(at, link)| {
        label_pairs(&[
            ("depth", &(at + 1).to_string()),
            ("repair", &(below.len() - at).to_string()),
            ("link_kind", &link.kind),
            ("link_namespace", &link.namespace),
            ("link_name", &link.name),
        ])
    });
    labels.collect()
}

/// What a release reports lies above the Job; the root may be the Job itself, which is 0 below.
fn links_below_the_job(chain: &[ChainLink], at: usize) -> usize {
    let job = chain.iter().position(|link| link.kind == "Job").unwrap_or(0);
    at.saturating_sub(job)
}

/// How long a Job may still be there after the last of its runs: the kubelet says that the run is over, the Job controller
/// counts it, and until then no other clock has taken over.
const NOTICED: Seconds = Seconds::new(30);

/// F6 in absolute times: the first clock that runs out. The release counts from the Job's creation, the others
/// from its start.
///
/// Deadline and release are stated; the wait and the retries are computed, with an earliest and a latest end. A
/// Job that has outlived the earliest is measured against the latest, and one that has outlived that too, by more than
/// [`NOTICED`], has proven the reading of its script wrong. Retries count only where it is known how long a run takes, or where
/// runs have failed: a first run that goes on says nothing about them.
fn gives_up(entry: &Entry, job: &JobState, now: Timestamp) -> Option<(Clock, Timestamp)> {
    let spec = &job.spec;
    let clocks = &spec.record.clocks;
    let started = job.status.started;
    let from_start = |span: Option<Seconds>| Some(after(started?, span?));
    let not_over = |earliest, latest| {
        let earliest = from_start(earliest).filter(|at| *at > now);
        earliest.or_else(|| from_start(latest).filter(|at| after(*at, NOTICED) > now))
    };
    let own_wait = (spec.ends_by == Some(Clock::Wait))
        .then(|| not_over(spec.ends_at, clocks.wait_worst))
        .flatten();
    let fails = entry.restarts() > 0 || job.status.failed > 0;
    let retries = (fails || clocks.wait_nominal.is_some())
        .then(|| not_over(clocks.retries_lower, clocks.retries_upper))
        .flatten();
    let release = spec.record.release.as_ref().and_then(|release| release.timeout);
    [
        (Clock::Wait, own_wait),
        (Clock::Retries, retries),
        (Clock::Deadline, from_start(spec.record.deadline)),
        (
            Clock::Release,
            job.created.get().zip(release).map(|(at, span)| after(at, span)),
        ),
    ]
    .into_iter()
    .filter_map(|(clock, at)| at.map(|at| (clock, at)))
    .min_by_key(|(_, at)| *at)
}

/// True of a URL, a host with its port, or a name with dots. Any other text of a log is no label: a number in it would
/// make a new series with each line.
fn is_address(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b".:/-_[]".contains(&byte);
    text.bytes().all(is_part) && text.contains(['.', ':'])
}

fn last_lines(entry: &Entry) -> Vec<String> {
    const SHOWN: usize = 20;
    let Some(trail) = &entry.trail else {
        return Vec::new();
    };
    let mut tails = trail.logs.records();
    tails.sort_by_key(|tail| (tail.last_line.or(tail.captured), tail.attempt));
    let Some(tail) = tails.pop() else {
        return Vec::new();
    };
    let skip = tail.lines.len().saturating_sub(SHOWN);
    tail.lines.into_iter().skip(skip).collect()
}
