//! Keeps Kubernetes hook Jobs alive through slow cold starts, and says why when they die.
pub mod engine;
#[cfg(feature = "wait")]
pub mod wait;
