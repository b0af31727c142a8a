//! What is measured, goal by goal; the goals themselves are in `docs/design/performance.md`.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::api::Asked;
use crate::load::{Client, Load, Requests, count, post};
use crate::process::{Server, free_address, pinned};
use crate::reviews::{Case, Padding, review};
use crate::table::{Marks, Table};
use crate::{Options, Program, Programs};

/// Connections of the closed loop.
const CONNECTIONS: usize = 16;
const VALIDATE: &str = "/validate?timeout=3s";
const MUTATE: &str = "/mutate?timeout=3s";

/// Both servers and who asks them.
pub(crate) struct Bench {
    pub(crate) options: Options,
    pub(crate) programs: Programs,
    pub(crate) product: (Server, Client),
    pub(crate) floor: (Server, Client),
    pub(crate) asked: Asked,
}

/// One load on one server: reviews per second, CPU of the server per review in microseconds, p99 in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    rate: f64,
    cpu: f64,
    p99: f64,
    failed: usize,
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn medians(costs: &[Cost]) -> Cost {
    Cost {
        rate: median(costs.iter().map(|cost| cost.rate)),
        cpu: median(costs.iter().map(|cost| cost.cpu)),
        p99: median(costs.iter().map(|cost| cost.p99)),
        failed: costs.iter().map(|cost| cost.failed).sum(),
    }
}

fn cost(server: &Server, before: Duration, mut load: Load) -> Cost {
    let spent = server.cpu().saturating_sub(before);
    Cost {
        rate: load.per_second(),
        cpu: spent.as_secs_f64() * 1e6 / count(load.took.len()).max(1.0),
        p99: load.quantile(0.99).as_secs_f64() * 1e3,
        failed: load.failed,
    }
}

async fn asked_for((server, client): &(Server, Client), requests: &Requests, span: Duration) -> Cost {
    let before = server.cpu();
    let load = client.keep_asking(requests, CONNECTIONS, span).await;
    cost(server, before, load)
}

fn one(path: &str, body: &[u8]) -> Requests {
    Arc::from(vec![post(path, body, false)])
}

impl Bench {
    fn span(&self) -> Duration {
        self.options.span()
    }

    /// Both servers answer what they should, or nothing that is measured means anything.
    pub(crate) async fn check(&self) -> anyhow::Result<()> {
        for (case, path, said) in [
            (Case::Allow, VALIDATE, "\"allowed\":true}"),
            (Case::Deny, VALIDATE, "HB101"),
            (Case::Rewrite, VALIDATE, "HB106"),
            (Case::Rewrite, MUTATE, "JSONPatch"),
        ] {
            let mut connection = self.product.1.connect().await?;
            let body = review(case, 4_096, Padding::Everything, 1);
            let status = connection.ask(&post(path, &body, false)).await?;
            let answer = connection.answer();
            ensure!(
                status == 200 && answer.contains(said),
                "{case:?} is answered with {answer}"
            );
        }
        let mut connection = self.floor.1.connect().await?;
        for path in ["/ack", "/typed"] {
            let body = review(Case::Allow, 4_096, Padding::Everything, 1);
            ensure!(
                connection.ask(&post(path, &body, false)).await? == 200,
                "the floor does not answer {path}"
            );
        }
        Ok(())
    }

    /// G1 to G3: throughput and CPU, over kept connections.
    pub(crate) async fn throughput(&self, table: &mut Table) {
        let goals = [
            (4, 4_096, [0.5, 0.62], [2.2, 1.7], [1.4, 1.9]),
            (10, 10_000, [0.4, 0.5], [2.8, 2.2], [1.8, 2.3]),
            (100, 100_000, [0.3, 0.4], [3.3, 2.6], [1.8, 2.3]),
        ];
        for (kilobytes, size, share, cpu, typed) in goals {
            let body = review(Case::Allow, size, Padding::Everything, 1);
            let mut costs: [Vec<Cost>; 3] = Default::default();
            for _ in 0..self.options.rounds {
                let [floor, product, of_types] = &mut costs;
                floor.push(asked_for(&self.floor, &one("/ack", &body), self.span()).await);
                product.push(asked_for(&self.product, &one(VALIDATE, &body), self.span()).await);
                of_types.push(asked_for(&self.floor, &one("/typed", &body), self.span()).await);
            }
            let [floor, product, of_types] = costs.map(|costs| medians(&costs));
            let what = |text: &str| format!("{text}, {kilobytes} KB");
            table.ratio(
                "G1",
                &what("reviews per second"),
                (product.rate, floor.rate, "/s"),
                Marks::at_least(share[0], share[1]),
            );
            table.ratio(
                "G2",
                &what("CPU per review"),
                (product.cpu, floor.cpu, "us"),
                Marks::at_most(cpu[0], cpu[1]),
            );
            table.ratio(
                "G3",
                &what("against a typed handler"),
                (product.rate, of_types.rate, "/s"),
                Marks::at_least(typed[0], typed[1]),
            );
        }
        self.other_cases(table).await;
    }

    /// The same with other verdicts, and with scripts that nobody has read before.
    async fn other_cases(&self, table: &mut Table) {
        let bodies =
            |case, many: usize| (0..many).map(move |number| review(case, 4_096, Padding::Everything, number));
        for (what, case, path, many) in [
            ("denied, 4 KB", Case::Deny, VALIDATE, 1),
            ("warned, 4 KB", Case::Rewrite, VALIDATE, 1),
            ("rewritten, 4 KB", Case::Rewrite, MUTATE, 1),
            (
                "allowed, every script a new one, 4 KB",
                Case::Allow,
                VALIDATE,
                4_000,
            ),
            (
                "rewritten, every script a new one, 4 KB",
                Case::Rewrite,
                MUTATE,
                4_000,
            ),
        ] {
            let requests: Requests = bodies(case, many).map(|body| post(path, &body, false)).collect();
            let ack: Requests = bodies(case, 1).map(|body| post("/ack", &body, false)).collect();
            let (mut product, mut floor) = (Vec::new(), Vec::new());
            for _ in 0..self.options.rounds.min(3) {
                floor.push(asked_for(&self.floor, &ack, self.span()).await);
                product.push(asked_for(&self.product, &requests, self.span()).await);
            }
            let (product, floor) = (medians(&product), medians(&floor));
            table.told(
                "",
                &format!("CPU per review: {what}"),
                (product.cpu, floor.cpu, "us"),
            );
        }
    }

    /// G5: the slowest of a hundred at a fixed rate; and the same beside a thousand connections that say nothing.
    pub(crate) async fn latency(&self, table: &mut Table) -> anyhow::Result<()> {
        for (what, size, marks, limit) in [
            ("4 KB", 4_096, Marks::at_most(1.5, 1.2), 5.0),
            ("100 KB", 100_000, Marks::at_most(4.0, 3.0), 10.0),
        ] {
            let body = review(Case::Allow, size, Padding::Everything, 1);
            let (product, floor) = self.at_rate(&body).await;
            table.ratio(
                "G5",
                &format!("p99 at 500/s, {what}"),
                (product, floor, "ms"),
                marks,
            );
            table.value(
                "G5",
                &format!("the same, by itself, {what}"),
                (product, None, "ms"),
                Marks::limit(limit),
            );
        }
        let mut idle = Vec::new();
        for _ in 0..1_000 {
            for client in [&self.product.1, &self.floor.1] {
                let opened = tokio::time::timeout(Duration::from_secs(5), client.connect()).await;
                idle.push(opened.ok().and_then(Result::ok));
            }
        }
        let open = idle.iter().flatten().count();
        let body = review(Case::Allow, 4_096, Padding::Everything, 1);
        let (product, floor) = self.at_rate(&body).await;
        let what = format!("p99 at 500/s, 4 KB, beside idle connections ({open} of 2,000 open)");
        table.value("G5", &what, (product, Some(floor), "ms"), Marks::limit(5.0));
        Ok(())
    }

    async fn at_rate(&self, body: &[u8]) -> (f64, f64) {
        let (mut product, mut floor) = (Vec::new(), Vec::new());
        for _ in 0..self.options.rounds.min(5) {
            for ((_, client), path, into) in [
                (&self.floor, "/ack", &mut floor),
                (&self.product, VALIDATE, &mut product),
            ] {
                let request = post(path, body, false);
                let mut load = client.ask_at(&request, 8, 500, self.span() * 3).await;
                let failed = load.failed > 0;
                let p99 = load.quantile(0.99).as_secs_f64() * 1e3;
                into.push(if failed { f64::INFINITY } else { p99 });
            }
        }
        (median(product.into_iter()), median(floor.into_iter()))
    }

    /// G6: a burst over new connections. G15: the handshake alone.
    pub(crate) async fn new_connections(&self, table: &mut Table) -> anyhow::Result<()> {
        let body = review(Case::Allow, 4_096, Padding::Everything, 1);
        let (mut product, mut floor) = (Vec::new(), Vec::new());
        for _ in 0..self.options.rounds.min(5) {
            for (server, path, into) in [
                (&self.floor, "/ack", &mut floor),
                (&self.product, VALIDATE, &mut product),
            ] {
                let before = server.0.cpu();
                let request = post(path, &body, true);
                let load = server.1.connect_and_ask(&request, 200, self.span() * 2).await;
                into.push(cost(&server.0, before, load));
            }
        }
        let (product, floor) = (medians(&product), medians(&floor));
        table.ratio(
            "G6",
            "CPU per review over a new connection",
            (product.cpu, floor.cpu, "us"),
            Marks::at_most(1.3, 1.1),
        );
        table.value(
            "G6",
            "p99 of 200 at once, each new",
            (product.p99, Some(floor.p99), "ms"),
            Marks::limit(250.0),
        );
        table.value(
            "G6",
            "errors among them",
            (count(product.failed), None, ""),
            Marks::limit(0.0),
        );
        let (mut product, mut floor) = (Vec::new(), Vec::new());
        for _ in 0..self.options.rounds.min(5) {
            for (server, into) in [(&self.floor, &mut floor), (&self.product, &mut product)] {
                const MANY: u32 = 500;
                let before = server.0.cpu();
                for _ in 0..MANY {
                    server.1.connect().await?;
                }
                into.push(server.0.cpu().saturating_sub(before).as_secs_f64() * 1e6 / f64::from(MANY));
            }
        }
        let (product, floor) = (median(product.into_iter()), median(floor.into_iter()));
        table.value(
            "G15",
            "CPU per full handshake",
            (product, None, "us"),
            Marks::limit(250.0),
        );
        table.ratio(
            "G15",
            "the same, against the floor",
            (product, floor, "us"),
            Marks::at_most(1.2, 1.2),
        );
        Ok(())
    }

    /// G7: what the process opens while it answers 10,000 reviews.
    pub(crate) async fn calls(&self, table: &mut Table) -> anyhow::Result<()> {
        let allowed = post(
            VALIDATE,
            &review(Case::Allow, 4_096, Padding::Everything, 1),
            false,
        );
        let rewritten = post(
            MUTATE,
            &review(Case::Rewrite, 4_096, Padding::Everything, 1),
            false,
        );
        let mut connection = self.product.1.connect().await?;
        // Events of what was measured before are written for some seconds more.
        tokio::time::sleep(Duration::from_secs(5)).await;
        let before = self.asked.load(Ordering::Relaxed);
        let trace = self.options.scratch.join("strace.txt");
        let strace = Command::new("strace")
            .args(["-f", "-e", "trace=connect,openat", "-o"])
            .arg(&trace)
            .args(["-p", &self.product.0.pid().to_string()])
            .stderr(Stdio::null())
            .spawn();
        tokio::time::sleep(Duration::from_secs(1)).await;
        for _ in 0..5_000 {
            connection.ask(&allowed).await?;
        }
        table.value(
            "G7",
            "requests to the API server during 5,000 reviews that are allowed",
            (count(self.asked.load(Ordering::Relaxed) - before), None, ""),
            Marks::limit(0.0),
        );
        let before = self.asked.load(Ordering::Relaxed);
        for _ in 0..5_000 {
            connection.ask(&rewritten).await?;
        }
        // No review waits for them: they are written beside, a few a second at the most.
        table.value(
            "G7",
            "Events written beside 5,000 reviews that are rewritten",
            (count(self.asked.load(Ordering::Relaxed) - before), None, ""),
            Marks::limit(500.0),
        );
        let Ok(mut strace) = strace else {
            table.skipped(
                "G7",
                "connect and openat during 10,000 reviews",
                "strace is not installed",
            );
            return Ok(());
        };
        // strace writes what it knows and lets go of the process.
        let _ = Command::new("kill")
            .args(["-INT", &strace.id().to_string()])
            .status();
        let _ = strace.wait();
        let text = fs::read_to_string(&trace).unwrap_or_default();
        let calls: Vec<&str> = text
            .lines()
            .filter(|line| line.contains("connect(") || line.contains("openat("))
            .collect();
        for call in &calls {
            println!("seen meanwhile: {call}");
        }
        table.value(
            "G7",
            "connect and openat during 10,000 reviews",
            (count(calls.len()), None, ""),
            Marks::limit(0.0),
        );
        Ok(())
    }

    /// G12: memory, at rest and after many reviews of many Jobs.
    pub(crate) async fn memory(&self, table: &mut Table, idle: u64) -> anyhow::Result<()> {
        let cases = [
            (Case::Allow, VALIDATE),
            (Case::Deny, VALIDATE),
            (Case::Rewrite, MUTATE),
        ];
        let request = |number: usize| {
            let (case, path) = cases[number % cases.len()];
            post(path, &review(case, 4_096, Padding::Everything, number), false)
        };
        let requests: Requests = (0..3_000).map(request).collect();
        let after_some = self.ask_many(&requests, self.options.reviews / 10).await?;
        let after_all = self.ask_many(&requests, self.options.reviews).await?;
        let mib = |kib: u64| count(usize::try_from(kib).unwrap_or(usize::MAX)) / 1024.0;
        table.value(
            "G12",
            "resident at rest",
            (mib(idle), None, "MiB"),
            Marks::at_most(20.0, 12.0),
        );
        let what = format!("growth over {} reviews of 3,000 Jobs", self.options.reviews);
        table.value(
            "G12",
            &what,
            (mib(after_all.saturating_sub(idle)), None, "MiB"),
            Marks::limit(2.0),
        );
        let what = "growth over the last nine tenths of them";
        table.value(
            "G12",
            what,
            (mib(after_all.saturating_sub(after_some)), None, "MiB"),
            Marks::limit(2.0),
        );
        Ok(())
    }

    async fn ask_many(&self, requests: &Requests, many: usize) -> anyhow::Result<u64> {
        let mut left = many;
        while left > 0 {
            let load = self
                .product
                .1
                .keep_asking(requests, CONNECTIONS, Duration::from_secs(2))
                .await;
            ensure!(load.failed == 0, "{} reviews have failed", load.failed);
            left = left.saturating_sub(load.took.len().max(1));
        }
        Ok(self.product.0.kibibytes("VmRSS"))
    }

    /// G13: from the start of the process to its first answer.
    pub(crate) async fn start(&self, table: &mut Table) -> anyhow::Result<()> {
        let body = review(Case::Allow, 4_096, Padding::Everything, 1);
        let (mut product, mut floor) = (Vec::new(), Vec::new());
        for _ in 0..11 {
            floor.push(
                self.programs
                    .first_answer(Program::Floor, &post("/ack", &body, true))
                    .await?,
            );
            product.push(
                self.programs
                    .first_answer(Program::ProductAlone, &post(VALIDATE, &body, true))
                    .await?,
            );
        }
        let (product, floor) = (median(product.into_iter()), median(floor.into_iter()));
        table.value(
            "G13",
            "start to first answer",
            (product, Some(floor), "ms"),
            Marks::at_most(100.0, 20.0),
        );
        Ok(())
    }

    /// G14: what is shipped.
    pub(crate) fn sizes(&self, table: &mut Table) {
        let size = |path: &Path| fs::metadata(path).map(|file| file.len()).ok();
        let megabytes = |bytes: u64| count(usize::try_from(bytes).unwrap_or(usize::MAX)) / 1e6;
        match size(&self.programs.product) {
            Some(bytes) => table.value(
                "G14",
                "the program, stripped",
                (megabytes(bytes), None, "MB"),
                Marks::at_most(12.0, 8.0),
            ),
            None => table.skipped("G14", "the program, stripped", "it is not there"),
        }
        let image: Option<u64> = ["hookbudget", "hookbudget-wait"]
            .iter()
            .map(|name| size(&self.options.statics.join(name)))
            .sum();
        match image {
            Some(bytes) => table.value(
                "G14",
                "the image: both programs, static",
                (megabytes(bytes), None, "MB"),
                Marks::limit(15.0),
            ),
            None => table.skipped(
                "G14",
                "the image: both programs, static",
                "run `just static` first",
            ),
        }
    }

    /// HTTP/2, and the key of the certificate that the product makes by itself.
    pub(crate) async fn protocol(&self, table: &mut Table) -> anyhow::Result<()> {
        let client = Client::new(self.product.0.address, &self.programs.ca, &["h2", "http/1.1"])?;
        let (protocol, _) = client.connect().await?.agreed();
        if protocol.as_deref() == Some("http/1.1") {
            let why = "not offered: the API server asks webhooks for HTTP/1.1 alone";
            table.skipped("", "HTTP/2", why);
        } else {
            table.skipped("", "HTTP/2", "offered, but this client does not speak it");
        }
        let address = free_address()?;
        let authority = self.options.scratch.join("own-ca.pem");
        let mut command = pinned(&self.programs.product.display().to_string(), 0);
        command
            .args([
                "webhook",
                "--no-cluster",
                "--listen",
                &address.to_string(),
                "--metrics-listen",
                "127.0.0.1:0",
            ])
            .arg("--ca-out")
            .arg(&authority)
            .env("RUST_LOG", "off");
        let server = Server::start(command, address)?;
        let begun = Instant::now();
        let certificate = loop {
            ensure!(
                begun.elapsed() < Duration::from_secs(10),
                "the product does not start with a certificate of its own"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
            let Ok(ca) = fs::read_to_string(&authority) else {
                continue;
            };
            let Ok(client) = Client::new(server.address, &ca, &["http/1.1"]) else {
                continue;
            };
            if let Ok(connection) = client.connect().await {
                break connection
                    .agreed()
                    .1
                    .context("the product presents no certificate")?;
            }
        };
        let (_, certificate) = x509_parser::parse_x509_certificate(&certificate)?;
        let key = certificate.public_key().parsed()?;
        let bits = count(key.key_size());
        let curve = matches!(key, x509_parser::public_key::PublicKey::EC(_));
        let bits = if curve { bits } else { f64::INFINITY };
        table.value(
            "G15",
            "its own certificate: bits of an EC key",
            (bits, None, ""),
            Marks::limit(256.0),
        );
        Ok(())
    }
}
