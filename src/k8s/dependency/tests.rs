use serde_json::json;

use super::*;

fn read<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> T {
    serde_json::from_value(value).expect("an object")
}

fn powerdns() -> Namespace {
    let waiting = json!({"containerStatuses": [{"name": "pdns", "state": {"waiting":
        {"reason": "CreateContainerConfigError", "message": "secret \"pdns-pg-app\" not found"}}}]});
    Namespace {
        name: "powerdns".to_owned(),
        services: Some(vec![read(json!({
            "metadata": {"name": "powerdns"}, "spec": {"type": "ClusterIP", "selector": {"app": "pdns"}}}))]),
        slices: Some(vec![read(json!({
            "metadata": {"labels": {"kubernetes.io/service-name": "powerdns"}},
            "endpoints": [{"conditions": {"ready": false}}]}))]),
        workloads: vec![
            read::<WorkloadObject>(json!({
                "metadata": {"name": "powerdns"},
                "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "pdns"}},
                         "template": {"metadata": {"labels": {"app": "pdns"}}}}}))
            .of_kind("Deployment"),
        ],
        pods: vec![
            read(
                json!({"metadata": {"name": "powerdns-1", "labels": {"app": "pdns"}},
                "spec": {"containers": [{"name": "pdns"}]}, "status": waiting}),
            ),
            read(
                json!({"metadata": {"name": "pdns-pg-1-initdb", "labels": {"cnpg.io/cluster": "pdns-pg"}},
                "status": {"phase": "Pending"}}),
            ),
        ],
        ..Namespace::default()
    }
}

#[test]
fn the_chain_leads_from_the_service_to_the_pod_that_makes_the_missing_secret() {
    let dependency = powerdns().dependency("powerdns", "http://powerdns:8081");
    assert_eq!((dependency.ready, dependency.not_ready), (Some(0), Some(1)));
    let workload = &dependency.workloads[0];
    assert_eq!(
        (workload.object.kind.as_str(), workload.wanted),
        ("Deployment", Some(3))
    );
    let need = &workload.needs[0];
    assert_eq!(
        (need.object.name.as_str(), need.exists),
        ("pdns-pg-app", Some(false))
    );
    let maker = &need.workloads[0];
    assert_eq!((maker.object.kind.as_str(), maker.pods.len()), ("Cluster", 1));
}

#[test]
fn a_service_that_is_not_there_is_told_from_one_that_could_not_be_read() {
    assert_eq!(powerdns().dependency("gitea", "").exists, Some(false));
    assert_eq!(Namespace::default().dependency("gitea", "").exists, None);
}

fn pod(name: &str, labels: &serde_json::Value, message: &str, claim: &str) -> PodObject {
    let condition =
        json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message});
    read(json!({"metadata": {"name": name, "labels": labels},
        "spec": {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]},
        "status": {"phase": "Pending", "conditions": [condition]}}))
}

fn claim(name: &str, class: &str, phase: &str) -> ClaimObject {
    read(
        json!({"metadata": {"name": name}, "spec": {"storageClassName": class, "volumeName": if phase == "Bound" { "pv-1" } else { "" }},
        "status": {"phase": phase}}),
    )
}

fn stateful(message: &str, claims: Vec<ClaimObject>) -> Namespace {
    let set = read::<WorkloadObject>(json!({"metadata": {"name": "db"}, "spec": {"replicas": 1,
        "selector": {"matchLabels": {"app": "db"}}, "template": {"metadata": {"labels": {"app": "db"}}}}}));
    Namespace {
        name: "demo".to_owned(),
        services: Some(vec![read(
            json!({"metadata": {"name": "db"}, "spec": {"selector": {"app": "db"}}}),
        )]),
        slices: Some(Vec::new()),
        workloads: vec![set.of_kind("StatefulSet")],
        pods: vec![pod("db-0", &json!({"app": "db"}), message, "data-db-0")],
        claims: Some(claims),
        classes: Some(vec!["standard".to_owned()]),
        volumes: vec![read(
            json!({"metadata": {"name": "pv-1"}, "status": {"phase": "Bound"}, "spec": {"nodeAffinity": {"required":
            {"nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]}}}}),
        )],
        ..Namespace::default()
    }
}

const UNBOUND: &str = "pod has unbound immediate PersistentVolumeClaims";

fn needs(namespace: &Namespace) -> Vec<Dependency> {
    namespace.dependency("db", "").workloads[0].needs.clone()
}

#[test]
fn a_claim_that_is_not_bound_leads_to_the_class_that_is_missing() {
    let found = needs(&stateful(UNBOUND, vec![claim("data-db-0", "fast", "Pending")]));
    assert_eq!((found.len(), found[0].phase.as_str()), (1, "Pending"));
    assert_eq!(
        (found[0].needs[0].object.name.as_str(), found[0].needs[0].exists),
        ("fast", Some(false))
    );
    let found = needs(&stateful(
        UNBOUND,
        vec![claim("data-db-0", "standard", "Pending")],
    ));
    assert!(found[0].needs.is_empty());
}

#[test]
fn a_claim_that_waits_for_its_pod_is_no_need() {
    let mut namespace = stateful(UNBOUND, vec![claim("data-db-0", "standard", "Pending")]);
    namespace.events.push(EventRecord {
        object: namespace.named("PersistentVolumeClaim", "data-db-0"),
        reason: "WaitForFirstConsumer".to_owned(),
        ..EventRecord::default()
    });
    assert!(needs(&namespace).is_empty());
}

#[test]
fn a_bound_claim_leads_to_its_volume_only_where_that_is_out_of_reach() {
    let bound = || vec![claim("data-db-0", "standard", "Bound")];
    let found = needs(&stateful("1 node(s) had volume node affinity conflict", bound()));
    assert_eq!(found[0].needs[0].says, "nodeAffinity: zone In (a)");
    assert!(needs(&stateful("1 Insufficient cpu", bound())).is_empty());
}

#[test]
fn a_claim_that_is_not_there_is_told_by_the_scheduler() {
    let missing = "persistentvolumeclaim \"data-db-0\" not found";
    let found = needs(&stateful(missing, Vec::new()));
    assert_eq!(
        (found[0].object.kind.as_str(), found[0].exists),
        ("PersistentVolumeClaim", Some(false))
    );
    // The claim has come since.
    let found = needs(&stateful(missing, vec![claim("data-db-0", "standard", "Bound")]));
    assert!(found.is_empty());
}

#[test]
fn a_stateful_set_without_pods_says_why() {
    let mut namespace = stateful("", Vec::new());
    namespace.pods.clear();
    namespace.events.push(EventRecord {
        object: namespace.named("StatefulSet", "db"),
        kind: "Warning".to_owned(),
        reason: "FailedCreate".to_owned(),
        message: "exceeded quota: team".to_owned(),
        ..EventRecord::default()
    });
    let workload = &namespace.dependency("db", "").workloads[0];
    assert_eq!(workload.says, "event FailedCreate: exceeded quota: team");
}

fn database(phase: &str, ready: u32) -> Namespace {
    Namespace {
        name: "powerdns".to_owned(),
        services: Some(vec![read(
            json!({"metadata": {"name": "pg-rw", "labels": {"cnpg.io/cluster": "pg"}},
            "spec": {"selector": {"cnpg.io/cluster": "pg", "cnpg.io/instanceRole": "primary"}}}),
        )]),
        slices: Some(Vec::new()),
        pods: vec![pod(
            "pg-1-initdb-x",
            &json!({"cnpg.io/cluster": "pg"}),
            "1 Insufficient cpu",
            "pg-1",
        )],
        databases: vec![read(json!({"metadata": {"name": "pg"}, "spec": {"instances": 3},
            "status": {"phase": phase, "readyInstances": ready, "conditions": [{"type": "Ready", "status": "False",
                "reason": "ClusterIsNotReady", "message": "Cluster Is Not Ready"}]}}))],
        ..Namespace::default()
    }
}

#[test]
fn the_service_of_a_database_leads_to_its_cluster_and_to_pods_that_bear_no_role_yet() {
    let found = database("Setting up primary", 0).dependency("pg-rw", "");
    let cluster = &found.workloads[0];
    assert_eq!(
        (cluster.object.kind.as_str(), cluster.wanted, cluster.ready),
        ("Cluster", Some(3), 0)
    );
    assert_eq!(
        (cluster.phase.as_str(), cluster.pods.len()),
        ("Setting up primary", 1)
    );
    assert!(cluster.says.contains("ClusterIsNotReady"));
    // Without the kind, the Pods tell as much as they can.
    let mut without = database("", 0);
    without.databases.clear();
    let found = without.dependency("pg-rw", "");
    assert_eq!(
        (found.workloads[0].wanted, found.workloads[0].pods.len()),
        (None, 1)
    );
}

#[test]
fn a_service_that_the_operator_has_not_made_yet_is_made_by_its_cluster() {
    let mut namespace = database("Setting up primary", 0);
    namespace.services = Some(Vec::new());
    assert_eq!(namespace.dependency("pg-rw", "").workloads.len(), 1);
    assert!(namespace.dependency("other-rw", "").workloads.is_empty());
    assert!(namespace.dependency("pg", "").workloads.is_empty());
}

#[test]
fn what_may_lie_behind_a_cut_is_not_said_to_be_missing() {
    let mut namespace = powerdns();
    namespace.partial = true;
    assert_eq!(namespace.dependency("gitea", "").exists, None);
    assert_eq!(namespace.dependency("powerdns", "").ready, None);
    namespace.partial = false;
    assert_eq!(namespace.dependency("powerdns", "").ready, Some(0));
}

#[test]
fn a_release_leads_to_what_it_has_installed_and_is_not_ready() {
    let set = |name: &str, ready: u32, labels: serde_json::Value| {
        read::<WorkloadObject>(
            json!({"metadata": {"name": name, "labels": labels}, "spec": {"replicas": 1},
            "status": {"readyReplicas": ready}}),
        )
        .of_kind("Deployment")
    };
    let own =
        json!({"helm.toolkit.fluxcd.io/name": "bp-cnpg", "helm.toolkit.fluxcd.io/namespace": "flux-system"});
    let namespace = Namespace {
        workloads: vec![
            set("down", 0, own.clone()),
            set("up", 1, own),
            set("foreign", 0, json!({})),
        ],
        ..Namespace::default()
    };
    let names: Vec<_> = namespace
        .installed_by("flux-system", "bp-cnpg", "cnpg")
        .into_iter()
        .map(|workload| workload.object.name)
        .collect();
    assert_eq!(names, ["down"]);
    assert!(
        namespace
            .installed_by("flux-system", "another", "another")
            .is_empty()
    );
}
