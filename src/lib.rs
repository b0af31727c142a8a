//! Keeps Kubernetes hook Jobs alive through slow cold starts, and says why when they die.

#[cfg(feature = "server")]
pub mod admission;
#[cfg(feature = "server")]
pub mod certs;
#[cfg(feature = "cli")]
pub mod cli;
pub mod engine;
#[cfg(feature = "server")]
pub mod http;
#[cfg(feature = "server")]
pub mod index;
pub mod k8s;
#[cfg(feature = "server")]
pub mod metrics;
#[cfg(feature = "server")]
pub mod report;
#[cfg(feature = "server")]
pub mod shutdown;
#[cfg(feature = "server")]
pub mod status;
#[cfg(feature = "server")]
pub mod tls;
#[cfg(feature = "wait")]
pub mod wait;
