//! What a Flux `HelmRelease` or `Kustomization` waits for: `dependsOn`, and whether it is ready itself.

use serde::Deserialize;

use super::meta::{ConditionObject, Meta, safe};
use super::text::null_default;
use crate::engine::evidence::{Condition, Dependency, ObjectRef};

/// Entries of `dependsOn` that are followed.
const DEPENDS_ON: usize = 16;

/// An object of either kind.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct FluxObject {
    #[serde(deserialize_with = "null_default")]
    metadata: Meta,
    #[serde(deserialize_with = "null_default")]
    spec: Spec,
    #[serde(deserialize_with = "null_default")]
    status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    #[serde(deserialize_with = "null_default")]
    depends_on: Vec<Named>,
    #[serde(deserialize_with = "null_default")]
    suspend: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    #[serde(deserialize_with = "null_default")]
    name: String,
    #[serde(deserialize_with = "null_default")]
    namespace: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    #[serde(deserialize_with = "null_default")]
    conditions: Vec<ConditionObject>,
}

impl FluxObject {
    /// The objects of the same kind that have to be ready first, as namespace and name.
    pub fn depends_on(&self) -> impl Iterator<Item = (&str, &str)> {
        let here = self.metadata.namespace.as_str();
        let named = self.spec.depends_on.iter().filter(|of| !of.name.is_empty());
        named.take(DEPENDS_ON).map(move |of| {
            let namespace = if of.namespace.is_empty() {
                here
            } else {
                &of.namespace
            };
            (namespace, of.name.as_str())
        })
    }

    /// As a dependency, without what it waits for itself.
    #[must_use]
    pub fn to_dependency(&self, kind: &str) -> Dependency {
        let conditions = self.status.conditions.iter().cloned();
        Dependency {
            object: ObjectRef {
                kind: kind.to_owned(),
                namespace: self.metadata.namespace.clone(),
                name: self.metadata.name.clone(),
            },
            exists: Some(true),
            created: self.metadata.creation_timestamp,
            parked: self
                .metadata
                .annotations
                .get("hookbudget.dev/parked")
                .cloned()
                .map(safe),
            suspended: self.spec.suspend,
            conditions: conditions
                .map(Condition::from)
                .filter(|condition| condition.kind == "Ready")
                .collect(),
            ..Dependency::default()
        }
    }
}

/// True for what says of itself that it is ready.
#[must_use]
pub fn is_ready(dependency: &Dependency) -> bool {
    let mut conditions = dependency.conditions.iter();
    conditions.any(|condition| condition.kind == "Ready" && condition.status == "True")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_say_what_they_wait_for() {
        let text = r#"{"apiVersion":"helm.toolkit.fluxcd.io/v2beta2","metadata":{"name":"bp-powerdns","namespace":"flux-system"},
            "spec":{"dependsOn":[{"name":"bp-cnpg"},{"name":"certs","namespace":"pki"},{"name":null}],"suspend":null},
            "status":{"conditions":[{"type":"Reconciling","status":"True"},
            {"type":"Ready","status":"False","reason":"DependencyNotReady","message":"dependency 'flux-system/bp-cnpg' is not ready"}]}}"#;
        let object: FluxObject = serde_json::from_str(text).expect("a HelmRelease");
        let named: Vec<_> = object.depends_on().collect();
        assert_eq!(named, [("flux-system", "bp-cnpg"), ("pki", "certs")]);
        let dependency = object.to_dependency("HelmRelease");
        assert!(!is_ready(&dependency) && !dependency.suspended);
        assert_eq!(dependency.conditions.len(), 1);
    }

    #[test]
    fn an_object_without_spec_and_status_waits_for_nothing() {
        let object: FluxObject =
            serde_json::from_str(r#"{"metadata":{"name":"x"},"spec":null,"status":{"conditions":null}}"#)
                .expect("an object");
        assert_eq!(object.depends_on().count(), 0);
        assert!(!is_ready(&object.to_dependency("Kustomization")));
    }
}
