//! What the servers write into the cluster for people to find.

pub mod events;
