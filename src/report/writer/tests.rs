//! The writer against an API server in memory.

use std::sync::{Arc, Mutex};

use http::{Method, Request, Response, StatusCode};
use jiff::SignedDuration;
use kube::client::Body;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tower::BoxError;

use super::*;
use crate::index::{Change, Clock, Scope, Settings};

/// The code and message of a refusal; `None` is no answer.
type Refusal = Option<(u16, &'static str)>;

/// Holds what is written, refuses what it is told to.
#[derive(Default)]
struct Server {
    objects: BTreeMap<String, Value>,
    asked: Vec<String>,
    /// Where a method and path begins so, how often yet, and the answer.
    refused: Vec<(String, usize, Refusal)>,
}

impl Server {
    fn answer(&mut self, method: &Method, path: &str, body: Value) -> Result<(u16, Value), BoxError> {
        let asked = format!("{method} {path}");
        self.asked.push(asked.clone());
        let refuses = |(of, left, _): &&mut (String, usize, _)| *left > 0 && asked.starts_with(of.as_str());
        if let Some((_, left, answer)) = self.refused.iter_mut().find(refuses) {
            *left -= 1;
            let (code, message) = answer.ok_or("connection refused")?;
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
                "reason": "Forbidden", "message": message});
            return Ok((code, status));
        }
        Ok(match *method {
            Method::GET => {
                let items: Vec<_> = self.objects.values().collect();
                (200, json!({"kind": "List", "metadata": {}, "items": items}))
            }
            Method::DELETE => {
                self.objects.remove(path);
                (
                    200,
                    json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}),
                )
            }
            Method::PATCH => {
                let mut object = body;
                object["metadata"]["creationTimestamp"] = json!(at(0).to_string());
                self.objects.insert(path.to_owned(), object.clone());
                (200, object)
            }
            _ => (201, body),
        })
    }
}

#[derive(Clone, Default)]
struct Cluster(Arc<Mutex<Server>>);

impl Cluster {
    fn client(&self) -> Client {
        let server = Arc::clone(&self.0);
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = Arc::clone(&server);
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await?;
                let body = serde_json::from_slice(&body).unwrap_or_default();
                let (code, answer) =
                    server
                        .lock()
                        .expect("a server")
                        .answer(&parts.method, parts.uri.path(), body)?;
                let mut response = Response::new(Body::from(answer.to_string().into_bytes()));
                *response.status_mut() = StatusCode::from_u16(code)?;
                Ok::<_, BoxError>(response)
            }
        });
        Client::new(service, "default")
    }

    fn refuse(&self, of: &str, times: usize, answer: Refusal) {
        let mut server = self.0.lock().expect("a server");
        server.refused.push((of.to_owned(), times, answer));
    }

    fn allow(&self) {
        self.0.lock().expect("a server").refused.clear();
    }

    /// How often something that begins so was asked for.
    fn count(&self, of: &str) -> usize {
        let server = self.0.lock().expect("a server");
        server.asked.iter().filter(|asked| asked.starts_with(of)).count()
    }

    fn objects(&self) -> Vec<Value> {
        self.0
            .lock()
            .expect("a server")
            .objects
            .values()
            .cloned()
            .collect()
    }

    /// A writer that has not read yet, and does not wait long.
    fn writer(&self, index: &Handle, per_owner: usize) -> Reports {
        let settings = ReportSettings {
            per_owner,
            age: SignedDuration::from_hours(7 * 24),
        };
        let store = Store::new(self.client(), Scope::CLUSTER);
        let mut reports = Reports::new(self.client(), store, None, index.clone(), settings);
        reports.patience = Patience {
            first: Duration::from_millis(1),
            grace: Duration::from_millis(20),
        };
        reports
    }
}

const JOBS: &str = "/apis/hookbudget.dev/v1alpha1";

fn at(seconds: i64) -> Timestamp {
    let start: Timestamp = "2026-11-21T10:00:00Z".parse().expect("a time");
    start
        .checked_add(SignedDuration::from_secs(seconds))
        .expect("a time")
}

fn index() -> Handle {
    Handle::new(Settings::new(at(0)), Clock::standing_at(at(100)))
}

fn list(index: &Handle, jobs: &[Value]) {
    list_but(index, jobs, None);
}

/// The lists of all kinds but one.
fn list_but(index: &Handle, jobs: &[Value], missing: Option<Kind>) {
    let now = index.clock().now();
    index.with(|index| {
        for kind in Kind::ALL.into_iter().filter(|kind| Some(*kind) != missing) {
            let objects = if kind == Kind::Job { jobs } else { &[] };
            let text = |object: &Value| RawValue::from_string(object.to_string()).expect("JSON");
            let raw: Vec<_> = objects.iter().map(text).collect();
            index.reset(kind, &raw, now);
        }
        index.settle(now);
    });
}

/// The Job of a `CronJob`, which failed `second` seconds in.
fn failed(namespace: &str, name: &str, second: i64) -> Value {
    json!({"metadata": {"name": name, "namespace": namespace, "uid": format!("{second:08}-{name}"),
            "creationTimestamp": at(0).to_string(), "ownerReferences": [{"apiVersion": "batch/v1", "kind": "CronJob",
                "name": "backup", "uid": "cron-uid", "controller": true}]},
        "spec": {"backoffLimit": 2, "template": {"spec": {"restartPolicy": "OnFailure",
            "containers": [{"name": "c0", "image": "alpine:3.22", "command": ["backup"]}]}}},
        "status": {"startTime": at(0).to_string(), "failed": 1, "conditions": [{"type": "Failed", "status": "True",
            "reason": "BackoffLimitExceeded", "lastTransitionTime": at(second).to_string()}]}})
}

/// Writes what was captured of a Job before a restart: its container ran out of memory.
async fn captured(cluster: &Cluster) {
    let index = index();
    list(&index, &[]);
    let pod = json!({"metadata": {"name": "backup-1-abcde", "namespace": "shop", "uid": "pod-uid",
            "creationTimestamp": at(0).to_string(), "labels": {"batch.kubernetes.io/job-name": "backup-1"}},
        "spec": {"nodeName": "node-1", "containers": [{"name": "c0", "image": "alpine:3.22"}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "c0", "restartCount": 1, "ready": false,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
            "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled",
                "startedAt": at(1).to_string(), "finishedAt": at(9).to_string()}}}]}});
    index.with(|index| {
        let mut running = failed("shop", "backup-1", 40);
        running["status"] = json!({"startTime": at(0).to_string(), "active": 1});
        index.apply(Kind::Job, &running.to_string(), at(0));
        index.apply(Kind::Pod, &pod.to_string(), at(10));
        index.apply(Kind::Job, &failed("shop", "backup-1", 40).to_string(), at(40));
        index.settle(at(41));
    });
    let mut reports = cluster.writer(&index, 10);
    reports.read_back(&Shutdown::manual().1).await;
    reports.write(true).await;
    assert_eq!(causes(cluster), ["oom_killed"]);
    cluster.0.lock().expect("a server").asked.clear();
}

fn causes(cluster: &Cluster) -> Vec<Value> {
    let objects = cluster.objects();
    let causes = objects
        .iter()
        .map(|object| object["report"]["root_cause"].clone());
    causes.collect()
}

fn available(index: &Handle) -> Option<bool> {
    index.with(|index| index.reports().available)
}

#[tokio::test]
async fn what_was_captured_is_read_back_however_late_the_api_server_answers() {
    let cluster = Cluster::default();
    captured(&cluster).await;
    let index = index();
    cluster.refuse("GET", 7, None);
    let mut reports = cluster.writer(&index, 10);
    reports.read_back(&Shutdown::manual().1).await;
    assert_eq!(cluster.count("GET"), 8);
    assert_eq!(available(&index), Some(true));
    list(&index, &[failed("shop", "backup-1", 40)]);
    reports.write(true).await;
    assert_eq!(causes(&cluster), ["oom_killed"]);
    assert_eq!(cluster.count("POST"), 0, "it has been told before");
}

#[tokio::test]
async fn a_wait_for_the_api_server_ends_with_the_process() {
    let (cluster, index) = (Cluster::default(), index());
    cluster.refuse("GET", usize::MAX, None);
    let (trigger, shutdown) = Shutdown::manual();
    let mut reports = cluster.writer(&index, 10);
    let reading = async {
        reports.read_back(&shutdown).await;
        reports.run(shutdown.clone()).await;
    };
    let end = async {
        sleep(Duration::from_millis(50)).await;
        list(&index, &[failed("shop", "backup-1", 40)]);
        trigger.request();
    };
    tokio::join!(reading, end);
    assert_eq!(cluster.count("PATCH") + cluster.count("POST"), 0);
}

#[tokio::test]
async fn what_is_read_after_the_first_list_is_not_written_over_with_less() {
    for answer in [
        (403, "jobdiagnoses is forbidden"),
        (503, "the list cannot be had"),
    ] {
        let cluster = Cluster::default();
        captured(&cluster).await;
        let index = index();
        cluster.refuse("GET", usize::MAX, Some(answer));
        let mut reports = cluster.writer(&index, 10);
        // The watches begin in spite of it.
        reports.read_back(&Shutdown::manual().1).await;
        let others = [failed("shop", "backup-1", 40), failed("shop", "backup-2", 50)];
        list(&index, &others);
        reports.read_late().await;
        assert!(!reports.has_read, "{answer:?}");
        assert_eq!(available(&index), Some(false), "{answer:?}");
        // The pause is over, and the reason is gone.
        cluster.allow();
        reports.paused = None;
        reports.read_late().await;
        reports.write(true).await;
        assert_eq!(causes(&cluster), ["oom_killed", "evidence_lost"], "{answer:?}");
        assert_eq!(cluster.count("PATCH"), 1, "{answer:?}");
        assert_eq!(available(&index), Some(true), "{answer:?}");
    }
}

#[tokio::test]
async fn a_namespace_that_refuses_does_not_hold_up_the_others() {
    let quota = "jobdiagnoses.hookbudget.dev \"x\" is forbidden: exceeded quota: objects";
    for answer in [(403, quota), (500, "failed calling webhook \"policy\": timeout")] {
        let (cluster, index) = (Cluster::default(), index());
        list(
            &index,
            &[
                failed("a", "backup-1", 40),
                failed("a", "backup-2", 41),
                failed("b", "backup-1", 40),
            ],
        );
        let mut reports = cluster.writer(&index, 10);
        reports.read_back(&Shutdown::manual().1).await;
        let of_a = format!("{JOBS}/namespaces/a/");
        cluster.refuse(&format!("PATCH {of_a}"), usize::MAX, Some(answer));
        reports.write(false).await;
        reports.write(false).await;
        assert_eq!(
            cluster.count(&format!("PATCH {of_a}")),
            1,
            "tried again after a pause: {answer:?}"
        );
        let objects = cluster.objects();
        assert_eq!(objects.len(), 1, "{answer:?}");
        assert_eq!(objects[0]["metadata"]["namespace"], "b", "{answer:?}");
        assert_eq!(available(&index), Some(true), "{answer:?}");
        assert!(reports.paused.is_none(), "{answer:?}");
        // The pause is over, and the reason is gone.
        cluster.allow();
        let long_ago = Instant::now().checked_sub(PAUSE * 2).expect("a time");
        reports.held.values_mut().for_each(|since| *since = long_ago);
        reports.write(false).await;
        assert_eq!(cluster.objects().len(), 3, "{answer:?}");
        assert!(reports.held.is_empty(), "{answer:?}");
    }
}

#[tokio::test]
async fn a_namespace_with_many_jobs_keeps_no_other_waiting() {
    let (cluster, index) = (Cluster::default(), index());
    let of_a = (0..5).map(|number| failed("a", &format!("backup-{number}"), 40));
    let jobs: Vec<Value> = of_a
        .chain([failed("b", "backup", 40), failed("c", "backup", 40)])
        .collect();
    list(&index, &jobs);
    let mut reports = cluster.writer(&index, 10);
    reports.read_back(&Shutdown::manual().1).await;
    reports.write(false).await;
    let asked = cluster.0.lock().expect("a server").asked.clone();
    let namespaces: Vec<&str> = asked
        .iter()
        .filter_map(|asked| {
            asked
                .strip_prefix("PATCH ")?
                .strip_prefix(JOBS)?
                .split('/')
                .nth(2)
        })
        .collect();
    assert_eq!(namespaces, ["a", "b", "c", "a", "a", "a", "a"]);
}

#[tokio::test]
async fn diagnoses_cannot_be_kept_when_every_namespace_refuses() {
    let (cluster, index) = (Cluster::default(), index());
    list(
        &index,
        &[failed("a", "backup-1", 40), failed("b", "backup-1", 40)],
    );
    let mut reports = cluster.writer(&index, 10);
    reports.read_back(&Shutdown::manual().1).await;
    assert_eq!(available(&index), Some(true));
    cluster.refuse("PATCH", usize::MAX, Some((403, "jobdiagnoses is forbidden")));
    reports.write(false).await;
    assert_eq!(cluster.count("PATCH"), 2);
    assert_eq!(available(&index), Some(false));
}

#[tokio::test]
async fn what_was_pruned_is_not_written_and_told_again() {
    let (cluster, index) = (Cluster::default(), index());
    let names: Vec<String> = (10..23).map(|number| format!("backup-{number}")).collect();
    let jobs: Vec<Value> = names
        .iter()
        .zip(40..)
        .map(|(name, second)| failed("shop", name, second))
        .collect();
    let mut reports = cluster.writer(&index, 10);
    reports.read_back(&Shutdown::manual().1).await;
    list(&index, &jobs[..10]);
    reports.write(true).await;
    list(&index, &jobs);
    for _ in 0..3 {
        reports.write(true).await;
        reports.prune().await;
    }
    assert_eq!(
        (
            cluster.count("PATCH"),
            cluster.count("POST"),
            cluster.count("DELETE")
        ),
        (13, 13, 3)
    );
    let left = cluster.objects();
    assert_eq!(left.len(), 10);
    assert!(
        left.iter()
            .all(|object| object["report"]["job"]["name"].as_str() > Some("backup-12")),
        "the newest are kept"
    );
    // After a restart the three are as old as they were.
    let mut after = cluster.writer(&index, 10);
    after.read_back(&Shutdown::manual().1).await;
    after.known.values_mut().for_each(|known| known.created = at(90));
    after.write(true).await;
    after.prune().await;
    assert_eq!(cluster.objects(), left);
    // Nothing is remembered of what the index does not hold any more.
    assert_eq!(reports.known.len(), 13);
    index.clock().set(at(100_000));
    list(&index, &[]);
    let now = index.clock().now().checked_add(SignedDuration::from_hours(2));
    index.with(|index| index.tick(now.expect("a time")));
    reports.prune().await;
    assert_eq!(reports.known.len(), 10);
}

#[tokio::test]
async fn what_was_pruned_for_its_age_is_not_written_again() {
    let (cluster, index) = (Cluster::default(), index());
    let mut job = failed("shop", "migrate", 40);
    job["metadata"]["ownerReferences"] = json!([]);
    list(&index, &[job]);
    let mut reports = cluster.writer(&index, 10);
    reports.read_back(&Shutdown::manual().1).await;
    reports.write(true).await;
    reports.settings.age = SignedDuration::from_secs(30);
    for _ in 0..3 {
        reports.prune().await;
        reports.write(true).await;
    }
    assert_eq!(
        (
            cluster.count("PATCH"),
            cluster.count("POST"),
            cluster.count("DELETE")
        ),
        (1, 1, 1)
    );
}

#[tokio::test]
async fn what_was_written_longest_ago_is_written_next() {
    let (cluster, index) = (Cluster::default(), index());
    let jobs = ["attic", "shop", "yard"].map(|namespace| failed(namespace, &format!("of-{namespace}"), 40));
    list(&index, &jobs);
    let mut reports = cluster.writer(&index, 10);
    reports.read_back(&Shutdown::manual().1).await;
    reports.write(false).await;
    let snapshot = index.snapshot();
    let order = |reports: &Reports| -> Vec<String> {
        let due = in_turns(&snapshot.jobs, &reports.held, &reports.known);
        due.map(|(job, _)| job.key.namespace.to_string()).collect()
    };
    assert_eq!(order(&reports), ["attic", "shop", "yard"]);
    // The first one goes on changing, and another one was never written.
    for known in reports.known.values_mut() {
        match &*known.job.namespace {
            "attic" => known.written = Some(Instant::now()),
            "yard" => known.written = None,
            _ => {}
        }
    }
    assert_eq!(order(&reports), ["yard", "shop", "attic"]);
    // One that refuses comes last, however long ago it was written.
    reports.held.insert("yard".into(), Instant::now());
    assert_eq!(order(&reports), ["shop", "attic", "yard"]);
}

#[test]
fn what_fails_for_one_object_does_not_hold_up_the_others() {
    let of = |status: &str| {
        let status = serde_json::from_str(status).expect("a status");
        refused(&Error::Api(Box::new(status)))
    };
    // As the API server answers a write into a namespace that is gone.
    let gone = r#"{"kind": "Status", "code": 404, "reason": "NotFound", "message": "namespaces \"shop\" not found",
        "details": {"name": "shop", "kind": "namespaces"}}"#;
    let goes = r#"{"code": 403, "reason": "Forbidden", "message": "jobdiagnoses.hookbudget.dev \"x\" is forbidden: unable to create new content in namespace shop because it is being terminated"}"#;
    let no_kind = r#"{"code": 404, "reason": "NotFound", "message": "the server could not find the requested resource"}"#;
    let forbidden =
        r#"{"code": 403, "reason": "Forbidden", "message": "jobdiagnoses.hookbudget.dev is forbidden"}"#;
    let webhook = r#"{"code": 500, "reason": "InternalError", "message": "failed calling webhook \"x\": context deadline exceeded"}"#;
    let invalid = r#"{"code": 422, "reason": "Invalid", "message": "report: Invalid value"}"#;
    for (status, expected) in [
        (gone, Refused::Gone),
        (goes, Refused::Gone),
        (invalid, Refused::Object),
        (no_kind, Refused::All),
        (forbidden, Refused::Namespace),
        (webhook, Refused::Namespace),
    ] {
        assert_eq!(of(status), expected, "{status}");
    }
}

#[tokio::test]
async fn a_first_list_that_does_not_come_holds_up_what_is_written_for_a_minute_at_most() {
    const FAILS: Option<bool> = Some(false);
    const FORBIDDEN: Option<bool> = Some(true);
    for (missing, says, seconds, written) in [
        (Kind::HelmRelease, None, 59, 0),
        (Kind::HelmRelease, None, 60, 1),
        (Kind::Kustomization, FAILS, 59, 0),
        (Kind::Kustomization, FAILS, 60, 1),
        (Kind::CronJob, FORBIDDEN, 0, 1),
        (Kind::PodEvent, FAILS, 59, 0),
        (Kind::PodEvent, FAILS, 60, 1),
        // Without its Pods a Job that lost them would be told of as one that left no evidence.
        (Kind::Pod, None, 600, 0),
    ] {
        let (cluster, index) = (Cluster::default(), index());
        let mut reports = cluster.writer(&index, 10);
        reports.read_back(&Shutdown::manual().1).await;
        list_but(&index, &[failed("shop", "backup-1", 40)], Some(missing));
        if let Some(forbidden) = says {
            let kind = missing;
            let _ = index.take_in([Change::Interrupted { kind, forbidden }]);
        }
        index.clock().set(at(100 + seconds));
        let _ = index.tick();
        reports.write(false).await;
        let count = cluster.count("PATCH");
        assert_eq!(count, written, "{missing:?} {says:?} {seconds}");
        // What has been listed once is not waited for again.
        let _ = index.take_in([Change::End(missing), Change::Begin(missing)]);
        let kind = missing;
        let _ = index.take_in([Change::Interrupted {
            kind,
            forbidden: false,
        }]);
        reports.write(false).await;
        assert_eq!(cluster.count("PATCH"), 1, "{missing:?} {says:?} {seconds}");
    }
}

#[tokio::test]
async fn a_failure_that_is_transient_no_more_is_written_and_not_told_again() {
    let (cluster, index) = (Cluster::default(), index());
    let dependency = json!({"object": {"kind": "Service", "namespace": "shop", "name": "db"}, "exists": true,
        "ready": 0, "created": at(0).to_string()});
    list(&index, &[failed("shop", "backup-1", 40)]);
    let _ = index.take_in([Change::Dependency {
        job: JobKey::new("shop", "backup-1"),
        dependency: Box::new(serde_json::from_value(dependency).expect("a dependency")),
        events: Vec::new(),
    }]);
    let mut reports = cluster.writer(&index, 10);
    reports.read_back(&Shutdown::manual().1).await;
    for (second, verdict, written) in [
        (100, "transient", 1),
        (598, "transient", 1),
        (600, "real", 2),
        (602, "real", 2),
    ] {
        index.clock().set(at(second));
        let _ = index.tick();
        reports.write(true).await;
        let report = &cluster.objects()[0]["report"];
        assert_eq!(report["verdict"], verdict, "{second}");
        assert_eq!(cluster.count("PATCH"), written, "{second}");
    }
    assert_eq!(cluster.count("POST"), 1, "the cause is no news");
}
