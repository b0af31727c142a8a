//! Doing what the index asks for, within limits.

use std::collections::VecDeque;
use std::sync::Arc;

use kube::Client;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{Sender, UnboundedReceiver};
use tokio::task::{JoinError, JoinSet};

use super::inspect::Inspector;
use super::log::follow;
use super::signed::Signed;
use crate::index::change::{Action, Change};

/// Logs followed at once. Each costs the API server and a kubelet one connection.
const STREAMS: usize = 64;
/// Logs of ended runs read at once; they must not wait for a stream to end, or the kubelet forgets them.
const PREVIOUS: usize = 16;
/// Looks at once. One that waits for its turn is a name; one that is begun holds what it reads.
const LOOKS: usize = 64;

/// Does what is asked for until nobody asks any more.
pub(super) async fn act(client: Client, mut wanted: UnboundedReceiver<Action>, sink: Sender<Change>) {
    let streams = Arc::new(Semaphore::new(STREAMS));
    let previous = Arc::new(Semaphore::new(PREVIOUS));
    let inspector = Arc::new(Inspector::new(client.clone()));
    let signed = Arc::new(Signed::new(client.clone()));
    let (mut tasks, mut looks, mut wanted_looks) = (JoinSet::new(), JoinSet::new(), VecDeque::new());
    loop {
        while looks.len() < LOOKS
            && let Some(look) = wanted_looks.pop_front()
        {
            let (inspector, sink) = (Arc::clone(&inspector), sink.clone());
            looks.spawn(async move {
                for change in inspector.look(look).await {
                    let _ = sink.send(change).await;
                }
            });
        }
        let action = tokio::select! {
            action = wanted.recv() => match action {
                Some(action) => action,
                None => return,
            },
            Some(ended) = tasks.join_next() => {
                report(ended);
                continue;
            }
            Some(ended) = looks.join_next() => {
                report(ended);
                continue;
            }
        };
        let (client, sink) = (client.clone(), sink.clone());
        match action {
            Action::Follow(key) => {
                let permits = Arc::clone(&streams);
                tasks.spawn(async move {
                    // The semaphore is never closed.
                    let _permit = permits.acquire().await;
                    follow(client, key, false, sink).await;
                });
            }
            Action::Previous(key) => {
                let permits = Arc::clone(&previous);
                tasks.spawn(async move {
                    let _permit = permits.acquire().await;
                    follow(client, key, true, sink).await;
                });
            }
            Action::Signatures(ask) => {
                let signed = Arc::clone(&signed);
                tasks.spawn(async move {
                    let change = signed.look(ask).await;
                    let _ = sink.send(change).await;
                });
            }
            look => wanted_looks.push_back(look),
        }
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "reading a log or a dependency ended in a panic");
    }
}
