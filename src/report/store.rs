//! `JobDiagnosis` objects in the API server.

use jiff::Timestamp;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::{Client, Error};
use serde::Deserialize;
use serde_json::Value;

use super::object::{JOB_UID, TOLD, WRITTEN};
use super::{GROUP, KIND, PLURAL, VERSION};
use crate::engine::diagnosis::Diagnosis;
use crate::engine::evidence::{Evidence, ObjectRef};
use crate::index::Scope;
use crate::index::live::Pages;
use crate::k8s::meta::Meta;

/// Who the fields belong to.
const MANAGER: &str = "hookbudget";
/// Objects per page.
const PAGE: usize = 200;

/// An object that was read back.
#[derive(Debug)]
pub struct Kept {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The Job's uid.
    pub uid: String,
    /// When the object was made.
    pub created: Timestamp,
    /// When it was written last.
    pub written: Timestamp,
    /// The cause that an Event has told.
    pub told: Option<String>,
    /// The Job's owner in the user's eyes.
    pub owner: Option<ObjectRef>,
    /// What is known of the Job; `None` where another version wrote it.
    pub evidence: Option<Evidence>,
}

#[derive(Deserialize)]
struct Object {
    metadata: Meta,
    #[serde(default)]
    report: Value,
    evidence: Option<Value>,
}

/// The objects of the namespaces that are watched.
#[derive(Clone)]
pub struct Store {
    client: Client,
    scope: Scope,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// The objects of a part of the cluster.
    #[must_use]
    pub const fn new(client: Client, scope: Scope) -> Self {
        Self { client, scope }
    }

    /// All objects, page by page. One that cannot be read is counted as `None`.
    ///
    /// # Errors
    /// When the kind does not exist or may not be read.
    pub async fn list(&self, now: Timestamp) -> Result<Vec<Option<Kept>>, Error> {
        let base = format!("/apis/{GROUP}/{VERSION}");
        let paths = if self.scope.namespaces.is_empty() {
            vec![format!("{base}/{PLURAL}")]
        } else {
            let of = |namespace: &String| format!("{base}/namespaces/{namespace}/{PLURAL}");
            self.scope.namespaces.iter().map(of).collect()
        };
        let mut kept = Vec::new();
        for path in paths {
            let path = path + "?";
            let mut pages = Pages::of(&self.client, &path, PAGE);
            while let Some(page) = pages.next().await? {
                let read = page.iter().map(|item| read(item.get(), now));
                let is_ours = |kept: &Kept| self.scope.shard.holds(&kept.namespace);
                kept.extend(read.filter(|kept| kept.as_ref().is_none_or(is_ours)));
            }
        }
        Ok(kept)
    }

    /// The newest diagnosis that is kept of a Job of that name.
    ///
    /// # Errors
    /// When the kind does not exist or may not be read.
    pub async fn newest(&self, namespace: &str, job: &str) -> Result<Option<Diagnosis>, Error> {
        let path = format!("/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}?");
        let (mut newest, mut pages) = (None::<Object>, Pages::of(&self.client, &path, PAGE));
        while let Some(page) = pages.next().await? {
            let objects = page
                .iter()
                .filter_map(|item| serde_json::from_str::<Object>(item.get()).ok());
            let of_job = objects
                .filter(|object| object.report.pointer("/job/name").and_then(Value::as_str) == Some(job));
            newest = newest
                .into_iter()
                .chain(of_job)
                .max_by_key(|object| object.metadata.creation_timestamp);
        }
        Ok(newest.and_then(|object| serde_json::from_value(object.report).ok()))
    }

    /// Writes an object whole, whatever was there.
    pub(super) async fn apply(&self, namespace: &str, name: &str, object: &Value) -> Result<(), Error> {
        let params = PatchParams::apply(MANAGER).force();
        self.api(namespace)
            .patch(name, &params, &Patch::Apply(object))
            .await
            .map(drop)
    }

    /// Deletes an object; one that is not there is deleted.
    pub(super) async fn delete(&self, namespace: &str, name: &str) -> Result<(), Error> {
        match self.api(namespace).delete(name, &DeleteParams::default()).await {
            Err(Error::Api(status)) if status.code == 404 => Ok(()),
            result => result.map(drop),
        }
    }

    fn api(&self, namespace: &str) -> Api<DynamicObject> {
        let resource = ApiResource {
            group: GROUP.to_owned(),
            version: VERSION.to_owned(),
            api_version: format!("{GROUP}/{VERSION}"),
            kind: KIND.to_owned(),
            plural: PLURAL.to_owned(),
        };
        Api::namespaced_with(self.client.clone(), namespace, &resource)
    }
}

/// What an object holds of its Job, as text of the API: the evidence with the time at which it was written, and the
/// diagnosis. Either is absent where another version wrote it.
#[must_use]
pub fn captured(text: &str) -> (Option<(Evidence, Timestamp)>, Option<Diagnosis>) {
    let kept = read(text, Timestamp::UNIX_EPOCH);
    let evidence = kept.and_then(|kept| Some((kept.evidence?, kept.written)));
    let object = serde_json::from_str::<Object>(text).ok();
    let diagnosis = object.and_then(|object| serde_json::from_value(object.report).ok());
    (evidence, diagnosis)
}

fn read(text: &str, now: Timestamp) -> Option<Kept> {
    let Object {
        mut metadata,
        report,
        evidence,
    } = serde_json::from_str(text).ok()?;
    let created = metadata.creation_timestamp.unwrap_or(now);
    let written = metadata.annotations.get(WRITTEN).and_then(|at| at.parse().ok());
    Some(Kept {
        uid: metadata.labels.remove(JOB_UID)?,
        told: metadata.annotations.remove(TOLD),
        namespace: metadata.namespace,
        name: metadata.name,
        created,
        written: written.unwrap_or(created),
        owner: serde_json::from_value(report.get("owner").cloned().unwrap_or_default()).ok(),
        evidence: evidence.and_then(|evidence| serde_json::from_value(evidence).ok()),
    })
}
