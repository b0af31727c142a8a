//! Signatures of the policy on a live cluster: the shipped pack against objects of Cluster API, with the exporter as the
//! chart renders it. Incident D's three meanings of "unhealthy" and what is parked; and what is said without permission.

use hookbudget::cli::manifest::{PathOrStdin, load};
use serde_json::{Value, json};

use crate::dumps::agree;
use crate::kit::{Namespace, fetched, hook, kubectl, root_cause_at, run, until};
use crate::process::Deployment;

const PACK: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/docs/signatures/cluster-api-openstack.yaml"
);

/// The policy's document, as the chart's value takes it.
pub(crate) fn policy() -> Value {
    let loaded = load(&[PathOrStdin::from(PACK)]);
    let document = loaded.documents.first().expect("a policy");
    json!({"signatures": document.value["signatures"]})
}

/// The kinds of Cluster API come into the cluster.
pub(crate) fn bring_cluster_api() {
    let crds = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/cluster/manifests/cluster-api-crds.yaml"
    );
    kubectl(&["apply", "-f", crds], "");
    for name in ["clusters", "machinedeployments"] {
        let crd = format!("crd/{name}.cluster.x-k8s.io");
        kubectl(
            &["wait", "--for=condition=Established", &crd, "--timeout=30s"],
            "",
        );
    }
}

#[test]
fn what_unhealthy_means_is_read_from_the_objects() {
    bring_cluster_api();
    let namespace = Namespace::new("fleet", "off");
    let kinds = json!([{"apiGroups": ["cluster.x-k8s.io"], "resources": ["clusters", "machinedeployments"]}]);
    let may_read = json!({"policy": policy(), "exporter": {"signatureKinds": kinds}});
    let may_read = Deployment::rendered(&namespace, "reads", may_read);
    let may_not = Deployment::rendered(&namespace, "blind", json!({"policy": policy()}));
    may_read.is_ready();
    may_not.is_ready();
    for (object, cause, verdict, route) in [
        (
            "booting",
            "custom_managed_api_unreachable",
            "transient",
            "platform",
        ),
        (
            "cosmetic",
            "custom_infrastructure_reference_stale",
            "cosmetic",
            "platform",
        ),
        ("parked", "custom_cluster_parked", "parked", "platform"),
        ("load-balancer", "custom_load_balancer_failed", "real", "network"),
    ] {
        stands(&namespace, object);
        waits_in_vain(&namespace, object);
        let found = root_cause_at(&may_read.url, &namespace, object, cause);
        let labels = ["verdict", "route", "trigger"].map(|key| found.label(key));
        assert_eq!(labels, [verdict, route, "BackoffLimitExceeded"], "{object}");
        let severity = if verdict == "real" { "critical" } else { "info" };
        assert_eq!(found.label("severity"), severity, "{object}");
        println!("{object}: {cause}, {verdict}");
        // Without permission the Job's own wait is what is known, and what could not be looked at is named.
        root_cause_at(&may_not.url, &namespace, object, "inner_budget_exhausted");
        let gaps = gaps(&may_not, &namespace, object);
        assert!(
            gaps.contains("not allowed to list them: the chart's exporter.signatureKinds grants it"),
            "{gaps}"
        );
    }
    // The OpenStack provider is not installed: that costs its signatures and nothing else.
    let gaps = gaps(&may_read, &namespace, "load-balancer");
    assert!(
        gaps.contains("the cluster does not have this kind") && !gaps.contains("signatureKinds"),
        "{gaps}"
    );
    let asked = format!("{}/api/jobs?job={}/load-balancer", may_read.url, namespace.0);
    let answer = agree(
        &namespace,
        "load-balancer",
        "custom_load_balancer_failed",
        &asked,
        &["--policy", PACK],
    );
    assert!(answer["chain"].to_string().contains("\"Cluster\""), "{answer:#}");
    let page = fetched(&format!("{}/explain/custom_load_balancer_failed", may_read.url)).stdout;
    assert!(page.contains("Repair the load balancer first"), "{page}");
}

/// The managed cluster as the fixture has it, and just so since now.
pub(crate) fn stands(namespace: &Namespace, object: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/signatures/objects");
    let text = std::fs::read_to_string(format!("{path}/{object}.json")).expect("a fixture");
    let mut cluster: Value = serde_json::from_str(&text).expect("an object");
    cluster["metadata"]["namespace"] = json!(namespace.0);
    if let Some(metadata) = cluster["metadata"].as_object_mut() {
        metadata.remove("creationTimestamp");
    }
    let now = jiff::Timestamp::now().to_string();
    for condition in cluster["status"]["conditions"]
        .as_array_mut()
        .expect("conditions")
    {
        condition["lastTransitionTime"] = json!(now);
    }
    let name = cluster["metadata"]["name"].as_str().expect("a name").to_owned();
    let arguments = [
        "-n",
        &namespace.0,
        "delete",
        "clusters.cluster.x-k8s.io",
        &name,
        "--ignore-not-found",
    ];
    kubectl(&arguments, "");
    namespace.must_create(&cluster.to_string());
}

/// A hook that waits for the managed API, counts to its end and gives up.
fn waits_in_vain(namespace: &Namespace, name: &str) {
    let container = "image: busybox:1\ncommand: [sh, -c]\nargs:\n- |\n  for i in $(seq 1 8); do\n    \
                     echo \"waiting for the managed api ($i/8)\"\n    sleep 1\n  done\n  exit 1";
    namespace.must_create(&hook(name, "Never\nbackoffLimit: 0", container));
    namespace.condition(name, "FailureTarget", 120);
}

/// What an exporter says could not be had of a Job.
fn gaps(exporter: &Deployment, namespace: &Namespace, job: &str) -> String {
    let url = format!("{}/api/jobs?job={}/{job}", exporter.url, namespace.0);
    until(30, "what could not be had", || {
        let printed = run("curl", &["-sS", "--max-time", "5", &url], "");
        let found: Value = serde_json::from_str(&printed.stdout).ok()?;
        let gaps = found[0]["evidence_lost"].to_string();
        (gaps.len() > 2).then_some(gaps)
    })
}
