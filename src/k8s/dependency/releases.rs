//! What a release has installed, as far as it runs in its namespace.

use super::Namespace;
use crate::engine::evidence::Workload;
use crate::k8s::meta::Meta;

/// Workloads kept per release.
const WORKLOADS: usize = 8;
/// The labels that Flux's helm-controller puts on what a release makes (fluxcd/helm-controller
/// `internal/postrender`).
const FLUX: [&str; 2] = ["helm.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/namespace"];
/// The annotations that Helm puts there (helm/helm `pkg/action/validate.go`).
const HELM: [&str; 2] = ["meta.helm.sh/release-name", "meta.helm.sh/release-namespace"];

impl Namespace {
    /// The workloads of the Flux release `namespace/name`, whose Helm release is `release`, that are not ready.
    #[must_use]
    pub fn installed_by(&self, namespace: &str, name: &str, release: &str) -> Vec<Workload> {
        let is_its = |meta: &Meta| {
            let labels = FLUX.map(|key| meta.labels.get(key).map(String::as_str));
            let notes = HELM.map(|key| meta.annotations.get(key).map(String::as_str));
            labels == [Some(name), Some(namespace)] || notes[0] == Some(release)
        };
        let own = self
            .workloads
            .iter()
            .filter(|workload| is_its(&workload.metadata))
            .map(|workload| self.workload(workload));
        let databases = self
            .databases
            .iter()
            .filter(|database| is_its(&database.metadata))
            .filter_map(|database| self.database(&database.metadata.name));
        own.chain(databases)
            .filter(|workload| workload.ready < workload.wanted.unwrap_or(1))
            .take(WORKLOADS)
            .collect()
    }
}
