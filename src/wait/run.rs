//! One run of `hookbudget-wait` in the real world: signals, standard output, termination message, exec.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, ExitCode};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Instant;

use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::options::{HELP, LogFormat, Sources};
use super::waiter::{Clock, Notice, Outcome, took, wait};
use super::{Command, Network, Options};
use crate::engine::Seconds;

/// `EX_USAGE` of sysexits.h.
const WRONG_USE: u8 = 64;
/// What a shell gives for a command that is not there, and for one that cannot be run.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;
/// The kubelet keeps this much of a termination message (kubernetes/kubernetes,
/// pkg/kubelet/container `MaxContainerTerminationMessageLength`).
const TERMINATION_MESSAGE_MAX: usize = 4096;

/// The whole program: reads arguments and environment, waits, says how it ended, runs the command.
#[must_use]
pub fn main() -> ExitCode {
    let sources = Sources {
        variable: &|name| std::env::var(name).ok(),
        file: &|path| fs::read_to_string(path).map_err(|error| error.to_string()),
    };
    match Command::parse(std::env::args_os().skip(1), &sources) {
        Ok(Command::Help) => say(HELP.trim_end()),
        Ok(Command::Version) => say(concat!("hookbudget-wait ", env!("CARGO_PKG_VERSION"))),
        Ok(Command::Wait(options)) => return run(*options),
        Err(wrong) => {
            complain(&wrong.to_string());
            return ExitCode::from(WRONG_USE);
        }
    }
    ExitCode::SUCCESS
}

struct Real(Instant);

impl Clock for Real {
    fn elapsed(&self) -> Seconds {
        let nanos = i64::try_from(self.0.elapsed().as_nanos()).unwrap_or(i64::MAX);
        // Whole milliseconds: the rest is noise in a message.
        Seconds::from_nanos(nanos / 1_000_000 * 1_000_000)
    }

    fn sleep(&self, span: Seconds) {
        thread::sleep(std::time::Duration::from_nanos(span.nanos().unsigned_abs()));
    }
}

/// The wait runs in a thread of its own and signals in another: whichever reports first ends the program, so
/// that SIGTERM is obeyed at once even while a name look-up hangs. As PID 1 this handler is what makes the
/// kernel deliver SIGTERM at all.
fn run(options: Options) -> ExitCode {
    let start = Instant::now();
    let (sender, receiver) = mpsc::channel();
    let Options {
        targets,
        any,
        budget,
        http,
        tls,
        log_format,
        quiet,
        termination_log,
        then,
    } = options;
    let network = match Network::new(&targets, http, &tls) {
        Ok(network) => network,
        Err(wrong) => {
            complain(&wrong);
            return ExitCode::from(WRONG_USE);
        }
    };
    let names = targets
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    let hears = listen(sender.clone(), start, names);
    let waits = thread::Builder::new().name("wait".to_owned()).spawn(move || {
        let mut tell = |notice: &Notice<'_>| match log_format {
            _ if quiet => {}
            LogFormat::Text => say(&notice.to_string()),
            LogFormat::Json => say(&record(notice)),
        };
        let outcome = wait(&targets, any, &budget, &Real(start), &network, &mut tell);
        // Nobody listens any more when a signal was faster.
        let _ = sender.send(outcome);
    });
    if let Err(error) = hears.and(waits.map(drop)) {
        complain(&format!("cannot start to wait: {error}"));
        return ExitCode::FAILURE;
    }
    let Ok(outcome) = receiver.recv() else {
        complain("the wait ended without a result");
        return ExitCode::FAILURE;
    };
    match log_format {
        LogFormat::Text => say(outcome.message()),
        LogFormat::Json => say(&end(&outcome, Real(start).elapsed())),
    }
    leave_message(&termination_log, outcome.message());
    match then.split_first() {
        Some((program, arguments)) if matches!(outcome, Outcome::Ready(_)) => execute(program, arguments),
        _ => ExitCode::from(outcome.exit_status()),
    }
}

/// A notice as one line of JSON. `msg` is the line that would be printed otherwise.
fn record(notice: &Notice<'_>) -> String {
    let message = notice.to_string();
    let line = match notice {
        Notice::Ready { target, answer } => json!({
            "event": "target_ready", "target": target.to_string(), "answer": answer, "msg": message,
        }),
        Notice::Waiting {
            target,
            answer,
            attempt,
            attempts,
            elapsed,
            timeout,
        } => json!({
            "event": "waiting", "target": target.to_string(), "answer": answer, "attempt": attempt,
            "attempts": attempts, "elapsed_seconds": elapsed.as_f64(), "timeout_seconds": timeout.as_f64(),
            "msg": message,
        }),
    };
    line.to_string()
}

/// How the wait ended, as one line of JSON.
fn end(outcome: &Outcome, elapsed: Seconds) -> String {
    let event = match outcome {
        Outcome::Ready(_) => "ready",
        Outcome::OutOfTime(_) => "out_of_time",
        Outcome::Fatal(_) => "fatal",
        Outcome::Ended(..) => "ended",
    };
    let line = json!({
        "event": event, "exit_status": outcome.exit_status(), "elapsed_seconds": elapsed.as_f64(),
        "msg": outcome.message(),
    });
    line.to_string()
}

fn listen(sender: Sender<Outcome>, start: Instant, names: String) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for signal in signals.forever() {
                let name = if signal == SIGTERM { "SIGTERM" } else { "SIGINT" };
                let why = format!(
                    "ended by {name} after {}, still waiting for {names}",
                    took(&Real(start))
                );
                let _ = sender.send(Outcome::Ended(signal, why));
            }
        })
        .map(drop)
}

/// Replaces this process by the command, which then receives the signals and gives the exit status itself.
fn execute(program: &OsString, arguments: &[OsString]) -> ExitCode {
    let error = process::Command::new(program).args(arguments).exec();
    complain(&format!(
        "ready, but {} cannot be run: {error}",
        program.display()
    ));
    ExitCode::from(if error.kind() == ErrorKind::NotFound {
        NOT_FOUND
    } else {
        NOT_EXECUTABLE
    })
}

/// The kubelet makes the file; where there is none, nobody reads it, and none is made.
fn leave_message(path: &Path, message: &str) {
    let Ok(mut file) = OpenOptions::new().write(true).truncate(true).open(path) else {
        return;
    };
    let end = message.floor_char_boundary(TERMINATION_MESSAGE_MAX);
    // The line stands on standard output as well.
    let _ = file.write_all(message.get(..end).unwrap_or_default().as_bytes());
}

/// Standard output may be closed; that is no reason to stop waiting.
fn say(line: &str) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "hookbudget-wait: {line}");
}
