//! Counters by namespace that cannot grow without end: namespaces are their users' to make.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

/// Series of one family, besides those of [`OTHER`].
const MOST_SERIES: usize = 2_000;
/// The namespace of what came after the bound was reached; no namespace can have this name.
const OTHER: &str = "_other";

/// Labels with a namespace among them.
pub(super) trait OfNamespace {
    fn namespace(&mut self) -> &mut Arc<str>;
}

/// Counters by labels with a namespace.
#[derive(Clone, Debug)]
pub(super) struct Bounded<L> {
    pub(super) family: Family<L, Counter>,
    known: Arc<Mutex<HashSet<L>>>,
}

impl<L: Clone + Eq + Hash> Default for Bounded<L> {
    fn default() -> Self {
        Self {
            family: Family::default(),
            known: Arc::default(),
        }
    }
}

impl<L: Clone + Eq + Hash + OfNamespace> Bounded<L> {
    pub(super) fn inc(&self, mut labels: L) {
        {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if !known.contains(&labels) {
                if known.len() < MOST_SERIES {
                    known.insert(labels.clone());
                } else {
                    *labels.namespace() = OTHER.into();
                }
            }
        }
        self.family.get_or_create(&labels).inc();
    }

    /// Drops the series of namespaces that are no more, which makes room for others.
    pub(super) fn keep(&self, exists: impl Fn(&str) -> bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|labels| {
            let keep = exists(labels.clone().namespace());
            if !keep {
                self.family.remove(labels);
            }
            keep
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    struct Labels(Arc<str>);

    impl OfNamespace for Labels {
        fn namespace(&mut self) -> &mut Arc<str> {
            &mut self.0
        }
    }

    #[test]
    fn beyond_the_bound_namespaces_share_one_series_until_others_are_gone() {
        let bounded = Bounded::default();
        let count = |name: &str| bounded.family.get_or_create(&Labels(name.into())).get();
        for number in 0..MOST_SERIES + 5 {
            bounded.inc(Labels(format!("ns-{number}").into()));
        }
        assert_eq!((count("ns-7"), count(OTHER)), (1, 5));
        bounded.inc(Labels("ns-7".into()));
        assert_eq!(count("ns-7"), 2);
        bounded.keep(|name| name != "ns-8");
        bounded.inc(Labels("new".into()));
        assert_eq!((count("new"), count("ns-8"), count(OTHER)), (1, 0, 5));
    }
}
