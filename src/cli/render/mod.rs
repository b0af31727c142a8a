//! What commands print.
pub mod finding;
