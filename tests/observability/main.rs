//! Dashboards, rules and routes on a live Prometheus and Alertmanager: `tests/observability/run`.
//!
//! The exporter is the product's own, fed with what a cluster says; the webhook is the real binary. Minutes of the rules
//! are seconds here.
#![cfg(feature = "server")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr
)] // helpers of tests

mod bad_input;
#[path = "../browser/chromium.rs"]
#[allow(dead_code)] // it does more for the status page
mod chromium;
mod cluster;
mod cost;
mod expected;
mod history;
mod http;
mod live;
mod pictures;
#[path = "../support/playback.rs"]
mod playback;
mod programs;
mod receiver;
mod stack;
mod table;
mod world;
