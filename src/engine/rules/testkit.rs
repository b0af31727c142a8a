//! Jobs for the boundary tables of the rules.

use crate::engine::assess;
use crate::engine::finding::{Confidence, Finding, Severity};
use crate::engine::job::{BackoffLimit, Container, Job, PodTemplate, RestartPolicy};
use crate::engine::policy::Policy;
use crate::engine::release::Surroundings;
use crate::engine::seconds::Seconds;

/// A hook Job with one container, in a release with a stated timeout.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Hook {
    pub(in crate::engine) runs: &'static str,
    pub(in crate::engine) script: &'static str,
    pub(in crate::engine) policy: RestartPolicy,
    pub(in crate::engine) limit: u32,
    pub(in crate::engine) deadline: Option<i64>,
    pub(in crate::engine) release: Option<&'static str>,
}

pub(in crate::engine) const HOOK: Hook = Hook {
    runs: "post-install",
    script: "set -eu\ncurl -sSf --max-time 10 http://catalog:8080/api/seed",
    policy: RestartPolicy::Never,
    limit: 0,
    deadline: None,
    release: Some("1h"),
};

impl Hook {
    pub(in crate::engine) fn job(self) -> Job<'static> {
        let key = if self.runs.contains('-') {
            "helm.sh/hook"
        } else {
            "argocd.argoproj.io/hook"
        };
        let mut annotations = vec![(key.into(), self.runs.into())];
        if let Some(timeout) = self.release {
            annotations.push(("hookbudget.dev/release-timeout".into(), timeout.into()));
        }
        Job {
            namespace: Some("shop".into()),
            name: "seed".into(),
            annotations,
            backoff_limit: BackoffLimit {
                value: self.limit,
                stated: true,
            },
            active_deadline: self.deadline.map(Seconds::new),
            parallelism: 1,
            completions: Some(1),
            pod: PodTemplate {
                restart_policy: self.policy,
                containers: vec![Container {
                    name: "main".into(),
                    image: "curlimages/curl:8.11.1".into(),
                    command: ["sh", "-c", self.script].map(Into::into).to_vec(),
                    ..Container::default()
                }],
                ..PodTemplate::default()
            },
            ..Job::default()
        }
    }

    pub(in crate::engine) fn findings(self, code: &str) -> Vec<Finding> {
        found(&self.job(), code)
    }

    /// What a rule says of it.
    pub(in crate::engine) fn verdict(self, code: &str) -> Option<(Severity, Confidence)> {
        self.findings(code).first().map(|f| (f.severity, f.confidence))
    }
}

/// The findings of one rule about a Job.
pub(in crate::engine) fn found(job: &Job<'_>, code: &str) -> Vec<Finding> {
    let mut findings = assess(job, Surroundings::default(), &Policy::default()).findings;
    findings.retain(|finding| finding.code == code);
    findings
}

pub(in crate::engine) const CERTAIN: Option<(Severity, Confidence)> =
    Some((Severity::Error, Confidence::Certain));
