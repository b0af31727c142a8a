//! Reading the waits out of a container's script: what it waits for, how long, and how that ends.
//!
//! What cannot be read is said ([`Reading::unread`]), never guessed.

pub mod reading;
mod syntax;

pub use reading::{EnvValue, Place, Probe, Reading, Target, Unread, Wait};
