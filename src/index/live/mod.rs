//! A cluster as the source of changes: watches, logs, and looks at dependencies. The only place that opens
//! connections to the API server for the index.

mod act;
mod inspect;
mod kustomizations;
mod log;
mod merge;
mod once;
mod pages;
mod rooms;
mod signed;
mod watch;
mod watched;

pub use once::{Read, Reader};
pub(crate) use pages::Pages;
pub(super) use watch::refusal;
pub(super) use watched::Watched;

use std::sync::Arc;

use kube::Client;
use tokio::sync::mpsc::{Sender, UnboundedReceiver};
use tokio::task::JoinSet;

use super::change::{Action, Change};
use super::kind::Kind;
use super::scope::Scope;

/// Watches a cluster, or some of its namespaces, and does what the index asks for, until the future is dropped.
pub async fn run(client: Client, scope: Scope, sink: Sender<Change>, wanted: UnboundedReceiver<Action>) {
    let mut tasks = JoinSet::new();
    let scope = Arc::new(scope);
    for kind in Kind::ALL {
        tasks.spawn(watch::watch(
            client.clone(),
            kind,
            Arc::clone(&scope),
            sink.clone(),
        ));
    }
    tasks.spawn(act::act(client, wanted, sink));
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a watch ended in a panic");
        }
    }
}
