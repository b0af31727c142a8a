//! Signatures of the policy that look at objects: when a look is asked for, and what it found.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::Index;
use crate::engine::Seconds;
use crate::engine::evidence::{Lost, SignatureHit};
use crate::engine::signature::{Signature, is_wanted};
use crate::index::change::{Action, SignatureAsk};
use crate::index::entry::since;
use crate::index::kind::JobKey;
use crate::index::targets::target_in;

/// How often they are looked at while a Job in trouble waits. Such a look may read a kind of the whole cluster.
const AGAIN: Seconds = Seconds::new(30);
/// How old the answer may be meanwhile: one look serves all who wait.
const WHILE_WAITING: Duration = Duration::from_secs(30);
/// The same once the Job has ended.
const AT_THE_END: Duration = Duration::from_secs(5);
/// How long after its end a Job that was not known before is worth a look: later the objects tell of another time.
const FRESH: Seconds = Seconds::new(60);

impl Index {
    /// Asks for a look at the objects of the policy's signatures where one is due for a Job in trouble: every
    /// [`AGAIN`] while it waits, and once more after it has ended.
    pub(super) fn ask_for_signatures(&mut self, key: &JobKey, now: Timestamp) {
        let signatures = &self.settings.policy.signatures;
        if !is_wanted(signatures, &key.namespace, &key.name) {
            return;
        }
        let Some(entry) = self.jobs.get_mut(key) else {
            return;
        };
        let Some(job) = &entry.job else { return };
        let ended = job.ended_seen.or(entry.gone).get();
        let signed = entry.trail.as_ref().and_then(|trail| trail.signed.get());
        let due = match (signed, ended) {
            (None, ended) => ended.is_none_or(|ended| since(ended, now) < FRESH),
            (Some(at), None) => since(at, now) >= AGAIN,
            (Some(at), Some(ended)) => at < ended && job.has_just_ended(now),
        };
        // How a Job stands that another process wrote down is not known until it is seen.
        if !due || entry.restored.is_known() {
            return;
        }
        let logs = entry
            .trail
            .as_ref()
            .map(|trail| trail.logs.records())
            .unwrap_or_default();
        let in_logs = logs
            .iter()
            .flat_map(|tail| &tail.lines)
            .filter_map(|line| target_in(line));
        let stated = job.spec.waits.iter().filter_map(|wait| wait.target.clone());
        let mut namespaces: Vec<String> = stated
            .chain(in_logs)
            .filter_map(|target| {
                let (_, namespace) = target.service()?;
                Some(namespace.unwrap_or(&key.namespace).to_owned())
            })
            .collect();
        namespaces.sort_unstable();
        namespaces.dedup();
        entry.trail().signed = now.into();
        self.actions.push(Action::Signatures(SignatureAsk {
            job: key.clone(),
            namespaces,
            signatures: Arc::clone(&self.settings.policy.signatures),
            within: if ended.is_some() {
                AT_THE_END
            } else {
                WHILE_WAITING
            },
        }));
    }

    /// The page of a signature of the policy, by the value of its label.
    #[must_use]
    pub fn signature_page(&self, label: &str) -> Option<String> {
        let mut signatures = self.settings.policy.signatures.iter();
        signatures
            .find(|own| own.name.label() == label)
            .map(Signature::page)
    }

    /// What a look found replaces what an earlier one found.
    pub(super) fn add_signatures(&mut self, key: &JobKey, found: Vec<SignatureHit>, lost: Vec<Lost>) {
        let Some(entry) = self.jobs.get_mut(key).filter(|entry| !entry.is_settled()) else {
            return;
        };
        let trail = entry.trail();
        if trail.signatures == found && trail.unsigned == lost {
            return;
        }
        trail.signatures = found;
        trail.unsigned = lost;
        self.dirty.insert(key.clone());
    }
}
