//! The Flux `HelmRelease`s, where the cluster has them.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::TryStreamExt;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use serde::Deserialize;
use tokio::sync::watch;

use super::live::is_refused;
use crate::engine::release::HelmRelease;
use crate::k8s::helm_release::{GROUP, HelmReleaseObject};
use crate::shutdown::Shutdown;

/// Versions that are understood, the best first.
const VERSIONS: [&str; 2] = ["v2", "v2beta2"];
/// How often a cluster without the kind is asked again.
const ASK_AGAIN: Duration = Duration::from_mins(1);

/// Watches the `HelmRelease`s until shutdown and stores each new state whole. A cluster without the kind, or
/// one that does not let it be read, counts as synced, and is asked again every minute.
pub async fn watch_releases(
    client: Client,
    into: Arc<ArcSwap<Vec<HelmRelease>>>,
    synced: watch::Sender<bool>,
    shutdown: Shutdown,
) {
    while let Some(resource) = wait_for_kind(&client, &synced, &shutdown).await {
        let api = Api::all_with(client.clone(), &resource);
        watch_kind(api, &into, &synced, &shutdown).await;
        into.store(Arc::new(Vec::new()));
        synced.send_replace(true);
        tokio::select! {
            () = shutdown.requested() => return,
            () = tokio::time::sleep(ASK_AGAIN) => {}
        }
    }
}

/// Returns at shutdown, and when the API server refuses the kind.
async fn watch_kind(
    api: Api<DynamicObject>,
    into: &ArcSwap<Vec<HelmRelease>>,
    synced: &watch::Sender<bool>,
    shutdown: &Shutdown,
) {
    let mut events = pin!(watcher(api, Config::default()).default_backoff());
    let mut state = State::default();
    loop {
        let event = tokio::select! {
            () = shutdown.requested() => return,
            event = events.try_next() => event,
        };
        match event {
            Ok(Some(event)) => {
                if state.apply(event) {
                    into.store(Arc::new(state.current.values().cloned().collect()));
                    synced.send_replace(true);
                }
            }
            Ok(None) => return,
            Err(error) if is_refused(&error) => {
                tracing::warn!(%error, "HelmReleases may not be read; release timeouts are assumed meanwhile");
                return;
            }
            Err(error) => tracing::warn!(%error, "the watch of HelmReleases broke; it is taken up again"),
        }
    }
}

/// Waits until the cluster serves a version of the kind; nothing when shutdown comes first.
async fn wait_for_kind(
    client: &Client,
    synced: &watch::Sender<bool>,
    shutdown: &Shutdown,
) -> Option<ApiResource> {
    loop {
        for version in VERSIONS {
            let served = client
                .list_api_group_resources(&format!("{GROUP}/{version}"))
                .await;
            let found = match served {
                Ok(list) => list
                    .resources
                    .iter()
                    .any(|resource| resource.kind == "HelmRelease"),
                Err(kube::Error::Api(status)) if status.code == 404 => false,
                Err(error) => {
                    tracing::warn!(%error, "cannot ask for HelmReleases; release timeouts are assumed meanwhile");
                    false
                }
            };
            if found {
                let kind = GroupVersionKind::gvk(GROUP, version, "HelmRelease");
                return Some(ApiResource::from_gvk_with_plural(&kind, "helmreleases"));
            }
        }
        synced.send_replace(true);
        tokio::select! {
            () = shutdown.requested() => return None,
            () = tokio::time::sleep(ASK_AGAIN) => {}
        }
    }
}

type Key = (String, String);

/// The state as the events leave it.
#[derive(Debug, Default)]
struct State {
    current: BTreeMap<Key, HelmRelease>,
    listed: BTreeMap<Key, HelmRelease>,
}

impl State {
    /// Takes an event in; true when there is a new state to show.
    fn apply(&mut self, event: Event<DynamicObject>) -> bool {
        match event {
            Event::Init => {
                self.listed.clear();
                false
            }
            Event::InitApply(object) => {
                if let Some(release) = facts(&object) {
                    self.listed.insert(key(&object), release);
                }
                false
            }
            Event::InitDone => {
                self.current = std::mem::take(&mut self.listed);
                true
            }
            Event::Apply(object) => match facts(&object) {
                Some(release) => {
                    let old = self.current.insert(key(&object), release.clone());
                    old.as_ref() != Some(&release)
                }
                // What cannot be read any more says nothing any more.
                None => self.current.remove(&key(&object)).is_some(),
            },
            Event::Delete(object) => self.current.remove(&key(&object)).is_some(),
        }
    }
}

fn key(object: &DynamicObject) -> Key {
    (object.namespace().unwrap_or_default(), object.name_any())
}

fn facts(object: &DynamicObject) -> Option<HelmRelease> {
    let named = |error: &dyn std::fmt::Display| {
        tracing::warn!(release = ?key(object), %error, "a HelmRelease cannot be read and is passed over");
    };
    let value = serde_json::json!({
        "metadata": {"name": object.metadata.name, "namespace": object.metadata.namespace},
        "spec": object.data.get("spec"),
    });
    match HelmReleaseObject::deserialize(&value) {
        Ok(release) => {
            let (release, problems) = release.into_facts();
            for problem in problems {
                named(&format!("{} {}", problem.pointer, problem.message));
            }
            Some(release)
        }
        Err(error) => {
            named(&error);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Seconds;

    fn release(spec: &serde_json::Value) -> DynamicObject {
        serde_json::from_value(serde_json::json!({
            "apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
            "metadata": {"name": "bp-powerdns", "namespace": "powerdns"}, "spec": spec,
        }))
        .expect("an object")
    }

    #[test]
    fn a_release_that_cannot_be_read_is_passed_over() {
        let mut state = State::default();
        let timeout = serde_json::json!({"install": {"timeout": "15m"}});
        assert!(state.apply(Event::Apply(release(&timeout))));
        assert!(!state.apply(Event::Apply(release(&timeout))), "nothing new");
        let seen: Vec<_> = state.current.values().map(|r| r.install_timeout).collect();
        assert_eq!(seen, [Some(Seconds::new(900))]);
        assert!(state.apply(Event::Apply(release(&serde_json::json!({"timeout": 5})))));
        assert!(state.current.is_empty());
        assert!(!state.apply(Event::InitApply(release(&serde_json::json!({})))));
        assert!(state.apply(Event::InitDone));
        assert_eq!(state.current.len(), 1);
    }
}
