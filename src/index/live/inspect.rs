//! Looking on demand at what a Job in trouble waits for: the namespaces of the Services that it calls, releases,
//! volumes, nodes.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, sleep};

use super::kustomizations::Kustomizations;
use super::pages::{Pages, get};
use super::rooms::Rooms;
use crate::engine::evidence::{Dependency, ObjectRef};
use crate::index::change::{Action, Change};
use crate::index::kind::JobKey;
use crate::k8s::cluster::asking;
use crate::k8s::dependency::{ClaimObject, Namespace, VolumeObject, WorkloadObject, database};
use crate::k8s::event::EventObject;
use crate::k8s::meta::AnyObject;
use crate::k8s::pod::PodObject;

/// Namespaces remembered.
const NAMESPACES: usize = 64;
/// Namespaces read at once: a burst of failing Jobs must not become a burst of requests.
const READS: usize = 4;
/// Objects read per kind.
const OBJECTS: usize = 500;
/// Volumes read per namespace.
const VOLUMES: usize = 4;
/// How old what a release has installed may be.
const WITHIN: Duration = Duration::from_secs(10);
/// How long it is remembered which kinds the cluster has.
const KINDS: Duration = Duration::from_mins(1);
/// Tries of a list that the API server could not give just then.
const TRIES: u32 = 3;
/// How long after such a one.
const RETRY: Duration = Duration::from_millis(300);

/// What is remembered of one namespace, and since when. Held while it is read, so that all who ask share the answer.
type Slot = Arc<Mutex<Option<(Instant, Arc<Namespace>)>>>;

/// Reads namespaces, and serves what it has read for as long as that is fresh enough for who asks.
pub(super) struct Inspector {
    client: Client,
    seen: Mutex<HashMap<String, Slot>>,
    reads: Semaphore,
    rooms: Rooms,
    flux: Kustomizations,
    databases: Mutex<Option<(Instant, bool)>>,
}

/// Claims and what they are bound to.
#[derive(Default)]
struct Storage {
    claims: Option<Vec<ClaimObject>>,
    classes: Option<Vec<String>>,
    volumes: Vec<VolumeObject>,
}

impl Inspector {
    pub(super) fn new(client: Client) -> Self {
        Self {
            rooms: Rooms::new(client.clone()),
            flux: Kustomizations::new(client.clone()),
            databases: Mutex::new(None),
            client,
            seen: Mutex::new(HashMap::new()),
            reads: Semaphore::new(READS),
        }
    }

    /// Does what is asked for, where it is a look.
    pub(super) async fn look(&self, action: Action) -> Vec<Change> {
        match action {
            Action::Follow(_) | Action::Previous(_) | Action::Signatures(_) => Vec::new(),
            Action::Inspect {
                job,
                namespace,
                service,
                target,
                within,
            } => {
                let namespace = self.namespace(&namespace, within).await;
                let dependency = namespace.dependency(&service, &target);
                self.found(job, &namespace, dependency).await
            }
            Action::InspectRelease {
                job,
                release,
                namespace,
                helm,
            } => {
                let namespace = self.namespace(&namespace, WITHIN).await;
                let dependency = Dependency {
                    workloads: namespace.installed_by(&release.namespace, &release.name, &helm),
                    object: release,
                    exists: Some(true),
                    ..Dependency::default()
                };
                self.found(job, &namespace, dependency).await
            }
            Action::InspectKustomization { job, namespace, name } => {
                let found = self.flux.depended_on(&namespace, &name).await;
                let change = |dependency| Change::Dependency {
                    job: job.clone(),
                    dependency: Box::new(dependency),
                    events: Vec::new(),
                };
                found.into_iter().map(change).collect()
            }
            Action::InspectRoom { job, pods } => self.room(job, &pods).await.into_iter().collect(),
        }
    }

    /// A dependency, and the room that its Pods ask for in vain.
    async fn found(&self, job: JobKey, namespace: &Namespace, dependency: Dependency) -> Vec<Change> {
        let pods = asking(&dependency);
        let room = if pods.is_empty() {
            None
        } else {
            self.room(job.clone(), &pods).await
        };
        let events = namespace.events_of(&dependency).cloned().collect();
        let found = Change::Dependency {
            job,
            dependency: Box::new(dependency),
            events,
        };
        std::iter::once(found).chain(room).collect()
    }

    async fn room(&self, job: JobKey, pods: &[ObjectRef]) -> Option<Change> {
        let capacity = Box::new(self.rooms.capacity(pods).await?);
        Some(Change::Capacity { job, capacity })
    }

    async fn namespace(&self, name: &str, within: Duration) -> Arc<Namespace> {
        let asked = Instant::now();
        let slot = self.slot(name).await;
        let mut slot = slot.lock().await;
        if let Some((at, namespace)) = &*slot
            && asked.saturating_duration_since(*at) < within
        {
            return Arc::clone(namespace);
        }
        // The semaphore is never closed.
        let _permit = self.reads.acquire().await;
        let at = Instant::now();
        let namespace = Arc::new(self.read(name).await);
        *slot = Some((at, Arc::clone(&namespace)));
        namespace
    }

    async fn slot(&self, name: &str) -> Slot {
        let mut seen = self.seen.lock().await;
        if seen.len() >= NAMESPACES {
            seen.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(seen.entry(name.to_owned()).or_default())
    }

    async fn read(&self, name: &str) -> Namespace {
        let apps = |plural| format!("/apis/apps/v1/namespaces/{name}/{plural}?");
        let core = |plural| format!("/api/v1/namespaces/{name}/{plural}?");
        let (deployments, stateful_sets, daemon_sets) =
            (apps("deployments"), apps("statefulsets"), apps("daemonsets"));
        let (services, pods) = (core("services"), core("pods"));
        let about_pods = core("events") + "fieldSelector=involvedObject.kind%3DPod&";
        let warnings = core("events") + "fieldSelector=type%3DWarning%2CinvolvedObject.kind%21%3DPod&";
        let databases = format!("/apis/{}/v1/namespaces/{name}/clusters?", database::GROUP);
        let slices = format!("/apis/discovery.k8s.io/v1/namespaces/{name}/endpointslices?");
        let (deployments, stateful_sets, daemon_sets, events, warnings, services, slices, pods, databases) = tokio::join!(
            self.list::<WorkloadObject>(&deployments),
            self.list::<WorkloadObject>(&stateful_sets),
            self.list::<WorkloadObject>(&daemon_sets),
            self.list::<EventObject>(&about_pods),
            self.list::<EventObject>(&warnings),
            self.list(&services),
            self.list(&slices),
            self.list::<PodObject>(&pods),
            async {
                if self.has_databases().await {
                    self.list(&databases).await
                } else {
                    None
                }
            },
        );
        let pods = pods.unwrap_or_default();
        let storage = self.storage(name, &pods).await;
        let of_kind = |objects: Option<Vec<WorkloadObject>>, kind: &'static str| {
            let objects = objects.unwrap_or_default().into_iter();
            objects.map(move |object| object.of_kind(kind))
        };
        Namespace {
            name: name.to_owned(),
            services,
            slices,
            workloads: of_kind(deployments, "Deployment")
                .chain(of_kind(stateful_sets, "StatefulSet"))
                .chain(of_kind(daemon_sets, "DaemonSet"))
                .collect(),
            pods,
            events: events
                .into_iter()
                .chain(warnings)
                .flatten()
                .map(EventObject::into_record)
                .collect(),
            databases: databases.unwrap_or_default(),
            claims: storage.claims,
            classes: storage.classes,
            volumes: storage.volumes,
            endpoints: None,
            partial: false,
        }
    }

    /// What stands behind the claims of Pods that are pending; nothing is read where there is none.
    async fn storage(&self, namespace: &str, pods: &[PodObject]) -> Storage {
        let mut storage = Storage::default();
        if !pods.iter().any(PodObject::waits_with_a_claim) {
            return storage;
        }
        let path = format!("/api/v1/namespaces/{namespace}/persistentvolumeclaims?");
        storage.claims = self.list::<ClaimObject>(&path).await;
        let claims = || storage.claims.iter().flatten();
        if claims().any(|claim| !claim.is_bound()) {
            let classes = self
                .list::<AnyObject>("/apis/storage.k8s.io/v1/storageclasses?")
                .await;
            storage.classes = classes.map(|classes| {
                let names = classes.into_iter().map(|class| class.metadata.name);
                names.collect()
            });
        }
        let claims = storage.claims.iter().flatten();
        let wanted = pods
            .iter()
            .filter(|pod| pod.is_out_of_reach())
            .flat_map(PodObject::claims);
        let wanted: BTreeSet<String> = wanted.collect();
        let bound = claims.filter(|claim| claim.is_bound() && wanted.contains(claim.name()));
        let names: Vec<&str> = bound.filter_map(ClaimObject::volume).take(VOLUMES).collect();
        for volume in names {
            let path = format!("/api/v1/persistentvolumes/{volume}");
            storage
                .volumes
                .extend(get::<VolumeObject>(&self.client, &path).await);
        }
        storage
    }

    /// Whether the cluster has the kind, asked for once in a while.
    async fn has_databases(&self) -> bool {
        let mut known = self.databases.lock().await;
        if let Some((at, has)) = *known
            && at.elapsed() < KINDS
        {
            return has;
        }
        let path = format!("/apis/{}/v1", database::GROUP);
        let has = get::<IgnoredAny>(&self.client, &path).await.is_some();
        *known = Some((Instant::now(), has));
        has
    }

    /// Objects of one kind; `None` when they cannot be read, one that is malformed is left out.
    async fn list<T: DeserializeOwned>(&self, path: &str) -> Option<Vec<T>> {
        let (mut tries, mut pages) = (1, Pages::of(&self.client, path, OBJECTS));
        let page = loop {
            match pages.next().await {
                Ok(page) => break page,
                Err(error) if tries < TRIES && !is_refusal(&error) => {
                    tracing::debug!(path, %error, tries, "a dependency could not be looked at; once more");
                    tries += 1;
                    sleep(RETRY).await;
                }
                Err(error) => {
                    tracing::debug!(path, %error, "a dependency cannot be looked at");
                    return None;
                }
            }
        };
        let objects = page.iter().flatten();
        Some(
            objects
                .filter_map(|item| serde_json::from_str(item.get()).ok())
                .collect(),
        )
    }
}

/// True for an answer that stays the same however often one asks.
fn is_refusal(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => matches!(status.code, 403 | 404),
        error => matches!(error, kube::Error::SerdeError(_)),
    }
}
