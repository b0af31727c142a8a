//! Another policy while the process runs.

use std::sync::Arc;

use jiff::Timestamp;

use super::Index;
use crate::engine::hide;
use crate::engine::policy::Policy;
use crate::index::kind::JobKey;
use crate::index::moment::Moment;
use crate::index::view::PolicyState;
use crate::k8s::job_record::JobSpec;

impl Index {
    /// What became of the policy file.
    pub fn policy_state(&mut self) -> &mut PolicyState {
        &mut self.policy
    }

    /// Goes by another policy from now on. Diagnoses are drawn anew, what it hides is hidden in what was kept before, and
    /// its signatures are looked for. The clocks of a Job that a release waits for are set anew at once, those of the
    /// others with the next change of the Job; one that has succeeded keeps what it ran under.
    pub fn set_policy(&mut self, policy: Arc<Policy>, now: Timestamp) {
        if self.settings.policy == policy {
            return;
        }
        let hides = self.settings.policy.redact != policy.redact;
        self.settings.policy = policy;
        self.policies.0 = self.policies.0.wrapping_add(1);
        self.policies.1 = self.policies.1.wrapping_add(hides.into());
        self.reassess(|_, _| true, now);
        let policy = &self.settings.policy;
        for (key, entry) in self.jobs.each_open() {
            if let Some(trail) = entry.trail.as_mut().filter(|_| hides) {
                trail.logs.hide(&policy.redact.patterns);
            }
            if let Some(job) = &mut entry.job {
                let mut spec = JobSpec::clone(&job.spec);
                if hides {
                    hide::targets(&mut spec.waits, &mut spec.downloads, &policy.redact.patterns);
                }
                // The policy's cold start is part of what is shared.
                job.spec = self.specs.share(spec, policy);
            }
            if let Some(trail) = &mut entry.trail {
                let names = |name: &str| policy.signatures.iter().any(|own| own.name.as_str() == name);
                trail.signatures.retain(|hit| names(&hit.name));
                trail.signed = Moment::default();
            }
            self.dirty.insert(JobKey::clone(key));
        }
        if hides {
            for done in self.jobs.each_done() {
                let mut spec = JobSpec::clone(&done.spec);
                hide::targets(&mut spec.waits, &mut spec.downloads, &policy.redact.patterns);
                done.spec = self.specs.share(spec, policy);
            }
        }
        self.settle(now);
    }
}
