//! A `CloudNativePG` Cluster as what serves a Service and what makes a Secret.

use super::objects::DatabaseObject;
use super::{Namespace, is_ready, records, stated_cold_start};
use crate::engine::evidence::{Condition, Workload};
use crate::k8s::meta::{Meta, safe};
use crate::k8s::pod::PodObject;

/// The API group of a Cluster.
pub const GROUP: &str = "postgresql.cnpg.io";
/// The label of a Cluster's Pods and Services (cloudnative-pg `pkg/utils/labels_annotations.go`).
pub(super) const LABEL: &str = "cnpg.io/cluster";
/// The Services that the operator makes (cloudnative-pg `api/v1/common.go`): primary, replicas, any.
const SERVICES: [&str; 3] = ["-rw", "-ro", "-r"];

impl Namespace {
    /// The Cluster behind a Service that the operator made. Its selector asks for the role that a Pod gets only
    /// once it runs, so it leads to no Pod before.
    pub(super) fn database_of(&self, service: &Meta) -> Option<Workload> {
        let owner = service.controller().filter(|owner| owner.kind == "Cluster");
        let stated = owner
            .filter(|owner| owner.api_version.starts_with(GROUP))
            .map(|owner| owner.name.as_str())
            .or_else(|| service.labels.get(LABEL).map(String::as_str));
        match stated {
            Some(cluster) => self.database(cluster),
            None => self.database_of_service(&service.name),
        }
    }

    /// The Cluster that would make a Service of this name: only one that is there counts.
    pub(super) fn database_of_service(&self, service: &str) -> Option<Workload> {
        let cluster = SERVICES.iter().find_map(|suffix| service.strip_suffix(suffix))?;
        let object = self.databases.iter().find(|d| d.metadata.name == cluster)?;
        Some(self.with_object(object))
    }

    /// A Cluster by name: the object, or where that cannot be read its Pods alone.
    pub(super) fn database(&self, cluster: &str) -> Option<Workload> {
        if let Some(object) = self.databases.iter().find(|d| d.metadata.name == cluster) {
            return Some(self.with_object(object));
        }
        let pods = self.pods_of(cluster);
        if pods.is_empty() {
            return None;
        }
        let records = records(&pods);
        Some(Workload {
            object: self.named("Cluster", cluster),
            ready: u32::try_from(records.iter().filter(|pod| is_ready(pod)).count()).unwrap_or(u32::MAX),
            needs: self.needs(&pods),
            pods: records,
            ..Workload::default()
        })
    }

    fn with_object(&self, object: &DatabaseObject) -> Workload {
        let name = &object.metadata.name;
        let status = &object.status;
        let annotations = &object.metadata.annotations;
        let pods = self.pods_of(name);
        let is_on = |key: &str| annotations.get(key).is_some_and(|value| value == "on");
        let unmet = status
            .conditions
            .iter()
            .cloned()
            .map(Condition::from)
            .find(|condition| condition.kind == "Ready" && condition.status != "True");
        let mut says = safe(status.phase_reason.clone());
        if let Some(unmet) = unmet {
            let separator = if says.is_empty() { "" } else { "; " };
            says = format!(
                "{says}{separator}condition Ready={} {}: {}",
                unmet.status, unmet.reason, unmet.message
            );
        }
        Workload {
            object: self.named("Cluster", name),
            wanted: Some(object.spec.instances.unwrap_or(1)),
            ready: status.ready_instances,
            created: object.metadata.creation_timestamp,
            suspended: is_on("cnpg.io/hibernation"),
            parked: annotations.get("hookbudget.dev/parked").cloned().map(safe),
            cold_start: stated_cold_start(annotations),
            says,
            phase: status.phase.clone(),
            needs: self.needs(&pods),
            pods: records(&pods),
        }
    }

    /// Its instances, and the Pods of the Jobs that set it up.
    fn pods_of(&self, cluster: &str) -> Vec<&PodObject> {
        let pods = self.pods.iter();
        pods.filter(|pod| pod.metadata.labels.get(LABEL).is_some_and(|name| name == cluster))
            .collect()
    }
}
