//! The webhook's own counters.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::Webhook;
use super::bounded::{Bounded, OfNamespace};
use super::observer::{Observer, Outcome, Skipped};
use crate::engine::finding::Decision;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReviewLabels {
    webhook: &'static str,
    operation: &'static str,
    kind: &'static str,
    mode: &'static str,
    decision: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabel {
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FieldLabel {
    field: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabels {
    namespace: Arc<str>,
    mode: &'static str,
    decision: &'static str,
    code: &'static str,
}

impl OfNamespace for DecisionLabels {
    fn namespace(&mut self) -> &mut Arc<str> {
        &mut self.namespace
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RewriteLabels {
    namespace: Arc<str>,
    mode: &'static str,
    rule: &'static str,
}

impl OfNamespace for RewriteLabels {
    fn namespace(&mut self) -> &mut Arc<str> {
        &mut self.namespace
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SourceLabel {
    source: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WebhookLabel {
    webhook: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SkippedLabels {
    kind: &'static str,
    reason: &'static str,
}

/// Counters of reviews. All labels come from closed sets but the namespace, whose series are bounded: no requester
/// can add series without end.
#[derive(Debug)]
pub struct Metrics {
    reviews: Family<ReviewLabels, Counter>,
    findings: Family<CodeLabel, Counter>,
    duration: Family<WebhookLabel, Histogram>,
    rewrites: Family<FieldLabel, Counter>,
    skipped: Family<SkippedLabels, Counter>,
    decisions: Bounded<DecisionLabels>,
    rewritten: Bounded<RewriteLabels>,
    releases: Family<SourceLabel, Counter>,
}

impl Metrics {
    /// Makes the counters and registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            reviews: Family::default(),
            findings: Family::default(),
            duration: Family::new_with_constructor(duration_histogram),
            rewrites: Family::default(),
            skipped: Family::default(),
            decisions: Bounded::default(),
            rewritten: Bounded::default(),
            releases: Family::default(),
        };
        registry.register(
            "hookbudget_admission_reviews",
            "Reviews that were judged, dry runs left out",
            metrics.reviews.clone(),
        );
        registry.register(
            "hookbudget_admission_findings",
            "Findings in judged objects, exempted ones and dry runs left out",
            metrics.findings.clone(),
        );
        registry.register_with_unit(
            "hookbudget_admission_duration",
            "Time from a whole body to the answer",
            Unit::Seconds,
            metrics.duration.clone(),
        );
        registry.register(
            "hookbudget_rewrites",
            "Objects in which the webhook wrote a field, dry runs left out",
            metrics.rewrites.clone(),
        );
        registry.register(
            "hookbudget_objects_skipped",
            "Objects that went through without a judgement",
            metrics.skipped.clone(),
        );
        registry.register(
            "hookbudget_admission_decisions",
            "Denials and warnings by rule, dry runs left out; the namespace _other holds what is beyond 2000 series",
            metrics.decisions.family.clone(),
        );
        registry.register(
            "hookbudget_admission_rewrites",
            "Rewritten objects by the rule or annotation that asked for it, dry runs left out; _other as for decisions",
            metrics.rewritten.family.clone(),
        );
        registry.register(
            "hookbudget_release_lookups",
            "Judged objects by who states the timeout of their release, dry runs left out",
            metrics.releases.clone(),
        );
        metrics
    }

    /// Drops the series of namespaces that are no more.
    pub fn keep_namespaces(&self, exists: impl Fn(&str) -> bool) {
        self.decisions.keep(&exists);
        self.rewritten.keep(&exists);
    }

    fn count_by_namespace(&self, outcome: &Outcome<'_>) {
        let mut namespace: Option<Arc<str>> = None;
        let mut named = || {
            let name = || outcome.job.namespace.as_deref().unwrap_or_default().into();
            Arc::clone(namespace.get_or_insert_with(name))
        };
        let mode = outcome.mode.as_str();
        if outcome.webhook == Webhook::Validate {
            let source = outcome.release.source.label();
            self.releases.get_or_create(&SourceLabel { source }).inc();
            for finding in outcome.judged_by {
                // An object as a whole may get off more lightly than its worst finding.
                let decision = finding.decision(outcome.mode).min(outcome.decision);
                if decision > Decision::Allow {
                    self.decisions.inc(DecisionLabels {
                        namespace: named(),
                        mode,
                        decision: decision.as_str(),
                        code: finding.code,
                    });
                }
            }
        }
        for (number, change) in outcome.changes.iter().enumerate() {
            let Cow::Borrowed(rule) = change.rule else {
                continue;
            };
            let mut counted = outcome.changes.iter().take(number);
            if counted.all(|earlier| earlier.rule != rule) {
                self.rewritten.inc(RewriteLabels {
                    namespace: named(),
                    mode,
                    rule,
                });
            }
        }
    }
}

/// From what a small review takes to the longest timeout that the API server allows a webhook.
fn duration_histogram() -> Histogram {
    Histogram::new([
        0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0, 30.0,
    ])
}

impl Observer for Metrics {
    fn judged(&self, outcome: &Outcome<'_>) {
        self.count_by_namespace(outcome);
        let labels = ReviewLabels {
            webhook: outcome.webhook.as_str(),
            operation: outcome.operation,
            kind: outcome.kind,
            mode: outcome.mode.as_str(),
            decision: outcome.decision.as_str(),
        };
        self.reviews.get_or_create(&labels).inc();
        for code in outcome.findings {
            self.findings.get_or_create(&CodeLabel { code }).inc();
        }
        for field in outcome.rewrites {
            self.rewrites.get_or_create(&FieldLabel { field }).inc();
        }
    }

    fn skipped(&self, _: Webhook, kind: &'static str, reason: Skipped) {
        let labels = SkippedLabels {
            kind,
            reason: reason.as_str(),
        };
        self.skipped.get_or_create(&labels).inc();
    }

    fn answered(&self, webhook: Webhook, took: Duration) {
        let labels = WebhookLabel {
            webhook: webhook.as_str(),
        };
        self.duration.get_or_create(&labels).observe(took.as_secs_f64());
    }
}
