//! PEM text to the types of rustls, with errors that say what was found instead.

use base64::Engine as _;
use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::TlsError;

/// Every certificate of `pem`, in order; at least one.
pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::Pem(error.to_string()))?;
    if certificates.is_empty() {
        Err(TlsError::NoCertificate { found: labels(pem) })
    } else {
        Ok(certificates)
    }
}

/// The first private key of `pem`.
pub(super) fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    use rustls::pki_types::pem::Error;
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        Error::NoItemsFound => TlsError::NoKey { found: labels(pem) },
        // The parser's other errors may quote the line that they stumble over, and that is key material.
        _ => TlsError::Pem("the block of the private key is not complete or not Base64".to_owned()),
    })
}

/// The end of validity of one certificate.
pub(super) fn not_after(certificate: &CertificateDer<'_>) -> Result<Timestamp, TlsError> {
    let parsed = parse(certificate)?;
    Timestamp::from_second(parsed.validity().not_after.timestamp())
        .map_err(|error| TlsError::NotX509(error.to_string()))
}

/// The fields of one certificate.
pub(super) fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, TlsError> {
    let (_, parsed) =
        X509Certificate::from_der(certificate).map_err(|error| TlsError::NotX509(error.to_string()))?;
    Ok(parsed)
}

/// One certificate as PEM text: lines of 64 characters (RFC 7468), each ended by a line feed, as rcgen writes it.
pub(super) fn encode(certificate: &CertificateDer<'_>) -> String {
    let encoded = base64::engine::general_purpose::STANDARD.encode(certificate);
    let mut text = String::with_capacity(encoded.len() + encoded.len() / 64 + 64);
    text.push_str("-----BEGIN CERTIFICATE-----\n");
    for line in encoded.as_bytes().chunks(64) {
        text.extend(line.iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

/// What the text holds, for a reader who gave the wrong file: the labels of its PEM blocks.
fn labels(pem: &[u8]) -> String {
    let text = String::from_utf8_lossy(pem);
    let labels: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("-----BEGIN ")?.strip_suffix("-----"))
        .take(8)
        .collect();
    match (labels.is_empty(), pem.is_empty()) {
        (_, true) => "it is empty".to_owned(),
        (true, _) => "it holds no PEM block at all".to_owned(),
        _ => format!("it holds {}", labels.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wrong_content_is_named() {
        for (text, found) in [
            ("", "it is empty"),
            ("apiVersion: v1\n", "it holds no PEM block at all"),
            (
                "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                "it holds PRIVATE KEY",
            ),
        ] {
            let error = certificates(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(found), "{error}");
        }
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let error = private_key(encrypted.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("it holds ENCRYPTED PRIVATE KEY"), "{error}");
        assert!(error.contains("unencrypted"), "{error}");
    }

    #[test]
    fn a_damaged_key_is_not_quoted() {
        let text = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0!!!c2VjcmV0\n-----END PRIVATE KEY-----\n";
        let error = private_key(text.as_bytes()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("c2VjcmV0"), "{error:?}");
        let cut = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0";
        let error = private_key(cut.as_bytes()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("c2VjcmV0"), "{error:?}");
    }

    #[test]
    fn a_block_that_is_no_certificate_is_said_to_be_none() {
        let text = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let parsed = certificates(text.as_bytes()).unwrap();
        assert!(matches!(not_after(&parsed[0]), Err(TlsError::NotX509(_))));
    }
}
