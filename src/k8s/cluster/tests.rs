use serde_json::{Value, json};

use super::*;

fn node(name: &str, cpu: &str) -> NodeObject {
    serde_json::from_value(json!({"metadata": {"name": name},
        "status": {"allocatable": {"cpu": cpu, "memory": "16Gi", "pods": "110"}, "conditions": [{"type": "Ready", "status": "True"}]}}))
    .expect("a Node")
}

fn pod(name: &str, node: &str, cpu: &Value, more: &Value) -> PodRoom {
    let mut pod = json!({"metadata": {"name": name, "namespace": "demo"},
        "spec": {"nodeName": node, "containers": [{"resources": {"requests": {"cpu": cpu}}}]}, "status": {"phase": "Running"}});
    for (key, value) in more.as_object().into_iter().flatten() {
        pod["status"][key] = value.clone();
    }
    serde_json::from_value(pod).expect("a Pod")
}

fn unplaced(name: &str, cpu: &Value, message: &str) -> PodRoom {
    let condition =
        json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message});
    pod(
        name,
        "",
        cpu,
        &json!({"phase": "Pending", "conditions": [condition]}),
    )
}

fn object(name: &str) -> ObjectRef {
    ObjectRef {
        kind: "Pod".to_owned(),
        namespace: "demo".to_owned(),
        name: name.to_owned(),
    }
}

const FULL: &str = "0/1 nodes are available: 1 Insufficient cpu.";

#[test]
fn a_full_node_is_added_up_and_the_neighbours_that_no_node_can_hold_are_named() {
    let mut sum = Sum::default();
    sum.add_node(node("n", "8"));
    for (name, cpu, phase) in [
        ("a", json!("7500m"), "Running"),
        ("b", json!(0.4), "Running"),
        ("done", json!("4"), "Succeeded"),
    ] {
        sum.add_pod(&pod(name, "n", &cpu, &json!({"phase": phase})));
    }
    sum.add_pod(&unplaced("initdb", &json!("500m"), FULL));
    sum.add_pod(&unplaced(
        "never",
        &json!("1"),
        "0/1 nodes are available: 1 node(s) had volume node affinity conflict.",
    ));
    sum.add_pod(&unplaced("full-too", &json!("1"), FULL));
    let capacity = sum.capacity(&[object("initdb")]);
    assert_eq!(capacity.rooms.len(), 1);
    assert_eq!(
        capacity.rooms[0].arithmetic(),
        "node n: 8 allocatable - 7900m requested = 100m left < 500m asked"
    );
    let names: Vec<_> = capacity
        .stuck
        .iter()
        .map(|stuck| stuck.pod.name.as_str())
        .collect();
    assert_eq!(names, ["never"]);
}

#[test]
fn a_pod_that_fits_again_has_no_arithmetic() {
    let mut sum = Sum::default();
    sum.add_node(node("n", "8"));
    sum.add_pod(&unplaced("initdb", &json!("500m"), FULL));
    assert!(sum.capacity(&[object("initdb")]).rooms.is_empty());
    assert!(sum.capacity(&[object("another")]).rooms.is_empty());
}

#[test]
fn what_crashes_beside_it_is_kept_with_what_it_holds() {
    let mut sum = Sum::default();
    sum.add_node(node("n", "1"));
    let crash = json!({"containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}}]});
    sum.add_pod(&pod("loop", "n", &json!("800m"), &crash));
    sum.add_pod(&unplaced("initdb", &json!("500m"), FULL));
    let capacity = sum.capacity(&[object("initdb")]);
    assert_eq!(capacity.stuck.len(), 1);
    assert_eq!(capacity.stuck[0].requests["cpu"], 800);
}

#[test]
fn requests_are_summed_as_the_scheduler_does() {
    let pod: PodRoom = serde_json::from_value(json!({"spec": {
        "initContainers": [
            {"restartPolicy": "Always", "resources": {"requests": {"cpu": "100m"}}},
            {"resources": {"requests": {"cpu": "2"}}}],
        "containers": [{"resources": {"requests": {"cpu": "300m", "memory": "1Gi"}}}, {"resources": {"requests": null}}],
        "overhead": {"memory": "64Mi"}}}))
    .expect("a Pod");
    let requests = pod.requests();
    assert_eq!(requests["cpu"], 2100);
    assert_eq!(requests["memory"], (1024 + 64) << 20);
}

#[test]
fn cpu_is_read_in_every_spelling() {
    for (text, milli) in [
        (json!("250m"), 250),
        (json!("2"), 2000),
        (json!(2), 2000),
        (json!("0.5"), 500),
        (json!(0.1), 100),
        (json!("1e1"), 10_000),
    ] {
        let read = amounts(&Quantities::from([("cpu".to_owned(), text.clone())]));
        assert_eq!(read["cpu"], milli, "{text}");
    }
}
