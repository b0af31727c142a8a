//! `hookbudget simulate`: a Job's timeline when its dependency comes up late or never.

pub mod survival;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::Value;

use self::survival::{StretchReport, SurvivalReport, Survivals};
use super::duration::duration;
use super::objects::{self, Judged, Options};
use super::policy;
use super::render::json::unread_report;
use super::render::lint_text::unread_notes;
use super::render::story::Story;
use super::render::{svg, timeline};
use super::terminal::Terminal;
use crate::engine::backoff::{Kubelet, Retries};
use crate::engine::budget::Clocks;
use crate::engine::job::{Job, RestartPolicy};
use crate::engine::policy::Policy;
use crate::engine::survival::scenario as stated_scenario;
use crate::engine::timeline::{Outcome, Scenario, Timeline};
use crate::engine::{Limit, Seconds};

/// Endings that a sweep tells apart; a Job that tries more often has more, and nobody reads them.
const MOST_STRETCHES: usize = 50;

/// Play a Job's timeline: attempts, pauses, who ends it and when.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookbudget simulate job.yaml                       never comes up
  hookbudget simulate job.yaml --ready-after 9m40s   comes up 580 s later
  hookbudget simulate job.yaml --ready-after 0..30m  every way in which that can end
  hookbudget simulate job.yaml --kubelet max=30s     restarts at most 30 s apart
  hookbudget simulate job.yaml --svg job.svg         a picture
  hookbudget simulate release.yaml job.yaml --json | jq .ends_at_lower

Exit status: 0 the Job succeeds, 1 it fails or hangs, 2 it could not be played.")]
pub struct SimulateArgs {
    /// Files with the Job and, if there is one, its HelmRelease; - for standard input.
    #[arg(required = true, value_name = "FILE")]
    paths: Vec<String>,
    /// The Job to play, where there are several: NAME or NAMESPACE/NAME.
    #[arg(long, value_name = "NAME")]
    job: Option<String>,
    /// When the dependency comes up, counted from the Job's start (Go duration, or FROM..TO for all of them);
    /// without it: never.
    #[arg(long, value_name = "DURATION")]
    ready_after: Option<Ready>,
    /// How long a failing attempt runs; without it: what the script shows, nothing for a refused connection.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    run_time: Option<Seconds>,
    /// Time to schedule, pull and start a Pod.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    startup: Option<Seconds>,
    /// The nodes' restart back-off: default (10 s to 300 s), reduced (1 s to 60 s), or max=DURATION.
    #[arg(long, value_name = "PROFILE", value_parser = kubelet)]
    kubelet: Option<Kubelet>,
    /// The release's timeout where no HelmRelease among the inputs states it.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    release_timeout: Option<Seconds>,
    /// Policy file.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Draw the timeline as SVG, into a file or, without one, in place of the text.
    #[arg(long, value_name = "FILE.svg", num_args = 0..=1, default_missing_value = "-", value_parser = svg_file)]
    svg: Option<PathBuf>,
    /// How to print the timeline.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Short for --format json.
    #[arg(long)]
    json: bool,
}

/// When the dependency comes up: at one time, or at any time of a range.
#[derive(Clone, Copy, Debug)]
enum Ready {
    After(Seconds),
    Between(Seconds, Seconds),
}

impl FromStr for Ready {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((from, to)) = text.split_once("..") else {
            return duration(text).map(Self::After);
        };
        match (duration(from)?, duration(to)?) {
            (from, to) if from <= to => Ok(Self::Between(from, to)),
            _ => Err(format!(
                "{text:?} ends before it begins: write the shorter span first"
            )),
        }
    }
}

/// Reads `--svg`. A manifest that stands behind it by mistake must not be written over.
fn svg_file(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    let is_svg = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("svg"));
    if text == "-" || is_svg {
        Ok(path.to_owned())
    } else {
        Err("write a file that ends in .svg, or --svg - for standard output".to_owned())
    }
}

/// How the timeline is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people, drawn on one axis.
    Text,
    /// For programs.
    Json,
}

/// Reads `--kubelet`.
fn kubelet(text: &str) -> Result<Kubelet, String> {
    match (text, text.strip_prefix("max=")) {
        ("default", _) => Ok(Kubelet::default()),
        ("reduced", _) => Ok(Kubelet::reduced()),
        (_, Some(max)) => match duration(max)? {
            Seconds::ZERO => Err("max=0s is no restart period: the API takes 1s to 300s".to_owned()),
            max => Ok(Kubelet::default().with_max(max)),
        },
        _ => Err(format!(
            "{text:?} is no profile: write default, reduced or max=DURATION, such as max=30s"
        )),
    }
}

/// What `--format json` prints.
#[derive(Debug, Serialize)]
struct Report<'a> {
    job: JobReport<'a>,
    ready_after: Option<Seconds>,
    #[serde(flatten)]
    timeline: &'a Timeline,
    survives_up_to: SurvivalReport,
    /// What of the scripts the timeline does not know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unread: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sweep: Option<Vec<StretchReport>>,
}

#[derive(Debug, Serialize)]
struct JobReport<'a> {
    kind: &'static str,
    namespace: Option<&'a str>,
    name: &'a str,
}

/// Runs the command.
///
/// # Errors
/// When no input names exactly one Job, or an input cannot be read.
pub fn run(args: &SimulateArgs, terminal: &mut Terminal) -> anyhow::Result<ExitCode> {
    let mut policy = policy::read(args.policy.as_deref())?;
    policy.startup = args.startup.unwrap_or(policy.startup);
    let options = Options {
        release_timeout: args.release_timeout,
        policy,
    };
    let loaded = objects::load(&args.paths);
    let objects = objects::judge(&loaded, &options);
    if let Some(error) = objects.errors.first() {
        anyhow::bail!("{error}");
    }
    let judged = choose(&objects.judged, args.job.as_deref())?;
    let Judged { job, assessment, .. } = judged;
    let scenario = scenario(job, &assessment.clocks, &options.policy, args);
    let story = scenario.play();
    let survivals = Survivals::of(scenario, &assessment.clocks);
    let sweep = match args.ready_after {
        Some(Ready::Between(from, to)) => Some(scenario.sweep(from, to, MOST_STRETCHES)),
        _ => None,
    };
    let drawing = Story {
        job,
        scenario: &scenario,
        clocks: &assessment.clocks,
        timeline: &story,
        survivals,
    };
    let in_place_of_text = args.svg.as_deref() == Some(Path::new("-"));
    if let Some(file) = args.svg.as_deref().filter(|_| !in_place_of_text) {
        std::fs::write(file, svg::draw(&drawing))
            .with_context(|| format!("cannot write the drawing {}", file.display()))?;
    }
    if in_place_of_text {
        terminal.line(svg::draw(&drawing).trim_end())?;
    } else if args.json || args.format == Format::Json {
        let job = JobReport {
            kind: job.kind.as_str(),
            namespace: job.namespace.as_deref(),
            name: &job.name,
        };
        terminal.json(&Report {
            job,
            ready_after: scenario.ready_after,
            timeline: &story,
            survives_up_to: survivals.into(),
            unread: unread_report(judged),
            sweep: sweep.map(|sweep| sweep.into_iter().map(StretchReport::from).collect()),
        })?;
    } else {
        terminal.line(timeline::draw(&drawing, terminal))?;
        let notes = unread_notes(judged);
        if !notes.is_empty() {
            terminal
                .line("As far as the scripts can be read; each of these may wait longer than is shown:")?;
            for note in notes {
                terminal.line(format!("    not read: {note}"))?;
            }
        }
        if let Some(sweep) = sweep {
            terminal.line("")?;
            for line in survival::table(&sweep) {
                terminal.line(line)?;
            }
        }
    }
    let succeeded = story.result == Outcome::Succeeded;
    Ok(if succeeded {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

fn choose<'j, 'a>(judged: &'j [Judged<'a>], wanted: Option<&str>) -> anyhow::Result<&'j Judged<'a>> {
    let name = |j: &Judged<'_>| match &j.job.namespace {
        Some(namespace) => format!("{namespace}/{}", j.job.name),
        None => j.job.name.to_string(),
    };
    let all = || judged.iter().map(name).collect::<Vec<_>>().join(", ");
    let fits = |j: &&Judged<'_>| wanted.is_none_or(|wanted| wanted == j.job.name || wanted == name(j));
    let mut found = judged.iter().filter(fits);
    match (found.next(), found.next(), wanted) {
        (Some(only), None, _) => Ok(only),
        (Some(_), Some(_), _) => {
            anyhow::bail!("there are several Jobs: choose one by --job; here are {}", all())
        }
        (None, _, Some(wanted)) if !judged.is_empty() => {
            anyhow::bail!("no Job {wanted:?}; here are {}", all())
        }
        (None, ..) => anyhow::bail!("no Job or CronJob among the inputs"),
    }
}

/// What the manifest says the Job does, with what the user states instead.
fn scenario(job: &Job<'_>, clocks: &Clocks, policy: &Policy, args: &SimulateArgs) -> Scenario {
    let run = args.run_time.map_or(clocks.run.nominal, Limit::At);
    let sidecars = job
        .containers()
        .filter(|(init, _, c)| *init && c.is_sidecar())
        .count();
    let stated = stated_scenario(job, clocks, policy);
    let retries = stated.retries;
    Scenario {
        retries: Retries {
            run,
            kubelet: args.kubelet.unwrap_or(retries.kubelet),
            // Containers that all fail while the dependency is down are summed; a sidecar does not fail by it.
            containers: u32::try_from(job.pod.containers.len().saturating_sub(sidecars))
                .unwrap_or(1)
                .max(1),
            ..retries
        },
        // A sweep draws the story of the longest of its cold starts.
        ready_after: args.ready_after.map(|ready| match ready {
            Ready::After(at) | Ready::Between(_, at) => at,
        }),
        starts: job.pod.restart_policy != RestartPolicy::Always || !job.pod.containers.is_empty(),
        ..stated
    }
}
