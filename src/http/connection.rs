//! One connection, from the first request to the last.

use std::{
    convert::Infallible,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::Router;
use hyper::{
    Request, Response,
    body::Incoming,
    header::{CONNECTION, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tower::Service;

use crate::shutdown::Shutdown;

use super::{
    Limits,
    pace::{Exchange, Paced, Tracked},
};

/// Serves `stream` until the peer leaves, a limit is reached or `closing` resolves; then what is in flight is
/// finished.
pub(super) async fn serve<S>(
    stream: S,
    router: Router,
    limits: Limits,
    shutdown: Shutdown,
    exchange: Arc<Exchange>,
    closing: impl Future<Output = ()>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let paced = Paced::new(stream, Arc::clone(&exchange), limits.header_read, limits.idle);
    let lease = Lease {
        begun: Instant::now(),
        max_age: limits.max_age,
        shutdown,
    };
    let service = service_fn(|request| answer(request, router.clone(), &exchange, &lease));
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(paced), service);
    let mut connection = pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = closing => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(error = %error, "connection ended early");
    }
}

/// How long a connection may be kept.
struct Lease {
    begun: Instant,
    max_age: Duration,
    shutdown: Shutdown,
}

impl Lease {
    fn is_over(&self) -> bool {
        self.shutdown.is_requested() || self.begun.elapsed() >= self.max_age
    }
}

async fn answer(
    request: Request<Incoming>,
    mut router: Router,
    exchange: &Arc<Exchange>,
    lease: &Lease,
) -> Result<Response<Tracked>, Infallible> {
    let in_flight = exchange.begin();
    // A router is always ready: `poll_ready` of axum's `Router` does nothing.
    let mut response = router.call(request).await?;
    if lease.is_over() {
        // Said with an answer it cannot cross a request that is already on its way.
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response.map(|body| Tracked {
        body,
        _in_flight: in_flight,
    }))
}
