//! `hookbudget-wait` asks the real API server for objects, as the Pod's own ServiceAccount.

use serde_json::{Value, json};

use crate::admission::{api, service};
use crate::kit::{Namespace, hook, kubectl, log_of, until_told};
use crate::ladder::database_is;

/// A Job that waits for objects by the product's own image.
fn waits(name: &str, account: &str, targets: &[&str]) -> String {
    let arguments: Vec<&str> = ["--timeout", "180s", "--interval", "500ms"]
        .iter()
        .chain(targets)
        .copied()
        .collect();
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "activeDeadlineSeconds": 300, "template": {"spec": {
            "restartPolicy": "Never", "serviceAccountName": account, "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "wait", "image": "hookbudget:test", "imagePullPolicy": "Never",
                "command": ["hookbudget-wait"], "args": arguments}],
        }}},
    })
    .to_string()
}

fn log_holds(namespace: &Namespace, job: &str, text: &str) {
    until_told(60, &format!("{text:?} in the log of {job}"), || {
        let log = log_of(namespace, job);
        if log.contains(text) { Ok(()) } else { Err(log) }
    });
}

/// Nothing of it is there at first; what comes is seen one after the other, and the Job is complete with the last.
#[test]
fn a_job_waits_for_objects_of_many_kinds() {
    let namespace = Namespace::new("objects", "off");
    let rule = |group: &str, kind: &str, verb: &str| json!({"apiGroups": [group], "resources": [kind], "verbs": [verb]});
    let rules = [
        rule("", "secrets", "get"),
        rule("", "configmaps", "get"),
        rule("apps", "deployments", "get"),
        rule("batch", "jobs", "get"),
        rule("postgresql.cnpg.io", "clusters", "get"),
        rule("discovery.k8s.io", "endpointslices", "list"),
    ];
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "waits"}, "rules": rules});
    namespace.must_create(&role.to_string());
    let of = |arguments: &[&str]| kubectl(&[&["-n", &namespace.0], arguments].concat(), "");
    of(&["create", "serviceaccount", "waits"]);
    let subject = format!("--serviceaccount={}:waits", namespace.0);
    of(&["create", "rolebinding", "waits", "--role=waits", &subject]);
    let targets = [
        "k8s://secret/token",
        "k8s://configmap/settings",
        "k8s://deployment/api",
        "k8s://service/api",
        "k8s://job/first",
        "k8s://clusters.v1.postgresql.cnpg.io/pdns-pg",
    ];
    namespace.must_create(&waits("second", "waits", &targets));
    log_holds(&namespace, "second", "waiting for");

    of(&["create", "secret", "generic", "token", "--from-literal=key=k"]);
    of(&["create", "configmap", "settings", "--from-literal=a=b"]);
    namespace.must_create(&service("api", 8080));
    namespace.must_create(&api("api", 8080));
    namespace.must_create(&hook(
        "first",
        "Never\nbackoffLimit: 0",
        "image: busybox:1\ncommand: ['true']",
    ));
    let cluster = json!({"apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "metadata": {"name": "pdns-pg"}, "spec": {}});
    namespace.must_create(&cluster.to_string());
    let came = [
        "secret/token",
        "configmap/settings",
        "deployment/api",
        "service/api",
        "job/first",
    ];
    for object in came {
        log_holds(&namespace, "second", &format!("{object} is ready"));
    }
    assert!(namespace.job("second")["status"]["succeeded"].is_null());
    database_is(
        &namespace,
        &json!({"conditions": [{"type": "Ready", "status": "True"}]}),
    );
    namespace.condition("second", "Complete", 60);
    log_holds(&namespace, "second", "ready: ");
}

/// Without the right, waiting changes nothing: it ends at once, and its termination message names what is missing.
#[test]
fn a_missing_right_is_fatal_and_named() {
    let namespace = Namespace::new("no-right", "off");
    namespace.must_create(&waits("asks", "default", &["k8s://secret/token"]));
    namespace.condition("asks", "Failed", 60);
    let selector = "batch.kubernetes.io/job-name=asks";
    let pods = kubectl(
        &["-n", &namespace.0, "get", "pods", "-l", selector, "-o", "json"],
        "",
    )
    .stdout;
    let pods: Value = serde_json::from_str(&pods).expect("a list");
    let end = &pods["items"][0]["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(end["exitCode"], 77, "{end}");
    let message = end["message"].as_str().unwrap_or_default();
    assert!(
        message.contains("403") && message.contains("secrets"),
        "{message}"
    );
}
