//! Scripts that a container mounts from a `ConfigMap`.

use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use crate::engine::inventory::{Inventory, Neighbour, NeighbourKind};
use crate::engine::job::{Container, Job, Mount, Volume, VolumeSource, lookup};

/// A script that stands in a `ConfigMap`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ScriptFile {
    /// The `ConfigMap`'s namespace, where it states one.
    pub namespace: Option<String>,
    /// The `ConfigMap`'s name.
    pub config_map: String,
    /// The key of its `data`.
    pub key: String,
}

impl fmt::Display for ScriptFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfigMap ")?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        write!(f, "{} key {}", self.config_map, self.key)
    }
}

/// What a Pod's containers may mount, as far as the inputs show it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Files<'a> {
    volumes: &'a [Volume<'a>],
    mounts: &'a [Mount<'a>],
    namespace: Option<&'a str>,
    inventory: Option<&'a Inventory<'a>>,
}

/// Of the names; the texts of an inventory are not looked at.
impl Hash for Files<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self {
            volumes,
            mounts,
            namespace,
            inventory: _,
        } = self;
        (volumes, mounts, namespace).hash(state);
    }
}

/// A file that a container mounts.
pub(super) enum Found<'a> {
    Script {
        file: ScriptFile,
        text: &'a str,
        executable: bool,
    },
    /// It is mounted, but not shown: why.
    Hidden(String),
}

impl<'a> Files<'a> {
    /// The volumes of a Job's Pod, filled from the inventory where there is one.
    #[must_use]
    pub fn of(job: &'a Job<'_>, inventory: Option<&'a Inventory<'_>>) -> Self {
        Self {
            volumes: &job.pod.volumes,
            mounts: &[],
            namespace: job.namespace.as_deref(),
            inventory,
        }
    }

    /// True where the texts of mounted files are at hand; else there are names alone.
    pub(super) const fn show_texts(&self) -> bool {
        self.inventory.is_some()
    }

    /// What one container mounts of it.
    pub(super) fn mounted(self, container: &'a Container<'_>) -> Self {
        Self {
            mounts: &container.mounts,
            ..self
        }
    }

    /// The file at an absolute path; `None` where nothing is mounted.
    pub(super) fn find(&self, path: &str) -> Option<Found<'a>> {
        let path = normal(path)?;
        let below = |mount: &&'a Mount<'a>| {
            let at = normal(&mount.path)?;
            let rest = path.strip_prefix(at.as_str())?;
            (rest.is_empty() || rest.starts_with('/') || at == "/").then_some(at.len())
        };
        let mount = self
            .mounts
            .iter()
            .filter(|mount| below(mount).is_some())
            .max_by_key(below)?;
        let rest = path.get(below(&mount)?..)?.trim_start_matches('/');
        let inside = match mount.sub_path.as_deref() {
            None => rest.to_owned(),
            Some(sub) if rest.is_empty() => sub.trim_matches('/').to_owned(),
            Some(sub) => format!("{}/{rest}", sub.trim_matches('/')),
        };
        // A projected volume has several sources.
        let mut sources = self.volumes.iter().filter(|volume| volume.name == mount.volume);
        let mut found = None;
        while !matches!(found, Some(Found::Script { .. }))
            && let Some(volume) = sources.next()
        {
            found = self.in_volume(volume, &inside, &path).or(found);
        }
        found
    }

    fn in_volume(&self, volume: &'a Volume<'a>, inside: &str, path: &str) -> Option<Found<'a>> {
        let name = match &volume.source {
            VolumeSource::ConfigMap(name) => name,
            VolumeSource::Secret(name) => {
                return Some(Found::Hidden(format!(
                    "the script `{path}` stands in Secret {name}, which is never read"
                )));
            }
        };
        let (key, mode) = if volume.items.is_empty() {
            (inside, volume.mode)
        } else {
            let item = volume
                .items
                .iter()
                .find(|item| item.path.trim_start_matches("./") == inside)?;
            (item.key.as_ref(), item.mode.or(volume.mode))
        };
        let Some(inventory) = self.inventory else {
            return Some(Found::Hidden(format!(
                "the script `{path}` stands in ConfigMap {name}, which is not read at admission"
            )));
        };
        let Some(map) = inventory.find(NeighbourKind::ConfigMap, self.namespace, name) else {
            return Some(Found::Hidden(format!(
                "the script `{path}` stands in ConfigMap {name}, which is not among the inputs"
            )));
        };
        Some(script(map, key, mode, path))
    }
}

/// `mode` is 0644 by default (kubernetes/api `core/v1`, `ConfigMapVolumeSourceDefaultMode`).
fn script<'a>(map: &'a Neighbour<'a>, key: &str, mode: Option<u32>, path: &str) -> Found<'a> {
    let Some(text) = lookup(&map.data, key) else {
        return Found::Hidden(format!(
            "the script `{path}` is not in ConfigMap {}: it has no key {key}",
            map.name
        ));
    };
    Found::Script {
        file: ScriptFile {
            namespace: map.namespace.as_ref().map(ToString::to_string),
            config_map: map.name.to_string(),
            key: key.to_owned(),
        },
        text,
        executable: mode.is_some_and(|mode| mode & 0o111 != 0),
    }
}

/// An absolute path without empty and `.` parts, and with `..` taken back.
pub(super) fn normal(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.strip_prefix('/')?.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    Some(format!("/{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::job::VolumeItem;

    #[test]
    fn paths_are_compared_without_their_detours() {
        assert_eq!(normal("/a//b/./c/../d/").as_deref(), Some("/a/b/d"));
        assert_eq!(normal("a/b"), None);
        assert_eq!(normal("/..").as_deref(), Some("/"));
    }

    #[test]
    fn a_file_is_found_by_mount_sub_path_and_items() {
        let mut inventory = Inventory::default();
        inventory.add(Neighbour {
            kind: NeighbourKind::ConfigMap,
            namespace: None,
            name: "scripts".into(),
            labels: Vec::new(),
            annotations: Vec::new(),
            data: vec![("wait.sh".into(), "true".into())],
        });
        let volume = |name: &'static str, items| Volume {
            name: name.into(),
            source: VolumeSource::ConfigMap("scripts".into()),
            items,
            mode: Some(0o755),
        };
        let item = VolumeItem {
            key: "wait.sh".into(),
            path: "bin/w".into(),
            mode: Some(0o400),
        };
        let secret = Volume {
            source: VolumeSource::Secret("keys".into()),
            ..volume("several", Vec::new())
        };
        let volumes = [
            volume("plain", Vec::new()),
            volume("picked", vec![item]),
            secret,
            volume("several", Vec::new()),
        ];
        let mount = |volume: &'static str, path: &'static str, sub: Option<&'static str>| Mount {
            volume: volume.into(),
            path: path.into(),
            sub_path: sub.map(Into::into),
        };
        let mounts = [
            mount("plain", "/scripts/", None),
            mount("plain", "/opt/wait", Some("wait.sh")),
            mount("picked", "/scripts/more", None),
            mount("several", "/projected", None),
        ];
        let files = Files {
            volumes: &volumes,
            mounts: &mounts,
            namespace: Some("x"),
            inventory: Some(&inventory),
        };
        let found = |path: &str| match files.find(path) {
            Some(Found::Script { executable, .. }) => Some(executable),
            _ => None,
        };
        assert_eq!(found("/scripts/wait.sh"), Some(true));
        assert_eq!(found("/opt/wait"), Some(true));
        assert_eq!(found("/projected/wait.sh"), Some(true));
        assert_eq!(found("/scripts/more/bin/w"), Some(false));
        assert_eq!(found("/scripts/more/wait.sh"), None);
        assert_eq!(found("/scripts2/wait.sh"), None);
        assert!(matches!(files.find("/scripts/other.sh"), Some(Found::Hidden(_))));
        let blind = Files {
            inventory: None,
            ..files
        };
        assert!(matches!(blind.find("/scripts/wait.sh"), Some(Found::Hidden(_))));
    }
}
