//! What scrapes and pages see of the index: immutable, shared, with labels that are escaped once.

use std::sync::Arc;

use jiff::Timestamp;

use super::entry::{Entry, JobState, after, since};
use super::kind::{JobKey, Kind};
use super::owners::{OwnerKey, OwnerView};
use super::took::Took;
use super::watch_metrics::WatchState;
use crate::engine::Seconds;
use crate::engine::budget::Clock;
use crate::engine::culprit::place_of;
use crate::engine::diagnosis::{ChainLink, Diagnosis, JobPhase};
use crate::engine::policy::Policy;
use crate::engine::root_cause::RootCause;
use crate::k8s::job_record::JobSpec;
use crate::k8s::meta::OwnerReference;

/// The state of the index at one time.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When it was taken.
    pub now: Timestamp,
    /// The Jobs by namespace and name.
    pub jobs: Vec<Arc<JobView>>,
    /// The owners by name.
    pub owners: Vec<(Arc<OwnerKey>, Arc<OwnerView>)>,
    /// The watches.
    pub kinds: Vec<KindView>,
    /// Objects that could not be read, by kind and reason.
    pub skipped: Vec<(Kind, &'static str, u64)>,
    /// Pieces of evidence that could not be had.
    pub evidence_lost: u64,
    /// The writer of diagnoses.
    pub reports: ReportState,
    /// How long diagnoses took; `None` where nobody measures it.
    pub took: Option<Took>,
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

/// What a report of a Job needs besides its diagnosis.
#[derive(Clone, Debug)]
pub struct Reported {
    /// The Job's `metadata.uid`.
    pub uid: Box<str>,
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
    /// How the watch stands.
    pub state: WatchState,
    /// When it brought something last.
    pub last_event: Option<Timestamp>,
}

/// One Job.
#[derive(Clone, Debug)]
pub struct JobView {
    /// Its name.
    pub key: JobKey,
    /// `namespace="..",job_name=".."`, escaped.
    pub labels: Box<str>,
    /// The further labels of `hookbudget_job_info`.
    pub info_labels: Arc<str>,
    /// The further labels of `hookbudget_job_root_cause`, for a Job that has failed.
    pub cause_labels: Option<Box<str>>,
    /// The further labels of `hookbudget_job_root_cause_info`.
    pub culprit_labels: Option<Box<str>>,
    /// The further labels of `hookbudget_job_wait_target_info`.
    pub target_labels: Option<Box<str>>,
    /// What its spec says.
    pub spec: Arc<JobSpec>,
    /// How it stands.
    pub phase: JobPhase,
    /// `status.startTime`.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// The clock that ends it, and when; `None` once it has ended and when nothing ends it.
    pub gives_up: Option<(Clock, Timestamp)>,
    /// Restarts of its containers.
    pub restarts: u32,
    /// Runs that have begun.
    pub attempts: u32,
    /// The diagnosis; `None` for a Job that has succeeded and for one that nothing is wrong with yet.
    pub diagnosis: Option<Arc<Diagnosis>>,
    /// What a report needs besides; as `diagnosis`.
    pub reported: Option<Box<Reported>>,
    /// The end of the log of its last run.
    pub tail: Vec<String>,
    /// How long a dependency may take to come up.
    pub cold_start: Seconds,
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
    /// How long the Job has been waiting, or did wait until it ended.
    #[must_use]
    pub fn elapsed(&self, now: Timestamp) -> Option<Seconds> {
        let started = self.started?;
        (self.phase != JobPhase::Suspended).then(|| since(started, self.ended.unwrap_or(now)))
    }

    /// What is left until the clock that ends it runs out, zero at least.
    #[must_use]
    pub fn remaining(&self, now: Timestamp) -> Option<Seconds> {
        self.gives_up.map(|(_, at)| since(now, at))
    }

    /// The clocks that the spec states or implies; those without an end are left out.
    pub fn budgets(&self) -> impl Iterator<Item = Budget<'_>> {
        let spec = &*self.spec;
        let clocks = &spec.record.clocks;
        let release = spec.record.release.as_ref();
        let cold_start_source = if spec.cold_start.is_some() {
            "annotation"
        } else {
            "policy"
        };
        [
            ("wait_nominal", spec.wait_source, clocks.wait_nominal),
            ("wait_worst", spec.wait_source, clocks.wait_worst),
            ("retries", "backoffLimit", clocks.retries_lower),
            ("deadline", "activeDeadlineSeconds", spec.record.deadline),
            (
                "release",
                release.map_or("", |release| &release.timeout_source),
                release.and_then(|release| release.timeout),
            ),
            ("cold_start", cold_start_source, Some(self.cold_start)),
        ]
        .into_iter()
        .filter_map(|(clock, source, span)| span.map(|span| Budget { clock, source, span }))
    }

    /// The root cause, for a Job that has failed: exactly one.
    #[must_use]
    pub fn root_cause(&self) -> Option<RootCause> {
        let failed =
            matches!(self.phase, JobPhase::Failed | JobPhase::Missing) || self.has_missed_its_release();
        failed.then(|| {
            let cause = self.diagnosis.as_ref().and_then(|diagnosis| diagnosis.root_cause);
            cause.unwrap_or(RootCause::Unknown)
        })
    }

    /// True when the release has given up and the Job goes on: nobody else tells.
    #[must_use]
    pub fn has_missed_its_release(&self) -> bool {
        use crate::engine::diagnosis::Trigger;
        self.diagnosis
            .as_ref()
            .is_some_and(|diagnosis| diagnosis.trigger == Trigger::ReleaseTimeout)
    }

    pub(super) fn of(
        key: &JobKey,
        entry: &Entry,
        job: &JobState,
        phase: JobPhase,
        policy: &Policy,
        diagnosis: Option<Arc<Diagnosis>>,
        now: Timestamp,
    ) -> Self {
        let spec = Arc::clone(&job.spec);
        let ended = job.ended().or(entry.gone);
        let running = matches!(phase, JobPhase::Waiting);
        let stated = spec
            .waits
            .iter()
            .find_map(|wait| Some(wait.target.as_ref()?.text.as_str()));
        let printed = diagnosis
            .as_ref()
            .and_then(|d| d.progress.as_ref()?.target.as_deref());
        let target = stated.or(printed);
        let mut view = Self {
            key: key.clone(),
            labels: label_pairs(&[("namespace", &key.namespace), ("job_name", &key.name)]),
            info_labels: Arc::clone(&job.info_labels),
            cause_labels: None,
            culprit_labels: None,
            target_labels: target.map(|target| label_pairs(&[("target", target)])),
            phase,
            started: job.status.started,
            ended,
            gives_up: running.then(|| gives_up(entry, job, now)).flatten(),
            restarts: entry.restarts(),
            attempts: entry.attempts(),
            diagnosis,
            reported: None,
            tail: last_lines(entry),
            cold_start: spec.cold_start.unwrap_or(policy.cold_start),
            spec,
        };
        if let Some(cause) = view.root_cause() {
            let (cause, culprit) = failure_labels(&view, cause);
            view.cause_labels = Some(cause);
            view.culprit_labels = Some(culprit);
        }
        view
    }
}

pub(super) fn info_labels(spec: &JobSpec) -> Box<str> {
    let record = &spec.record;
    let (kind, name) = record
        .owner
        .as_ref()
        .map_or(("", ""), |owner| (owner.kind.as_str(), owner.name.as_str()));
    let release = match &record.owner {
        Some(owner) if matches!(owner.kind.as_str(), "HelmRelease" | "Release") => owner.name.as_str(),
        _ => "",
    };
    label_pairs(&[
        ("owner_kind", kind),
        ("owner_name", name),
        ("release", release),
        ("hook", &record.hooks.join(",")),
        ("restart_policy", record.restart_policy.as_str()),
    ])
}

fn failure_labels(view: &JobView, cause: RootCause) -> (Box<str>, Box<str>) {
    let diagnosis = view.diagnosis.as_deref();
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
    (cause_labels, culprit_labels)
}

/// What a release reports lies above the Job; the root may be the Job itself, which is 0 below.
fn links_below_the_job(chain: &[ChainLink], at: usize) -> usize {
    let job = chain.iter().position(|link| link.kind == "Job").unwrap_or(0);
    at.saturating_sub(job)
}

/// F6 in absolute times: the first clock that runs out. The release counts from the Job's creation, the others
/// from its start.
///
/// Deadline and release are stated; the wait and the retries are computed, with an earliest and a latest end. A
/// Job that has outlived the earliest is measured against the latest, and one that has outlived that too has
/// proven the reading of its script wrong. Retries count only where it is known how long a run takes, or where
/// runs have failed: a first run that goes on says nothing about them.
fn gives_up(entry: &Entry, job: &JobState, now: Timestamp) -> Option<(Clock, Timestamp)> {
    let spec = &job.spec;
    let clocks = &spec.record.clocks;
    let started = job.status.started;
    let from_start = |span: Option<Seconds>| Some(after(started?, span?));
    let not_over = |earliest, latest| {
        let ends = [from_start(earliest), from_start(latest)];
        ends.into_iter().flatten().find(|at| *at > now)
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
            job.created.zip(release).map(|(at, span)| after(at, span)),
        ),
    ]
    .into_iter()
    .filter_map(|(clock, at)| at.map(|at| (clock, at)))
    .min_by_key(|(_, at)| *at)
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

/// Labels in the exposition's own form: backslash, quote and line feed are escaped (Prometheus text format
/// 0.0.4; OpenMetrics 1.0 `escaped-string`).
pub(crate) fn label_pairs(pairs: &[(&str, &str)]) -> Box<str> {
    let mut text = String::with_capacity(pairs.iter().map(|(k, v)| k.len() + v.len() + 4).sum());
    push_label_pairs(&mut text, pairs);
    text.into_boxed_str()
}

/// Writes [`label_pairs`] behind what is there.
pub(crate) fn push_label_pairs(text: &mut String, pairs: &[(&str, &str)]) {
    for (place, (name, value)) in pairs.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        text.push_str(name);
        text.push_str("=\"");
        let mut rest = *value;
        // Hardly any value holds one of them.
        while let Some(at) = rest.find(['\\', '"', '\n']) {
            text.push_str(&rest[..at]);
            text.push_str(match rest.as_bytes()[at] {
                b'\n' => "\\n",
                b'"' => "\\\"",
                _ => "\\\\",
            });
            rest = &rest[at + 1..];
        }
        text.push_str(rest);
        text.push('"');
    }
}
