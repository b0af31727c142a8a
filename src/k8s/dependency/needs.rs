//! What Pods cannot start without and do not find: Secrets, `ConfigMap`s, volumes.

use super::objects::{ClaimObject, WorkloadObject};
use super::{Namespace, is_ready};
use crate::engine::evidence::{Dependency, EventRecord, ObjectRef, PodRecord, Workload};
use crate::engine::signatures::holds;
use crate::k8s::pod::PodObject;

/// Needs kept per workload.
const NEEDS: usize = 8;

impl Namespace {
    /// What these Pods say that they miss: the kubelet names it in a waiting message or in an event, the
    /// scheduler in its verdict. A Pod that is ready misses nothing, whatever old events say.
    pub(super) fn needs(&self, pods: &[&PodObject]) -> Vec<Dependency> {
        let mut missing: Vec<(&'static str, String)> = Vec::new();
        let mut needs: Vec<Dependency> = Vec::new();
        for pod in pods {
            let record = (*pod).clone().into_record(None);
            if is_ready(&record) {
                continue;
            }
            let events = self.events_about("Pod", &record.name);
            let messages = events.map(|event| event.message.as_str());
            let waits = record.containers.iter().flat_map(|container| &container.waits);
            let verdicts = record.conditions.iter().map(|c| c.message.as_str());
            for message in waits
                .map(|wait| wait.message.as_str())
                .chain(verdicts)
                .chain(messages)
            {
                missing.extend(missing_object(message));
            }
            needs.extend(self.unmet_claims(&record));
        }
        missing.sort_unstable();
        missing.dedup();
        let known = |name: &str, needs: &[Dependency]| needs.iter().any(|need| need.object.name == name);
        for (kind, name) in missing {
            // An event about a claim may be older than the claim.
            let of_claim = kind == "PersistentVolumeClaim";
            if of_claim && (known(&name, &needs) || self.claim(&name).is_some()) {
                continue;
            }
            needs.push(Dependency {
                object: self.named(kind, &name),
                target: format!("{} {name}", kind.to_lowercase()),
                exists: Some(false),
                workloads: self.makers_of(kind, &name),
                ..Dependency::default()
            });
        }
        needs.dedup_by(|one, other| one.object == other.object);
        needs.truncate(NEEDS);
        needs
    }

    pub(super) fn events_about<'a>(
        &'a self,
        kind: &'a str,
        name: &'a str,
    ) -> impl Iterator<Item = &'a EventRecord> {
        self.events
            .iter()
            .filter(move |event| event.object.kind == kind && event.object.name == name)
    }

    fn claim(&self, name: &str) -> Option<&ClaimObject> {
        let mut claims = self.claims.iter().flatten();
        claims.find(|claim| claim.metadata.name == name)
    }

    /// The claims of a Pod without a node that keep it from one. A claim whose class waits for the Pod to be placed
    /// (`WaitForFirstConsumer`) is not bound because of the Pod, not the other way round.
    fn unmet_claims(&self, pod: &PodRecord) -> Vec<Dependency> {
        if pod.node.is_some() {
            return Vec::new();
        }
        let out_of_reach = pod
            .conditions
            .iter()
            .any(|c| holds(&c.message, "volume node affinity conflict"));
        let claims = pod.claims.iter().filter_map(|name| self.claim(name));
        claims
            .filter_map(|claim| {
                let name = &claim.metadata.name;
                let mut need = Dependency {
                    object: self.named("PersistentVolumeClaim", name),
                    target: format!("persistentvolumeclaim {name}"),
                    exists: Some(true),
                    phase: claim.status.phase.clone(),
                    created: claim.metadata.creation_timestamp,
                    ..Dependency::default()
                };
                if claim.is_bound() {
                    let volume = claim.volume().filter(|_| out_of_reach)?;
                    need.needs.push(self.volume(volume)?);
                    return Some(need);
                }
                let event = self
                    .events_about("PersistentVolumeClaim", name)
                    .max_by_key(|event| event.last);
                if event.is_some_and(|event| event.reason == "WaitForFirstConsumer") {
                    return None;
                }
                need.says = event.map_or_else(String::new, |event| {
                    format!("event {}: {}", event.reason, event.message)
                });
                need.needs.extend(self.missing_class(claim));
                Some(need)
            })
            .collect()
    }

    /// The class that a claim names and that the cluster does not have.
    fn missing_class(&self, claim: &ClaimObject) -> Option<Dependency> {
        let class = claim.spec.storage_class_name.as_deref()?;
        let classes = self.classes.as_ref().filter(|_| !self.partial)?;
        // The empty name asks for a volume that somebody makes by hand.
        if class.is_empty() || classes.iter().any(|known| known == class) {
            return None;
        }
        Some(Dependency {
            object: ObjectRef {
                kind: "StorageClass".to_owned(),
                namespace: String::new(),
                name: class.to_owned(),
            },
            target: format!("storageclass {class}"),
            relation: "is provisioned by".to_owned(),
            exists: Some(false),
            ..Dependency::default()
        })
    }

    /// A volume that only some nodes reach.
    fn volume(&self, name: &str) -> Option<Dependency> {
        let volume = self.volumes.iter().find(|volume| volume.metadata.name == name)?;
        let reach = volume.reach();
        (!reach.is_empty()).then(|| Dependency {
            object: ObjectRef {
                kind: "PersistentVolume".to_owned(),
                namespace: String::new(),
                name: name.to_owned(),
            },
            target: format!("persistentvolume {name}"),
            relation: "is bound to".to_owned(),
            exists: Some(true),
            phase: volume.status.phase.clone(),
            says: format!("nodeAffinity: {reach}"),
            ..Dependency::default()
        })
    }

    /// Who makes a missing Secret, where a convention tells it: `CloudNativePG` keeps the application's password
    /// in `<cluster>-app` and labels the Pods `cnpg.io/cluster` (cloudnative-pg `pkg/specs`, `pkg/utils`).
    fn makers_of(&self, kind: &str, name: &str) -> Vec<Workload> {
        let cluster = ["-app", "-superuser", "-ca", "-server", "-replication"]
            .iter()
            .find_map(|suffix| name.strip_suffix(suffix))
            .filter(|_| kind == "Secret");
        cluster
            .and_then(|cluster| self.database(cluster))
            .into_iter()
            .collect()
    }

    /// Why a workload has no Pods: its own condition (`ReplicaFailure` of a Deployment), or the newest event about it.
    pub(super) fn said_of(&self, object: &WorkloadObject) -> String {
        let failure = object.status.conditions.iter().cloned();
        let failure = failure
            .map(crate::engine::evidence::Condition::from)
            .find(|c| c.kind == "ReplicaFailure" && c.status == "True");
        if let Some(failure) = failure {
            return format!(
                "condition ReplicaFailure=True {}: {}",
                failure.reason, failure.message
            );
        }
        let events = self.events_about(&object.kind, &object.metadata.name);
        let failed = events.filter(|event| event.kind == "Warning" && event.reason == "FailedCreate");
        let newest = failed.max_by_key(|event| event.last);
        newest.map_or_else(String::new, |event| {
            format!("event {}: {}", event.reason, event.message)
        })
    }
}

/// `secret "x" not found`, `configmap "x" not found`, as the kubelet writes it; `persistentvolumeclaim "x" not
/// found`, as the scheduler does.
fn missing_object(message: &str) -> Option<(&'static str, String)> {
    let end = message.find("\" not found")?;
    let head = &message[..end];
    let start = head.rfind('"')?;
    let name = head[start + 1..].to_owned();
    let before = head[..start].trim_end();
    let is = |word: &str| {
        let tail = before
            .len()
            .checked_sub(word.len())
            .and_then(|at| before.get(at..));
        tail.is_some_and(|tail| tail.eq_ignore_ascii_case(word))
    };
    [
        ("secret", "Secret"),
        ("configmap", "ConfigMap"),
        ("persistentvolumeclaim", "PersistentVolumeClaim"),
    ]
    .into_iter()
    .find(|(word, _)| is(word))
    .map(|(_, kind)| (kind, name))
}
