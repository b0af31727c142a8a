//! `hookbudget explain`: the documentation in the terminal.

use std::process::ExitCode;

use clap::Args;

use super::render::page;
use super::terminal::Terminal;
use crate::engine::rules;

/// Show the page of a rule or of a root cause.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookbudget explain HB101
  hookbudget explain retries-end-before-deadline
  hookbudget explain oom_killed
  hookbudget explain                                 list all rules and causes")]
pub struct ExplainArgs {
    /// A rule's code or name, or a root cause; without it, the list.
    name: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// When there is no such rule or cause, or the output cannot be written.
pub fn run(args: &ExplainArgs, terminal: &mut Terminal) -> anyhow::Result<ExitCode> {
    let Some(name) = &args.name else {
        for rule in rules::ALL {
            terminal.line(format!("{:<6} {:<34} {}", rule.code, rule.name, rule.summary()))?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    let Some(rule) = rules::find(name) else {
        anyhow::bail!("there is no rule or cause {name:?}: `hookbudget explain` lists them all");
    };
    terminal.line(page::render(
        &format!("{} {}", rule.code, rule.name),
        rule.docs,
        terminal.style(),
    ))?;
    Ok(ExitCode::SUCCESS)
}
