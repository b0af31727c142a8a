//! Watches that say when to look: of the Secret and of the two configurations, by name, without their content.

use std::pin::pin;
use std::sync::Arc;

use futures::StreamExt as _;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Config;
use kube::runtime::{WatchStreamExt as _, watcher};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::Cluster;

/// Starts the watches; they end when the set is dropped.
pub(super) fn watch(cluster: &Cluster, notify: &Arc<Notify>) -> JoinSet<()> {
    let (client, place) = (cluster.client(), cluster.place());
    let mut tasks = JoinSet::new();
    let secrets: Api<PartialObjectMeta<Secret>> = Api::namespaced(client.clone(), &place.namespace);
    tasks.spawn(changes(secrets, place.secret.clone(), Arc::clone(notify)));
    let mutating: Api<PartialObjectMeta<MutatingWebhookConfiguration>> = Api::all(client.clone());
    tasks.spawn(changes(mutating, place.configuration.clone(), Arc::clone(notify)));
    let validating: Api<PartialObjectMeta<ValidatingWebhookConfiguration>> = Api::all(client.clone());
    tasks.spawn(changes(
        validating,
        place.configuration.clone(),
        Arc::clone(notify),
    ));
    tasks
}

async fn changes<K>(api: Api<PartialObjectMeta<K>>, name: String, notify: Arc<Notify>)
where
    K: kube::Resource<DynamicType = ()> + DeserializeOwned + Clone + std::fmt::Debug + Send + 'static,
{
    // RBAC by resourceNames covers list and watch only with this selector.
    let config = Config::default().fields(&format!("metadata.name={name}"));
    let mut events = pin!(watcher(api, config).default_backoff());
    while let Some(event) = events.next().await {
        match event {
            Ok(_) => notify.notify_one(),
            Err(error) => {
                tracing::debug!(kind = %K::kind(&()), name, %error, "a watch broke; it is taken up again");
            }
        }
    }
}
