//! An entry as evidence for a diagnosis.

use std::sync::Arc;

use jiff::Timestamp;

use super::entry::{Entry, JobState};
use super::kind::JobKey;
use crate::engine::diagnosis::DiagnosisKnobs;
use crate::engine::evidence::{Condition, EventRecord, Evidence, JobRecord, Lost};
use crate::engine::job::RestartPolicy;
use crate::engine::policy::Policy;

/// Reasons with which Flux says that a release's action has failed (fluxcd/helm-controller `api/v2`
/// `condition_types.go`).
const RELEASE_FAILED: [&str; 4] = [
    "InstallFailed",
    "UpgradeFailed",
    "RollbackFailed",
    "UninstallFailed",
];

/// Everything that is known of a Job. `owner_events` are those about its `CronJob`, `release` the conditions of
/// its `HelmRelease`.
pub(super) fn evidence(
    key: &JobKey,
    entry: &Entry,
    job: &JobState,
    owner_events: &[EventRecord],
    release: &[Condition],
) -> Evidence {
    let record = job_record(key, entry, job, release);
    let mut evidence = Evidence {
        waits: job.spec.waits.clone(),
        downloads: job.spec.downloads.clone(),
        job: record,
        ..Evidence::default()
    };
    evidence.events.extend(owner_events.iter().cloned());
    if let Some(trail) = &entry.trail {
        evidence.pods.clone_from(&trail.pods);
        evidence.events.extend(trail.events.iter().cloned());
        evidence.logs = trail.logs.records();
        evidence.signatures.clone_from(&trail.signatures);
        evidence.capacity = trail.capacity.as_deref().cloned();
        evidence.lost.clone_from(&trail.lost);
        for lost in &trail.unsigned {
            if !evidence.lost.contains(lost) {
                evidence.lost.push(lost.clone());
            }
        }
    }
    for lost in never_seen(&evidence) {
        if !evidence.lost.contains(&lost) {
            evidence.lost.push(lost);
        }
    }
    evidence
}

fn job_record(key: &JobKey, entry: &Entry, job: &JobState, release: &[Condition]) -> JobRecord {
    let status = &job.status;
    let mut record = JobRecord {
        namespace: key.namespace.to_string(),
        name: key.name.to_string(),
        uid: job.uid.to_string(),
        created: job.created.get(),
        started: status.started,
        deleted: entry.gone.get(),
        conditions: status.conditions.clone(),
        active: status.active,
        failed: status.failed,
        succeeded: status.succeeded,
        ..job.spec.record.clone()
    };
    if let Some(of) = &mut record.release
        && let Some(condition) = gave_up(release, job.created.get())
    {
        of.gave_up = condition.at;
        of.message.clone_from(&condition.message);
    }
    record
}

/// The condition with which a release gave up on an action that had begun before the Job was made.
fn gave_up(conditions: &[Condition], created: Option<Timestamp>) -> Option<&Condition> {
    conditions.iter().find(|condition| {
        condition.status == "False"
            && RELEASE_FAILED.contains(&condition.reason.as_str())
            && condition.at >= created
    })
}

/// Pods of which nothing was ever seen, where nothing but time explains it. That `OnFailure` deletes them is
/// told by the diagnosis itself.
fn never_seen(evidence: &Evidence) -> Vec<Lost> {
    let kept = evidence.job.restart_policy == RestartPolicy::Never;
    if kept && evidence.logs.is_empty() && evidence.pods.is_empty() && evidence.job.failed > 0 {
        return vec![Lost {
            what: "the Job's Pods and their logs".to_owned(),
            why: "they were gone before this exporter saw them".to_owned(),
        }];
    }
    Vec::new()
}

/// The policy's margins, and the Job's own cold start where it states one.
pub(super) fn knobs(job: &JobState, policy: &Policy) -> DiagnosisKnobs {
    DiagnosisKnobs {
        cold_start: job.spec.cold_start.unwrap_or(policy.cold_start),
        ..policy_knobs(policy)
    }
}

/// What the policy says of diagnoses.
pub(super) fn policy_knobs(policy: &Policy) -> DiagnosisKnobs {
    DiagnosisKnobs {
        cold_start: policy.cold_start,
        signatures: Arc::clone(&policy.signatures),
        progress: Arc::clone(&policy.progress.patterns),
        redact: Arc::clone(&policy.redact.patterns),
        ..DiagnosisKnobs::default()
    }
}
