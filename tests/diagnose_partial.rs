//! Dumps that lack kinds, or end in the middle: what they hold is proven, what they lack is named, and nothing that is
//! merely not there is said not to exist.
#![cfg(all(feature = "cli", feature = "server"))]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // helpers of tests

mod support;

use std::fs;

use serde_json::{Value, json};
use support::{read, run, run_with};

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

#[test]
fn a_dump_that_ends_anywhere_is_read_as_far_as_it_goes() {
    let text = read(&format!("{FULL_NODE}/objects.json"));
    let (mut answered, mut told) = (0, 0);
    for part in 0..16 {
        let cut = text.floor_char_boundary(text.len() * part / 16);
        let ran = run_with(&["diagnose", "--from", "-", "-f", "json"], &text[..cut]);
        assert!(
            (0..=2).contains(&ran.status) && !ran.err.contains("panic"),
            "{cut}: {ran:?}"
        );
        let found: Value =
            serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{cut}: {error}: {ran:?}"));
        answered += found.as_array().map_or(0, Vec::len);
        told += usize::from(ran.err.contains("cut off"));
        // What is missing is never taken for what does not exist.
        assert_ne!(found[0]["root_cause"], "dependency_missing", "{cut}: {found:#}");
    }
    assert!(answered > 0 && told > 8, "{answered} {told}");
}

#[test]
fn a_log_that_ends_within_a_character_and_one_of_bytes_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory
        .path()
        .join("powerdns/powerdns-zone-bootstrap-kx2bq/bootstrap.log");
    fs::create_dir_all(log.parent().unwrap()).unwrap();
    fs::write(
        directory.path().join("objects.json"),
        read(&format!("{FULL_NODE}/objects.json")),
    )
    .unwrap();
    let from = directory.path().display().to_string();
    for bytes in [
        &b"caf\xc3"[..],
        &[0, 159, 146, 150, 10, 255, 254],
        b"",
        b"\n\n\r\n\x1b[",
    ] {
        fs::write(&log, bytes).unwrap();
        let ran = run(&["diagnose", "--from", &from, "-f", "json"]);
        assert_eq!((ran.status, ran.err.as_str()), (1, ""), "{bytes:?}");
        let found: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(found[0]["state"], "failed", "{bytes:?}");
        assert!(!ran.out.contains("\\u001b"), "{}", ran.out);
    }
}
