use std::time::{Duration, Instant};

use serde_json::json;

use super::*;
use crate::engine::signature::SignatureName;

fn at() -> Timestamp {
    "2026-11-21T10:00:00Z".parse().expect("a time")
}

fn signature(cel: &str) -> Signature {
    let object = json!({"apiVersion": "v1", "kind": "Thing", "cel": cel});
    serde_json::from_value(json!({"name": "x", "when": {"object": object}})).expect("a signature")
}

fn look(cel: &str, object: &Value) -> (Vec<SignatureHit>, Vec<Lost>) {
    let compiled = Compiled::new(&[signature(cel)]);
    let query = compiled.queries().into_iter().next().expect(cel);
    compiled.look(&query, std::slice::from_ref(object), at())
}

fn holds(cel: &str, object: &Value) -> bool {
    !look(cel, object).0.is_empty()
}

#[test]
fn an_expression_holds_or_does_not() {
    let object = json!({
        "metadata": {"name": "a", "creationTimestamp": "2026-11-21T09:59:50Z", "annotations": {"x.io/paused": ""}},
        "spec": {"replicas": 0, "share": 0.5, "big": 18_446_744_073_709_551_615_u64},
        "status": {"conditions": [
            {"type": "Ready", "status": "False", "reason": "", "message": "No valid host", "lastTransitionTime": "2026-11-21T09:59:58Z"},
            {"type": "Other", "status": "True"},
        ]},
    });
    for (cel, expected) in [
        ("object.spec.replicas == 0", true),
        ("object.spec.replicas < 1 && object.spec.share > 0.2", true),
        ("object.spec.big > 1u", true),
        ("has(object.spec.paused)", false),
        ("has(object.spec.paused) && object.spec.paused", false),
        ("object.spec.paused", false),
        ("'x.io/paused' in object.metadata.annotations", true),
        (
            "object.status.conditions.exists(c, c.type == 'Ready' && c.status == 'False' && c.reason == '')",
            true,
        ),
        ("object.status.conditions.all(c, c.status == 'True')", false),
        (
            "object.status.conditions.filter(c, c.status != 'True').size() == 1",
            true,
        ),
        ("size(object.status.conditions.map(c, c.type + '!')) == 2", true),
        (
            "object.status.conditions.exists(c, c.message.matches('(?i)no valid HOST'))",
            true,
        ),
        (
            "object.status.conditions.exists(c, c.message.contains('valid') && !c.message.startsWith('valid'))",
            true,
        ),
        (
            "epoch(object.status.conditions[0].lastTransitionTime) - epoch(object.metadata.creationTimestamp) <= 20",
            true,
        ),
        ("now - epoch(object.metadata.creationTimestamp) > 20", false),
        ("epoch('yesterday') > 0", false),
        ("object.status.conditions[7].type == 'x'", false),
        ("object.spec.replicas / 0 == 1", false),
        ("'not a boolean'", false),
        ("object.spec.replicas == 'text'", false),
    ] {
        assert_eq!(mistake(cel), None, "{cel}");
        assert_eq!(holds(cel, &object), expected, "{cel}");
    }
}

#[test]
fn a_match_says_what_is_wrong_and_since_when() {
    let object = json!({
        "metadata": {"namespace": "capi", "name": "stage", "creationTimestamp": "2026-11-01T10:00:00Z"},
        "status": {"conditions": [
            {"type": "Ready", "status": "False", "message": "password=hunter2", "lastTransitionTime": "2026-11-21T09:00:00Z"},
            {"type": "Live", "status": "Unknown", "reason": "Gone", "lastTransitionTime": "2026-11-21T08:00:00Z"},
        ]},
    });
    let (hits, lost) = look("true", &object);
    assert_eq!(lost, []);
    assert_eq!(
        hits[0].proof,
        "Ready=False without a reason: password=[redacted]; Live=Unknown Gone"
    );
    assert_eq!(hits[0].since, "2026-11-21T09:00:00Z".parse().ok());
    assert_eq!(
        (hits[0].object.kind.as_str(), hits[0].object.name.as_str()),
        ("Thing", "stage")
    );
    let (hits, _) = look("object.metadata.name == 'b'", &json!({"metadata": {"name": "b"}}));
    assert_eq!(hits[0].proof, "this is true of it: object.metadata.name == 'b'");
    assert_eq!(
        SignatureName::parse(&hits[0].name).map(|name| name.label().to_owned()),
        Ok("custom_x".to_owned())
    );
}

#[test]
fn a_mistake_is_named_with_its_remedy() {
    for (cel, says) in [
        ("", "write what is true of the object"),
        ("object.spec.", "no CEL expression"),
        (
            "objct.spec.paused",
            "there is no objct: the object is called object",
        ),
        ("object.items.exists(c, d.x)", "there is no d"),
        (
            "object.name.lowerAscii() == 'a'",
            "there is no function lowerAscii: there are contains",
        ),
        ("object.name.matches('(')", "is no regular expression"),
        (
            "object.name.matches(object.pattern)",
            "has to stand in the expression",
        ),
        ("Thing{name: 'x'}.name == 'x'", "nothing of type Thing"),
        (
            "object.a.all(a, object.b.all(b, object.c.all(c, a == b)))",
            "at most 2 are taken",
        ),
        (&format!("object.name == '{}'", "x".repeat(3000)), "at most 2048"),
    ] {
        let why = mistake(cel).expect(cel);
        assert!(why.contains(says), "{cel}: {why}");
    }
}

#[test]
fn a_hostile_expression_is_refused_at_once() {
    let begun = Instant::now();
    let chained = format!("['a']{}", ".map(x, x + x)".repeat(120));
    for cel in [
        "(".repeat(2000),
        format!("{}true{}", "(".repeat(900), ")".repeat(900)),
        format!("{}true", "!".repeat(2000)),
        format!("{}1 > 0", "-".repeat(2000)),
        format!("object{}", ".a".repeat(1000)),
        format!("object{}", "[0]".repeat(600)),
        format!("true{}", " ? true : true".repeat(140)),
        format!("{}true", "true ? ".repeat(280)),
        format!("true{}", " || true".repeat(250)),
        format!("1{} > 0", " + 1".repeat(500)),
        "[".repeat(2000),
        "'".repeat(2000),
        "\u{0}\u{1f600}\\".repeat(100),
        chained,
    ] {
        // What is taken must be cheap; most is not taken.
        if mistake(&cel).is_none() {
            holds(&cel, &json!({"a": 1}));
        }
    }
    assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", begun.elapsed());
}

#[test]
fn what_would_cost_too_much_is_a_gap_and_no_wait() {
    let begun = Instant::now();
    let many = json!({"metadata": {"name": "big"}, "a": vec![1; 5000], "b": vec![2; 5000]});
    let (hits, lost) = look("object.a.all(x, object.b.all(y, x != y))", &many);
    assert_eq!((hits.len(), lost.len()), (0, 1));
    assert!(
        lost[0].what.starts_with("Thing /big, for signature x"),
        "{lost:?}"
    );
    let long = json!({"metadata": {"name": "long"}, "text": "a".repeat(1 << 20)});
    assert_eq!(look("object.text.contains('b')", &long).1.len(), 1);
    // The most that is evaluated.
    let few = json!({"metadata": {"name": "few"}, "a": vec![1; 150], "b": vec![2; 150]});
    assert!(holds("object.a.all(x, object.b.all(y, x != y))", &few));
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[test]
fn bulk_that_nobody_asks_about_does_not_count() {
    let mut object = json!({"metadata": {"name": "a", "managedFields": "x".repeat(1 << 20)}});
    object["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] =
        json!("x".repeat(1 << 20));
    assert!(holds("object.metadata.name == 'a'", &object));
}
