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
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use super::duration::duration;
use super::exported::ExportedArgs;
use super::policy::live::{Look, PolicyMetrics};
use super::policy_in_force::{self, PolicyFileArgs, Told};
use crate::engine::Seconds;
use crate::engine::policy::Policy;
use crate::http::{Limits, serve_plain};
use crate::index::replay::Recorder;
use crate::index::{Change, Clock, Handle, Scope, Settings, Shard, drive, live};
use crate::metrics::{self, Selection};
use crate::report::{Lease, ReportSettings, Reports, Store};
use crate::shutdown::Shutdown;
use crate::tls::install_provider;
use crate::{report, status};

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
    /// Where the policy comes from.
    #[command(flatten)]
    policy: PolicyFileArgs,
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
    /// What is published.
    #[command(flatten)]
    exported: ExportedArgs,
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
        policy: Arc::default(),
        retention: args.retention,
        started: clock.now(),
        job_labels: args.exported.job_labels(),
    };
    let selection = args.exported.selection()?;
    let client = Client::try_default()
        .await
        .context("no cluster: run inside one, or set KUBECONFIG")?;
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("--listen {}", args.listen))?;
    let index = Handle::new(settings, clock);
    let good = follow_policy(&args.policy, &client, &index, &shutdown)?;
    let (changes, incoming) = mpsc::channel(QUEUE);
    let (actions, wanted) = mpsc::unbounded_channel();
    let (sink, recording) = record(&args, changes, index.clock())?;
    let reports = reports(&args, &scope, &client, &index);
    let watches = live::run(client, scope, sink, wanted);
    let gathering = tokio::spawn(gather(good, reports, watches, shutdown.clone()));
    let writer = tokio::spawn(drive(index.clone(), incoming, actions, TICK, shutdown.clone()));
    let router = routes(index, selection);
    tracing::info!(listen = %args.listen, "exporter runs");
    serve_plain(listener, router, shutdown, Limits::default()).await;
    drop(gathering.await);
    // The recorder ends with its last sender, which the watches held.
    drop(writer.await);
    if let Some(recording) = recording {
        recording.await.context("the recorder ended in a panic")??;
    }
    Ok(())
}

/// Keeps the index by the policy of a file until shutdown. What is returned becomes true with the first good policy.
fn follow_policy(
    args: &PolicyFileArgs,
    client: &Client,
    index: &Handle,
    shutdown: &Shutdown,
) -> anyhow::Result<Option<watch::Receiver<bool>>> {
    let environment = |name| std::env::var(name).ok();
    let namespace = environment("POD_NAMESPACE");
    let events = args.policy_config_map.as_ref().map(|_| {
        // What becomes of the few Events about the policy is in the log.
        let (events, outbox) = report::events::channel(&mut Registry::default());
        let instance = environment("POD_NAME");
        tokio::spawn(outbox.send(client.clone(), "hookbudget.dev/exporter", instance));
        events
    });
    let told = Told {
        events,
        namespace: namespace.as_deref(),
        metrics: PolicyMetrics::default(),
    };
    let heard = {
        let index = index.clone();
        move |look: &Look, policy: &Arc<Policy>| hear(&index, look, policy)
    };
    let (policy, good) = policy_in_force::start(args, told, shutdown, heard)?;
    let now = index.clock().now();
    index.with(|index| index.set_policy(policy.load_full(), now));
    Ok(good)
}

/// What a look at the policy file means for the index.
fn hear(index: &Handle, look: &Look, policy: &Arc<Policy>) {
    let now = index.clock().now();
    index.with(|index| match look {
        Look::Same => {}
        Look::Refused(_) => {
            let state = index.policy_state();
            state.good = false;
            state.refused += 1;
        }
        Look::Loaded => {
            let state = index.policy_state();
            state.good = true;
            state.loaded = Some(now);
            state.taken += 1;
            index.set_policy(Arc::clone(policy), now);
        }
    });
}

/// Takes the cluster in until shutdown. What a policy hides is not known before it could be read, so nothing is taken in
/// until then.
async fn gather(
    good: Option<watch::Receiver<bool>>,
    reports: Option<Reports>,
    watches: impl Future<Output = ()>,
    shutdown: Shutdown,
) {
    if let Some(mut good) = good {
        let is_good = async { good.wait_for(|good| *good).await.is_ok() };
        let goes_on = tokio::select! {
            () = shutdown.requested() => false,
            goes_on = is_good => goes_on,
        };
        if !goes_on {
            return;
        }
    }
    let mut writing = None;
    if let Some(mut reports) = reports {
        reports.read_back(&shutdown).await;
        writing = Some(tokio::spawn(reports.run(shutdown.clone())));
    }
    tokio::select! {
        () = shutdown.requested() => {}
        () = watches => {}
    }
    if let Some(writing) = writing {
        // What was captured last is written before the end.
        drop(writing.await);
    }
}

/// Everything that is served. Whoever accepts gzip gets it at its lowest level: the text is so repetitive that higher
/// ones cost more time than they save.
fn routes(index: Handle, selection: Selection) -> Router {
    metrics::router(index.clone(), selection)
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
        let settings = Settings::new(Clock::Real.now());
        let mut request = Request::get("/metrics");
        if let Some(encoding) = encoding {
            request = request.header(ACCEPT_ENCODING, encoding);
        }
        let request = request.body(Body::empty()).expect("a request");
        let answer = routes(Handle::new(settings, Clock::Real), Selection::default()).oneshot(request);
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
