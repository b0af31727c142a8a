//! The accept loop and its end.

use std::{io, net::SocketAddr, sync::Arc};

use axum::Router;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{oneshot, watch},
    task::{Id, JoinError, JoinSet},
    time::{Instant, sleep, sleep_until},
};

use crate::shutdown::Shutdown;

use super::{
    Limits,
    accept::AcceptBackoff,
    connection,
    crowd::Crowd,
    pace::Exchange,
    transport::{Acceptor, Plain, Transport},
};

/// Connections that the kernel completes while the accept loop is busy. `TcpListener::bind` allows 128: of a
/// burst of 200, the rest lose their SYN and try again a whole second later.
const BACKLOG: u32 = 1024;

/// Listens on `address`, with room in the kernel's queue for a burst of connections.
///
/// # Errors
/// The system's error with the address in front. To be called inside a tokio runtime.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listen = || {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        }?;
        // A restart must not wait for the old process' connections to leave TIME_WAIT.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))
}

/// How a listener ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut because they did not finish in time.
    pub cut: usize,
}

/// Serves `router` over TLS until shutdown is requested, then drains. Returns when the last connection has
/// ended. Dropping the future cuts everything at once.
pub async fn serve_tls(
    listener: TcpListener,
    acceptor: Acceptor,
    router: Router,
    shutdown: Shutdown,
    limits: Limits,
) -> Drained {
    serve(listener, acceptor, router, shutdown, limits).await
}

/// Serves `router` over plain TCP; else as [`serve_tls`].
pub async fn serve_plain(
    listener: TcpListener,
    router: Router,
    shutdown: Shutdown,
    limits: Limits,
) -> Drained {
    serve(listener, Plain, router, shutdown, limits).await
}

async fn serve<T: Transport>(
    listener: TcpListener,
    transport: T,
    router: Router,
    shutdown: Shutdown,
    limits: Limits,
) -> Drained {
    let (close, closing) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut crowd = Crowd::new(limits.max_connections);
    let mut backoff = AcceptBackoff::default();
    let withdrawn = async {
        shutdown.requested().await;
        tokio::select! {
            () = sleep(limits.withdrawal) => {}
            () = shutdown.aborted() => {}
        }
    };
    tokio::pin!(withdrawn);
    loop {
        tokio::select! {
            () = &mut withdrawn => break,
            Some(ended) = connections.join_next_with_id() => crowd.leave(report(ended)),
            accepted = listener.accept(), if !crowd.is_full() => match accepted {
                Ok((socket, _)) => {
                    backoff.reset();
                    let (transport, router, shutdown) = (transport.clone(), router.clone(), shutdown.clone());
                    let mut closing = closing.clone();
                    let exchange = Arc::new(Exchange::default());
                    let (leave, mut leaving) = oneshot::channel();
                    let own = Arc::clone(&exchange);
                    let task = connections.spawn(async move {
                        let stream = tokio::select! {
                            stream = secure(&transport, socket, limits) => stream,
                            _ = &mut leaving => None,
                        };
                        let Some(stream) = stream else { return };
                        let end = async move {
                            // The sender is dropped to say so: there is nothing to read but its absence.
                            let closing = async { while closing.changed().await.is_ok() {} };
                            tokio::select! {
                                () = closing => {}
                                _ = leaving => {}
                            }
                        };
                        connection::serve(stream, router, limits, shutdown, own, end).await;
                    });
                    crowd.enter(task.id(), exchange, leave);
                }
                Err(error) => pause(&mut backoff, &error, &shutdown).await,
            },
            () = sleep_until(crowd.look), if crowd.is_full() => {
                let leaving = crowd.look_around();
                if leaving > 0 {
                    tracing::warn!(leaving, "no room for new connections: silent ones are closed");
                }
            }
        }
    }
    // From here on a peer that connects is refused, and kept connections end with their present request.
    drop((listener, close, closing));
    // Whoever is in the crowd would take its end for a sign to leave, which they have been given by now.
    drop(crowd);
    drain(connections, &shutdown, limits).await
}

async fn secure<T: Transport>(transport: &T, socket: TcpStream, limits: Limits) -> Option<T::Stream> {
    // Answers are written whole; waiting for more to fill a packet only delays them.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY not set");
    }
    transport.secure(socket, limits.handshake).await
}

async fn pause(backoff: &mut AcceptBackoff, error: &io::Error, shutdown: &Shutdown) {
    let Some(pause) = backoff.after(error) else { return };
    tracing::warn!(%error, ?pause, "cannot accept connections; raise the limit of open files if this goes on");
    tokio::select! {
        () = sleep(pause) => {}
        () = shutdown.requested() => {}
    }
}

async fn drain(mut connections: JoinSet<()>, shutdown: &Shutdown, limits: Limits) -> Drained {
    let deadline = Instant::now() + limits.drain;
    while !connections.is_empty() {
        tokio::select! {
            Some(ended) = connections.join_next_with_id() => drop(report(ended)),
            () = sleep_until(deadline) => break,
            () = shutdown.aborted() => break,
        }
    }
    let cut = connections.len();
    if cut > 0 {
        tracing::warn!(cut, "connections cut at shutdown");
    }
    connections.shutdown().await;
    Drained { cut }
}

/// A panic in a handler ends its connection and nothing else.
fn report(ended: Result<(Id, ()), JoinError>) -> Id {
    match ended {
        Ok((id, ())) => id,
        Err(error) => {
            tracing::error!(%error, "a connection's task ended in a panic");
            error.id()
        }
    }
}
