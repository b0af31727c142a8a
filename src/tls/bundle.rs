//! What a server needs to serve and a client needs to trust it, as text.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::{TlsError, pem};

/// How long before its end a certificate is replaced: 90 days, `lookaheadInterval` of cert-controller
/// (`pkg/rotator/rotator.go`).
pub const RENEW_BEFORE: SignedDuration = SignedDuration::from_hours(90 * 24);

/// A private key in PEM form. Its `Debug` shows nothing of it and it has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyPem(String);

impl KeyPem {
    /// Wraps the PEM text of a private key.
    pub fn new(pem: impl Into<String>) -> Self {
        Self(pem.into())
    }

    /// The text itself, for the one place that stores or uses it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KeyPem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPem(elided)")
    }
}

/// A serving certificate with its key and the authorities that vouch for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// One or more authorities, PEM: what a client trusts (`caBundle`). During a change of authority the new
    /// one and the old one stand here together.
    pub ca_pem: String,
    /// The serving certificate, PEM, leaf first.
    pub cert_pem: String,
    /// The key of the serving certificate.
    pub key_pem: KeyPem,
    /// The end of validity of the serving certificate.
    pub not_after: Timestamp,
}

impl Bundle {
    /// A bundle from stored text, checked: the parts parse and the key belongs to the certificate.
    ///
    /// # Errors
    /// [`TlsError`] naming the part that is missing, damaged or does not fit.
    pub fn from_pem(ca_pem: String, cert_pem: String, key_pem: KeyPem) -> Result<Self, TlsError> {
        for authority in pem::certificates(ca_pem.as_bytes())? {
            pem::parse(&authority)?;
        }
        let serving = super::ServingCertificate::from_pem(cert_pem.as_bytes(), key_pem.expose().as_bytes())?;
        Ok(Self {
            not_after: serving.not_after(),
            ca_pem,
            cert_pem,
            key_pem,
        })
    }
}

/// Whether the serving certificate is to be replaced now: [`RENEW_BEFORE`] or less is left of it.
#[must_use]
pub fn needs_renewal(now: Timestamp, bundle: &Bundle) -> bool {
    bundle.not_after.duration_since(now) <= RENEW_BEFORE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending(not_after: &str) -> Bundle {
        Bundle {
            ca_pem: String::new(),
            cert_pem: String::new(),
            key_pem: KeyPem::new("-----BEGIN PRIVATE KEY-----"),
            not_after: not_after.parse().unwrap(),
        }
    }

    #[test]
    fn renewal_is_due_from_ninety_days_before_the_end() {
        let bundle = ending("2027-06-30T12:00:00Z");
        for (now, due) in [
            ("2026-06-30T12:00:00Z", false),
            ("2027-04-01T11:59:59Z", false),
            ("2027-04-01T12:00:00Z", true),
            ("2027-04-01T12:00:01Z", true),
            ("2027-06-30T11:59:59Z", true),
            ("2027-06-30T12:00:00Z", true),
            ("2031-01-01T00:00:00Z", true),
        ] {
            assert_eq!(needs_renewal(now.parse().unwrap(), &bundle), due, "at {now}");
        }
    }

    #[test]
    fn debug_output_holds_no_key() {
        let shown = format!("{:?}", ending("2027-06-30T12:00:00Z"));
        assert!(!shown.contains("PRIVATE"), "{shown}");
        assert!(shown.contains("elided"), "{shown}");
    }
}
