//! The pure engine: facts and `now` in, findings out. No I/O, no async, no clock, no environment.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod diagnose;
pub mod diagnosis;
pub mod evidence;
pub mod job;
pub mod progress;
pub mod root_cause;
pub mod seconds;
pub mod shell;
pub mod span;

pub use seconds::Seconds;
pub use span::{Limit, Span};
