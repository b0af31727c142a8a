//! Shapes of the cluster's objects and their way into the engine's facts; no client.
//!
//! The same shapes serve a review's body, a list page of a watch and a manifest file: text is borrowed where
//! the input allows it, unknown fields are skipped, `null` means unset as it does for the API server.

pub mod application;
pub mod autoscaler;
pub mod cluster;
mod custom_resource;
pub mod dependency;
pub mod event;
pub mod flux;
pub mod helm_release;
pub mod job;
pub mod job_record;
pub mod job_status;
pub mod json;
pub mod kustomization;
pub mod meta;
pub mod namespace;
pub mod neighbour;
pub mod patch;
pub mod pod;
#[cfg(any(feature = "cli", feature = "server"))]
pub mod signature;
pub mod text;

pub use job::{JobObject, Problem};
