//! The pure engine: facts and `now` in, findings out. No I/O, no async, no clock, no environment.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod annotations;
pub mod assess;
pub mod backoff;
pub mod budget;
pub mod capacity;
pub mod case;
pub mod cause;
pub mod causes;
pub mod chain;
pub mod cold_start;
pub mod culprit;
pub mod diagnose;
pub mod diagnosis;
pub mod downloads;
pub mod evidence;
pub mod exemption;
pub mod failure_policy;
pub mod family;
pub mod finding;
pub mod formulas;
pub mod inventory;
pub mod job;
pub mod judge;
pub mod missed_run;
pub mod nearest;
pub mod phase;
pub mod policy;
pub mod progress;
pub mod quantity;
pub mod redact;
pub mod release;
pub mod repair;
pub mod retry;
pub mod rewrite;
pub mod root_cause;
pub mod rule;
pub mod rules;
pub mod schedule;
pub mod seconds;
pub mod shell;
pub mod signatures;
pub mod span;
pub mod survival;
pub mod sweep;
#[cfg(test)]
pub(crate) mod testkit;
pub mod timeline;
pub mod told;
pub mod window;
pub mod words;

pub use assess::{Assessment, assess};
pub use seconds::Seconds;
pub use span::{Limit, Span};
