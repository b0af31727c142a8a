//! What is asked for when a Job is in trouble: looks at what it waits for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::Index;
use super::judge::AGAIN;
use crate::engine::Seconds;
use crate::engine::evidence::{Dependency, EventRecord, ObjectRef};
use crate::index::change::Action;
use crate::index::entry::{Entry, JobState, since};
use crate::index::kind::JobKey;
use crate::index::targets::target_in;
use crate::k8s::cluster;

/// Dependencies looked at per Job.
const TARGETS: usize = 4;

impl Index {
    /// The looks that are due: while the Job waits every [`AGAIN`], and once more after it has ended.
    pub(super) fn looks(
        &self,
        key: &JobKey,
        entry: &Entry,
        job: &JobState,
        within: Duration,
        now: Timestamp,
    ) -> Vec<Action> {
        let due = is_due(entry, job, now);
        if !due && self.release_state.is_empty() {
            return Vec::new();
        }
        let releases = self.release_looks(key, entry, job);
        if !due {
            // What a look has only now shown to be in the way is not left until the next one.
            let asked = entry.trail.as_ref().map(|trail| &trail.asked);
            let is_new = |look: &Action| {
                matches!(look, Action::InspectRelease { release, .. }
                    if asked.is_none_or(|asked| !asked.contains(release)))
            };
            return releases.into_iter().filter(is_new).collect();
        }
        let services = targets(key, entry, job).into_iter();
        let mut looks: Vec<Action> = services
            .map(|(namespace, service, target)| Action::Inspect {
                job: key.clone(),
                namespace,
                service,
                target,
                within,
            })
            .collect();
        looks.extend(releases);
        let pods = entry.trail.iter().flat_map(|trail| &trail.pods);
        let pods: Vec<ObjectRef> = pods.filter_map(cluster::asks).collect();
        if !pods.is_empty() {
            let job = key.clone();
            looks.push(Action::InspectRoom { job, pods });
        }
        looks
    }

    /// Takes in what a look at a dependency has found.
    pub(super) fn add_dependency(&mut self, key: &JobKey, dependency: Dependency, events: Vec<EventRecord>) {
        let Some(entry) = self.jobs.get_mut(key) else {
            return;
        };
        let dependency = self.seen.share(dependency);
        let known = &mut entry.trail().dependencies;
        match known.iter_mut().find(|known| known.object == dependency.object) {
            // Time alone is looked at by the ticks.
            Some(known) if *known == dependency && events.is_empty() => return,
            // A look that could not see the Service takes nothing away from what an earlier one saw.
            Some(known) if dependency.exists.is_some() || known.exists.is_none() => *known = dependency,
            Some(_) => {}
            None => {
                // Most Jobs wait for one thing.
                known.reserve_exact(1);
                known.push(dependency);
            }
        }
        for event in events {
            entry.add_event(event);
        }
        self.dirty.insert(key.clone());
    }
}

/// What was seen of the objects that Jobs wait for: Jobs that wait for the same thing have one record between them.
#[derive(Debug, Default)]
pub(super) struct Seen(BTreeMap<ObjectRef, Arc<Dependency>>);

impl Seen {
    /// The record that is known where it says the same.
    pub(super) fn share(&mut self, dependency: Dependency) -> Arc<Dependency> {
        match self.0.get(&dependency.object) {
            Some(known) if **known == dependency => Arc::clone(known),
            _ => {
                let dependency = Arc::new(dependency);
                self.0.insert(dependency.object.clone(), Arc::clone(&dependency));
                dependency
            }
        }
    }

    /// Drops what no Job has any more.
    pub(super) fn tidy(&mut self) {
        self.0.retain(|_, seen| Arc::strong_count(seen) > 1);
    }
}

fn is_due(entry: &Entry, job: &JobState, now: Timestamp) -> bool {
    // How a Job stands that another process wrote down is not known until it is seen.
    if entry.restored.is_known() {
        return false;
    }
    let inspected = entry.trail.as_ref().and_then(|trail| trail.inspected.get());
    match (inspected, job.ended_seen.or(entry.gone).get()) {
        (None, ended) => ended.is_none_or(|ended| since(ended, now) < Seconds::new(60)),
        (Some(at), None) => since(at, now) >= AGAIN,
        (Some(at), Some(ended)) => at < ended && job.has_just_ended(now),
    }
}

/// The Services that the Job's scripts, annotations and logs name.
fn targets(key: &JobKey, entry: &Entry, job: &JobState) -> Vec<(String, String, String)> {
    let trail = entry.trail.as_ref();
    let here = &*key.namespace;
    let logs = trail.map(|trail| trail.logs.records()).unwrap_or_default();
    let in_logs = logs
        .iter()
        .rev()
        .flat_map(|tail| tail.lines.iter().rev())
        .filter_map(|line| target_in(line));
    let stated = job.spec.waits.iter().filter_map(|wait| wait.target.clone());
    let mut found: Vec<(String, String, String)> = Vec::new();
    for target in stated.chain(in_logs) {
        let Some((service, namespace)) = target.service() else {
            continue;
        };
        let namespace = namespace.unwrap_or(here).to_owned();
        if !found
            .iter()
            .any(|(ns, name, _)| *ns == namespace && name == service)
        {
            found.push((namespace, service.to_owned(), target.text.clone()));
        }
        if found.len() == TARGETS {
            break;
        }
    }
    found
}
