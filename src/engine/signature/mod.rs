//! Signatures of the policy: what a cluster's own texts and objects mean, each a root cause `custom_<name>`.
//!
//! A text is looked for in the evidence of the Job. Objects are looked at where the cluster or a dump of it is
//! read (`k8s::signature`), and come here as facts: [`super::evidence::SignatureHit`].

mod find;
mod name;

use serde::{Deserialize, Serialize};

pub use find::{find, is_wanted};
pub use name::{LONGEST, PREFIX, SignatureName};

use super::diagnosis::{RetryAdvice, Verdict};
use super::pattern::Pattern;
use super::policy::GoDuration;
use super::root_cause::{Rank, Route, Severity};

/// Most signatures of a policy: each is held against every line of a failed Job.
pub const MOST: usize = 64;

/// What a text or an object means.
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Signature {
    /// The cause is `custom_NAME`: small letters, digits and underscores.
    pub name: SignatureName,
    /// What is looked for: a text or an object.
    pub when: When,
    /// Whether anybody has to act.
    #[serde(default)]
    pub verdict: Judgement,
    /// How loudly it is reported when the verdict is that it is real.
    #[serde(default = "warning")]
    pub severity: Severity,
    /// Who is told.
    #[serde(default = "platform")]
    pub route: Route,
    /// The layer it belongs to. Causes of a lower layer (such as scheduling or image of the Job's own Pod) come before
    /// it; within its own layer the deeper proof comes first, where a signature counts as one link below the Job, and
    /// at the same depth the signature.
    #[serde(default = "dependency")]
    pub rank: Rank,
    /// Whether to run the Job again before something was repaired. Without it: do-not-retry for what is real, retry
    /// for what is cosmetic, else wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryAdvice>,
    /// The cold-start window of what is real: until then it is transient and pages nobody. It counts from the change
    /// of the newest condition that is not True, else from the object's creation; for a text from the Job's start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<GoDuration>,
    /// What is wrong, as a clause: the managed API cannot be reached.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub finding: String,
    /// What to do first.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub repair: String,
    /// What not to do, and why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub do_not: String,
    /// Where more is written: an https or http URL.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub runbook: String,
}

/// What a signature looks for: either `text` or `object`.
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct When {
    /// A regular expression for one line of the Job's logs, termination messages, events or conditions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Pattern>,
    /// Objects to look at when a Job is in trouble.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectSignature>,
    /// A regular expression for NAMESPACE/NAME of the Jobs that it may explain; without it, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<Pattern>,
}

/// Objects of one kind, and what has to be true of one of them.
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ObjectSignature {
    /// Such as cluster.x-k8s.io/v1beta1. Secrets are never read.
    pub api_version: String,
    /// Such as Cluster.
    pub kind: String,
    /// The namespace to look in; without it, `found` says where.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// A label selector, as kubectl takes it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label_selector: String,
    /// Where to look when there is no `namespace`.
    #[serde(default)]
    pub found: Found,
    /// A CEL expression over `object`, the object as the API serves it. `now` is the moment, and `epoch(text)` the
    /// moment that a time of the API names, both in seconds. A field that is absent makes it false.
    pub cel: String,
}

/// Where a signature looks for its objects.
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Found {
    /// In all namespaces, or without one.
    #[default]
    Anywhere,
    /// In the namespace of the Job.
    Job,
    /// In the namespaces of the Services that the Job waits for or calls.
    Dependency,
}

/// The verdict that a signature states.
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Judgement {
    /// Somebody has to act.
    #[default]
    Real,
    /// It heals by itself.
    Transient,
    /// It is known and harmless.
    Cosmetic,
    /// It was stopped on purpose.
    Parked,
}

impl Judgement {
    /// As a verdict of a diagnosis.
    #[must_use]
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Real => Verdict::Real,
            Self::Transient => Verdict::Transient,
            Self::Cosmetic => Verdict::Cosmetic,
            Self::Parked => Verdict::Parked,
        }
    }
}

const fn warning() -> Severity {
    Severity::Warning
}

const fn platform() -> Route {
    Route::Platform
}

const fn dependency() -> Rank {
    Rank::Dependency
}

impl Signature {
    /// The objects it looks at, where it does.
    #[must_use]
    pub const fn object(&self) -> Option<&ObjectSignature> {
        self.when.object.as_ref()
    }

    /// Whether to run the Job again.
    #[must_use]
    pub const fn advice(&self) -> RetryAdvice {
        match (self.retry, self.verdict) {
            (Some(stated), _) => stated,
            (None, Judgement::Real) => RetryAdvice::DoNotRetry,
            (None, Judgement::Cosmetic) => RetryAdvice::Retry,
            (None, Judgement::Transient | Judgement::Parked) => RetryAdvice::Wait,
        }
    }

    /// What it means, in one sentence.
    #[must_use]
    pub fn meaning(&self) -> String {
        sentence(self.finding())
    }

    /// Its page as Markdown, as a cause of the catalogue has one.
    #[must_use]
    pub fn page(&self) -> String {
        use std::fmt::Write as _;
        let label = self.name.label();
        let mut page = format!(
            "# {label}\n\n{}\n\nSeverity: {}. Route: {}. Verdict: {}",
            self.meaning(),
            self.severity.as_str(),
            self.route.as_str(),
            self.verdict.verdict().as_str(),
        );
        // Writing to a String cannot fail.
        if let Some(GoDuration(within)) = self.within {
            let _ = write!(page, ", transient for the first {within}");
        }
        page.push_str(".\n\n## Evidence\n\n");
        if let Some(text) = &self.when.text {
            let _ = writeln!(page, "A line that matches `{}`.", text.as_str());
        }
        if let Some(object) = &self.when.object {
            let _ = writeln!(
                page,
                "An object {} of {} for which this is true:\n\n    {}",
                object.kind,
                object.api_version,
                object.cel.trim().replace('\n', "\n    ")
            );
        }
        for (heading, text) in [("Repair", &self.repair), ("Do not", &self.do_not)] {
            if !text.is_empty() {
                let _ = write!(page, "\n## {heading}\n\n{}\n", text.trim());
            }
        }
        if !self.runbook.is_empty() {
            let _ = write!(page, "\nRunbook: {}\n", self.runbook);
        }
        page
    }

    /// What is wrong, as a clause.
    fn finding(&self) -> &str {
        if self.finding.trim().is_empty() {
            "a signature of the policy matches"
        } else {
            self.finding.trim().trim_end_matches('.')
        }
    }
}

/// A clause with a capital and a full stop.
fn sentence(clause: &str) -> String {
    let mut chars = clause.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), chars.as_str())
}

/// A mistake in a signature, below the signature's own place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The place, such as `/when/object/kind`.
    pub pointer: &'static str,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl Signature {
    /// What is wrong with it beyond the types of its keys. The expression itself is checked by whoever can read it.
    #[must_use]
    pub fn mistakes(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        let mut wrong = |pointer, message: &str| {
            mistakes.push(Mistake {
                pointer,
                message: message.to_owned(),
            });
        };
        match (&self.when.text, &self.when.object) {
            (None, None) => wrong(
                "/when",
                "nothing is looked for: write text: PATTERN, or object with apiVersion, kind and cel",
            ),
            (Some(_), Some(_)) => wrong("/when", "either a text or an object: make two signatures of it"),
            _ => {}
        }
        if let Some(object) = &self.when.object {
            if object.kind == "Secret" {
                wrong(
                    "/when/object/kind",
                    "Secrets are never read: look at what is made from it",
                );
            } else if !is_kind(&object.kind) {
                wrong(
                    "/when/object/kind",
                    "this is no kind: write it as the API does, such as Cluster",
                );
            }
            if !is_api_version(&object.api_version) {
                wrong(
                    "/when/object/apiVersion",
                    "this is no apiVersion: write v1, or GROUP/VERSION such as cluster.x-k8s.io/v1beta1",
                );
            }
            if !object.namespace.is_empty() && object.found != Found::Anywhere {
                wrong("/when/object/found", "namespace says where: leave found out");
            }
            if !is_label(&object.namespace) {
                wrong("/when/object/namespace", "this is no name of a namespace");
            }
            if object.label_selector.len() > 512 {
                wrong("/when/object/labelSelector", "a selector has at most 512 bytes");
            }
        }
        if self.within.is_some() && self.verdict != Judgement::Real {
            wrong(
                "/within",
                "only what is real later can be transient first: leave within out",
            );
        }
        let known = ["https://", "http://"]
            .iter()
            .any(|scheme| self.runbook.starts_with(scheme));
        if !self.runbook.is_empty() && (!known || self.runbook.contains(char::is_whitespace)) {
            wrong("/runbook", "this is no URL: write https://HOST/PATH");
        }
        for (pointer, text) in [
            ("/finding", &self.finding),
            ("/repair", &self.repair),
            ("/doNot", &self.do_not),
            ("/runbook", &self.runbook),
        ] {
            if text.len() > 2048 {
                wrong(
                    pointer,
                    "this is too long: write at most 2048 bytes, and the rest in the runbook",
                );
            }
        }
        mistakes
    }
}

fn is_kind(kind: &str) -> bool {
    kind.len() <= 63
        && kind.starts_with(|c: char| c.is_ascii_uppercase())
        && kind.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// The parts go into a path.
fn is_api_version(text: &str) -> bool {
    let (group, version) = text.split_once('/').unwrap_or(("", text));
    let version = version.strip_prefix('v').is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_digit()) && rest.bytes().all(|b| b.is_ascii_alphanumeric())
    });
    let dotted = group.split('.').all(|label| !label.is_empty() && is_label(label));
    version && text.len() <= 253 && (text.split_once('/').is_none() || (!group.is_empty() && dotted))
}

/// Small letters, digits and hyphens, or nothing.
fn is_label(text: &str) -> bool {
    text.len() <= 253
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests;
