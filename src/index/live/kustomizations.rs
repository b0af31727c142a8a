//! What the Kustomization of a Job's release waits for, followed over `dependsOn` on demand.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kube::Client;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::pages::get;
use crate::engine::evidence::Dependency;
use crate::k8s::flux::{FluxObject, is_ready};
use crate::k8s::kustomization;

/// How long an answer serves.
const FRESH: Duration = Duration::from_secs(10);
/// Kustomizations read per answer, however they depend on each other.
const MOST: usize = 8;
/// Answers remembered.
const KEPT: usize = 256;
/// Versions that are understood, the best first.
const VERSIONS: [&str; 2] = ["v1", "v1beta2"];

type Named = (String, String);

/// Reads Kustomizations, and remembers the answers for a moment.
pub(super) struct Kustomizations {
    client: Client,
    known: Mutex<BTreeMap<Named, (Instant, Vec<Dependency>)>>,
}

impl Kustomizations {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            known: Mutex::new(BTreeMap::new()),
        }
    }

    /// What a Kustomization depends on, with what that depends on in turn where it is not ready. One that is ready is
    /// told too: it takes the place of what was known of it before.
    pub(super) async fn depended_on(&self, namespace: &str, name: &str) -> Vec<Dependency> {
        let mut known = self.known.lock().await;
        let key = (namespace.to_owned(), name.to_owned());
        if let Some((at, found)) = known.get(&key)
            && at.elapsed() < FRESH
        {
            return found.clone();
        }
        let found = self.read(&key).await;
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(key, (Instant::now(), found.clone()));
        found
    }

    async fn read(&self, key: &Named) -> Vec<Dependency> {
        let Some(own) = self.get(key).await else {
            return Vec::new();
        };
        // Each one once: they may depend on each other in a circle.
        let mut seen = BTreeSet::from([key.clone()]);
        let mut next: Vec<Named> = names(&own);
        let first = next.clone();
        let mut waiting: Vec<(Named, Vec<Named>, Dependency)> = Vec::new();
        while let Some(key) = next.pop() {
            if seen.len() > MOST || !seen.insert(key.clone()) {
                continue;
            }
            let Some(object) = self.get(&key).await else {
                continue;
            };
            let dependency = object.to_dependency("Kustomization");
            let on = if is_ready(&dependency) {
                Vec::new()
            } else {
                names(&object)
            };
            next.extend(on.iter().cloned());
            waiting.push((key, on, dependency));
        }
        first
            .iter()
            .filter_map(|key| tree(key, &mut waiting))
            .map(|dependency| Dependency {
                relation: "comes from a Kustomization that depends on".to_owned(),
                ..dependency
            })
            .collect()
    }

    async fn get(&self, (namespace, name): &Named) -> Option<FluxObject> {
        for version in VERSIONS {
            let group = kustomization::GROUP;
            let path = format!("/apis/{group}/{version}/namespaces/{namespace}/kustomizations/{name}");
            if let Some(found) = get::<FluxObject>(&self.client, &path).await {
                return Some(found);
            }
        }
        None
    }
}

fn names(object: &FluxObject) -> Vec<Named> {
    let on = object.depends_on();
    on.map(|(namespace, name)| (namespace.to_owned(), name.to_owned()))
        .collect()
}

/// Takes one out of those that wait, with those that it waits for below it.
fn tree(key: &Named, waiting: &mut Vec<(Named, Vec<Named>, Dependency)>) -> Option<Dependency> {
    let at = waiting.iter().position(|(of, ..)| of == key)?;
    let (_, on, mut dependency) = waiting.swap_remove(at);
    dependency.needs = on.iter().filter_map(|key| tree(key, waiting)).collect();
    Some(dependency)
}
