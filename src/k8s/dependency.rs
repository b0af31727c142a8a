//! What a Job waits for, put together from the objects of its namespace: Service, endpoints, workload, Pods.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::meta::{ConditionObject, Meta};
use super::pod::PodObject;
use super::text::null_default;
use crate::engine::evidence::{Condition, Dependency, EventRecord, ObjectRef, PodRecord, Workload};
use crate::engine::{Seconds, cold_start};

/// A Service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ServiceObject {
    #[serde(deserialize_with = "null_default")]
    metadata: Meta,
    #[serde(deserialize_with = "null_default")]
    spec: ServiceSpec,
    #[serde(deserialize_with = "null_default")]
    status: ServiceStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ServiceSpec {
    #[serde(rename = "type", deserialize_with = "null_default")]
    kind: String,
    #[serde(deserialize_with = "null_default")]
    selector: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ServiceStatus {
    #[serde(deserialize_with = "null_default")]
    load_balancer: LoadBalancer,
    #[serde(deserialize_with = "null_default")]
    conditions: Vec<ConditionObject>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct LoadBalancer {
    #[serde(deserialize_with = "null_default")]
    ingress: Vec<serde::de::IgnoredAny>,
}

/// An `EndpointSlice` of `discovery.k8s.io/v1`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct EndpointSliceObject {
    #[serde(deserialize_with = "null_default")]
    metadata: Meta,
    #[serde(deserialize_with = "null_default")]
    endpoints: Vec<Endpoint>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Endpoint {
    #[serde(deserialize_with = "null_default")]
    conditions: EndpointConditions,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct EndpointConditions {
    ready: Option<bool>,
}

/// A Deployment, a `StatefulSet` or a `DaemonSet`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct WorkloadObject {
    #[serde(deserialize_with = "null_default")]
    kind: String,
    #[serde(deserialize_with = "null_default")]
    metadata: Meta,
    #[serde(deserialize_with = "null_default")]
    spec: WorkloadSpec,
    #[serde(deserialize_with = "null_default")]
    status: WorkloadStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct WorkloadSpec {
    replicas: Option<u32>,
    #[serde(deserialize_with = "null_default")]
    paused: bool,
    #[serde(deserialize_with = "null_default")]
    selector: Selector,
    #[serde(deserialize_with = "null_default")]
    template: Template,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Selector {
    #[serde(deserialize_with = "null_default")]
    match_labels: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Template {
    #[serde(deserialize_with = "null_default")]
    metadata: Meta,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WorkloadStatus {
    #[serde(deserialize_with = "null_default")]
    ready_replicas: u32,
}

impl WorkloadObject {
    /// Gives the kind that list items do not carry.
    #[must_use]
    pub fn of_kind(mut self, kind: &str) -> Self {
        kind.clone_into(&mut self.kind);
        self
    }
}

/// The objects of one namespace, as far as a chain can lead through them.
#[derive(Clone, Debug, Default)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Its Services; `None` when they could not be read.
    pub services: Option<Vec<ServiceObject>>,
    /// Its `EndpointSlice`s; `None` when they could not be read.
    pub slices: Option<Vec<EndpointSliceObject>>,
    /// Its Deployments, `StatefulSet`s and `DaemonSet`s.
    pub workloads: Vec<WorkloadObject>,
    /// Its Pods.
    pub pods: Vec<PodObject>,
    /// Its events about Pods.
    pub events: Vec<EventRecord>,
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
            dependency.exists = Some(false);
            return dependency;
        };
        let annotations = &object.metadata.annotations;
        dependency.exists = Some(true);
        dependency.service_type.clone_from(&object.spec.kind);
        dependency.load_balancer_pending =
            object.spec.kind == "LoadBalancer" && object.status.load_balancer.ingress.is_empty();
        dependency.created = object.metadata.creation_timestamp;
        dependency.parked = annotations.get("hookbudget.dev/parked").cloned();
        dependency.cold_start = stated_cold_start(annotations);
        dependency.conditions = object
            .status
            .conditions
            .iter()
            .cloned()
            .map(Condition::from)
            .collect();
        if let Some((ready, not_ready)) = self.addresses(service) {
            dependency.ready = Some(ready);
            dependency.not_ready = Some(not_ready);
        }
        dependency.workloads = self.behind(&object.spec.selector);
        dependency
    }

    /// The events about the Pods of a dependency.
    pub fn events_of<'a>(&'a self, dependency: &'a Dependency) -> impl Iterator<Item = &'a EventRecord> {
        let mut pods = std::collections::BTreeSet::new();
        collect_pods(&dependency.workloads, &mut pods);
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
                let name = slice.metadata.labels.get("kubernetes.io/service-name");
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
            parked: annotations.get("hookbudget.dev/parked").cloned(),
            cold_start: stated_cold_start(annotations),
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

    /// What these Pods say that they miss: the kubelet names it in a waiting message or in an event.
    fn needs(&self, pods: &[&PodObject]) -> Vec<Dependency> {
        let mut missing: Vec<(&'static str, String)> = Vec::new();
        for pod in pods {
            let record = (*pod).clone().into_record(None);
            let events = self
                .events
                .iter()
                .filter(|event| event.object.kind == "Pod" && event.object.name == record.name);
            let messages = events.map(|event| event.message.as_str());
            let waits = record.containers.iter().flat_map(|container| &container.waits);
            for message in waits.map(|wait| wait.message.as_str()).chain(messages) {
                missing.extend(missing_object(message));
            }
        }
        missing.sort_unstable();
        missing.dedup();
        missing
            .into_iter()
            .map(|(kind, name)| Dependency {
                object: self.named(kind, &name),
                target: format!("{} {name}", kind.to_lowercase()),
                exists: Some(false),
                workloads: self.makers_of(kind, &name),
                ..Dependency::default()
            })
            .collect()
    }

    /// Who makes a missing Secret, where a convention tells it: CloudNativePG keeps the application's password
    /// in `<cluster>-app` and labels the Pods `cnpg.io/cluster` (cloudnative-pg `pkg/specs`, `pkg/utils`).
    fn makers_of(&self, kind: &str, name: &str) -> Vec<Workload> {
        let Some(cluster) = name.strip_suffix("-app").filter(|_| kind == "Secret") else {
            return Vec::new();
        };
        let pods: Vec<_> = self
            .pods
            .iter()
            .filter(|pod| {
                pod.metadata
                    .labels
                    .get("cnpg.io/cluster")
                    .is_some_and(|name| name == cluster)
            })
            .collect();
        if pods.is_empty() {
            return Vec::new();
        }
        let records = records(&pods);
        vec![Workload {
            object: self.named("Cluster", cluster),
            ready: u32::try_from(records.iter().filter(|pod| is_ready(pod)).count()).unwrap_or(u32::MAX),
            pods: records,
            ..Workload::default()
        }]
    }
}

fn collect_pods<'a>(workloads: &'a [Workload], pods: &mut std::collections::BTreeSet<&'a str>) {
    for workload in workloads {
        pods.extend(workload.pods.iter().map(|pod| pod.name.as_str()));
        for need in &workload.needs {
            collect_pods(&need.workloads, pods);
        }
    }
}

fn records(pods: &[&PodObject]) -> Vec<PodRecord> {
    pods.iter().map(|pod| (*pod).clone().into_record(None)).collect()
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

/// `secret "x" not found`, `configmap "x" not found`, as the kubelet writes it.
fn missing_object(message: &str) -> Option<(&'static str, String)> {
    let end = message.find("\" not found")?;
    let head = &message[..end];
    let start = head.rfind('"')?;
    let name = head[start + 1..].to_owned();
    let before = head[..start].trim_end();
    let is = |word: &str| before.len() >= word.len() && before.to_ascii_lowercase().ends_with(word);
    [("secret", "Secret"), ("configmap", "ConfigMap")]
        .into_iter()
        .find(|(word, _)| is(word))
        .map(|(_, kind)| (kind, name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> T {
        serde_json::from_value(value).expect("an object")
    }

    fn powerdns() -> Namespace {
        let waiting = json!({"containerStatuses": [{"name": "pdns", "state": {"waiting":
            {"reason": "CreateContainerConfigError", "message": "secret \"pdns-pg-app\" not found"}}}]});
        Namespace {
            name: "powerdns".to_owned(),
            services: Some(vec![read(json!({
                "metadata": {"name": "powerdns"}, "spec": {"type": "ClusterIP", "selector": {"app": "pdns"}}}))]),
            slices: Some(vec![read(json!({
                "metadata": {"labels": {"kubernetes.io/service-name": "powerdns"}},
                "endpoints": [{"conditions": {"ready": false}}]}))]),
            workloads: vec![
                read::<WorkloadObject>(json!({
                    "metadata": {"name": "powerdns"},
                    "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "pdns"}},
                             "template": {"metadata": {"labels": {"app": "pdns"}}}}}))
                .of_kind("Deployment"),
            ],
            pods: vec![
                read(
                    json!({"metadata": {"name": "powerdns-1", "labels": {"app": "pdns"}},
                    "spec": {"containers": [{"name": "pdns"}]}, "status": waiting}),
                ),
                read(
                    json!({"metadata": {"name": "pdns-pg-1-initdb", "labels": {"cnpg.io/cluster": "pdns-pg"}},
                    "status": {"phase": "Pending"}}),
                ),
            ],
            events: Vec::new(),
        }
    }

    #[test]
    fn the_chain_leads_from_the_service_to_the_pod_that_makes_the_missing_secret() {
        let dependency = powerdns().dependency("powerdns", "http://powerdns:8081");
        assert_eq!((dependency.ready, dependency.not_ready), (Some(0), Some(1)));
        let workload = &dependency.workloads[0];
        assert_eq!(
            (workload.object.kind.as_str(), workload.wanted),
            ("Deployment", Some(3))
        );
        let need = &workload.needs[0];
        assert_eq!(
            (need.object.name.as_str(), need.exists),
            ("pdns-pg-app", Some(false))
        );
        let maker = &need.workloads[0];
        assert_eq!((maker.object.kind.as_str(), maker.pods.len()), ("Cluster", 1));
    }

    #[test]
    fn a_service_that_is_not_there_is_told_from_one_that_could_not_be_read() {
        assert_eq!(powerdns().dependency("gitea", "").exists, Some(false));
        assert_eq!(Namespace::default().dependency("gitea", "").exists, None);
    }
}
