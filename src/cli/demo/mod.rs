//! `hookbudget demo`: the incidents through the real pipeline on one machine, without a cluster. Only the source
//! of the watch events is a recording, played in quick motion.

mod admission;
mod play;
mod stack;

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::render::paint::{BOLD, CYAN, DIM, paint};
use super::terminal::Terminal;
use crate::shutdown::Shutdown;
use crate::tls::install_provider;

/// See the product on this machine, without a cluster.
#[derive(Clone, Copy, Debug, Args)]
#[command(after_help = "Examples:
  hookbudget demo              a tour; it serves the pages until Ctrl-C
  hookbudget demo --once       the same, and it ends by itself
  hookbudget demo --speed 10   slower, to watch the status page fill
  hookbudget demo --stack      with Prometheus and Alertmanager, where they are installed

The recording was made on a real Kubernetes 1.37 at full length.")]
pub struct DemoArgs {
    /// End by itself when everything was shown.
    #[arg(long)]
    once: bool,
    /// How many times faster than it was recorded.
    #[arg(long, default_value_t = 60.0, value_parser = speed)]
    speed: f64,
    /// Run Prometheus and Alertmanager beside it, where they are installed, on the shipped rules and routes.
    #[arg(long)]
    stack: bool,
    /// Where to serve metrics and the status page; any free port when this one is taken.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9464")]
    listen: SocketAddr,
    /// Where to serve the webhook; any free port when this one is taken.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443")]
    webhook_listen: SocketAddr,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if (0.1..=10_000.0).contains(&speed) => Ok(speed),
        _ => Err(format!(
            "{text:?} is no speed: write a number from 0.1 to 10000, such as 60"
        )),
    }
}

/// Runs the command.
///
/// # Errors
/// When no port can be listened at, or the output cannot be written.
pub async fn run(args: DemoArgs, terminal: &mut Terminal) -> anyhow::Result<ExitCode> {
    install_provider();
    let shutdown = Shutdown::on_signals().context("cannot listen for signals")?;
    let style = terminal.style();
    terminal.line(paint(
        "hookbudget demo: three incidents of hook Jobs",
        BOLD,
        style,
    ))?;
    terminal.line(
        "  A  powerdns-zone-bootstrap     a deadline of 840 s that never got a chance\n  \
           B  catalyst-gitea-token-mint   a wait of 840 s inside a release of 15 minutes\n  \
           C  tf-state-backup             fails now and then, and the evidence is gone\n",
    )?;
    let webhook = admission::serve(args.webhook_listen, shutdown.clone())?;
    admission::show(&webhook, terminal).await?;
    let pages = play::serve(args.listen, shutdown.clone())?;
    let stack = args
        .stack
        .then(|| stack::start(pages.address))
        .transpose()?
        .flatten();
    play::show(&pages, args.speed, &shutdown, terminal).await?;
    let at = |path: &str| paint(&format!("http://{}{path}", pages.address), CYAN, style);
    terminal.line(paint("Open", BOLD, style))?;
    terminal.line(format!(
        "  {}          the status page: progress, chains, repair order",
        at("/")
    ))?;
    terminal.line(format!("  {}   what Prometheus scrapes", at("/metrics")))?;
    terminal.line(format!("  {}  the diagnoses as JSON", at("/api/jobs")))?;
    terminal.line(format!(
        "  {}   the webhook: /mutate and /validate, over TLS",
        paint(&format!("https://{}", webhook.address), CYAN, style)
    ))?;
    if let Some(stack) = &stack {
        let address = |at: SocketAddr, path: &str| paint(&format!("http://{at}{path}"), CYAN, style);
        terminal.line(format!(
            "  {}   Prometheus: what fires, a minute after it began\n  \
               {}   its expression browser: try hookbudget_job_wait_remaining_seconds\n  \
               amtool alert query --alertmanager.url={}   what Alertmanager tells, and what it mutes with --inhibited",
            address(stack.prometheus, "/alerts"),
            address(stack.prometheus, "/graph"),
            address(stack.alertmanager, ""),
        ))?;
    } else if args.stack {
        terminal.line(format!("  {}", stack::MISSING))?;
    }
    if args.once {
        terminal.flush()?;
        return Ok(ExitCode::SUCCESS);
    }
    terminal.line(paint("\nServing until Ctrl-C.", DIM, style))?;
    terminal.flush()?;
    tokio::select! {
        () = shutdown.requested() => {}
        () = pages.keep_time() => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// Listens at an address, or at any free port of the same host when it is taken.
fn listen(address: SocketAddr) -> anyhow::Result<tokio::net::TcpListener> {
    crate::http::bind(address)
        .or_else(|_| crate::http::bind(SocketAddr::new(address.ip(), 0)))
        .with_context(|| format!("cannot listen at {address}, nor at any other port of it"))
}
