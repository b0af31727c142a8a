//! The objects that stand beside a Job among the inputs: what it mounts, waits for, and needs to start.

use std::collections::HashMap;

use super::job::{Pairs, Text, lookup};

/// Kinds that a Job refers to or waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NeighbourKind {
    /// `v1 ConfigMap`.
    ConfigMap,
    /// `v1 Secret`, by name only: its content is never read.
    Secret,
    /// `v1 ServiceAccount`.
    ServiceAccount,
    /// `v1 Service`.
    Service,
    /// `apps/v1 Deployment`.
    Deployment,
    /// `apps/v1 StatefulSet`.
    StatefulSet,
}

impl NeighbourKind {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::ConfigMap,
        Self::Secret,
        Self::ServiceAccount,
        Self::Service,
        Self::Deployment,
        Self::StatefulSet,
    ];

    /// The kind as the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
            Self::ServiceAccount => "ServiceAccount",
            Self::Service => "Service",
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
        }
    }

    /// The API group that the kind belongs to; empty for the core.
    #[must_use]
    pub const fn group(self) -> &'static str {
        match self {
            Self::Deployment | Self::StatefulSet => "apps",
            _ => "",
        }
    }
}

/// An object that is no Job.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbour<'a> {
    /// Its kind.
    pub kind: NeighbourKind,
    /// Its namespace; rendered charts often leave it out.
    pub namespace: Option<Text<'a>>,
    /// Its name.
    pub name: Text<'a>,
    /// Its labels.
    pub labels: Pairs<'a>,
    /// Its annotations.
    pub annotations: Pairs<'a>,
    /// `data` of a `ConfigMap`; empty for every other kind.
    pub data: Pairs<'a>,
}

impl Neighbour<'_> {
    /// The value of an annotation.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        lookup(&self.annotations, key)
    }
}

/// The objects beside the Jobs, found by kind, name and namespace.
#[derive(Clone, Debug, Default)]
pub struct Inventory<'a> {
    neighbours: Vec<Neighbour<'a>>,
    by_name: HashMap<(NeighbourKind, String), Vec<usize>>,
}

impl<'a> Inventory<'a> {
    /// Adds an object.
    pub fn add(&mut self, neighbour: Neighbour<'a>) {
        let key = (neighbour.kind, neighbour.name.to_string());
        self.by_name.entry(key).or_default().push(self.neighbours.len());
        self.neighbours.push(neighbour);
    }

    /// The object of this kind and name. A namespace that one side leaves out is taken to be the other's.
    #[must_use]
    pub fn find(&self, kind: NeighbourKind, namespace: Option<&str>, name: &str) -> Option<&Neighbour<'a>> {
        self.find_all(kind, namespace, name).next()
    }

    /// Every object of this kind and name: a chart may render one as a hook and once more as itself.
    pub fn find_all(
        &self,
        kind: NeighbourKind,
        namespace: Option<&str>,
        name: &str,
    ) -> impl Iterator<Item = &Neighbour<'a>> {
        let indices = self.by_name.get(&(kind, name.to_owned()));
        indices
            .into_iter()
            .flatten()
            .filter_map(|&index| self.neighbours.get(index))
            .filter(
                move |neighbour| match (namespace, neighbour.namespace.as_deref()) {
                    (Some(wanted), Some(there)) => wanted == there,
                    _ => true,
                },
            )
    }

    /// All objects, in the order of the inputs.
    pub fn iter(&self) -> impl Iterator<Item = &Neighbour<'a>> {
        self.neighbours.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config_map(namespace: Option<&'static str>, name: &'static str) -> Neighbour<'static> {
        Neighbour {
            kind: NeighbourKind::ConfigMap,
            namespace: namespace.map(Into::into),
            name: name.into(),
            labels: Vec::new(),
            annotations: Vec::new(),
            data: Vec::new(),
        }
    }

    #[test]
    fn a_namespace_that_is_left_out_matches_any() {
        let mut inventory = Inventory::default();
        inventory.add(config_map(Some("gitea"), "scripts"));
        inventory.add(config_map(None, "shared"));
        let found = |kind, namespace, name| inventory.find(kind, namespace, name).is_some();
        assert!(found(NeighbourKind::ConfigMap, Some("gitea"), "scripts"));
        assert!(found(NeighbourKind::ConfigMap, None, "scripts"));
        assert!(found(NeighbourKind::ConfigMap, Some("powerdns"), "shared"));
        assert!(!found(NeighbourKind::ConfigMap, Some("powerdns"), "scripts"));
        assert!(!found(NeighbourKind::Secret, Some("gitea"), "scripts"));
    }
}
