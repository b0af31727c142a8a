use serde_json::{Value, json};

use super::*;
use crate::engine::Seconds;
use crate::engine::diagnose::diagnose;
use crate::engine::diagnosis::{Diagnosis, DiagnosisKnobs};
use crate::engine::evidence::Evidence;
use crate::engine::root_cause::RootCause;
use crate::engine::testkit::{at, blocked_by, exited, failed, log, unplaced, waiting};

fn signature(value: Value) -> Signature {
    serde_json::from_value(value).expect("a signature")
}

fn of_object(name: &str, more: &Value) -> Signature {
    let object = json!({"apiVersion": "cluster.x-k8s.io/v1beta1", "kind": "Cluster", "cel": "true"});
    let mut whole = json!({"name": name, "when": {"object": object}});
    for (key, value) in more.as_object().expect("an object") {
        whole[key] = value.clone();
    }
    signature(whole)
}

fn of_text(name: &str, text: &str) -> Signature {
    signature(
        json!({"name": name, "when": {"text": text}, "repair": "Free a host.", "doNot": "Do not retry."}),
    )
}

fn judged(evidence: &Evidence, signatures: &[Signature]) -> Diagnosis {
    judged_at(900, evidence, signatures)
}

fn judged_at(second: i64, evidence: &Evidence, signatures: &[Signature]) -> Diagnosis {
    let knobs = DiagnosisKnobs {
        signatures: signatures.into(),
        ..DiagnosisKnobs::default()
    };
    diagnose(evidence, &knobs, at(second))
}

fn cause(evidence: &Evidence, signatures: &[Signature]) -> String {
    let cause = judged(evidence, signatures).root_cause;
    cause.map_or_else(String::new, |cause| cause.as_str().to_owned())
}

/// An object that matches the signature of that name, since so many seconds after the Job's creation.
fn hit(name: &str, since: i64) -> Value {
    let object = json!({"kind": "Cluster", "namespace": "capi", "name": "stage"});
    json!([{"name": name, "object": object, "proof": "Ready=False x", "since": at(since)}])
}

/// A Job that waited to its deadline.
fn waited(more: &Value) -> Evidence {
    let mut whole = json!({"logs": log(&["waiting for the managed api (60/60)"])});
    for (key, value) in more.as_object().expect("an object") {
        whole[key] = value.clone();
    }
    failed("DeadlineExceeded", 840, whole)
}

#[test]
fn a_text_in_the_log_is_a_cause_with_everything_that_the_policy_says_of_it() {
    let own = of_text("no_room", "No valid host was found");
    let end = json!({"exit_code": 1, "reason": "Error", "started": at(1), "finished": at(16)});
    let pods = crate::engine::testkit::pod(json!({"ends": [end]}));
    let lines = ["creating amphora", "NoValidHost: No valid host was found."];
    let evidence = failed(
        "BackoffLimitExceeded",
        330,
        json!({"logs": log(&lines), "pods": pods}),
    );
    let found = judged(&evidence, std::slice::from_ref(&own));
    assert_eq!(found.root_cause, Some(RootCause::Custom(own.name)));
    assert_eq!(found.root_cause.expect("a cause").as_str(), "custom_no_room");
    assert_eq!(
        (found.verdict, found.severity),
        (Verdict::Real, Severity::Warning)
    );
    assert_eq!(
        (found.route, found.retry_advice),
        (Some(Route::Platform), RetryAdvice::DoNotRetry)
    );
    assert_eq!(found.repair_order[..2], ["Free a host.", "Do not retry."]);
    let last = found.repair_order.last().expect("a step");
    assert!(
        last.ends_with("and not before: the last run failed within 15 s."),
        "{last}"
    );
    let culprit = found.chain.last().expect("a link");
    assert_eq!((culprit.kind.as_str(), culprit.proof.as_str()), ("Pod", lines[1]));
    // The nearest neighbour: the same words in another Job's mouth, and other words in this one's.
    let other = failed(
        "BackoffLimitExceeded",
        330,
        json!({"logs": log(&["a valid host was found"])}),
    );
    assert_eq!(cause(&other, &[own]), cause(&other, &[]));
}

#[test]
fn events_conditions_and_states_are_read_too() {
    let own = of_text("quota_cloud", "Quota exceeded for instances");
    let says = "Quota exceeded for instances: 1 of 0";
    for (place, evidence) in [
        (
            "event",
            failed(
                "DeadlineExceeded",
                840,
                json!({"events": crate::engine::testkit::pod_event("Odd", says)}),
            ),
        ),
        (
            "state",
            failed("DeadlineExceeded", 840, json!({"pods": waiting("Odd", says)})),
        ),
        (
            "condition of a dependency",
            failed(
                "DeadlineExceeded",
                840,
                json!({"dependencies": [{
                    "object": {"kind": "Service", "namespace": "demo", "name": "db"},
                    "conditions": [{"type": "Ready", "status": "False", "message": says}],
                }]}),
            ),
        ),
    ] {
        assert_eq!(
            cause(&evidence, std::slice::from_ref(&own)),
            "custom_quota_cloud",
            "{place}"
        );
    }
}

#[test]
fn an_object_explains_a_job_that_waited_and_no_other() {
    let own = of_object("api_down", &json!({}));
    let hits = json!({"signatures": hit("api_down", -5000)});
    assert_eq!(
        cause(&waited(&hits), std::slice::from_ref(&own)),
        "custom_api_down"
    );
    let refused = json!({"signatures": hit("api_down", -5000), "logs": log(&["curl: (22) The requested URL returned error: 401"])});
    assert_eq!(
        cause(
            &failed("BackoffLimitExceeded", 330, refused),
            std::slice::from_ref(&own)
        ),
        "auth_failure"
    );
    let crashed = json!({"signatures": hit("api_down", -5000), "pods": exited(1, "Error"), "logs": log(&["syntax error"])});
    assert_eq!(
        cause(
            &failed("BackoffLimitExceeded", 30, crashed),
            std::slice::from_ref(&own)
        ),
        "app_error"
    );
    // It waited, and then failed by itself.
    let over = json!({
        "signatures": hit("api_down", -5000), "pods": exited(1, "Error"), "waits": [{"container": "c"}],
        "logs": log(&["waiting for the api (3/60)", "loading", "line 7", "line 8", "syntax error"]),
    });
    assert_eq!(
        cause(
            &failed("BackoffLimitExceeded", 30, over),
            std::slice::from_ref(&own)
        ),
        "app_error"
    );
    // A hit of a signature that the policy does not have any more is none.
    assert_ne!(cause(&waited(&hits), &[]), "custom_api_down");
    let other = of_object(
        "api_down",
        &json!({"when": {
        "object": {"apiVersion": "v1", "kind": "Node", "cel": "true"}, "job": "^prod/"}}),
    );
    assert_ne!(cause(&waited(&hits), &[other]), "custom_api_down");
}

#[test]
fn the_job_s_own_pod_comes_first_and_the_rank_decides() {
    let own = of_object("api_down", &json!({}));
    let signatures = json!(hit("api_down", -5000));
    let mut unschedulable = unplaced("Unschedulable", "0/1 nodes are available: 1 Insufficient cpu.");
    unschedulable.signatures = serde_json::from_value(signatures.clone()).expect("hits");
    assert_eq!(
        cause(&unschedulable, std::slice::from_ref(&own)),
        "unschedulable_resources"
    );
    let ground = of_object("api_down", &json!({"rank": "creation"}));
    assert_eq!(cause(&unschedulable, &[ground]), "custom_api_down");
    // At the same depth before the builtin cause, behind a deeper one.
    let mut no_endpoints = blocked_by(json!({"ready": 0}), &json!([]));
    no_endpoints.signatures = serde_json::from_value(signatures.clone()).expect("hits");
    assert_eq!(
        cause(&no_endpoints, std::slice::from_ref(&own)),
        "custom_api_down"
    );
    let full = json!([crate::engine::testkit::pending(
        "0/1 nodes are available: 1 Insufficient cpu."
    )]);
    let mut capacity = blocked_by(json!({"ready": 0}), &full);
    capacity.signatures = serde_json::from_value(signatures).expect("hits");
    assert_eq!(
        cause(&capacity, std::slice::from_ref(&own)),
        "dependency_node_capacity"
    );
    // Of two signatures the first of the policy.
    let both = json!({"signatures": [hit("b", 0)[0], hit("a", 9)[0]]});
    let (a, b) = (of_object("a", &json!({})), of_object("b", &json!({})));
    assert_eq!(cause(&waited(&both), &[b.clone(), a.clone()]), "custom_b");
    assert_eq!(cause(&waited(&both), &[a, b]), "custom_a");
}

#[test]
fn within_the_window_it_is_transient_and_real_afterwards() {
    let own = of_object("booting", &json!({"within": "20m", "severity": "critical"}));
    for (since, now, verdict, severity) in [
        (840 - 1199, 840, Verdict::Transient, Severity::Info),
        (840 - 1200, 840, Verdict::Real, Severity::Critical),
        (840 - 1201, 840, Verdict::Real, Severity::Critical),
        // The Job failed inside it, and stands as failed.
        (0, 1199, Verdict::Transient, Severity::Info),
        (0, 1200, Verdict::Real, Severity::Critical),
        (0, 90_000, Verdict::Real, Severity::Critical),
    ] {
        let evidence = waited(&json!({"signatures": hit("booting", since)}));
        let found = judged_at(now, &evidence, std::slice::from_ref(&own));
        assert_eq!(
            (found.verdict, found.severity),
            (verdict, severity),
            "{since} {now}"
        );
        let until = (verdict == Verdict::Transient).then(|| at(since + 1200));
        assert_eq!(found.transient_until, until, "{since} {now}");
        let over = format!(" It was given until {}.", at(since + 1200));
        let expected = verdict == Verdict::Real && since == 0;
        assert_eq!(found.summary.ends_with(&over), expected, "{}", found.summary);
    }
    // A text counts from the Job's start.
    let mut own = of_text("no_room", "managed api");
    own.within = Some(GoDuration(Seconds::new(1200)));
    for (now, verdict) in [(1199, Verdict::Transient), (1200, Verdict::Real)] {
        let found = judged_at(now, &waited(&json!({})), std::slice::from_ref(&own));
        assert_eq!(
            (found.root_cause, found.verdict),
            (Some(RootCause::Custom(own.name)), verdict),
            "{now}"
        );
    }
    for (stated, verdict) in [("parked", Verdict::Parked), ("cosmetic", Verdict::Cosmetic)] {
        let own = of_object("booting", &json!({"verdict": stated, "severity": "critical"}));
        let found = judged(&waited(&json!({"signatures": hit("booting", 0)})), &[own]);
        assert_eq!((found.verdict, found.severity), (verdict, Severity::Info));
    }
}

#[test]
fn a_cause_of_the_policy_is_read_back_from_json() {
    let own = of_text("no_room", "x");
    let cause = RootCause::Custom(own.name);
    let text = serde_json::to_string(&cause).expect("JSON");
    assert_eq!(text, "\"custom_no_room\"");
    assert_eq!(serde_json::from_str::<RootCause>(&text).expect("a cause"), cause);
    for cause in RootCause::ALL {
        assert_eq!(RootCause::parse(cause.as_str()), Some(*cause));
    }
    for text in ["custom_", "custom_A", "custom_\"", "nothing", ""] {
        assert_eq!(RootCause::parse(text), None, "{text}");
    }
}

#[test]
fn what_cannot_be_meant_is_a_mistake() {
    let whole = of_object("x", &json!({}));
    assert_eq!(whole.mistakes(), []);
    let object = |key: &str, value: &str| {
        let mut own = serde_json::to_value(&whole).expect("JSON");
        own["when"]["object"][key] = json!(value);
        signature(own)
    };
    let with = |key: &str, value: &str| {
        let mut own = serde_json::to_value(&whole).expect("JSON");
        own[key] = json!(value);
        signature(own)
    };
    for (own, pointer) in [
        (object("kind", "Secret"), "/when/object/kind"),
        (object("kind", "secrets"), "/when/object/kind"),
        (object("kind", "a/b"), "/when/object/kind"),
        (object("apiVersion", "../v1"), "/when/object/apiVersion"),
        (object("apiVersion", "apps"), "/when/object/apiVersion"),
        (object("apiVersion", "v1?x=v1"), "/when/object/apiVersion"),
        (object("namespace", "a/../b"), "/when/object/namespace"),
        (with("runbook", "see the wiki"), "/runbook"),
        (with("runbook", "javascript:alert(1)"), "/runbook"),
        (with("repair", &"x".repeat(3000)), "/repair"),
        (signature(json!({"name": "x", "when": {}})), "/when"),
        (
            signature(json!({"name": "x", "verdict": "parked", "within": "1m", "when": {"text": "x"}})),
            "/within",
        ),
    ] {
        let found: Vec<_> = own.mistakes().iter().map(|mistake| mistake.pointer).collect();
        assert_eq!(found, [pointer]);
    }
}

#[test]
fn the_page_has_what_the_policy_says() {
    let own = of_object(
        "api_down",
        &json!({"finding": "the managed API cannot be reached", "within": "20m", "repair": "Look at the VM.",
                "doNot": "Do not restart it.", "runbook": "https://wiki.example/api"}),
    );
    let page = own.page();
    for part in [
        "# custom_api_down\n\nThe managed API cannot be reached.\n\nSeverity: warning. Route: platform. Verdict: real, \
         transient for the first 1200 s.",
        "An object Cluster of cluster.x-k8s.io/v1beta1",
        "## Repair\n\nLook at the VM.",
        "## Do not\n\nDo not restart it.",
        "Runbook: https://wiki.example/api",
    ] {
        assert!(page.contains(part), "{page}");
    }
    assert_eq!(own.within, Some(GoDuration(Seconds::new(1200))));
}
