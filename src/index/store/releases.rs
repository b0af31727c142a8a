//! What a Job's release waits for, and which release would bring what the Job calls: put together from the releases
//! that are watched anyway.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Index;
use crate::engine::evidence::{Dependency, ObjectRef};
use crate::index::change::Action;
use crate::index::entry::{Entry, JobState};
use crate::index::kind::JobKey;
use crate::k8s::flux;

/// How many releases a chain over `dependsOn` goes through.
const DEPTH: usize = 6;
/// Releases that are looked at per Job.
const LOOKS: usize = 4;
/// How a Job depends on what its release waits for.
const OF_RELEASE: &str = "is released by one that depends on";

impl Index {
    /// The Job's dependencies with what the releases say added to them.
    pub(super) fn with_releases(&self, job: &JobState, known: &[Arc<Dependency>]) -> Vec<Dependency> {
        let is_look = |dependency: &Dependency| {
            let object = &dependency.object;
            object.kind == "HelmRelease"
                && (dependency.relation.is_empty() || self.release_state.contains_key(&key_of(object)))
        };
        let mut found: Vec<Dependency> = known
            .iter()
            .filter(|dependency| !is_look(dependency))
            .map(|dependency| Dependency::clone(dependency))
            .collect();
        let own = own_release(job);
        for dependency in &mut found {
            let bare = dependency.workloads.is_empty()
                && (dependency.exists == Some(false) || dependency.ready == Some(0));
            if dependency.object.kind == "Service"
                && bare
                && let Some(mut release) = self.installer(&dependency.object, own.as_ref(), known)
            {
                "is installed by".clone_into(&mut release.relation);
                dependency.needs = vec![release];
            }
            if dependency.object.kind == "Kustomization" {
                self.add_failing_releases(dependency, known);
            }
        }
        let depends_on = own.and_then(|own| self.release_state.get(&own));
        for key in depends_on.iter().flat_map(|state| &state.depends_on) {
            if let Some(mut release) = self.waiting_release(key, known, &mut BTreeSet::new()) {
                OF_RELEASE.clone_into(&mut release.relation);
                found.push(release);
            }
        }
        found
    }

    /// The release that is not ready, with those that it waits for; each one once.
    fn waiting_release(
        &self,
        key: &JobKey,
        known: &[Arc<Dependency>],
        seen: &mut BTreeSet<JobKey>,
    ) -> Option<Dependency> {
        let state = self.release_state.get(key)?;
        if flux::is_ready(&state.dependency) || seen.len() >= DEPTH || !seen.insert(key.clone()) {
            return None;
        }
        let mut release = state.dependency.clone();
        let look = known.iter().find(|look| look.object == release.object);
        release.workloads = look.map(|look| look.workloads.clone()).unwrap_or_default();
        let needs = state.depends_on.iter();
        release.needs = needs
            .filter_map(|need| self.waiting_release(need, known, seen))
            .collect();
        Some(release)
    }

    /// The release that would bring a Service, where it is plain which one that is: the only one that goes into the
    /// Service's namespace and is not ready, or the one whose name the Service bears. The Job's own release is not
    /// it: a hook that calls what its own release brings has another problem.
    fn installer(
        &self,
        service: &ObjectRef,
        own: Option<&JobKey>,
        known: &[Arc<Dependency>],
    ) -> Option<Dependency> {
        let waiting: Vec<_> = self
            .releases
            .iter()
            .filter(|release| release.release_namespace() == service.namespace)
            .map(|release| (release, JobKey::new(&release.namespace, &release.name)))
            .filter(|(_, key)| Some(key) != own)
            .filter(|(_, key)| {
                let state = self.release_state.get(key);
                state.is_some_and(|state| !flux::is_ready(&state.dependency))
            })
            .collect();
        let named = || {
            waiting.iter().find(|(release, _)| {
                let names = release.release_name.iter().chain([&release.name]);
                let mut names = names.map(|name| name.strip_prefix("bp-").unwrap_or(name));
                names.any(|name| service.name == *name || service.name.starts_with(&format!("{name}-")))
            })
        };
        let (_, key) = match waiting.as_slice() {
            [one] => one,
            _ => named()?,
        };
        self.waiting_release(key, known, &mut BTreeSet::new())
    }

    /// A Kustomization's health check names the releases that it waits for: `HelmRelease/namespace/name`.
    fn add_failing_releases(&self, kustomization: &mut Dependency, known: &[Arc<Dependency>]) {
        let messages = kustomization.conditions.iter().map(|c| c.message.as_str());
        let named: BTreeSet<JobKey> = messages
            .flat_map(|message| message.split("HelmRelease/").skip(1))
            .filter_map(|rest| {
                let end = |c: char| !(c.is_ascii_alphanumeric() || "-./".contains(c));
                let (namespace, name) = rest.split(end).next()?.split_once('/')?;
                Some(JobKey::new(namespace, name.trim_end_matches('.')))
            })
            .take(LOOKS)
            .collect();
        for key in named {
            if !kustomization.needs.iter().any(|need| key_of(&need.object) == key) {
                let release = self.waiting_release(&key, known, &mut BTreeSet::new());
                kustomization.needs.extend(release.map(|release| Dependency {
                    relation: "waits for".to_owned(),
                    ..release
                }));
            }
        }
    }

    /// What to look at besides Services: what the releases that are not ready have installed, and the Kustomization
    /// that brings the Job's own.
    pub(super) fn release_looks(&self, key: &JobKey, entry: &Entry, job: &JobState) -> Vec<Action> {
        let known = entry.trail.as_ref().map(|trail| trail.dependencies.as_slice());
        let found = self.with_releases(job, known.unwrap_or_default());
        let mut releases = Vec::new();
        for dependency in &found {
            collect(dependency, &mut releases);
        }
        releases.truncate(LOOKS);
        let looks = releases.into_iter().filter_map(|object| {
            let facts = self
                .releases
                .iter()
                .find(|release| release.namespace == object.namespace && release.name == object.name)?;
            Some(Action::InspectRelease {
                job: key.clone(),
                namespace: facts.release_namespace().to_owned(),
                helm: facts.release_name().into_owned(),
                release: object,
            })
        });
        let own = own_release(job);
        let facts = own.and_then(|own| {
            let mut releases = self.releases.iter();
            releases.find(|release| *release.namespace == *own.namespace && *release.name == *own.name)
        });
        let kustomization = facts.and_then(|release| release.kustomization.clone());
        let kustomization = kustomization.map(|(namespace, name)| Action::InspectKustomization {
            job: key.clone(),
            namespace,
            name,
        });
        looks.chain(kustomization).collect()
    }
}

fn own_release(job: &JobState) -> Option<JobKey> {
    let release = job.spec.record.release.as_ref()?.object.as_ref()?;
    (release.kind == "HelmRelease").then(|| key_of(release))
}

fn key_of(object: &ObjectRef) -> JobKey {
    JobKey::new(&object.namespace, &object.name)
}

fn collect(dependency: &Dependency, found: &mut Vec<ObjectRef>) {
    if dependency.object.kind == "HelmRelease" && !found.contains(&dependency.object) {
        found.push(dependency.object.clone());
    }
    for need in &dependency.needs {
        collect(need, found);
    }
}
