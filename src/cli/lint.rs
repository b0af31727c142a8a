//! `hookbudget lint`: findings for manifests.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::chart::{self, ChartArgs};
use super::duration::duration;
use super::fix::{self, Outcome};
use super::manifest::{Loaded, Origin};
use super::objects::{self, Objects, Options};
use super::policy;
use super::progress::Progress;
use super::render::{fixes, github, json, junit, lint_text, sarif, statistics};
use super::select::{self, FailOn, Selector};
use super::terminal::{Color, Terminal};
use crate::engine::Seconds;

/// Find hook Jobs whose clocks do not fit into each other, in manifests.
#[derive(Debug, Args)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a flag of its own on the command line"
)]
#[command(after_help = "Examples:
  helm template . | hookbudget lint -              what a chart renders
  hookbudget lint --chart . --values prod.yaml     the same, with the templates' names
  hookbudget lint hooks/ release.yaml              the HelmRelease's timeout
  hookbudget lint job.yaml --release-timeout 15m   the timeout by a flag
  hookbudget lint --select HB1,HB201 hooks/        some rules only
  hookbudget lint --diff --unsafe-fixes hooks/     what could be mended
  hookbudget lint --fix hooks/                     mend what is safe to mend
  hookbudget lint --format json hooks/ | jq '.objects[].clocks'

Exit status: 0 clean, 1 findings at or above --fail-on (with --diff: something
would change), 2 an input could not be read or a file not written.")]
pub struct LintArgs {
    /// Files, directories (walked for .yaml, .yml and .json), or - for standard input.
    #[arg(required_unless_present = "chart", value_name = "PATH")]
    paths: Vec<String>,
    /// How to print the findings.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write the findings to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Mend what is safe to mend, in the files; standard input goes to standard output.
    #[arg(long, group = "fixing")]
    fix: bool,
    /// Show what --fix would change as a unified diff, and write nothing.
    #[arg(long, group = "fixing", conflicts_with_all = ["format", "statistics", "output"])]
    diff: bool,
    /// Also make the fixes that change what runs or how often.
    #[arg(long, requires = "fixing")]
    unsafe_fixes: bool,
    /// Print how often each rule fired instead of the findings (with --format text or json).
    #[arg(long)]
    statistics: bool,
    #[command(flatten)]
    chart: ChartArgs,
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
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// Annotations of GitHub Actions.
    Github,
    /// `JUnit` XML, for test reports.
    Junit,
}

/// Runs the command.
///
/// # Errors
/// When the policy cannot be read, the chart cannot be rendered, or something cannot be written.
pub fn run(args: &LintArgs, color: Color, terminal: &mut Terminal) -> anyhow::Result<ExitCode> {
    let mut policy = policy::read(args.policy.as_deref())?;
    select::apply(&args.select, &args.ignore, &mut policy);
    let options = Options {
        release_timeout: args.release_timeout,
        policy,
    };
    anyhow::ensure!(
        !args.statistics || matches!(args.format, Format::Text | Format::Json),
        "--statistics is for --format text and json"
    );
    let progress = Progress::start("reading");
    let mut loaded = objects::load(&args.paths);
    chart::load(&args.chart, &mut loaded)?;
    if args.paths.iter().any(|path| path == "-") && loaded.documents.is_empty() && loaded.errors.is_empty() {
        let mut terminal = Terminal::stderr(color);
        terminal.line("warning: standard input holds no object: did the command that writes it fail?")?;
        terminal.flush()?;
    }
    progress.next("judging");
    let outcome = (args.fix || args.diff).then(|| fix::fix(&mut loaded, &options, args.unsafe_fixes));
    let objects = objects::judge(&loaded, &options);
    drop(progress);
    if let (true, Some(outcome)) = (args.diff, &outcome) {
        return diff(outcome, &objects, terminal);
    }
    if let Some(outcome) = &outcome {
        write(outcome)?;
    }
    let filters = args.fix && args.paths.iter().any(|path| path == "-");
    if filters {
        terminal.text(stdin_text(&loaded, outcome.as_ref()))?;
    }
    let mut other = match &args.output {
        Some(path) => {
            let file = std::fs::File::create(path);
            let file = file.with_context(|| format!("cannot write {}", path.display()))?;
            Some(Terminal::plain(std::io::BufWriter::new(file)))
        }
        None => filters.then(|| Terminal::stderr(color)),
    };
    let terminal = other.as_mut().unwrap_or(terminal);
    report(args, &objects, outcome.as_ref(), terminal)?;
    terminal.flush()?;
    let status = status(args, &objects);
    // To free every object by itself takes a tenth of the whole run; the process is about to end.
    std::mem::forget(objects);
    std::mem::forget(loaded);
    Ok(status)
}

fn report(
    args: &LintArgs,
    objects: &Objects<'_>,
    outcome: Option<&Outcome>,
    terminal: &mut Terminal,
) -> anyhow::Result<()> {
    match args.format {
        Format::Text if args.statistics => statistics::print(objects, terminal)?,
        Format::Json if args.statistics => terminal.json(&statistics::count(objects))?,
        Format::Text => lint_text::print(objects, args.verbose, outcome, terminal)?,
        Format::Json => terminal.json(&json::report(objects, outcome))?,
        Format::Sarif => terminal.json(&sarif::report(objects))?,
        Format::Github => github::print(objects, args.verbose, terminal)?,
        Format::Junit => junit::print(objects, args.fail_on, terminal)?,
    }
    Ok(())
}

fn status(args: &LintArgs, objects: &Objects<'_>) -> ExitCode {
    let mut findings = objects
        .judged
        .iter()
        .flat_map(|judged| &judged.assessment.findings);
    if !objects.errors.is_empty() {
        ExitCode::from(2)
    } else if findings.any(|finding| finding.exempted.is_none() && args.fail_on.reached(finding.severity)) {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    }
}

/// Prints the changes alone, so that they can be piped to `patch`; what stands in their way goes to standard error.
fn diff(outcome: &Outcome, objects: &Objects<'_>, terminal: &mut Terminal) -> anyhow::Result<ExitCode> {
    for changed in &outcome.changed {
        terminal.text(&fix::unified(changed, terminal.style()))?;
    }
    for line in fixes::refused(outcome) {
        anstream::eprintln!("{line}");
    }
    for error in &objects.errors {
        anstream::eprintln!("error: {error}");
    }
    Ok(if !objects.errors.is_empty() {
        ExitCode::from(2)
    } else if outcome.changed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

fn write(outcome: &Outcome) -> anyhow::Result<()> {
    for changed in &outcome.changed {
        if let Origin::File(path) = changed.before.origin() {
            fix::write(changed, path)?;
        }
    }
    Ok(())
}

/// The text of standard input as the fixes left it.
fn stdin_text<'a>(loaded: &'a Loaded, outcome: Option<&'a Outcome>) -> &'a str {
    let mut changed = outcome.iter().flat_map(|outcome| &outcome.changed);
    let changed = changed.find(|changed| *changed.before.origin() == Origin::Stdin);
    let source = changed.map(|changed| &changed.after).or(loaded.stdin.as_ref());
    source.map_or("", |source| source.text())
}
