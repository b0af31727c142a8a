//! Looking at a namespace on demand: what stands behind the Services that a Job in trouble calls.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use kube::Client;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::index::change::Change;
use crate::index::kind::JobKey;
use crate::k8s::dependency::{Namespace, WorkloadObject};
use crate::k8s::event::EventObject;

/// How long a look at a namespace serves everybody who asks.
const FRESH: Duration = Duration::from_secs(10);
/// Namespaces remembered.
const NAMESPACES: usize = 64;
/// Objects read per kind.
const OBJECTS: usize = 500;

/// Reads namespaces, each at most once per [`FRESH`].
pub(super) struct Inspector {
    client: Client,
    seen: Mutex<HashMap<String, (Instant, Arc<Namespace>)>>,
}

#[derive(Deserialize)]
struct List {
    items: Vec<Box<RawValue>>,
}

impl Inspector {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            seen: Mutex::new(HashMap::new()),
        }
    }

    /// What stands behind a Service that a Job calls.
    pub(super) async fn look(&self, job: JobKey, namespace: &str, service: &str, target: &str) -> Change {
        let namespace = self.namespace(namespace).await;
        let dependency = namespace.dependency(service, target);
        let events = namespace.events_of(&dependency).cloned().collect();
        Change::Dependency {
            job,
            dependency: Box::new(dependency),
            events,
        }
    }

    /// A namespace as it stood at most [`FRESH`] ago. One look at a time: a burst of failing Jobs must not
    /// become a burst of requests.
    async fn namespace(&self, name: &str) -> Arc<Namespace> {
        let mut seen = self.seen.lock().await;
        if let Some((at, namespace)) = seen.get(name)
            && at.elapsed() < FRESH
        {
            return Arc::clone(namespace);
        }
        let namespace = Arc::new(self.read(name).await);
        if seen.len() >= NAMESPACES {
            seen.retain(|_, (at, _)| at.elapsed() < FRESH);
        }
        seen.insert(name.to_owned(), (Instant::now(), Arc::clone(&namespace)));
        namespace
    }

    async fn read(&self, name: &str) -> Namespace {
        let mut workloads = Vec::new();
        for (plural, kind) in [
            ("deployments", "Deployment"),
            ("statefulsets", "StatefulSet"),
            ("daemonsets", "DaemonSet"),
        ] {
            let list = self
                .list::<WorkloadObject>(&format!("/apis/apps/v1/namespaces/{name}/{plural}?"))
                .await;
            workloads.extend(
                list.unwrap_or_default()
                    .into_iter()
                    .map(|object| object.of_kind(kind)),
            );
        }
        let events = self
            .list::<EventObject>(&format!(
                "/api/v1/namespaces/{name}/events?fieldSelector=involvedObject.kind%3DPod&"
            ))
            .await;
        Namespace {
            name: name.to_owned(),
            services: self.list(&format!("/api/v1/namespaces/{name}/services?")).await,
            slices: self
                .list(&format!(
                    "/apis/discovery.k8s.io/v1/namespaces/{name}/endpointslices?"
                ))
                .await,
            workloads,
            pods: self
                .list(&format!("/api/v1/namespaces/{name}/pods?"))
                .await
                .unwrap_or_default(),
            events: events
                .unwrap_or_default()
                .into_iter()
                .map(EventObject::into_record)
                .collect(),
        }
    }

    /// Objects of one kind; `None` when they cannot be read, one that is malformed is left out.
    async fn list<T: DeserializeOwned>(&self, path: &str) -> Option<Vec<T>> {
        let request = Request::get(format!("{path}limit={OBJECTS}"))
            .body(Vec::new())
            .ok()?;
        let text = match self.client.request_text(request).await {
            Ok(text) => text,
            Err(error) => {
                tracing::debug!(path, %error, "a dependency cannot be looked at");
                return None;
            }
        };
        let list: List = serde_json::from_str(&text).ok()?;
        let objects = list.items.iter();
        Some(
            objects
                .filter_map(|item| serde_json::from_str(item.get()).ok())
                .collect(),
        )
    }
}
