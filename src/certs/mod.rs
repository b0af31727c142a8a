//! Certificates kept in the cluster: one Secret, and the `caBundle` of our two webhook configurations.
//!
//! Every replica runs a [`Keeper`] and none leads. The Secret is the only state; it is written under its
//! `resourceVersion`, so of two writers one wins and the other reads what was written. What a `caBundle` has to
//! say follows from the Secret alone, so all replicas write the same and nothing once it is right. Watches of
//! the three objects only wake the keeper, which then reads what is; it misses nothing that a watch misses.

mod cluster;
pub mod configured;
mod error;
mod keeper;
mod metrics;
mod trust;
mod wake;

pub use cluster::{Asker, Cluster, Configuration, ConfigurationKind, Emptied, Place};
pub use error::KeepError;
pub use keeper::{Done, Keeper, Look, Observer, Request};
pub use metrics::Metrics;
pub use trust::SETTLE;
