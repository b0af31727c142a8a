//! `hookbudget simulate`: a Job's timeline when its dependency comes up late or never.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::args::duration;
use super::objects::{self, Judged, Options};
use super::policy;
use super::render::timeline;
use super::terminal::Terminal;
use crate::engine::backoff::{Kubelet, Retries};
use crate::engine::budget::{Clocks, retries_of};
use crate::engine::job::{Job, RestartPolicy};
use crate::engine::policy::Policy;
use crate::engine::timeline::{Scenario, Timeline};
use crate::engine::{Limit, Seconds};

/// Play a Job's timeline: attempts, pauses, who ends it and when.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookbudget simulate job.yaml                       never comes up
  hookbudget simulate job.yaml --ready-after 9m40s   comes up 580 s later
  hookbudget simulate job.yaml --kubelet max=30s     restarts at most 30 s apart
  hookbudget simulate release.yaml job.yaml --json | jq .ends_at_lower

Exit status: 0 the Job succeeds, 1 it fails or hangs, 2 it could not be played.")]
pub struct SimulateArgs {
    /// Files with the Job and, if there is one, its HelmRelease; - for standard input.
    #[arg(required = true, value_name = "FILE")]
    paths: Vec<String>,
    /// The Job to play, where there are several: NAME or NAMESPACE/NAME.
    #[arg(long, value_name = "NAME")]
    job: Option<String>,
    /// When the dependency comes up, counted from the Job's start (Go duration); without it: never.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    ready_after: Option<Seconds>,
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
    /// How to print the timeline.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Short for --format json.
    #[arg(long)]
    json: bool,
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
    let Judged { job, assessment, .. } = choose(&objects.judged, args.job.as_deref())?;
    let scenario = scenario(job, &assessment.clocks, &options.policy, args);
    let story = scenario.play();
    if args.json || args.format == Format::Json {
        let job = JobReport {
            kind: job.kind.as_str(),
            namespace: job.namespace.as_deref(),
            name: &job.name,
        };
        terminal.json(&Report {
            job,
            ready_after: args.ready_after,
            timeline: &story,
        })?;
    } else {
        terminal.line(timeline::draw(
            job,
            &scenario,
            &assessment.clocks,
            &story,
            terminal,
        ))?;
    }
    let succeeded = story.result == crate::engine::timeline::Outcome::Succeeded;
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
    let retries = retries_of(job, policy);
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
        patience: clocks.wait.map_or(Limit::ZERO, |wait| wait.nominal),
        ready_after: args.ready_after,
        deadline: clocks.deadline,
        release: clocks.release.timeout,
        grace: clocks.grace,
        starts: job.pod.restart_policy != RestartPolicy::Always || !job.pod.containers.is_empty(),
        ..Scenario::default()
    }
}
