//! `hookbudget webhook`: the mutating and validating admission server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use clap::Args;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use super::serving::{self, ServingArgs};
use super::{logging, policy};
use crate::admission::{self, Admission, Metrics, Ready, Surroundings};
use crate::engine::shell::Readings;
use crate::http::{Acceptor, HandshakeFailure, HandshakeObserver, Limits, bind, serve_plain, serve_tls};
use crate::index::namespaces::watch_namespaces;
use crate::index::releases::watch_releases;
use crate::shutdown::Shutdown;
use crate::tls::{install_provider, server_config};

/// How long new connections are still taken after SIGTERM, until the endpoint is withdrawn everywhere.
const WITHDRAWAL: Duration = Duration::from_secs(5);

/// Judge and rewrite hook Jobs when they are created.
#[derive(Args, Clone, Debug)]
pub struct WebhookArgs {
    /// Where to serve /mutate and /validate over TLS.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8443")]
    pub listen: SocketAddr,
    /// Where to serve /metrics over plain HTTP.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:9464")]
    pub metrics_listen: SocketAddr,
    /// Where the certificate comes from, and who may call.
    #[command(flatten)]
    pub serving: ServingArgs,
    /// The policy, YAML or JSON; without it the defaults hold.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// The namespace that the webhook runs in, which it never judges; without it, `POD_NAMESPACE`.
    #[arg(long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Watch nothing: neither the labels of namespaces nor the timeouts of releases are known.
    #[arg(long)]
    pub no_cluster: bool,
}

/// Serves until SIGTERM or SIGINT, then drains.
///
/// # Errors
/// What keeps the server from starting, with the flag to change.
pub async fn run(args: WebhookArgs) -> anyhow::Result<()> {
    logging::start();
    install_provider();
    let shutdown = Shutdown::on_signals().context("cannot listen for signals")?;
    let policy = policy::read(args.policy.as_deref()).context("--policy")?;

    let mut registry = Registry::default();
    let metrics = Arc::new(Metrics::register(&mut registry));

    let surroundings = Surroundings::default();
    let client = client(&args).await?;
    let mut synced = watch_cluster(client.as_ref(), &surroundings, &shutdown);
    let own_namespace = args
        .namespace
        .clone()
        .or_else(|| std::env::var("POD_NAMESPACE").ok());
    let serving = serving::start(
        &args.serving,
        own_namespace.as_deref(),
        client,
        &mut registry,
        &shutdown,
    )?;
    synced.extend(serving.ready);
    let admission = Arc::new(Admission {
        policy: Arc::new(ArcSwap::from_pointee(policy)),
        surroundings,
        own_namespace,
        observer: metrics,
        readings: Readings::default(),
    });

    let limits = Limits {
        withdrawal: if args.no_cluster {
            Duration::ZERO
        } else {
            WITHDRAWAL
        },
        ..Limits::default()
    };
    let ready = ready(synced, &shutdown);
    let router = admission::router(admission, Arc::clone(&ready), &limits);
    let listener = bind(args.listen).context("--listen")?;
    let metrics_listener = bind(args.metrics_listen).context("--metrics-listen")?;
    tracing::info!(
        listen = %listener.local_addr()?,
        metrics = %metrics_listener.local_addr()?,
        "webhook serves"
    );
    let acceptor = Acceptor::new(server_config(serving.certificate, serving.clients)?)
        .observed_by(Arc::new(LogHandshakes));
    let reviews = serve_tls(listener, acceptor, router, shutdown.clone(), limits);
    let scrapes = serve_plain(
        metrics_listener,
        metrics_router(registry, ready),
        shutdown,
        limits,
    );
    let (reviews, _) = tokio::join!(reviews, scrapes);
    tracing::info!(cut = reviews.cut, "webhook ended");
    Ok(())
}

/// The way into the cluster, where one is wanted.
async fn client(args: &WebhookArgs) -> anyhow::Result<Option<kube::Client>> {
    if args.no_cluster {
        return Ok(None);
    }
    let client = kube::Client::try_default()
        .await
        .context("no way into the cluster: set KUBECONFIG, run in a Pod, or give --no-cluster")?;
    Ok(Some(client))
}

/// Starts the watches. What is returned become true as each has seen its first list.
fn watch_cluster(
    client: Option<&kube::Client>,
    surroundings: &Surroundings,
    shutdown: &Shutdown,
) -> Vec<watch::Receiver<bool>> {
    let Some(client) = client else { return Vec::new() };
    let (namespaces_synced, namespaces) = watch::channel(false);
    let (releases_synced, releases) = watch::channel(false);
    tokio::spawn(watch_namespaces(
        client.clone(),
        Arc::clone(&surroundings.namespaces),
        namespaces_synced,
        shutdown.clone(),
    ));
    tokio::spawn(watch_releases(
        client.clone(),
        Arc::clone(&surroundings.releases),
        releases_synced,
        shutdown.clone(),
    ));
    vec![namespaces, releases]
}

fn ready(synced: Vec<watch::Receiver<bool>>, shutdown: &Shutdown) -> Ready {
    let shutdown = shutdown.clone();
    Arc::new(move || !shutdown.is_requested() && synced.iter().all(|synced| *synced.borrow()))
}

/// Metrics, and the health of the process for probes that cannot present a client certificate.
fn metrics_router(registry: Registry, ready: Ready) -> Router {
    let registry = Arc::new(registry);
    let scrape = move || {
        let registry = Arc::clone(&registry);
        async move {
            let mut text = String::with_capacity(4096);
            if prometheus_client::encoding::text::encode(&mut text, &registry).is_err() {
                return StatusCode::INTERNAL_SERVER_ERROR.into_response();
            }
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
    };
    let ready = move || async move {
        if ready() {
            (StatusCode::OK, "ready\n")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
        }
    };
    Router::new()
        .route("/metrics", get(scrape))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
}

/// Says why handshakes fail: an API server with another caBundle is told from a TCP probe.
struct LogHandshakes;

impl HandshakeObserver for LogHandshakes {
    fn completed(&self, _: Duration) {}

    fn failed(&self, why: HandshakeFailure) {
        match why {
            HandshakeFailure::Untrusted => {
                tracing::warn!("a client does not trust the certificate: check its caBundle");
            }
            HandshakeFailure::Client => {
                tracing::warn!(
                    "a client without a certificate that may call: check --client-ca-file and --client-name"
                );
            }
            _ => tracing::debug!(why = why.as_str(), "a TLS handshake failed"),
        }
    }
}
