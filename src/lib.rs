//! Keeps Kubernetes hook Jobs alive through slow cold starts, and says why when they die.
pub mod engine;
pub mod k8s;
