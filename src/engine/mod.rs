//! The pure engine: facts and `now` in, findings out. No I/O, no async, no clock, no environment.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod assess;
pub mod backoff;
pub mod budget;
pub mod diagnose;
pub mod diagnosis;
pub mod evidence;
pub mod finding;
pub mod formulas;
pub mod job;
pub mod policy;
pub mod progress;
pub mod release;
pub mod rewrite;
pub mod root_cause;
pub mod rule;
pub mod rules;
pub mod seconds;
pub mod shell;
pub mod span;
pub mod timeline;

pub use assess::{Assessment, assess};
pub use seconds::Seconds;
pub use span::{Limit, Span};
