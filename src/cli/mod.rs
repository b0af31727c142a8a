//! The command line: arguments, one file per command, rendering.

#[cfg(feature = "server")]
mod announce;
pub mod args;
#[cfg(feature = "server")]
pub mod certs;
mod chart;
#[cfg(feature = "server")]
pub mod check;
#[cfg(feature = "server")]
pub mod cleanup;
mod completions;
#[cfg(feature = "server")]
pub mod demo;
#[cfg(feature = "server")]
pub mod diagnose;
mod duration;
pub mod explain;
#[cfg(feature = "server")]
mod exported;
#[cfg(feature = "server")]
pub mod exporter;
pub mod fix;
pub mod lint;
#[cfg(feature = "server")]
mod logging;
pub mod manifest;
pub mod objects;
mod parallel;
#[cfg(feature = "server")]
mod place;
pub mod policy;
#[cfg(feature = "server")]
mod policy_in_force;
#[cfg(feature = "server")]
mod process_metrics;
mod progress;
pub mod render;
mod select;
#[cfg(feature = "server")]
mod serving;
pub mod simulate;
pub mod terminal;
#[cfg(feature = "server")]
pub mod webhook;

use std::io;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

use args::{Cli, Command};
use terminal::Terminal;

/// Parses the arguments and runs the command.
#[must_use]
pub fn main() -> ExitCode {
    let cli = parse();
    let mut terminal = Terminal::stdout(cli.color);
    let result = dispatch(cli, &mut terminal);
    let result = result.and_then(|code| Ok(terminal.flush().map(|()| code)?));
    result.unwrap_or_else(|error| {
        if error
            .downcast_ref::<io::Error>()
            .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
        {
            // The reader has seen enough, as in `hookbudget lint . | head`.
            return ExitCode::SUCCESS;
        }
        anstream::eprintln!("error: {}", in_one_line(&error));
        ExitCode::from(2)
    })
}

/// An error with its causes. Some say their causes themselves: what was said is not repeated.
fn in_one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if line.is_empty() {
            line = cause;
        } else if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line
}

/// The arguments. Linked as `kubectl-hookbudget` in the `PATH`, the program is a plugin of kubectl, and says so in
/// its help (kubernetes `kubectl/pkg/cmd/plugin`: a `-` in the file's name is a space in the command).
fn parse() -> Cli {
    let program = std::env::args_os().next().unwrap_or_default();
    let name = std::path::Path::new(&program).file_stem();
    let command = match name.and_then(|name| name.to_str()) {
        Some("kubectl-hookbudget" | "kubectl_hookbudget") => Cli::command().bin_name("kubectl hookbudget"),
        _ => Cli::command(),
    };
    Cli::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
}

fn dispatch(cli: Cli, terminal: &mut Terminal) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Lint(args) => lint::run(&args, cli.color, terminal),
        Command::Simulate(args) => simulate::run(&args, terminal),
        Command::Policy(args) => policy::run(&args, terminal),
        Command::Explain(args) => explain::run(&args, terminal),
        Command::Completions(args) => completions::completions(&args, Cli::command()),
        Command::Man(args) => completions::man(&args, Cli::command()),
        #[cfg(feature = "server")]
        Command::Exporter(args) => serve(async { exporter::run(args).await.map(|()| ExitCode::SUCCESS) }),
        #[cfg(feature = "server")]
        Command::Webhook(args) => serve(async { webhook::run(args).await.map(|()| ExitCode::SUCCESS) }),
        #[cfg(feature = "server")]
        Command::Check(args) => serve(check::run(args, terminal)),
        #[cfg(feature = "server")]
        Command::Certs(args) => serve(certs::run(args, terminal)),
        #[cfg(feature = "server")]
        Command::Cleanup(args) => serve(cleanup::run(args, terminal)),
        #[cfg(feature = "server")]
        Command::Diagnose(args) => serve(diagnose::run(args, cli.color, terminal)),
        #[cfg(feature = "server")]
        Command::Demo(args) => serve(demo::run(args, terminal)),
    }
}

/// Runs a server to its end. One thread serves: its tails are better than those of two on a small node, and a
/// review takes microseconds.
#[cfg(feature = "server")]
fn serve(server: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(server)
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_error_says_each_cause_once() {
        let file = anyhow::anyhow!("no such file");
        let error = file
            .context("cannot read it: no such file")
            .context("no cluster: set KUBECONFIG");
        assert_eq!(
            super::in_one_line(&error),
            "no cluster: set KUBECONFIG: cannot read it: no such file"
        );
    }
}
