//! Reading the waits out of a container's script: what it waits for, how long, and how that ends.
//!
//! [`read_container`] finds the script in `command` and `args`, parses it and runs it on a virtual clock in a
//! world where the dependency never comes up. What cannot be read is said ([`Reading::unread`]), never
//! guessed.

mod arith;
mod arithmetic_text;
mod duration;
mod entry;
mod environment;
mod files;
mod images;
mod interp;
pub mod reading;
mod readings;
mod syntax;
mod text;
mod tools;
mod value;

pub use entry::{read, read_container};
pub use files::{Files, ScriptFile};
pub use reading::{EnvValue, Failure, Install, Place, Probe, ReadConfidence, Reading, Target, Unread, Wait};
pub use readings::Readings;
