//! `hookbudget-wait` against the servers that hooks wait for, from Debian's packages: `PowerDNS`, `PostgreSQL`,
//! Redis, etcd, OpenSSL. `tests/setup` installs them; `cargo test --test servers` runs this.
#![cfg(feature = "wait")]
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)] // the exception for tests does not reach helpers

mod databases;
mod encrypted;
mod health;
mod kit;
mod powerdns;
mod sockets;
