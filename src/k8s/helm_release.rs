//! Flux `HelmRelease` (`helm.toolkit.fluxcd.io` v2 and v2beta2) into the engine's facts.

use serde::Deserialize;

use super::job::Problem;
use super::text::{Str, StrMap, null_default};
use crate::engine::Seconds;
use crate::engine::job::lookup;
use crate::engine::release::HelmRelease;

/// The API group of a `HelmRelease`.
pub const GROUP: &str = "helm.toolkit.fluxcd.io";

/// A `HelmRelease` as it stands in a list or a file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct HelmReleaseObject<'a> {
    #[serde(borrow, deserialize_with = "null_default")]
    metadata: Metadata<'a>,
    #[serde(borrow, deserialize_with = "null_default")]
    spec: Spec<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata<'a> {
    #[serde(borrow)]
    name: Str<'a>,
    #[serde(borrow)]
    namespace: Option<Str<'a>>,
    #[serde(borrow, deserialize_with = "null_default")]
    labels: StrMap<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec<'a> {
    #[serde(borrow)]
    release_name: Option<Str<'a>>,
    #[serde(borrow)]
    target_namespace: Option<Str<'a>>,
    suspend: Option<bool>,
    #[serde(borrow)]
    timeout: Option<Str<'a>>,
    #[serde(borrow, deserialize_with = "null_default")]
    install: Action<'a>,
    #[serde(borrow, deserialize_with = "null_default")]
    upgrade: Action<'a>,
    #[serde(borrow, deserialize_with = "null_default")]
    rollback: Action<'a>,
    #[serde(borrow, deserialize_with = "null_default")]
    uninstall: Action<'a>,
    #[serde(borrow, deserialize_with = "null_default")]
    test: Action<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Action<'a> {
    #[serde(borrow)]
    timeout: Option<Str<'a>>,
    #[serde(deserialize_with = "null_default")]
    remediation: Remediation,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Remediation {
    retries: Option<i64>,
}

impl HelmReleaseObject<'_> {
    /// The facts, and the timeouts that are no durations (they count as absent).
    #[must_use]
    pub fn into_facts(self) -> (HelmRelease, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut span = |value: Option<Str<'_>>, pointer: &str| {
            let Str(text) = value?;
            Seconds::parse_go(&text)
                .map_err(|error| {
                    problems.push(Problem {
                        pointer: pointer.to_owned(),
                        message: error.to_string(),
                    });
                })
                .ok()
        };
        let owned =
            |value: Option<Str<'_>>| value.map(|Str(text)| text.into_owned()).filter(|t| !t.is_empty());
        let Self { metadata, spec } = self;
        let label = |key| lookup(&metadata.labels.0, key).map(str::to_owned);
        let kustomization =
            label("kustomize.toolkit.fluxcd.io/namespace").zip(label("kustomize.toolkit.fluxcd.io/name"));
        let release = HelmRelease {
            namespace: owned(metadata.namespace).unwrap_or_else(|| "default".to_owned()),
            name: metadata.name.0.into_owned(),
            release_name: owned(spec.release_name),
            target_namespace: owned(spec.target_namespace),
            suspend: spec.suspend.unwrap_or(false),
            timeout: span(spec.timeout, "/spec/timeout"),
            install_timeout: span(spec.install.timeout, "/spec/install/timeout"),
            upgrade_timeout: span(spec.upgrade.timeout, "/spec/upgrade/timeout"),
            rollback_timeout: span(spec.rollback.timeout, "/spec/rollback/timeout"),
            uninstall_timeout: span(spec.uninstall.timeout, "/spec/uninstall/timeout"),
            test_timeout: span(spec.test.timeout, "/spec/test/timeout"),
            install_retries: spec.install.remediation.retries,
            upgrade_retries: spec.upgrade.remediation.retries,
            kustomization,
            file: None,
        };
        (release, problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_go_durations_and_a_wrong_one_is_named() {
        let text = r#"{"metadata":{"name":"bp-gitea","namespace":"flux"},
            "spec":{"timeout":"20m","install":{"timeout":"15m0s"},"upgrade":{"timeout":"15 min"},"rollback":null}}"#;
        let object: HelmReleaseObject<'_> = serde_json::from_str(text).expect("a HelmRelease");
        let (release, problems) = object.into_facts();
        assert_eq!(release.install_timeout, Some(Seconds::new(900)));
        assert_eq!(
            (release.upgrade_timeout, release.timeout),
            (None, Some(Seconds::new(1200)))
        );
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].pointer, "/spec/upgrade/timeout");
    }
}
