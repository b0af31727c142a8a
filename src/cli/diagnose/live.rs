//! What `diagnose` reads of a live cluster.

use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::select::{self, Wanted};
use super::{DiagnoseArgs, Found};
use crate::engine::evidence::Evidence;
use crate::engine::policy::Policy;
use crate::index::live::Reader;
use crate::index::{Scope, Still};
use crate::report::Store;
use crate::tls::install_provider;

/// Reads the namespace and judges its Jobs.
pub(super) async fn found(args: &DiagnoseArgs, policy: Arc<Policy>) -> anyhow::Result<Found> {
    let config = config(args).await?;
    let here = args
        .namespace
        .clone()
        .unwrap_or_else(|| config.default_namespace.clone());
    install_provider();
    let client = Client::try_from(config).context("no way into the cluster")?;
    let reader = Reader::new(client.clone());
    let one = match &args.job {
        Some(Wanted::Job(name)) => Some(name.as_str()),
        _ => None,
    };
    let read = reader
        .namespace(&here, one)
        .await
        .with_context(|| format!("cannot read the Jobs of namespace {here}"))?;
    let mut still = Still::new(policy, Timestamp::now());
    still.take_back(captured(&client, &here).await, &read.changes);
    let mut asks = still.take_in(read.changes);
    // What a first look shows may ask for another one: the room that a Pod found behind a release lacks.
    for _ in 0..super::LOOKS {
        let mut found = Vec::new();
        for ask in asks {
            found.extend(reader.look(ask).await);
        }
        asks = still.take_in(found);
        if asks.is_empty() {
            break;
        }
    }
    let mut diagnoses = select::diagnoses(&still, args.job.as_ref(), Some(&here));
    for diagnosis in &mut diagnoses {
        diagnosis.evidence_lost.extend(read.lost.iter().cloned());
    }
    if let (true, Some(name)) = (diagnoses.is_empty(), one) {
        // Where diagnoses are not kept, there is none.
        let store = Store::new(client, Scope::CLUSTER);
        diagnoses.extend(store.newest(&here, name).await.ok().flatten());
    }
    let nothing = args.job.as_ref().map_or_else(String::new, |job| {
        format!("there is no {job} in namespace {here}; -n names another namespace")
    });
    Ok(Found {
        diagnoses,
        errors: Vec::new(),
        nothing,
    })
}

/// What an exporter has captured in a namespace: it saw Pods and logs that are gone by now. Nothing where none keeps
/// it, or where it may not be read.
async fn captured(client: &Client, namespace: &str) -> Vec<(Evidence, Timestamp)> {
    let scope = Scope {
        namespaces: vec![namespace.to_owned()],
        ..Scope::CLUSTER
    };
    let kept = Store::new(client.clone(), scope).list(Timestamp::now()).await;
    let kept = kept.unwrap_or_default().into_iter().flatten();
    kept.filter_map(|kept| Some((kept.evidence?, kept.written)))
        .collect()
}

async fn config(args: &DiagnoseArgs) -> anyhow::Result<Config> {
    let options = KubeConfigOptions {
        context: args.context.clone(),
        ..KubeConfigOptions::default()
    };
    if let Some(path) = &args.kubeconfig {
        let file = Kubeconfig::read_from(path).with_context(|| format!("--kubeconfig {}", path.display()))?;
        let config = Config::from_custom_kubeconfig(file, &options).await;
        return config.with_context(|| format!("--kubeconfig {}", path.display()));
    }
    if let Some(name) = &args.context {
        let config = Config::from_kubeconfig(&options).await;
        return config.with_context(|| format!("--context {name}"));
    }
    Config::infer()
        .await
        .context("no cluster: set KUBECONFIG, or name dumps with --from")
}
