//! Reading the waits out of a container's script: what it waits for, how long, and how that ends.
//!
//! What cannot be read is said ([`Reading::unread`]), never guessed.

pub mod reading;

pub use reading::{EnvValue, Place, Probe, Reading, Target, Unread, Wait};

use super::job::Container;

/// Reads the waits of a container.
#[must_use]
pub fn read_container(_container: &Container<'_>) -> Reading {
    Reading::default()
}
