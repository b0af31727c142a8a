//! The way of a review through the routes of the webhook: what is asked over HTTP, what is answered.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine as _;
use hookbudget::admission::{Admission, Observer, Outcome, Skipped, Webhook, router};
use hookbudget::engine::Seconds;
use hookbudget::engine::finding::Decision;
use hookbudget::engine::policy::{Mode, Policy, RewriteLevel};
use hookbudget::engine::release::HelmRelease;
use hookbudget::http::Limits;
use hookbudget::k8s::namespace::NamespaceFacts;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

mod bad_input;
mod hostile;
mod judged;
mod rewritten;
mod shapes;
mod told;

const UID: &str = "5f0ad1a4-7a1c-4b5e-9b0e-3c1f2d6a8e01";

/// A judged review: which webhook, the mode, the answer, the fields that were written.
type Judged = (Webhook, Mode, Decision, Vec<String>);

/// Makes a bad or a different review out of a good one.
type Change = fn(&mut Value);

/// Counts what an exporter would.
#[derive(Default)]
struct Counted {
    judged: Mutex<Vec<Judged>>,
    skipped: Mutex<Vec<Skipped>>,
}

impl Observer for Counted {
    fn judged(&self, outcome: &Outcome<'_>) {
        let rewrites = outcome.rewrites.iter().map(ToString::to_string).collect();
        self.judged
            .lock()
            .unwrap()
            .push((outcome.webhook, outcome.mode, outcome.decision, rewrites));
    }
    fn skipped(&self, _: Webhook, _: &'static str, reason: Skipped) {
        self.skipped.lock().unwrap().push(reason);
    }
    fn answered(&self, _: Webhook, _: Duration) {}
}

/// A webhook in a cluster with these namespaces and one release.
struct Cluster {
    router: Router,
    counted: Arc<Counted>,
}

impl Cluster {
    fn with(policy: Policy, facts: NamespaceFacts) -> Self {
        let counted = Arc::new(Counted::default());
        let mut admission = Admission::new(Arc::<Counted>::clone(&counted));
        admission.own_namespace = Some("hookbudget".to_owned());
        admission.policy.store(Arc::new(policy));
        let names = ["powerdns", "catalyst-system", "tofu-state"];
        let namespaces = names.map(|name| (name.to_owned(), facts)).into();
        admission.surroundings.namespaces.store(Arc::new(namespaces));
        let release = |namespace: &str, name: &str| HelmRelease {
            namespace: namespace.into(),
            name: name.into(),
            install_timeout: Some(Seconds::new(900)),
            upgrade_timeout: Some(Seconds::new(900)),
            ..HelmRelease::default()
        };
        admission.surroundings.releases.store(Arc::new(vec![
            release("powerdns", "bp-powerdns"),
            release("catalyst-system", "bp-catalyst-platform"),
        ]));
        Self {
            router: router(Arc::new(admission), Arc::new(|| true), &Limits::default()),
            counted,
        }
    }

    fn in_mode(mode: Mode) -> Self {
        Self::with(
            Policy::default(),
            NamespaceFacts {
                mode: Some(mode),
                ..NamespaceFacts::default()
            },
        )
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, String) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn post(&self, path: &str, body: impl Into<Body>) -> (StatusCode, String) {
        let request = Request::post(path).body(body.into()).unwrap();
        self.send(request).await
    }

    /// Sends a review and takes the response out of the answer, which is always a whole review.
    async fn ask(&self, path: &str, review: &Value) -> Value {
        let (status, body) = self.post(path, review.to_string()).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        let mut answer: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
        assert_eq!(answer["kind"], "AdmissionReview");
        assert_eq!(answer["response"]["uid"], UID);
        for warning in warnings(&answer["response"]) {
            assert!(warning.chars().count() <= 120, "{warning}");
        }
        answer["response"].take()
    }

    async fn validate(&self, review: &Value) -> Value {
        self.ask("/validate?timeout=3s", review).await
    }

    async fn mutate(&self, review: &Value) -> Value {
        let response = self.ask("/mutate?timeout=3s", review).await;
        assert_eq!(response["allowed"], true, "the mutating half never denies");
        response
    }

    fn last_judged(&self) -> Judged {
        self.counted.judged.lock().unwrap().last().cloned().unwrap()
    }

    fn last_skipped(&self) -> Option<Skipped> {
        self.counted.skipped.lock().unwrap().last().copied()
    }
}

fn review(name: &str) -> Value {
    let path = format!(
        "{}/tests/fixtures/reviews/{name}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn warnings(response: &Value) -> Vec<String> {
    let list = response["warnings"].as_array().cloned().unwrap_or_default();
    list.iter().map(|w| w.as_str().unwrap().to_owned()).collect()
}

/// The object as the API server makes it of the object of a review and the patch of a response.
fn patched(review: &Value, response: &Value) -> Value {
    let mut object = review["request"]["object"].clone();
    if let Some(text) = response["patch"].as_str() {
        assert_eq!(response["patchType"], "JSONPatch");
        let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
        let patch: json_patch::Patch = serde_json::from_slice(&bytes).unwrap();
        json_patch::patch(&mut object, &patch).unwrap();
    }
    object
}

fn annotate(review: &mut Value, key: &str, value: &str) {
    let metadata = &mut review["request"]["object"]["metadata"];
    if metadata["annotations"].is_null() {
        metadata["annotations"] = json!({});
    }
    metadata["annotations"][key] = value.into();
}

fn env(container: &Value) -> Vec<(&str, &str)> {
    let entries = container["env"].as_array().map(Vec::as_slice).unwrap_or_default();
    let pairs = entries.iter().map(|e| {
        (
            e["name"].as_str().unwrap(),
            e["value"].as_str().unwrap_or("<from>"),
        )
    });
    pairs.collect()
}
