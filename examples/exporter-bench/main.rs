//! What the exporter costs with many Jobs: `just bench-exporter`. A small API server serves lists and watches over
//! HTTP, byte for byte as long as the real one's; the exporter is a process of its own on another core. Memory and
//! series are counts, times are compared with `prometheus-client` in the same run.
#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

mod api;
mod encode;
mod jobs;
mod measures;
#[path = "../bench/process.rs"]
mod process;
mod scrape;
#[path = "../bench/table.rs"]
mod table;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::{Parser, Subcommand};

use api::Orders;
use process::{Server, free_address, pinned};
use table::Table;

/// Measure the exporter.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Serve as the API server until killed.
    Api { address: SocketAddr, jobs: usize },
}

/// How much is measured.
#[derive(Clone, Debug, clap::Args)]
struct Options {
    /// The product.
    #[arg(long, default_value = "target/release/hookbudget")]
    product: PathBuf,
    /// Jobs of the large cluster.
    #[arg(long, default_value_t = 100_000)]
    jobs: usize,
    /// Jobs of the small one: memory per Job is the slope between both.
    #[arg(long, default_value_t = 10_000)]
    few: usize,
    /// Scrapes of each kind; the median counts.
    #[arg(long, default_value_t = 5)]
    scrapes: usize,
    /// Changes a second, for a minute at the most.
    #[arg(long, default_value_t = 50)]
    changes: usize,
    /// Where files are put meanwhile.
    #[arg(long, default_value_os_t = std::env::temp_dir().join(format!("hookbudget-bench-{}", std::process::id())))]
    scratch: PathBuf,
}

/// An exporter over an API server, both processes of their own.
struct Cluster {
    exporter: Server,
    _api: Server,
    orders: Orders,
    /// From the exporter's start until every list was read.
    listed: Duration,
}

impl Cluster {
    fn start(options: &Options, jobs: usize) -> anyhow::Result<Self> {
        let (api, exporter) = (free_address()?, free_address()?);
        let mut command = pinned(&std::env::current_exe()?.display().to_string(), 1);
        command.arg("api").arg(api.to_string()).arg(jobs.to_string());
        let api = Server::start(command, api)?;
        let orders = Orders::of(api.address);
        orders.wait_until_served()?;
        let kubeconfig = options.scratch.join("kubeconfig");
        fs::write(&kubeconfig, api::kubeconfig(api.address))?;
        let mut command = pinned(&options.product.display().to_string(), 0);
        command
            .args(["exporter", "--listen", &exporter.to_string()])
            .env("KUBECONFIG", &kubeconfig)
            .env("RUST_LOG", "error")
            .stderr(Stdio::inherit());
        let begun = Instant::now();
        let exporter = Server::start(command, exporter)?;
        while !is_synced(exporter.address) {
            ensure!(
                begun.elapsed() < Duration::from_mins(5),
                "the exporter has not read all lists within five minutes"
            );
            sleep(Duration::from_millis(100));
        }
        Ok(Self {
            exporter,
            _api: api,
            orders,
            listed: begun.elapsed(),
        })
    }
}

/// True once every kind that is there was listed and everything listed is judged.
fn is_synced(address: SocketAddr) -> bool {
    scrape::get(address, "/readyz", false).is_ok_and(|answer| answer.status == 200)
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ended = match arguments.role {
        Some(Role::Api { address, jobs }) => api::serve(address, jobs).map(|()| 0),
        None => {
            let scratch = arguments.options.scratch.clone();
            let missed = bench(&arguments.options);
            let _ = fs::remove_dir_all(scratch);
            missed
        }
    };
    match ended {
        Ok(0) => ExitCode::SUCCESS,
        Ok(missed) => {
            println!("{missed} pass marks missed");
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("cannot measure: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn bench(options: &Options) -> anyhow::Result<usize> {
    ensure!(
        options.product.is_file(),
        "{} is not built",
        options.product.display()
    );
    ensure!(
        options.few < options.jobs,
        "--few has to be less than --jobs: memory per Job is the slope between both"
    );
    fs::create_dir_all(&options.scratch).with_context(|| options.scratch.display().to_string())?;
    let mut table = Table::default();
    let few = measures::settled(&Cluster::start(options, options.few)?);
    let cluster = Cluster::start(options, options.jobs)?;
    measures::memory(&mut table, options, &cluster, few);
    measures::scrapes(&mut table, options, &cluster)?;
    measures::changes(&mut table, options, &cluster)?;
    measures::diagnoses(&mut table, &cluster)?;
    println!("{}", table.render());
    Ok(table.missed())
}
