//! Logs: which ones are wanted, and their lines.

use std::sync::Arc;

use jiff::Timestamp;

use super::Index;
use crate::engine::evidence::Lost;
use crate::index::change::{Action, LogKey, LogLine};
use crate::index::entry::Entry;
use crate::index::kind::JobKey;

impl Index {
    /// Asks for the logs of a Job that somebody waits for: of the present runs, and of those just ended, which
    /// the kubelet forgets with the next restart.
    pub(super) fn ask_for_logs(&mut self, key: &JobKey) {
        let Some(entry) = self.jobs.get_mut(key) else {
            return;
        };
        let wanted = entry.job.as_ref().is_some_and(|job| job.spec.matters);
        if !wanted || entry.is_settled() || entry.gone.is_known() {
            return;
        }
        let runs = runs(entry);
        let logs = &mut entry.trail().logs;
        for (log, live) in runs {
            if live {
                if logs.ask(&log) {
                    self.actions.push(Action::Follow(log.clone()));
                }
            } else if logs.ask_previous(&log) {
                self.actions.push(Action::Previous(log.clone()));
            }
        }
    }

    pub(super) fn add_log(&mut self, log: LogKey, lines: Vec<LogLine>, now: Timestamp) {
        let patterns = Arc::clone(&self.settings.policy.redact.patterns);
        let Some((key, entry)) = self.entry_of_log(&log) else {
            return;
        };
        entry.trail().logs.add(log, lines, &patterns, now);
        self.dirty.insert(key);
    }

    pub(super) fn end_log(&mut self, log: LogKey, now: Timestamp) {
        if let Some((key, entry)) = self.entry_of_log(&log) {
            entry.trail().logs.finish(log, now);
            self.dirty.insert(key);
        }
    }

    /// A log that cannot be read is a loss only if no line of it was read before.
    pub(super) fn lose_log(&mut self, log: &LogKey, why: String) {
        let Some((key, entry)) = self.entry_of_log(log) else {
            return;
        };
        let trail = entry.trail();
        if !trail.logs.is_empty_for(log) || trail.logs.is_complete(log) {
            return;
        }
        let what = format!(
            "log of container {} of Pod {}, attempt {}",
            log.container, log.pod, log.attempt
        );
        if trail.lost.iter().any(|lost| lost.what == what) {
            return;
        }
        trail.lost.push(Lost { what, why });
        self.evidence_lost += 1;
        self.dirty.insert(key);
    }

    fn entry_of_log(&mut self, log: &LogKey) -> Option<(JobKey, &mut Entry)> {
        let key = self.job_of_pod(&JobKey::new(&log.namespace, &log.pod))?;
        let entry = self.jobs.get_mut(&key).filter(|entry| !entry.is_settled())?;
        Some((key, entry))
    }
}

/// The runs whose log there is to read: the present ones (true) and the ones before (false).
fn runs(entry: &Entry) -> Vec<(LogKey, bool)> {
    let mut runs = Vec::new();
    for pod in entry.trail.iter().flat_map(|trail| &trail.pods) {
        if pod.deleted.is_some() && pod.phase != "Running" {
            continue;
        }
        for container in &pod.containers {
            let (present, before) = LogKey::runs(pod, container);
            runs.extend(present.map(|log| (log, true)));
            runs.extend(before.map(|log| (log, false)));
        }
    }
    runs
}
