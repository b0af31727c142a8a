//! The part of a cluster that is looked at.

use super::kind::Kind;
use super::shard::Shard;

/// Which namespaces a process watches, and which of those are its own.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The namespaces to watch; all of them when empty.
    pub namespaces: Vec<String>,
    /// The share of those, where several processes divide a cluster among themselves.
    pub shard: Shard,
}

impl Scope {
    /// Every namespace of the cluster.
    pub const CLUSTER: Self = Self {
        namespaces: Vec::new(),
        shard: Shard::WHOLE,
    };

    /// Whether an object is to be taken in. A release, and a Kustomization, may lie in another namespace than its Jobs, so
    /// everybody knows all of them.
    #[must_use]
    pub fn holds(&self, kind: Kind, namespace: &str) -> bool {
        kind.is_optional() || self.shard.holds(namespace)
    }
}
