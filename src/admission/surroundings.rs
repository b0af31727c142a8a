//! What is known around a review: snapshots, read without a lock and without a call.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::engine::release::{Application, HelmRelease};
use crate::engine::window::Kustomization;
use crate::k8s::namespace::{NamespaceFacts, Namespaces};

/// The snapshots that a review looks things up in. Whoever watches the cluster stores new ones; without
/// anybody they stay empty, and the policy's defaults hold.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// What the namespaces say.
    pub namespaces: Arc<ArcSwap<Namespaces>>,
    /// The Flux `HelmRelease`s.
    pub releases: Arc<ArcSwap<Vec<HelmRelease>>>,
    /// The Flux `Kustomization`s.
    pub kustomizations: Arc<ArcSwap<Vec<Kustomization>>>,
    /// The Argo CD `Application`s.
    pub applications: Arc<ArcSwap<Vec<Application>>>,
}

impl Surroundings {
    /// What a namespace says; nothing for one that is not known.
    pub(super) fn namespace(&self, name: &str) -> NamespaceFacts {
        self.namespaces.load().get(name).copied().unwrap_or_default()
    }
}
