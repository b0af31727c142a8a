//! The log of the servers: text on a terminal, JSON elsewhere, always to standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// What is logged where `RUST_LOG` says nothing. A watch that breaks is told by whoever holds it, and what that means;
/// kube's own line about it comes with each attempt.
const DEFAULT: &str = "info,kube_runtime::watcher=error";

/// Starts the log. `RUST_LOG` sets the level, else [`DEFAULT`]; a second call changes nothing.
pub(super) fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = if std::io::stderr().is_terminal() {
        log.with_target(false).try_init()
    } else {
        log.json().flatten_event(true).with_current_span(false).try_init()
    };
    if let Err(error) = started {
        tracing::debug!(%error, "the log is set up already");
    }
}
