//! Serving certificates: made in process, loaded from files, replaced while connections are served.
//!
//! Nothing here touches the cluster. Keeping a [`Bundle`] in a Secret and writing its authority into a
//! webhook configuration is the caller's business: it reads PEM text in, writes PEM text out and calls
//! [`LiveCertificate::replace`].

mod authority;
mod bundle;
mod error;
mod files;
mod pem;
mod resolver;
mod serving;

pub use authority::{Authority, BACKDATE, CA_LIFETIME, LEAF_LIFETIME, service_names};
pub use bundle::{Bundle, KeyPem, RENEW_BEFORE, needs_renewal};
pub use error::TlsError;
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
