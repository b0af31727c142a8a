//! The room in a cluster, read on demand: nodes, what Pods request of them, and what the autoscaler says.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::pages::{Pages, get};
use crate::engine::capacity::Capacity;
use crate::engine::evidence::ObjectRef;
use crate::k8s::autoscaler;
use crate::k8s::cluster::{NodeObject, PodRoom, Sum};

/// How long one reading serves all who ask: it takes in every Pod of the cluster.
const FRESH: Duration = Duration::from_secs(20);
/// Objects per page, and pages of Pods: what lies beyond is said not to be counted.
const PAGE: usize = 500;
const PAGES: usize = 60;
/// What has ended takes no room.
const UNENDED: &str = "fieldSelector=status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed&";
/// Namespaces whose Pods are read where those of the cluster may not be.
const NAMESPACES: usize = 4;

/// When it was read, on behalf of Pods of which namespaces, and what was found.
type Reading = (Instant, BTreeSet<String>, Arc<Sum>);

/// Reads the room, and serves what it has read for as long as it is fresh.
pub(super) struct Rooms {
    client: Client,
    /// Held while it is read, so that all who ask share the answer.
    read: Mutex<Option<Reading>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct StatusMap {
    data: Option<Data>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Data {
    status: Option<String>,
}

impl Rooms {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            read: Mutex::new(None),
        }
    }

    /// The room that these Pods ask for in vain; `None` where the nodes may not be read.
    pub(super) async fn capacity(&self, pods: &[ObjectRef]) -> Option<Capacity> {
        let asked = Instant::now();
        let mut read = self.read.lock().await;
        let namespaces: BTreeSet<String> = pods.iter().map(|pod| pod.namespace.clone()).collect();
        if let Some((at, seen, sum)) = &*read
            && asked.saturating_duration_since(*at) < FRESH
            && (!sum.partial || namespaces.is_subset(seen))
        {
            return known(sum, pods);
        }
        let sum = Arc::new(self.sum(&namespaces).await);
        *read = Some((Instant::now(), namespaces, Arc::clone(&sum)));
        known(&sum, pods)
    }

    async fn sum(&self, namespaces: &BTreeSet<String>) -> Sum {
        let mut sum = Sum::default();
        let nodes = self
            .each("/api/v1/nodes?", |node: NodeObject| sum.add_node(node))
            .await;
        if !nodes || sum.is_empty() {
            return Sum::default();
        }
        let all = format!("/api/v1/pods?{UNENDED}");
        let mut counted = 0_usize;
        let whole = self
            .each(&all, |pod: PodRoom| {
                counted += 1;
                sum.add_pod(&pod);
            })
            .await;
        sum.partial = !whole;
        if counted == 0 {
            for namespace in namespaces.iter().take(NAMESPACES) {
                let own = format!("/api/v1/namespaces/{namespace}/pods?{UNENDED}");
                self.each(&own, |pod: PodRoom| sum.add_pod(&pod)).await;
            }
        }
        let path = format!(
            "/api/v1/namespaces/{}/configmaps/{}",
            autoscaler::NAMESPACE,
            autoscaler::NAME
        );
        let status = get::<StatusMap>(&self.client, &path).await;
        let status = status.and_then(|map| map.data?.status);
        sum.groups = status.map(|text| autoscaler::groups(&text)).unwrap_or_default();
        sum
    }

    /// Does something with each object of a list, page by page. True when it was the whole list; one that is
    /// malformed is left out.
    async fn each<T: serde::de::DeserializeOwned>(&self, path: &str, mut take: impl FnMut(T)) -> bool {
        let mut pages = Pages::of(&self.client, path, PAGE);
        for _ in 0..PAGES {
            match pages.next().await {
                Ok(Some(page)) => page
                    .iter()
                    .filter_map(|item| serde_json::from_str(item.get()).ok())
                    .for_each(&mut take),
                Ok(None) => return true,
                Err(error) => {
                    tracing::debug!(path, %error, "the room on the nodes cannot be worked out");
                    return false;
                }
            }
        }
        false
    }
}

fn known(sum: &Sum, pods: &[ObjectRef]) -> Option<Capacity> {
    (!sum.is_empty()).then(|| sum.capacity(pods))
}
