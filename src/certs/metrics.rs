//! The keeper's counters.

use std::sync::atomic::AtomicI64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::{ConfigurationKind, Done, KeepError, Observer};
use crate::tls::kept::Step;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StepLabel {
    step: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

/// Counters of what the keeper does, each there from the start. The end of validity of the served certificate
/// is a gauge of the server's own, whatever makes the certificate.
#[derive(Debug)]
pub struct Metrics {
    served_until: Gauge<i64, AtomicI64>,
    authority_until: Gauge<i64, AtomicI64>,
    steps: Family<StepLabel, Counter>,
    told: Family<KindLabel, Counter>,
    failures: Counter,
}

impl Metrics {
    /// Makes the counters and registers them. `served_until` is the gauge of the served certificate.
    pub fn register(registry: &mut Registry, served_until: Gauge<i64, AtomicI64>) -> Self {
        let metrics = Self {
            served_until,
            authority_until: Gauge::default(),
            steps: Family::default(),
            told: Family::default(),
            failures: Counter::default(),
        };
        for step in Step::ALL {
            metrics
                .steps
                .get_or_create(&StepLabel { step: step.as_str() })
                .inc_by(0);
        }
        for kind in ConfigurationKind::ALL {
            metrics
                .told
                .get_or_create(&KindLabel { kind: kind.as_str() })
                .inc_by(0);
        }
        registry.register_with_unit(
            "hookbudget_tls_authority_not_after_timestamp",
            "End of validity of the authority that signed the serving certificate; 0 before it is known",
            Unit::Seconds,
            metrics.authority_until.clone(),
        );
        registry.register(
            "hookbudget_tls_secret_steps",
            "Changes of the certificates in the Secret by this replica, by step",
            metrics.steps.clone(),
        );
        registry.register(
            "hookbudget_tls_ca_bundle_writes",
            "Times that this replica wrote caBundle, by kind of the webhook configuration",
            metrics.told.clone(),
        );
        registry.register(
            "hookbudget_tls_keeper_failures",
            "Reads and writes of the Secret and the webhook configurations that failed",
            metrics.failures.clone(),
        );
        metrics
    }
}

impl Observer for Metrics {
    fn did(&self, done: Done) {
        match done {
            Done::Step(step) => {
                self.steps.get_or_create(&StepLabel { step: step.as_str() }).inc();
            }
            Done::Told(kind) => {
                self.told.get_or_create(&KindLabel { kind: kind.as_str() }).inc();
            }
            Done::Served {
                not_after,
                authority_not_after,
            } => {
                self.served_until.set(not_after.as_second());
                self.authority_until.set(authority_not_after.as_second());
            }
        }
    }

    fn failed(&self, _: &KeepError) {
        self.failures.inc();
    }
}
