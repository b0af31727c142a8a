//! What a review tells the outside: one call per review, for counters.

use std::sync::Arc;
use std::time::Duration;

use super::Webhook;
use crate::engine::finding::{Decision, Finding};
use crate::engine::job::Job;
use crate::engine::policy::Mode;
use crate::engine::release::Release;
use crate::engine::rewrite::Change;

/// Who counts reviews.
pub trait Observer: Send + Sync {
    /// A review was judged.
    fn judged(&self, outcome: &Outcome<'_>);
    /// A review went through without a judgement.
    fn skipped(&self, webhook: Webhook, kind: &'static str, reason: Skipped);
    /// A review was answered after this time.
    fn answered(&self, webhook: Webhook, took: Duration);
}

/// A judged review.
#[derive(Debug)]
pub struct Outcome<'a> {
    /// Which of the two webhooks.
    pub webhook: Webhook,
    /// `CREATE` or `UPDATE`.
    pub operation: &'static str,
    /// `Job` or `CronJob`.
    pub kind: &'static str,
    /// The mode of the namespace.
    pub mode: Mode,
    /// The answer.
    pub decision: Decision,
    /// The codes of the findings, exempted ones left out.
    pub findings: &'a [&'static str],
    /// The fields that the patch writes.
    pub rewrites: &'a [&'static str],
    /// The object. Its texts are the requester's: they may hold anything.
    pub job: &'a Job<'a>,
    /// What there is to say about it, exempted findings included.
    pub judged_by: &'a [Finding],
    /// What the patch changes, and by which rule.
    pub changes: &'a [Change],
    /// The text of the denial.
    pub denial: Option<&'a str>,
    /// The release that it belongs to, and who states its timeout.
    pub release: &'a Release,
}

/// Why a review went through without a judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Skipped {
    /// Not an object, operation or namespace that is judged here.
    OutOfScope,
    /// The mode of the namespace is off.
    ModeOff,
    /// The object cannot be read.
    Unreadable,
    /// The object holds values that the API server refuses.
    Invalid,
    /// The review is of another version or kind.
    OtherReview,
    /// The body holds no uid to answer to, is too large, or did not arrive.
    NoReview,
    /// No memory for the body became free in time.
    Overload,
    /// The judgement panicked.
    Panic,
    /// The judgement was not ready in time.
    Late,
}

impl Skipped {
    /// The value of the label `reason`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OutOfScope => "out_of_scope",
            Self::ModeOff => "mode_off",
            Self::Unreadable => "unreadable",
            Self::Invalid => "invalid",
            Self::OtherReview => "other_review",
            Self::NoReview => "no_review",
            Self::Overload => "overload",
            Self::Panic => "panic",
            Self::Late => "late",
        }
    }
}

/// Tells several.
impl Observer for Vec<Arc<dyn Observer>> {
    fn judged(&self, outcome: &Outcome<'_>) {
        for one in self {
            one.judged(outcome);
        }
    }
    fn skipped(&self, webhook: Webhook, kind: &'static str, reason: Skipped) {
        for one in self {
            one.skipped(webhook, kind, reason);
        }
    }
    fn answered(&self, webhook: Webhook, took: Duration) {
        for one in self {
            one.answered(webhook, took);
        }
    }
}

/// Counts nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn judged(&self, _: &Outcome<'_>) {}
    fn skipped(&self, _: Webhook, _: &'static str, _: Skipped) {}
    fn answered(&self, _: Webhook, _: Duration) {}
}
