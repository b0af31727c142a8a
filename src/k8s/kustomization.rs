//! Flux `Kustomization` (`kustomize.toolkit.fluxcd.io`) into the engine's facts.

use serde::Deserialize;

use super::custom_resource::{self, Named};
use super::job::Problem;
use super::text::{Str, null_default};
use crate::engine::window::Kustomization;

/// The API group of Flux's `Kustomization`; the one of kustomize itself is another.
pub const GROUP: &str = "kustomize.toolkit.fluxcd.io";

/// A `Kustomization` as it stands in a file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct KustomizationObject<'a> {
    #[serde(borrow, deserialize_with = "null_default")]
    metadata: Named<'a>,
    #[serde(borrow, deserialize_with = "null_default")]
    spec: Spec<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec<'a> {
    #[serde(borrow)]
    interval: Option<Str<'a>>,
    #[serde(borrow)]
    timeout: Option<Str<'a>>,
    wait: Option<bool>,
    suspend: Option<bool>,
    #[serde(borrow)]
    path: Option<Str<'a>>,
    #[serde(borrow, deserialize_with = "null_default")]
    health_checks: Vec<HealthCheck<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HealthCheck<'a> {
    #[serde(borrow)]
    kind: Option<Str<'a>>,
    #[serde(borrow)]
    name: Option<Str<'a>>,
    #[serde(borrow)]
    namespace: Option<Str<'a>>,
}

impl KustomizationObject<'_> {
    /// The facts, and what is no duration. Without an interval (the API server refuses that) there are none.
    #[must_use]
    pub fn into_facts(self) -> (Option<Kustomization>, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut span = |value, pointer| custom_resource::span(value, pointer, &mut problems);
        let owned = |value: Option<Str<'_>>| value.map(|Str(text)| text.into_owned());
        let Self { metadata, spec } = self;
        let interval = span(spec.interval, "/spec/interval");
        let timeout = span(spec.timeout, "/spec/timeout");
        let namespace = owned(metadata.namespace).unwrap_or_else(|| "default".to_owned());
        let releases = spec
            .health_checks
            .into_iter()
            .filter(|check| check.kind.as_ref().is_some_and(|Str(kind)| kind == "HelmRelease"))
            .filter_map(|check| {
                let home = owned(check.namespace).unwrap_or_else(|| namespace.clone());
                Some((home, owned(check.name)?))
            })
            .collect();
        let path = owned(spec.path).unwrap_or_default();
        let facts = interval.map(|interval| Kustomization {
            namespace,
            name: owned(metadata.name).unwrap_or_default(),
            interval,
            timeout,
            wait: spec.wait.unwrap_or(false),
            suspend: spec.suspend.unwrap_or(false),
            path: path
                .split('/')
                .filter(|part| !matches!(*part, "" | "."))
                .map(str::to_owned)
                .collect(),
            health_checks: releases,
        });
        (facts, problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Seconds;

    #[test]
    fn a_kustomization_gives_its_clock_and_what_it_waits_for() {
        let text = r#"{"metadata":{"name":"apps","namespace":"flux-system"},"spec":{"interval":"10m","path":"./apps/prod/",
            "timeout":"15","wait":null,"healthChecks":[{"kind":"HelmRelease","name":"shop","namespace":"shop"},
            {"kind":"Deployment","name":"web"}]}}"#;
        let object: KustomizationObject<'_> = serde_json::from_str(text).expect("a Kustomization");
        let (facts, problems) = object.into_facts();
        let facts = facts.expect("facts");
        assert_eq!((facts.interval, facts.timeout), (Seconds::new(600), None));
        assert_eq!(facts.path, ["apps", "prod"]);
        assert_eq!(facts.health_checks, [("shop".to_owned(), "shop".to_owned())]);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].pointer, "/spec/timeout");
        let empty: KustomizationObject<'_> = serde_json::from_str(r#"{"spec":null}"#).expect("an object");
        assert_eq!(empty.into_facts().0, None);
    }
}
