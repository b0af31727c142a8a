//! The webhook's own counters.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::Webhook;
use super::observer::{Observer, Outcome, Skipped};

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
struct WebhookLabel {
    webhook: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SkippedLabels {
    kind: &'static str,
    reason: &'static str,
}

/// Counters of reviews. All labels come from closed sets, so that no requester can add series.
#[derive(Debug)]
pub struct Metrics {
    reviews: Family<ReviewLabels, Counter>,
    findings: Family<CodeLabel, Counter>,
    duration: Family<WebhookLabel, Histogram>,
    rewrites: Family<FieldLabel, Counter>,
    skipped: Family<SkippedLabels, Counter>,
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
        metrics
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
