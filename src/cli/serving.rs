//! Where the webhook's serving certificate comes from, and who may call.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use tokio::sync::watch;

use crate::certs::{Cluster, Keeper, Metrics, Place};
use crate::shutdown::Shutdown;
use crate::tls::{
    Authority, Bundle, CertificateFiles, ClientAuth, LiveCertificate, Reloader, ServingCertificate,
};

/// How often certificate files are looked at.
const CERTIFICATE_POLL: Duration = Duration::from_secs(30);

/// Where the certificate comes from, and who may call.
#[derive(Args, Clone, Debug)]
pub struct ServingArgs {
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
    /// The Secret, in the webhook's own namespace, in which the certificate that is made here is kept, shared
    /// with the other replicas, and renewed. caBundle is then written by the webhook itself.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["tls_cert_file", "ca_out", "no_cluster"])]
    pub tls_secret: Option<String>,
    /// The name of the two webhook configurations, which are looked at, and which --tls-secret writes caBundle into.
    #[arg(long, value_name = "NAME", default_value = "hookbudget")]
    pub webhook_configuration: String,
    /// Authorities of clients, PEM: only a client with a certificate of one of them, and with a name of
    /// --client-name, is served. Probes then go to the port of the metrics.
    #[arg(long, value_name = "FILE", requires = "client_name")]
    pub client_ca_file: Option<PathBuf>,
    /// A common name or DNS name of a client that may call; may be repeated.
    #[arg(long, value_name = "NAME", requires = "client_ca_file")]
    pub client_name: Vec<String>,
}

/// What the server serves with.
pub(super) struct Serving {
    /// The certificate, replaced while connections are served.
    pub(super) certificate: Arc<LiveCertificate>,
    /// Who may call; everybody where there is nothing here.
    pub(super) clients: Option<Arc<ClientAuth>>,
    /// Becomes true once clients can trust the certificate, where that takes time.
    pub(super) ready: Option<watch::Receiver<bool>>,
}

/// The gauge of the certificate's end.
pub(super) fn expiry_gauge(registry: &mut Registry) -> Gauge<i64, AtomicI64> {
    let expiry: Gauge<i64, AtomicI64> = Gauge::default();
    registry.register_with_unit(
        "hookbudget_tls_not_after_timestamp",
        "End of validity of the serving certificate",
        Unit::Seconds,
        expiry.clone(),
    );
    expiry
}

/// Loads or makes the certificate and keeps it up to date until shutdown.
///
/// # Errors
/// Names the flag to change.
pub(super) fn start(
    args: &ServingArgs,
    namespace: Option<&str>,
    client: Option<kube::Client>,
    registry: &mut Registry,
    shutdown: &Shutdown,
) -> anyhow::Result<Serving> {
    let expiry = expiry_gauge(registry);
    let clients = clients(args, shutdown)?;
    if let (Some(certificate), Some(key)) = (&args.tls_cert_file, &args.tls_key_file) {
        let files = CertificateFiles {
            certificate: certificate.clone(),
            key: key.clone(),
        };
        let certificate = from_files(files, expiry, shutdown)?;
        return Ok(Serving {
            certificate,
            clients,
            ready: None,
        });
    }
    let bundle = make(args)?;
    let certificate = LiveCertificate::new(ServingCertificate::try_from(&bundle)?);
    let (Some(secret), Some(client)) = (&args.tls_secret, client) else {
        if let Some(path) = &args.ca_out {
            std::fs::write(path, &bundle.ca_pem).with_context(|| format!("--ca-out {}", path.display()))?;
        }
        expiry.set(bundle.not_after.as_second());
        return Ok(Serving {
            certificate,
            clients,
            ready: None,
        });
    };
    let namespace = namespace.context("--tls-secret needs --namespace or POD_NAMESPACE")?;
    let place = Place {
        namespace: namespace.to_owned(),
        secret: secret.clone(),
        configuration: args.webhook_configuration.clone(),
        names: args.tls_san.clone(),
    };
    let (sender, ready) = watch::channel(false);
    let metrics = Arc::new(Metrics::register(registry, expiry));
    // Until the Secret has been read, the certificate that nobody trusts keeps the health check alive.
    let keeper = Keeper::new(
        Cluster::new(client, place),
        Some(Arc::clone(&certificate)),
        metrics,
    );
    tokio::spawn(keeper.run(sender, shutdown.clone()));
    Ok(Serving {
        certificate,
        clients,
        ready: Some(ready),
    })
}

/// A certificate of an authority that exists in this process alone.
fn make(args: &ServingArgs) -> anyhow::Result<Bundle> {
    let now = Timestamp::now();
    Authority::generate("hookbudget", now)
        .and_then(|authority| authority.issue(&args.tls_san, now))
        .context("--tls-san")
}

/// The certificate of the files, kept in step with them.
fn from_files(
    files: CertificateFiles,
    expiry: Gauge<i64, AtomicI64>,
    shutdown: &Shutdown,
) -> anyhow::Result<Arc<LiveCertificate>> {
    let (live, reloader) = Reloader::start(files).context("--tls-cert-file and --tls-key-file")?;
    expiry.set(live.not_after().as_second());
    let shown = Arc::clone(&live);
    let observe = move |_: &_| {
        expiry.set(shown.not_after().as_second());
    };
    let shutdown = shutdown.clone();
    tokio::spawn(reloader.run(
        CERTIFICATE_POLL,
        async move { shutdown.requested().await },
        observe,
    ));
    Ok(live)
}

fn clients(args: &ServingArgs, shutdown: &Shutdown) -> anyhow::Result<Option<Arc<ClientAuth>>> {
    let Some(path) = &args.client_ca_file else {
        return Ok(None);
    };
    let clients = ClientAuth::start(path, &args.client_name).context("--client-ca-file")?;
    let (polled, shutdown) = (Arc::clone(&clients), shutdown.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = polled.run(CERTIFICATE_POLL) => {}
            () = shutdown.requested() => {}
        }
    });
    Ok(Some(clients))
}
