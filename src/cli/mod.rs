//! The command line: arguments, one file per command, rendering.

#[cfg(feature = "server")]
pub mod logging;
pub mod manifest;
#[cfg(feature = "server")]
pub mod webhook;
