//! The `ConfigMap`s and Secrets that a Pod template names.

use serde::Deserialize;

use super::text;
use crate::engine::job::{Need, NeedPlace, Text, VolumeSource};
use crate::k8s::text::{Str, null_default};

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ValueFrom<'a> {
    #[serde(borrow)]
    pub(super) config_map_key_ref: Option<Reference<'a>>,
    #[serde(borrow)]
    pub(super) secret_key_ref: Option<Reference<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct EnvFromObject<'a> {
    #[serde(borrow)]
    pub(super) config_map_ref: Option<Reference<'a>>,
    #[serde(borrow)]
    pub(super) secret_ref: Option<Reference<'a>>,
}

/// A reference by name: to a key of an object, to the whole of it, or from a volume.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reference<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Str<'a>>,
    pub(super) optional: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Projected<'a> {
    #[serde(borrow, deserialize_with = "null_default")]
    pub(super) sources: Vec<ProjectedSource<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ProjectedSource<'a> {
    #[serde(borrow)]
    pub(super) config_map: Option<Reference<'a>>,
    #[serde(borrow)]
    pub(super) secret: Option<Reference<'a>>,
}

/// Notes the objects that one entry of the Pod template cannot do without.
pub(super) fn need<'a>(
    needs: &mut Vec<Need<'a>>,
    place: NeedPlace,
    config_map: Option<Reference<'a>>,
    secret: Option<Reference<'a>>,
) {
    let mut note = |reference: Option<Reference<'a>>, source: fn(Text<'a>) -> VolumeSource<'a>| {
        let required = reference.filter(|reference| reference.optional != Some(true));
        if let Some(name) = required.and_then(|reference| text(reference.name)) {
            needs.push(Need {
                source: source(name),
                place,
            });
        }
    };
    note(config_map, VolumeSource::ConfigMap);
    note(secret, VolumeSource::Secret);
}
