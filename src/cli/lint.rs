//! `hookbudget lint`: findings for manifests.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::args::duration;
use super::objects::{self, Options};
use super::policy;
use super::render::{json, lint_text};
use super::select::{self, Selector};
use super::terminal::Terminal;
use crate::engine::Seconds;
use crate::engine::finding::Severity;

/// Find hook Jobs whose clocks do not fit into each other, in manifests.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  helm template . | hookbudget lint -              what a chart renders
  hookbudget lint hooks/ release.yaml              the HelmRelease's timeout
  hookbudget lint job.yaml --release-timeout 15m   the timeout by a flag
  hookbudget lint --select HB1,HB201 hooks/        some rules only
  hookbudget lint --format json hooks/ | jq '.objects[].clocks'

Exit status: 0 clean, 1 findings at or above --fail-on, 2 an input could not
be read.")]
pub struct LintArgs {
    /// Files, directories (walked for .yaml, .yml and .json), or - for standard input.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// How to print the findings.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The release's timeout where no HelmRelease among the inputs states it (Go duration).
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    release_timeout: Option<Seconds>,
    /// Policy file: margins and rule levels.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Run only these rules: codes, beginnings of codes or names, separated by commas.
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    select: Vec<Selector>,
    /// Leave these rules out.
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    ignore: Vec<Selector>,
    /// The severity from which on the exit status is 1.
    #[arg(long, value_enum, default_value_t = FailOn::Error)]
    fail_on: FailOn,
    /// Also show information, and count what was passed over.
    #[arg(short, long)]
    verbose: bool,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people, with carets.
    Text,
    /// For programs.
    Json,
}

/// The severity from which on the exit status is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Error,
    Warning,
    Info,
    /// Findings never change the exit status.
    Never,
}

impl FailOn {
    fn reached(self, severity: Severity) -> bool {
        match self {
            Self::Error => severity >= Severity::Error,
            Self::Warning => severity >= Severity::Warning,
            Self::Info => true,
            Self::Never => false,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// When the policy cannot be read or the output cannot be written.
pub fn run(args: &LintArgs, terminal: &mut Terminal) -> anyhow::Result<ExitCode> {
    let mut policy = policy::read(args.policy.as_deref())?;
    select::apply(&args.select, &args.ignore, &mut policy);
    let options = Options {
        release_timeout: args.release_timeout,
        policy,
    };
    let loaded = objects::load(&args.paths);
    let objects = objects::judge(&loaded, &options);
    match args.format {
        Format::Json => terminal.json(&json::report(&objects))?,
        Format::Text => lint_text::print(&objects, args.verbose, terminal)?,
    }
    let mut findings = objects
        .judged
        .iter()
        .flat_map(|judged| &judged.assessment.findings);
    let status = if !objects.errors.is_empty() {
        ExitCode::from(2)
    } else if findings.any(|finding| finding.exempted.is_none() && args.fail_on.reached(finding.severity)) {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    };
    // The process ends here: to free a thousand documents one node after the other would be a tenth of its work.
    std::mem::forget(objects);
    std::mem::forget(loaded);
    Ok(status)
}
