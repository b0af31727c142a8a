//! Looking at a namespace on demand: what stands behind the Services that a Job in trouble calls.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, sleep};

use super::pages::Pages;
use crate::index::change::Change;
use crate::index::kind::JobKey;
use crate::k8s::dependency::{Namespace, WorkloadObject};
use crate::k8s::event::EventObject;

/// Namespaces remembered.
const NAMESPACES: usize = 64;
/// Namespaces read at once: a burst of failing Jobs must not become a burst of requests.
const READS: usize = 4;
/// Objects read per kind.
const OBJECTS: usize = 500;
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
}

impl Inspector {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            seen: Mutex::new(HashMap::new()),
            reads: Semaphore::new(READS),
        }
    }

    /// What stands behind a Service that a Job calls, as it stood at most `within` ago.
    pub(super) async fn look(
        &self,
        job: JobKey,
        namespace: &str,
        service: &str,
        target: &str,
        within: Duration,
    ) -> Change {
        let namespace = self.namespace(namespace, within).await;
        let dependency = namespace.dependency(service, target);
        let events = namespace.events_of(&dependency).cloned().collect();
        Change::Dependency {
            job,
            dependency: Box::new(dependency),
            events,
        }
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
        let events = core("events") + "fieldSelector=involvedObject.kind%3DPod&";
        let slices = format!("/apis/discovery.k8s.io/v1/namespaces/{name}/endpointslices?");
        let (deployments, stateful_sets, daemon_sets, events, services, slices, pods) = tokio::join!(
            self.list::<WorkloadObject>(&deployments),
            self.list::<WorkloadObject>(&stateful_sets),
            self.list::<WorkloadObject>(&daemon_sets),
            self.list::<EventObject>(&events),
            self.list(&services),
            self.list(&slices),
            self.list(&pods),
        );
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
            pods: pods.unwrap_or_default(),
            events: events
                .unwrap_or_default()
                .into_iter()
                .map(EventObject::into_record)
                .collect(),
        }
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
