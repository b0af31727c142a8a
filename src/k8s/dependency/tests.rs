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
        events: Vec::new(),
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
