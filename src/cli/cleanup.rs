//! `hookbudget cleanup`: what an uninstall must not leave behind.

use std::process::ExitCode;

use clap::Args;

use super::place::PlaceArgs;
use super::terminal::Terminal;
use crate::certs::{ConfigurationKind, Emptied};

/// Remove the webhook configurations and the keys in the Secret, before an uninstall.
///
/// Configurations first: from then on nobody asks the webhook, and Jobs are created whether it runs or not. Helm
/// removes them last, so that under failurePolicy Fail no Job could be created in between. Running it twice, or
/// where nothing is installed, is no mistake.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  hookbudget cleanup && helm uninstall hookbudget -n hookbudget")]
pub struct CleanupArgs {
    /// Which installation.
    #[command(flatten)]
    place: PlaceArgs,
    /// Leave the keys in the Secret; nothing is then read of it.
    #[arg(long)]
    keep_secret: bool,
}

/// Runs the command.
///
/// # Errors
/// When something is there that may not be removed.
pub async fn run(args: CleanupArgs, terminal: &mut Terminal) -> anyhow::Result<ExitCode> {
    let cluster = args.place.cluster(PlaceArgs::client().await?, &[]);
    for kind in ConfigurationKind::ALL {
        let name = format!("{} {}", kind.as_str(), args.place.webhook_configuration);
        let deleted = cluster.delete_configuration(kind).await?;
        terminal.line(format!(
            "{name}: {}",
            if deleted { "deleted" } else { "not there" }
        ))?;
    }
    if args.keep_secret {
        return Ok(ExitCode::SUCCESS);
    }
    let name = format!("Secret {}/{}", args.place.namespace(), args.place.secret());
    terminal.line(format!(
        "{name}: {}",
        match cluster.empty_secret().await? {
            Emptied::Done => "emptied",
            Emptied::Nothing => "nothing in it",
            Emptied::Foreign => "left alone: somebody else makes its certificate",
        }
    ))?;
    Ok(ExitCode::SUCCESS)
}
