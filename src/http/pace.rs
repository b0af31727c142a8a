//! Time limits between and inside requests of one connection.
//!
//! hyper's own header timeout also runs while a connection is idle between two requests, so a strict one would
//! cut kept-alive connections at a moment when the peer may be sending. Here the two are told apart: silence
//! is allowed for long, a request that has begun must get its headers through quickly.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

/// Where a connection stands, with a count of the changes: the phase in the two lowest bits. Only the
/// connection's own task changes it; the accept loop looks at it when it has no room left.
#[derive(Debug, Default)]
pub(super) struct Exchange(AtomicU64);

/// No byte of the next request has come.
const WAITING: u64 = 0;
/// Some bytes have come, the headers are not complete.
const HEADERS: u64 = 1;
/// A request is being answered.
const BUSY: u64 = 2;
const PHASE: u64 = 0b11;

impl Exchange {
    /// Where the connection stands: the same number means that nothing has happened.
    pub(super) fn state(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// True while a request is being answered.
    pub(super) fn is_busy(&self) -> bool {
        self.state() & PHASE == BUSY
    }

    /// True once a request has been answered: headers, answer and waiting are three changes.
    pub(super) fn has_answered(&self) -> bool {
        self.state() > 3 * (PHASE + 1) - 1
    }

    fn enter(&self, phase: u64) {
        self.0
            .store((self.state() | PHASE).wrapping_add(1) | phase, Ordering::Relaxed);
    }

    /// A request's headers are complete; the exchange lasts until the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.enter(BUSY);
        InFlight(Arc::clone(self))
    }
}

/// A request being answered.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Exchange>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.enter(WAITING);
    }
}

/// A response body that keeps its request in flight until it is sent or given up.
#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) body: Body,
    pub(super) _in_flight: InFlight,
}

impl HttpBody for Tracked {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that ends once the peer has been silent for too long, and fails if that was inside a request's headers.
#[derive(Debug)]
pub(super) struct Paced<S> {
    stream: S,
    exchange: Arc<Exchange>,
    header_read: Duration,
    idle: Duration,
    timer: Pin<Box<Sleep>>,
    /// The state that the timer was set for.
    armed: Option<u64>,
}

impl<S> Paced<S> {
    pub(super) fn new(stream: S, exchange: Arc<Exchange>, header_read: Duration, idle: Duration) -> Self {
        let timer = Box::pin(tokio::time::sleep(idle));
        Self {
            stream,
            exchange,
            header_read,
            idle,
            timer,
            armed: None,
        }
    }

    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let state = self.exchange.state();
        let allowed = match state & PHASE {
            WAITING => self.idle,
            HEADERS => self.header_read,
            _ => return Poll::Pending,
        };
        if self.armed != Some(state) {
            self.timer.as_mut().reset(Instant::now() + allowed);
            self.armed = Some(state);
        }
        ready!(self.timer.as_mut().poll(cx));
        if state & PHASE == WAITING {
            // As if the peer had closed: HTTP and TLS then end in good order.
            return Poll::Ready(Ok(()));
        }
        let message = format!("request headers not complete within {allowed:?}");
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Ready(result) => {
                if buf.filled().len() > before && self.exchange.state() & PHASE == WAITING {
                    self.exchange.enter(HEADERS);
                }
                Poll::Ready(result)
            }
            Poll::Pending => self.poll_patience(cx),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const HEADER: Duration = Duration::from_millis(20);
    const IDLE: Duration = Duration::from_millis(80);

    fn paced() -> (DuplexStream, Arc<Exchange>, Paced<DuplexStream>) {
        let (peer, server) = duplex(64);
        let exchange = Arc::new(Exchange::default());
        let paced = Paced::new(server, Arc::clone(&exchange), HEADER, IDLE);
        (peer, exchange, paced)
    }

    /// Reads until the connection is cut, and checks that it was not before `allowed`.
    async fn cut_after(paced: &mut Paced<DuplexStream>, allowed: Duration) -> io::Result<()> {
        let begun = Instant::now();
        let end = loop {
            match paced.read(&mut [0; 1]).await {
                Ok(0) => break Ok(()),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        };
        assert!(begun.elapsed() >= allowed, "{:?}", begun.elapsed());
        end
    }

    #[tokio::test]
    async fn silence_is_allowed_for_long_and_half_a_header_is_not() {
        let (mut peer, exchange, mut paced) = paced();
        peer.write_all(b"POST").await.unwrap();
        assert_eq!(
            cut_after(&mut paced, HEADER).await.unwrap_err().kind(),
            io::ErrorKind::TimedOut
        );

        // The headers came after all: while the request is answered, nobody is hurried.
        let in_flight = exchange.begin();
        let answer = tokio::time::timeout(IDLE * 2, paced.read(&mut [0; 1])).await;
        assert!(answer.is_err(), "a busy connection was cut");

        // From the answer on the idle limit runs, afresh each time.
        drop(in_flight);
        for _ in 0..2 {
            cut_after(&mut paced, IDLE).await.unwrap();
            drop(exchange.begin());
        }
    }

    #[tokio::test]
    async fn each_byte_of_a_trickle_does_not_buy_new_time() {
        let (mut peer, _exchange, mut paced) = paced();
        let trickle = tokio::spawn(async move {
            while peer.write_all(b"x").await.is_ok() {
                tokio::time::sleep(HEADER / 10).await;
            }
        });
        cut_after(&mut paced, HEADER).await.unwrap_err();
        trickle.abort();
    }
}
