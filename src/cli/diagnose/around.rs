//! What a dump holds of the things that Jobs wait for, and what it lacks of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::manifest::{self, Document, InputError};
use crate::engine::evidence::{Dependency, EventRecord, Lost, ObjectRef};
use crate::index::{Action, Change, JobKey};
use crate::k8s::autoscaler;
use crate::k8s::cluster::{NodeObject, PodRoom, Sum, asking};
use crate::k8s::dependency::{EndpointsObject, Namespace, WorkloadObject, database};
use crate::k8s::flux::{FluxObject, is_ready};
use crate::k8s::kustomization;
use crate::k8s::meta::AnyObject;
use crate::k8s::pod::PodObject;

/// How deep Kustomizations are followed.
const DEPTH: usize = 8;

/// The objects that are looked at on demand.
#[derive(Debug, Default)]
pub(super) struct Around {
    namespaces: BTreeMap<String, Namespace>,
    classes: Option<Vec<String>>,
    room: Sum,
    pods: Vec<PodRoom>,
    kustomizations: BTreeMap<(String, String), FluxObject>,
    pub(super) has_releases: bool,
    partial: bool,
}

impl Around {
    /// Some list was cut off: what is not here may have been behind the cut.
    pub(super) const fn set_partial(&mut self, partial: bool) {
        self.partial = partial;
    }

    /// Takes an object in; false for one that nothing waits for.
    pub(super) fn add(&mut self, group: &str, document: &Document) -> Result<bool, InputError> {
        match (group, document.kind()) {
            ("", "Service") => {
                let object = manifest::decode(document)?;
                self.of(document)?.services.get_or_insert_default().push(object);
            }
            ("discovery.k8s.io", "EndpointSlice") => {
                let object = manifest::decode(document)?;
                self.of(document)?.slices.get_or_insert_default().push(object);
            }
            ("", "Endpoints") => {
                let object = manifest::decode::<EndpointsObject>(document)?;
                self.of(document)?
                    .endpoints
                    .get_or_insert_default()
                    .push(object.into());
            }
            ("apps", kind @ ("Deployment" | "StatefulSet" | "DaemonSet")) => {
                let object = manifest::decode::<WorkloadObject>(document)?;
                self.of(document)?.workloads.push(object.of_kind(kind));
            }
            ("", "PersistentVolumeClaim") => {
                let object = manifest::decode(document)?;
                self.of(document)?.claims.get_or_insert_default().push(object);
            }
            (database::GROUP, "Cluster") => {
                let object = manifest::decode(document)?;
                self.of(document)?.databases.push(object);
            }
            ("", "PersistentVolume") => {
                let object = manifest::decode(document)?;
                // A volume belongs to no namespace; a claim finds it in its own.
                self.namespace_entry("").volumes.push(object);
            }
            ("storage.k8s.io", "StorageClass") => {
                let object = manifest::decode::<AnyObject>(document)?;
                self.classes.get_or_insert_default().push(object.metadata.name);
            }
            ("", "Node") => self.room.add_node(manifest::decode::<NodeObject>(document)?),
            ("", "ConfigMap") => {
                let name = manifest::decode::<AnyObject>(document)?.metadata.name;
                let status = document.value.pointer("/data/status");
                let Some(status) = status.and_then(|status| status.as_str()) else {
                    return Ok(false);
                };
                if name != autoscaler::NAME {
                    return Ok(false);
                }
                self.room.groups = autoscaler::groups(status);
            }
            (kustomization::GROUP, "Kustomization") => {
                let metadata = manifest::decode::<AnyObject>(document)?.metadata;
                let object = manifest::decode(document)?;
                self.kustomizations
                    .insert((metadata.namespace, metadata.name), object);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(super) fn add_pod(&mut self, pod: PodObject, document: &Document) {
        self.pods.extend(manifest::decode::<PodRoom>(document).ok());
        let namespace = pod.metadata.namespace.clone();
        self.namespace_entry(&namespace).pods.push(pod);
    }

    pub(super) fn add_event(&mut self, event: EventRecord) {
        let namespace = event.object.namespace.clone();
        self.namespace_entry(&namespace).events.push(event);
    }

    fn of(&mut self, document: &Document) -> Result<&mut Namespace, InputError> {
        let namespace = manifest::decode::<AnyObject>(document)?.metadata.namespace;
        Ok(self.namespace_entry(&namespace))
    }

    fn namespace_entry(&mut self, name: &str) -> &mut Namespace {
        self.namespaces
            .entry(name.to_owned())
            .or_insert_with(|| Namespace {
                name: name.to_owned(),
                ..Namespace::default()
            })
    }

    /// A namespace as far as it was dumped.
    fn namespace(&self, name: &str) -> Namespace {
        let mut namespace = self.namespaces.get(name).cloned().unwrap_or_else(|| Namespace {
            name: name.to_owned(),
            ..Namespace::default()
        });
        namespace.partial = self.partial;
        namespace.slices = namespace.slices.or_else(|| namespace.endpoints.take());
        namespace.classes.clone_from(&self.classes);
        if let Some(anywhere) = self.namespaces.get("") {
            namespace.volumes.clone_from(&anywhere.volumes);
        }
        namespace
    }

    /// Does what is asked for with what is here; what is not is said to be lost, with the command that brings it.
    pub(super) fn look(&self, ask: Action, lost: &mut Vec<(JobKey, Lost)>) -> Vec<Change> {
        match ask {
            Action::Follow(_) | Action::Previous(_) | Action::Signatures(_) => Vec::new(),
            Action::Inspect {
                job,
                namespace,
                service,
                target,
                ..
            } => {
                let seen = self.namespace(&namespace);
                for (what, there) in [
                    ("services", seen.services.is_some()),
                    ("endpointslices", seen.slices.is_some()),
                    ("deployments,statefulsets", !seen.workloads.is_empty()),
                    ("pods", !seen.pods.is_empty()),
                ] {
                    let entry = Lost {
                        what: format!("{what} of namespace {namespace}, for {target}"),
                        why: if self.partial {
                            format!(
                                "the dump is cut off before them: kubectl get {what} -n {namespace} -o json"
                            )
                        } else {
                            format!("not in the dump: kubectl get {what} -n {namespace} -o json")
                        },
                    };
                    // Of what there may be none, a whole dump need not hold one.
                    let may_be_none = matches!(what, "deployments,statefulsets" | "pods");
                    if !there && (!may_be_none || seen.slices.is_none()) {
                        note(lost, &job, entry);
                    }
                }
                let dependency = seen.dependency(&service, &target);
                self.found(job, &seen, dependency, lost)
            }
            Action::InspectRelease {
                job,
                release,
                namespace,
                helm,
            } => {
                let seen = self.namespace(&namespace);
                let dependency = Dependency {
                    workloads: seen.installed_by(&release.namespace, &release.name, &helm),
                    object: release,
                    exists: Some(true),
                    ..Dependency::default()
                };
                self.found(job, &seen, dependency, lost)
            }
            Action::InspectKustomization { job, namespace, name } => {
                let mut seen = BTreeSet::new();
                let own = (namespace, name);
                let waiting = self.waiting(&own, &mut seen);
                let changes = waiting.into_iter().map(|dependency| Change::Dependency {
                    job: job.clone(),
                    dependency: Box::new(Dependency {
                        relation: "comes from a Kustomization that depends on".to_owned(),
                        ..dependency
                    }),
                    events: Vec::new(),
                });
                changes.collect()
            }
            Action::InspectRoom { job, pods } => self.room(job, &pods, lost).into_iter().collect(),
        }
    }

    fn found(
        &self,
        job: JobKey,
        namespace: &Namespace,
        dependency: Dependency,
        lost: &mut Vec<(JobKey, Lost)>,
    ) -> Vec<Change> {
        let pods = asking(&dependency);
        let room = if pods.is_empty() {
            None
        } else {
            self.room(job.clone(), &pods, lost)
        };
        let events = namespace.events_of(&dependency).cloned().collect();
        let found = Change::Dependency {
            job,
            dependency: Box::new(dependency),
            events,
        };
        std::iter::once(found).chain(room).collect()
    }

    /// A dump rarely holds all Pods of a cluster: what is requested is at least what its Pods request.
    fn room(&self, job: JobKey, pods: &[ObjectRef], lost: &mut Vec<(JobKey, Lost)>) -> Option<Change> {
        if self.room.is_empty() {
            let why = "not in the dump: kubectl get nodes -o json; kubectl get pods -A -o json";
            let entry = Lost {
                what: "the room on the nodes".to_owned(),
                why: why.to_owned(),
            };
            note(lost, &job, entry);
            return None;
        }
        let mut sum = self.room.clone();
        sum.partial = true;
        self.pods.iter().for_each(|pod| sum.add_pod(pod));
        let capacity = Box::new(sum.capacity(pods));
        Some(Change::Capacity { job, capacity })
    }

    /// What a Kustomization depends on and is not ready, each one once.
    fn waiting(&self, of: &(String, String), seen: &mut BTreeSet<(String, String)>) -> Vec<Dependency> {
        let Some(object) = self.kustomizations.get(of) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (namespace, name) in object.depends_on() {
            let key = (namespace.to_owned(), name.to_owned());
            let Some(object) = self.kustomizations.get(&key) else {
                continue;
            };
            let mut dependency = object.to_dependency("Kustomization");
            if is_ready(&dependency) || seen.len() >= DEPTH || !seen.insert(key.clone()) {
                continue;
            }
            dependency.needs = self.waiting(&key, seen);
            found.push(dependency);
        }
        found
    }
}

fn note(lost: &mut Vec<(JobKey, Lost)>, job: &JobKey, entry: Lost) {
    if !lost.iter().any(|(of, known)| of == job && *known == entry) {
        lost.push((job.clone(), entry));
    }
}
