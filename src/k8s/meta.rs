//! What the shapes of watched objects have in common: metadata, conditions, lenient times.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use super::text::null_default;
use crate::engine::evidence::Condition;
use crate::engine::redact::redact;

/// `metadata`, as far as an object is told apart by it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Meta {
    /// `name`.
    #[serde(deserialize_with = "null_default")]
    pub name: String,
    /// `namespace`, empty for what has none.
    #[serde(deserialize_with = "null_default")]
    pub namespace: String,
    /// `uid`.
    #[serde(deserialize_with = "null_default")]
    pub uid: String,
    /// `resourceVersion`.
    #[serde(deserialize_with = "null_default")]
    pub resource_version: String,
    /// `generation`: changes with the spec.
    pub generation: Option<i64>,
    /// `creationTimestamp`.
    #[serde(deserialize_with = "lenient_time")]
    pub creation_timestamp: Option<Timestamp>,
    /// `deletionTimestamp`.
    #[serde(deserialize_with = "lenient_time")]
    pub deletion_timestamp: Option<Timestamp>,
    /// `labels`.
    #[serde(deserialize_with = "null_default")]
    pub labels: BTreeMap<String, String>,
    /// `annotations`.
    #[serde(deserialize_with = "null_default")]
    pub annotations: BTreeMap<String, String>,
    /// `ownerReferences`.
    #[serde(deserialize_with = "null_default")]
    pub owner_references: Vec<OwnerReference>,
}

impl Meta {
    /// The controlling owner.
    #[must_use]
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owner_references.iter().find(|owner| owner.controller)
    }
}

/// One entry of `metadata.ownerReferences`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OwnerReference {
    /// Group and version of the owner.
    #[serde(deserialize_with = "null_default")]
    pub api_version: String,
    /// Kind of the owner.
    #[serde(deserialize_with = "null_default")]
    pub kind: String,
    /// Name of the owner.
    #[serde(deserialize_with = "null_default")]
    pub name: String,
    /// `uid` of the owner.
    #[serde(deserialize_with = "null_default")]
    pub uid: String,
    /// True for the one that controls the object.
    #[serde(deserialize_with = "null_default")]
    pub controller: bool,
}

/// Metadata alone, of an object of any kind.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct AnyObject {
    /// `metadata`.
    #[serde(deserialize_with = "null_default")]
    pub metadata: Meta,
}

/// An entry of `status.conditions`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConditionObject {
    #[serde(rename = "type", deserialize_with = "null_default")]
    kind: String,
    #[serde(deserialize_with = "null_default")]
    status: String,
    #[serde(deserialize_with = "null_default")]
    reason: String,
    #[serde(deserialize_with = "null_default")]
    message: String,
    #[serde(deserialize_with = "lenient_time")]
    last_transition_time: Option<Timestamp>,
}

impl From<ConditionObject> for Condition {
    fn from(object: ConditionObject) -> Self {
        Self {
            kind: object.kind,
            status: object.status,
            reason: safe(object.reason),
            message: safe(object.message),
            at: object.last_transition_time,
        }
    }
}

/// Bytes kept of a message. No controller says more in one; the API server takes a megabyte.
const MESSAGE: usize = 16 * 1024;

/// A text without secrets, of limited length. Controllers put what a program or a server answered into their messages.
pub(crate) fn safe(mut text: String) -> String {
    if text.len() > MESSAGE {
        text.truncate(text.floor_char_boundary(MESSAGE));
        text.shrink_to_fit();
    }
    match redact(&text) {
        Cow::Owned(safe) => safe,
        Cow::Borrowed(_) => text,
    }
}

/// What is wrong with an object, without what it holds: `invalid type: string "..", expected u32 at line 1 column 9`.
#[must_use]
pub fn without_values(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let quoted = ['"', '`'].into_iter().find_map(|quote| {
        let (first, last) = (text.find(quote)?, text.rfind(quote)?);
        (first < last).then(|| format!("{}..{}", &text[..=first], &text[last..]))
    });
    quoted.unwrap_or(text)
}

/// The kind-independent part of a status.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ConditionedObject {
    /// `apiVersion`.
    #[serde(deserialize_with = "null_default")]
    pub api_version: String,
    /// `metadata`.
    #[serde(deserialize_with = "null_default")]
    pub metadata: Meta,
    #[serde(deserialize_with = "null_default")]
    status: Conditions,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Conditions {
    #[serde(deserialize_with = "null_default")]
    conditions: Vec<ConditionObject>,
}

impl ConditionedObject {
    /// The conditions.
    #[must_use]
    pub fn into_conditions(self) -> Vec<Condition> {
        self.status.conditions.into_iter().map(Condition::from).collect()
    }
}

/// Reads a time; one that is no time counts as absent, so that it does not cost the whole object.
pub(crate) fn lenient_time<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    let text: Option<std::borrow::Cow<'_, str>> = Option::deserialize(deserializer)?;
    Ok(text.and_then(|text| text.parse().ok()))
}
