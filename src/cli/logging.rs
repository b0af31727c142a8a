//! The log of the servers: text on a terminal, JSON elsewhere, always to standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Characters of a panic's message that are logged. It may quote an object, so it is escaped as well.
const PANIC: usize = 300;

/// What is logged where `RUST_LOG` says nothing. A watch that breaks is told by whoever holds it, and what that means;
/// kube's own line about it comes with each attempt.
const DEFAULT: &str = "info,kube_runtime::watcher=error";

/// Starts the log, which panics go to as well. `RUST_LOG` sets the level, else [`DEFAULT`]; a second call changes nothing.
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
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let why: String = panic
            .payload_as_str()
            .unwrap_or("no message")
            .chars()
            .take(PANIC)
            .flat_map(char::escape_debug)
            .collect();
        tracing::error!(place, why, "panic");
    }));
}
