//! The Service that the configurations call, its Deployment, and what that Deployment was told.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Container, PodSpec, Service, Volume};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::ListParams;
use kube::{Api, Client};

use super::report::Area;
use crate::cli::policy;
use crate::engine::policy::Policy;

/// The annotation of the Deployment that holds `webhook.excludedNamespaces`, with commas (`webhook-deployment.yaml` of
/// the chart): what the values say, beside what the configurations say.
const EXCLUDED: &str = "hookbudget.dev/excluded-namespaces";

/// What runs behind the Service.
#[derive(Debug, Default)]
pub(super) struct Installed {
    /// The ServiceAccount, as RBAC names it.
    pub(super) user: Option<String>,
    /// The arguments of the webhook's container.
    pub(super) arguments: Vec<String>,
    /// The exporter beside it, where there is one.
    pub(super) exporter: Option<Exporter>,
    deployment: Option<Deployment>,
}

/// The exporter of an installation.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Exporter {
    /// The ServiceAccount, as RBAC names it.
    pub(super) user: String,
    /// The namespaces that it watches; none: all.
    pub(super) namespaces: Vec<String>,
    /// Whether it keeps diagnoses as objects.
    pub(super) diagnoses: bool,
    /// Namespace and name of the Lease by which one exporter writes them.
    pub(super) lease: Option<(String, String)>,
    /// Whether a replica is available.
    available: bool,
}

impl Installed {
    /// The Secret of the certificate: the one that is kept, or the one that is mounted.
    pub(super) fn secret(&self) -> Option<String> {
        if let Some(kept) = self.argument("--tls-secret") {
            return Some(kept.to_owned());
        }
        let (volume, _) = mounted(self.deployment.as_ref()?, self.argument("--tls-cert-file")?)?;
        volume.secret.as_ref()?.secret_name.clone()
    }

    /// The namespaces that the values exclude beyond those that are never judged; `None` where that is not known.
    pub(super) fn excluded(&self) -> Option<Vec<&str>> {
        let annotations = self.deployment.as_ref()?.metadata.annotations.as_ref()?;
        let names = annotations.get(EXCLUDED)?.split(',');
        Some(names.filter(|name| !name.is_empty()).collect())
    }

    /// The value of `--flag=value` or `--flag value`.
    pub(super) fn argument(&self, flag: &str) -> Option<&str> {
        let mut arguments = self.arguments.iter();
        while let Some(argument) = arguments.next() {
            if argument == flag {
                return arguments.next().map(String::as_str);
            }
            if let Some(value) = argument
                .strip_prefix(flag)
                .and_then(|rest| rest.strip_prefix('='))
            {
                return Some(value);
            }
        }
        None
    }
}

/// Follows the Service to its endpoints and to its Deployment.
pub(super) async fn follow(area: &mut Area<'_>, client: &Client, namespace: &str, name: &str) -> Installed {
    let services: Api<Service> = Api::namespaced(client.clone(), namespace);
    let service = match services.get_opt(name).await {
        Ok(Some(service)) => service,
        Ok(None) => {
            area.fail(
                format!("there is no Service {namespace}/{name}, which the configurations call"),
                "helm upgrade brings it back",
            );
            return Installed::default();
        }
        Err(error) => {
            area.warn(
                format!("the Service {namespace}/{name} cannot be read: {error}"),
                "run it as a user who may",
            );
            return Installed::default();
        }
    };
    endpoints(area, client, namespace, name).await;
    let selector = service.spec.and_then(|spec| spec.selector).unwrap_or_default();
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let all = match deployments.list(&ListParams::default()).await {
        Ok(list) => list.items,
        Err(error) => {
            area.warn(
                format!("the Deployments of {namespace} cannot be read: {error}"),
                "run it as a user who may",
            );
            return Installed::default();
        }
    };
    let exporter = all.iter().find_map(|deployment| exporter(namespace, deployment));
    if let Some(Exporter { available: false, .. }) = exporter {
        area.warn(
            "the exporter is not available",
            format!("kubectl -n {namespace} get pods, then the log of the one that is not ready"),
        );
    }
    let Some(deployment) = all.into_iter().find(|deployment| selects(&selector, deployment)) else {
        area.warn(
            format!("no Deployment of {namespace} stands behind the Service"),
            "name the webhook's namespace by --namespace",
        );
        return Installed::default();
    };
    let Some(pod) = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.template.spec.as_ref())
    else {
        return Installed::default();
    };
    Installed {
        user: Some(user(namespace, pod)),
        arguments: webhook(&pod.containers)
            .and_then(|container| container.args.clone())
            .unwrap_or_default(),
        exporter,
        deployment: Some(deployment),
    }
}

/// The ServiceAccount of a Pod, as RBAC names it.
fn user(namespace: &str, pod: &PodSpec) -> String {
    let account = pod.service_account_name.as_deref().unwrap_or("default");
    format!("system:serviceaccount:{namespace}:{account}")
}

fn exporter(namespace: &str, deployment: &Deployment) -> Option<Exporter> {
    let pod = deployment.spec.as_ref()?.template.spec.as_ref()?;
    let arguments = pod.containers.iter().find_map(|container| {
        container
            .args
            .as_ref()
            .filter(|args| args.first().is_some_and(|arg| arg == "exporter"))
    })?;
    let namespaces = arguments
        .iter()
        .filter_map(|argument| argument.strip_prefix("--namespace="));
    let status = deployment.status.as_ref();
    Some(Exporter {
        user: user(namespace, pod),
        namespaces: namespaces.map(str::to_owned).collect(),
        diagnoses: arguments.iter().any(|argument| argument == "--diagnoses"),
        lease: arguments.iter().find_map(|argument| {
            let (namespace, name) = argument.strip_prefix("--lease=")?.split_once('/')?;
            Some((namespace.to_owned(), name.to_owned()))
        }),
        available: status.and_then(|status| status.available_replicas).unwrap_or(0) > 0,
    })
}

fn webhook(containers: &[Container]) -> Option<&Container> {
    let is_webhook = |container: &&Container| {
        container
            .args
            .as_ref()
            .is_some_and(|args| args.iter().any(|arg| arg == "webhook"))
    };
    containers.iter().find(is_webhook).or_else(|| containers.first())
}

fn selects(selector: &BTreeMap<String, String>, deployment: &Deployment) -> bool {
    let metadata = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.template.metadata.as_ref());
    let labels = metadata.and_then(|metadata| metadata.labels.as_ref());
    !selector.is_empty()
        && labels.is_some_and(|labels| selector.iter().all(|(key, value)| labels.get(key) == Some(value)))
}

async fn endpoints(area: &mut Area<'_>, client: &Client, namespace: &str, service: &str) {
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), namespace);
    let params = ListParams::default().labels(&format!("kubernetes.io/service-name={service}"));
    match slices.list(&params).await {
        Err(error) => area.warn(
            format!("the endpoints of {namespace}/{service} cannot be read: {error}"),
            "run it as a user who may",
        ),
        Ok(list) => {
            let endpoints = list.items.iter().flat_map(|slice| &slice.endpoints);
            let ready = endpoints
                .filter(|endpoint| {
                    endpoint
                        .conditions
                        .as_ref()
                        .and_then(|conditions| conditions.ready)
                        .unwrap_or(true)
                })
                .count();
            match ready {
                0 => area.fail(
                    format!("no replica behind {namespace}/{service} is ready"),
                    format!("kubectl -n {namespace} get pods, then the log of one that is not ready"),
                ),
                1 => area.warn(
                    format!("one replica behind {namespace}/{service} is ready"),
                    "webhook.replicaCount: 2, so that a restart leaves one",
                ),
                count => area.ok(format!("{count} replicas behind {namespace}/{service} are ready")),
            }
        }
    }
}

/// Says which version runs, against the one of this binary.
pub(super) fn version(area: &mut Area<'_>, installed: &Installed) {
    let labels = installed
        .deployment
        .as_ref()
        .and_then(|deployment| deployment.metadata.labels.as_ref());
    let Some(running) = labels.and_then(|labels| labels.get("app.kubernetes.io/version")) else {
        return;
    };
    let own = env!("CARGO_PKG_VERSION");
    if running == own {
        area.ok(format!("hookbudget {own}, installed and here"));
    } else {
        area.warn(
            format!("hookbudget {running} is installed, and this is {own}"),
            "what is checked here may differ from what is installed: use the same version",
        );
    }
}

/// Reads the policy that the Deployment was told, where it comes from a `ConfigMap`; the one in force, where that is
/// certain.
pub(super) async fn policy(
    area: &mut Area<'_>,
    client: &Client,
    namespace: &str,
    installed: &Installed,
) -> Option<Policy> {
    let deployment = installed.deployment.as_ref()?;
    let Some(path) = installed.argument("--policy") else {
        area.ok("no --policy: the defaults hold");
        return Some(Policy::default());
    };
    let Some((map, key)) = source(deployment, path) else {
        area.warn(
            format!("--policy {path} is in no ConfigMap that is mounted"),
            "hookbudget check --policy FILE reads a file",
        );
        return None;
    };
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let text = match maps.get_opt(&map).await {
        Ok(found) => found
            .and_then(|map| map.data)
            .and_then(|mut data| data.remove(&key)),
        Err(error) => {
            area.warn(
                format!("the ConfigMap {namespace}/{map} cannot be read: {error}"),
                "run it as a user who may",
            );
            return None;
        }
    };
    let place = format!("ConfigMap {namespace}/{map}, {key}");
    let Some(text) = text else {
        area.fail(format!("{place}: it is not there"), "helm upgrade brings it back");
        return None;
    };
    match policy::read_text(&place, &text) {
        Ok(policy) => {
            area.ok(format!("{place}: default mode {}", policy.default_mode.as_str()));
            Some(policy)
        }
        Err(error) => {
            area.fail(
                format!("{error:#}"),
                "correct it: until then the last good one stays in force, and a replica that starts does not become ready",
            );
            None
        }
    }
}

/// The `ConfigMap` and the key that a path in the webhook's container comes from.
fn source(deployment: &Deployment, path: &str) -> Option<(String, String)> {
    let (volume, file) = mounted(deployment, path)?;
    let map = volume.config_map.as_ref()?;
    let items = map.items.as_deref().unwrap_or_default();
    let item = items.iter().find(|item| item.path == file);
    Some((
        map.name.clone(),
        item.map_or(file, |item| item.key.as_str()).to_owned(),
    ))
}

/// The volume that a path in the webhook's container is in, and the rest of the path.
fn mounted<'a>(deployment: &'a Deployment, path: &'a str) -> Option<(&'a Volume, &'a str)> {
    let pod = deployment.spec.as_ref()?.template.spec.as_ref()?;
    let mounts = webhook(&pod.containers)?
        .volume_mounts
        .as_deref()
        .unwrap_or_default();
    let (mount, file) = mounts.iter().find_map(|mount| {
        let file = path.strip_prefix(&mount.mount_path)?.strip_prefix('/')?;
        Some((mount, file))
    })?;
    let volumes = pod.volumes.as_deref().unwrap_or_default();
    Some((volumes.iter().find(|volume| volume.name == mount.name)?, file))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_policy_is_traced_to_its_config_map() {
        let deployment: Deployment = serde_json::from_value(json!({
            "metadata": {}, "spec": {"selector": {}, "template": {
                "metadata": {"labels": {"app": "hb", "part": "webhook"}},
                "spec": {
                    "containers": [
                        {"name": "proxy"},
                        {"name": "webhook", "args": ["webhook", "--policy=/etc/hookbudget/policy.yaml"],
                         "volumeMounts": [{"name": "policy", "mountPath": "/etc/hookbudget"}]}],
                    "volumes": [{"name": "policy", "configMap": {"name": "hb-policy"}}]}}},
        }))
        .unwrap();
        let found = |path| source(&deployment, path);
        assert_eq!(
            found("/etc/hookbudget/policy.yaml"),
            Some(("hb-policy".to_owned(), "policy.yaml".to_owned()))
        );
        assert_eq!(found("/etc/hookbudgets/policy.yaml"), None);
        let select = |pairs: &[(&str, &str)]| {
            selects(
                &pairs
                    .iter()
                    .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                    .collect(),
                &deployment,
            )
        };
        assert!(select(&[("app", "hb")]) && !select(&[("app", "other")]) && !select(&[]));
    }

    #[test]
    fn the_secret_of_the_certificate_is_the_kept_or_the_mounted_one() {
        let deployment: Deployment = serde_json::from_value(json!({
            "metadata": {}, "spec": {"selector": {}, "template": {"spec": {
                "containers": [{"name": "webhook", "args": ["webhook"],
                    "volumeMounts": [{"name": "tls", "mountPath": "/tls"}]}],
                "volumes": [{"name": "tls", "secret": {"secretName": "from-vault"}}]}}},
        }))
        .unwrap();
        for (argument, secret) in [
            ("--tls-cert-file=/tls/tls.crt", Some("from-vault")),
            ("--tls-cert-file=/elsewhere/tls.crt", None),
            ("--tls-secret=hb-webhook-tls", Some("hb-webhook-tls")),
            ("--no-cluster", None),
        ] {
            let installed = Installed {
                arguments: vec!["webhook".to_owned(), argument.to_owned()],
                deployment: Some(deployment.clone()),
                ..Installed::default()
            };
            assert_eq!(installed.secret().as_deref(), secret, "{argument}");
        }
    }

    #[test]
    fn what_the_values_exclude_stands_on_the_deployment() {
        for (annotations, excluded) in [
            (json!({}), None),
            (json!({"hookbudget.dev/excluded-namespaces": ""}), Some(vec![])),
            (
                json!({"hookbudget.dev/excluded-namespaces": "shop,mail"}),
                Some(vec!["shop", "mail"]),
            ),
        ] {
            let deployment = json!({"metadata": {"annotations": annotations}});
            let installed = Installed {
                deployment: Some(serde_json::from_value(deployment).unwrap()),
                ..Installed::default()
            };
            assert_eq!(installed.excluded(), excluded);
        }
        assert_eq!(Installed::default().excluded(), None);
    }

    #[test]
    fn the_exporter_is_told_by_what_it_runs() {
        let deployment = |command: &str| -> Deployment {
            serde_json::from_value(json!({
                "metadata": {}, "status": {"availableReplicas": 1},
                "spec": {"selector": {}, "template": {"spec": {"serviceAccountName": "hb-exporter", "containers": [
                    {"name": "c", "args": [command, "--namespace=a", "--retention=2h", "--namespace=b", "--diagnoses", "--lease=hooks/hb"]}]}}},
            }))
            .unwrap()
        };
        assert_eq!(exporter("hooks", &deployment("webhook")), None);
        let found = exporter("hooks", &deployment("exporter")).unwrap();
        assert_eq!(found.user, "system:serviceaccount:hooks:hb-exporter");
        assert_eq!(found.namespaces, ["a", "b"]);
        assert!(found.diagnoses);
        assert_eq!(found.lease, Some(("hooks".to_owned(), "hb".to_owned())));
        assert!(found.available);
    }

    #[test]
    fn arguments_are_read_in_both_spellings() {
        let arguments = ["webhook", "--policy", "/p", "--tls-secret=s"]
            .map(str::to_owned)
            .to_vec();
        let installed = Installed {
            arguments,
            ..Installed::default()
        };
        assert_eq!(installed.argument("--policy"), Some("/p"));
        assert_eq!(installed.argument("--tls-secret"), Some("s"));
        assert_eq!(installed.argument("--tls"), None);
    }
}
