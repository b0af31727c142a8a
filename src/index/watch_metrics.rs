//! Counters of the webhook's watches.

use std::sync::atomic::{AtomicI64, AtomicU64};

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    kind: &'static str,
    state: &'static str,
}

/// How the watch of a kind stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchState {
    /// The first list is on its way.
    Listing,
    /// A complete list is held and followed.
    Synced,
    /// The API server did not answer, or broke off; it is asked again.
    Interrupted,
    /// The cluster has no such kind.
    Absent,
    /// It may not be read.
    Forbidden,
}

impl WatchState {
    /// All states.
    pub const ALL: [Self; 5] = [
        Self::Listing,
        Self::Synced,
        Self::Interrupted,
        Self::Absent,
        Self::Forbidden,
    ];

    /// The value of the label `state`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Listing => "listing",
            Self::Synced => "synced",
            Self::Interrupted => "interrupted",
            Self::Absent => "absent",
            Self::Forbidden => "forbidden",
        }
    }
}

/// Counters of watches.
#[derive(Debug, Default)]
pub struct WatchMetrics {
    synced: Family<KindLabel, Gauge>,
    state: Family<StateLabels, Gauge>,
    last_event: Family<KindLabel, Gauge<i64, AtomicI64>>,
    unreadable: Family<KindLabel, Counter<u64, AtomicU64>>,
}

impl WatchMetrics {
    /// Makes the counters and registers them.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "hookbudget_index_synced",
            "1 when a complete list of the kind is held",
            metrics.synced.clone(),
        );
        registry.register(
            "hookbudget_watch_state",
            "1 for the state that the watch of the kind is in",
            metrics.state.clone(),
        );
        registry.register_with_unit(
            "hookbudget_watch_last_event_timestamp",
            "Last event of the kind's watch",
            Unit::Seconds,
            metrics.last_event.clone(),
        );
        registry.register(
            "hookbudget_watch_objects_unreadable",
            "Objects of a watch that could not be read and are passed over",
            metrics.unreadable.clone(),
        );
        metrics
    }

    /// The watch of a kind is in this state now.
    pub fn set(&self, kind: &'static str, now: WatchState) {
        let synced = i64::from(now == WatchState::Synced);
        self.synced.get_or_create(&KindLabel { kind }).set(synced);
        for state in WatchState::ALL {
            let labels = StateLabels {
                kind,
                state: state.as_str(),
            };
            self.state.get_or_create(&labels).set(i64::from(state == now));
        }
    }

    /// An event came.
    pub fn event(&self, kind: &'static str) {
        let now = Timestamp::now().as_second();
        self.last_event.get_or_create(&KindLabel { kind }).set(now);
    }

    /// Objects could not be read.
    pub fn unreadable(&self, kind: &'static str, count: u64) {
        self.unreadable.get_or_create(&KindLabel { kind }).inc_by(count);
    }
}
