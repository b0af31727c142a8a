//! The `CustomResourceDefinition` of a kind, watched by name for when it comes, changes and goes.

use std::pin::pin;
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use tokio::sync::Notify;

use super::kinds::Resource;
use crate::index::live::refusal;

/// Says when the definition changes, `Established` included. Returns where it may not be watched: the kind is then
/// found by asking for it alone.
pub(super) async fn watch(client: Client, resource: Resource, changed: Arc<Notify>) {
    let api: Api<PartialObjectMeta<CustomResourceDefinition>> = Api::all(client);
    let name = resource.definition();
    // RBAC by resourceNames covers list and watch only with this selector.
    let config = Config::default().fields(&format!("metadata.name={name}"));
    let mut events = pin!(watcher(api, config).default_backoff());
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::InitApply(_) | Event::Apply(_) | Event::Delete(_)) => changed.notify_one(),
            Ok(Event::Init | Event::InitDone) => {}
            Err(error) if refusal(&error) == Some(403) => {
                tracing::info!(
                    definition = name,
                    "may not be watched: a kind that appears is found within a minute instead of at once"
                );
                return;
            }
            Err(error) => tracing::debug!(definition = name, %error, "the watch broke; it is taken up again"),
        }
    }
}
