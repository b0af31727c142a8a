//! The shapes of the objects that a chain leads through, as far as it looks at them.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::k8s::meta::{ConditionObject, Meta};
use crate::k8s::text::null_default;

/// A Service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ServiceObject {
    #[serde(deserialize_with = "null_default")]
    pub(super) metadata: Meta,
    #[serde(deserialize_with = "null_default")]
    pub(super) spec: ServiceSpec,
    #[serde(deserialize_with = "null_default")]
    pub(super) status: ServiceStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ServiceSpec {
    #[serde(rename = "type", deserialize_with = "null_default")]
    pub(super) kind: String,
    #[serde(deserialize_with = "null_default")]
    pub(super) selector: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ServiceStatus {
    #[serde(deserialize_with = "null_default")]
    pub(super) load_balancer: LoadBalancer,
    #[serde(deserialize_with = "null_default")]
    pub(super) conditions: Vec<ConditionObject>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LoadBalancer {
    #[serde(deserialize_with = "null_default")]
    pub(super) ingress: Vec<serde::de::IgnoredAny>,
}

/// An `EndpointSlice` of `discovery.k8s.io/v1`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct EndpointSliceObject {
    #[serde(deserialize_with = "null_default")]
    pub(super) metadata: Meta,
    #[serde(deserialize_with = "null_default")]
    pub(super) endpoints: Vec<Endpoint>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Endpoint {
    #[serde(deserialize_with = "null_default")]
    pub(super) conditions: EndpointConditions,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct EndpointConditions {
    pub(super) ready: Option<bool>,
}

/// A Deployment, a `StatefulSet` or a `DaemonSet`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct WorkloadObject {
    #[serde(deserialize_with = "null_default")]
    pub(super) kind: String,
    #[serde(deserialize_with = "null_default")]
    pub(super) metadata: Meta,
    #[serde(deserialize_with = "null_default")]
    pub(super) spec: WorkloadSpec,
    #[serde(deserialize_with = "null_default")]
    pub(super) status: WorkloadStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WorkloadSpec {
    pub(super) replicas: Option<u32>,
    #[serde(deserialize_with = "null_default")]
    pub(super) paused: bool,
    #[serde(deserialize_with = "null_default")]
    pub(super) selector: Selector,
    #[serde(deserialize_with = "null_default")]
    pub(super) template: Template,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Selector {
    #[serde(deserialize_with = "null_default")]
    pub(super) match_labels: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Template {
    #[serde(deserialize_with = "null_default")]
    pub(super) metadata: Meta,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct WorkloadStatus {
    #[serde(deserialize_with = "null_default")]
    pub(super) ready_replicas: u32,
    #[serde(deserialize_with = "null_default")]
    pub(super) conditions: Vec<ConditionObject>,
}

impl WorkloadObject {
    /// Gives the kind that list items do not carry.
    #[must_use]
    pub fn of_kind(mut self, kind: &str) -> Self {
        kind.clone_into(&mut self.kind);
        self
    }
}

/// `v1` Endpoints: what a dump has that was made without `EndpointSlice`s.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct EndpointsObject {
    #[serde(deserialize_with = "null_default")]
    metadata: Meta,
    #[serde(deserialize_with = "null_default")]
    subsets: Vec<Subset>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Subset {
    #[serde(deserialize_with = "null_default")]
    addresses: Vec<serde::de::IgnoredAny>,
    #[serde(deserialize_with = "null_default")]
    not_ready_addresses: Vec<serde::de::IgnoredAny>,
}

impl From<EndpointsObject> for EndpointSliceObject {
    fn from(object: EndpointsObject) -> Self {
        let EndpointsObject {
            mut metadata,
            subsets,
        } = object;
        let name = metadata.name.clone();
        metadata.labels.insert(SERVICE_NAME.to_owned(), name);
        let endpoint = |ready| Endpoint {
            conditions: EndpointConditions { ready: Some(ready) },
        };
        let endpoints = subsets.iter().flat_map(|subset| {
            let ready = subset.addresses.iter().map(|_| true);
            ready.chain(subset.not_ready_addresses.iter().map(|_| false))
        });
        Self {
            metadata,
            endpoints: endpoints.map(endpoint).collect(),
        }
    }
}

/// The label with the Service that a slice belongs to (kubernetes/api `discovery/v1` `LabelServiceName`).
pub(super) const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// A `PersistentVolumeClaim`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ClaimObject {
    #[serde(deserialize_with = "null_default")]
    pub(super) metadata: Meta,
    #[serde(deserialize_with = "null_default")]
    pub(super) spec: ClaimSpec,
    #[serde(deserialize_with = "null_default")]
    pub(super) status: Phase,
}

impl ClaimObject {
    /// The volume that it is bound to, where it is.
    #[must_use]
    pub fn volume(&self) -> Option<&str> {
        Some(self.spec.volume_name.as_str()).filter(|name| !name.is_empty())
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// True once it has a volume.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.status.phase == "Bound"
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ClaimSpec {
    pub(super) storage_class_name: Option<String>,
    #[serde(deserialize_with = "null_default")]
    pub(super) volume_name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Phase {
    #[serde(deserialize_with = "null_default")]
    pub(super) phase: String,
}

/// A `PersistentVolume`: where it can be reached from.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct VolumeObject {
    #[serde(deserialize_with = "null_default")]
    pub(super) metadata: Meta,
    #[serde(deserialize_with = "null_default")]
    pub(super) spec: VolumeSpec,
    #[serde(deserialize_with = "null_default")]
    pub(super) status: Phase,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct VolumeSpec {
    #[serde(deserialize_with = "null_default")]
    node_affinity: NodeAffinity,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct NodeAffinity {
    #[serde(deserialize_with = "null_default")]
    required: Required,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Required {
    #[serde(deserialize_with = "null_default")]
    node_selector_terms: Vec<Term>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Term {
    #[serde(deserialize_with = "null_default")]
    match_expressions: Vec<Expression>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Expression {
    #[serde(deserialize_with = "null_default")]
    key: String,
    #[serde(deserialize_with = "null_default")]
    operator: String,
    #[serde(deserialize_with = "null_default")]
    values: Vec<String>,
}

impl VolumeObject {
    /// The nodes that it can be reached from, in words; empty where it can be from all.
    pub(super) fn reach(&self) -> String {
        let terms = self.spec.node_affinity.required.node_selector_terms.iter();
        let words = terms.take(4).map(|term| {
            let words = term.match_expressions.iter().map(|expression| {
                let values = expression.values.iter().take(8).map(String::as_str);
                let values: Vec<_> = values.collect();
                format!(
                    "{} {} ({})",
                    expression.key,
                    expression.operator,
                    values.join(", ")
                )
            });
            words.collect::<Vec<_>>().join(" and ")
        });
        words.collect::<Vec<_>>().join(" or ")
    }
}

/// A `CloudNativePG` Cluster of `postgresql.cnpg.io/v1` (cloudnative-pg `api/v1/cluster_types.go`).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct DatabaseObject {
    #[serde(deserialize_with = "null_default")]
    pub(super) metadata: Meta,
    #[serde(deserialize_with = "null_default")]
    pub(super) spec: DatabaseSpec,
    #[serde(deserialize_with = "null_default")]
    pub(super) status: DatabaseStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DatabaseSpec {
    pub(super) instances: Option<u32>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct DatabaseStatus {
    #[serde(deserialize_with = "null_default")]
    pub(super) phase: String,
    #[serde(deserialize_with = "null_default")]
    pub(super) phase_reason: String,
    #[serde(deserialize_with = "null_default")]
    pub(super) ready_instances: u32,
    #[serde(deserialize_with = "null_default")]
    pub(super) conditions: Vec<ConditionObject>,
}
