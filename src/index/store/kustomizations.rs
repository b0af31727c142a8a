//! Flux Kustomizations: the outer clock of the plain Jobs that they apply and wait for.

use jiff::Timestamp;

use super::Index;
use super::apply::{Skip, named};
use crate::index::kind::{JobKey, Kind};
use crate::k8s::kustomization::KustomizationObject;
use crate::k8s::meta::AnyObject;

/// The label that names a Job's Kustomization (fluxcd/kustomize-controller `internal/controller`).
const LABEL: &str = "kustomize.toolkit.fluxcd.io/name";

/// True for the text of an object that a Kustomization has applied.
pub(super) fn is_kustomized(text: &str) -> bool {
    text.contains(LABEL)
}

impl Index {
    pub(super) fn apply_kustomization(&mut self, text: &str, now: Timestamp) -> Result<(), Skip> {
        let AnyObject { metadata } = serde_json::from_str(text)?;
        let key = named(&metadata)?;
        let (facts, _) = serde_json::from_str::<KustomizationObject<'_>>(text)?.into_facts();
        let epoch = self.watches[Kind::Kustomization.slot()].epoch;
        self.kustomized.insert(key.clone(), epoch);
        let place = self.kustomizations.iter().position(|known| is(known, &key));
        let known = place.and_then(|place| self.kustomizations.get(place));
        // Its status changes with every reconciliation, its clock hardly ever.
        if known == facts.as_ref() {
            return Ok(());
        }
        if let Some(place) = place {
            self.kustomizations.swap_remove(place);
        }
        self.kustomizations.extend(facts);
        // The first list is looked at as a whole, at its end.
        if self.watches[Kind::Kustomization.slot()].synced {
            self.reassess_kustomized(&key, now);
        }
        Ok(())
    }

    pub(super) fn kustomization_gone(&mut self, key: &JobKey, now: Timestamp) {
        self.kustomized.remove(key);
        self.kustomizations.retain(|known| !is(known, key));
        self.reassess_kustomized(key, now);
    }

    pub(super) fn sweep_kustomizations(&mut self, epoch: u16, now: Timestamp) {
        let gone = self.kustomized.iter().filter(|(_, seen)| **seen != epoch);
        let gone: Vec<_> = gone.map(|(key, _)| key.clone()).collect();
        for key in gone {
            self.kustomization_gone(&key, now);
        }
    }

    fn reassess_kustomized(&mut self, key: &JobKey, now: Timestamp) {
        let name = format!("\"{}\"", key.name);
        self.reassess(|_, job| is_kustomized(job) && job.contains(&name), now);
    }
}

fn is(known: &crate::engine::window::Kustomization, key: &JobKey) -> bool {
    *known.namespace == *key.namespace && *known.name == *key.name
}
