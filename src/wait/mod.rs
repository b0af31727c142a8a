//! The loop of `hookbudget-wait`: one wait, owned by one container run, bounded by one clock.
//!
//! Std and a signal handler only, so that a static binary stays small enough for `FROM scratch` images.

mod net;
mod options;
mod run;
mod statuses;
mod target;
mod waiter;

pub use net::Network;
pub use options::{Budget, Command, Http, Options, UsageError};
pub use run::main;
pub use statuses::Statuses;
pub use target::Target;
pub use waiter::{Answer, Clock, Outcome, Prober, wait};
