//! The fuzz targets, and a driver for them that needs no instrumentation.

pub mod driver;
mod admission;
mod mutate;
pub mod targets;
