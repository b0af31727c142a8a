//! The loop of `hookbudget-wait`: one wait, owned by one container run, bounded by one clock.
//!
//! A static binary that stays small enough for `FROM scratch` images: one thread that waits, one that hears
//! signals, and well-kept libraries for HTTP, HTTP/2 and TLS.

mod net;
mod options;
mod pace;
mod run;
mod statuses;
mod waiter;

pub use net::Network;
pub use options::{Budget, Command, Http, LogFormat, Options, Pattern, TlsOptions, UsageError};
pub use pace::Pace;
pub use run::main;
pub use statuses::Statuses;
pub use waiter::{Answer, Clock, Notice, Outcome, Prober, wait};

pub use crate::engine::wait_target::{Server, Target};
