//! The `ConfigMap`s and Secrets that a Pod template names.

use serde::Deserialize;

use super::{ConfigMapSource, ItemObject, text};
use crate::engine::job::{Need, NeedPlace, Text, Volume, VolumeSource};
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
    #[serde(rename = "defaultMode")]
    default_mode: Option<u32>,
    #[serde(borrow, deserialize_with = "null_default")]
    pub(super) sources: Vec<ProjectedSource<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ProjectedSource<'a> {
    #[serde(borrow)]
    pub(super) config_map: Option<ConfigMapSource<'a>>,
    #[serde(borrow)]
    pub(super) secret: Option<Reference<'a>>,
}

impl<'a> Projected<'a> {
    /// One volume for each source that is named, all of the same name: a file is in the first that has it.
    pub(super) fn volumes(
        self,
        volume: &Text<'a>,
        place: NeedPlace,
        needs: &mut Vec<Need<'a>>,
    ) -> Vec<Volume<'a>> {
        let mode = self.default_mode;
        let volumes = self.sources.into_iter().filter_map(|source| {
            let (map, items) = match source.config_map {
                Some(map) => (
                    Some(Reference {
                        name: map.name,
                        optional: map.optional,
                    }),
                    map.items.into_iter().map(ItemObject::into_facts).collect(),
                ),
                None => (None, Vec::new()),
            };
            let name = |reference: &Option<Reference<'a>>| {
                reference.as_ref().and_then(|reference| reference.name.clone())
            };
            let found = name(&map).map(|Str(name)| VolumeSource::ConfigMap(name));
            let found = found.or_else(|| name(&source.secret).map(|Str(name)| VolumeSource::Secret(name)));
            need(needs, place, map, source.secret);
            found.map(|source| Volume {
                name: volume.clone(),
                source,
                items,
                mode,
            })
        });
        volumes.collect()
    }
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
