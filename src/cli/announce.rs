//! What the webhook did, as Kubernetes Events: for the one who looks at a namespace and not at a log.

use crate::admission::{Observer, Outcome, Skipped, Webhook};
use crate::engine::finding::{Decision, Finding};
use crate::engine::job::Job;
use crate::engine::release::ReleaseObject;
use crate::report::events::{Events, Note, Object};

/// Offers an Event for each denial and each rewrite. Dry runs never come here.
#[derive(Debug)]
pub(super) struct Announcer(pub(super) Events);

impl Observer for Announcer {
    fn judged(&self, outcome: &Outcome<'_>) {
        match (outcome.webhook, outcome.decision, outcome.denial) {
            (Webhook::Validate, Decision::Deny, Some(denial)) => self.0.offer(|| denied(outcome, denial)),
            (Webhook::Mutate, ..) if !outcome.changes.is_empty() && !is_about_to_be_denied(outcome) => {
                self.0.offer(|| rewritten(outcome));
            }
            _ => {}
        }
    }

    fn skipped(&self, _: Webhook, _: &'static str, _: Skipped) {}
    fn answered(&self, _: Webhook, _: std::time::Duration) {}
}

/// True when a finding denies that no change is for: the other webhook says so next, and nothing of the rewrite will
/// exist.
fn is_about_to_be_denied(outcome: &Outcome<'_>) -> bool {
    let denies = |finding: &Finding| finding.decision(outcome.mode) == Decision::Deny;
    let mended = |finding: &Finding| outcome.changes.iter().any(|change| change.rule == finding.code);
    let mut denying = outcome
        .judged_by
        .iter()
        .filter(|finding| denies(finding))
        .peekable();
    denying.peek().is_some() && !denying.any(mended)
}

fn denied(outcome: &Outcome<'_>, denial: &str) -> Note {
    Note {
        warning: true,
        reason: "HookbudgetDenied",
        action: "Deny",
        text: denial.lines().next().unwrap_or_default().to_owned(),
        regarding: object(outcome.job),
        related: outcome.release.object.as_deref().and_then(release),
    }
}

fn rewritten(outcome: &Outcome<'_>) -> Note {
    let changes: Vec<String> = outcome.changes.iter().map(ToString::to_string).collect();
    Note {
        warning: false,
        reason: "HookbudgetRewritten",
        action: "Rewrite",
        text: format!("{}: {}", outcome.job, changes.join(", ")),
        regarding: object(outcome.job),
        related: outcome.release.object.as_deref().and_then(release),
    }
}

fn object(job: &Job<'_>) -> Object {
    Object {
        api_version: "batch/v1",
        kind: job.kind.as_str().to_owned(),
        namespace: job.namespace.as_deref().unwrap_or_default().to_owned(),
        // Of a generated name there is only the beginning, with a dash that no name may end with.
        name: job.name.trim_end_matches('-').to_owned(),
    }
}

fn release(object: &ReleaseObject) -> Option<Object> {
    let api_version = match object.kind {
        "HelmRelease" => "helm.toolkit.fluxcd.io/v2",
        "Kustomization" => "kustomize.toolkit.fluxcd.io/v1",
        "Application" => "argoproj.io/v1alpha1",
        _ => return None,
    };
    Some(Object {
        api_version,
        kind: object.kind.to_owned(),
        namespace: object.namespace.clone(),
        name: object.name.clone(),
    })
}
