//! Looks at what a Job waits for, before an API server of the test's own: what it may not say, does not have, or says
//! in the wrong shape costs that link and nothing else. And the Lease, before the same.
#![cfg(feature = "server")]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // helpers of tests

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hookbudget::engine::capacity::Capacity;
use hookbudget::engine::evidence::{Dependency, ObjectRef};
use hookbudget::index::live::Reader;
use hookbudget::index::{Action, Change, JobKey};
use hookbudget::report::Lease;
use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

/// What the API server answers, by path.
#[derive(Clone, Debug)]
enum Answer {
    Items(Vec<Value>),
    Object(Value),
    Refused(u16),
}

/// An API server that knows these paths alone, and what it was asked.
#[derive(Clone, Default)]
struct Fake {
    answers: Arc<Mutex<BTreeMap<String, Answer>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    fn with(self, path: &str, answer: Answer) -> Self {
        self.answers.lock().unwrap().insert(path.to_owned(), answer);
        self
    }

    fn client(&self) -> Client {
        let fake = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let answer = fake.answer(&request);
            async move { Ok::<_, tower::BoxError>(answer) }
        });
        Client::new(service, "default")
    }

    fn answer(&self, request: &Request<Body>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        self.asked
            .lock()
            .unwrap()
            .push(format!("{} {path}", request.method()));
        let known = self.answers.lock().unwrap().get(&path).cloned();
        let (code, body) = match known.unwrap_or(Answer::Refused(404)) {
            Answer::Items(items) => (200, json!({"metadata": {}, "items": items})),
            Answer::Object(object) => (200, object),
            Answer::Refused(code) => (
                code,
                json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": "no"}),
            ),
        };
        let body = Body::from(body.to_string().into_bytes());
        Response::builder().status(code).body(body).unwrap()
    }

    fn count(&self, part: &str) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|asked| asked.contains(part)).count()
    }

    async fn look(&self, action: Action) -> (Vec<Dependency>, Vec<Capacity>) {
        let (mut found, mut rooms) = (Vec::new(), Vec::new());
        for change in Reader::new(self.client()).look(action).await {
            match change {
                Change::Dependency { dependency, .. } => found.push(*dependency),
                Change::Capacity { capacity, .. } => rooms.push(*capacity),
                other => panic!("{other:?}"),
            }
        }
        (found, rooms)
    }
}

fn service(name: &str) -> Action {
    Action::Inspect {
        job: JobKey::new("demo", "job"),
        namespace: "demo".to_owned(),
        service: name.to_owned(),
        target: format!("http://{name}"),
        within: Duration::from_secs(10),
    }
}

const FULL: &str = "0/1 nodes are available: 1 Insufficient cpu.";

fn pending(message: &str) -> Value {
    let condition =
        json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message});
    json!({"metadata": {"name": "db-0", "namespace": "demo", "labels": {"app": "db"}},
        "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "500m"}}}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}}]},
        "status": {"phase": "Pending", "conditions": [condition]}})
}

fn cluster(message: &str) -> Fake {
    let set = json!({"metadata": {"name": "db"}, "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "db"}},
        "template": {"metadata": {"labels": {"app": "db"}}}}});
    let node = json!({"metadata": {"name": "n1"}, "status": {"allocatable": {"cpu": "1"}, "conditions": [{"type": "Ready", "status": "True"}]}});
    let other = json!({"metadata": {"name": "other", "namespace": "kube-system"}, "spec": {"nodeName": "n1",
        "containers": [{"resources": {"requests": {"cpu": "900m"}}}]}, "status": {"phase": "Running"}});
    let items = |items: Vec<Value>| Answer::Items(items);
    Fake::default()
        .with(
            "/api/v1/namespaces/demo/services",
            items(vec![
                json!({"metadata": {"name": "db"}, "spec": {"selector": {"app": "db"}}}),
            ]),
        )
        .with(
            "/apis/discovery.k8s.io/v1/namespaces/demo/endpointslices",
            items(vec![]),
        )
        .with("/apis/apps/v1/namespaces/demo/statefulsets", items(vec![set]))
        .with("/api/v1/namespaces/demo/pods", items(vec![pending(message)]))
        .with("/api/v1/namespaces/demo/events", items(vec![]))
        .with("/api/v1/nodes", items(vec![node]))
        .with("/api/v1/pods", items(vec![other, pending(message)]))
}

#[tokio::test]
async fn the_room_of_a_pod_is_worked_out_and_shared() {
    let fake = cluster(FULL);
    let (found, rooms) = fake.look(service("db")).await;
    assert_eq!(found[0].workloads[0].pods.len(), 1);
    assert_eq!(
        rooms[0].rooms[0].arithmetic(),
        "node n1: 1 allocatable - 900m requested = 100m left < 500m asked"
    );
    let reader = Reader::new(fake.client());
    let before = fake.count("GET /api/v1/nodes");
    for _ in 0..5 {
        reader.look(service("db")).await;
    }
    assert_eq!(fake.count("GET /api/v1/nodes") - before, 1);
}

#[tokio::test]
async fn who_may_not_read_nodes_still_gets_the_chain() {
    let fake = cluster(FULL).with("/api/v1/nodes", Answer::Refused(403));
    let (found, rooms) = fake.look(service("db")).await;
    assert_eq!((found.len(), rooms.len()), (1, 0));
    assert_eq!(
        fake.count("GET /api/v1/pods"),
        0,
        "no Pod of the cluster is read in vain"
    );
}

#[tokio::test]
async fn who_may_read_one_namespace_alone_gets_an_upper_bound_or_nothing() {
    let fake = cluster(FULL).with("/api/v1/pods", Answer::Refused(403));
    let (_, rooms) = fake.look(service("db")).await;
    // By what may be read, the node has a whole core left: that proves no shortage.
    assert!(rooms.iter().all(|capacity| capacity.rooms.is_empty()));
}

#[tokio::test]
async fn a_claim_without_its_class_is_found_and_nothing_is_read_of_volumes_that_nobody_waits_for() {
    let claim = json!({"metadata": {"name": "data-db-0"}, "spec": {"storageClassName": "fast"}, "status": {"phase": "Pending"}});
    let unbound = "pod has unbound immediate PersistentVolumeClaims";
    let fake = cluster(unbound)
        .with(
            "/api/v1/namespaces/demo/persistentvolumeclaims",
            Answer::Items(vec![claim.clone()]),
        )
        .with("/apis/storage.k8s.io/v1/storageclasses", Answer::Items(vec![]));
    let (found, _) = fake.look(service("db")).await;
    let need = &found[0].workloads[0].needs[0];
    assert_eq!(
        (need.object.kind.as_str(), need.needs[0].object.name.as_str()),
        ("PersistentVolumeClaim", "fast")
    );
    assert_eq!(fake.count("/persistentvolumes/"), 0);
    // Not allowed to list classes: none is said to be missing.
    let fake = fake.with("/apis/storage.k8s.io/v1/storageclasses", Answer::Refused(403));
    let (found, _) = fake.look(service("db")).await;
    assert!(found[0].workloads[0].needs[0].needs.is_empty());
    // Not allowed to list claims: the Pod alone is left.
    let fake = fake.with(
        "/api/v1/namespaces/demo/persistentvolumeclaims",
        Answer::Refused(403),
    );
    let (found, _) = fake.look(service("db")).await;
    assert!(found[0].workloads[0].needs.is_empty());
}

#[tokio::test]
async fn a_cluster_without_the_kind_of_a_database_is_asked_once() {
    let fake = cluster(FULL);
    let reader = Reader::new(fake.client());
    for name in ["db", "db-rw", "pg-rw"] {
        reader.look(service(name)).await;
    }
    assert_eq!(fake.count("/apis/postgresql.cnpg.io/v1"), 1);
    let object = json!({"metadata": {"name": "pg"}, "spec": {"instances": 1}, "status": {"phase": "Setting up primary"}});
    let fake = cluster(FULL)
        .with(
            "/apis/postgresql.cnpg.io/v1",
            Answer::Object(json!({"resources": []})),
        )
        .with(
            "/apis/postgresql.cnpg.io/v1/namespaces/demo/clusters",
            Answer::Items(vec![object, json!({"spec": 7})]),
        );
    let (found, _) = fake.look(service("pg-rw")).await;
    assert_eq!(
        (found[0].exists, found[0].workloads[0].object.name.as_str()),
        (Some(false), "pg")
    );
    // There, and not to be read: quiet.
    let fake = fake.with(
        "/apis/postgresql.cnpg.io/v1/namespaces/demo/clusters",
        Answer::Refused(403),
    );
    let (found, _) = fake.look(service("pg-rw")).await;
    assert!(found[0].workloads.is_empty());
}

#[tokio::test]
async fn slices_that_may_not_be_read_are_not_said_to_be_empty() {
    let fake = cluster(FULL).with(
        "/apis/discovery.k8s.io/v1/namespaces/demo/endpointslices",
        Answer::Refused(403),
    );
    let (found, _) = fake.look(service("db")).await;
    assert_eq!((found[0].exists, found[0].ready), (Some(true), None));
    let fake = fake.with("/api/v1/namespaces/demo/services", Answer::Refused(403));
    let (found, _) = fake.look(service("db")).await;
    assert_eq!(found[0].exists, None);
}

fn kustomization(name: &str, ready: &str, on: &[&str]) -> Answer {
    let on: Vec<Value> = on.iter().map(|name| json!({"name": name})).collect();
    Answer::Object(
        json!({"metadata": {"name": name, "namespace": "flux-system"}, "spec": {"dependsOn": on},
        "status": {"conditions": [{"type": "Ready", "status": ready, "reason": "x", "message": "m"}]}}),
    )
}

#[tokio::test]
async fn kustomizations_are_followed_in_either_version_and_not_in_circles() {
    let path = |version: &str, name: &str| {
        format!("/apis/kustomize.toolkit.fluxcd.io/{version}/namespaces/flux-system/kustomizations/{name}")
    };
    let fake = Fake::default()
        .with(
            &path("v1", "apps"),
            kustomization("apps", "False", &["infra", "well", "gone"]),
        )
        .with(
            &path("v1beta2", "infra"),
            kustomization("infra", "False", &["crds", "apps"]),
        )
        .with(&path("v1", "crds"), kustomization("crds", "Unknown", &["infra"]))
        .with(&path("v1", "well"), kustomization("well", "True", &["crds"]));
    let action = Action::InspectKustomization {
        job: JobKey::new("demo", "job"),
        namespace: "flux-system".to_owned(),
        name: "apps".to_owned(),
    };
    let (found, _) = fake.look(action.clone()).await;
    assert_eq!((found.len(), found[1].object.name.as_str()), (2, "well"));
    assert_eq!(
        (
            found[0].object.name.as_str(),
            found[0].needs[0].object.name.as_str()
        ),
        ("infra", "crds")
    );
    assert!(found[0].needs[0].needs.is_empty());
    // No Flux, or no permission.
    assert!(Fake::default().look(action.clone()).await.0.is_empty());
    let fake = fake.with(&path("v1", "apps"), Answer::Refused(403));
    assert!(fake.look(action).await.0.is_empty());
}

#[tokio::test]
async fn what_a_release_has_installed_is_looked_at_where_it_goes() {
    let labels =
        json!({"helm.toolkit.fluxcd.io/name": "bp-db", "helm.toolkit.fluxcd.io/namespace": "flux-system"});
    let set = json!({"metadata": {"name": "db", "labels": labels}, "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "db"}}}});
    let fake = cluster(FULL).with(
        "/apis/apps/v1/namespaces/demo/statefulsets",
        Answer::Items(vec![set]),
    );
    let release = ObjectRef {
        kind: "HelmRelease".to_owned(),
        namespace: "flux-system".to_owned(),
        name: "bp-db".to_owned(),
    };
    let (found, rooms) = fake
        .look(Action::InspectRelease {
            job: JobKey::new("demo", "job"),
            release: release.clone(),
            namespace: "demo".to_owned(),
            helm: "db".to_owned(),
        })
        .await;
    assert_eq!(
        (&found[0].object, found[0].workloads.len(), rooms.len()),
        (&release, 1, 1)
    );
}

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/ns/leases";

fn lease(holder: &str) -> Answer {
    Answer::Object(json!({"metadata": {"name": "l", "resourceVersion": "1"},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15}}))
}

#[tokio::test]
async fn a_lease_is_taken_where_it_is_free_and_left_where_it_is_held() {
    let now = "2026-11-21T10:00:00Z".parse().unwrap();
    let one = format!("{LEASES}/l");
    for (held, expected) in [("", true), ("me", true), ("other", false)] {
        let fake = Fake::default().with(&one, lease(held));
        let mut lease = Lease::new(fake.client(), "ns", "l", "me");
        assert_eq!(lease.hold(now).await.unwrap(), expected, "{held}");
    }
}

#[tokio::test]
async fn a_lease_that_is_not_there_is_made_and_one_that_may_not_be_read_is_an_error() {
    let now = "2026-11-21T10:00:00Z".parse().unwrap();
    let fake = Fake::default().with(LEASES, Answer::Object(json!({})));
    assert!(
        Lease::new(fake.client(), "ns", "l", "me")
            .hold(now)
            .await
            .unwrap()
    );
    assert_eq!(fake.count(&format!("POST {LEASES}")), 1);
    // Somebody else was quicker.
    let fake = Fake::default().with(LEASES, Answer::Refused(409));
    assert!(
        !Lease::new(fake.client(), "ns", "l", "me")
            .hold(now)
            .await
            .unwrap()
    );
    for code in [403, 500] {
        let fake = Fake::default().with(&format!("{LEASES}/l"), Answer::Refused(code));
        assert!(
            Lease::new(fake.client(), "ns", "l", "me")
                .hold(now)
                .await
                .is_err(),
            "{code}"
        );
    }
}
