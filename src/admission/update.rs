//! UPDATEs of a `CronJob` that nothing may hold up.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::review::Request;
use crate::k8s::json::{self, Raw};
use crate::k8s::text::{StrMap, null_default};

/// Annotations below this prefix are part of what is judged.
const OURS: &str = "hookbudget.dev/";

/// As much of an object as tells one UPDATE from another.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Object<'a> {
    #[serde(borrow, deserialize_with = "null_default")]
    metadata: Metadata<'a>,
    #[serde(borrow)]
    spec: Option<Raw<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow, deserialize_with = "null_default")]
    annotations: StrMap<'a>,
    deletion_timestamp: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Spec {
    suspend: Option<bool>,
}

/// True for an object that is being deleted: what is written then is the removal of finalizers. The API server sets
/// the time, and clears one that a CREATE brings.
pub(super) fn is_being_deleted(request: &Request<'_>) -> bool {
    let object = request.old_object.or(request.object);
    read(object).is_some_and(|object| object.metadata.deletion_timestamp.is_some())
}

/// True when nothing that is judged differs from what is there already.
pub(super) fn changes_nothing(request: &Request<'_>) -> bool {
    let (Some(new), Some(old)) = (read(request.object), read(request.old_object)) else {
        return false;
    };
    // The API server writes both objects by the same encoder, so equal specs are equal texts.
    new.spec == old.spec && judged(&new.metadata.annotations) == judged(&old.metadata.annotations)
}

/// True when denying would keep nothing unsafe out: the `CronJob` stays suspended or becomes so, or was the same
/// before. Whoever suspends a `CronJob` that does harm, or labels one that is older than the mode, is not stopped.
pub(super) fn starts_nothing_new(request: &Request<'_>) -> bool {
    let spec = read(request.object).and_then(|object| object.spec);
    let spec = spec.and_then(|spec| json::read::<Spec>(spec.0).ok());
    spec.is_some_and(|spec| spec.suspend == Some(true)) || changes_nothing(request)
}

fn read(object: Option<Raw<'_>>) -> Option<Object<'_>> {
    json::read(object?.0).ok()
}

/// The annotations that a judgement takes into account, in one order.
fn judged<'m>(annotations: &'m StrMap<'_>) -> Vec<(&'m str, &'m str)> {
    let pairs = annotations.0.iter().map(|(key, value)| (&**key, &**value));
    let mut ours: Vec<_> = pairs.filter(|(key, _)| key.starts_with(OURS)).collect();
    ours.sort_unstable();
    ours
}
