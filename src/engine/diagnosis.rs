//! What a diagnosis says. The JSON keys are a promise to users; a test holds them.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Seconds;
use super::evidence::{Lost, ObjectRef};
use super::pattern::{Pattern, ProgressPattern};
use super::progress::Progress;
use super::redact::redact_with;
use super::root_cause::{RootCause, Route, Severity};
use super::signature::Signature;

/// The diagnosis of one Job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// The Job.
    pub job: JobName,
    /// The object that owns it in the user's eyes.
    pub owner: Option<ObjectRef>,
    /// How the Job stands.
    pub state: JobPhase,
    /// How it ended.
    pub trigger: Trigger,
    /// Why. `None` only for a Job that has not failed and that nothing is known to hold up.
    pub root_cause: Option<RootCause>,
    /// Whether anybody has to act.
    pub verdict: Verdict,
    /// How loudly to say it: that of the cause, lowered by the verdict.
    pub severity: Severity,
    /// Who is told; `None` without a cause.
    pub route: Option<Route>,
    /// How sure the diagnosis is.
    pub confidence: Confidence,
    /// One sentence for a person.
    pub summary: String,
    /// From the symptom down to the root, each link with its proof.
    pub chain: Vec<ChainLink>,
    /// The deepest object that is proven to be at fault, where there is one below the Job.
    #[serde(default)]
    pub culprit: Option<ObjectRef>,
    /// Other Jobs whose chains end at the same object, by name, at most [`super::culprit::LISTED`].
    #[serde(default)]
    pub same_culprit: Vec<JobName>,
    /// How many more there are.
    #[serde(default)]
    pub same_culprit_more: u32,
    /// What to do, bottom first.
    pub repair_order: Vec<String>,
    /// Causes that are proven too and that follow from the root or made it worse.
    pub contributing: Vec<RootCause>,
    /// What it may have been, where the root is not known.
    pub candidates: Vec<RootCause>,
    /// What it was not, and why that is known.
    pub not: Vec<RuledOut>,
    /// Whether to run the Job again.
    pub retry_advice: RetryAdvice,
    /// Why not, where the run before failed at the same.
    #[serde(default)]
    pub retry_reason: Option<String>,
    /// When the verdict on a failed Job is no longer transient, where that is known. It is not written down: what is read
    /// back is judged anew.
    #[serde(skip)]
    pub transient_until: Option<Timestamp>,
    /// How far the Job's own wait had come.
    pub progress: Option<Progress>,
    /// What the diagnosis rests on.
    pub evidence: Vec<Proof>,
    /// What could not be had.
    pub evidence_lost: Vec<Lost>,
}

impl Diagnosis {
    /// Gives back what its lists have room for: it is kept for as long as its Job.
    pub fn shrink(&mut self) {
        self.chain.shrink_to_fit();
        self.repair_order.shrink_to_fit();
        self.contributing.shrink_to_fit();
        self.candidates.shrink_to_fit();
        self.not.shrink_to_fit();
        self.evidence.shrink_to_fit();
        self.evidence_lost.shrink_to_fit();
        self.summary.shrink_to_fit();
        for proof in &mut self.evidence {
            proof.source.shrink_to_fit();
            proof.text.shrink_to_fit();
        }
        for link in &mut self.chain {
            link.finding.shrink_to_fit();
            link.proof.shrink_to_fit();
        }
    }

    /// Hides secrets in every text that comes from the cluster. Names of objects stay as they are.
    pub(super) fn hide_secrets(&mut self, patterns: &[Pattern]) {
        let chain = self.chain.iter_mut();
        let links = chain.flat_map(|link| [&mut link.finding, &mut link.proof]);
        let proofs = self.evidence.iter_mut().map(|proof| &mut proof.text);
        let lost = self.evidence_lost.iter_mut();
        let lost = lost.flat_map(|lost| [&mut lost.what, &mut lost.why]);
        let printed = self
            .progress
            .iter_mut()
            .filter_map(|progress| progress.target.as_mut());
        let texts = std::iter::once(&mut self.summary)
            .chain(links)
            .chain(&mut self.repair_order)
            .chain(&mut self.retry_reason)
            .chain(self.not.iter_mut().map(|ruled| &mut ruled.why))
            .chain(proofs)
            .chain(lost)
            .chain(printed);
        for text in texts {
            if let Cow::Owned(safe) = redact_with(text, patterns) {
                *text = safe;
            }
        }
    }
}

/// Names a Job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct JobName {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// How a Job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobPhase {
    /// It has failed, or is about to: `FailureTarget` counts.
    Failed,
    /// It has not ended.
    Waiting,
    /// `spec.suspend` is set.
    Suspended,
    /// The object is gone, and nobody saw it end.
    Missing,
    /// It has succeeded.
    Succeeded,
}

impl JobPhase {
    /// The value in the JSON output and in labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Waiting => "waiting",
            Self::Suspended => "suspended",
            Self::Missing => "missing",
            Self::Succeeded => "succeeded",
        }
    }
}

/// How a Job ended: the reason of its condition (kubernetes/api `batch/v1/types.go`), or what stands in for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Trigger {
    /// "Job has reached the specified backoff limit".
    BackoffLimitExceeded,
    /// "Job was active longer than specified deadline".
    DeadlineExceeded,
    /// A rule of `podFailurePolicy` matched.
    PodFailurePolicy,
    /// Indexes of an indexed Job failed.
    FailedIndexes,
    /// More of them than `maxFailedIndexes`.
    MaxFailedIndexesExceeded,
    /// The release gave up while the Job went on.
    ReleaseTimeout,
    /// No Pod was ever made.
    NeverStarted,
    /// The Job's condition gives a reason that this version does not know.
    Other,
    /// It has not failed.
    NotFailed,
}

impl Trigger {
    /// The value of the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BackoffLimitExceeded => "BackoffLimitExceeded",
            Self::DeadlineExceeded => "DeadlineExceeded",
            Self::PodFailurePolicy => "PodFailurePolicy",
            Self::FailedIndexes => "FailedIndexes",
            Self::MaxFailedIndexesExceeded => "MaxFailedIndexesExceeded",
            Self::ReleaseTimeout => "ReleaseTimeout",
            Self::NeverStarted => "NeverStarted",
            Self::Other => "Other",
            Self::NotFailed => "NotFailed",
        }
    }
}

/// Whether anybody has to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Yes.
    Real,
    /// Not yet: a dependency is within the time it may take to come up.
    Transient,
    /// No: a known, harmless signature.
    Cosmetic,
    /// No: it was stopped on purpose.
    Parked,
    /// That cannot be told.
    Unknown,
}

impl Verdict {
    /// The value of the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::Transient => "transient",
            Self::Cosmetic => "cosmetic",
            Self::Parked => "parked",
            Self::Unknown => "unknown",
        }
    }
}

/// How sure a diagnosis is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// One of several explanations.
    Possible,
    /// A text that differs between runtimes and versions says it.
    Likely,
    /// A field of the API says it.
    Certain,
}

/// Whether to run the Job again.
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RetryAdvice {
    /// It may work the next time.
    Retry,
    /// Not before the dependency is up.
    Wait,
    /// Not before something was repaired.
    DoNotRetry,
}

/// One link of the chain from the symptom to the root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainLink {
    /// Kind of the object.
    pub kind: String,
    /// Its namespace, empty for what has none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// How the link above depends on it; empty for the first.
    pub relation: String,
    /// What is wrong with it.
    pub finding: String,
    /// The field, event or line that proves it.
    pub proof: String,
}

/// A cause that was looked for and is not it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuledOut {
    /// The cause.
    pub cause: RootCause,
    /// Why it is not it.
    pub why: String,
}

/// A piece of evidence: where it stands and what it says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Proof {
    /// `condition`, `event`, `state`, `termination`, `log`, `spec`, `dependency`.
    pub kind: String,
    /// The object and field: `Pod powerdns/x containerStatuses[c0].lastState.terminated`.
    pub source: String,
    /// When.
    pub at: Option<Timestamp>,
    /// What it says.
    pub text: String,
}

/// What a diagnosis depends on besides the evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiagnosisKnobs {
    /// How long a dependency without an annotation of its own may take to come up, in seconds.
    pub cold_start: Seconds,
    /// A run that fails faster than this against the same blocker is not worth another one, in seconds.
    pub quick_failure: Seconds,
    /// A run without a line of log for this long counts as standing still, in seconds.
    pub silence: Seconds,
    /// The policy's own causes.
    pub signatures: Arc<[Signature]>,
    /// Further lines that tell how far a wait has come.
    pub progress: Arc<[ProgressPattern]>,
    /// What is hidden besides secrets that are known as such.
    pub redact: Arc<[Pattern]>,
}

impl Default for DiagnosisKnobs {
    fn default() -> Self {
        Self {
            cold_start: Seconds::new(600),
            quick_failure: Seconds::new(20),
            silence: Seconds::new(120),
            signatures: Arc::default(),
            progress: Arc::default(),
            redact: Arc::default(),
        }
    }
}
