//! A cluster as two replicas of the exporter see it: what is told to one is told to both, and a restarted one is told
//! everything anew, as by an API server.

use std::net::SocketAddr;
use std::time::Duration;

use hookbudget::engine::Seconds;
use hookbudget::index::replay::Recording;
use hookbudget::index::{Change, Clock, Handle, Kind, LogKey, LogLine, Settings};
use hookbudget::metrics::{self, Selection};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json, value::RawValue};
use tokio::runtime::Runtime;

use super::programs::free_port;

/// How long a failed Job is told of after it is gone: half an hour at the pace of the rules.
const RETENTION: Seconds = Seconds::new(30);

/// One replica: its own index behind its own port.
struct Replica {
    port: u16,
    running: Option<(Runtime, Handle)>,
}

impl Replica {
    fn start(&mut self, past: &[Change], selection: Selection) {
        let runtime = Runtime::new().expect("a runtime");
        let started = Timestamp::now()
            .checked_sub(SignedDuration::from_hours(1))
            .expect("a time");
        let settings = Settings {
            retention: RETENTION,
            ..Settings::new(started)
        };
        let handle = Handle::new(settings, Clock::Real);
        let _ = handle.take_in(past.iter().cloned());
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind(address))
            .expect("its port");
        let router = metrics::router(handle.clone(), selection);
        runtime.spawn(async move { axum::serve(listener, router).await });
        let ticking = handle.clone();
        runtime.spawn(async move {
            loop {
                let _ = ticking.tick();
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        });
        self.running = Some((runtime, handle));
    }

    /// Connections end with it, as they do with a process.
    fn stop(&mut self) {
        if let Some((runtime, _)) = self.running.take() {
            runtime.shutdown_background();
        }
    }
}

/// The cluster.
pub(crate) struct Cluster {
    replicas: [Replica; 2],
    past: Vec<Change>,
    selection: Selection,
}

impl Cluster {
    /// The recorded incidents, as if they had ended now; the second failed Job is a copy of the first one that hangs on
    /// the same object.
    pub(crate) fn new() -> Self {
        Self::publishing(Selection::default())
    }

    /// The same, with exporters that publish these families alone.
    pub(crate) fn publishing(selection: Selection) -> Self {
        let recording = include_str!("../../src/cli/demo/recording.jsonl");
        let length = Recording::read(recording.as_bytes()).expect("the recording");
        let length = length.steps.last().map_or(Duration::ZERO, |(at, _)| *at);
        let length = SignedDuration::try_from(length).expect("a span");
        let start = Timestamp::now().checked_sub(length).expect("a time");
        let recording = Recording::read_moved_to(recording.as_bytes(), start).expect("the recording");
        let mut past: Vec<Change> = recording.unlisted().into_iter().map(Change::Absent).collect();
        for (_, change) in recording.steps {
            let text = serde_json::to_string(&change).expect("JSON");
            if text.contains("powerdns-zone-bootstrap") {
                let copy = text
                    .replace("powerdns-zone-bootstrap", "powerdns-zone-check")
                    .replace("a5d74370-3c27", "b5d74370-3c27");
                past.push(serde_json::from_str(&copy).expect("a change"));
            }
            past.push(change);
        }
        let mut cluster = Self {
            replicas: [0, 1].map(|_| Replica {
                port: free_port(),
                running: None,
            }),
            past,
            selection,
        };
        cluster.start();
        cluster
    }

    /// Where the replicas are scraped.
    pub(crate) fn targets(&self) -> [String; 2] {
        [0, 1].map(|which: usize| format!("127.0.0.1:{}", self.replicas[which].port))
    }

    pub(crate) fn start(&mut self) {
        for replica in &mut self.replicas {
            replica.start(&self.past, self.selection.clone());
        }
    }

    pub(crate) fn stop(&mut self) {
        for replica in &mut self.replicas {
            replica.stop();
        }
    }

    /// Tells both.
    pub(crate) fn tell(&mut self, changes: Vec<Change>) {
        for replica in &self.replicas {
            if let Some((_, handle)) = &replica.running {
                let _ = handle.take_in(changes.iter().cloned());
            }
        }
        self.past.extend(changes);
    }

    /// Deletes a Job and all that belongs to it. Who starts afterwards has never heard of it.
    pub(crate) fn delete(&mut self, namespace: &str, name: &str) {
        let about = |change: &Change| serde_json::to_string(change).expect("JSON").contains(name);
        let is_job =
            |change: &&Change| matches!(change, Change::Apply { kind: Kind::Job, .. }) && about(change);
        let uid = self.past.iter().rev().find(is_job).map(|change| match change {
            Change::Apply { object, .. } => {
                let object: Value = serde_json::from_str(object.get()).expect("JSON");
                object["metadata"]["uid"].clone()
            }
            _ => Value::Null,
        });
        let metadata = json!({"metadata": {"namespace": namespace, "name": name, "uid": uid}});
        let object = RawValue::from_string(metadata.to_string()).expect("JSON");
        self.tell(vec![Change::Gone {
            kind: Kind::Job,
            object,
        }]);
        self.past.retain(|change| !about(change));
    }

    pub(crate) fn job(&mut self, job: Job) {
        self.tell(job.changes());
    }
}

/// A Job of the test, and how it stands.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) namespace: &'static str,
    pub(crate) name: String,
    pub(crate) state: State,
    /// Its `CronJob`, where it has one.
    pub(crate) cron: Option<&'static str>,
    pub(crate) annotations: Value,
    /// `activeDeadlineSeconds`.
    pub(crate) deadline: u32,
    /// How long ago it began, in seconds.
    pub(crate) age: i64,
    /// Made anew under the name of one that was there before.
    pub(crate) again: bool,
}

/// How a Job stands.
#[derive(Clone)]
pub(crate) enum State {
    Waiting,
    Succeeded,
    /// A container ended with a reason and an exit code, its last lines of log before.
    Ended(&'static str, i32, &'static str),
    /// Its Pod never began: the reason and the message of the container.
    Held(&'static str, &'static str),
    /// Its Pod never began: the reason and the message of an event.
    Told(&'static str, &'static str),
    /// Nothing is left but the Job.
    Lost,
}

impl Job {
    pub(crate) fn new(namespace: &'static str, name: impl Into<String>, state: State) -> Self {
        Self {
            namespace,
            name: name.into(),
            state,
            cron: None,
            annotations: json!({"helm.sh/hook": "post-install"}),
            deadline: 300,
            age: 60,
            again: false,
        }
    }

    #[allow(clippy::too_many_lines)] // three objects, as an API server writes them
    fn changes(self) -> Vec<Change> {
        let now = Timestamp::now();
        let start = now
            .checked_sub(SignedDuration::from_secs(self.age))
            .expect("a time")
            .to_string();
        let now = now.to_string();
        let (namespace, name) = (self.namespace, &self.name);
        let (uid, pod) = if self.again {
            (format!("uid-2-{namespace}-{name}"), format!("{name}-z9q4d"))
        } else {
            (format!("uid-{namespace}-{name}"), format!("{name}-x7k2p"))
        };
        let condition = |kind: &str, reason: &str| json!([{"type": kind, "status": "True", "reason": reason, "message": "", "lastTransitionTime": now}]);
        let mut status = json!({"startTime": start});
        match self.state {
            State::Waiting => status["active"] = json!(1),
            State::Succeeded => {
                status["succeeded"] = json!(1);
                status["completionTime"] = json!(now);
                status["conditions"] = condition("Complete", "");
            }
            State::Held(..) | State::Told(..) => {
                status["failed"] = json!(1);
                status["conditions"] = condition("Failed", "DeadlineExceeded");
            }
            State::Ended(..) | State::Lost => {
                status["failed"] = json!(1);
                status["conditions"] = condition("Failed", "BackoffLimitExceeded");
            }
        }
        let mut metadata = json!({"name": name, "namespace": namespace, "uid": uid, "creationTimestamp": start,
            "annotations": self.annotations});
        let mut changes = Vec::new();
        if let Some(cron) = self.cron {
            metadata["ownerReferences"] = json!([{"apiVersion": "batch/v1", "kind": "CronJob", "name": cron,
                "uid": format!("cron-{cron}"), "controller": true}]);
            changes.push(apply(
                Kind::CronJob,
                &json!({"metadata": {"name": cron, "namespace": namespace, "uid": format!("cron-{cron}"), "creationTimestamp": start},
                    "spec": {"schedule": "0 2 * * *", "jobTemplate": {"spec": {"template": {"spec": {"containers": []}}}}}}),
            ));
        }
        let container = json!({"name": "c", "image": "busybox:1.36", "command": ["run"]});
        let spec = json!({"backoffLimit": 0, "activeDeadlineSeconds": self.deadline,
            "template": {"spec": {"restartPolicy": "Never", "containers": [container]}}});
        let statuses = |state: Value, phase: &str| json!({"phase": phase, "containerStatuses": [{"name": "c", "restartCount": 0, "state": state}]});
        let pod_status = match self.state {
            State::Lost => None,
            State::Waiting => Some(statuses(json!({"running": {"startedAt": start}}), "Running")),
            State::Succeeded => Some(statuses(
                json!({"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": start, "finishedAt": now}}),
                "Succeeded",
            )),
            State::Ended(reason, code, _) => Some(statuses(
                json!({"terminated": {"exitCode": code, "reason": reason, "startedAt": start, "finishedAt": now}}),
                "Failed",
            )),
            State::Held(reason, message) => Some(statuses(
                json!({"waiting": {"reason": reason, "message": message}}),
                "Pending",
            )),
            State::Told(..) => Some(statuses(
                json!({"waiting": {"reason": "ContainerCreating"}}),
                "Pending",
            )),
        };
        if let Some(status) = pod_status {
            changes.push(apply(
                Kind::Pod,
                &json!({"metadata": {"name": pod, "namespace": namespace, "uid": format!("pod-{uid}"), "creationTimestamp": start,
                        "labels": {"batch.kubernetes.io/job-name": name},
                        "ownerReferences": [{"kind": "Job", "name": name, "uid": uid, "controller": true}]},
                    "spec": {"nodeName": "node-1", "containers": [container]}, "status": status}),
            ));
        }
        if let State::Told(reason, message) = self.state {
            changes.push(apply(
                Kind::PodEvent,
                &json!({"metadata": {"name": format!("{pod}.1"), "namespace": namespace, "uid": format!("event-{uid}"), "creationTimestamp": start},
                    "involvedObject": {"kind": "Pod", "namespace": namespace, "name": pod, "uid": format!("pod-{uid}")},
                    "reason": reason, "message": message, "type": "Warning", "count": 3, "firstTimestamp": start, "lastTimestamp": now}),
            ));
        }
        if let State::Ended(_, _, line) = self.state {
            let log = LogKey {
                namespace: namespace.to_owned(),
                pod,
                container: "c".to_owned(),
                attempt: 0,
            };
            let lines = vec![LogLine {
                at: None,
                text: line.to_owned(),
            }];
            changes.push(Change::Log {
                log: log.clone(),
                lines,
            });
            changes.push(Change::LogEnd(log));
        }
        changes.push(apply(
            Kind::Job,
            &json!({"metadata": metadata, "spec": spec, "status": status}),
        ));
        changes
    }
}

fn apply(kind: Kind, object: &Value) -> Change {
    let object = RawValue::from_string(object.to_string()).expect("JSON");
    Change::Apply { kind, object }
}
