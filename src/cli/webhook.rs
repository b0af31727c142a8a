//! `hookbudget webhook`: the mutating and validating admission server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use clap::Args;
use jiff::Timestamp;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use tokio::sync::watch;

use super::{logging, objects};
use crate::admission::{self, Admission, Metrics, Ready, Surroundings};
use crate::http::{Acceptor, HandshakeFailure, HandshakeObserver, Limits, bind, serve_plain, serve_tls};
use crate::index::namespaces::watch_namespaces;
use crate::index::releases::watch_releases;
use crate::shutdown::Shutdown;
use crate::tls::{
    Authority, CertificateFiles, LiveCertificate, Reloader, ServingCertificate, install_provider,
    server_config,
};

/// How often certificate files are looked at.
const CERTIFICATE_POLL: Duration = Duration::from_secs(30);
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
    /// A DNS name or an address of the certificate that is made here; may be repeated.
    #[arg(long, value_name = "NAME", default_values_t = ["localhost".to_owned(), "127.0.0.1".to_owned()])]
    pub tls_san: Vec<String>,
    /// Certificate chain to serve with, PEM; without it one is made in process.
    #[arg(long, value_name = "FILE", requires = "tls_key_file")]
    pub tls_cert_file: Option<PathBuf>,
    /// Key of the certificate, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert_file")]
    pub tls_key_file: Option<PathBuf>,
    /// Where to write the authority of the certificate that is made here, PEM: what goes into caBundle.
    #[arg(long, value_name = "FILE", conflicts_with = "tls_cert_file")]
    pub ca_out: Option<PathBuf>,
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
    let policy = objects::policy(args.policy.as_deref()).context("--policy")?;

    let mut registry = Registry::default();
    let metrics = Arc::new(Metrics::register(&mut registry));
    let expiry: Gauge<i64, AtomicI64> = Gauge::default();
    registry.register_with_unit(
        "hookbudget_tls_not_after_timestamp",
        "End of validity of the serving certificate",
        Unit::Seconds,
        expiry.clone(),
    );

    let surroundings = Surroundings::default();
    let synced = watch_cluster(&args, &surroundings, &shutdown).await?;
    let admission = Arc::new(Admission {
        policy: Arc::new(ArcSwap::from_pointee(policy)),
        surroundings,
        own_namespace: args
            .namespace
            .clone()
            .or_else(|| std::env::var("POD_NAMESPACE").ok()),
        observer: metrics,
    });
    let certificate = serving_certificate(&args, &expiry, &shutdown)?;

    let limits = Limits {
        withdrawal: if args.no_cluster {
            Duration::ZERO
        } else {
            WITHDRAWAL
        },
        ..Limits::default()
    };
    let router = admission::router(admission, ready(synced, &shutdown), &limits);
    let listener = bind(args.listen).context("--listen")?;
    let metrics_listener = bind(args.metrics_listen).context("--metrics-listen")?;
    tracing::info!(
        listen = %listener.local_addr()?,
        metrics = %metrics_listener.local_addr()?,
        certificate_until = %certificate.not_after(),
        "webhook serves"
    );
    let acceptor = Acceptor::new(server_config(certificate, None)?).observed_by(Arc::new(LogHandshakes));
    let reviews = serve_tls(listener, acceptor, router, shutdown.clone(), limits);
    let scrapes = serve_plain(metrics_listener, metrics_router(registry), shutdown, limits);
    let (reviews, _) = tokio::join!(reviews, scrapes);
    tracing::info!(cut = reviews.cut, "webhook ended");
    Ok(())
}

/// Starts the watches. What is returned become true as each has seen its first list.
async fn watch_cluster(
    args: &WebhookArgs,
    surroundings: &Surroundings,
    shutdown: &Shutdown,
) -> anyhow::Result<Vec<watch::Receiver<bool>>> {
    if args.no_cluster {
        return Ok(Vec::new());
    }
    let client = kube::Client::try_default()
        .await
        .context("no way into the cluster: set KUBECONFIG, run in a Pod, or give --no-cluster")?;
    let (namespaces_synced, namespaces) = watch::channel(false);
    let (releases_synced, releases) = watch::channel(false);
    tokio::spawn(watch_namespaces(
        client.clone(),
        Arc::clone(&surroundings.namespaces),
        namespaces_synced,
        shutdown.clone(),
    ));
    tokio::spawn(watch_releases(
        client,
        Arc::clone(&surroundings.releases),
        releases_synced,
        shutdown.clone(),
    ));
    Ok(vec![namespaces, releases])
}

fn ready(synced: Vec<watch::Receiver<bool>>, shutdown: &Shutdown) -> Ready {
    let shutdown = shutdown.clone();
    Arc::new(move || !shutdown.is_requested() && synced.iter().all(|synced| *synced.borrow()))
}

/// The certificate of the files, kept in step with them; or one made here.
fn serving_certificate(
    args: &WebhookArgs,
    expiry: &Gauge<i64, AtomicI64>,
    shutdown: &Shutdown,
) -> anyhow::Result<Arc<LiveCertificate>> {
    if let (Some(certificate), Some(key)) = (&args.tls_cert_file, &args.tls_key_file) {
        let files = CertificateFiles {
            certificate: certificate.clone(),
            key: key.clone(),
        };
        let (live, reloader) = Reloader::start(files).context("--tls-cert-file and --tls-key-file")?;
        expiry.set(live.not_after().as_second());
        let (shown, gauge) = (Arc::clone(&live), expiry.clone());
        let observe = move |_: &_| {
            gauge.set(shown.not_after().as_second());
        };
        let shutdown = shutdown.clone();
        tokio::spawn(reloader.run(
            CERTIFICATE_POLL,
            async move { shutdown.requested().await },
            observe,
        ));
        return Ok(live);
    }
    let now = Timestamp::now();
    let bundle = Authority::generate("hookbudget", now)
        .and_then(|authority| authority.issue(&args.tls_san, now))
        .context("--tls-san")?;
    if let Some(path) = &args.ca_out {
        std::fs::write(path, &bundle.ca_pem).with_context(|| format!("--ca-out {}", path.display()))?;
    }
    expiry.set(bundle.not_after.as_second());
    let serving =
        ServingCertificate::from_pem(bundle.cert_pem.as_bytes(), bundle.key_pem.expose().as_bytes())
            .context("the certificate that was made")?;
    Ok(LiveCertificate::new(serving))
}

fn metrics_router(registry: Registry) -> Router {
    let registry = Arc::new(registry);
    let scrape = move || {
        let registry = Arc::clone(&registry);
        async move {
            let mut text = String::with_capacity(4096);
            if prometheus_client::encoding::text::encode(&mut text, &registry).is_err() {
                return axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response();
            }
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
    };
    Router::new().route("/metrics", get(scrape))
}

/// Says why handshakes fail: an API server with another caBundle is told from a TCP probe.
struct LogHandshakes;

impl HandshakeObserver for LogHandshakes {
    fn completed(&self, _: Duration) {}

    fn failed(&self, why: HandshakeFailure) {
        if why == HandshakeFailure::Untrusted {
            tracing::warn!("a client does not trust the certificate: check its caBundle");
        } else {
            tracing::debug!(why = why.as_str(), "a TLS handshake failed");
        }
    }
}
