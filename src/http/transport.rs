//! From an accepted socket to a stream that HTTP is spoken on.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{AlertDescription, ServerConfig};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// Why a TLS handshake came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HandshakeFailure {
    /// The peer took too long.
    Timeout,
    /// The peer hung up, as TCP probes and load balancers do.
    Closed,
    /// The peer does not accept the certificate: its `caBundle` is another authority's, or the name or the
    /// dates do not fit.
    Untrusted,
    /// The peer has no client certificate, or not the one of somebody who may call.
    Client,
    /// Anything else: no TLS at all, no common version or cipher.
    Protocol,
}

impl HandshakeFailure {
    /// A short name, for a metric's label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Untrusted => "untrusted",
            Self::Client => "client",
            Self::Protocol => "protocol",
        }
    }

    fn of(error: &io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
        match error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        {
            Some(rustls::Error::AlertReceived(alert)) if is_distrust(*alert) => Self::Untrusted,
            Some(rustls::Error::NoCertificatesPresented | rustls::Error::InvalidCertificate(_)) => {
                Self::Client
            }
            None if matches!(error.kind(), UnexpectedEof | ConnectionReset | BrokenPipe) => Self::Closed,
            _ => Self::Protocol,
        }
    }
}

fn is_distrust(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnsupportedCertificate
            // An authority of the same name with another key: the signature does not verify.
            | AlertDescription::DecryptError
    )
}

/// Is told how each handshake went; for counters. Called on the serving threads, so it must not wait.
pub trait HandshakeObserver: Send + Sync + 'static {
    /// A handshake worked and took this long, network included.
    fn completed(&self, took: Duration) {
        let _ = took;
    }

    /// A handshake failed.
    fn failed(&self, why: HandshakeFailure) {
        let _ = why;
    }
}

/// Observes nothing.
impl HandshakeObserver for () {}

/// Turns accepted sockets into TLS streams.
#[derive(Clone)]
pub struct Acceptor {
    tls: TlsAcceptor,
    observer: Arc<dyn HandshakeObserver>,
}

impl Acceptor {
    /// An acceptor for `config`, which comes from [`crate::tls::server_config`].
    #[must_use]
    pub fn new(config: Arc<ServerConfig>) -> Self {
        Self {
            tls: TlsAcceptor::from(config),
            observer: Arc::new(()),
        }
    }

    /// The same, telling `observer` how handshakes go.
    #[must_use]
    pub fn observed_by(mut self, observer: Arc<dyn HandshakeObserver>) -> Self {
        self.observer = observer;
        self
    }
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acceptor").finish_non_exhaustive()
    }
}

/// What stands between TCP and HTTP.
pub(super) trait Transport: Clone + Send + Sync + 'static {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The stream to speak HTTP on, or nothing if the peer did not get that far.
    fn secure(&self, socket: TcpStream, limit: Duration)
    -> impl Future<Output = Option<Self::Stream>> + Send;
}

impl Transport for Acceptor {
    type Stream = TlsStream<TcpStream>;

    async fn secure(&self, socket: TcpStream, limit: Duration) -> Option<Self::Stream> {
        let begun = Instant::now();
        let (why, detail) = match tokio::time::timeout(limit, self.tls.accept(socket)).await {
            Ok(Ok(stream)) => {
                self.observer.completed(begun.elapsed());
                return Some(stream);
            }
            Ok(Err(error)) => (HandshakeFailure::of(&error), error.to_string()),
            Err(_) => (HandshakeFailure::Timeout, format!("not done within {limit:?}")),
        };
        self.observer.failed(why);
        tracing::debug!(why = why.as_str(), error = %detail, "TLS handshake failed");
        None
    }
}

/// No encryption: metrics and status on a port of their own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain;

impl Transport for Plain {
    type Stream = TcpStream;

    async fn secure(&self, socket: TcpStream, _limit: Duration) -> Option<Self::Stream> {
        Some(socket)
    }
}
