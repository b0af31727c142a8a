//! `hookbudget policy`: the policy file checked, shown, and its schema.

mod check;
#[cfg(feature = "server")]
pub mod live;
mod own;
mod page;
mod read;
mod schema;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

pub use page::{commented, page};
#[cfg(feature = "server")]
pub use read::read_text;
pub use read::{Refusal, read};
pub use schema::schema;

use super::render::paint::{RED, paint};
use super::terminal::Terminal;

/// Check a policy file, show the policy in force, print its JSON Schema.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookbudget policy show > policy.yaml   a file to start from
  hookbudget policy check policy.yaml    every mistake, with its line
  hookbudget policy schema               for editors and CI

Exit status: 0 done and clean, 1 the file has mistakes, 2 it could not be read.")]
pub struct PolicyArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Name every unknown key and wrong value in a file, and what to write instead.
    Check {
        /// The policy file.
        file: PathBuf,
    },
    /// Print the policy in force, each key with what it means; without a file the defaults.
    Show {
        /// The policy file.
        file: Option<PathBuf>,
    },
    /// Print the JSON Schema of the policy file.
    Schema,
}

/// Runs the command.
///
/// # Errors
/// When the file cannot be read or the output cannot be written.
pub fn run(args: &PolicyArgs, terminal: &mut Terminal) -> anyhow::Result<ExitCode> {
    match &args.action {
        Action::Check { file } => check_file(file, terminal),
        Action::Show { file } => {
            let text = commented(&read(file.as_deref())?)?;
            terminal.line(text.trim_end())?;
            Ok(ExitCode::SUCCESS)
        }
        Action::Schema => {
            terminal.json(&schema())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn check_file(file: &std::path::Path, terminal: &mut Terminal) -> anyhow::Result<ExitCode> {
    match read(Some(file)) {
        Ok(_) => {
            terminal.line(format!("{}: a valid policy", file.display()))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(Refusal::Wrong(errors)) => {
            for error in errors {
                terminal.line(format!("{} {error}", paint("error:", RED, terminal.style())))?;
            }
            Ok(ExitCode::from(1))
        }
        Err(refusal) => Err(refusal.into()),
    }
}
