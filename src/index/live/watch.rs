//! One watch per kind, with the back-off of client-go, for as long as the process runs.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{SelectAll, StreamExt};
use kube::core::ApiResource;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource as _};
use tokio::sync::mpsc::Sender;
use tokio::time::sleep;

use super::merge::Merge;
use super::watched::Watched;
use crate::index::change::Change;
use crate::index::kind::Kind;
use crate::index::scope::Scope;
use crate::k8s::{helm_release, kustomization};

/// How often a cluster without Flux is asked whether it has it now.
const ASK_AGAIN: Duration = Duration::from_mins(1);

/// Objects per page of a list. A page is in memory three times while it is read (as bytes, as text, as objects); with
/// 500, as is usual, these are the peak of a process that keeps a kilobyte of each object.
const PAGE: u32 = 200;

/// Watches a kind and sends what comes, until nobody listens.
pub(super) async fn watch(client: Client, kind: Kind, scope: Arc<Scope>, sink: Sender<Change>) {
    loop {
        let resource = if kind.is_optional() {
            served(&client, kind).await
        } else {
            Some(resource(kind))
        };
        match resource {
            Some(resource) => stream(&client, kind, &resource, &scope, &sink).await,
            None => {
                if sink.send(Change::Absent(kind)).await.is_err() {
                    return;
                }
            }
        }
        if sink.is_closed() {
            return;
        }
        sleep(ASK_AGAIN).await;
    }
}

/// Returns when nobody listens, or when the API server no longer serves an optional kind.
async fn stream(client: &Client, kind: Kind, resource: &ApiResource, scope: &Scope, sink: &Sender<Change>) {
    let apis: Vec<Api<Watched>> = if scope.namespaces.is_empty() {
        vec![Api::all_with(client.clone(), resource)]
    } else {
        let namespaces = scope.namespaces.iter();
        namespaces
            .map(|namespace| Api::namespaced_with(client.clone(), namespace, resource))
            .collect()
    };
    let mut merge = Merge::new(kind, apis.len());
    let mut events = SelectAll::new();
    for (number, api) in apis.into_iter().enumerate() {
        let events_of = watcher(api, config(kind)).default_backoff();
        events.push(events_of.map(move |event| (number, event)).boxed());
    }
    while let Some((number, event)) = events.next().await {
        match event {
            Ok(event) if !is_ours(&event, kind, scope) => {}
            Ok(event) => {
                for change in merge.changes(number, event) {
                    if sink.send(change).await.is_err() {
                        return;
                    }
                }
            }
            Err(error) => {
                tracing::warn!(kind = kind.as_str(), %error, "watch interrupted; it goes on by itself");
                let refused = refusal(&error);
                let forbidden = refused == Some(403);
                if sink.send(Change::Interrupted { kind, forbidden }).await.is_err() {
                    return;
                }
                if kind.is_optional() && refused.is_some() {
                    let _ = sink.send(Change::Absent(kind)).await;
                    return;
                }
            }
        }
    }
}

/// The marks of a list's begin and end are everybody's.
fn is_ours(event: &watcher::Event<Watched>, kind: Kind, scope: &Scope) -> bool {
    use watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
    match event {
        Apply(object) | Delete(object) | InitApply(object) => {
            scope.holds(kind, object.meta().namespace.as_deref().unwrap_or_default())
        }
        Init | InitDone => true,
    }
}

/// The status of an answer that refuses a kind: 403 for one that may not be read, 404 for one that is gone. An
/// optional kind must not hold up readiness by that.
pub(in crate::index) fn refusal(error: &watcher::Error) -> Option<u16> {
    use watcher::Error::{InitialListFailed, WatchFailed, WatchStartFailed};
    match error {
        InitialListFailed(kube::Error::Api(status))
        | WatchStartFailed(kube::Error::Api(status))
        | WatchFailed(kube::Error::Api(status)) => Some(status.code).filter(|code| matches!(code, 403 | 404)),
        _ => None,
    }
}

fn config(kind: Kind) -> watcher::Config {
    let config = watcher::Config::default().page_size(PAGE);
    match kind {
        // The Job controller has set this label since Kubernetes 1.27.
        Kind::Pod => config.labels("batch.kubernetes.io/job-name"),
        Kind::JobEvent => config.fields("involvedObject.kind=Job"),
        Kind::PodEvent => config.fields("involvedObject.kind=Pod"),
        Kind::CronJobEvent => config.fields("involvedObject.kind=CronJob"),
        Kind::Job | Kind::CronJob | Kind::HelmRelease | Kind::Kustomization => config,
    }
}

fn resource(kind: Kind) -> ApiResource {
    let (group, version, name, plural) = match kind {
        Kind::Job => ("batch", "v1", "Job", "jobs"),
        Kind::CronJob => ("batch", "v1", "CronJob", "cronjobs"),
        Kind::Pod => ("", "v1", "Pod", "pods"),
        Kind::HelmRelease => (helm_release::GROUP, "v2", "HelmRelease", "helmreleases"),
        Kind::Kustomization => (kustomization::GROUP, "v1", "Kustomization", "kustomizations"),
        Kind::JobEvent | Kind::PodEvent | Kind::CronJobEvent => ("", "v1", "Event", "events"),
    };
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: if group.is_empty() {
            version.to_owned()
        } else {
            format!("{group}/{version}")
        },
        kind: name.to_owned(),
        plural: plural.to_owned(),
    }
}

/// `HelmRelease` in the newest version that the cluster serves and that is understood.
pub(super) async fn helm_releases(client: &Client) -> Option<ApiResource> {
    served(client, Kind::HelmRelease).await
}

/// An optional kind in the newest version that the cluster serves and that is understood.
async fn served(client: &Client, kind: Kind) -> Option<ApiResource> {
    let mut resource = resource(kind);
    let older = match kind {
        Kind::Kustomization => "v1beta2",
        _ => "v2beta2",
    };
    let groups = match client.list_api_groups().await {
        Ok(groups) => groups,
        Err(error) => {
            tracing::warn!(%error, kind = kind.as_str(), "cannot ask for the API groups; the kind counts as absent");
            return None;
        }
    };
    let group = groups
        .groups
        .into_iter()
        .find(|group| group.name == resource.group)?;
    let served = |version: &&str| group.versions.iter().any(|served| served.version == **version);
    let version = [&*resource.version, older].into_iter().find(served)?.to_owned();
    resource.api_version = format!("{}/{version}", resource.group);
    resource.version = version;
    Some(resource)
}
