//! What can keep the certificates from being kept.

use crate::tls::TlsError;

/// Why the Secret or a webhook configuration could not be read or written. What is in use stays in use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeepError {
    /// The API server refused.
    #[error(
        "not allowed to {verb} {what}: grant the webhook's ServiceAccount {verb} on it by resourceNames, as the chart does"
    )]
    Forbidden {
        /// The verb of RBAC.
        verb: &'static str,
        /// The object.
        what: String,
    },
    /// The Secret is gone, and creating Secrets is nothing that a webhook is allowed.
    #[error(
        "the Secret {namespace}/{name} is missing and may not be created here: `helm upgrade` brings it back, and so does `kubectl -n {namespace} create secret generic {name}`; it is then filled again"
    )]
    SecretMissing {
        /// Where it should be.
        namespace: String,
        /// How it should be called.
        name: String,
    },
    /// The request failed otherwise.
    #[error("cannot {verb} {what}: {source}")]
    Request {
        /// The verb of RBAC.
        verb: &'static str,
        /// The object.
        what: String,
        /// What the client said.
        #[source]
        source: Box<kube::Error>,
    },
    /// A certificate could not be made.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Others write faster than this process reads, or write what cannot be used.
    #[error(
        "the Secret {0} changes with every look; another keeper, or an operator that reverts it, writes it too"
    )]
    Restless(String),
}

impl KeepError {
    pub(super) fn of(verb: &'static str, what: impl Into<String>, error: kube::Error) -> Self {
        let what = what.into();
        match &error {
            kube::Error::Api(status) if status.code == 403 => Self::Forbidden { verb, what },
            _ => Self::Request {
                verb,
                what,
                source: Box::new(error),
            },
        }
    }
}
