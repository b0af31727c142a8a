//! `hookbudget exporter`: metrics, status page, diagnoses of a cluster.

use std::fs::File;
use std::io::BufWriter;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use clap::Args;
use jiff::SignedDuration;
use kube::Client;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use super::duration::duration;
use super::policy;
use crate::engine::Seconds;
use crate::http::{Limits, serve_plain};
use crate::index::replay::Recorder;
use crate::index::{Change, Clock, Handle, Scope, Settings, Shard, drive, live};
use crate::report::{Lease, ReportSettings, Reports, Store};
use crate::shutdown::Shutdown;
use crate::tls::install_provider;
use crate::{metrics, status};

/// Changes that wait for the index: a list page may be large, and the watch waits when the index is busy.
const QUEUE: usize = 512;
/// How often time alone is looked at.
const TICK: Duration = Duration::from_secs(2);

/// Arguments of `exporter`.
#[derive(Debug, Args)]
pub struct ExporterArgs {
    /// Where to serve metrics and the status page.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:9464")]
    listen: SocketAddr,
    /// The policy document.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// How long a diagnosis is kept after its Job is gone.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    retention: Seconds,
    /// Namespaces to watch; all of them when absent.
    #[arg(long = "namespace", short, value_name = "NAMESPACE", num_args = 1..)]
    namespaces: Vec<String>,
    /// Which of `--total-shards` this process is, counted from 0: it keeps its share of the namespaces.
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    shard_index: u32,
    /// How many exporters divide the cluster among themselves.
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    total_shards: u32,
    /// Keep diagnoses as `JobDiagnosis` objects, which a restart reads back, and tell them by Events on the Jobs.
    #[arg(long)]
    diagnoses: bool,
    /// The Lease whose holder writes them; without it, this process is the only one.
    #[arg(long, value_name = "NAMESPACE/NAME", requires = "diagnoses", value_parser = lease)]
    lease: Option<(String, String)>,
    /// Diagnoses kept per owner; the oldest go first.
    #[arg(long, value_name = "COUNT", default_value_t = 10, requires = "diagnoses")]
    diagnoses_per_owner: usize,
    /// How long a diagnosis is kept that no CronJob owns.
    #[arg(long, value_name = "DURATION", default_value = "168h", value_parser = duration, requires = "diagnoses")]
    diagnoses_age: Seconds,
    /// Write everything that is watched to a file, for `demo` and for tests. It holds objects as they are.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

/// Runs the exporter until it is told to end.
///
/// # Errors
/// If the policy cannot be read, no cluster is configured, or the address cannot be listened at.
pub async fn run(args: ExporterArgs) -> anyhow::Result<()> {
    super::logging::start();
    install_provider();
    let shutdown = Shutdown::on_signals().context("cannot handle signals")?;
    let scope = Scope {
        namespaces: args.namespaces.clone(),
        shard: Shard::new(args.shard_index, args.total_shards)?,
    };
    let clock = Clock::Real;
    let settings = Settings {
        policy: Arc::new(policy::read(args.policy.as_deref())?),
        retention: args.retention,
        started: clock.now(),
    };
    let client = Client::try_default()
        .await
        .context("no cluster: run inside one, or set KUBECONFIG")?;
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("--listen {}", args.listen))?;
    let index = Handle::new(settings, clock);
    let (changes, incoming) = mpsc::channel(QUEUE);
    let (actions, wanted) = mpsc::unbounded_channel();
    let (sink, recording) = record(&args, changes, index.clock())?;
    let mut reports = reports(&args, &scope, &client, &index);
    if let Some(reports) = &mut reports {
        reports.read_back().await;
    }
    let reports = reports.map(|reports| tokio::spawn(reports.run(shutdown.clone())));
    let watches = tokio::spawn(live::run(client, scope, sink, wanted));
    let writer = tokio::spawn(drive(index.clone(), incoming, actions, TICK, shutdown.clone()));
    let router = routes(index);
    tracing::info!(listen = %args.listen, "exporter runs");
    serve_plain(listener, router, shutdown, Limits::default()).await;
    if let Some(reports) = reports {
        // What was captured last is written before the end.
        drop(reports.await);
    }
    watches.abort();
    // The recorder ends with its last sender, which the watches held.
    drop(writer.await);
    if let Some(recording) = recording {
        drop(watches.await);
        recording.await.context("the recorder ended in a panic")??;
    }
    Ok(())
}

/// Everything that is served. Whoever accepts gzip gets it at its lowest level: the text is so repetitive that higher
/// ones cost more time than they save.
fn routes(index: Handle) -> Router {
    metrics::router(index.clone())
        .merge(status::router(index))
        .layer(CompressionLayer::new().quality(CompressionLevel::Fastest))
}

/// The writer of diagnoses, where one is asked for.
fn reports(args: &ExporterArgs, scope: &Scope, client: &Client, index: &Handle) -> Option<Reports> {
    if !args.diagnoses {
        return None;
    }
    let lease = args.lease.as_ref().map(|(namespace, name)| {
        let environment = |name| std::env::var(name).ok();
        let pod = environment("POD_NAME").or_else(|| environment("HOSTNAME"));
        let identity = pod.unwrap_or_else(|| format!("hookbudget-{}", std::process::id()));
        let lease = Lease::new(client.clone(), namespace, name, &identity);
        match environment("POD_UID").filter(|_| environment("POD_NAMESPACE").as_ref() == Some(namespace)) {
            Some(uid) => lease.owned_by(&identity, &uid),
            None => lease,
        }
    });
    let settings = ReportSettings {
        per_owner: args.diagnoses_per_owner,
        age: SignedDuration::from_nanos(args.diagnoses_age.nanos()),
    };
    let store = Store::new(client.clone(), scope.clone());
    Some(Reports::new(
        client.clone(),
        store,
        lease,
        index.clone(),
        settings,
    ))
}

fn lease(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok((namespace.to_owned(), name.to_owned()))
        }
        _ => Err("write NAMESPACE/NAME".to_owned()),
    }
}

type Recording = tokio::task::JoinHandle<std::io::Result<()>>;

/// Puts a recorder between the watches and the index where one is asked for.
fn record(
    args: &ExporterArgs,
    changes: mpsc::Sender<Change>,
    clock: &Clock,
) -> anyhow::Result<(mpsc::Sender<Change>, Option<Recording>)> {
    let Some(path) = &args.record else {
        return Ok((changes, None));
    };
    let file = File::create(path).with_context(|| format!("--record {}", path.display()))?;
    let clock = clock.clone();
    let mut recorder = Recorder::begin(BufWriter::new(file), clock.now())
        .with_context(|| format!("--record {}", path.display()))?;
    let (sink, mut incoming) = mpsc::channel(QUEUE);
    let task = tokio::spawn(async move {
        while let Some(change) = incoming.recv().await {
            recorder.add(&change, clock.now())?;
            if changes.send(change).await.is_err() {
                break;
            }
        }
        Ok(())
    });
    Ok((sink, Some(task)))
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, VARY};
    use tower::ServiceExt as _;

    use super::*;

    async fn scraped(encoding: Option<&str>) -> (Option<String>, Vec<u8>) {
        let settings = Settings {
            policy: Arc::default(),
            retention: Seconds::new(3600),
            started: Clock::Real.now(),
        };
        let mut request = Request::get("/metrics");
        if let Some(encoding) = encoding {
            request = request.header(ACCEPT_ENCODING, encoding);
        }
        let request = request.body(Body::empty()).expect("a request");
        let answer = routes(Handle::new(settings, Clock::Real)).oneshot(request);
        let answer = answer.await.expect("an answer");
        assert!(
            answer.headers().contains_key(VARY),
            "a proxy has to keep both apart"
        );
        let encoding = answer.headers().get(CONTENT_ENCODING).cloned();
        let body = to_bytes(answer.into_body(), usize::MAX).await.expect("a body");
        let encoding = encoding.map(|value| value.to_str().expect("text").to_owned());
        (encoding, body.to_vec())
    }

    #[tokio::test]
    async fn who_accepts_gzip_gets_it_and_nobody_else_does() {
        let (encoding, plain) = scraped(None).await;
        assert_eq!(encoding, None);
        assert!(plain.starts_with(b"# HELP "));
        let (encoding, packed) = scraped(Some("gzip")).await;
        assert_eq!(encoding.as_deref(), Some("gzip"));
        assert!(packed.starts_with(&[0x1f, 0x8b]) && packed.len() < plain.len() / 2);
    }
}
