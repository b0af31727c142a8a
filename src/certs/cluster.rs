//! The three objects in the cluster: read, and written under a lock that costs nothing.

use std::collections::BTreeMap;
use std::fmt::Debug;

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ApiResource, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::KeepError;
use crate::tls::CertificateFacts;
use crate::tls::kept::{KEYS, Kept};

/// Who wrote, in `metadata.managedFields`.
const MANAGER: &str = "hookbudget";

/// The type of a Secret that cert-manager or somebody by hand makes (`k8s.io/api/core/v1`); ours is `Opaque`, since
/// this type cannot be empty.
const FOREIGN: &str = "kubernetes.io/tls";

/// Where the certificates are kept and who is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The namespace of the Secret.
    pub namespace: String,
    /// The name of the Secret.
    pub secret: String,
    /// The name of both webhook configurations.
    pub configuration: String,
    /// Names that the serving certificate is to have besides those by which the configurations call it.
    pub names: Vec<String>,
}

/// Which of the two configurations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigurationKind {
    /// `MutatingWebhookConfiguration`.
    Mutating,
    /// `ValidatingWebhookConfiguration`.
    Validating,
}

impl ConfigurationKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Mutating, Self::Validating];

    /// The kind as it is written in a manifest.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mutating => "MutatingWebhookConfiguration",
            Self::Validating => "ValidatingWebhookConfiguration",
        }
    }
}

/// One webhook of a configuration, as far as certificates go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Its name, which is unique in the configuration.
    pub name: String,
    /// The host that the API server compares the certificate with; empty where the configuration names none.
    pub host: String,
    /// What it trusts, PEM; empty where nothing is said.
    pub ca_bundle: Vec<u8>,
}

/// A webhook configuration, as far as certificates go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// Which of the two.
    pub kind: ConfigurationKind,
    version: Option<String>,
    /// Its webhooks.
    pub askers: Vec<Asker>,
}

impl Configuration {
    pub(super) fn new<'a>(
        kind: ConfigurationKind,
        metadata: &ObjectMeta,
        webhooks: impl Iterator<Item = (&'a String, &'a WebhookClientConfig)>,
    ) -> Self {
        let askers = webhooks.map(|(name, client)| Asker {
            name: name.clone(),
            host: host(client),
            ca_bundle: client
                .ca_bundle
                .as_ref()
                .map(|bundle| bundle.0.clone())
                .unwrap_or_default(),
        });
        Self {
            kind,
            version: metadata.resource_version.clone(),
            askers: askers.collect(),
        }
    }

    /// The certificates that every webhook of this configuration trusts.
    #[must_use]
    pub fn trusted(&self) -> Vec<CertificateFacts> {
        let mut bundles = self.askers.iter().map(|asker| {
            CertificateFacts::read(&String::from_utf8_lossy(&asker.ca_bundle)).unwrap_or_default()
        });
        let mut common = bundles.next().unwrap_or_default();
        for bundle in bundles {
            common.retain(|certificate| bundle.contains(certificate));
        }
        common
    }

    /// Whether every webhook trusts exactly this text.
    #[must_use]
    pub fn says(&self, bundle: &str) -> bool {
        self.askers
            .iter()
            .all(|asker| asker.ca_bundle == bundle.as_bytes())
    }
}

/// The name that the API server verifies (`k8s.io/apiserver/pkg/util/webhook/client.go`): of a Service
/// `<name>.<namespace>.svc`, of a URL its host.
#[must_use]
fn host(client: &WebhookClientConfig) -> String {
    if let Some(service) = &client.service {
        return format!("{}.{}.svc", service.name, service.namespace);
    }
    let uri = client
        .url
        .as_deref()
        .and_then(|url| url.parse::<http::Uri>().ok());
    let host = uri.as_ref().and_then(http::Uri::host).unwrap_or_default();
    host.trim_start_matches('[').trim_end_matches(']').to_owned()
}

/// How a write under a lock ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It stands.
    Done,
    /// Somebody else was faster.
    Overtaken,
}

/// What became of a Secret that was to be emptied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emptied {
    /// Our keys were in it, and are not any more.
    Done,
    /// There was nothing to take, or no Secret.
    Nothing,
    /// It is not one that the webhook keeps, and was left as it is.
    Foreign,
}

/// Reads and writes the three objects of a [`Place`].
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    place: Place,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl Cluster {
    /// A place in the cluster that `client` talks to.
    #[must_use]
    pub const fn new(client: Client, place: Place) -> Self {
        Self { client, place }
    }

    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// Where the objects are.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// The Secret's name as a user reads it.
    #[must_use]
    pub fn secret_name(&self) -> String {
        format!("the Secret {}/{}", self.place.namespace, self.place.secret)
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.place.namespace)
    }

    /// The Secret, if it is there.
    ///
    /// # Errors
    /// [`KeepError`] if it cannot be read.
    pub async fn secret(&self) -> Result<Option<Secret>, KeepError> {
        let secret = self.secrets().get_opt(&self.place.secret).await;
        secret.map_err(|error| KeepError::of("get", self.secret_name(), error))
    }

    /// Writes the state into the Secret that was read, or makes one where none was; other keys stay.
    pub(super) async fn write(&self, secret: Option<Secret>, kept: &Kept) -> Result<Written, KeepError> {
        let entries = kept
            .entries()
            .into_iter()
            .map(|(key, text)| (key.to_owned(), text.into_bytes()));
        let written = match secret {
            Some(secret) => self.replace(secret, entries.collect()).await,
            None => self.create(entries.collect()).await,
        };
        match written {
            Ok(()) => Ok(Written::Done),
            Err(KeepError::Request { source, .. }) if is_conflict(&source) => Ok(Written::Overtaken),
            Err(error) => Err(error),
        }
    }

    async fn create(&self, entries: BTreeMap<String, Vec<u8>>) -> Result<(), KeepError> {
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(self.place.secret.clone()),
                ..ObjectMeta::default()
            },
            data: Some(
                entries
                    .into_iter()
                    .map(|(key, value)| (key, ByteString(value)))
                    .collect(),
            ),
            ..Secret::default()
        };
        match self.secrets().create(&by_us(), &secret).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 403 => Err(KeepError::SecretMissing {
                namespace: self.place.namespace.clone(),
                name: self.place.secret.clone(),
            }),
            Err(error) => Err(KeepError::of("create", self.secret_name(), error)),
        }
    }

    /// Our keys become `entries`; the `resourceVersion` that was read is the lock.
    async fn replace(&self, mut secret: Secret, entries: BTreeMap<String, Vec<u8>>) -> Result<(), KeepError> {
        let data = secret.data.get_or_insert_default();
        data.retain(|key, _| !KEYS.contains(&key.as_str()));
        data.extend(entries.into_iter().map(|(key, value)| (key, ByteString(value))));
        let replaced = self
            .secrets()
            .replace(&self.place.secret, &by_us(), &secret)
            .await;
        replaced
            .map(|_| ())
            .map_err(|error| KeepError::of("update", self.secret_name(), error))
    }

    /// Takes our keys out of the Secret.
    ///
    /// # Errors
    /// [`KeepError`] if it cannot be read or written.
    pub async fn empty_secret(&self) -> Result<Emptied, KeepError> {
        let Some(secret) = self.secret().await? else {
            return Ok(Emptied::Nothing);
        };
        if secret.type_.as_deref() == Some(FOREIGN) {
            return Ok(Emptied::Foreign);
        }
        let ours = |data: &BTreeMap<String, ByteString>| data.keys().any(|key| KEYS.contains(&key.as_str()));
        if !secret.data.as_ref().is_some_and(ours) {
            return Ok(Emptied::Nothing);
        }
        self.replace(secret, BTreeMap::new())
            .await
            .map(|()| Emptied::Done)
    }

    /// The configurations that there are.
    ///
    /// # Errors
    /// [`KeepError`] if one cannot be read.
    pub async fn configurations(&self) -> Result<Vec<Configuration>, KeepError> {
        let (mutating, validating) = (ConfigurationKind::Mutating, ConfigurationKind::Validating);
        // Together: as long as a caBundle is wiped, no review gets through.
        let (first, second) = futures::try_join!(
            self.configuration::<MutatingWebhookConfiguration>(mutating),
            self.configuration::<ValidatingWebhookConfiguration>(validating),
        )?;
        let first = first.map(|object| {
            let webhooks = object.webhooks.iter().flatten();
            let clients = webhooks.map(|webhook| (&webhook.name, &webhook.client_config));
            Configuration::new(mutating, &object.metadata, clients)
        });
        let second = second.map(|object| {
            let webhooks = object.webhooks.iter().flatten();
            let clients = webhooks.map(|webhook| (&webhook.name, &webhook.client_config));
            Configuration::new(validating, &object.metadata, clients)
        });
        Ok(first.into_iter().chain(second).collect())
    }

    async fn configuration<K>(&self, kind: ConfigurationKind) -> Result<Option<K>, KeepError>
    where
        K: kube::Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let object = Api::<K>::all(self.client.clone())
            .get_opt(&self.place.configuration)
            .await;
        object.map_err(|error| KeepError::of("get", self.configuration_name(kind), error))
    }

    /// For requests that need none of a configuration's fields.
    fn configurations_of(&self, kind: ConfigurationKind) -> Api<DynamicObject> {
        let resource = match kind {
            ConfigurationKind::Mutating => ApiResource::erase::<MutatingWebhookConfiguration>(&()),
            ConfigurationKind::Validating => ApiResource::erase::<ValidatingWebhookConfiguration>(&()),
        };
        Api::all_with(self.client.clone(), &resource)
    }

    fn configuration_name(&self, kind: ConfigurationKind) -> String {
        format!("the {} {}", kind.as_str(), self.place.configuration)
    }

    /// Writes `bundle` into every webhook of a configuration and nothing else.
    pub(super) async fn tell(
        &self,
        configuration: &Configuration,
        bundle: &str,
    ) -> Result<Written, KeepError> {
        // Strategic: the list is merged by the webhooks' names, so that what others wrote into them stays. The
        // version is the lock: a webhook that was removed meanwhile is not brought back half.
        let bundle = ByteString(bundle.as_bytes().to_vec());
        let webhooks = configuration.askers.iter();
        let patch = Patch::Strategic(json!({
            "metadata": {"resourceVersion": configuration.version},
            "webhooks": webhooks
                .map(|asker| json!({"name": asker.name, "clientConfig": {"caBundle": bundle}}))
                .collect::<Vec<_>>(),
        }));
        let (name, params) = (
            &self.place.configuration,
            PatchParams {
                field_manager: Some(MANAGER.to_owned()),
                ..PatchParams::default()
            },
        );
        let api = self.configurations_of(configuration.kind);
        match api.patch_metadata(name, &params, &patch).await {
            Ok(_) => Ok(Written::Done),
            // Gone or changed since it was read: the next look sees what is there.
            Err(error) if is_conflict(&error) || is_missing(&error) => Ok(Written::Overtaken),
            Err(error) => Err(KeepError::of(
                "patch",
                self.configuration_name(configuration.kind),
                error,
            )),
        }
    }

    /// Deletes a configuration; false where there was none.
    ///
    /// # Errors
    /// [`KeepError`] if it may not be deleted.
    pub async fn delete_configuration(&self, kind: ConfigurationKind) -> Result<bool, KeepError> {
        let (name, params) = (&self.place.configuration, kube::api::DeleteParams::default());
        match self.configurations_of(kind).delete(name, &params).await {
            Ok(_) => Ok(true),
            Err(error) if is_missing(&error) => Ok(false),
            Err(error) => Err(KeepError::of("delete", self.configuration_name(kind), error)),
        }
    }
}

fn by_us() -> PostParams {
    PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    }
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

fn is_missing(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(value: serde_json::Value) -> WebhookClientConfig {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_host_is_the_one_that_the_api_server_verifies() {
        for (value, expected) in [
            (
                json!({"service": {"name": "hb-webhook", "namespace": "hooks", "port": 443}}),
                "hb-webhook.hooks.svc",
            ),
            (json!({"url": "https://127.0.0.1:8443/validate"}), "127.0.0.1"),
            (json!({"url": "https://[::1]:8443/validate"}), "::1"),
            (json!({"url": "https://hooks.example/validate"}), "hooks.example"),
            (json!({}), ""),
        ] {
            assert_eq!(host(&client(value.clone())), expected, "{value}");
        }
    }

    #[test]
    fn a_configuration_trusts_what_all_its_webhooks_trust() {
        let now = "2026-11-21T10:00:00Z".parse().unwrap();
        let make = || {
            crate::tls::Authority::generate("x", now)
                .unwrap()
                .cert_pem()
                .to_owned()
        };
        let (a, b) = (make(), make());
        let asker = |text: &str| Asker {
            name: "x".to_owned(),
            host: String::new(),
            ca_bundle: text.as_bytes().to_vec(),
        };
        let both = format!("{a}{b}");
        for (bundles, trusted) in [
            (vec![both.as_str(), a.as_str()], vec![a.clone()]),
            (vec![&both, &both], vec![a.clone(), b.clone()]),
            (vec![&both, ""], vec![]),
            (vec!["nonsense"], vec![]),
            (vec![], vec![]),
        ] {
            let askers = bundles.iter().map(|text| asker(text)).collect();
            let configuration = Configuration {
                kind: ConfigurationKind::Mutating,
                version: None,
                askers,
            };
            let found: Vec<_> = configuration
                .trusted()
                .into_iter()
                .map(|facts| facts.pem)
                .collect();
            assert_eq!(found, trusted, "{bundles:?}");
        }
    }
}
