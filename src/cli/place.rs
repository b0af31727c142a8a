//! Which installation a command is about.

use anyhow::Context as _;
use clap::Args;

use crate::certs::{Cluster, Place};
use crate::tls::install_provider;

/// Which installation. The defaults are those of the chart's release `hookbudget` in the namespace `hookbudget`.
#[derive(Args, Clone, Debug)]
pub(super) struct PlaceArgs {
    /// The namespace that the webhook runs in; without it, `POD_NAMESPACE`, else hookbudget.
    #[arg(long, short, value_name = "NAMESPACE", global = true)]
    pub(super) namespace: Option<String>,
    /// The name of the two webhook configurations.
    #[arg(long, value_name = "NAME", default_value = "hookbudget", global = true)]
    pub(super) webhook_configuration: String,
    /// The Secret of the certificate; without it, the name of the configurations with -webhook-tls.
    #[arg(long, value_name = "NAME", global = true)]
    pub(super) tls_secret: Option<String>,
}

impl PlaceArgs {
    /// The namespace.
    pub(super) fn namespace(&self) -> String {
        let given = self
            .namespace
            .clone()
            .or_else(|| std::env::var("POD_NAMESPACE").ok());
        given.unwrap_or_else(|| "hookbudget".to_owned())
    }

    /// The Secret's name.
    pub(super) fn secret(&self) -> String {
        let named = self.tls_secret.clone();
        named.unwrap_or_else(|| format!("{}-webhook-tls", self.webhook_configuration))
    }

    /// A client of the cluster that the environment names.
    ///
    /// # Errors
    /// When there is no way into a cluster.
    pub(super) async fn client() -> anyhow::Result<kube::Client> {
        install_provider();
        let client = kube::Client::try_default().await;
        client.context("no way into the cluster: set KUBECONFIG, or run in a Pod")
    }

    /// The place, with names that the certificate is to have besides those of the configurations.
    pub(super) fn cluster(&self, client: kube::Client, names: &[String]) -> Cluster {
        let place = Place {
            namespace: self.namespace(),
            secret: self.secret(),
            configuration: self.webhook_configuration.clone(),
            names: names.to_vec(),
        };
        Cluster::new(client, place)
    }
}
