//! Whose hook a Job is.

use super::{Application, HelmRelease, ReleaseObject, Stage, Surroundings};
use crate::engine::job::{Job, lookup};

/// The annotation by which Argo CD knows what it applied (argoproj/argo-cd `common`, `AnnotationKeyAppInstance`):
/// `APPLICATION:GROUP/KIND:NAMESPACE/NAME`.
const TRACKING: &str = "argocd.argoproj.io/tracking-id";
/// The label that it uses instead where it is told to (the same file, `LabelKeyAppInstance`).
const ARGO_INSTANCE: &str = "argocd.argoproj.io/instance";

/// The `HelmRelease` of a Job, from the surest sign to the weakest: Flux's origin labels; who creates it; the name of
/// the release; the only one, or the only one at work, that releases into this namespace.
pub(in crate::engine) fn owning_helm_release<'r>(
    job: &Job<'_>,
    releases: &'r [HelmRelease],
    requester: Option<&str>,
) -> Option<&'r HelmRelease> {
    let label = |key| job.label(key);
    if let (Some(name), Some(namespace)) = (
        label("helm.toolkit.fluxcd.io/name"),
        label("helm.toolkit.fluxcd.io/namespace"),
    ) {
        return releases
            .iter()
            .find(|r| r.name == name && r.namespace == namespace);
    }
    let here = |r: &&HelmRelease| {
        !r.remote
            && job
                .namespace
                .as_deref()
                .is_none_or(|ns| ns == r.release_namespace())
    };
    let all = || releases.iter().filter(here);
    let account = requester.and_then(service_account);
    let acts_for = |r: &HelmRelease| {
        account.is_some_and(|(namespace, name)| {
            r.namespace == namespace && r.service_account.as_deref() == Some(name)
        })
    };
    // An account that Flux acts as narrows the search to the releases that name it.
    let narrowed = account.is_some() && all().any(acts_for);
    let candidates = || all().filter(|r| !narrowed || acts_for(r));
    if let Some(instance) = label("app.kubernetes.io/instance") {
        if let Some(release) = candidates().find(|r| r.is_named(instance)) {
            return Some(release);
        }
        // Somebody else installs a release of another name next to what Flux releases.
        let flux = |r: &HelmRelease| requester.is_none_or(|name| may_be_flux(name, r));
        if !narrowed && !all().any(flux) {
            return None;
        }
    }
    only(candidates()).or_else(|| only(candidates().filter(|r| matches!(r.stage, Stage::Running(_)))))
}

fn only<'r>(mut candidates: impl Iterator<Item = &'r HelmRelease>) -> Option<&'r HelmRelease> {
    candidates.next().filter(|_| candidates.next().is_none())
}

/// Namespace and name of `system:serviceaccount:NAMESPACE:NAME` (`k8s.io/apiserver/pkg/authentication/serviceaccount`).
fn service_account(user: &str) -> Option<(&str, &str)> {
    user.strip_prefix("system:serviceaccount:")?.split_once(':')
}

/// True for the account that helm-controller runs as, in whatever namespace Flux is installed.
pub(in crate::engine) fn is_helm_controller(user: &str) -> bool {
    service_account(user).is_some_and(|(_, name)| name.ends_with("helm-controller"))
}

/// True for helm-controller itself, and for an account of the release's namespace, which it may act as
/// (`--default-service-account`).
fn may_be_flux(user: &str, release: &HelmRelease) -> bool {
    is_helm_controller(user)
        || service_account(user).is_some_and(|(namespace, _)| namespace == release.namespace)
}

/// The Application that applied a Job, where Argo CD's annotation or label names one; its namespace is looked up.
pub(super) fn owning_application(
    job: &Job<'_>,
    around: Surroundings<'_>,
) -> Option<(ReleaseObject, Option<i64>)> {
    let named = lookup(&job.annotations, TRACKING)
        .and_then(|id| id.split(':').next())
        .or_else(|| job.label(ARGO_INSTANCE))
        .filter(|name| !name.is_empty())?;
    // An Application outside Argo CD's own namespace is `NAMESPACE_NAME` (argoproj/argo-cd `util/app/path`).
    let (namespace, name) = named
        .split_once('_')
        .map_or((None, named), |(namespace, name)| (Some(namespace), name));
    let fits = |app: &&Application| app.name == name && namespace.is_none_or(|ns| ns == app.namespace);
    let app = around.applications.iter().find(fits);
    let object = ReleaseObject {
        kind: "Application",
        namespace: app.map_or_else(
            || namespace.unwrap_or("argocd").to_owned(),
            |app| app.namespace.clone(),
        ),
        name: name.to_owned(),
    };
    Some((object, app.and_then(|app| app.retries)))
}

/// The Kustomization that applied a Job itself, where Flux's labels name it.
pub(super) fn owning_kustomization(job: &Job<'_>) -> Option<ReleaseObject> {
    let label = |key| lookup(&job.labels, key);
    Some(ReleaseObject {
        kind: "Kustomization",
        namespace: label("kustomize.toolkit.fluxcd.io/namespace")?.to_owned(),
        name: label("kustomize.toolkit.fluxcd.io/name")?.to_owned(),
    })
}
