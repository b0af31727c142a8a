//! The accept loop and its end.

use std::{io, net::SocketAddr};

use axum::Router;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::{JoinError, JoinSet},
    time::{Instant, sleep, sleep_until},
};

use crate::shutdown::Shutdown;

use super::{
    Limits,
    accept::AcceptBackoff,
    connection,
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
            Some(ended) = connections.join_next() => report(ended),
            accepted = listener.accept(), if connections.len() < limits.max_connections => match accepted {
                Ok((socket, _)) => {
                    backoff.reset();
                    let (transport, router, shutdown) = (transport.clone(), router.clone(), shutdown.clone());
                    let mut closing = closing.clone();
                    connections.spawn(async move {
                        let Some(stream) = secure(&transport, socket, limits).await else { return };
                        // The sender is dropped to say so: there is nothing to read but its absence.
                        let closing = async move { while closing.changed().await.is_ok() {} };
                        connection::serve(stream, router, limits, shutdown, closing).await;
                    });
                }
                Err(error) => pause(&mut backoff, &error, &shutdown).await,
            },
        }
    }
    // From here on a peer that connects is refused, and kept connections end with their present request.
    drop((listener, close, closing));
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
            Some(ended) = connections.join_next() => report(ended),
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
fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task ended in a panic");
    }
}
