//! Serving certificates: made in process, loaded from files, replaced while connections are served.
//!
//! Nothing here touches the cluster. [`kept`] says what is to be done with the state in a Secret; reading and
//! writing it, and telling the webhook configurations, is the caller's business ([`crate::certs`]).

mod authority;
mod bundle;
mod client_auth;
mod error;
mod facts;
mod files;
pub mod kept;
mod pem;
mod resolver;
mod serving;

pub use authority::{Authority, BACKDATE, CA_LIFETIME, LEAF_LIFETIME, service_names};
pub use bundle::{Bundle, KeyPem, RENEW_BEFORE, needs_renewal};
pub use client_auth::ClientAuth;
pub use error::TlsError;
pub use facts::{CertificateFacts, accepts};
pub use files::{CertificateFiles, FileError, Reload, Reloader};
pub use resolver::{LiveCertificate, server_config};
pub use serving::ServingCertificate;

pub(crate) use pem::certificates;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// Makes ring the process-wide crypto provider of rustls.
///
/// To be called once at the start, before any client or server that relies on the process default is
/// built: without a default, rustls panics in whichever of them comes first. Later calls change nothing.
pub fn install_provider() {
    if CryptoProvider::get_default().is_none() {
        // Losing the race to another thread leaves a provider installed, which is all that is wanted.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// The provider that every configuration made here names explicitly, so that none depends on the order of
/// initialisation.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    install_provider();
    CryptoProvider::get_default()
        .map_or_else(|| Arc::new(rustls::crypto::ring::default_provider()), Arc::clone)
}
