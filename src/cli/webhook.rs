//! `hookbudget webhook`: the mutating and validating admission server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use clap::Args;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use super::announce::Announcer;
use super::policy::live::PolicyMetrics;
use super::policy_in_force::{self, PolicyFileArgs, Told};
use super::process_metrics::Process;
use super::serving::{self, ServingArgs};
use super::{logging, policy};
use crate::admission::{self, Admission, Metrics, Observer, Ready, Surroundings};
use crate::certs::{Cluster, Place, configured};
use crate::engine::rewrite::WAIT_IMAGE;
use crate::engine::shell::Readings;
use crate::http::{Acceptor, HandshakeFailure, HandshakeObserver, Limits, bind, serve_plain, serve_tls};
use crate::index::namespaces::watch_namespaces;
use crate::index::releases::{Releases, watch_releases};
use crate::index::watch_metrics::WatchMetrics;
use crate::report::{self, events::Events};
use crate::shutdown::Shutdown;
use crate::tls::{install_provider, server_config};

#[cfg(test)]
mod tests;

/// How long new connections are still taken after SIGTERM, until the endpoint is withdrawn everywhere.
const WITHDRAWAL: Duration = Duration::from_secs(5);
/// How often the counters of namespaces that are gone are dropped.
const FORGET: Duration = Duration::from_mins(5);

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
    /// Where the policy comes from.
    #[command(flatten)]
    pub policy: PolicyFileArgs,
    /// The namespace that the webhook runs in, which it never judges; without it, `POD_NAMESPACE`.
    #[arg(long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// The image of the wait that `hookbudget.dev/wait-for` adds, where the policy names none.
    #[arg(long, value_name = "IMAGE", default_value = WAIT_IMAGE)]
    pub wait_image: String,
    /// Watch nothing: neither the labels of namespaces nor the timeouts of releases are known.
    #[arg(long)]
    pub no_cluster: bool,
    /// Write no Kubernetes Events about denials, rewrites and a policy that is refused.
    #[arg(long)]
    pub no_events: bool,
}

/// Serves until SIGTERM or SIGINT, then drains.
///
/// # Errors
/// What keeps the server from starting, with the flag to change.
pub async fn run(args: WebhookArgs) -> anyhow::Result<()> {
    logging::start();
    install_provider();
    let shutdown = Shutdown::on_signals().context("cannot listen for signals")?;

    let mut registry = Registry::default();
    let metrics = Arc::new(Metrics::register(&mut registry));

    let own_namespace = args
        .namespace
        .clone()
        .or_else(|| std::env::var("POD_NAMESPACE").ok());
    // Anything but a ConfigMap's policy has to be good before the cluster is asked for anything.
    if args.policy.policy_config_map.is_none() {
        policy::read(args.policy.policy.as_deref()).context("--policy")?;
    }
    let surroundings = Surroundings::default();
    let client = client(&args).await?;
    let events = events(&args, client.as_ref(), &mut registry);
    let told = Told {
        events: events.clone(),
        namespace: own_namespace.as_deref(),
        metrics: PolicyMetrics::register(&mut registry),
    };
    let (policy, policy_is_good) = policy_in_force::start(&args.policy, told, &shutdown, |_, _| {})?;
    let mut synced = watch_cluster(client.as_ref(), &surroundings, &mut registry, &shutdown);
    synced.extend(policy_is_good);
    if client.is_some() {
        tokio::spawn(forget_namespaces(
            Arc::clone(&metrics),
            surroundings.clone(),
            shutdown.clone(),
        ));
    }
    registry.register_collector(Box::new(Process));
    let serving = serving::start(
        &args.serving,
        own_namespace.as_deref(),
        client.clone(),
        &mut registry,
        &shutdown,
    )?;
    if let Some(client) = client {
        look_at_configurations(&args.serving, client, &serving, &mut registry, &shutdown);
    }
    synced.extend(serving.ready);
    let mut observers: Vec<Arc<dyn Observer>> = vec![metrics];
    observers.extend(events.map(|events| Arc::new(Announcer(events)) as Arc<dyn Observer>));
    let admission = Arc::new(Admission {
        policy,
        surroundings,
        own_namespace,
        wait_image: args.wait_image,
        observer: Arc::new(observers),
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

/// Starts looking whether the API server has our configurations and trusts what is served.
fn look_at_configurations(
    args: &ServingArgs,
    client: kube::Client,
    serving: &serving::Serving,
    registry: &mut Registry,
    shutdown: &Shutdown,
) {
    let place = Place {
        configuration: args.webhook_configuration.clone(),
        ..Place::default()
    };
    let configured = configured::gauge(registry);
    let (certificate, shutdown) = (Arc::clone(&serving.certificate), shutdown.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = shutdown.requested() => {}
            () = configured::watch(Cluster::new(client, place), certificate, configured) => {}
        }
    });
}

/// Starts what writes Events, where they are wanted.
fn events(args: &WebhookArgs, client: Option<&kube::Client>, registry: &mut Registry) -> Option<Events> {
    let client = client.filter(|_| !args.no_events)?;
    let (events, outbox) = report::events::channel(registry);
    tokio::spawn(outbox.send(
        client.clone(),
        "hookbudget.dev/webhook",
        std::env::var("POD_NAME").ok(),
    ));
    Some(events)
}

/// Starts the watches. What is returned become true as each has seen its first list.
fn watch_cluster(
    client: Option<&kube::Client>,
    surroundings: &Surroundings,
    registry: &mut Registry,
    shutdown: &Shutdown,
) -> Vec<watch::Receiver<bool>> {
    let Some(client) = client else { return Vec::new() };
    let metrics = Arc::new(WatchMetrics::register(registry));
    let releases = Releases {
        helm_releases: Arc::clone(&surroundings.releases),
        kustomizations: Arc::clone(&surroundings.kustomizations),
        applications: Arc::clone(&surroundings.applications),
    };
    let mut synced = watch_releases(client, &releases, &metrics, shutdown);
    let (namespaces_synced, namespaces) = watch::channel(false);
    tokio::spawn(watch_namespaces(
        client.clone(),
        Arc::clone(&surroundings.namespaces),
        namespaces_synced,
        metrics,
        shutdown.clone(),
    ));
    synced.push(namespaces);
    synced
}

/// Drops the counters of namespaces that are gone, now and then.
async fn forget_namespaces(metrics: Arc<Metrics>, surroundings: Surroundings, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = shutdown.requested() => return,
            () = tokio::time::sleep(FORGET) => {}
        }
        let namespaces = surroundings.namespaces.load();
        metrics.keep_namespaces(|name| namespaces.contains_key(name));
    }
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
