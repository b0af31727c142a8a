//! `hookbudget certs`: the certificates in the Secret, by hand.

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::place::PlaceArgs;
use super::terminal::Terminal;
use crate::certs::{Done, Keeper, Look, Observer, Request};
use crate::tls::kept::{Step, Why};

/// How long a rotation may take: the new authority is trusted for ten seconds before it signs.
const PATIENCE: Duration = Duration::from_mins(2);

/// Make or replace the certificates that the webhook keeps in its Secret.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  hookbudget certs create                  fill the Secret and caBundle before the webhook runs
  hookbudget certs rotate                  a new serving certificate
  hookbudget certs rotate --authority      a new authority too; both are trusted for a day
  hookbudget certs rotate --replace        the old authority's key is in wrong hands")]
pub struct CertsArgs {
    /// What to do.
    #[command(subcommand)]
    what: What,
    /// Which installation.
    #[command(flatten)]
    place: PlaceArgs,
    /// A DNS name or an address that the certificate is to have besides those by which the webhook
    /// configurations call; may be repeated.
    #[arg(long, value_name = "NAME", global = true)]
    tls_san: Vec<String>,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// Make what is missing in the Secret and in caBundle; what is in order stays.
    Create,
    /// Make a new serving certificate, which every replica takes up within seconds.
    Rotate {
        /// A new authority too: it is trusted beside the present one before it signs, and the present one for a
        /// day after. No review fails.
        #[arg(long)]
        authority: bool,
        /// A new authority that alone is trusted at once. Reviews fail for some seconds, until API servers and
        /// replicas have both taken it up.
        #[arg(long, conflicts_with = "authority")]
        replace: bool,
    },
}

/// Collects what is done, to be printed between two looks.
#[derive(Default)]
struct Collected(Mutex<Vec<Done>>);

impl Observer for Collected {
    fn did(&self, done: Done) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(done);
    }
}

/// Runs the command.
///
/// # Errors
/// When the Secret or a configuration cannot be read or written.
pub async fn run(args: CertsArgs, terminal: &mut Terminal) -> anyhow::Result<ExitCode> {
    let cluster = args.place.cluster(PlaceArgs::client().await?, &args.tls_san);
    let done = Arc::new(Collected::default());
    let mut keeper = Keeper::new(cluster, None, Arc::clone(&done) as Arc<dyn Observer>);
    let request = match args.what {
        What::Create => None,
        What::Rotate { replace: true, .. } => Some(Request::Replace),
        What::Rotate { authority: true, .. } => Some(Request::Rotate),
        What::Rotate { .. } => Some(Request::Renew),
    };
    if let Some(request) = request {
        keeper.ask(request, Timestamp::now()).await?;
    }
    let begun = Instant::now();
    loop {
        let mut look = keeper.look(Timestamp::now()).await;
        print(&done, terminal)?;
        if !look.errors.is_empty() {
            bail!(look.errors.swap_remove(0));
        }
        if let Some(kept) = finished(&look) {
            terminal.line(format!("serving certificate until {}", kept.leaf.not_after))?;
            terminal.line(format!("authority until {}", kept.authority.not_after()))?;
            return Ok(ExitCode::SUCCESS);
        }
        if begun.elapsed() >= PATIENCE {
            bail!(
                "not finished after {PATIENCE:?}: a webhook configuration is changed back by somebody else; `hookbudget check` names it"
            );
        }
        tokio::time::sleep(look.again.min(Duration::from_secs(2))).await;
    }
}

/// The state, once nothing is under way.
fn finished(look: &Look) -> Option<&crate::tls::kept::Kept> {
    look.kept.as_ref().filter(|kept| kept.next.is_none() && look.told)
}

fn print(done: &Collected, terminal: &mut Terminal) -> anyhow::Result<()> {
    let done = std::mem::take(&mut *done.0.lock().unwrap_or_else(PoisonError::into_inner));
    for done in done {
        let line = match done {
            Done::Step(Step::Create) => "authority and serving certificate made".to_owned(),
            Done::Step(Step::Restore) => "Secret filled again".to_owned(),
            Done::Step(Step::Renew(Why::Asked)) => "serving certificate made anew".to_owned(),
            Done::Step(Step::Renew(why)) => {
                format!("serving certificate made anew: {}", Step::Renew(why).as_str())
            }
            Done::Step(Step::Introduce) => {
                "new authority made; it signs once it has been trusted for ten seconds".to_owned()
            }
            Done::Step(Step::Promote) => {
                "serving certificate made by the new authority; both are trusted for a day".to_owned()
            }
            Done::Step(Step::Forget) => "previous authority no longer trusted".to_owned(),
            Done::Told(kind) => format!("caBundle written into the {}", kind.as_str()),
            Done::Served { .. } => continue,
        };
        terminal.line(line)?;
    }
    terminal.flush()?;
    Ok(())
}
