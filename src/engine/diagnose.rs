//! From evidence to a diagnosis.

use jiff::Timestamp;

use super::diagnosis::{
    Confidence, Diagnosis, DiagnosisKnobs, JobName, JobPhase, RetryAdvice, Trigger, Verdict,
};
use super::evidence::Evidence;
use super::root_cause::RootCause;

/// Judges a Job as it stood at `now`.
#[must_use]
pub fn diagnose(evidence: &Evidence, _knobs: &DiagnosisKnobs, _now: Timestamp) -> Diagnosis {
    let cause = RootCause::Unknown;
    Diagnosis {
        job: JobName {
            namespace: evidence.job.namespace.clone(),
            name: evidence.job.name.clone(),
        },
        owner: evidence.job.owner.clone(),
        state: JobPhase::Failed,
        trigger: Trigger::NotFailed,
        root_cause: Some(cause),
        verdict: Verdict::Unknown,
        severity: cause.severity(),
        route: Some(cause.route()),
        confidence: Confidence::Possible,
        summary: String::new(),
        chain: Vec::new(),
        repair_order: Vec::new(),
        contributing: Vec::new(),
        candidates: Vec::new(),
        not: Vec::new(),
        retry_advice: RetryAdvice::Wait,
        progress: None,
        evidence: Vec::new(),
        evidence_lost: evidence.lost.clone(),
    }
}
