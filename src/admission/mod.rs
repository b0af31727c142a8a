//! Admission: HTTP in, `AdmissionResponse` out.
//!
//! [`review`] is the handling of reviews alone, for whoever wants to take it elsewhere. Here it is asked what a review
//! means: scope, mode, facts, rules, rewrite, answer.
//!
//! Nothing on this path waits for anything but the request's own body: policy, namespaces and releases are
//! snapshots that others keep up to date.

mod bounded;
mod decide;
mod http;
mod message;
mod metrics;
mod observer;
pub mod review;
mod scope;
mod surroundings;
mod unjudged;
mod update;

pub use decide::{Admission, Webhook};
pub use http::{Ready, router};
pub use metrics::Metrics;
pub use observer::{Observer, Outcome, Silent, Skipped};
pub use surroundings::Surroundings;
