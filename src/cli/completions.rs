//! `hookbudget completions` and `hookbudget man`: what shells and `man` know of the command, out of its own words.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Command};
use clap_complete::Shell;

/// Print the completions of a shell.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookbudget completions bash > /etc/bash_completion.d/hookbudget
  hookbudget completions zsh > \"${fpath[1]}/_hookbudget\"")]
pub struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

/// Print the manual page, or write the pages of all commands.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookbudget man lint | man -l -
  hookbudget man --dir /usr/local/share/man/man1")]
pub struct ManArgs {
    /// The command whose page to print; without it, that of hookbudget itself.
    #[arg(conflicts_with = "dir")]
    command: Option<String>,
    /// Write the pages of all commands into this directory.
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// Prints completions.
pub(super) fn completions(args: &CompletionsArgs, mut command: Command) -> anyhow::Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command, "hookbudget", &mut text);
    std::io::stdout().write_all(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints or writes manual pages.
pub(super) fn man(args: &ManArgs, mut command: Command) -> anyhow::Result<ExitCode> {
    // Names the pages of commands `hookbudget-lint`.
    command.build();
    if let Some(dir) = &args.dir {
        clap_mangen::generate_to(command, dir)
            .with_context(|| format!("cannot write the pages into {}", dir.display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let command = match &args.command {
        None => command,
        Some(name) => command
            .find_subcommand(name)
            .with_context(|| format!("there is no command {name:?}: `hookbudget --help` lists them all"))?
            .clone(),
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render(&mut text)?;
    std::io::stdout().write_all(&text)?;
    Ok(ExitCode::SUCCESS)
}
