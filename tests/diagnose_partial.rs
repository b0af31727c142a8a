//! Dumps that lack kinds, or end in the middle: what they hold is proven, what they lack is named, and nothing that is
//! merely not there is said not to exist.
#![cfg(all(feature = "cli", feature = "server"))]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // helpers of tests

mod support;

use std::fs;

use serde_json::{Value, json};
use support::{read, run};

const FULL_NODE: &str = "tests/fixtures/dumps/a-full-node";

/// The dump of incident A with its objects changed.
fn changed(change: impl FnOnce(&mut Vec<Value>) -> Option<usize>) -> (tempfile::TempDir, Value, String) {
    let mut list: Value = serde_json::from_str(&read(&format!("{FULL_NODE}/objects.json"))).unwrap();
    let cut = change(list["items"].as_array_mut().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let log = "powerdns/powerdns-zone-bootstrap-kx2bq/bootstrap.log";
    let kept = directory.path().join(log);
    fs::create_dir_all(kept.parent().unwrap()).unwrap();
    fs::write(&kept, read(&format!("{FULL_NODE}/{log}"))).unwrap();
    let mut text = serde_json::to_string_pretty(&list).unwrap();
    if let Some(cut) = cut {
        text.truncate(text.len() - cut);
    }
    fs::write(directory.path().join("objects.json"), text).unwrap();
    let ran = run(&[
        "diagnose",
        "--from",
        &directory.path().display().to_string(),
        "-f",
        "json",
    ]);
    let found: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    (directory, found[0].clone(), ran.err)
}

fn kinds(found: &Value) -> Vec<&str> {
    let chain = found["chain"].as_array().unwrap();
    chain.iter().map(|link| link["kind"].as_str().unwrap()).collect()
}

fn lost(found: &Value) -> String {
    found["evidence_lost"].to_string()
}

#[test]
fn without_slices_the_pods_prove_what_they_can() {
    let (_kept, found, _) = changed(|items| {
        items.retain(|item| item["kind"] != "EndpointSlice");
        None
    });
    assert_eq!(found["root_cause"], "dependency_node_capacity");
    assert!(kinds(&found).contains(&"Service"));
    assert!(!found.to_string().contains("no ready endpoint"), "{found:#}");
    assert!(found.to_string().contains("EndpointSlices were not seen"));
    assert!(lost(&found).contains("kubectl get endpointslices -n powerdns -o json"));
}

#[test]
fn without_slices_and_pods_nothing_is_said_of_endpoints() {
    let (_kept, found, _) = changed(|items| {
        items.retain(|item| {
            let own = item["metadata"]["labels"]["batch.kubernetes.io/job-name"].is_string();
            item["kind"] != "EndpointSlice" && (item["kind"] != "Pod" || own)
        });
        None
    });
    let cause = found["root_cause"].as_str().unwrap();
    assert!(!cause.starts_with("dependency_"), "{cause}");
}

#[test]
fn endpoints_stand_in_for_slices() {
    let endpoints = |subset: Value| {
        changed(move |items| {
            items.retain(|item| item["kind"] != "EndpointSlice");
            items.push(json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "powerdns", "namespace": "powerdns"},
                "subsets": [subset]}));
            None
        })
    };
    let (_kept, found, _) = endpoints(json!({"notReadyAddresses": [{"ip": "10.0.0.1"}]}));
    assert!(
        found.to_string().contains("0 ready addresses, 1 not ready"),
        "{found:#}"
    );
    assert!(!lost(&found).contains("endpointslices"));
    let (_kept, found, _) = endpoints(json!({"addresses": [{"ip": "10.0.0.1"}]}));
    assert!(!kinds(&found).contains(&"Service"), "{found:#}");
}

#[test]
fn a_list_that_is_cut_off_does_not_make_its_rest_missing() {
    let (_kept, found, errors) = changed(|items| {
        // The Service comes last, and is behind the cut.
        items.sort_by_key(|item| item["kind"] == "Service");
        items.push(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "powerdns"}}));
        let services = items.iter().filter(|item| item["kind"] == "Service");
        let length: usize = services
            .map(|item| serde_json::to_string_pretty(item).unwrap().len())
            .sum();
        Some(length + 200)
    });
    assert!(errors.contains("cut off"), "{errors}");
    assert_ne!(found["root_cause"], "dependency_missing", "{found:#}");
    assert!(lost(&found).contains("kubectl get services"), "{}", lost(&found));
}

#[test]
fn nodes_in_a_dump_show_the_arithmetic_and_their_absence_is_named() {
    let (_kept, found, _) = changed(|_| None);
    assert!(
        lost(&found).contains("kubectl get nodes -o json"),
        "{}",
        lost(&found)
    );
    let (_kept, found, _) = changed(|items| {
        let waits = items.iter_mut().filter(|item| item["kind"] == "Pod");
        let initdb = |pod: &Value| pod["metadata"]["labels"]["cnpg.io/cluster"].is_string();
        for pod in waits.filter(|pod| initdb(pod)) {
            pod["spec"]["containers"] = json!([{"name": "c", "resources": {"requests": {"cpu": "500m"}}}]);
        }
        items.push(
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker"}, "spec": {},
            "status": {"allocatable": {"cpu": "8"}, "conditions": [{"type": "Ready", "status": "True"}]}}),
        );
        items.push(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "big", "namespace": "powerdns"},
            "spec": {"nodeName": "worker", "containers": [{"name": "c", "resources": {"requests": {"cpu": "7920m"}}}]},
            "status": {"phase": "Running"}}));
        None
    });
    let chain = found["chain"].as_array().unwrap();
    let nodes = chain.iter().find(|link| link["kind"] == "Nodes").expect("nodes");
    assert_eq!(
        nodes["proof"],
        "node worker: 8 allocatable - 7920m requested = 80m left < 500m asked (by the Pods that could be seen)"
    );
    assert_eq!(found["culprit"]["kind"], "Nodes");
}
