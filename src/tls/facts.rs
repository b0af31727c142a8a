//! What a certificate says of itself, and whether a client would accept it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::prelude::{GeneralName, X509Certificate};

use super::{TlsError, pem};

/// The fields of one certificate that matter here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The common name of its subject; empty where it has none.
    pub common_name: String,
    /// The DNS names and IP addresses that it is for, as text.
    pub names: Vec<String>,
    /// The begin of its validity.
    pub not_before: Timestamp,
    /// The end of its validity.
    pub not_after: Timestamp,
    /// Whether it may sign others.
    pub is_authority: bool,
    /// The certificate alone, PEM.
    pub pem: String,
}

impl CertificateFacts {
    /// Every certificate of a PEM text, in order; at least one.
    ///
    /// # Errors
    /// [`TlsError`] naming what is missing or damaged.
    pub fn read(text: &str) -> Result<Vec<Self>, TlsError> {
        pem::certificates(text.as_bytes())?.iter().map(Self::of).collect()
    }

    fn of(certificate: &CertificateDer<'_>) -> Result<Self, TlsError> {
        let parsed = pem::parse(certificate)?;
        let validity = parsed.validity();
        let at =
            |seconds| Timestamp::from_second(seconds).map_err(|error| TlsError::NotX509(error.to_string()));
        Ok(Self {
            common_name: common_name(&parsed),
            names: names(&parsed),
            not_before: at(validity.not_before.timestamp())?,
            not_after: at(validity.not_after.timestamp())?,
            is_authority: parsed.is_ca(),
            pem: pem::encode(certificate),
        })
    }
}

/// The common name of the subject.
pub(super) fn common_name(certificate: &X509Certificate<'_>) -> String {
    let mut names = certificate.subject().iter_common_name();
    let first = names.next().and_then(|name| name.as_str().ok());
    first.unwrap_or_default().to_owned()
}

/// The subject alternative names that a client compares: DNS names and addresses.
pub(super) fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let extension = certificate.subject_alternative_name().ok().flatten();
    let names = extension.map_or(&[][..], |extension| &extension.value.general_names);
    names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(octets) => match *octets {
                [a, b, c, d] => Some(IpAddr::from([*a, *b, *c, *d]).to_string()),
                octets => <[u8; 16]>::try_from(octets)
                    .ok()
                    .map(|octets| IpAddr::from(octets).to_string()),
            },
            _ => None,
        })
        .collect()
}

/// Whether a client that trusts the authorities of `ca_pem` accepts the chain `cert_pem` (leaf first) from a
/// server that it calls by `name`, at the moment `at`. The judgement is rustls' own, not the API server's, but
/// both follow RFC 5280 and compare the subject alternative names alone.
///
/// # Errors
/// [`TlsError::Untrusted`] with the reason; another one if a text cannot be read.
pub fn accepts(ca_pem: &str, cert_pem: &str, name: &str, at: Timestamp) -> Result<(), TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(pem::certificates(ca_pem.as_bytes())?);
    let chain = pem::certificates(cert_pem.as_bytes())?;
    let (leaf, intermediates) = chain
        .split_first()
        .ok_or(TlsError::NoCertificate { found: String::new() })?;
    let untrusted = |error: &dyn std::fmt::Display| TlsError::Untrusted(error.to_string());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), super::provider())
        .build()
        .map_err(|error| untrusted(&error))?;
    let server = ServerName::try_from(name).map_err(|_| TlsError::InvalidName {
        name: name.to_owned(),
    })?;
    let seconds = u64::try_from(at.as_second()).map_err(|_| TlsError::Clock { now: at })?;
    let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    verifier
        .verify_server_cert(leaf, intermediates, &server, &[], at)
        .map(|_| ())
        .map_err(|error| untrusted(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::Authority;

    fn now() -> Timestamp {
        "2026-11-21T10:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_certificate_is_described() {
        let authority = Authority::generate("hookbudget", now()).unwrap();
        let bundle = authority
            .issue(&["hookbudget.hb-system.svc", "10.0.0.1", "fd00::1"], now())
            .unwrap();
        let leaf = &CertificateFacts::read(&bundle.cert_pem).unwrap()[0];
        assert_eq!(leaf.names, ["hookbudget.hb-system.svc", "10.0.0.1", "fd00::1"]);
        assert_eq!(leaf.common_name, "hookbudget.hb-system.svc");
        assert!(!leaf.is_authority);
        assert_eq!(leaf.not_after, bundle.not_after);
        let both = format!("{}{}", bundle.ca_pem, bundle.cert_pem);
        let both = CertificateFacts::read(&both).unwrap();
        assert!(both[0].is_authority);
        assert_eq!(both[0].common_name, "hookbudget CA 2026-11-21T10:00:00Z");
        assert_eq!(
            both[0].pem, bundle.ca_pem,
            "one certificate reads back as it was written"
        );
    }

    #[test]
    fn a_client_accepts_what_its_authority_signed_for_the_name_in_time() {
        let authority = Authority::generate("hookbudget", now()).unwrap();
        let other = Authority::generate("hookbudget", now()).unwrap();
        let bundle = authority.issue(&["a.b.svc"], now()).unwrap();
        let both = format!("{}{}", other.cert_pem(), authority.cert_pem());
        accepts(&both, &bundle.cert_pem, "a.b.svc", now()).unwrap();
        let late = "2027-11-22T10:00:00Z".parse().unwrap();
        for (ca, name, at, words) in [
            (other.cert_pem(), "a.b.svc", now(), "BadSignature"),
            (authority.cert_pem(), "a.c.svc", now(), "a.c.svc"),
            (authority.cert_pem(), "a.b.svc", late, "expired"),
        ] {
            let error = accepts(ca, &bundle.cert_pem, name, at).unwrap_err().to_string();
            assert!(error.contains(words), "{words}: {error}");
        }
    }
}
