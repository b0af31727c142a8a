//! What the servers write into the cluster: Events on the objects they act on, and what outlives the Job and the
//! exporter, a `JobDiagnosis` per Job in trouble.
//!
//! The index says what changed, [`Reports`] writes it down and reads it back at the start. The API server is the
//! only store. Where the kind or a permission is missing, everything else goes on, and the metrics say so.

pub mod crd;
pub mod events;
mod lease;
mod object;
mod store;
mod writer;

pub use lease::Lease;
pub use object::{MOST_BYTES, object};
pub use store::{Store, captured};
pub use writer::{ReportSettings, Reports};

/// The API group of the kind.
pub const GROUP: &str = "hookbudget.dev";
/// Its version.
pub const VERSION: &str = "v1alpha1";
/// The kind.
pub const KIND: &str = "JobDiagnosis";
/// Its name in URLs.
pub const PLURAL: &str = "jobdiagnoses";
