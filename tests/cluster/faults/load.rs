//! A steady load of Job creations, half of them safe and half unsafe, and what became of each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hookbudget::tls::install_provider;
use k8s_openapi::api::batch::v1::Job;
use kube::api::{Api, PostParams};
use kube::{Client, Error};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::place::LOAD_NAMESPACE;

/// Longer than the API server waits for both webhooks together.
const PATIENCE: Duration = Duration::from_secs(30);

/// What became of one creation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Safe, created, and with the budget in its environment.
    Passed,
    /// Safe and created, but the mutating webhook had no part in it.
    Unseen,
    /// Safe, and not created.
    Failed(String),
    /// Unsafe, and denied with the rule's name.
    Denied,
    /// Unsafe, and refused because the webhook could not be asked.
    Refused,
    /// Unsafe, and created.
    Allowed,
    /// The API server itself was not there to ask.
    Away,
}

/// One creation.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) asked: Instant,
    pub(super) answered: Instant,
    pub(super) outcome: Outcome,
}

/// Creates Jobs at a fixed rate until it is ended, however long each takes.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Event>>,
}

impl Load {
    /// Starts to create `rate` Jobs a second.
    pub(super) fn start(rate: u32) -> Self {
        install_provider();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(drive(rate, &stopped))
        });
        Self { stop, thread }
    }

    /// Ends it, and waits for the last answers.
    pub(super) fn end(self) -> Vec<Event> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the load ran")
    }
}

async fn drive(rate: u32, stopped: &AtomicBool) -> Vec<Event> {
    let client = Client::try_default().await.expect("a kubeconfig");
    let api: Api<Job> = Api::namespaced(client, LOAD_NAMESPACE);
    let mut ticks = interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut tasks, mut safe) = (JoinSet::new(), false);
    while !stopped.load(Ordering::Relaxed) {
        ticks.tick().await;
        safe = !safe;
        tasks.spawn(create(api.clone(), safe));
    }
    tasks.join_all().await
}

async fn create(api: Api<Job>, safe: bool) -> Event {
    let asked = Instant::now();
    let answer = timeout(PATIENCE, api.create(&PostParams::default(), &job(safe))).await;
    let outcome = match answer {
        Ok(Ok(created)) => created_as(&created, safe),
        Ok(Err(error)) => refused_as(&error, safe),
        Err(_) => Outcome::Failed(format!("no answer within {PATIENCE:?}")),
    };
    Event {
        asked,
        answered: Instant::now(),
        outcome,
    }
}

fn created_as(job: &Job, safe: bool) -> Outcome {
    if !safe {
        return Outcome::Allowed;
    }
    let pod = job.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    let mut env = pod
        .into_iter()
        .flat_map(|pod| &pod.containers)
        .flat_map(|c| c.env.iter().flatten());
    if env.any(|entry| entry.name == "HOOKBUDGET_DEADLINE_SECONDS") {
        Outcome::Passed
    } else {
        Outcome::Unseen
    }
}

fn refused_as(error: &Error, safe: bool) -> Outcome {
    let Error::Api(status) = error else {
        return Outcome::Away;
    };
    let unreachable = status.message.contains("failed calling webhook");
    let denied = status.message.contains("denied the request");
    match (safe, unreachable, denied) {
        (false, true, _) => Outcome::Refused,
        (false, _, true) => Outcome::Denied,
        // While it starts or ends, and when it is overloaded.
        (_, false, false) if status.code >= 429 || status.message.contains("not yet ready") => Outcome::Away,
        _ => Outcome::Failed(status.message.clone()),
    }
}

/// Suspended, so that the load is one of creations and of nothing else.
fn job(safe: bool) -> Job {
    let value = if safe {
        json!({"apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"generateName": "safe-", "annotations": {"helm.sh/hook": "test"}},
            "spec": {"suspend": true, "backoffLimit": 0, "activeDeadlineSeconds": 60, "template": {"spec": {
                "restartPolicy": "Never",
                "containers": [{"name": "main", "image": "busybox:1", "command": ["true"]}]}}}})
    } else {
        // Its restarts are its wait loop, and end long before its deadline: HB101.
        json!({"apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"generateName": "unsafe-", "annotations": {"helm.sh/hook": "post-install"}},
            "spec": {"suspend": true, "backoffLimit": 6, "activeDeadlineSeconds": 840, "template": {"spec": {
                "restartPolicy": "OnFailure",
                "containers": [{"name": "main", "image": "curlimages/curl:8.11.1", "command": ["sh", "-c",
                    "curl -sSf -X POST http://powerdns:8081/api/v1/servers/localhost/zones"]}]}}}})
    };
    serde_json::from_value(value).expect("a Job")
}
