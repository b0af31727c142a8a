//! Whether the `ServiceAccount`s may do what the webhook and the exporter do.

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};

use super::installed::Exporter;
use super::report::Area;

/// What a watch needs.
const WATCH: &[&str] = &["list", "watch"];
const GRANT: &str = "helm upgrade brings the chart's roles back; or grant it";

/// One permission, and what it is for.
pub(super) struct Need {
    pub(super) verbs: &'static [&'static str],
    pub(super) group: &'static str,
    pub(super) resource: &'static str,
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
    pub(super) purpose: &'static str,
}

/// A kind of another product, which the webhook reads where the cluster has it.
pub(super) struct Foreign {
    pub(super) group: &'static str,
    resource: &'static str,
    purpose: &'static str,
}

/// The kinds that own Jobs (`index/releases/kinds.rs`).
pub(super) const FOREIGN: [Foreign; 3] = [
    Foreign {
        group: "helm.toolkit.fluxcd.io",
        resource: "helmreleases",
        purpose: "the timeout of a release (flux.enabled)",
    },
    Foreign {
        group: "kustomize.toolkit.fluxcd.io",
        resource: "kustomizations",
        purpose: "the timeout around a release (flux.enabled)",
    },
    Foreign {
        group: "argoproj.io",
        resource: "applications",
        purpose: "the retries of an Application (argocd.enabled)",
    },
];

/// What a webhook needs; `kept` where it keeps its own certificate, `events` where it writes Events.
pub(super) fn needs(
    namespace: &str,
    secret: &str,
    configuration: &str,
    kept: bool,
    events: bool,
) -> Vec<Need> {
    let mut needs = vec![Need {
        verbs: WATCH,
        group: "",
        resource: "namespaces",
        namespace: None,
        name: None,
        purpose: "the mode of a namespace",
    }];
    if events {
        needs.push(Need {
            verbs: &["create", "patch"],
            group: "events.k8s.io",
            resource: "events",
            namespace: None,
            name: None,
            purpose: "denials, rewrites and a refused policy (webhook.events.enabled)",
        });
    }
    if kept {
        needs.push(Need {
            verbs: &["get", "list", "watch", "update"],
            group: "",
            resource: "secrets",
            namespace: Some(namespace.to_owned()),
            name: Some(secret.to_owned()),
            purpose: "the certificate's Secret",
        });
        for resource in ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"] {
            needs.push(Need {
                verbs: &["get", "list", "watch", "patch"],
                group: "admissionregistration.k8s.io",
                resource,
                namespace: None,
                name: Some(configuration.to_owned()),
                purpose: "caBundle",
            });
        }
    }
    needs
}

/// What an exporter needs, in each namespace that it watches, or in all; `flux` as above. Logs are a choice.
pub(super) fn exporter_needs(exporter: &Exporter, flux: bool) -> Vec<Need> {
    let mut kinds = vec![
        (WATCH, "batch", "jobs", "what it reports on"),
        (WATCH, "batch", "cronjobs", "what it reports on"),
        (WATCH, "", "pods", "attempts and how they ended"),
        (WATCH, "", "events", "evidence"),
    ];
    if exporter.diagnoses {
        kinds.push((
            &["list", "watch", "create", "patch", "delete"],
            "hookbudget.dev",
            "jobdiagnoses",
            "diagnoses that outlive a Job (exporter.diagnoses.enabled)",
        ));
        kinds.push((
            &["create", "patch"],
            "events.k8s.io",
            "events",
            "an Event for each diagnosis (exporter.diagnoses.enabled)",
        ));
    }
    if flux {
        kinds.push((
            WATCH,
            "helm.toolkit.fluxcd.io",
            "helmreleases",
            "the release that owns a Job (flux.enabled)",
        ));
    }
    let places = if exporter.namespaces.is_empty() {
        vec![None]
    } else {
        exporter.namespaces.iter().cloned().map(Some).collect()
    };
    let lease = exporter.lease.iter().flat_map(|(namespace, name)| {
        let by_name = |verbs, name| Need {
            verbs,
            group: "coordination.k8s.io",
            resource: "leases",
            namespace: Some(namespace.clone()),
            name,
            purpose: "one exporter writes diagnoses",
        };
        [
            by_name(&["create"], None),
            by_name(&["get", "update"], Some(name.clone())),
        ]
    });
    let needs = places.iter().flat_map(|namespace| {
        kinds.iter().map(|&(verbs, group, resource, purpose)| Need {
            verbs,
            group,
            resource,
            namespace: namespace.clone(),
            name: None,
            purpose,
        })
    });
    needs.chain(lease).collect()
}

/// Asks the API server about each need of the ServiceAccount. One answer that cannot be had ends it.
pub(super) async fn judge(area: &mut Area<'_>, client: &Client, user: &str, needs: Vec<Need>) {
    for need in needs {
        match denied(client, user, &need).await {
            Ok(verbs) => say(area, user, &need, &verbs),
            Err(error) => return cannot_be_asked(area, &error),
        }
    }
}

/// Asks about the kinds of other products; `served` says whether the cluster has a group. What is granted is granted
/// with the definition, whose watch finds a kind that is installed later; what is neither there nor granted is not
/// missed.
pub(super) async fn judge_foreign(
    area: &mut Area<'_>,
    client: &Client,
    user: &str,
    served: impl Fn(&str) -> bool,
) {
    for kind in &FOREIGN {
        let need = Need {
            verbs: WATCH,
            group: kind.group,
            resource: kind.resource,
            namespace: None,
            name: None,
            purpose: kind.purpose,
        };
        let definition = Need {
            verbs: WATCH,
            group: "apiextensions.k8s.io",
            resource: "customresourcedefinitions",
            namespace: None,
            name: Some(format!("{}.{}", kind.resource, kind.group)),
            purpose: "sees at once when the kind is installed, or another version of it",
        };
        match denied(client, user, &need).await {
            Ok(verbs) if verbs.is_empty() => {
                say(area, user, &need, &verbs);
                judge(area, client, user, vec![definition]).await;
            }
            Ok(verbs) if served(kind.group) => say(area, user, &need, &verbs),
            Ok(_) => {}
            Err(error) => return cannot_be_asked(area, &error),
        }
    }
}

/// The verbs of a need that are not granted.
async fn denied(client: &Client, user: &str, need: &Need) -> Result<Vec<&'static str>, kube::Error> {
    let api: Api<SubjectAccessReview> = Api::all(client.clone());
    let mut denied = Vec::new();
    for verb in need.verbs {
        let answer = api
            .create(&PostParams::default(), &review(user, need, verb))
            .await?;
        if !answer.status.is_some_and(|status| status.allowed) {
            denied.push(*verb);
        }
    }
    Ok(denied)
}

fn say(area: &mut Area<'_>, user: &str, need: &Need, denied: &[&str]) {
    let what = need.name.as_ref().map_or_else(
        || need.resource.to_owned(),
        |name| format!("{} {name}", need.resource),
    );
    if denied.is_empty() {
        area.ok(format!("may {} {what}: {}", need.verbs.join(", "), need.purpose));
    } else {
        area.fail(
            format!("{user} may not {} {what}: {}", denied.join(", "), need.purpose),
            GRANT,
        );
    }
}

fn cannot_be_asked(area: &mut Area<'_>, error: &kube::Error) {
    area.warn(
        format!("permissions cannot be asked for: {error}"),
        "run it as a user who may create subjectaccessreviews",
    );
}

fn review(user: &str, need: &Need, verb: &str) -> SubjectAccessReview {
    let resource_attributes = ResourceAttributes {
        group: Some(need.group.to_owned()),
        resource: Some(need.resource.to_owned()),
        verb: Some(verb.to_owned()),
        namespace: need.namespace.clone(),
        name: need.name.clone(),
        ..ResourceAttributes::default()
    };
    SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(user.to_owned()),
            resource_attributes: Some(resource_attributes),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    }
}
