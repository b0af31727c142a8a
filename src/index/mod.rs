//! The cluster's state in memory: the only place that opens watches.

pub mod namespaces;
pub mod releases;
