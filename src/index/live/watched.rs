//! One type for everything that is watched: the object's own text, and the little of its metadata that a watch
//! needs to go on.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::{ApiResource, DynamicResourceScope};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::k8s::meta::AnyObject;

/// A watched object. Reading one never fails on its content: what is wrong with it is found out, and counted,
/// by the index, and does not end the stream.
#[derive(Clone, Debug)]
pub(in crate::index) struct Watched {
    meta: ObjectMeta,
    /// The object as the API server sent it.
    pub(in crate::index) text: Box<RawValue>,
}

impl<'de> Deserialize<'de> for Watched {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let meta = serde_json::from_str::<AnyObject>(text.get()).map_or_else(
            |_| ObjectMeta {
                resource_version: resource_version(text.get()),
                ..ObjectMeta::default()
            },
            |object| ObjectMeta {
                name: Some(object.metadata.name),
                namespace: Some(object.metadata.namespace),
                uid: Some(object.metadata.uid),
                resource_version: Some(object.metadata.resource_version),
                ..ObjectMeta::default()
            },
        );
        Ok(Self { meta, text })
    }
}

/// `metadata.resourceVersion` of an object whose metadata is otherwise unreadable.
fn resource_version(text: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    value
        .pointer("/metadata/resourceVersion")?
        .as_str()
        .map(str::to_owned)
}

impl Resource for Watched {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }
    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }
    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }
    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}

#[cfg(test)]
mod tests {
    use kube::core::{ObjectList, WatchEvent};

    use super::*;

    #[test]
    fn a_malformed_object_does_not_spoil_its_list() {
        let text = r#"{"apiVersion":"batch/v1","kind":"JobList","metadata":{"resourceVersion":"7"},"items":[
            {"metadata":{"name":"a","resourceVersion":"5"},"spec":{"backoffLimit":"six"}},
            {"metadata":{"name":[],"resourceVersion":"6"}}]}"#;
        let list: ObjectList<Watched> = serde_json::from_str(text).expect("a list");
        let versions: Vec<_> = list
            .items
            .iter()
            .map(|w| w.meta.resource_version.as_deref())
            .collect();
        assert_eq!(versions, [Some("5"), Some("6")]);
        assert!(list.items[0].text.get().contains("six"));
    }

    #[test]
    fn a_watch_event_is_read_too() {
        let text =
            r#"{"type":"DELETED","object":{"metadata":{"name":"a","namespace":"n","resourceVersion":"9"}}}"#;
        let event: WatchEvent<Watched> = serde_json::from_str(text).expect("an event");
        let WatchEvent::Deleted(object) = event else {
            panic!("deleted")
        };
        assert_eq!(object.meta.name.as_deref(), Some("a"));
    }
}
