//! What a review costs over HTTPS, beside a bare server that does the same with none of the judgement:
//! `just bench-webhook`. Servers and load run on loopback, each on a core of its own where there are two; floor
//! and product take turns, and medians are compared. Counts and ratios are judged, single times never.
#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

mod api;
mod floor;
mod handler;
mod load;
mod measures;
#[path = "../bench/process.rs"]
mod process;
mod reviews;
#[path = "../bench/table.rs"]
mod table;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::{Parser, Subcommand};
use hookbudget::admission::Webhook;
use hookbudget::tls::Authority;

use load::Client;
use measures::Bench;
use process::{Server, free_address, pinned};
use table::Table;

/// Measure the webhook against a bare server.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Serve the floor until killed.
    Floor {
        certificate: PathBuf,
        key: PathBuf,
        address: std::net::SocketAddr,
    },
    /// Answer one review again and again in this process, under a profiler.
    Answer {
        #[arg(value_enum)]
        case: reviews::Case,
        /// How often.
        times: usize,
        /// Bytes of the review.
        #[arg(default_value_t = 4_096)]
        size: usize,
        /// Ask the mutating webhook.
        #[arg(long)]
        mutate: bool,
    },
}

/// How much is measured.
#[derive(Clone, Debug, clap::Args)]
struct Options {
    /// The product.
    #[arg(long, default_value = "target/release/hookbudget")]
    product: PathBuf,
    /// Where the static programs of the image are.
    #[arg(long, default_value = "target/x86_64-unknown-linux-gnu/release")]
    statics: PathBuf,
    /// Rounds in which floor and product take turns.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Length of a round, in milliseconds.
    #[arg(long, default_value_t = 1_000)]
    millis: u64,
    /// Reviews after which memory is looked at.
    #[arg(long, default_value_t = 1_000_000)]
    reviews: usize,
    /// Only these goals: `--only G1,G5`.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Where files are put meanwhile.
    #[arg(long, default_value_os_t = std::env::temp_dir().join(format!("hookbudget-bench-{}", std::process::id())))]
    scratch: PathBuf,
}

impl Options {
    fn span(&self) -> Duration {
        Duration::from_millis(self.millis)
    }

    fn wants(&self, goals: &[&str]) -> bool {
        self.only.is_empty() || goals.iter().any(|goal| self.only.iter().any(|only| only == goal))
    }
}

/// The programs, and what they are started with.
struct Programs {
    product: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
    ca: String,
    kubeconfig: PathBuf,
}

/// What is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    Floor,
    Product,
    /// Without a cluster to watch.
    ProductAlone,
}

impl Programs {
    fn start(&self, program: Program) -> anyhow::Result<Server> {
        let address = free_address()?;
        let listen = address.to_string();
        let command = match program {
            Program::Floor => {
                let mut command = pinned(&std::env::current_exe()?.display().to_string(), 0);
                command
                    .arg("floor")
                    .arg(&self.certificate)
                    .arg(&self.key)
                    .arg(listen);
                command
            }
            Program::Product | Program::ProductAlone => self.product(program, &listen)?,
        };
        Server::start(command, address)
    }

    fn product(&self, program: Program, listen: &str) -> anyhow::Result<Command> {
        let metrics = free_address()?.to_string();
        let mut command = pinned(&self.product.display().to_string(), 0);
        command
            .args([
                "webhook",
                "--namespace",
                "hookbudget",
                "--listen",
                listen,
                "--metrics-listen",
                &metrics,
            ])
            .arg("--tls-cert-file")
            .arg(&self.certificate)
            .arg("--tls-key-file")
            .arg(&self.key)
            .env("RUST_LOG", "warn");
        if program == Program::Product {
            command.env("KUBECONFIG", &self.kubeconfig);
        } else {
            command.arg("--no-cluster");
        }
        Ok(command)
    }

    /// Milliseconds from the start of a process to its first answer.
    async fn first_answer(&self, program: Program, request: &[u8]) -> anyhow::Result<f64> {
        let begun = Instant::now();
        let server = self.start(program)?;
        let client = Client::new(server.address, &self.ca, &["http/1.1"])?;
        loop {
            if let Ok(mut connection) = client.connect().await
                && let Ok(200) = connection.ask(request).await
            {
                return Ok(begun.elapsed().as_secs_f64() * 1e3);
            }
            ensure!(
                begun.elapsed() < Duration::from_secs(10),
                "{program:?} does not answer"
            );
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
    }

    /// Waits until a server is ready.
    async fn ready(&self, server: &Server, path: &str) -> anyhow::Result<Client> {
        let client = Client::new(server.address, &self.ca, &["http/1.1"])?;
        let begun = Instant::now();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        loop {
            if let Ok(mut connection) = client.connect().await
                && matches!(connection.ask(request.as_bytes()).await, Ok(200 | 405))
            {
                return Ok(client);
            }
            ensure!(
                begun.elapsed() < Duration::from_secs(20),
                "{} is not ready",
                server.address
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = runtime
        .context("no runtime")
        .and_then(|runtime| match arguments.role {
            Some(Role::Floor {
                certificate,
                key,
                address,
            }) => runtime
                .block_on(floor::serve(&certificate, &key, address))
                .map(|()| 0),
            Some(Role::Answer {
                case,
                times,
                size,
                mutate,
            }) => answer(case, times, size, mutate),
            None => {
                let scratch = arguments.options.scratch.clone();
                let missed = runtime.block_on(bench(arguments.options));
                let _ = fs::remove_dir_all(scratch);
                missed
            }
        });
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

/// Prints the time of one answer.
fn answer(case: reviews::Case, times: usize, size: usize, mutate: bool) -> anyhow::Result<usize> {
    let admission = handler::admission();
    let body = reviews::review(case, size, reviews::Padding::Everything, 1);
    let webhook = if mutate {
        Webhook::Mutate
    } else {
        Webhook::Validate
    };
    let begun = Instant::now();
    let mut bytes = 0;
    for _ in 0..times {
        let answer = admission.answer(webhook, std::hint::black_box(&body));
        bytes += answer.map_err(anyhow::Error::msg)?.len();
    }
    let each = begun.elapsed().as_secs_f64() * 1e6 / load::count(times.max(1));
    println!("{each:.2} us each, {} bytes of answer", bytes / times.max(1));
    Ok(0)
}

async fn bench(options: Options) -> anyhow::Result<usize> {
    ensure!(
        options.product.is_file(),
        "{} is not built",
        options.product.display()
    );
    fs::create_dir_all(&options.scratch)?;
    let (api, asked) = api::start().await?;
    let programs = programs(&options, api)?;
    let (floor, product) = (programs.start(Program::Floor)?, programs.start(Program::Product)?);
    let floor_client = programs.ready(&floor, "/ack").await?;
    let product_client = programs.ready(&product, "/readyz").await?;
    let idle = product.kibibytes("VmRSS");
    let bench = Bench {
        product: (product, product_client),
        floor: (floor, floor_client),
        options: options.clone(),
        programs,
        asked,
    };
    bench.check().await?;
    let mut table = Table::default();
    // First: what connections leave behind in the heap is no growth by reviews.
    if options.wants(&["G12"]) {
        bench.memory(&mut table, idle).await?;
    }
    if options.wants(&["G1", "G2", "G3"]) {
        bench.throughput(&mut table).await;
    }
    if options.wants(&["G5"]) {
        bench.latency(&mut table).await?;
    }
    if options.wants(&["G6"]) {
        bench.new_connections(&mut table).await?;
    }
    if options.wants(&["G7"]) {
        bench.calls(&mut table).await?;
    }
    if options.wants(&["G13"]) {
        bench.start(&mut table).await?;
    }
    if options.wants(&["G14"]) {
        bench.sizes(&mut table);
    }
    if options.wants(&["G15"]) {
        bench.protocol(&mut table).await?;
    }
    println!("{}", table.render());
    Ok(table.missed())
}

/// One certificate for both servers, and the way to the API server.
fn programs(options: &Options, api: std::net::SocketAddr) -> anyhow::Result<Programs> {
    let now = jiff::Timestamp::now();
    let bundle = Authority::generate("bench", now)?.issue(&["localhost", "127.0.0.1"], now)?;
    let path = |name: &str| options.scratch.join(name);
    let programs = Programs {
        product: options.product.clone(),
        certificate: path("tls.crt"),
        key: path("tls.key"),
        ca: bundle.ca_pem,
        kubeconfig: path("kubeconfig"),
    };
    fs::write(&programs.certificate, bundle.cert_pem)?;
    fs::write(&programs.key, bundle.key_pem.expose())?;
    fs::write(&programs.kubeconfig, api::kubeconfig(api))?;
    Ok(programs)
}
