//! The certificate that the next handshake uses, and the TLS configuration around it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use rustls::{
    ServerConfig,
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::{ClientAuth, ServingCertificate, TlsError};

/// The certificate now in use. Replacing it touches no connection: those that are open keep theirs, the next
/// handshake gets the new one.
#[derive(Debug)]
pub struct LiveCertificate {
    current: ArcSwap<ServingCertificate>,
}

impl LiveCertificate {
    /// Starts with `certificate`.
    #[must_use]
    pub fn new(certificate: ServingCertificate) -> Arc<Self> {
        Arc::new(Self {
            current: ArcSwap::from_pointee(certificate),
        })
    }

    /// Uses `certificate` from the next handshake on.
    pub fn replace(&self, certificate: ServingCertificate) {
        self.current.store(Arc::new(certificate));
    }

    /// The chain in use, leaf first, PEM.
    #[must_use]
    pub fn chain(&self) -> String {
        let key = self.current.load().certified_key();
        key.cert.iter().map(super::pem::encode).collect()
    }

    /// The leaf in use, DER.
    #[cfg(test)]
    pub(super) fn leaf(&self) -> Vec<u8> {
        self.current.load().certified_key().cert[0].to_vec()
    }

    /// The end of validity of the certificate in use.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.current.load().not_after()
    }
}

impl ResolvesServerCert for LiveCertificate {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // Names are not compared: clients reach one server under many (Service, Pod address, port-forward),
        // and it is for them to judge the certificate.
        Some(self.current.load().certified_key())
    }
}

/// TLS 1.2 and 1.3, HTTP/1.1 only, no session resumption. With `clients`, a connection comes about only with a
/// certificate that they accept; without, nobody is asked for one.
///
/// HTTP/2 is not offered because the serving layer does not speak it; the API server asks webhooks for
/// HTTP/1.1 alone (`k8s.io/apiserver/pkg/util/webhook/client.go`, `NextProtos`). Resumption saves nothing
/// with P-256 in TLS 1.3 and would let a client go on under a certificate that has been replaced.
///
/// # Errors
/// [`TlsError::Config`] if the crypto provider of the process lacks these versions.
pub fn server_config(
    certificate: Arc<LiveCertificate>,
    clients: Option<Arc<ClientAuth>>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let builder = ServerConfig::builder_with_provider(super::provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Config)?;
    let builder = match clients {
        Some(clients) => builder.with_client_cert_verifier(clients),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}
