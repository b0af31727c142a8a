//! Evidence prepared for judging: the ends that decide, the lines that tell, and what is out of date because a
//! later phase succeeded.

use std::cell::OnceCell;

use jiff::{SignedDuration, Timestamp};

use super::Seconds;
use super::chain::{Walk, walk};
use super::diagnosis::{DiagnosisKnobs, JobPhase, Trigger};
use super::evidence::{
    Condition, ContainerRecord, ContainerState, EventRecord, Evidence, JobRecord, PodRecord, Termination,
    Waiting,
};
use super::missed_run::is_missed_run;
use super::phase::is_past;
use super::signatures::{LogSignature, holds};
use super::told::{Hit, hits};

/// Longest grace period that an end may lag behind the deletion that caused it.
const DELETION_LAG: SignedDuration = SignedDuration::from_secs(60);
/// A Job of this age without a single Pod has not started.
const NEVER_STARTED_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// One Job's evidence, as it stands at `now`.
#[derive(Debug)]
pub struct Case<'e> {
    /// Everything that is known.
    pub evidence: &'e Evidence,
    /// What the judgement depends on besides.
    pub knobs: &'e DiagnosisKnobs,
    /// The moment of judging.
    pub now: Timestamp,
    /// How the Job stands.
    pub phase: JobPhase,
    /// How it ended.
    pub trigger: Trigger,
    /// When its end was decided.
    pub ended: Option<Timestamp>,
    /// The failed runs that count, oldest first.
    pub ends: Vec<End<'e>>,
    /// The telling lines, one per log at the most, oldest first.
    pub hits: Vec<Hit<'e>>,
    /// The way down from what the Job calls, once somebody has asked for it.
    walk: OnceCell<Option<Walk>>,
}

/// A failed run of a container.
#[derive(Clone, Copy, Debug)]
pub struct End<'e> {
    /// Its Pod.
    pub pod: &'e PodRecord,
    /// Its container.
    pub container: &'e ContainerRecord,
    /// How it ended.
    pub end: &'e Termination,
    /// True when no later run of that container failed.
    pub last: bool,
}

impl End<'_> {
    /// `Pod ns/name container c, run 3`.
    #[must_use]
    pub fn source(&self) -> String {
        format!(
            "Pod {}/{} container {}, run {}",
            self.pod.namespace,
            self.pod.name,
            self.container.name,
            self.end.attempt + 1
        )
    }

    /// How long the run took.
    #[must_use]
    pub fn run_time(&self) -> Option<Seconds> {
        Some(span(self.end.started?, self.end.finished?))
    }
}

/// `later - earlier` in seconds.
#[must_use]
pub fn span(earlier: Timestamp, later: Timestamp) -> Seconds {
    let nanos = later.duration_since(earlier).as_nanos();
    Seconds::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}

/// The moment that lies `span` after another one.
#[must_use]
pub fn later(at: Timestamp, span: Seconds) -> Timestamp {
    at.checked_add(SignedDuration::from_nanos(span.nanos()))
        .unwrap_or(Timestamp::MAX)
}

impl<'e> Case<'e> {
    /// Prepares the evidence.
    #[must_use]
    pub fn new(evidence: &'e Evidence, knobs: &'e DiagnosisKnobs, now: Timestamp) -> Self {
        let job = &evidence.job;
        let ended = failure(job).and_then(|condition| condition.at);
        let phase = phase(job);
        let trigger = trigger(evidence, phase, now);
        let ends = ends(evidence, ended, trigger);
        let hits = hits(evidence);
        Self {
            evidence,
            knobs,
            now,
            phase,
            trigger,
            ended,
            ends,
            hits,
            walk: OnceCell::new(),
        }
    }

    /// The way down from what the Job calls to what is at fault. Several causes ask for it, and it is long.
    #[must_use]
    pub fn walk(&self) -> Option<&Walk> {
        self.walk.get_or_init(|| walk(self)).as_ref()
    }

    /// The Job.
    #[must_use]
    pub const fn job(&self) -> &'e JobRecord {
        &self.evidence.job
    }

    /// The moment up to which the Job is judged: its end, or now.
    #[must_use]
    pub fn until(&self) -> Timestamp {
        self.ended.unwrap_or(self.now)
    }

    /// How long the Job has been, or was, active.
    #[must_use]
    pub fn elapsed(&self) -> Option<Seconds> {
        self.job().started.map(|started| span(started, self.until()))
    }

    /// True when the Job has failed, never started, or was given up.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        self.trigger != Trigger::NotFailed
    }

    /// The last line that tells something, of the newest log.
    #[must_use]
    pub fn last_hit(&self) -> Option<&Hit<'e>> {
        self.hits.iter().rev().find(|hit| hit.last)
    }

    /// The last failed run.
    #[must_use]
    pub fn last_end(&self) -> Option<&End<'e>> {
        self.ends.iter().rev().find(|end| end.last)
    }

    /// The newest telling line with this signature.
    #[must_use]
    pub fn hit(&self, signature: LogSignature) -> Option<&Hit<'e>> {
        self.hits.iter().rev().find(|hit| hit.signature == signature)
    }

    /// Events with this reason about objects of this kind.
    pub fn events(&self, kind: &'e str, reason: &'e str) -> impl Iterator<Item = &'e EventRecord> {
        self.evidence
            .events
            .iter()
            .filter(move |event| event.object.kind == kind && event.reason == reason)
    }

    /// Events with this reason about the Job's own Pods.
    pub fn pod_events(&self, reason: &'e str) -> impl Iterator<Item = &'e EventRecord> {
        self.own_pod_events().filter(move |event| event.reason == reason)
    }

    fn own_pod_events(&self) -> impl Iterator<Item = &'e EventRecord> {
        let job = &self.evidence.job;
        let pods = &self.evidence.pods;
        let events = self.evidence.events.iter();
        events.filter(move |event| {
            if event.object.kind != "Pod" {
                return false;
            }
            let own_name = event
                .object
                .name
                .strip_prefix(job.name.as_str())
                .and_then(|rest| rest.strip_prefix('-'))
                // More segments may be the Pod of a Job with a longer name.
                .is_some_and(|suffix| !suffix.contains('-'));
            event.object.namespace == job.namespace
                && (own_name || pods.iter().any(|pod| pod.name == event.object.name))
        })
    }

    /// Containers that wait, or waited last, for a reason that nothing has overtaken: the container neither got
    /// further nor ran afterwards. The newest Pod's come first.
    pub fn waiting(&self) -> impl Iterator<Item = (&'e PodRecord, &'e ContainerRecord, &'e Waiting)> + '_ {
        let entries = self.evidence.pods.iter().rev().flat_map(|pod| {
            pod.containers.iter().flat_map(move |container| {
                let current = match &container.state {
                    ContainerState::Waiting(waiting) => Some(waiting),
                    _ => None,
                };
                current
                    .into_iter()
                    .chain(container.waits.iter().rev())
                    .map(move |waiting| (pod, container, waiting))
            })
        });
        entries.filter(|(pod, container, waiting)| match &container.state {
            // It waits now, whatever ran before: only a later Pod can have overtaken it.
            ContainerState::Waiting(now) if std::ptr::eq(now, *waiting) => {
                !self.evidence.pods.iter().any(|later| {
                    let same = later
                        .containers
                        .iter()
                        .filter(|other| other.name == container.name);
                    later.created > pod.created && same.flat_map(starts).next().is_some()
                })
            }
            _ => {
                !is_past(container, waiting)
                    && !self.ran_after(Some(&container.name), waiting.seen.or(pod.created))
            }
        })
    }

    /// True when a container (of that name, or any) began a real run after `moment`, or at all without one.
    #[must_use]
    pub fn ran_after(&self, name: Option<&str>, moment: Option<Timestamp>) -> bool {
        self.evidence
            .pods
            .iter()
            .flat_map(|pod| &pod.containers)
            .filter(|container| name.is_none_or(|name| container.name == name))
            .flat_map(starts)
            .any(|start| moment.is_none_or(|moment| start > moment))
    }

    /// When the newest real run of a Pod's container began.
    #[must_use]
    pub fn began(&self, pod: &str, container: &str) -> Option<Timestamp> {
        let pods = self.evidence.pods.iter().filter(|record| record.name == pod);
        let containers = pods.flat_map(|pod| &pod.containers);
        let named = containers.filter(|record| record.name == container);
        named.flat_map(starts).max()
    }

    /// True when a Pod of the Job was made after `moment`: it is known, or an event speaks of it.
    #[must_use]
    pub fn pod_made_after(&self, moment: Option<Timestamp>) -> bool {
        let after = |at: Option<Timestamp>| moment.is_none_or(|moment| at.is_some_and(|at| at >= moment));
        let pods = &self.evidence.pods;
        pods.iter().any(|pod| pod.created.is_none() || after(pod.created))
            || self
                .events("Job", "SuccessfulCreate")
                .any(|event| after(event.last))
            || self.own_pod_events().any(|event| {
                // Of a Pod that is known its own time counts.
                after(event.first.or(event.last)) && !pods.iter().any(|pod| pod.name == event.object.name)
            })
    }

    /// True when the Job could not reach what it calls, or nothing says otherwise: only then can the state of
    /// a dependency be the cause.
    #[must_use]
    pub fn may_be_blocked_outside(&self) -> bool {
        self.last_hit().is_none_or(|hit| hit.signature.is_unreachable())
    }

    /// The logs and termination messages that were kept, as `(source, lines)`, oldest first.
    #[must_use]
    pub fn has_logs(&self) -> bool {
        !self.evidence.logs.is_empty() || self.ends.iter().any(|end| !end.end.message.trim().is_empty())
    }
}

/// The condition that says that the Job fails. `FailureTarget` comes first from Kubernetes 1.31 on, and its
/// time is that of the decision.
#[must_use]
pub fn failure(job: &JobRecord) -> Option<&Condition> {
    ["FailureTarget", "Failed"]
        .into_iter()
        .find_map(|kind| condition(&job.conditions, kind))
}

/// The condition of that type that is true.
#[must_use]
pub fn condition<'c>(conditions: &'c [Condition], kind: &str) -> Option<&'c Condition> {
    conditions.iter().find(|c| c.kind == kind && c.status == "True")
}

fn phase(job: &JobRecord) -> JobPhase {
    let has = |kind| condition(&job.conditions, kind).is_some();
    if has("Complete") || has("SuccessCriteriaMet") {
        JobPhase::Succeeded
    } else if failure(job).is_some() {
        JobPhase::Failed
    } else if job.deleted.is_some() {
        JobPhase::Missing
    } else if job.suspended || has("Suspended") {
        JobPhase::Suspended
    } else {
        JobPhase::Waiting
    }
}

fn trigger(evidence: &Evidence, phase: JobPhase, now: Timestamp) -> Trigger {
    let job = &evidence.job;
    if let Some(condition) = failure(job) {
        return match condition.reason.as_str() {
            "BackoffLimitExceeded" => Trigger::BackoffLimitExceeded,
            "DeadlineExceeded" => Trigger::DeadlineExceeded,
            "PodFailurePolicy" => Trigger::PodFailurePolicy,
            "FailedIndexes" => Trigger::FailedIndexes,
            "MaxFailedIndexesExceeded" => Trigger::MaxFailedIndexesExceeded,
            _ => Trigger::Other,
        };
    }
    if phase != JobPhase::Waiting {
        return Trigger::NotFailed;
    }
    if let Some(release) = &job.release {
        let passed = job
            .created
            .zip(release.timeout)
            .is_some_and(|(created, timeout)| !release.assumed && span(created, now) > timeout);
        if release.gave_up.is_some() || passed {
            return Trigger::ReleaseTimeout;
        }
    }
    let made = !evidence.pods.is_empty()
        || job.active + job.failed + job.succeeded > 0
        || evidence
            .events
            .iter()
            .any(|event| event.reason == "SuccessfulCreate");
    if is_missed_run(evidence) {
        return Trigger::NeverStarted;
    }
    let old = job
        .created
        .or(job.started)
        .is_some_and(|created| now.duration_since(created) >= NEVER_STARTED_AFTER);
    if !made && old {
        Trigger::NeverStarted
    } else {
        Trigger::NotFailed
    }
}

fn starts(container: &ContainerRecord) -> impl Iterator<Item = Timestamp> + '_ {
    let running = match &container.state {
        ContainerState::Running { started } => *started,
        ContainerState::Terminated(end) => real_start(end),
        _ => None,
    };
    running
        .into_iter()
        .chain(container.ends.iter().filter_map(real_start))
}

/// When the run began, if it did: a container that could not be started has the epoch as its start.
fn real_start(end: &Termination) -> Option<Timestamp> {
    let never = matches!(
        end.reason.as_str(),
        "StartError" | "ContainerCannotRun" | "ContainerStatusUnknown"
    );
    end.started.filter(|start| !never && start.as_second() > 0)
}

fn ends(evidence: &Evidence, ended: Option<Timestamp>, trigger: Trigger) -> Vec<End<'_>> {
    let mut ends: Vec<End<'_>> = Vec::new();
    for pod in &evidence.pods {
        for container in &pod.containers {
            let current = match &container.state {
                ContainerState::Terminated(end) if !container.ends.iter().any(|e| same(e, end)) => Some(end),
                _ => None,
            };
            for end in container.ends.iter().chain(current) {
                if end.exit_code != 0 && !is_effect(pod, end, ended, trigger) {
                    ends.push(End {
                        pod,
                        container,
                        end,
                        last: false,
                    });
                }
            }
        }
    }
    ends.sort_by_key(|end| (end.end.finished.or(end.pod.created), end.end.attempt));
    for index in 0..ends.len() {
        let name = &ends[index].container.name;
        ends[index].last = !ends[index + 1..]
            .iter()
            .any(|later| later.container.name == *name);
    }
    ends
}

fn same(a: &Termination, b: &Termination) -> bool {
    a.finished == b.finished && a.exit_code == b.exit_code && a.reason == b.reason
}

/// True for an end that the Job's own failure or the Pod's deletion brought about: SIGTERM or SIGKILL after
/// the end was decided, or a container that the kubelet could not find any more.
fn is_effect(pod: &PodRecord, end: &Termination, ended: Option<Timestamp>, trigger: Trigger) -> bool {
    if end.reason == "OOMKilled" {
        return false;
    }
    if end.reason == "ContainerStatusUnknown" || holds(&end.message, "could not be located when the pod was")
    {
        return true;
    }
    let signalled = matches!(end.exit_code, 137 | 143);
    if signalled && pod.reason == "DeadlineExceeded" {
        return true;
    }
    match (end.finished, ended) {
        (Some(finished), Some(ended)) if finished > ended || (signalled && finished == ended) => return true,
        (None, Some(_)) if signalled && trigger == Trigger::DeadlineExceeded => return true,
        _ => {}
    }
    let near_deletion = pod.deleted.zip(end.finished).is_some_and(|(deleted, finished)| {
        finished >= deleted.saturating_sub(DELETION_LAG).unwrap_or(deleted)
    });
    signalled && near_deletion && condition(&pod.conditions, "DisruptionTarget").is_none()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::testkit::{at, evidence};

    fn judged(value: &serde_json::Value, check: impl FnOnce(&Case<'_>)) {
        let evidence = evidence(value);
        check(&Case::new(&evidence, &DiagnosisKnobs::default(), at(1000)));
    }

    #[test]
    fn the_failure_target_counts_before_failed() {
        let job = json!({"conditions": [{"type": "FailureTarget", "status": "True", "reason": "BackoffLimitExceeded", "at": at(330)}]});
        judged(&json!({ "job": job }), |case| {
            assert_eq!(
                (case.phase, case.trigger),
                (JobPhase::Failed, Trigger::BackoffLimitExceeded)
            );
            assert_eq!(case.ended, Some(at(330)));
        });
    }

    #[test]
    fn a_release_that_gave_up_is_a_trigger_and_an_assumed_timeout_is_none() {
        for (assumed, trigger) in [(false, Trigger::ReleaseTimeout), (true, Trigger::NotFailed)] {
            let job = json!({"created": at(0), "active": 1, "release": {"timeout": 300, "assumed": assumed}});
            judged(&json!({ "job": job }), |case| assert_eq!(case.trigger, trigger));
        }
    }

    #[test]
    fn without_a_pod_a_job_has_never_started() {
        judged(&json!({"job": {"created": at(0)}}), |case| {
            assert_eq!(case.trigger, Trigger::NeverStarted);
        });
        judged(&json!({"job": {"created": at(970)}}), |case| {
            assert_eq!(case.trigger, Trigger::NotFailed);
        });
    }

    #[test]
    fn what_the_deletion_did_is_no_cause() {
        for (end, counts) in [
            (
                json!({"exit_code": 137, "reason": "ContainerStatusUnknown", "message": "The container could not be located when the pod was terminated"}),
                0,
            ),
            (
                json!({"exit_code": 137, "reason": "Error", "finished": at(51)}),
                0,
            ),
            (
                json!({"exit_code": 143, "reason": "Error", "finished": at(20)}),
                0,
            ),
            (
                json!({"exit_code": 137, "reason": "OOMKilled", "finished": at(21)}),
                1,
            ),
            (json!({"exit_code": 1, "reason": "Error", "finished": at(20)}), 1),
            (
                json!({"exit_code": 0, "reason": "Completed", "finished": at(10)}),
                0,
            ),
        ] {
            let job = json!({"conditions": [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "at": at(20)}]});
            let pods = json!([{"name": "p", "containers": [{"name": "c", "ends": [end]}]}]);
            judged(&json!({"job": job, "pods": pods}), |case| {
                assert_eq!(case.ends.len(), counts, "{end}");
            });
        }
    }

    #[test]
    fn what_waits_now_counts_though_it_ran_before_and_a_later_pod_overtakes_it() {
        let waiting = json!({"waiting": {"reason": "ErrImagePull"}});
        let ran = json!([{"exit_code": 1, "started": at(1), "finished": at(2)}]);
        let first = json!({"name": "p", "created": at(0), "containers": [{"name": "c", "state": waiting, "ends": ran}]});
        let later = json!({"name": "q", "created": at(9), "containers": [{"name": "c", "state": {"running": {"started": at(10)}}}]});
        judged(&json!({"pods": [first]}), |case| {
            assert_eq!(case.waiting().count(), 1);
        });
        judged(&json!({"pods": [first, later]}), |case| {
            assert_eq!(case.waiting().count(), 0);
        });
    }
}
