//! Objects that say themselves whether they are ready: releases, Kustomizations, volume claims.

use super::{Walk, Window, ending, link};
use crate::engine::evidence::{Condition, Dependency};
use crate::engine::root_cause::RootCause;

/// True for what the Job's release waits for, as against what the Job itself calls.
pub(super) fn is_of_release(dependency: &Dependency) -> bool {
    matches!(dependency.object.kind.as_str(), "HelmRelease" | "Kustomization")
}

impl Window<'_, '_> {
    /// The walk below an object that exists and is no Service.
    pub(super) fn waits(self, dependency: &Dependency, relation: &str, depth: usize) -> Option<Walk> {
        match dependency.object.kind.as_str() {
            "HelmRelease" | "Kustomization" => self.release(dependency, relation, depth),
            "PersistentVolumeClaim" | "PersistentVolume" => Some(self.volume(dependency, relation, depth)),
            _ => {
                let finding = "is not ready".to_owned();
                let above = link(&dependency.object, relation, finding, said(dependency));
                self.deepest(dependency, depth, &above)
            }
        }
    }

    fn release(self, dependency: &Dependency, relation: &str, depth: usize) -> Option<Walk> {
        let object = &dependency.object;
        let ready = condition(dependency);
        if ready.is_some_and(|condition| condition.status == "True") {
            return None;
        }
        if dependency.suspended {
            let finding = "is suspended, and not ready".to_owned();
            let walk = Walk::step(
                object,
                relation,
                finding,
                "spec.suspend is true".to_owned(),
                RootCause::DependencyNotReady,
            );
            return Some(walk.parked());
        }
        let at = ready.and_then(|condition| condition.at);
        let here = self.narrowed(None, at);
        let finding = ready.map_or_else(
            || "has never been reconciled".to_owned(),
            |condition| match condition.reason.as_str() {
                "" => "is not ready".to_owned(),
                reason => format!("is not ready: {reason}"),
            },
        );
        let above = link(object, relation, finding.clone(), said(dependency));
        let failed = ready.is_some_and(|condition| condition.status == "False");
        let found = here.deepest(dependency, depth, &above);
        let found = found.unwrap_or_else(|| {
            // One that has failed does not come up by being waited for; one that is at work may.
            if failed {
                ending(above, RootCause::DependencyNotReady)
            } else {
                here.young_or(
                    RootCause::DependencyNotReady,
                    object,
                    relation,
                    finding,
                    said(dependency),
                )
            }
        });
        Some(found.since(at))
    }

    /// A claim that is not bound, or a volume that is out of reach.
    fn volume(self, dependency: &Dependency, relation: &str, depth: usize) -> Walk {
        let object = &dependency.object;
        let bound = dependency.phase == "Bound";
        let finding = match (object.kind.as_str(), bound) {
            ("PersistentVolume", _) => "is tied to nodes that the Pod cannot use".to_owned(),
            (_, true) => "is bound to a volume that is out of reach".to_owned(),
            (_, false) => format!("is {}, not Bound", shown(&dependency.phase)),
        };
        let proof = match (dependency.phase.as_str(), dependency.says.as_str()) {
            (phase, "") => format!("status.phase is {}", shown(phase)),
            (phase, says) => format!("status.phase is {}: {says}", shown(phase)),
        };
        let above = link(object, relation, finding, proof);
        let mut walk = self
            .deepest(dependency, depth, &above)
            .unwrap_or_else(|| ending(above, RootCause::DependencyPodPending));
        if self.declared.is_some()
            && let Some(young) = self.still_young()
        {
            walk.given_until = walk.given_until.max(Some(young.until));
        }
        walk
    }
}

fn shown(phase: &str) -> &str {
    if phase.is_empty() { "unknown" } else { phase }
}

fn condition(dependency: &Dependency) -> Option<&Condition> {
    dependency
        .conditions
        .iter()
        .find(|condition| condition.kind == "Ready")
}

fn said(dependency: &Dependency) -> String {
    condition(dependency).map_or_else(
        || "it has no condition Ready".to_owned(),
        |condition| {
            format!(
                "condition Ready={} {}: {}",
                condition.status, condition.reason, condition.message
            )
        },
    )
}

#[cfg(test)]
mod tests;
