//! Whether the `ServiceAccount`s may do what the webhook and the exporter do.

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};

use super::report::Area;

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

/// What a webhook needs; `kept` where it keeps its own certificate, `flux` where the cluster has `HelmRelease`s.
pub(super) fn needs(namespace: &str, secret: &str, configuration: &str, kept: bool, flux: bool) -> Vec<Need> {
    let watch: &[&str] = &["list", "watch"];
    let mut needs = vec![Need {
        verbs: watch,
        group: "",
        resource: "namespaces",
        namespace: None,
        name: None,
        purpose: "the mode of a namespace",
    }];
    if flux {
        needs.push(Need {
            verbs: watch,
            group: "helm.toolkit.fluxcd.io",
            resource: "helmreleases",
            namespace: None,
            name: None,
            purpose: "the timeout of a release (flux.enabled)",
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
pub(super) fn exporter_needs(namespaces: &[String], flux: bool) -> Vec<Need> {
    let mut kinds = vec![
        ("batch", "jobs", "what it reports on"),
        ("batch", "cronjobs", "what it reports on"),
        ("", "pods", "attempts and how they ended"),
        ("", "events", "evidence"),
    ];
    if flux {
        kinds.push((
            "helm.toolkit.fluxcd.io",
            "helmreleases",
            "the release that owns a Job (flux.enabled)",
        ));
    }
    let places = if namespaces.is_empty() {
        vec![None]
    } else {
        namespaces.iter().cloned().map(Some).collect()
    };
    let needs = places.iter().flat_map(|namespace| {
        kinds.iter().map(|&(group, resource, purpose)| Need {
            verbs: &["list", "watch"],
            group,
            resource,
            namespace: namespace.clone(),
            name: None,
            purpose,
        })
    });
    needs.collect()
}

/// Asks the API server about each need of the ServiceAccount. One answer that cannot be had ends it.
pub(super) async fn judge(area: &mut Area<'_>, client: &Client, user: &str, needs: Vec<Need>) {
    let api: Api<SubjectAccessReview> = Api::all(client.clone());
    for need in needs {
        let mut denied = Vec::new();
        for verb in need.verbs {
            match api
                .create(&PostParams::default(), &review(user, &need, verb))
                .await
            {
                Ok(answer) => {
                    if !answer.status.is_some_and(|status| status.allowed) {
                        denied.push(*verb);
                    }
                }
                Err(error) => {
                    area.warn(
                        format!("permissions cannot be asked for: {error}"),
                        "run it as a user who may create subjectaccessreviews",
                    );
                    return;
                }
            }
        }
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
