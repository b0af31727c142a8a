//! The authority and the serving certificate as one stored state, and how it changes: made, renewed, replaced
//! with an overlap. Pure: the entries and `now` go in, a step and the new entries come out.
//!
//! A new authority takes three steps, so that no client ever meets a certificate that it does not trust yet:
//! the next one is **introduced** beside the present one, and clients are told to trust both; once they have
//! been told, it is **promoted** and signs the serving certificate; when every server has that, the previous
//! one is **forgotten**.

mod entries;
mod step;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

pub use entries::{Found, KEYS};
pub use step::{Step, Why, due};

use super::{Authority, Bundle, CertificateFacts, TlsError};

/// How long the previous authority stays trusted after the next one has signed: a day, in which every server
/// looks at the stored state many times over.
pub const OVERLAP: SignedDuration = SignedDuration::from_hours(24);
/// Authorities that a state made anew takes over from what clients trusted before.
const MOST_INHERITED: usize = 4;

/// A whole stored state.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The authority that signs.
    pub authority: Arc<Authority>,
    /// The one that will sign, while clients learn to trust it.
    pub next: Option<Arc<Authority>>,
    /// Authorities that signed before, PEM, trusted until every server has the new certificate.
    pub previous: Vec<CertificateFacts>,
    /// The serving certificate. Its `ca_pem` is the present authority alone.
    pub leaf: Bundle,
}

impl Kept {
    /// A state of its own beginnings. `inherited` is what clients trust now: servers that still have a
    /// certificate of such an authority stay trusted for the overlap.
    ///
    /// # Errors
    /// [`TlsError`] if the clock or a name forbids a certificate.
    pub fn create(
        name: &str,
        names: &[String],
        inherited: &[CertificateFacts],
        now: Timestamp,
    ) -> Result<Self, TlsError> {
        let authority = Authority::generate(name, now)?;
        let leaf = authority.issue(names, now)?;
        let mut previous: Vec<CertificateFacts> = Vec::new();
        for old in inherited
            .iter()
            .filter(|old| old.is_authority && old.not_after > now)
        {
            if previous.len() < MOST_INHERITED && !previous.contains(old) {
                previous.push(old.clone());
            }
        }
        Ok(Self {
            authority: Arc::new(authority),
            next: None,
            previous,
            leaf,
        })
    }

    /// Everything that clients are to trust, PEM: the present authority, the next one, the previous ones.
    #[must_use]
    pub fn trusted(&self) -> String {
        let mut text = self.authority.cert_pem().to_owned();
        text.push_str(self.next.as_ref().map_or("", |next| next.cert_pem()));
        for previous in &self.previous {
            text.push_str(&previous.pem);
        }
        text
    }

    /// A new serving certificate from the same authority.
    ///
    /// # Errors
    /// [`TlsError`] if the clock or a name forbids it.
    pub fn renew(&self, names: &[String], now: Timestamp) -> Result<Self, TlsError> {
        Ok(Self {
            leaf: self.authority.issue(names, now)?,
            ..self.clone()
        })
    }

    /// The next authority beside the present one; one that is there already stays.
    ///
    /// # Errors
    /// [`TlsError::Clock`].
    pub fn introduce(&self, name: &str, now: Timestamp) -> Result<Self, TlsError> {
        let next = match &self.next {
            Some(next) => Arc::clone(next),
            None => Arc::new(Authority::generate(name, now)?),
        };
        Ok(Self {
            next: Some(next),
            ..self.clone()
        })
    }

    /// The next authority signs from now on; the present one becomes a previous one.
    ///
    /// # Errors
    /// [`TlsError`] if the clock or a name forbids a certificate.
    pub fn promote(&self, names: &[String], now: Timestamp) -> Result<Self, TlsError> {
        let Some(next) = &self.next else {
            return Ok(self.clone());
        };
        let mut previous = CertificateFacts::read(self.authority.cert_pem())?;
        previous.truncate(1);
        previous.extend(self.previous.iter().cloned());
        Ok(Self {
            authority: Arc::clone(next),
            next: None,
            previous,
            leaf: next.issue(names, now)?,
        })
    }

    /// The previous authorities that are no longer needed are left out.
    #[must_use]
    pub fn forget(&self, now: Timestamp) -> Self {
        let mut kept = self.clone();
        let over = step::overlap_is_over(&self.leaf, now);
        kept.previous.retain(|previous| !over && previous.not_after > now);
        kept
    }
}

#[cfg(test)]
mod tests;
