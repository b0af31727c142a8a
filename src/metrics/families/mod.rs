//! The tables.

mod job;
mod own;
mod owner;
mod process;
mod root_cause;

use super::family::Family;

/// Every family that the exporter has, in the order of the exposition.
pub static FAMILIES: std::sync::LazyLock<Vec<Family>> = std::sync::LazyLock::new(|| {
    [
        job::FAMILIES,
        root_cause::FAMILIES,
        owner::FAMILIES,
        own::FAMILIES,
        process::FAMILIES,
    ]
    .concat()
});
