//! What the cluster does while an incident is played: its Pods and Jobs as a watch tells them, for the timeline. A Pod
//! under `OnFailure` is gone when its Job has failed, so that nothing can be asked afterwards.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::Value;

/// One state of an object.
#[derive(Clone)]
struct Change {
    at: Timestamp,
    deleted: bool,
    object: Value,
}

/// Everything that was seen since the start.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Change>>>);

impl Seen {
    fn push(&self, change: Change) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(change);
    }

    fn of(&self, namespace: &str) -> Vec<Change> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let here = all
            .iter()
            .filter(|change| change.object["metadata"]["namespace"] == namespace);
        here.cloned().collect()
    }
}

/// A run of a container.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) pod: String,
    pub(super) container: String,
    pub(super) start: Timestamp,
    /// Absent while it runs.
    pub(super) end: Option<Timestamp>,
    /// Absent where the Pod went while it ran.
    pub(super) exit: Option<i64>,
}

/// The watches of one cluster; they end with it.
pub(super) struct Watch {
    pods: Seen,
    jobs: Seen,
    children: Vec<Child>,
}

impl Watch {
    pub(super) fn start() -> Self {
        let (pods, jobs) = (Seen::default(), Seen::default());
        let children = vec![follow("pods", pods.clone()), follow("jobs", jobs.clone())];
        Self { pods, jobs, children }
    }

    /// The runs of a Job's containers, in the order of their start.
    pub(super) fn runs(&self, namespace: &str, job: &str) -> Vec<Run> {
        let label = "batch.kubernetes.io/job-name";
        let mine = self.pods.of(namespace);
        let mine = mine
            .iter()
            .filter(|change| change.object["metadata"]["labels"][label] == job);
        let mut runs: BTreeMap<(Timestamp, String, String), Run> = BTreeMap::new();
        for change in mine {
            let pod = text(&change.object["metadata"]["name"]);
            for field in ["initContainerStatuses", "containerStatuses"] {
                let statuses = change.object["status"][field].as_array();
                for status in statuses.into_iter().flatten() {
                    for run in runs_of(&pod, status) {
                        let key = (run.start, run.pod.clone(), run.container.clone());
                        let known = runs.entry(key).or_insert_with(|| run.clone());
                        // What was seen to end is not made to run again by an older state.
                        if run.end.is_some() {
                            *known = run;
                        }
                    }
                }
            }
            if change.deleted {
                let open = runs
                    .values_mut()
                    .filter(|run| run.pod == pod && run.end.is_none());
                open.for_each(|run| run.end = Some(change.at));
            }
        }
        runs.into_values().collect()
    }

    /// Since when a Pod with this `app` label is ready.
    pub(super) fn ready(&self, namespace: &str, app: &str) -> Option<Timestamp> {
        let pods = self.pods.of(namespace);
        let mut pods = pods
            .iter()
            .filter(|change| change.object["metadata"]["labels"]["app"] == app);
        pods.find_map(|change| condition(&change.object, "Ready"))
    }

    /// When a Job got a condition; also of one that is gone.
    pub(super) fn condition(&self, namespace: &str, job: &str, name: &str) -> Option<Timestamp> {
        let jobs = self.jobs.of(namespace);
        let mut jobs = jobs
            .iter()
            .filter(|change| change.object["metadata"]["name"] == job);
        jobs.find_map(|change| condition(&change.object, name))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for child in &mut self.children {
            // It may be gone already; then there is nothing to end.
            _ = child.kill();
            _ = child.wait();
        }
    }
}

/// Follows a kind in all namespaces.
fn follow(kind: &str, seen: Seen) -> Child {
    let arguments = [
        "get",
        kind,
        "-A",
        "--watch",
        "--output-watch-events",
        "-o",
        "json",
    ];
    let mut child = Command::new("kubectl")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("kubectl starts");
    let stream = child.stdout.take().expect("a pipe");
    std::thread::spawn(move || {
        let events = serde_json::Deserializer::from_reader(std::io::BufReader::new(stream));
        for event in events.into_iter::<Value>() {
            // The end of the test cuts the last one short.
            let Ok(mut event) = event else { return };
            let mut object = event["object"].take();
            if let Some(object) = object.as_object_mut() {
                object.remove("spec");
            }
            seen.push(Change {
                at: Timestamp::now(),
                deleted: event["type"] == "DELETED",
                object,
            });
        }
    });
    child
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

fn condition(object: &Value, name: &str) -> Option<Timestamp> {
    let conditions = object["status"]["conditions"].as_array()?;
    let found = conditions
        .iter()
        .find(|one| one["type"] == name && one["status"] == "True")?;
    time(&found["lastTransitionTime"])
}

/// The runs that one state of a container tells: the present one and the one before.
fn runs_of(pod: &str, status: &Value) -> impl Iterator<Item = Run> {
    let of = |state: &Value, start: Timestamp| Run {
        pod: pod.to_owned(),
        container: text(&status["name"]),
        start,
        end: time(&state["finishedAt"]),
        exit: state["exitCode"].as_i64(),
    };
    let states = [
        &status["lastState"]["terminated"],
        &status["state"]["terminated"],
        &status["state"]["running"],
    ];
    let runs = states.map(|state| time(&state["startedAt"]).map(|start| of(state, start)));
    runs.into_iter().flatten()
}
