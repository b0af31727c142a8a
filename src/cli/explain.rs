//! `hookbudget explain`: the documentation in the terminal.

use std::process::ExitCode;

use clap::Args;

use super::render::page;
use super::terminal::Terminal;
use crate::engine::{causes, rules};

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
        for cause in causes::registry() {
            let meta = cause.meta();
            terminal.line(format!("{:<41} {}", meta.name, meta.cause.meaning()))?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    if let Some(rule) = rules::find(name) {
        let title = format!("{} {}", rule.code, rule.name);
        terminal.line(page::render(&title, rule.docs, terminal.style()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let cause = causes::registry()
        .iter()
        .find(|cause| cause.meta().name.eq_ignore_ascii_case(name));
    let Some(cause) = cause else {
        anyhow::bail!("there is no rule or root cause {name:?}: `hookbudget explain` lists them all");
    };
    let page = cause.meta().page();
    let (title, body) = page.split_once('\n').unwrap_or((&page, ""));
    terminal.line(page::render(
        title.trim_start_matches("# "),
        body.trim_start(),
        terminal.style(),
    ))?;
    Ok(ExitCode::SUCCESS)
}
