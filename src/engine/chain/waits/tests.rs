use serde_json::{Value, json};

use crate::engine::diagnosis::{Diagnosis, Verdict};
use crate::engine::root_cause::RootCause;
use crate::engine::testkit::{at, failed, judge, log};

fn kinds(judged: &Diagnosis) -> Vec<&str> {
    judged.chain.iter().map(|link| link.kind.as_str()).collect()
}

fn release(name: &str, reason: &str, more: &Value) -> Value {
    let mut release = json!({
        "object": {"kind": "HelmRelease", "namespace": "flux-system", "name": name}, "exists": true,
        "conditions": [{"type": "Ready", "status": "False", "reason": reason, "message": "no", "at": at(10)}],
    });
    for (key, value) in more.as_object().expect("fields") {
        release[key] = value.clone();
    }
    release
}

fn calling(dependencies: &Value) -> Diagnosis {
    let logs = log(&["curl: (7) refused"]);
    judge(&failed(
        "DeadlineExceeded",
        840,
        json!({"logs": logs, "dependencies": dependencies}),
    ))
}

fn waiting_pod() -> Value {
    let condition = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": "0/1 nodes are available: 1 Insufficient cpu."});
    json!({"namespace": "cnpg-system", "name": "cnpg-1", "phase": "Pending", "created": at(-5000), "conditions": [condition]})
}

#[test]
fn a_release_that_waits_for_another_is_walked_down_to_its_pod() {
    let operator = json!({"workloads": [{
        "object": {"kind": "Deployment", "namespace": "cnpg-system", "name": "cnpg"},
        "wanted": 1, "created": at(-5000), "pods": [waiting_pod()]}]});
    let last = release("bp-cnpg", "InstallFailed", &operator);
    let middle = release("bp-powerdns", "DependencyNotReady", &json!({"needs": [last]}));
    let service = json!({"object": {"kind": "Service", "namespace": "powerdns", "name": "powerdns"},
        "exists": false, "needs": [middle]});
    let judged = calling(&json!([service]));
    assert_eq!(judged.root_cause, Some(RootCause::DependencyNodeCapacity));
    assert_eq!(
        kinds(&judged),
        [
            "Job",
            "Service",
            "HelmRelease",
            "HelmRelease",
            "Deployment",
            "Pod"
        ]
    );
    let order = judged.repair_order.join("\n");
    let place = |text: &str| order.find(text).expect(text);
    assert!(order.starts_with("Make room on the nodes"));
    assert!(place("HelmRelease flux-system/bp-cnpg") < place("HelmRelease flux-system/bp-powerdns"));
    assert!(place("HelmRelease flux-system/bp-powerdns") < place("Service powerdns/powerdns"));
}

#[test]
fn releases_that_depend_on_each_other_end_the_walk() {
    let mut inner = release("a", "DependencyNotReady", &json!({}));
    for depth in 0..40 {
        let name = if depth % 2 == 0 { "b" } else { "a" };
        inner = release(name, "DependencyNotReady", &json!({"needs": [inner]}));
    }
    let judged = calling(&json!([inner]));
    assert_eq!(judged.root_cause, Some(RootCause::DependencyNotReady));
    assert!(judged.chain.len() < 16, "{}", judged.chain.len());
}

#[test]
fn what_the_job_calls_comes_before_what_its_release_waits_for() {
    let service = json!({"object": {"kind": "Service", "namespace": "demo", "name": "db"}, "exists": true,
        "ready": 0, "created": at(-5000)});
    let release = release("bp-cnpg", "InstallFailed", &json!({}));
    let judged = calling(&json!([release, service]));
    assert_eq!(judged.root_cause, Some(RootCause::DependencyNoEndpoints));
}

fn database(claim: &Value, message: &str) -> Diagnosis {
    let condition =
        json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message});
    let pod = json!({"namespace": "demo", "name": "db-0", "phase": "Pending", "created": at(-5000),
        "conditions": [condition], "claims": ["data-db-0"]});
    let workload = json!({"object": {"kind": "StatefulSet", "namespace": "demo", "name": "db"}, "wanted": 1,
        "created": at(-5000), "pods": [pod], "needs": [claim]});
    calling(
        &json!([{"object": {"kind": "Service", "namespace": "demo", "name": "db"}, "exists": true,
        "ready": 0, "created": at(-5000), "workloads": [workload]}]),
    )
}

fn claim(phase: &str, needs: &Value) -> Value {
    let mut claim = json!({"object": {"kind": "PersistentVolumeClaim", "namespace": "demo", "name": "data-db-0"},
        "exists": true, "phase": phase, "says": "storageclass.storage.k8s.io \"fast\" not found"});
    if needs.as_array().is_some_and(|needs| !needs.is_empty()) {
        claim["needs"] = needs.clone();
    }
    claim
}

const UNBOUND: &str = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.";
const CONFLICT: &str = "0/1 nodes are available: 1 node(s) had volume node affinity conflict.";
const FULL: &str = "0/1 nodes are available: 1 Insufficient memory.";

#[test]
fn a_claim_without_its_class_is_the_ground_of_a_stateful_set() {
    let class = json!([{"object": {"kind": "StorageClass", "name": "fast"}, "exists": false, "relation": "is provisioned by"}]);
    let judged = database(&claim("Pending", &class), UNBOUND);
    assert_eq!(judged.root_cause, Some(RootCause::DependencyMissing));
    assert_eq!(
        kinds(&judged),
        [
            "Job",
            "Service",
            "StatefulSet",
            "Pod",
            "PersistentVolumeClaim",
            "StorageClass"
        ]
    );
    let culprit = judged.culprit.expect("a culprit");
    assert_eq!(
        (culprit.kind.as_str(), culprit.name.as_str()),
        ("StorageClass", "fast")
    );
    assert!(
        judged.repair_order[0].starts_with("Create StorageClass fast"),
        "{:?}",
        judged.repair_order
    );
}

#[test]
fn a_volume_out_of_reach_is_told_from_a_claim_that_is_not_bound() {
    let volume = json!([{"object": {"kind": "PersistentVolume", "name": "pv-1"}, "exists": true, "phase": "Bound",
        "relation": "is bound to", "says": "nodeAffinity: zone in (a)"}]);
    let judged = database(&claim("Bound", &volume), CONFLICT);
    assert_eq!(judged.root_cause, Some(RootCause::DependencyPodPending));
    assert_eq!(
        judged.chain.last().map(|link| link.kind.as_str()),
        Some("PersistentVolume")
    );
    let judged = database(&claim("Pending", &json!([])), UNBOUND);
    assert_eq!(
        judged.chain.last().map(|link| link.kind.as_str()),
        Some("PersistentVolumeClaim")
    );
    assert_eq!(judged.verdict, Verdict::Real);
}

#[test]
fn a_claim_that_waits_for_its_pod_to_be_placed_is_not_what_holds_the_pod() {
    let judged = database(&claim("Pending", &json!([])), FULL);
    assert_eq!(judged.root_cause, Some(RootCause::DependencyNodeCapacity));
    assert_eq!(judged.chain.last().map(|link| link.kind.as_str()), Some("Pod"));
}
