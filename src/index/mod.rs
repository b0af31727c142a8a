//! The state of the cluster in memory, as far as Jobs go: facts and evidence, never API objects.
//!
//! [`Index`] has one writer and no I/O: changes go in, [`Action`]s come out (a log to follow, a dependency to look
//! at), a [`Snapshot`] is what scrapes and pages read. What drives it is exchangeable: [`live`] watches a
//! cluster, [`replay`] plays a recording of one.

mod change;
mod clock;
mod entry;
mod evidence;
mod found;
mod handle;
mod job_labels;
mod jobs;
mod kind;
mod labels;
mod lines;
pub mod live;
mod logs;
mod moment;
pub mod namespaces;
mod owners;
mod packed;
mod pods;
pub mod releases;
pub mod replay;
mod runs;
mod scope;
mod shard;
mod spec;
mod still;
mod store;
mod targets;
mod took;
mod view;
pub mod watch_metrics;

pub use change::{Action, Change, LogKey, LogLine, SignatureAsk};
pub use clock::Clock;
pub use found::Gist;
pub use handle::{Handle, drive};
pub use job_labels::{JobLabels, JobLabelsError};
pub use kind::{JobKey, Kind};
pub(crate) use labels::push_label_pairs;
pub use lines::Lines;
pub use owners::{OwnerKey, OwnerView, WAIT_BOUNDS, WAIT_BUCKETS};
pub use runs::{KEPT_RUNS, Run, RunOutcome, Runs};
pub use scope::Scope;
pub use shard::{Shard, ShardError};
pub use spec::SharedSpec;
pub use still::Still;
pub use store::{Index, Settings};
pub use took::{TOOK_BUCKETS, Took};
pub use view::{Budget, JobView, KindView, PolicyState, ReportState, Reported, Snapshot};

/// The reason of the Events that tell a diagnosis. They are no evidence.
pub const TOLD_REASON: &str = "Diagnosed";
