//! Bodies that are no review, objects that cannot be judged, peers that are slow.

use super::*;

#[tokio::test]
async fn what_cannot_be_judged_goes_through_with_a_warning_and_is_counted() {
    let cluster = Cluster::in_mode(Mode::Enforce);
    let unreadable = Skipped::Unreadable;
    let cases: [(&str, Change, Skipped, &str); 12] = [
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
async fn under_audit_only_the_audit_log_learns_what_was_not_judged() {
    let cluster = Cluster::in_mode(Mode::Audit);
    let changes: [Change; 2] = [
        |r| r["object"]["spec"]["backoffLimit"] = "six".into(),
        |r| r["object"]["spec"]["backoffLimit"] = (-1).into(),
    ];
    for change in changes {
        let mut review = review("job-create-waits-by-failing");
        change(&mut review["request"]);
        let response = cluster.validate(&review).await;
        assert_eq!(response["allowed"], true);
        assert_eq!(response["warnings"], Value::Null);
        let audited = response["auditAnnotations"]["not-judged"].as_str().unwrap();
        assert!(
            audited.contains("backoffLimit") || audited.contains("cannot be read"),
            "{audited}"
        );
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
            assert_eq!(cluster.last_skipped(), Some(Skipped::NoReview), "{body}");
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
    let admission = Arc::new(Admission::new(Arc::<Faulty>::clone(&faulty)));
    let cluster = Cluster {
        router: router(Arc::clone(&admission), Arc::new(|| true), &Limits::default()),
        counted: Arc::default(),
    };
    // By mode: audit says it to the audit log alone, and no mode denies what no rule has judged.
    for (mode, warned) in [(Mode::Audit, false), (Mode::Warn, true), (Mode::Enforce, true)] {
        admission.policy.store(Arc::new(Policy {
            default_mode: mode,
            ..Policy::default()
        }));
        for path in ["/mutate", "/validate"] {
            let response = cluster.ask(path, &review("job-create-waits-by-failing")).await;
            assert_eq!(response["allowed"], true);
            assert_eq!(response["patch"], Value::Null);
            let said = warnings(&response);
            assert_eq!(
                said.iter().any(|w| w.contains("did not judge")),
                warned,
                "{response}"
            );
            let audited = response["auditAnnotations"]["not-judged"].to_string();
            assert!(audited.contains("a rule failed"), "{response}");
        }
    }
    assert_eq!(*faulty.0.skipped.lock().unwrap(), [Skipped::Panic; 6]);
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
