//! TLS: whom to believe, and why somebody is not believed.

use std::io::{self, BufReader};
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Failure, Stream, describe, plain};
use crate::wait::options::TlsOptions;

/// What is agreed upon in the handshake (ALPN, RFC 7301).
pub(super) const HTTP: &[u8] = b"http/1.1";
/// See [`HTTP`].
pub(super) const GRPC: &[u8] = b"h2";
/// Nothing is agreed upon.
pub(super) const ANY: &[u8] = b"";

/// Whose certificates are believed.
#[derive(Debug)]
pub(super) struct Trust(ClientConfig);

impl Trust {
    /// The authorities of `--ca-file`, else those of the system.
    pub(super) fn of(options: &TlsOptions) -> Result<Self, String> {
        if options.unverified {
            return Ok(Self(
                builder()?
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::new(Unverified(provider())))
                    .with_no_client_auth(),
            ));
        }
        if let Some(path) = &options.authorities {
            return Self::of_file(path);
        }
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            return Err(
                "this image has no certificate authorities: name a bundle by --ca-file PATH or SSL_CERT_FILE"
                    .to_owned(),
            );
        }
        Self::of_roots(roots)
    }

    /// The authorities of one PEM file.
    pub(super) fn of_file(path: &Path) -> Result<Self, String> {
        let name = path.display();
        let file = std::fs::File::open(path).map_err(|error| format!("{name} cannot be read: {error}"))?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_reader_iter(BufReader::new(file)) {
            certificate
                .map_err(|error| error.to_string())
                .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()))
                .map_err(|why| format!("{name} holds something that is no certificate in PEM: {why}"))?;
        }
        if roots.is_empty() {
            return Err(format!("{name} holds no certificate in PEM"));
        }
        Self::of_roots(roots)
    }

    fn of_roots(roots: RootCertStore) -> Result<Self, String> {
        Ok(Self(
            builder()?.with_root_certificates(roots).with_no_client_auth(),
        ))
    }

    /// Encrypts a connection to `host`.
    pub(super) async fn open(
        &self,
        stream: TcpStream,
        host: &str,
        protocol: &[u8],
    ) -> Result<Box<dyn Stream>, Failure> {
        let mut config = self.0.clone();
        if !protocol.is_empty() {
            config.alpn_protocols = vec![protocol.to_vec()];
        }
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| format!("000 {} is no name that a certificate can have", plain(host)))?;
        match TlsConnector::from(Arc::new(config)).connect(name, stream).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(reason(&error)),
        }
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, String> {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))
}

/// A certificate that is not believed today may be replaced while its server starts, so none of this is fatal.
fn reason(error: &io::Error) -> Failure {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return describe(error);
    };
    match tls {
        Error::InvalidCertificate(why) => match why {
            CertificateError::UnknownIssuer => {
                "000 certificate of an unknown authority (--ca-file names one)".to_owned()
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "000 certificate has expired".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "000 certificate is not valid yet".to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "000 certificate is for another name".to_owned()
            }
            // webpki's reason for a certificate that `openssl req -x509` makes by itself.
            why if why.to_string().contains("CaUsedAsEndEntity") => {
                "000 certificate is that of an authority (CA:TRUE), which no server may show".to_owned()
            }
            why => format!("000 certificate refused: {}", plain(&why.to_string())),
        },
        Error::InvalidMessage(_) => "000 the answer is not TLS".to_owned(),
        tls => format!("000 TLS failed: {}", plain(&tls.to_string())),
    }
}

/// Believes any certificate, and still checks that the server holds its key.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
