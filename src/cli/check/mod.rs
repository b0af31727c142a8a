//! `hookbudget check`: is the installed webhook right?

mod access;
mod certificate;
mod configuration;
mod installed;
mod probe;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::configuration::Hook;
use self::installed::Installed;
use self::report::Report;
use super::place::PlaceArgs;
use super::policy;
use super::terminal::Terminal;
use crate::certs::{ConfigurationKind, KeepError};
use crate::engine::policy::Mode;
use crate::tls::kept::Found;

/// The first version of Kubernetes whose `matchConditions` need no feature gate.
const OLDEST_MINOR: u32 = 30;

/// Is the installed webhook right: configuration, authority, certificate, reachability, policy, permissions?
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Exit status: 0 nothing fails, 1 something fails, 2 the check could not run.

Examples:
  hookbudget check
  hookbudget check -n hooks --webhook-configuration hb --format json"
)]
pub struct CheckArgs {
    /// Which installation.
    #[command(flatten)]
    place: PlaceArgs,
    /// A namespace in mode warn or enforce for the dry run of an unsafe hook Job.
    #[arg(long, value_name = "NAMESPACE", default_value = "default")]
    probe_namespace: String,
    /// A policy file to read too.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// How to print the lines.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Runs the command.
///
/// # Errors
/// When there is no way into the cluster.
pub async fn run(mut args: CheckArgs, terminal: &mut Terminal) -> anyhow::Result<ExitCode> {
    let client = PlaceArgs::client().await?;
    let server = client
        .apiserver_version()
        .await
        .context("the API server does not answer")?;
    let mut report = Report::new();
    let hooks = configurations(&mut args, &client, &mut report).await;
    let installed = reach(&args, &client, &hooks, &mut report).await;
    args.place.tls_secret = args.place.tls_secret.or_else(|| installed.secret());
    certificates(&args, &client, &mut report).await;
    let minor: u32 = server.minor.trim_end_matches('+').parse().unwrap_or(OLDEST_MINOR);
    let mut area = report.area("versions");
    if server.major == "1" && minor < OLDEST_MINOR {
        area.fail(
            format!("Kubernetes {}", server.git_version),
            format!("1.{OLDEST_MINOR} or newer has matchConditions"),
        );
    } else {
        area.ok(format!("Kubernetes {}", server.git_version));
    }
    installed::version(&mut area, &installed);
    permissions(&args, &client, &installed, &mut report).await;
    let mut area = report.area("policy");
    installed::policy(&mut area, &client, &args.place.namespace(), &installed).await;
    if let Some(path) = &args.policy {
        match policy::read(Some(path)) {
            Ok(_) => area.ok(format!("{} is a policy", path.display())),
            Err(error) => area.fail(format!("{error:#}"), "correct it"),
        }
    }
    match args.format {
        Format::Text => report.print(terminal)?,
        Format::Json => terminal.json(&report)?,
    }
    Ok(if report.fails() {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    })
}

/// Judges both configurations; their webhooks. Where no namespace is given, theirs is meant from here on.
async fn configurations(args: &mut CheckArgs, client: &Client, report: &mut Report) -> Vec<Hook> {
    let name = args.place.webhook_configuration.clone();
    let both = [
        (
            ConfigurationKind::Mutating,
            read::<MutatingWebhookConfiguration>(client, &name).await,
        ),
        (
            ConfigurationKind::Validating,
            read::<ValidatingWebhookConfiguration>(client, &name).await,
        ),
    ];
    let hooks = || {
        both.iter()
            .filter_map(|(_, read)| read.as_ref().ok()?.as_ref())
            .flatten()
    };
    let service = hooks().find_map(|hook| hook.client_config.service.as_ref());
    let namespace = service.map(|service| service.namespace.clone());
    args.place.namespace = args.place.namespace.take().or(namespace);
    let mut area = report.area("configuration");
    for (kind, read) in &both {
        match read {
            Ok(hooks) => {
                let own = args.place.namespace();
                configuration::judge(&mut area, *kind, &name, &own, hooks.as_deref());
            }
            Err(error) => area.warn(
                format!("the {} {name} cannot be read: {error:#}", kind.as_str()),
                "run it as a user who may",
            ),
        }
    }
    hooks().cloned().collect()
}

async fn read<K>(client: &Client, name: &str) -> anyhow::Result<Option<Vec<Hook>>>
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::ClusterResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Serialize,
{
    let api: Api<K> = Api::all(client.clone());
    let Some(object) = api.get_opt(name).await? else {
        return Ok(None);
    };
    let webhooks = serde_json::to_value(object)?["webhooks"].take();
    Ok(Some(
        serde_json::from_value::<Option<Vec<Hook>>>(webhooks)?.unwrap_or_default(),
    ))
}

/// Judges `caBundle` and the certificate in the Secret.
async fn certificates(args: &CheckArgs, client: &Client, report: &mut Report) {
    let cluster = args.place.cluster(client.clone(), &[]);
    let now = Timestamp::now();
    let configurations = cluster.configurations().await.unwrap_or_default();
    for configuration in &configurations {
        certificate::authority(&mut report.area("authority"), configuration, now);
    }
    let mut area = report.area("certificate");
    match cluster.secret().await {
        Err(KeepError::Forbidden { what, .. }) => area.warn(
            format!("{what} may not be read: its days are not looked at, nor whether caBundle is of its authority"),
            "run it as a user who may get that Secret; the dry run above shows whether the API server accepts it",
        ),
        Err(error) => area.warn(
            format!("{} cannot be read: {error}", cluster.secret_name()),
            "run it as a user who may",
        ),
        Ok(None) => area.fail(
            format!("{} is missing", cluster.secret_name()),
            "helm upgrade brings it back, or name another one by --tls-secret",
        ),
        Ok(Some(secret)) => {
            let data = secret
                .data
                .unwrap_or_default()
                .into_iter()
                .map(|(key, value)| (key, value.0))
                .collect();
            certificate::kept(&mut area, &Found::read(&data));
            let certificate = data.get("tls.crt").map(|text| String::from_utf8_lossy(text));
            certificate::serving(&mut area, &certificate.unwrap_or_default(), &configurations, now);
        }
    }
}

/// Follows the Service, and walks the whole way with a dry run.
async fn reach(args: &CheckArgs, client: &Client, hooks: &[Hook], report: &mut Report) -> Installed {
    let mut area = report.area("reachability");
    let mut installed = Installed::default();
    if let Some(service) = hooks.iter().find_map(|hook| hook.client_config.service.as_ref()) {
        installed = installed::follow(&mut area, client, &service.namespace, &service.name).await;
    } else if let Some(url) = hooks.iter().find_map(|hook| hook.client_config.url.as_ref()) {
        area.ok(format!("the configurations call {url}, no Service"));
    }
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let mode = namespaces
        .get_metadata_opt(&args.probe_namespace)
        .await
        .ok()
        .flatten();
    let labels = mode.and_then(|namespace| namespace.metadata.labels);
    let mode = labels.and_then(|labels| Mode::parse(labels.get("hookbudget.dev/mode")?));
    if let Some(mode @ (Mode::Off | Mode::Audit)) = mode {
        area.warn(
            format!(
                "{} is in mode {}: nothing that the webhook does can be seen there",
                args.probe_namespace,
                mode.as_str()
            ),
            "name a namespace in mode warn or enforce by --probe-namespace",
        );
    } else if !hooks.is_empty() {
        probe::judge(&mut area, client, &args.probe_namespace).await;
    }
    installed
}

/// Asks whether the `ServiceAccount`s may do what the webhook and the exporter do.
async fn permissions(args: &CheckArgs, client: &Client, installed: &Installed, report: &mut Report) {
    let Some(user) = &installed.user else { return };
    let groups = client
        .list_api_groups()
        .await
        .map(|list| list.groups)
        .unwrap_or_default();
    let served = |name: &str| groups.iter().any(|group| group.name == name);
    let secret = args.place.secret();
    let kept = installed.argument("--tls-secret").is_some();
    let needs = access::needs(
        &args.place.namespace(),
        &secret,
        &args.place.webhook_configuration,
        kept,
        !installed
            .arguments
            .iter()
            .any(|argument| argument == "--no-events"),
    );
    let mut area = report.area("permissions of the webhook");
    access::judge(&mut area, client, user, needs).await;
    access::judge_foreign(&mut area, client, user, served).await;
    if let Some(exporter) = &installed.exporter {
        let needs = access::exporter_needs(exporter, served("helm.toolkit.fluxcd.io"));
        let mut area = report.area("permissions of the exporter");
        access::judge(&mut area, client, &exporter.user, needs).await;
    }
}
