//! Argo CD `Application` (`argoproj.io/v1alpha1`) into the engine's facts.

use serde::Deserialize;

use super::custom_resource::Named;
use super::text::{Str, null_default};
use crate::engine::release::Application;

/// The API group of an `Application`.
pub const GROUP: &str = "argoproj.io";

/// An `Application` as it stands in a list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ApplicationObject<'a> {
    #[serde(borrow, deserialize_with = "null_default")]
    metadata: Named<'a>,
    #[serde(deserialize_with = "null_default")]
    spec: Spec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    #[serde(deserialize_with = "null_default")]
    sync_policy: SyncPolicy,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SyncPolicy {
    #[serde(deserialize_with = "null_default")]
    retry: Retry,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Retry {
    limit: Option<i64>,
}

impl ApplicationObject<'_> {
    /// The facts.
    #[must_use]
    pub fn into_facts(self) -> Application {
        let owned = |value: Option<Str<'_>>| value.map(|Str(text)| text.into_owned()).unwrap_or_default();
        Application {
            namespace: owned(self.metadata.namespace),
            name: owned(self.metadata.name),
            retries: self.spec.sync_policy.retry.limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_gives_its_name_and_its_retries() {
        let read =
            |text| serde_json::from_str::<ApplicationObject<'_>>(text).map(ApplicationObject::into_facts);
        let shop = read(
            r#"{"metadata":{"name":"shop","namespace":"argocd"},"spec":{"source":{},"syncPolicy":{"retry":{"limit":-1}}}}"#,
        );
        assert_eq!(shop.expect("an Application").retries, Some(-1));
        let bare =
            read(r#"{"metadata":{"name":"shop"},"spec":{"syncPolicy":null}}"#).expect("an Application");
        assert_eq!((bare.name.as_str(), bare.retries), ("shop", None));
    }
}
