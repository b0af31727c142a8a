//! The entries of the Secret, to and fro. What is damaged counts as missing, and is said.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::Kept;
use crate::tls::{Authority, Bundle, CertificateFacts, KeyPem, TlsError};

const LEAF: &str = "tls.crt";
const LEAF_KEY: &str = "tls.key";
const AUTHORITY: &str = "ca.crt";
const AUTHORITY_KEY: &str = "ca.key";
const NEXT: &str = "next-ca.crt";
const NEXT_KEY: &str = "next-ca.key";
const PREVIOUS: &str = "previous-ca.crt";

/// The keys of the Secret's data that belong to the state; others are left alone. `tls.crt`, `tls.key` and
/// `ca.crt` are named as in a Secret of cert-manager.
pub const KEYS: [&str; 7] = [LEAF, LEAF_KEY, AUTHORITY, AUTHORITY_KEY, NEXT, NEXT_KEY, PREVIOUS];

/// What was found in the Secret, part by part.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The authority, if certificate and key are there and fit.
    pub authority: Option<Arc<Authority>>,
    /// The next one, likewise.
    pub next: Option<Arc<Authority>>,
    /// The previous ones.
    pub previous: Vec<CertificateFacts>,
    /// The serving certificate, if certificate and key are there and fit.
    pub leaf: Option<Bundle>,
    /// Entries that are there and cannot be used, with the reason. Never key material.
    pub faults: Vec<(&'static str, String)>,
}

impl Found {
    /// Reads the entries of a Secret.
    #[must_use]
    pub fn read(data: &BTreeMap<String, Vec<u8>>) -> Self {
        let mut found = Self::default();
        let mut faults = Vec::new();
        let pair = |certificate, key, faults: &mut Vec<_>| {
            let (certificate_text, key_text) = (text(data, certificate)?, text(data, key)?);
            let authority = Authority::from_pem(&certificate_text, &KeyPem::new(key_text));
            authority
                .map(Arc::new)
                .map_err(|error| faults.push((certificate, error.to_string())))
                .ok()
        };
        found.authority = pair(AUTHORITY, AUTHORITY_KEY, &mut faults);
        found.next = pair(NEXT, NEXT_KEY, &mut faults);
        if let Some(previous) = text(data, PREVIOUS) {
            match CertificateFacts::read(&previous) {
                Ok(previous) => found.previous = previous,
                Err(error) => faults.push((PREVIOUS, error.to_string())),
            }
        }
        if let (Some(certificate), Some(key), Some(authority)) =
            (text(data, LEAF), text(data, LEAF_KEY), &found.authority)
        {
            let leaf = Bundle::from_pem(authority.cert_pem().to_owned(), certificate, KeyPem::new(key));
            found.leaf = leaf
                .map_err(|error: TlsError| faults.push((LEAF, error.to_string())))
                .ok();
        }
        found.faults = faults;
        found
    }

    /// The state, if nothing of it is missing.
    #[must_use]
    pub fn whole(&self) -> Option<Kept> {
        Some(Kept {
            authority: Arc::clone(self.authority.as_ref()?),
            next: self.next.clone(),
            previous: self.previous.clone(),
            leaf: self.leaf.clone()?,
        })
    }

    /// The state with a new serving certificate; none where the authority is missing.
    ///
    /// # Errors
    /// [`TlsError`] if the clock or a name forbids it.
    pub fn renew(&self, names: &[String], now: Timestamp) -> Result<Option<Kept>, TlsError> {
        let Some(authority) = &self.authority else {
            return Ok(None);
        };
        Ok(Some(Kept {
            authority: Arc::clone(authority),
            next: self.next.clone(),
            previous: self.previous.clone(),
            leaf: authority.issue(names, now)?,
        }))
    }
}

/// An entry with something in it.
fn text(data: &BTreeMap<String, Vec<u8>>, key: &str) -> Option<String> {
    let text = String::from_utf8_lossy(data.get(key)?).into_owned();
    (!text.trim().is_empty()).then_some(text)
}

impl Kept {
    /// The entries that hold this state; a key of [`KEYS`] that is absent here is to be absent there.
    #[must_use]
    pub fn entries(&self) -> BTreeMap<&'static str, String> {
        let mut entries = BTreeMap::from([
            (LEAF, self.leaf.cert_pem.clone()),
            (LEAF_KEY, self.leaf.key_pem.expose().to_owned()),
            (AUTHORITY, self.authority.cert_pem().to_owned()),
            (AUTHORITY_KEY, self.authority.key_pem().expose().to_owned()),
        ]);
        if let Some(next) = &self.next {
            entries.insert(NEXT, next.cert_pem().to_owned());
            entries.insert(NEXT_KEY, next.key_pem().expose().to_owned());
        }
        if !self.previous.is_empty() {
            entries.insert(
                PREVIOUS,
                self.previous
                    .iter()
                    .map(|previous| previous.pem.as_str())
                    .collect(),
            );
        }
        entries
    }
}
