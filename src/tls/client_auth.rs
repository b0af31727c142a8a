//! Mutual TLS: only clients with a certificate of a given authority and a given name are served.
//!
//! The authority alone is not enough: where it is the cluster's own, every node and every user has a certificate
//! of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};

use super::files::FileError;
use super::{Reload, TlsError, facts, pem};

/// Why a client with a valid certificate is turned away.
#[derive(Debug, thiserror::Error)]
#[error("the client is {found:?}, and none of the names that may call is among them: {allowed:?}")]
struct WrongSubject {
    found: Vec<String>,
    allowed: Vec<String>,
}

/// Who may call: the authorities in a file, kept in step with it, and names. The name of a client is the common
/// name of its certificate or one of its DNS names.
#[derive(Debug)]
pub struct ClientAuth {
    path: PathBuf,
    names: Vec<String>,
    seen: ArcSwap<Vec<u8>>,
    verifier: ArcSwap<Arc<dyn ClientCertVerifier>>,
}

impl ClientAuth {
    /// Loads the authorities for the first time.
    ///
    /// # Errors
    /// [`FileError`] naming the file and what is wrong with it.
    pub fn start(path: &Path, names: &[String]) -> Result<Arc<Self>, FileError> {
        let text = read(path)?;
        let verifier = verifier(path, &text)?;
        Ok(Arc::new(Self {
            path: path.to_owned(),
            names: names.to_vec(),
            seen: ArcSwap::from_pointee(text),
            verifier: ArcSwap::from_pointee(verifier),
        }))
    }

    /// Looks at the file again. A bad one leaves the authorities in use, and is reported until it is mended.
    ///
    /// # Errors
    /// [`FileError`] naming the file and what is wrong with it.
    pub fn poll(&self) -> Result<Reload, FileError> {
        let text = read(&self.path)?;
        if text == **self.seen.load() {
            return Ok(Reload::Unchanged);
        }
        self.verifier.store(Arc::new(verifier(&self.path, &text)?));
        self.seen.store(Arc::new(text));
        tracing::info!(path = %self.path.display(), "new authorities of clients in use");
        Ok(Reload::Replaced)
    }

    /// Looks at the file every `period` until the future is dropped. A bad file is logged once per content.
    pub async fn run(self: Arc<Self>, period: Duration) {
        let mut said = String::new();
        loop {
            tokio::time::sleep(period).await;
            match self.poll() {
                Ok(_) => said.clear(),
                Err(error) => {
                    let error = error.to_string();
                    if error != said {
                        tracing::error!(%error, "the authorities of clients stay as they are");
                        said = error;
                    }
                }
            }
        }
    }

    fn check_name(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        let parsed =
            pem::parse(certificate).map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let mut found = vec![facts::common_name(&parsed)];
        found.extend(facts::names(&parsed));
        if found.iter().any(|name| self.names.contains(name)) {
            return Ok(());
        }
        let wrong = WrongSubject {
            found,
            allowed: self.names.clone(),
        };
        Err(Error::InvalidCertificate(CertificateError::Other(OtherError(
            Arc::new(wrong),
        ))))
    }
}

impl ClientCertVerifier for ClientAuth {
    // No hints: they would have to outlive the authorities, which change, and Go's client presents the one
    // certificate that it has without them.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self
            .verifier
            .load()
            .verify_client_cert(end_entity, intermediates, now)?;
        self.check_name(end_entity)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .load()
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .load()
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.load().supported_verify_schemes()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(|source| FileError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

fn verifier(path: &Path, text: &[u8]) -> Result<Arc<dyn ClientCertVerifier>, FileError> {
    let invalid = |problem| FileError::Invalid {
        path: path.to_owned(),
        problem,
    };
    let mut roots = RootCertStore::empty();
    for authority in pem::certificates(text).map_err(invalid)? {
        roots
            .add(authority)
            .map_err(|error| invalid(TlsError::Config(error)))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), super::provider())
        .build()
        .map_err(|error| invalid(TlsError::Untrusted(error.to_string())))
}
