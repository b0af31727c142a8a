//! What a Job waits for, put together from the objects of its namespace: Service, endpoints, workload, Pods.

pub mod database;
mod needs;
mod objects;
mod releases;

use std::collections::BTreeMap;

pub use self::objects::{
    ClaimObject, DatabaseObject, EndpointSliceObject, EndpointsObject, ServiceObject, VolumeObject,
    WorkloadObject,
};
use super::meta::safe;
use super::pod::PodObject;
use crate::engine::evidence::{Condition, Dependency, EventRecord, ObjectRef, PodRecord, Workload};
use crate::engine::{Seconds, cold_start};

/// Pods kept per workload: they fail alike.
const PODS: usize = 16;

/// The objects of one namespace, as far as a chain can lead through them.
#[derive(Clone, Debug, Default)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Its Services; `None` when they could not be read.
    pub services: Option<Vec<ServiceObject>>,
    /// Its `EndpointSlice`s; `None` when they could not be read.
    pub slices: Option<Vec<EndpointSliceObject>>,
    /// Its `Endpoints`, where they stand in for the slices.
    pub endpoints: Option<Vec<EndpointSliceObject>>,
    /// Its Deployments, `StatefulSet`s and `DaemonSet`s.
    pub workloads: Vec<WorkloadObject>,
    /// Its Pods.
    pub pods: Vec<PodObject>,
    /// Its events about Pods, and warnings about the rest.
    pub events: Vec<EventRecord>,
    /// Its `CloudNativePG` Clusters.
    pub databases: Vec<DatabaseObject>,
    /// Its `PersistentVolumeClaim`s; `None` when they could not be read.
    pub claims: Option<Vec<ClaimObject>>,
    /// The names of the cluster's `StorageClass`es; `None` when they could not be read.
    pub classes: Option<Vec<String>>,
    /// The volumes that its claims are bound to, as far as they could be read.
    pub volumes: Vec<VolumeObject>,
    /// True when some objects are known to be missing here: what is not here may yet be there.
    pub partial: bool,
}

impl Namespace {
    /// What stands behind the Service `service`, which the Job calls as `target`.
    #[must_use]
    pub fn dependency(&self, service: &str, target: &str) -> Dependency {
        let mut dependency = Dependency {
            object: self.named("Service", service),
            target: target.to_owned(),
            ..Dependency::default()
        };
        let Some(services) = &self.services else {
            return dependency;
        };
        let Some(object) = services.iter().find(|s| s.metadata.name == service) else {
            dependency.exists = (!self.partial).then_some(false);
            dependency.workloads.extend(self.database_of_service(service));
            return dependency;
        };
        let annotations = &object.metadata.annotations;
        dependency.exists = Some(true);
        dependency.service_type.clone_from(&object.spec.kind);
        dependency.load_balancer_pending =
            object.spec.kind == "LoadBalancer" && object.status.load_balancer.ingress.is_empty();
        dependency.created = object.metadata.creation_timestamp;
        dependency.parked = annotations.get("hookbudget.dev/parked").cloned().map(safe);
        dependency.cold_start = stated_cold_start(annotations);
        dependency.conditions = object
            .status
            .conditions
            .iter()
            .cloned()
            .map(Condition::from)
            .collect();
        // Of an incomplete list, that there is none proves nothing.
        let addresses = self
            .addresses(service)
            .filter(|(ready, _)| *ready > 0 || !self.partial);
        if let Some((ready, not_ready)) = addresses {
            dependency.ready = Some(ready);
            dependency.not_ready = Some(not_ready);
        }
        dependency.workloads = match self.database_of(&object.metadata) {
            Some(database) => vec![database],
            None => self.behind(&object.spec.selector),
        };
        if self.partial {
            // Which states how many of its Pods are ready, whichever of them are here.
            dependency.workloads.retain(|workload| workload.wanted.is_some());
        }
        dependency
    }

    /// The events about the Pods of a dependency.
    pub fn events_of<'a>(&'a self, dependency: &'a Dependency) -> impl Iterator<Item = &'a EventRecord> {
        let mut pods = std::collections::BTreeSet::new();
        collect_pods(dependency, &mut pods);
        self.events
            .iter()
            .filter(move |event| event.object.kind == "Pod" && pods.contains(event.object.name.as_str()))
    }

    fn named(&self, kind: &str, name: &str) -> ObjectRef {
        ObjectRef {
            kind: kind.to_owned(),
            namespace: self.name.clone(),
            name: name.to_owned(),
        }
    }

    /// Ready and not ready addresses; an absent `ready` means true (`discovery/v1` `EndpointConditions`).
    fn addresses(&self, service: &str) -> Option<(u32, u32)> {
        let slices = self.slices.as_ref()?;
        let counts = slices
            .iter()
            .filter(|slice| {
                let name = slice.metadata.labels.get(objects::SERVICE_NAME);
                name.is_some_and(|name| name == service)
            })
            .flat_map(|slice| &slice.endpoints)
            .fold((0, 0), |(ready, not), endpoint| {
                if endpoint.conditions.ready.unwrap_or(true) {
                    (ready + 1, not)
                } else {
                    (ready, not + 1)
                }
            });
        Some(counts)
    }

    /// The workloads whose Pods a selector finds; bare Pods that it finds are listed under their own owner.
    fn behind(&self, selector: &BTreeMap<String, String>) -> Vec<Workload> {
        if selector.is_empty() {
            return Vec::new();
        }
        let matching = self
            .workloads
            .iter()
            .filter(|workload| contains(&workload.spec.template.metadata.labels, selector));
        let mut found: Vec<Workload> = matching.map(|workload| self.workload(workload)).collect();
        let listed: Vec<String> = found
            .iter()
            .flat_map(|workload| workload.pods.iter().map(|pod| pod.name.clone()))
            .collect();
        let mut others: BTreeMap<(String, String), Vec<&PodObject>> = BTreeMap::new();
        for pod in &self.pods {
            if contains(&pod.metadata.labels, selector) && !listed.contains(&pod.metadata.name) {
                let owner = pod
                    .metadata
                    .controller()
                    .map_or(("Pod", pod.metadata.name.as_str()), |owner| {
                        (&owner.kind, &owner.name)
                    });
                others
                    .entry((owner.0.to_owned(), owner.1.to_owned()))
                    .or_default()
                    .push(pod);
            }
        }
        found.extend(
            others
                .into_iter()
                .map(|((kind, name), pods)| self.owner_of(&kind, &name, &pods)),
        );
        found
    }

    fn workload(&self, object: &WorkloadObject) -> Workload {
        let selector = &object.spec.selector.match_labels;
        let pods: Vec<_> = self
            .pods
            .iter()
            .filter(|pod| !selector.is_empty() && contains(&pod.metadata.labels, selector))
            .collect();
        let annotations = &object.metadata.annotations;
        Workload {
            object: self.named(&object.kind, &object.metadata.name),
            wanted: Some(object.spec.replicas.unwrap_or(1)),
            ready: object.status.ready_replicas,
            created: object.metadata.creation_timestamp,
            suspended: object.spec.paused,
            parked: annotations.get("hookbudget.dev/parked").cloned().map(safe),
            cold_start: stated_cold_start(annotations),
            says: self.said_of(object),
            phase: String::new(),
            needs: self.needs(&pods),
            pods: records(&pods),
        }
    }

    fn owner_of(&self, kind: &str, name: &str, pods: &[&PodObject]) -> Workload {
        let records = records(pods);
        Workload {
            object: self.named(kind, name),
            ready: u32::try_from(records.iter().filter(|pod| is_ready(pod)).count()).unwrap_or(u32::MAX),
            created: pods
                .iter()
                .filter_map(|pod| pod.metadata.creation_timestamp)
                .min(),
            needs: self.needs(pods),
            pods: records,
            ..Workload::default()
        }
    }
}

fn collect_pods<'a>(dependency: &'a Dependency, pods: &mut std::collections::BTreeSet<&'a str>) {
    for workload in &dependency.workloads {
        pods.extend(workload.pods.iter().map(|pod| pod.name.as_str()));
        for need in &workload.needs {
            collect_pods(need, pods);
        }
    }
    for need in &dependency.needs {
        collect_pods(need, pods);
    }
}

/// Those that are not ready come first: of many Pods, these tell.
fn records(pods: &[&PodObject]) -> Vec<PodRecord> {
    let mut records: Vec<_> = pods.iter().map(|pod| (*pod).clone().into_record(None)).collect();
    if records.len() > PODS {
        records.sort_by_key(is_ready);
        records.truncate(PODS);
    }
    records
}

fn is_ready(pod: &PodRecord) -> bool {
    pod.conditions
        .iter()
        .any(|c| c.kind == "Ready" && c.status == "True")
}

fn contains(labels: &BTreeMap<String, String>, selector: &BTreeMap<String, String>) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

fn stated_cold_start(annotations: &BTreeMap<String, String>) -> Option<Seconds> {
    annotations
        .get(cold_start::ANNOTATION)
        .and_then(|text| cold_start::parse(text))
}

#[cfg(test)]
mod tests;
