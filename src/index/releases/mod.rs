//! The objects that own Jobs: Flux's `HelmRelease` and `Kustomization`, Argo CD's `Application`. Each is watched
//! where the cluster has its kind, from when it has it until it has it no more; a kind that is absent, or that may
//! not be read, never keeps the webhook from being ready.

mod definitions;
mod kinds;
mod state;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures::TryStreamExt;
use kube::Client;
use kube::api::{Api, ApiResource, GroupVersionKind};
use kube::runtime::watcher::Config;
use kube::runtime::{WatchStreamExt, watcher};
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use super::live::{Watched, refusal};
use super::watch_metrics::{WatchMetrics, WatchState};
use crate::engine::release::{Application, HelmRelease};
use crate::engine::window::Kustomization;
use crate::shutdown::Shutdown;
use kinds::Source;
use state::State;

/// How soon a cluster without a kind is asked again at first, doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// How often it is asked in the long run; its `CustomResourceDefinition` is watched besides.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// The snapshots that are kept up to date.
#[derive(Clone, Debug, Default)]
pub struct Releases {
    /// Flux's `HelmRelease`s.
    pub helm_releases: Arc<ArcSwap<Vec<HelmRelease>>>,
    /// Flux's `Kustomization`s.
    pub kustomizations: Arc<ArcSwap<Vec<Kustomization>>>,
    /// Argo CD's `Application`s.
    pub applications: Arc<ArcSwap<Vec<Application>>>,
}

/// Starts the watches, which run until shutdown. Each of what is returned becomes true with the first complete list
/// of a kind, or when it turns out that there is none to be had.
#[must_use]
pub fn watch_releases(
    client: &Client,
    into: &Releases,
    metrics: &Arc<WatchMetrics>,
    shutdown: &Shutdown,
) -> Vec<watch::Receiver<bool>> {
    let start = Start {
        client,
        metrics,
        shutdown,
    };
    vec![
        start.kind(Arc::clone(&into.helm_releases)),
        start.kind(Arc::clone(&into.kustomizations)),
        start.kind(Arc::clone(&into.applications)),
    ]
}

struct Start<'a> {
    client: &'a Client,
    metrics: &'a Arc<WatchMetrics>,
    shutdown: &'a Shutdown,
}

impl Start<'_> {
    fn kind<S: Source>(&self, into: Arc<ArcSwap<Vec<S>>>) -> watch::Receiver<bool> {
        let (synced, receiver) = watch::channel(false);
        let changed = Arc::new(Notify::new());
        let (client, shutdown) = (self.client.clone(), self.shutdown.clone());
        let woken = Arc::clone(&changed);
        tokio::spawn(async move {
            tokio::select! {
                () = shutdown.requested() => {}
                () = definitions::watch(client, S::RESOURCE, woken) => {}
            }
        });
        let keeper = Keeper {
            client: self.client.clone(),
            into,
            synced,
            metrics: Arc::clone(self.metrics),
        };
        let shutdown = self.shutdown.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = shutdown.requested() => {}
                () = keeper.run(&changed) => {}
            }
        });
        receiver
    }
}

/// Keeps the snapshot of one kind.
struct Keeper<S> {
    client: Client,
    into: Arc<ArcSwap<Vec<S>>>,
    synced: watch::Sender<bool>,
    metrics: Arc<WatchMetrics>,
}

/// What the API server says about a kind.
enum Found {
    Served(ApiResource),
    Absent,
    Unknown(kube::Error),
}

impl<S: Source> Keeper<S> {
    const KIND: &'static str = S::RESOURCE.kind;

    /// Watches the kind whenever there is one. `changed` says that its definition did.
    async fn run(self, changed: &Notify) {
        let mut pause = FIRST_PAUSE;
        let mut told = WatchState::Listing;
        loop {
            let state = match self.find().await {
                Found::Served(resource) => {
                    let (state, listed) = self.watch(resource).await;
                    if listed {
                        pause = FIRST_PAUSE;
                    }
                    state
                }
                Found::Absent => WatchState::Absent,
                Found::Unknown(error) => {
                    tracing::warn!(kind = Self::KIND, %error, "cannot ask the API server for a kind; it is asked again");
                    WatchState::Interrupted
                }
            };
            // An API server that has just started refuses what it lets through a second later: once is not yet no.
            if state != WatchState::Forbidden || told == WatchState::Forbidden {
                self.into.store(Arc::default());
            }
            self.metrics.set(Self::KIND, state);
            if state != told {
                Self::tell(state);
                told = state;
            }
            self.synced.send_replace(true);
            tokio::select! {
                () = changed.notified() => pause = FIRST_PAUSE,
                () = sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
            }
        }
    }

    fn tell(state: WatchState) {
        let kind = Self::KIND;
        match state {
            WatchState::Forbidden => tracing::warn!(
                kind,
                "may not be read: release timeouts of it are assumed. Give the ServiceAccount get, list and watch on {}; \
                 the chart does with flux.enabled and argocd.enabled",
                S::RESOURCE.definition()
            ),
            WatchState::Absent => tracing::info!(
                kind,
                "the cluster has no such kind; it is watched as soon as it has"
            ),
            WatchState::Listing | WatchState::Synced | WatchState::Interrupted => {}
        }
    }

    /// The kind in the best version that the cluster serves.
    async fn find(&self) -> Found {
        let resource = S::RESOURCE;
        for version in resource.versions {
            let group = format!("{}/{version}", resource.group);
            match self.client.list_api_group_resources(&group).await {
                Ok(list) => {
                    if list.resources.iter().any(|served| served.kind == resource.kind) {
                        let kind = GroupVersionKind::gvk(resource.group, version, resource.kind);
                        return Found::Served(ApiResource::from_gvk_with_plural(&kind, resource.plural));
                    }
                }
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Found::Unknown(error),
            }
        }
        Found::Absent
    }

    /// Returns when the API server refuses the kind, with what that means, and whether it had been listed until then.
    async fn watch(&self, resource: ApiResource) -> (WatchState, bool) {
        self.metrics.set(Self::KIND, WatchState::Listing);
        let api: Api<Watched> = Api::all_with(self.client.clone(), &resource);
        let mut events = pin!(watcher(api, Config::default()).default_backoff());
        let mut state = State::<S>::default();
        let mut listed = false;
        loop {
            match events.try_next().await {
                Ok(Some(event)) => {
                    self.metrics.event(Self::KIND);
                    let changed = state.apply(event);
                    self.metrics.unreadable(Self::KIND, state.take_unreadable());
                    if changed {
                        listed = true;
                        self.into.store(Arc::new(state.all()));
                        self.metrics.set(Self::KIND, WatchState::Synced);
                        self.synced.send_replace(true);
                    }
                }
                Ok(None) => return (WatchState::Interrupted, listed),
                Err(error) => match refusal(&error) {
                    Some(404) => {
                        tracing::info!(kind = Self::KIND, "the cluster has the kind no more");
                        return (WatchState::Absent, listed);
                    }
                    Some(_) => return (WatchState::Forbidden, listed),
                    None => {
                        // A kind that nobody has to have must not hold up readiness either.
                        if !self.synced.send_replace(true) {
                            self.metrics.set(Self::KIND, WatchState::Interrupted);
                        }
                        tracing::warn!(kind = Self::KIND, %error, "the watch broke; it is taken up again");
                    }
                },
            }
        }
    }
}
