use serde_json::{Value, json};

use super::no_node_helps;
use crate::engine::diagnose::diagnose;
use crate::engine::diagnosis::{Diagnosis, DiagnosisKnobs, Verdict};
use crate::engine::evidence::Evidence;
use crate::engine::root_cause::RootCause;
use crate::engine::testkit::{at, blocked_by, judge, pending, unplaced};

const FULL: &str = "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.";

fn kinds(judged: &Diagnosis) -> Vec<&str> {
    judged.chain.iter().map(|link| link.kind.as_str()).collect()
}

fn room(pod: &str) -> Value {
    json!({"pod": {"kind": "Pod", "namespace": "demo", "name": pod}, "resource": "cpu", "asked": 500, "nodes": 1,
        "short": 1, "node": "n1", "allocatable": 8000, "requested": 7900, "largest": 8000, "partial": false})
}

fn stuck(name: &str, message: &str) -> Value {
    json!({"pod": {"kind": "Pod", "namespace": "other", "name": name}, "message": message})
}

/// A Job whose dependency's Pod finds no room, with this word of the autoscaler.
fn full(reason: &str, message: &str, more: &[Value]) -> Evidence {
    let mut evidence = blocked_by(json!({"ready": 0}), &json!([pending(FULL)]));
    let capacity = json!({"rooms": [room("db-1")], "stuck": more});
    evidence.capacity = serde_json::from_value(capacity).expect("capacity");
    let event = json!({"object": {"kind": "Pod", "namespace": "demo", "name": "db-1"}, "reason": reason,
        "message": message, "last": at(830)});
    evidence
        .events
        .push(serde_json::from_value(event).expect("an event"));
    evidence
}

#[test]
fn the_arithmetic_of_the_nodes_and_what_keeps_the_autoscaler_are_links_with_proof() {
    let neighbours = [
        stuck(
            "a",
            "0/1 nodes are available: 1 node(s) had volume node affinity conflict.",
        ),
        stuck(
            "b",
            "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
        ),
    ];
    let refused = "pod didn't trigger scale-up: 1 in backoff after failed scale-up";
    let judged = judge(&full("NotTriggerScaleUp", refused, &neighbours));
    assert_eq!(judged.root_cause, Some(RootCause::DependencyNodeCapacity));
    assert_eq!(
        kinds(&judged),
        [
            "Job",
            "Service",
            "Deployment",
            "Pod",
            "Nodes",
            "Autoscaler",
            "Pod",
            "Pod"
        ]
    );
    assert_eq!(
        judged.chain[4].proof,
        "node n1: 8 allocatable - 7900m requested = 100m left < 500m asked"
    );
    assert!(judged.chain.iter().all(|link| !link.proof.is_empty()));
    let culprit = judged.culprit.expect("a culprit");
    assert_eq!((culprit.kind.as_str(), culprit.name.as_str()), ("Nodes", "cpu"));
    let order = &judged.repair_order;
    assert!(order[0].starts_with("Repair or delete Pod other/b"), "{order:?}");
    assert!(order[1].starts_with("Repair or delete Pod other/a"), "{order:?}");
    assert!(order[2].starts_with("Make room on the nodes"), "{order:?}");
    assert!(
        judged.summary.contains("because Pod db-1 finds no node"),
        "{}",
        judged.summary
    );
}

#[test]
fn a_node_on_its_way_is_waited_for_until_it_should_have_come() {
    let adds = "pod triggered scale-up: [{pool-a 1->2 (max: 3)}]";
    let judged = judge(&full("TriggeredScaleUp", adds, &[stuck("a", "x")]));
    assert_eq!(judged.verdict, Verdict::Transient);
    assert_eq!(
        judged.chain.last().map(|link| link.kind.as_str()),
        Some("Autoscaler")
    );
    // Of a Job that has failed, for as long as it may take.
    let evidence = full("TriggeredScaleUp", adds, &[]);
    for (now, verdict) in [(830 + 899, Verdict::Transient), (830 + 900, Verdict::Real)] {
        let judged = diagnose(&evidence, &DiagnosisKnobs::default(), at(now));
        assert_eq!(judged.verdict, verdict, "{now}");
        assert_eq!(judged.root_cause, Some(RootCause::DependencyNodeCapacity));
        assert_eq!(
            judged.chain.last().map(|link| link.finding.as_str()),
            Some("adds a node")
        );
    }
    let mut late = full("TriggeredScaleUp", adds, &[]);
    late.events.last_mut().expect("an event").last = Some(at(840 - 901));
    let judged = judge(&late);
    assert_eq!(judged.verdict, Verdict::Real);
    assert!(
        judged
            .chain
            .last()
            .expect("links")
            .finding
            .contains("none has come")
    );
}

#[test]
fn a_declared_start_covers_what_keeps_its_pods_for_as_long_as_it_may_take() {
    let room = blocked_by(json!({"ready": 0, "cold_start": 6000}), &json!([pending(FULL)]));
    let claim = json!({"object": {"kind": "PersistentVolumeClaim", "namespace": "demo", "name": "data"},
        "exists": true, "phase": "Pending"});
    let mut volume = blocked_by(
        json!({"ready": 0, "cold_start": 6000, "created": at(-5000)}),
        &json!([]),
    );
    volume.dependencies[0].needs = vec![serde_json::from_value(claim).expect("a claim")];
    for (evidence, cause) in [
        (&room, RootCause::DependencyNodeCapacity),
        (&volume, RootCause::DependencyPodPending),
    ] {
        for (now, verdict) in [(999, Verdict::Transient), (1000, Verdict::Real)] {
            let judged = diagnose(evidence, &DiagnosisKnobs::default(), at(now));
            assert_eq!(
                (judged.root_cause, judged.verdict),
                (Some(cause), verdict),
                "{now}"
            );
        }
    }
}

#[test]
fn karpenter_speaks_by_other_events() {
    let refused = "Failed to schedule pod, all available instance types exceed limits for nodepool \"gpu\"";
    let judged = judge(&full("FailedScheduling", refused, &[]));
    let last = judged.chain.last().expect("links");
    assert_eq!(
        (last.kind.as_str(), last.name.as_str()),
        ("Autoscaler", "karpenter")
    );
    // The scheduler's own event of that reason is no word of who adds nodes.
    let judged = judge(&full("FailedScheduling", FULL, &[]));
    assert_eq!(judged.chain.last().map(|link| link.kind.as_str()), Some("Nodes"));
}

#[test]
fn the_status_speaks_where_events_are_gone() {
    let mut evidence = blocked_by(json!({"ready": 0}), &json!([pending(FULL)]));
    let group = |state: &str, size: u32| json!({"name": "pool-a", "health": "Healthy", "scale_up": state, "size": [size, 3], "reason": "QUOTA_EXCEEDED"});
    for (state, size, speaks) in [
        ("Backoff", 1, true),
        ("NoActivity", 3, true),
        ("NoActivity", 1, false),
    ] {
        let capacity = json!({"rooms": [room("db-1")], "groups": [group(state, size)]});
        evidence.capacity = serde_json::from_value(capacity).expect("capacity");
        let judged = judge(&evidence);
        assert_eq!(kinds(&judged).contains(&"Autoscaler"), speaks, "{state} {size}");
    }
}

#[test]
fn a_pod_that_holds_enough_room_and_does_no_work_is_named_and_a_small_one_is_not() {
    let holder = |cpu: u64| {
        json!({"pod": {"kind": "Pod", "namespace": "other", "name": "loop"}, "node": "n1",
            "message": "back-off 5m0s restarting failed container", "requests": {"cpu": cpu}})
    };
    for (cpu, named) in [(400, true), (399, false)] {
        let mut evidence = blocked_by(json!({"ready": 0}), &json!([pending(FULL)]));
        let capacity = json!({"rooms": [room("db-1")], "stuck": [holder(cpu)]});
        evidence.capacity = serde_json::from_value(capacity).expect("capacity");
        let judged = judge(&evidence);
        assert_eq!(
            judged.chain.last().is_some_and(|link| link.name == "loop"),
            named,
            "{cpu}"
        );
        assert_eq!(judged.repair_order[0].contains("other/loop"), named);
    }
}

#[test]
fn the_jobs_own_pod_is_shown_the_same_arithmetic() {
    let mut evidence = unplaced("Unschedulable", FULL);
    let capacity = json!({"rooms": [room("job-x")]});
    evidence.capacity = serde_json::from_value(capacity).expect("capacity");
    let judged = judge(&evidence);
    assert_eq!(judged.root_cause, Some(RootCause::UnschedulableResources));
    assert_eq!(kinds(&judged), ["Job", "Pod", "Nodes"]);
    // Another Pod's room says nothing about this one.
    evidence.capacity.as_mut().expect("capacity").rooms[0].pod.name = "db-1".to_owned();
    assert_eq!(kinds(&judge(&evidence)), ["Job", "Pod"]);
}

#[test]
fn which_pods_no_new_node_can_hold() {
    for (message, none) in [
        ("1 node(s) had volume node affinity conflict", true),
        ("1 node(s) didn't match Pod's node affinity/selector", true),
        ("pod has unbound immediate PersistentVolumeClaims", false),
        (
            "1 Insufficient cpu, 1 node(s) had volume node affinity conflict",
            false,
        ),
        ("1 node(s) had untolerated taint {a: b}", false),
    ] {
        assert_eq!(no_node_helps(message), none, "{message}");
    }
}
