//! A certificate chain and its key, ready to sign handshakes.

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use rustls::{InconsistentKeys, sign::CertifiedKey};

use super::{Bundle, TlsError, pem};

/// A certificate chain with its key, checked to belong together.
#[derive(Clone)]
pub struct ServingCertificate {
    key: Arc<CertifiedKey>,
    not_after: Timestamp,
}

impl ServingCertificate {
    /// Reads a chain (leaf first) and a private key.
    ///
    /// # Errors
    /// [`TlsError`] naming what is missing, damaged or does not fit.
    pub fn from_pem(cert_pem: &[u8], key_pem: &[u8]) -> Result<Self, TlsError> {
        let chain = pem::certificates(cert_pem)?;
        let not_after = match chain.first() {
            Some(leaf) => pem::not_after(leaf)?,
            None => return Err(TlsError::NoCertificate { found: String::new() }),
        };
        let key = pem::private_key(key_pem)?;
        let key = CertifiedKey::from_der(chain, key, &super::provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsError::KeyMismatch,
            rustls::Error::InvalidCertificate(error) => TlsError::NotX509(error.to_string()),
            other => TlsError::UnsupportedKey(other.to_string()),
        })?;
        Ok(Self {
            key: Arc::new(key),
            not_after,
        })
    }

    /// The end of validity of the leaf.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    pub(super) fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }
}

impl TryFrom<&Bundle> for ServingCertificate {
    type Error = TlsError;

    fn try_from(bundle: &Bundle) -> Result<Self, TlsError> {
        Self::from_pem(bundle.cert_pem.as_bytes(), bundle.key_pem.expose().as_bytes())
    }
}

impl fmt::Debug for ServingCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServingCertificate")
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}
