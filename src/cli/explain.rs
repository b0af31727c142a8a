//! `hookbudget explain`: the documentation in the terminal.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::policy;
use super::render::page;
use super::terminal::Terminal;
use crate::engine::signature::PREFIX;
use crate::engine::{causes, rules};

/// Show the page of a rule or of a root cause.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookbudget explain HB101
  hookbudget explain retries-end-before-deadline
  hookbudget explain oom_killed
  hookbudget explain custom_no_room --policy policy.yaml   a signature of the policy
  hookbudget explain                                 list all rules and causes")]
pub struct ExplainArgs {
    /// A rule's code or name, or a root cause; without it, the list.
    name: Option<String>,
    /// The policy document, for the causes that its signatures add.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When there is no such rule or cause, or the output cannot be written.
pub fn run(args: &ExplainArgs, terminal: &mut Terminal) -> anyhow::Result<ExitCode> {
    let policy = policy::read(args.policy.as_deref())?;
    let Some(name) = &args.name else {
        for rule in rules::ALL {
            terminal.line(format!("{:<6} {:<34} {}", rule.code, rule.name, rule.summary()))?;
        }
        terminal.line("")?;
        for cause in causes::registry().iter().map(|cause| cause.meta()) {
            terminal.line(format!("{:<41} {}", cause.name, cause.cause.meaning()))?;
        }
        for signature in policy.signatures.iter() {
            terminal.line(format!("{:<41} {}", signature.name.label(), signature.meaning()))?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    let cause = || {
        let mut all = causes::registry().iter().map(|cause| cause.meta());
        all.find(|cause| cause.name.eq_ignore_ascii_case(&name.replace('-', "_")))
    };
    let (title, text) = if let Some(rule) = rules::find(name) {
        (format!("{} {}", rule.code, rule.name), rule.docs.to_owned())
    } else if let Some(cause) = cause() {
        let page = cause.page();
        let text = page.split_once('\n').map_or("", |(_, text)| text.trim_start());
        (cause.name.to_owned(), text.to_owned())
    } else if let Some(signature) = policy.signatures.iter().find(|own| own.name.label() == name) {
        let page = signature.page();
        let text = page.split_once('\n').map_or("", |(_, text)| text.trim_start());
        (signature.name.label().to_owned(), text.to_owned())
    } else if name.starts_with(PREFIX) {
        anyhow::bail!("{name} is a cause of a policy: name its file with --policy");
    } else {
        anyhow::bail!("there is no rule or cause {name:?}: `hookbudget explain` lists them all");
    };
    terminal.line(page::render(&title, &text, terminal.style()))?;
    Ok(ExitCode::SUCCESS)
}
