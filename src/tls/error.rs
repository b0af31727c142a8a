//! What can be wrong with a certificate or a key.

/// Why a certificate or key could not be made, read or used. No message holds key material.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A serving certificate was asked for without a single name.
    #[error("a serving certificate needs at least one DNS name or IP address; name the Service or the host")]
    NoNames,
    /// A name is neither a DNS name nor an IP address.
    #[error("`{name}` cannot be put into a certificate: write a DNS name or an IP address")]
    InvalidName {
        /// The name as given.
        name: String,
    },
    /// The clock stands outside the dates that a certificate can state.
    #[error("the clock says {now}, which no certificate can be made for; set the machine's clock")]
    Clock {
        /// The moment that was given.
        now: jiff::Timestamp,
    },
    /// Making a key or signing a certificate failed.
    #[error("a certificate could not be made: {0}")]
    Generate(#[source] rcgen::Error),
    /// Text that should hold certificates holds none.
    #[error("no CERTIFICATE block found ({found}); give the certificate in PEM form")]
    NoCertificate {
        /// The PEM blocks that are there instead.
        found: String,
    },
    /// Text that should hold a private key holds none.
    #[error("no private key found ({found}); give an unencrypted PEM key (PKCS#8, SEC1 or PKCS#1)")]
    NoKey {
        /// The PEM blocks that are there instead.
        found: String,
    },
    /// A PEM block is damaged.
    #[error("damaged PEM: {0}")]
    Pem(String),
    /// A block says CERTIFICATE, but what is in it is not one.
    #[error("not an X.509 certificate: {0}")]
    NotX509(String),
    /// The key is of a kind that cannot sign here.
    #[error(
        "the private key cannot be used ({0}); use ECDSA P-256 or P-384, Ed25519 or RSA of 2048 bits and more"
    )]
    UnsupportedKey(String),
    /// The key belongs to another certificate.
    #[error(
        "the private key does not belong to the certificate: their public keys differ; give the key that the certificate was made for"
    )]
    KeyMismatch,
    /// The certificate is not allowed to sign others.
    #[error("the certificate is not a certificate authority (basic constraints say CA:FALSE or are absent)")]
    NotAnAuthority,
    /// A client would not accept the certificate.
    #[error("a client would refuse the certificate: {0}")]
    Untrusted(String),
    /// rustls refused the configuration.
    #[error("TLS cannot be configured: {0}")]
    Config(#[source] rustls::Error),
}
