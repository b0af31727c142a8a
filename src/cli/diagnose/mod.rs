//! `hookbudget diagnose`: why a Job failed or does not end, from the live cluster or from a dump of one.

mod around;
mod cut;
mod dump;
mod live;
mod logs;
mod select;
mod signed;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use jiff::Timestamp;

use self::dump::Dump;
use self::select::Wanted;
use super::manifest::InputError;
use super::policy;
use super::render::diagnosis::{self, Detail};
use super::terminal::{Color, Terminal};
use crate::engine::diagnosis::{Diagnosis, JobPhase, Trigger, Verdict};
use crate::engine::evidence::Lost;
use crate::engine::policy::Policy;
use crate::index::{Action, Change, Still};

/// Say why a Job failed or does not end: root cause, chain, evidence, what to repair first.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  hookbudget diagnose job/zone-bootstrap -n powerdns   one Job of the cluster
  hookbudget diagnose cronjob/state-backup             the Jobs of a CronJob
  hookbudget diagnose -n powerdns                      every Job there that is in trouble
  hookbudget diagnose --from dump/                     the same without a cluster
  hookbudget diagnose --from dump/ --format json | jq '.[].root_cause'
  kubectl hookbudget diagnose job/zone-bootstrap       as a plugin: link the binary as
                                                       kubectl-hookbudget in the PATH

A dump, while the evidence is still there:
  kubectl get jobs,cronjobs,pods,events,services,endpointslices,deployments,statefulsets,pvc \\
      -n powerdns -o json > dump/objects.json
  kubectl get nodes,pv,storageclasses -o json > dump/cluster.json     where a Pod finds no node
  kubectl get jobdiagnoses -n powerdns -o json > dump/captured.json   what an exporter has kept
  kubectl get helmreleases,kustomizations.kustomize.toolkit.fluxcd.io -A -o json \\
      > dump/releases.json                                            where Flux is used
  kubectl get clusters.cluster.x-k8s.io -A -o json > dump/clusters.json   what the signatures
                                                       of the policy look at
  kubectl logs POD -c CONTAINER --timestamps > dump/powerdns/POD/CONTAINER.log
  kubectl logs POD -c CONTAINER --previous   > dump/powerdns/POD/CONTAINER.previous.log
  kubectl cluster-info dump --namespaces powerdns --output-directory dump   all logs at once;
                                                       it has no Jobs: add the first line

Secrets are never read. What looks like one in logs and messages is shown as [redacted].

Exit status: 0 no Job has failed for a reason that needs somebody, 1 one has, 2 an input
could not be read or the Job is not there.")]
pub struct DiagnoseArgs {
    /// job/NAME, cronjob/NAME or NAME; without it, all Jobs that are in trouble.
    #[arg(value_name = "JOB")]
    job: Option<Wanted>,
    /// The namespace; with --from all of them when absent.
    #[arg(long, short, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Read dumps instead of a cluster: files, directories, or - for standard input.
    #[arg(long, value_name = "DUMP", num_args = 1..)]
    from: Vec<String>,
    /// When the dump was made; without it, the newest time in the dump.
    #[arg(long, value_name = "TIME", requires = "from")]
    now: Option<Timestamp>,
    /// The context of the kubeconfig; without it, the current one.
    #[arg(long, value_name = "NAME", conflicts_with = "from")]
    context: Option<String>,
    /// The kubeconfig; without it, KUBECONFIG or ~/.kube/config, or the Pod's own account.
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    kubeconfig: Option<PathBuf>,
    /// How to print the diagnoses.
    #[arg(long, short, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The policy document.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Also show every proof, what it was not, and how that is known.
    #[arg(long, short)]
    verbose: bool,
}

/// Rounds of looks: what one shows may ask for another, as a release for those that it waits for.
const LOOKS: usize = 4;

/// How diagnoses are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs: a list.
    Json,
}

/// What was found, and what could not be read.
#[derive(Debug, Default)]
struct Found {
    diagnoses: Vec<Diagnosis>,
    errors: Vec<InputError>,
    /// What to say where there is no diagnosis.
    nothing: String,
}

/// Runs the command.
///
/// # Errors
/// When the policy cannot be read, there is no way into the cluster, or the output cannot be written.
pub async fn run(args: DiagnoseArgs, color: Color, terminal: &mut Terminal) -> anyhow::Result<ExitCode> {
    let policy = Arc::new(policy::read(args.policy.as_deref())?);
    let found = if args.from.is_empty() {
        Box::pin(live::found(&args, policy)).await?
    } else {
        from_dump(&args, policy)
    };
    print(&args, &found, color, terminal)
}

fn from_dump(args: &DiagnoseArgs, policy: Arc<Policy>) -> Found {
    let mut dump = Dump::read(&args.from, &policy.signatures);
    let Some(now) = args.now.or(dump.newest) else {
        let reason = "it holds no Job, CronJob, Pod or Event; `hookbudget diagnose --help` has the commands for a dump";
        return Found {
            errors: std::mem::take(&mut dump.errors),
            nothing: reason.to_owned(),
            ..Found::default()
        };
    };
    let mut still = Still::new(policy, now);
    let changes = dump.changes();
    still.take_back(std::mem::take(&mut dump.captured), &changes);
    let mut asks = still.take_in(changes);
    let mut lost: Vec<(crate::index::JobKey, Lost)> = Vec::new();
    for _ in 0..LOOKS {
        let looks: Vec<Change> = asks
            .into_iter()
            .flat_map(|ask| match ask {
                Action::Signatures(ask) => vec![dump.signed.look(&ask, now)],
                ask => dump.around.look(ask, &mut lost),
            })
            .collect();
        asks = still.take_in(looks);
        if asks.is_empty() {
            break;
        }
    }
    let mut diagnoses = select::diagnoses(&still, args.job.as_ref(), args.namespace.as_deref());
    for diagnosis in &mut diagnoses {
        let own = lost.iter().filter(|(job, _)| {
            *job.namespace == *diagnosis.job.namespace && *job.name == *diagnosis.job.name
        });
        diagnosis.evidence_lost.extend(own.map(|(_, lost)| lost.clone()));
    }
    if let (true, Some(Wanted::Job(name))) = (diagnoses.is_empty(), &args.job) {
        // The Job itself is gone: what was said of it is left.
        let in_place = |kept: &Diagnosis| {
            let namespace = args.namespace.as_deref();
            kept.job.name == *name && namespace.is_none_or(|wanted| wanted == kept.job.namespace)
        };
        diagnoses.extend(std::mem::take(&mut dump.kept).into_iter().filter(in_place));
    }
    let missing = dump.without_object();
    let nothing = match (&args.job, missing.as_slice()) {
        (_, [first, ..]) if still.jobs().is_empty() => format!(
            "it holds Pods of {first} and not the Job itself; add kubectl get jobs,cronjobs -A -o json"
        ),
        (Some(job), _) => format!("it does not hold {job}"),
        (None, _) => String::new(),
    };
    Found {
        diagnoses,
        errors: std::mem::take(&mut dump.errors),
        nothing,
    }
}

fn print(
    args: &DiagnoseArgs,
    found: &Found,
    color: Color,
    terminal: &mut Terminal,
) -> anyhow::Result<ExitCode> {
    let mut stderr = Terminal::stderr(color);
    for error in &found.errors {
        stderr.line(format!("error: {error}"))?;
    }
    if found.diagnoses.is_empty() && !found.nothing.is_empty() {
        let place = if args.from.is_empty() {
            String::new()
        } else {
            format!("{}: ", args.from.join(" "))
        };
        stderr.line(format!("error: {place}{}", found.nothing))?;
    }
    stderr.flush().context("cannot write to standard error")?;
    match args.format {
        Format::Json => terminal.json(&found.diagnoses)?,
        Format::Text => {
            let detail = if args.verbose {
                Detail::Full
            } else {
                Detail::Glance
            };
            for (number, one) in found.diagnoses.iter().enumerate() {
                if number > 0 {
                    terminal.line("")?;
                }
                terminal.line(diagnosis::draw(one, detail, terminal))?;
            }
            if found.diagnoses.is_empty() && found.nothing.is_empty() {
                terminal.line("No Job is waiting and none has failed.")?;
            }
        }
    }
    let unread = !found.errors.is_empty() || (found.diagnoses.is_empty() && !found.nothing.is_empty());
    Ok(if unread {
        ExitCode::from(2)
    } else {
        ExitCode::from(u8::from(found.diagnoses.iter().any(needs_somebody)))
    })
}

/// A failure that somebody has to look at.
fn needs_somebody(diagnosis: &Diagnosis) -> bool {
    let failed = matches!(diagnosis.state, JobPhase::Failed | JobPhase::Missing)
        || diagnosis.trigger != Trigger::NotFailed;
    failed && matches!(diagnosis.verdict, Verdict::Real | Verdict::Unknown)
}
