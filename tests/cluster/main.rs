//! The product against a real Kubernetes. Runs inside the test cluster's network, with the webhook registered
//! and the exporter up: `tests/cluster/run` does all of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests
#![allow(clippy::print_stdout)] // what was measured stands in the log

mod admission;
mod alerts;
mod apply;
#[path = "../support/blocks.rs"]
mod blocks;
mod causes;
mod certs;
mod diagnoses;
mod dumps;
mod faults;
mod incidents;
mod install;
mod kit;
mod ladder;
mod objects;
mod outage;
#[path = "../incidents/mod.rs"]
mod played;
mod policy;
mod process;
mod scale;
mod scenarios;
mod signatures;
mod trim;
