//! One request over one connection, for the demo, for checks and for tests.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, StatusCode, Uri,
    client::conn::http1,
    header::{CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::tls::TlsError;

/// From connect to the last byte of the answer: the API server's default for webhooks
/// (`timeoutSeconds`, `k8s.io/api/admissionregistration/v1`).
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address cannot be used.
    #[error("`{url}` cannot be requested here: {reason}")]
    Address {
        /// The address as given.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The authority that should vouch for the server cannot be used.
    #[error("the authority's certificate cannot be used: {0}")]
    Authority(#[source] TlsError),
    /// No connection, or the server's certificate is not trusted.
    #[error("cannot connect to {url}: {source}")]
    Connect {
        /// The address.
        url: String,
        /// What the system or TLS said.
        source: io::Error,
    },
    /// The server did not answer in HTTP, or broke off.
    #[error("no complete answer from {url}: {reason}")]
    Answer {
        /// The address.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// The time was up.
    #[error("no answer from {url} within {TIMEOUT:?}")]
    Timeout {
        /// The address.
        url: String,
    },
}

/// Posts JSON to an `https` address, trusting only the authorities of `ca_pem`.
///
/// # Errors
/// [`ClientError`] if there is no complete answer; any status counts as one.
pub async fn post(
    url: &str,
    ca_pem: &str,
    body: impl Into<Bytes>,
) -> Result<(StatusCode, Bytes), ClientError> {
    let target = Target::parse(url, "https")?;
    let config = trusting(ca_pem)?;
    let request = target.request(Method::POST, body.into())?;
    within(url, async {
        let socket = target.connect().await?;
        let name = ServerName::try_from(target.host.clone())
            .map_err(|_| target.wrong("its host is no DNS name and no IP address"))?;
        let stream = TlsConnector::from(config).connect(name, socket).await;
        target
            .exchange(stream.map_err(|source| target.no_connection(source))?, request)
            .await
    })
    .await
}

/// Gets a plain `http` address.
///
/// # Errors
/// [`ClientError`] if there is no complete answer; any status counts as one.
pub async fn get(url: &str) -> Result<(StatusCode, Bytes), ClientError> {
    let target = Target::parse(url, "http")?;
    let request = target.request(Method::GET, Bytes::new())?;
    within(url, async {
        let socket = target.connect().await?;
        target.exchange(socket, request).await
    })
    .await
}

async fn within<T>(
    url: &str,
    exchange: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    tokio::time::timeout(TIMEOUT, exchange)
        .await
        .unwrap_or_else(|_| Err(ClientError::Timeout { url: url.to_owned() }))
}

fn trusting(ca_pem: &str) -> Result<Arc<ClientConfig>, ClientError> {
    let mut roots = RootCertStore::empty();
    for authority in crate::tls::certificates(ca_pem.as_bytes()).map_err(ClientError::Authority)? {
        roots
            .add(authority)
            .map_err(|error| ClientError::Authority(TlsError::Config(error)))?;
    }
    let mut config = ClientConfig::builder_with_provider(crate::tls::provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| ClientError::Authority(TlsError::Config(error)))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// A parsed address.
struct Target {
    url: String,
    uri: Uri,
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
}

impl Target {
    fn parse(url: &str, scheme: &'static str) -> Result<Self, ClientError> {
        let wrong = |reason| ClientError::Address {
            url: url.to_owned(),
            reason,
        };
        let uri: Uri = url.parse().map_err(|_| wrong("it is no URL"))?;
        if uri.scheme_str() != Some(scheme) {
            return Err(wrong(if scheme == "https" {
                "it must begin with https://"
            } else {
                "it must begin with http://"
            }));
        }
        let host = uri.host().ok_or_else(|| wrong("it names no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
        Ok(Self {
            url: url.to_owned(),
            uri,
            host,
            port,
        })
    }

    fn wrong(&self, reason: &'static str) -> ClientError {
        ClientError::Address {
            url: self.url.clone(),
            reason,
        }
    }

    fn no_connection(&self, source: io::Error) -> ClientError {
        ClientError::Connect {
            url: self.url.clone(),
            source,
        }
    }

    fn no_answer(&self, reason: &impl ToString) -> ClientError {
        ClientError::Answer {
            url: self.url.clone(),
            reason: reason.to_string(),
        }
    }

    fn request(&self, method: Method, body: Bytes) -> Result<Request<Full<Bytes>>, ClientError> {
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let host = self.uri.authority().map_or("", |authority| authority.as_str());
        let mut request = Request::builder().method(method).uri(path).header(HOST, host);
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        request
            .body(Full::new(body))
            .map_err(|_| self.wrong("it cannot stand in an HTTP request"))
    }

    async fn connect(&self) -> Result<TcpStream, ClientError> {
        let socket = TcpStream::connect((self.host.as_str(), self.port)).await;
        let socket = socket.map_err(|source| self.no_connection(source))?;
        socket
            .set_nodelay(true)
            .map_err(|source| self.no_connection(source))?;
        Ok(socket)
    }

    async fn exchange<S>(
        &self,
        stream: S,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), ClientError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.no_answer(&error))?;
        let answered = async {
            let response = sender
                .send_request(request)
                .await
                .map_err(|error| self.no_answer(&error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER)
                .collect()
                .await
                .map_err(|error| self.no_answer(&error))?;
            Ok((head.status, body.to_bytes()))
        };
        // Driven here and not in a task of its own, so that giving up closes the connection.
        let driven = async {
            let _ = connection.await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            answer = answered => answer,
            () = driven => Err(self.no_answer(&"the connection ended")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        for (url, host, port) in [
            ("https://127.0.0.1:8443/validate", "127.0.0.1", 8443),
            ("https://localhost/", "localhost", 443),
            ("https://[::1]:1/x?y=z", "::1", 1),
        ] {
            let target = Target::parse(url, "https").unwrap();
            assert_eq!((target.host.as_str(), target.port), (host, port));
        }
        for url in ["", "localhost:80", "http://localhost/", "https:///x"] {
            assert!(
                matches!(Target::parse(url, "https"), Err(ClientError::Address { .. })),
                "{url:?}"
            );
        }
    }
}
