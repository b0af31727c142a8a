//! `hookbudget check`: is the installed webhook right?

mod access;
mod certificate;
mod configuration;
mod hook;
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

use self::configuration::Expected;
use self::hook::Hook;
use self::installed::Installed;
use self::probe::Due;
use self::report::Report;
use super::place::PlaceArgs;
use super::policy;
use super::terminal::Terminal;
use crate::certs::{ConfigurationKind, KeepError};
use crate::engine::policy::Policy;
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
    let read = read_configurations(&mut args, &client).await;
    let hooks: Vec<_> = read
        .iter()
        .filter_map(|(kind, read)| Some((*kind, read.as_ref().ok()?.as_ref()?)))
        .flat_map(|(kind, hooks)| hooks.iter().map(move |hook| (kind, hook)))
        .collect();
    // What the configurations and the dry run are held against is known by what they lead to.
    let (mut reached, mut told) = (Report::new(), Report::new());
    let installed = follow(&client, &hooks, &mut reached).await;
    let namespace = args.place.namespace();
    let policy = installed::policy(&mut told.area("policy"), &client, &namespace, &installed).await;
    configurations(&args, &read, &installed, &mut report);
    if !hooks.is_empty() {
        walk(&args, &client, &hooks, policy.as_ref(), &mut reached).await;
    }
    report.append(reached);
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
    report.append(told);
    let mut area = report.area("policy");
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

/// The webhooks of each configuration; `None` where it is absent.
type Read = [(ConfigurationKind, anyhow::Result<Option<Vec<Hook>>>); 2];

/// Reads both configurations. Where no namespace is given, theirs is meant from here on.
async fn read_configurations(args: &mut CheckArgs, client: &Client) -> Read {
    let name = &args.place.webhook_configuration;
    let both = [
        (
            ConfigurationKind::Mutating,
            read::<MutatingWebhookConfiguration>(client, name).await,
        ),
        (
            ConfigurationKind::Validating,
            read::<ValidatingWebhookConfiguration>(client, name).await,
        ),
    ];
    let mut hooks = both
        .iter()
        .filter_map(|(_, read)| read.as_ref().ok()?.as_ref())
        .flatten();
    let service = hooks.find_map(|hook| hook.client_config.service.as_ref());
    let namespace = service.map(|service| service.namespace.clone());
    args.place.namespace = args.place.namespace.take().or(namespace);
    both
}

/// Judges both configurations.
fn configurations(args: &CheckArgs, read: &Read, installed: &Installed, report: &mut Report) {
    let name = &args.place.webhook_configuration;
    let own = args.place.namespace();
    let mut area = report.area("configuration");
    for (kind, read) in read {
        match read {
            Ok(hooks) => {
                let expected = Expected {
                    kind: *kind,
                    own_namespace: &own,
                    excluded: installed.excluded(),
                };
                configuration::judge(&mut area, name, &expected, hooks.as_deref());
            }
            Err(error) => area.warn(
                format!("the {} {name} cannot be read: {error:#}", kind.as_str()),
                "run it as a user who may",
            ),
        }
    }
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

/// Follows the Service that the configurations call.
async fn follow(client: &Client, hooks: &[(ConfigurationKind, &Hook)], report: &mut Report) -> Installed {
    let mut area = report.area("reachability");
    let mut called = hooks.iter().map(|(_, hook)| &hook.client_config);
    if let Some(service) = called.clone().find_map(|call| call.service.as_ref()) {
        return installed::follow(&mut area, client, &service.namespace, &service.name).await;
    }
    if let Some(url) = called.find_map(|call| call.url.as_ref()) {
        area.ok(format!("the configurations call {url}, no Service"));
    }
    Installed::default()
}

/// Walks the whole way with a dry run.
async fn walk(
    args: &CheckArgs,
    client: &Client,
    hooks: &[(ConfigurationKind, &Hook)],
    policy: Option<&Policy>,
    report: &mut Report,
) {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let name = &args.probe_namespace;
    let namespace = namespaces.get_metadata_opt(name).await.ok();
    let labels = namespace.map(|found| found.and_then(|found| found.metadata.labels).unwrap_or_default());
    let due = Due::of(name, labels.as_ref(), hooks, policy);
    probe::judge(&mut report.area("reachability"), client, name, &due).await;
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
