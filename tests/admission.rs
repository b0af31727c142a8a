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

const UID: &str = "5f0ad1a4-7a1c-4b5e-9b0e-3c1f2d6a8e01";

/// Counts what an exporter would.
#[derive(Default)]
struct Counted {
    judged: Mutex<Vec<(Webhook, Mode, Decision, Vec<String>)>>,
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

    fn last_judged(&self) -> (Webhook, Mode, Decision, Vec<String>) {
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

#[tokio::test]
async fn a_hook_gets_the_budget_in_every_container() {
    let cluster = Cluster::in_mode(Mode::Warn);
    let review = review("job-create-waits-by-failing");
    let object = patched(&review, &cluster.mutate(&review).await);
    let container = &object["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(
        env(container),
        [
            ("API_KEY", "<from>"),
            ("HOOKBUDGET_WAIT_TIMEOUT_SECONDS", "600"),
            ("HOOKBUDGET_WAIT_INTERVAL_SECONDS", "5"),
            ("HOOKBUDGET_WAIT_ATTEMPTS", "75"),
            ("HOOKBUDGET_PROBE_TIMEOUT_SECONDS", "3"),
            ("HOOKBUDGET_DEADLINE_SECONDS", "840"),
            ("HOOKBUDGET_RELEASE_TIMEOUT_SECONDS", "900"),
            (
                "HOOKBUDGET_RELEASE_TIMEOUT_SOURCE",
                "HelmRelease powerdns/bp-powerdns spec.install.timeout"
            ),
        ]
    );
    assert_eq!(object["spec"]["template"]["spec"]["restartPolicy"], "OnFailure");
    assert_eq!(
        cluster.last_judged(),
        (
            Webhook::Mutate,
            Mode::Warn,
            Decision::Allow,
            vec!["env".to_owned()]
        )
    );
}

#[tokio::test]
async fn off_and_audit_touch_nothing() {
    let review = review("job-create-waits-by-failing");
    let off = Cluster::in_mode(Mode::Off);
    for path in ["/mutate", "/validate"] {
        assert_eq!(off.ask(path, &review).await, json!({"uid": UID, "allowed": true}));
        assert_eq!(off.last_skipped(), Some(Skipped::ModeOff));
    }
    let audit = Cluster::in_mode(Mode::Audit);
    assert_eq!(audit.mutate(&review).await["patch"], Value::Null);
    let response = audit.validate(&review).await;
    assert_eq!(response["allowed"], true);
    assert_eq!(response["warnings"], Value::Null);
    let findings = response["auditAnnotations"]["findings"].as_str().unwrap();
    assert!(findings.contains("HB301 warning certain"), "{findings}");
    assert!(
        response["auditAnnotations"]["decision"]
            .as_str()
            .unwrap()
            .starts_with("allow")
    );
}

#[tokio::test]
async fn warn_says_code_numbers_and_fix() {
    let cluster = Cluster::in_mode(Mode::Warn);
    let response = cluster.validate(&review("job-create-waits-by-failing")).await;
    assert_eq!(response["allowed"], true);
    assert_eq!(response["auditAnnotations"]["decision"], "warn (enforce: deny)");
    let warnings = warnings(&response);
    assert_eq!(
        warnings[0],
        "HB101 retries-end-before-deadline: retries end after 310 s, deadline 840 s; fix: restartPolicy Never, \
         backoffLimit 7"
    );
    let found = warnings
        .iter()
        .find(|w| w.starts_with("HB301 logs-lost-on-failure: "));
    let found = found.unwrap_or_else(|| panic!("{warnings:?}"));
    assert!(found.contains("all 6 attempts"), "{found}");
    assert_eq!(cluster.last_judged().2, Decision::Warn);
}

#[tokio::test]
async fn enforce_denies_what_is_certain_with_a_first_line_that_stands_alone() {
    let cluster = Cluster::in_mode(Mode::Enforce);
    let review = review("job-create-waits-by-failing");
    let response = cluster.validate(&review).await;
    assert_eq!(response["allowed"], false);
    assert_eq!(response["status"]["code"], 403);
    assert_eq!(response["status"]["reason"], "Forbidden");
    let message = response["status"]["message"].as_str().unwrap();
    let first = message.lines().next().unwrap();
    for part in [
        "HB101 retries-end-before-deadline: Job powerdns/powerdns-zone-bootstrap, spec.template.spec.containers[0]",
        "http://powerdns:8081/api/v1/servers",
        "0 + 10 + 20 + 40 + 80 + 160 = 310 s",
        "deadline of 840 s can never fire",
        "Fix: restartPolicy: Never",
        "at most 600 s",
    ] {
        assert!(first.contains(part), "{part} not in {first}");
    }
    assert!(message.contains("\n  HB301 "), "{message}");
    assert_eq!(cluster.last_judged().2, Decision::Deny);

    let mut dry = review.clone();
    dry["request"]["dryRun"] = true.into();
    let before = cluster.counted.judged.lock().unwrap().len();
    assert_eq!(
        cluster.validate(&dry).await,
        response,
        "a dry run gets the same answer"
    );
    assert_eq!(cluster.mutate(&dry).await, cluster.mutate(&review).await);
    assert_eq!(
        cluster.counted.judged.lock().unwrap().len(),
        before + 1,
        "only the real review is counted"
    );
}

#[tokio::test]
async fn an_exemption_with_a_reason_lets_it_through() {
    let cluster = Cluster::in_mode(Mode::Enforce);
    let mut review = review("job-create-waits-by-failing");
    annotate(&mut review, "hookbudget.dev/exempt", "");
    assert_eq!(
        cluster.validate(&review).await["allowed"],
        false,
        "an empty reason is none"
    );
    annotate(
        &mut review,
        "hookbudget.dev/exempt",
        "known, until the next release",
    );
    assert_eq!(cluster.validate(&review).await["allowed"], true);
}

#[tokio::test]
async fn rewrite_all_makes_the_deadline_the_clock_that_ends_the_job() {
    let cluster = Cluster::in_mode(Mode::Enforce);
    let mut review = review("job-create-waits-by-failing");
    annotate(&mut review, "hookbudget.dev/rewrite", "all");
    let object = patched(&review, &cluster.mutate(&review).await);
    assert_eq!(object["spec"]["template"]["spec"]["restartPolicy"], "Never");
    // 10 + 20 + ... + 320 = 630 s with a limit of 6; the seventh delay of 600 s passes 840 s.
    assert_eq!(object["spec"]["backoffLimit"], 7);
    let record = &object["metadata"]["annotations"]["hookbudget.dev/rewritten"];
    let record: Value = serde_json::from_str(record.as_str().unwrap()).unwrap();
    assert_eq!(
        record[1],
        json!({"field": "spec.backoffLimit", "from": 6, "to": 7, "rule": "HB101"})
    );
    review["request"]["object"] = object;
    assert_eq!(
        cluster.mutate(&review).await["patch"],
        Value::Null,
        "nothing is left to do"
    );
    let response = cluster.validate(&review).await;
    assert_eq!(response["allowed"], true);
    let findings = response["auditAnnotations"]["findings"].to_string();
    assert!(
        !findings.contains("HB101") && !findings.contains("HB301"),
        "{findings}"
    );
}

#[tokio::test]
async fn wait_for_puts_one_wait_in_front_that_fits_into_the_deadline() {
    let cluster = Cluster::in_mode(Mode::Enforce);
    let mut review = review("job-create-waits-by-failing");
    annotate(&mut review, "hookbudget.dev/rewrite", "all");
    annotate(
        &mut review,
        "hookbudget.dev/wait-for",
        "http://powerdns:8081/api/v1/servers, tcp://pdns-pg-rw:5432",
    );
    let response = cluster.mutate(&review).await;
    let object = patched(&review, &response);
    let spec = &object["spec"]["template"]["spec"];
    let wait = &spec["initContainers"][0];
    assert_eq!(wait["name"], "hookbudget-wait");
    assert_eq!(
        wait["args"],
        json!(["http://powerdns:8081/api/v1/servers", "tcp://pdns-pg-rw:5432"])
    );
    assert!(env(wait).contains(&("HOOKBUDGET_WAIT_TIMEOUT_SECONDS", "600")));
    assert_eq!(wait["securityContext"]["runAsNonRoot"], true);
    assert_eq!(spec["containers"][0]["name"], "bootstrap");
    assert_eq!(spec["restartPolicy"], "Never");
    assert_eq!(object["spec"]["backoffLimit"], 1);
    let rules = &object["spec"]["podFailurePolicy"]["rules"];
    assert_eq!(rules[0]["action"], "Ignore");
    assert_eq!(rules[1]["onExitCodes"]["containerName"], "hookbudget-wait");
    let (.., fields) = cluster.last_judged();
    assert!(fields.contains(&"initContainers".to_owned()), "{fields:?}");
    assert_eq!(
        warnings(&response),
        [
            "hookbudget rewrote restartPolicy OnFailure -> Never, backoffLimit 6 -> 1, podFailurePolicy, initContainers…"
        ]
    );
    review["request"]["object"] = object;
    assert_eq!(cluster.mutate(&review).await["patch"], Value::Null);
    let judged = cluster.validate(&review).await;
    assert_eq!(
        judged,
        json!({"uid": UID, "allowed": true}),
        "nothing is left to say"
    );
}

#[tokio::test]
async fn names_that_a_chart_uses_are_set_where_they_stand() {
    let cluster = Cluster::in_mode(Mode::Warn);
    let review = review("job-create-generate-name");
    let response = cluster.mutate(&review).await;
    let object = patched(&review, &response);
    let container = &object["spec"]["template"]["spec"]["containers"][0];
    let env = env(container);
    // 900 - 60 slack - 30 grace = 810 s of deadline, 240 s of it headroom: 570 / (5 + 3) = 71 tries.
    assert_eq!(object["spec"]["activeDeadlineSeconds"], 810);
    assert!(env.contains(&("ITERATIONS", "71")), "{env:?}");
    assert!(env.contains(&("HOOKBUDGET_WAIT_ATTEMPTS", "71")), "{env:?}");
    assert_eq!(env.iter().filter(|(name, _)| *name == "INTERVAL").count(), 1);
    assert_eq!(
        warnings(&response),
        ["hookbudget rewrote activeDeadlineSeconds 810"]
    );
    let mut rewritten = review.clone();
    rewritten["request"]["object"] = object.clone();
    assert_eq!(cluster.mutate(&rewritten).await["patch"], Value::Null);
    let before = cluster.validate(&review).await["auditAnnotations"]["findings"].to_string();
    let after = cluster.validate(&rewritten).await["auditAnnotations"]["findings"].to_string();
    for code in ["HB104", "HB106"] {
        assert!(
            before.contains(code) && !after.contains(code),
            "{before} / {after}"
        );
    }
}

#[tokio::test]
async fn cron_jobs_are_rewritten_on_create_and_update_and_their_jobs_are_never_denied() {
    let cluster = Cluster::in_mode(Mode::Enforce);
    for name in ["cronjob-create", "cronjob-update"] {
        let review = review(name);
        let object = patched(&review, &cluster.mutate(&review).await);
        let pod = &object["spec"]["jobTemplate"]["spec"]["template"]["spec"];
        for container in [&pod["containers"][0], &pod["initContainers"][0]] {
            let env = env(container);
            assert!(
                env.contains(&("HOOKBUDGET_WAIT_TIMEOUT_SECONDS", "600")),
                "{env:?}"
            );
        }
        let warned = cluster.validate(&review).await;
        assert!(
            warnings(&warned).iter().any(|w| w.starts_with("HB301")),
            "{warned}"
        );
    }
    let mut owned = review("job-create-owned-by-cronjob");
    annotate(&mut owned, "hookbudget.dev/release-timeout", "10m");
    owned["request"]["object"]["spec"]["activeDeadlineSeconds"] = 840.into();
    let response = cluster.validate(&owned).await;
    assert_eq!(response["allowed"], true);
    assert!(
        warnings(&response).iter().any(|w| w.starts_with("HB103")),
        "{response}"
    );
}

#[tokio::test]
async fn what_is_out_of_scope_goes_through_untouched() {
    let cluster = Cluster::in_mode(Mode::Enforce);
    let cases: [(&str, fn(&mut Value)); 7] = [
        ("a Job's UPDATE", |r| r["operation"] = "UPDATE".into()),
        ("DELETE", |r| {
            r["operation"] = "DELETE".into();
            r["object"] = Value::Null;
        }),
        ("a subresource", |r| r["subResource"] = "status".into()),
        ("kube-system", |r| r["namespace"] = "kube-system".into()),
        ("the own namespace", |r| r["namespace"] = "hookbudget".into()),
        ("another kind", |r| {
            r["kind"] = json!({"group": "", "version": "v1", "kind": "Pod"})
        }),
        ("another controller's Job", |r| {
            r["object"]["spec"]["managedBy"] = "example.com/queue".into();
        }),
    ];
    for (case, change) in cases {
        let mut review = review("job-create-waits-by-failing");
        change(&mut review["request"]);
        for path in ["/mutate", "/validate"] {
            let response = cluster.ask(path, &review).await;
            assert_eq!(response, json!({"uid": UID, "allowed": true}), "{case} on {path}");
            assert_eq!(cluster.last_skipped(), Some(Skipped::OutOfScope), "{case}");
        }
    }
}

#[tokio::test]
async fn a_plain_job_is_judged_but_never_rewritten_unless_it_asks() {
    let policy = Policy {
        rewrite: RewriteLevel::All,
        ..Policy::default()
    };
    let cluster = Cluster::with(policy, NamespaceFacts::default());
    let mut review = review("job-create-waits-by-failing");
    let object = &mut review["request"]["object"];
    object["metadata"]["annotations"] = Value::Null;
    assert_eq!(cluster.mutate(&review).await["patch"], Value::Null);
    annotate(&mut review, "hookbudget.dev/wait-interval", "2s");
    let object = patched(&review, &cluster.mutate(&review).await);
    let container = &object["spec"]["template"]["spec"]["containers"][0];
    assert!(env(container).contains(&("HOOKBUDGET_WAIT_INTERVAL_SECONDS", "2")));
    assert_eq!(object["spec"]["template"]["spec"]["restartPolicy"], "OnFailure");
}

#[tokio::test]
async fn what_cannot_be_judged_goes_through_with_a_warning_and_is_counted() {
    let cluster = Cluster::in_mode(Mode::Enforce);
    let unreadable = Skipped::Unreadable;
    let cases: [(&str, fn(&mut Value), Skipped, &str); 12] = [
        (
            "no object",
            |r| r["object"] = Value::Null,
            unreadable,
            "no object",
        ),
        (
            "an object that is none",
            |r| r["object"] = json!([1]),
            unreadable,
            "cannot be read",
        ),
        (
            "a Pod in disguise",
            |r| r["object"]["kind"] = "CronJob".into(),
            unreadable,
            "CronJob",
        ),
        (
            "a wrong type",
            |r| r["object"]["spec"]["backoffLimit"] = "six".into(),
            unreadable,
            "cannot be read",
        ),
        (
            "a fraction",
            |r| r["object"]["spec"]["activeDeadlineSeconds"] = 1.5.into(),
            unreadable,
            "cannot be read",
        ),
        (
            "a number beyond 64 bits",
            |r| r["object"]["spec"]["backoffLimit"] = 1e300.into(),
            unreadable,
            "cannot be read",
        ),
        (
            "wrong containers",
            |r| r["object"]["spec"]["template"]["spec"]["containers"] = json!({"a": 1}),
            unreadable,
            "cannot be read",
        ),
        (
            "no containers",
            |r| r["object"]["spec"]["template"]["spec"]["containers"] = json!([]),
            Skipped::Invalid,
            "has no container",
        ),
        (
            "restartPolicy Always",
            |r| r["object"]["spec"]["template"]["spec"]["restartPolicy"] = "Always".into(),
            Skipped::Invalid,
            "is Always",
        ),
        (
            "a negative limit",
            |r| r["object"]["spec"]["backoffLimit"] = (-1).into(),
            Skipped::Invalid,
            "-1 is out of range",
        ),
        (
            "a huge deadline",
            |r| r["object"]["spec"]["activeDeadlineSeconds"] = i64::MAX.into(),
            Skipped::Invalid,
            "292 years",
        ),
        (
            "a huge parallelism",
            |r| r["object"]["spec"]["parallelism"] = 5_000_000_000_u64.into(),
            Skipped::Invalid,
            "out of range",
        ),
    ];
    for (case, change, reason, why) in cases {
        let mut review = review("job-create-waits-by-failing");
        change(&mut review["request"]);
        for path in ["/mutate", "/validate"] {
            let response = cluster.ask(path, &review).await;
            assert_eq!(response["allowed"], true, "{case}");
            assert_eq!(response["patch"], Value::Null, "{case}");
            let warnings = warnings(&response);
            assert!(
                warnings
                    .iter()
                    .any(|w| w.starts_with("hookbudget did not judge") && w.contains(why)),
                "{case}: {warnings:?}"
            );
            assert_eq!(cluster.last_skipped(), Some(reason), "{case}");
        }
    }
}

#[tokio::test]
async fn a_review_of_another_version_is_answered_in_its_own() {
    let cluster = Cluster::in_mode(Mode::Enforce);
    let mut old = review("job-create-waits-by-failing");
    old["apiVersion"] = "admission.k8s.io/v1beta1".into();
    let mut other = review("job-create-waits-by-failing");
    other["kind"] = "ConversionReview".into();
    let broken = json!({"apiVersion": 5, "request": {"uid": UID, "operation": ["CREATE"]}});
    let wrong = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
                       "request": {"uid": UID, "namespace": 5, "object": {}}});
    for (review, version) in [
        (old, "admission.k8s.io/v1beta1"),
        (other, "admission.k8s.io/v1"),
        (wrong, "admission.k8s.io/v1"),
        (broken, "admission.k8s.io/v1"),
    ] {
        let (status, body) = cluster.post("/validate", review.to_string()).await;
        let answer: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(status, StatusCode::OK);
        assert_eq!(answer["apiVersion"], version);
        assert_eq!(answer["response"]["uid"], UID);
        assert_eq!(answer["response"]["allowed"], true);
        assert_eq!(warnings(&answer["response"]).len(), 1, "{body}");
        assert_eq!(cluster.last_skipped(), Some(Skipped::OtherReview));
    }
}

#[tokio::test]
async fn a_body_without_a_uid_gets_a_sentence() {
    let cluster = Cluster::in_mode(Mode::Enforce);
    for (body, why) in [
        ("", "empty"),
        ("hello", "no AdmissionReview"),
        ("{", "no AdmissionReview"),
        ("null", "no AdmissionReview"),
        ("[]", "no AdmissionReview"),
        (r#"{"kind":"AdmissionReview"}"#, "no AdmissionReview"),
        (r#"{"request":{"uid":""}}"#, "empty request.uid"),
        (r#"{"request":{"uid":7}}"#, "no AdmissionReview"),
        ("\u{0}\u{1}", "no AdmissionReview"),
    ] {
        for path in ["/mutate", "/validate"] {
            let (status, text) = cluster.post(path, body).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
            assert!(
                text.contains(why) && text.contains("admission.k8s.io/v1"),
                "{body}: {text}"
            );
        }
    }
    let deep = "[".repeat(100_000);
    assert_eq!(cluster.post("/validate", deep).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn large_objects_are_judged_and_larger_bodies_refused() {
    let cluster = Cluster::in_mode(Mode::Warn);
    let mut review = review("job-create-waits-by-failing");
    let script = "echo 'a line of a long script'\n".repeat(3 * 1024 * 1024 / 30);
    review["request"]["object"]["spec"]["template"]["spec"]["containers"][0]["command"][2] = script.into();
    let object = patched(&review, &cluster.mutate(&review).await);
    assert_eq!(env(&object["spec"]["template"]["spec"]["containers"][0]).len(), 8);
    let (status, text) = cluster.post("/mutate", vec![b' '; 8 * 1024 * 1024 + 1]).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(text.contains("8388608"), "{text}");
}

#[tokio::test]
async fn other_methods_and_paths_get_a_sentence() {
    let cluster = Cluster::in_mode(Mode::Warn);
    let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    for path in ["/mutate", "/validate"] {
        let (status, text) = cluster.send(get(path)).await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
        assert!(text.contains("POST an AdmissionReview"), "{text}");
    }
    assert_eq!(cluster.send(get("/healthz")).await.0, StatusCode::OK);
    assert_eq!(cluster.send(get("/readyz")).await.0, StatusCode::OK);
    assert_eq!(cluster.send(get("/nothing")).await.0, StatusCode::NOT_FOUND);
}

/// Fails where a faulty rule would.
struct Faulty(Counted);

impl Observer for Faulty {
    fn judged(&self, _: &Outcome<'_>) {
        panic!("a fault inside the judgement");
    }
    fn skipped(&self, webhook: Webhook, kind: &'static str, reason: Skipped) {
        self.0.skipped(webhook, kind, reason);
    }
    fn answered(&self, _: Webhook, _: Duration) {}
}

#[tokio::test]
async fn a_panic_costs_one_review_its_judgement_and_no_more() {
    let faulty = Arc::new(Faulty(Counted::default()));
    let admission = Admission::new(Arc::<Faulty>::clone(&faulty));
    let cluster = Cluster {
        router: router(Arc::new(admission), Arc::new(|| true), &Limits::default()),
        counted: Arc::default(),
    };
    for _ in 0..2 {
        let response = cluster.validate(&review("job-create-waits-by-failing")).await;
        assert_eq!(response["allowed"], true);
        assert!(warnings(&response)[0].contains("did not judge"), "{response}");
    }
    assert_eq!(
        *faulty.0.skipped.lock().unwrap(),
        [Skipped::Panic, Skipped::Panic]
    );
}

#[tokio::test]
async fn a_namespace_sets_the_level_and_the_release_timeout_of_its_jobs() {
    let facts = NamespaceFacts {
        rewrite: Some(RewriteLevel::All),
        release_timeout: Some(Seconds::new(700)),
        ..NamespaceFacts::default()
    };
    let cluster = Cluster::with(Policy::default(), facts);
    let mut review = review("job-create-waits-by-failing");
    let object = patched(&review, &cluster.mutate(&review).await);
    assert_eq!(object["spec"]["template"]["spec"]["restartPolicy"], "Never");

    // No HelmRelease reconciles into this namespace: 700 - 60 - 30 is less than 840 - 240.
    review["request"]["namespace"] = "tofu-state".into();
    let object = patched(&review, &cluster.mutate(&review).await);
    let env = env(&object["spec"]["template"]["spec"]["containers"][0]);
    assert!(
        env.contains(&("HOOKBUDGET_RELEASE_TIMEOUT_SECONDS", "700")),
        "{env:?}"
    );

    annotate(&mut review, "hookbudget.dev/rewrite", "none");
    let object = patched(&review, &cluster.mutate(&review).await);
    assert_eq!(
        object["spec"]["template"]["spec"]["restartPolicy"], "OnFailure",
        "the Job's own annotation wins"
    );
}

/// A request whose body has no known length and never ends.
fn endless(timeout: &str) -> Request<Body> {
    let never = futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>();
    Request::post(format!("/validate?timeout={timeout}"))
        .body(Body::from_stream(never))
        .unwrap()
}

#[tokio::test]
async fn slow_bodies_neither_last_for_ever_nor_keep_small_reviews_out() {
    let cluster = Cluster::in_mode(Mode::Warn);
    let (status, text) = cluster.send(endless("100ms")).await;
    assert_eq!(status, StatusCode::REQUEST_TIMEOUT, "{text}");

    // Seven bodies of unknown length hold 56 of the 64 MiB.
    let slow: Vec<_> = (0..7)
        .map(|_| tokio::spawn(cluster.router.clone().oneshot(endless("30s"))))
        .collect();
    tokio::task::yield_now().await;
    let (status, text) = cluster.send(endless("100ms")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{text}");
    let small = cluster.validate(&review("job-create-waits-by-failing")).await;
    assert_eq!(small["allowed"], true);
    for request in slow {
        request.abort();
    }
}
