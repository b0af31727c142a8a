//! What the namespaces say, kept up to date by a watch of their metadata.

use std::pin::pin;
use std::sync::Arc;

use arc_swap::ArcSwap;
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::sync::watch;

use super::live::refusal;
use super::watch_metrics::{WatchMetrics, WatchState};
use crate::engine::policy::Mode;
use crate::k8s::namespace::{NamespaceFacts, Namespaces};
use crate::shutdown::Shutdown;

/// The label that sets a namespace's mode.
const MODE: &str = "hookbudget.dev/mode";
/// The kind in counters.
const KIND: &str = "Namespace";

/// Watches the namespaces until shutdown and stores each new state whole. `synced` becomes true with the first
/// complete list. A watch that breaks is taken up again with back-off; meanwhile the last state stands.
pub async fn watch_namespaces(
    client: Client,
    into: Arc<ArcSwap<Namespaces>>,
    synced: watch::Sender<bool>,
    metrics: Arc<WatchMetrics>,
    shutdown: Shutdown,
) {
    let api: Api<PartialObjectMeta<Namespace>> = Api::all(client);
    let mut events = pin!(watcher(api, Config::default()).default_backoff());
    let mut state = State::default();
    metrics.set(KIND, WatchState::Listing);
    loop {
        let event = tokio::select! {
            () = shutdown.requested() => return,
            event = events.try_next() => event,
        };
        match event {
            Ok(Some(event)) => {
                metrics.event(KIND);
                if state.apply(event) {
                    metrics.set(KIND, WatchState::Synced);
                    into.store(Arc::new(state.current.clone()));
                    synced.send_replace(true);
                }
            }
            Ok(None) => return,
            Err(error) => {
                if refusal(&error) == Some(403) {
                    metrics.set(KIND, WatchState::Forbidden);
                } else if !*synced.borrow() {
                    metrics.set(KIND, WatchState::Interrupted);
                }
                tracing::warn!(%error, "the watch of namespaces broke; it is taken up again");
            }
        }
    }
}

/// The state as the events leave it.
#[derive(Debug, Default)]
struct State {
    current: Namespaces,
    listed: Namespaces,
}

impl State {
    /// Takes an event in; true when there is a new state to show.
    fn apply(&mut self, event: Event<PartialObjectMeta<Namespace>>) -> bool {
        match event {
            Event::Init => {
                self.listed.clear();
                false
            }
            Event::InitApply(object) => {
                let facts = facts(&object);
                self.listed.insert(object.name_any(), facts);
                false
            }
            Event::InitDone => {
                self.current = std::mem::take(&mut self.listed);
                true
            }
            Event::Apply(object) => {
                let facts = facts(&object);
                self.current.insert(object.name_any(), facts) != Some(facts)
            }
            Event::Delete(object) => self.current.remove(&object.name_any()).is_some(),
        }
    }
}

fn facts(object: &PartialObjectMeta<Namespace>) -> NamespaceFacts {
    if let Some(label) = object
        .labels()
        .get(MODE)
        .filter(|label| Mode::parse(label).is_none())
    {
        tracing::warn!(
            namespace = object.name_any(),
            label,
            "the label {MODE} is no mode and counts as absent: write off, audit, warn or enforce"
        );
    }
    NamespaceFacts::read(
        |key| object.labels().get(key).map(String::as_str),
        |key| object.annotations().get(key).map(String::as_str),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace(name: &str, mode: &str) -> PartialObjectMeta<Namespace> {
        serde_json::from_value(serde_json::json!({
            "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
            "metadata": {"name": name, "labels": {"hookbudget.dev/mode": mode}},
        }))
        .expect("metadata")
    }

    #[test]
    fn a_new_list_replaces_the_old_state_at_once() {
        let mut state = State::default();
        let listed = [
            (Event::Init, false),
            (Event::InitApply(namespace("powerdns", "enforce")), false),
            (Event::InitDone, true),
        ];
        for (event, shown) in listed {
            assert_eq!(state.apply(event), shown);
        }
        assert_eq!(state.current["powerdns"].mode, Some(Mode::Enforce));
        assert!(
            !state.apply(Event::Apply(namespace("powerdns", "enforce"))),
            "nothing new"
        );
        assert!(state.apply(Event::Apply(namespace("powerdns", "off"))));
        assert!(!state.apply(Event::Init));
        assert!(
            state.current.contains_key("powerdns"),
            "the old state stands while a list comes in"
        );
        assert!(state.apply(Event::InitDone));
        assert!(state.current.is_empty());
        assert!(!state.apply(Event::Delete(namespace("powerdns", "off"))));
    }
}
