//! The command line: arguments, one file per command, rendering.

pub mod manifest;
