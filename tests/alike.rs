//! One engine, one answer: what `lint` says that the webhook would decide is what it decides, in each mode, for every
//! object of the rules' fixtures and of the incidents that stands alone in its file, or with its release.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hookbudget::admission::{Admission, Observer, Outcome, Skipped, Webhook};
use hookbudget::engine::finding::Decision;
use hookbudget::engine::policy::{Mode, Policy};
use hookbudget::engine::release::HelmRelease;
use hookbudget::k8s::helm_release::HelmReleaseObject;
use serde_json::{Value, json};
use support::{files, read, run};

/// The last decision.
#[derive(Default)]
struct Last(Mutex<Option<Decision>>);

impl Observer for Last {
    fn judged(&self, outcome: &Outcome<'_>) {
        *self.0.lock().unwrap() = Some(outcome.decision);
    }
    fn skipped(&self, _: Webhook, _: &'static str, _: Skipped) {}
    fn answered(&self, _: Webhook, _: Duration) {}
}

/// What the webhook decides about an object where the mode is the policy's default.
fn decided(object: &Value, releases: &[HelmRelease], mode: Mode) -> Option<&'static str> {
    let last = Arc::new(Last::default());
    let admission = Admission::new(Arc::<Last>::clone(&last));
    admission.surroundings.releases.store(Arc::new(releases.to_vec()));
    admission.policy.store(Arc::new(Policy {
        default_mode: mode,
        ..Policy::default()
    }));
    let kind = object["kind"].as_str()?;
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "5f0ad1a4-7a1c-4b5e-9b0e-3c1f2d6a8e01",
        "kind": {"group": "batch", "version": "v1", "kind": kind},
        "resource": {"group": "batch", "version": "v1", "resource": format!("{}s", kind.to_lowercase())},
        "namespace": object["metadata"]["namespace"].as_str().unwrap_or("default"),
        "operation": "CREATE",
        "userInfo": {"username": "system:serviceaccount:flux-system:helm-controller"},
        "object": object,
    }});
    admission
        .answer(Webhook::Validate, review.to_string().as_bytes())
        .ok()?;
    let decision = last.0.lock().unwrap().take();
    decision.map(Decision::as_str)
}

#[test]
fn lint_and_the_webhook_decide_alike() {
    let mut paths = files("tests/fixtures/rules", ".yaml");
    paths.extend(files("tests/fixtures/incidents", ".yaml"));
    let (mut compared, mut denied, mut different) = (0, 0, Vec::new());
    for path in paths {
        let text = read(&path);
        let documents: Vec<Value> = text
            .split("\n---\n")
            .filter_map(|document| serde_saphyr::from_str(document).ok())
            .collect();
        // What stands beside an object counts for lint; of it the webhook knows the releases.
        let (releases, others): (Vec<Value>, _) = documents
            .into_iter()
            .partition(|document| document["kind"] == "HelmRelease");
        let [object] = others.as_slice() else { continue };
        if !matches!(object["kind"].as_str(), Some("Job" | "CronJob")) {
            continue;
        }
        let releases: Vec<HelmRelease> = releases
            .iter()
            .map(|release| {
                let text = release.to_string();
                serde_json::from_str::<HelmReleaseObject<'_>>(&text)
                    .unwrap()
                    .into_facts()
                    .0
            })
            .collect();
        let report = run(&["lint", "--format", "json", &path]).json();
        let objects = report["objects"].as_array().unwrap();
        let Some(linted) = objects.iter().find(|linted| linted["kind"] == object["kind"]) else {
            panic!("{path}: {objects:?}");
        };
        for mode in [Mode::Audit, Mode::Warn, Mode::Enforce] {
            let (here, there) = (
                &linted["decision"][mode.as_str()],
                decided(object, &releases, mode),
            );
            compared += 1;
            denied += usize::from(there == Some("deny"));
            if here.as_str() != there {
                different.push(format!(
                    "{path} {}: lint {here}, webhook {there:?}",
                    mode.as_str()
                ));
            }
        }
    }
    assert!(different.is_empty(), "{different:#?}");
    assert!(
        compared > 200 && denied > 5,
        "{compared} compared, {denied} denied"
    );
}
