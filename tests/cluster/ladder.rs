//! Incident A with its whole ladder on a real kubelet: from the release down to a node that is full and an autoscaler
//! that is kept from acting; then the repair, bottom-up.

use serde_json::{Value, json};

use crate::admission::{api, service};
use crate::diagnoses::kept;
use crate::dumps::all_agree;
use crate::kit::{
    Namespace, exporter, fetched, incident, kubectl, owner_value, powerdns_key, root_cause, series, until,
    until_told,
};

const JOB: &str = "powerdns-zone-bootstrap";
/// What the database's Pod asks for.
const ASKED: u64 = 500;
/// What is left on the node beside the filler: for others, and too little for the database.
const LEFT: u64 = 150;

#[test]
fn a_whole_ladder_and_its_repair_from_the_bottom_up() {
    let namespace = Namespace::new("a-ladder", "off");
    let filler = Filler::of(&namespace);
    start_the_database(&namespace);
    autoscaler_says_no(&namespace);
    powerdns_key(&namespace, "k");
    namespace.must_create(&service("powerdns", 8081));
    namespace.must_create(&deployment());
    let manifests =
        incident("a-powerdns.yaml", "powerdns", &namespace).replace("backoffLimit: 6", "backoffLimit: 2");
    let (release, hook) = manifests
        .split_once("\n---\n")
        .expect("the HelmRelease and the hook");
    namespace.must_create(release);
    namespace.must_create(hook);

    let (reason, seconds) = namespace.condition(JOB, "FailureTarget", 300);
    assert_eq!(reason, "BackoffLimitExceeded");
    println!("incident A on a full node: {reason} after {seconds} s");
    let answer = told_right(&namespace);
    drawn_on_the_page(&namespace, &answer);
    repaired_from_the_bottom_up(&namespace, filler, hook);
}

/// The node's capacity as cause on the metrics, in the diagnosis and in the object that is kept; what `diagnose` answers.
pub(crate) fn told_right(namespace: &Namespace) -> Value {
    let cause = root_cause(namespace, JOB, "dependency_node_capacity");
    let labels = ["trigger", "owner_name", "route", "severity", "verdict"].map(|key| cause.label(key));
    assert_eq!(
        labels,
        [
            "BackoffLimitExceeded",
            "bp-powerdns",
            "platform",
            "critical",
            "real"
        ]
    );
    let answer = all_agree(namespace, JOB, "dependency_node_capacity");
    judged_right(&answer);
    let object = kept(namespace, JOB, &[("root_cause", "dependency_node_capacity")]);
    assert_eq!(object["report"]["repair_order"], answer["repair_order"]);
    answer
}

/// Every rung with its proof, the order of repair, and that another try is of no use.
fn judged_right(answer: &Value) {
    let chain = answer["chain"].as_array().expect("a chain");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rungs: Vec<String> = chain
        .iter()
        .map(|link| format!("{} {}", text(&link["kind"]), text(&link["name"])))
        .collect();
    let expected = [
        "HelmRelease bp-powerdns",
        "Job powerdns-zone-bootstrap",
        "Service powerdns",
        "Deployment powerdns",
        "Pod powerdns-",
        "Secret pdns-pg-app",
        "Cluster pdns-pg",
        "Pod pdns-pg-1-initdb-",
        "Nodes cpu",
        "Autoscaler cluster-autoscaler",
        "Pod never-fits",
    ];
    // Other tests may have left a Pod that never fits, too.
    assert!(rungs.len() >= expected.len(), "{answer:#}");
    for (rung, expected) in rungs.iter().zip(expected) {
        assert!(rung.starts_with(expected), "{expected}: {answer:#}");
    }
    assert!(
        chain.iter().all(|link| !text(&link["proof"]).is_empty()),
        "{answer:#}"
    );
    let nodes = &chain[8];
    assert!(
        text(&nodes["proof"]).contains(&format!("< {ASKED}m asked")),
        "{nodes}"
    );
    assert_eq!(answer["culprit"]["kind"], "Nodes", "{answer:#}");
    assert_eq!(answer["retry_advice"], "do-not-retry", "{answer:#}");
    // From the ground up.
    let order: Vec<String> = answer["repair_order"]
        .as_array()
        .expect("steps")
        .iter()
        .map(text)
        .collect();
    let mut from = 0;
    for part in [
        "never-fits",
        "Make room on the nodes",
        "Cluster",
        "Secret",
        "Deployment",
        "Service",
        "Let HelmRelease",
    ] {
        let at = order[from..].iter().position(|step| step.contains(part));
        from += at.unwrap_or_else(|| panic!("{part} is not there, or too early: {order:#?}"));
    }
}

/// The page shows the chain from the symptom to the root, and what to do; the API the same as JSON.
fn drawn_on_the_page(namespace: &Namespace, answer: &Value) {
    let page = fetched(&format!("{}/?job={}/{JOB}", exporter(), namespace.0)).stdout;
    let chain = page.split("<ol class=\"chain\">").nth(1).expect("a chain");
    let mut rest = chain.split("</ol>").next().expect("its end");
    for link in answer["chain"].as_array().expect("a chain") {
        let name = format!("<b>{}</b>", link["name"].as_str().expect("a name"));
        let at = rest.find(&name).unwrap_or_else(|| {
            panic!("{name} is not there, or too early: {chain}");
        });
        rest = &rest[at + name.len()..];
    }
    for text in [
        "dependency_node_capacity",
        "Make room on the nodes",
        "Insufficient cpu",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
}

/// Each layer comes up once the one below it is there, and the next run of the hook succeeds.
fn repaired_from_the_bottom_up(namespace: &Namespace, filler: Filler<'_>, hook: &str) {
    let started = std::time::Instant::now();
    database_is_set_up(namespace, filler);
    until(90, "the Deployment to come up", || {
        let ready = namespace.get("deployment", "powerdns")?["status"]["readyReplicas"].as_u64()?;
        (ready == 3).then_some(())
    });
    // The release's next run: the hook is deleted before it is made anew.
    kubectl(&["-n", &namespace.0, "delete", "job", JOB], "");
    namespace.must_create(hook);
    namespace.condition(JOB, "Complete", 120);
    println!("repaired from the bottom up in {} s", started.elapsed().as_secs());
    until_told(30, "the failure to clear", || {
        let failed = series(namespace, JOB)
            .into_iter()
            .find(|s| s.name == "hookbudget_job_root_cause");
        let failures = owner_value(namespace, "hookbudget_owner_consecutive_failures");
        if failed.is_none() && failures == Some(0.0) {
            Ok(())
        } else {
            Err(format!("{failed:?}, {failures:?} failures"))
        }
    });
}

/// The Pod that never fits goes, there is room on the node again, and the database's operator goes on.
pub(crate) fn database_is_set_up(namespace: &Namespace, filler: Filler<'_>) {
    deleted_at_once(namespace, "never-fits");
    drop(filler);
    namespace.condition("pdns-pg-1-initdb", "Complete", 120);
    // What the operator does once its Job has run.
    let password = "--from-literal=password=p";
    let secret = ["create", "secret", "generic", "pdns-pg-app", password];
    kubectl(&[&["-n", &namespace.0], &secret[..]].concat(), "");
    database_is(
        namespace,
        &json!({"phase": "Cluster in healthy state", "instances": 1, "readyInstances": 1}),
    );
}

fn deleted_at_once(namespace: &Namespace, pod: &str) {
    let at_once = ["delete", "pod", pod, "--grace-period=0", "--force"];
    kubectl(&[&["-n", &namespace.0], &at_once[..]].concat(), "");
}

/// A Pod that asks for all that is left of the node's CPU but a little. It goes with its test, or nobody else finds room.
pub(crate) struct Filler<'n>(&'n Namespace);

impl Drop for Filler<'_> {
    fn drop(&mut self) {
        deleted_at_once(self.0, "filler");
    }
}

impl<'n> Filler<'n> {
    pub(crate) fn of(namespace: &'n Namespace) -> Self {
        fill_the_node(namespace);
        Self(namespace)
    }
}

fn fill_the_node(namespace: &Namespace) {
    let nodes: Value =
        serde_json::from_str(&kubectl(&["get", "nodes", "-o", "json"], "").stdout).expect("nodes");
    let pods: Value =
        serde_json::from_str(&kubectl(&["get", "pods", "-A", "-o", "json"], "").stdout).expect("Pods");
    let milli = |value: &Value| {
        let text = value.as_str().unwrap_or("0");
        match text.strip_suffix('m') {
            Some(milli) => milli.parse().unwrap_or(0),
            None => text.parse::<u64>().unwrap_or(0) * 1000,
        }
    };
    let allocatable = milli(&nodes["items"][0]["status"]["allocatable"]["cpu"]);
    let holds = |pod: &&Value| {
        pod["spec"]["nodeName"].is_string()
            && !matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
    };
    let held: u64 = pods["items"]
        .as_array()
        .expect("Pods")
        .iter()
        .filter(holds)
        .flat_map(|pod| pod["spec"]["containers"].as_array().expect("containers"))
        .map(|container| milli(&container["resources"]["requests"]["cpu"]))
        .sum();
    let filler = allocatable.saturating_sub(held + LEFT);
    println!("node: {allocatable}m allocatable, {held}m requested, filled with {filler}m");
    assert!(filler > 0, "the node is full already");
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "filler"},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [{
            "name": "main", "image": "busybox:1", "command": ["sleep", "3600"],
            "resources": {"requests": {"cpu": format!("{filler}m")}},
        }]},
    });
    namespace.must_create(&pod.to_string());
    until(60, "the node to be full", || {
        (namespace.get("pod", "filler")?["status"]["phase"] == "Running").then_some(())
    });
}

/// The database as its operator makes it: a Cluster, and a Job that sets it up, for whose Pod there is no room.
pub(crate) fn start_the_database(namespace: &Namespace) {
    let cluster = json!({
        "apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "metadata": {"name": "pdns-pg"}, "spec": {"instances": 1},
    });
    namespace.must_create(&cluster.to_string());
    database_is(
        namespace,
        &json!({"phase": "Setting up primary", "phaseReason": "Creating primary instance pdns-pg-1",
            "instances": 1, "readyInstances": 0}),
    );
    let owner = namespace
        .get("clusters.postgresql.cnpg.io", "pdns-pg")
        .expect("the Cluster");
    let labels = json!({"cnpg.io/cluster": "pdns-pg", "cnpg.io/instanceName": "pdns-pg-1", "cnpg.io/jobRole": "initdb"});
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "pdns-pg-1-initdb", "labels": labels, "ownerReferences": [{
            "apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "name": "pdns-pg",
            "uid": owner["metadata"]["uid"], "controller": true,
        }]},
        "spec": {"template": {"metadata": {"labels": labels}, "spec": {"restartPolicy": "Never", "containers": [{
            "name": "initdb", "image": "busybox:1", "command": ["true"],
            "resources": {"requests": {"cpu": format!("{ASKED}m")}},
        }]}}},
    });
    namespace.must_create(&job.to_string());
}

pub(crate) fn database_is(namespace: &Namespace, status: &Value) {
    kubectl(
        &[
            "-n",
            &namespace.0,
            "patch",
            "clusters.postgresql.cnpg.io",
            "pdns-pg",
            "--subresource=status",
            "--type=merge",
            "-p",
            &json!({ "status": status }).to_string(),
        ],
        "",
    );
}

/// What the cluster autoscaler says of the Pod that asks for room, and the Pod that no new node could hold and that
/// keeps it from acting.
pub(crate) fn autoscaler_says_no(namespace: &Namespace) {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "never-fits"},
        "spec": {"nodeSelector": {"pool": "gone"}, "containers": [{"name": "main", "image": "busybox:1"}]},
    });
    namespace.must_create(&pod.to_string());
    let waiting = until(60, "the database's Pod to find no node", || {
        let selector = "cnpg.io/cluster=pdns-pg";
        let printed = kubectl(
            &["-n", &namespace.0, "get", "pods", "-l", selector, "-o", "json"],
            "",
        );
        let list: Value = serde_json::from_str(&printed.stdout).ok()?;
        let pod = list["items"].as_array()?.first()?.clone();
        let said = pod["status"]["conditions"].to_string();
        said.contains("Insufficient cpu").then_some(pod)
    });
    let now = jiff::Timestamp::now().to_string();
    let metadata = &waiting["metadata"];
    let event = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": "no-scale-up"},
        "involvedObject": {"apiVersion": "v1", "kind": "Pod", "namespace": namespace.0, "name": metadata["name"], "uid": metadata["uid"]},
        "type": "Normal", "reason": "NotTriggerScaleUp", "count": 1, "firstTimestamp": now, "lastTimestamp": now,
        "message": "pod didn't trigger scale-up: 1 in backoff after failed scale-up",
        "source": {"component": "cluster-autoscaler"},
    });
    namespace.must_create(&event.to_string());
}

/// Three replicas that cannot start without the database's password.
fn deployment() -> String {
    let secret =
        "        env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: pdns-pg-app, key: password}}}]\n";
    let image = "        image: hookbudget-test/api:1\n";
    api("powerdns", 8081)
        .replacen("spec:\n", "spec:\n  replicas: 3\n", 1)
        .replace(image, &format!("{image}{secret}"))
}
