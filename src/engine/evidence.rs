//! What is known of a Job that waits or has failed: everything that a diagnosis may rest on, gathered while it
//! exists. Plain data that can be written down as JSON and judged again later.
//!
//! Times are the cluster's own; texts are expected to be redacted ([`super::progress::redact`]) before they get
//! here.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Seconds;
use super::capacity::Capacity;
use super::job::{Origin, RestartPolicy};
use super::root_cause::RootCause;
use super::shell::Target;

/// Everything that is known of one Job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// The Job itself.
    pub job: JobRecord,
    /// Its Pods, those that are gone included, in the last form in which they were seen.
    pub pods: Vec<PodRecord>,
    /// Events about the Job, its Pods, its owner and the objects of the dependency chain.
    pub events: Vec<EventRecord>,
    /// The ends of the logs, one per container run.
    pub logs: Vec<LogTail>,
    /// The waits that the Job's scripts contain.
    pub waits: Vec<WaitRecord>,
    /// What its scripts fetch from outside the cluster.
    pub downloads: Vec<DownloadRecord>,
    /// What the Job waits for, as it stands in the cluster.
    pub dependencies: Vec<Dependency>,
    /// Objects that a signature of the policy matches.
    pub signatures: Vec<SignatureHit>,
    /// The room that Pods ask for and do not find, and who should make it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Capacity>,
    /// The last failed run of the same owner, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousRun>,
    /// What could not be had.
    pub lost: Vec<Lost>,
}

/// A failed run of the same owner before this one, and what it failed at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousRun {
    /// The Job.
    pub job: String,
    /// When it ended.
    pub ended: Timestamp,
    /// What it failed of.
    pub root_cause: RootCause,
    /// The object that it failed at.
    pub culprit: Option<ObjectRef>,
}

/// Names an object of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct ObjectRef {
    /// `Job`, `Pod`, `Service`, `Cluster`.
    pub kind: String,
    /// The namespace; empty for what has none.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// The Job: its spec as far as its clocks go, and its status.
#[derive(Clone, Debug, Default, PartialEq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct JobRecord {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
    /// The object that owns it in the user's eyes: `CronJob`, `HelmRelease`, `Application`.
    pub owner: Option<ObjectRef>,
    /// Who brings the Job into the cluster.
    pub origin: Origin,
    /// `post-install` and the like.
    pub hooks: Vec<String>,
    /// Pod-level restart policy.
    pub restart_policy: RestartPolicy,
    /// `spec.backoffLimit`.
    pub backoff_limit: Option<u32>,
    /// `spec.activeDeadlineSeconds`.
    pub deadline: Option<Seconds>,
    /// `metadata.creationTimestamp`.
    pub created: Option<Timestamp>,
    /// `status.startTime`: what the deadline counts from.
    pub started: Option<Timestamp>,
    /// When the object was deleted, if it was.
    pub deleted: Option<Timestamp>,
    /// `status.conditions`.
    pub conditions: Vec<Condition>,
    /// `status.active`.
    pub active: u32,
    /// `status.failed`.
    pub failed: u32,
    /// `status.succeeded`.
    pub succeeded: u32,
    /// `spec.suspend`.
    pub suspended: bool,
    /// `hookbudget.dev/parked`: stopped on purpose, with the reason.
    pub parked: Option<String>,
    /// The release that waits for the Job.
    pub release: Option<Box<ReleaseRecord>>,
    /// The clocks, computed from the spec.
    pub clocks: Clocks,
}

/// The Helm release, Flux or Argo CD object that waits for the Job.
#[derive(Clone, Debug, Default, PartialEq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct ReleaseRecord {
    /// The object, where one was found.
    pub object: Option<ObjectRef>,
    /// How long it waits for this Job, from the Job's creation.
    pub timeout: Option<Seconds>,
    /// Where the timeout comes from: `HelmRelease flux-system/x spec.install.timeout`, `assumed default`.
    pub timeout_source: String,
    /// True when no object states a timeout that is the end of the Job's release.
    pub assumed: bool,
    /// When the release was seen to give up on the Job.
    pub gave_up: Option<Timestamp>,
    /// What the release said then.
    pub message: String,
}

/// The Job's clocks in seconds; an absent one is unknown or without end.
#[derive(Clone, Debug, Default, PartialEq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Clocks {
    /// What the script's own waits take when every probe answers at once.
    pub wait_nominal: Option<Seconds>,
    /// What they take when every probe hangs to its limit.
    pub wait_worst: Option<Seconds>,
    /// The earliest end of all retries.
    pub retries_lower: Option<Seconds>,
    /// The latest end of all retries.
    pub retries_upper: Option<Seconds>,
}

/// A condition of a Job, a Pod or another object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Condition {
    /// `Failed`, `FailureTarget`, `PodScheduled`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// A word such as `BackoffLimitExceeded`.
    pub reason: String,
    /// A sentence.
    pub message: String,
    /// `lastTransitionTime`.
    pub at: Option<Timestamp>,
}

/// A Pod, in the last form in which it was seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PodRecord {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
    /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
    pub phase: String,
    /// `status.reason`, such as `Evicted`.
    pub reason: String,
    /// `status.message`.
    pub message: String,
    /// The node, once it is bound to one.
    pub node: Option<String>,
    /// `metadata.creationTimestamp`.
    pub created: Option<Timestamp>,
    /// `metadata.deletionTimestamp`, or when it was seen to be gone.
    pub deleted: Option<Timestamp>,
    /// `status.conditions`.
    pub conditions: Vec<Condition>,
    /// Its containers, init containers first.
    pub containers: Vec<ContainerRecord>,
    /// The `PersistentVolumeClaim`s that it mounts, while it is pending.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<String>,
}

/// A container of a Pod, with everything it went through.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerRecord {
    /// The name.
    pub name: String,
    /// The image as the spec writes it.
    pub image: String,
    /// True for an init container.
    pub init: bool,
    /// True for a native sidecar: an init container that keeps running.
    pub sidecar: bool,
    /// True when its readiness is given.
    pub ready: bool,
    /// `restartCount`.
    pub restarts: u32,
    /// `resources.limits.memory`, as written.
    pub memory_limit: Option<String>,
    /// The state in which it was seen last.
    pub state: ContainerState,
    /// The reasons for which it was seen waiting, oldest first, one entry per reason and message: the kubelet
    /// overwrites them when the Pod is deleted.
    pub waits: Vec<Waiting>,
    /// Every end that was seen, oldest first: `state.terminated` and `lastState.terminated`.
    pub ends: Vec<Termination>,
}

/// `containerStatuses[].state`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerState {
    /// No status was ever written.
    #[default]
    Unknown,
    /// It cannot run yet, or not again yet.
    Waiting(Waiting),
    /// It runs.
    Running {
        /// Since when.
        started: Option<Timestamp>,
    },
    /// It has ended.
    Terminated(Termination),
}

/// `state.waiting`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Waiting {
    /// `ImagePullBackOff`, `CreateContainerConfigError`.
    pub reason: String,
    /// What the kubelet or the runtime says.
    pub message: String,
    /// When it was seen last.
    pub seen: Option<Timestamp>,
}

/// The end of one run of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Termination {
    /// Which run ended: 0 for the first.
    pub attempt: u32,
    /// The exit code.
    pub exit_code: i32,
    /// The signal, where the runtime names one.
    pub signal: Option<i32>,
    /// `Completed`, `Error`, `OOMKilled`, `StartError`.
    pub reason: String,
    /// The termination message.
    pub message: String,
    /// When the run began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
}

/// A Kubernetes event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventRecord {
    /// What the event is about.
    pub object: ObjectRef,
    /// `Normal` or `Warning`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `FailedCreate`, `FailedMount`, `BackOff`.
    pub reason: String,
    /// The sentence.
    pub message: String,
    /// How often it was seen.
    pub count: u32,
    /// When it was seen first.
    pub first: Option<Timestamp>,
    /// When it was seen last.
    pub last: Option<Timestamp>,
}

/// The end of the log of one run of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogTail {
    /// The Pod's name.
    pub pod: String,
    /// The container's name.
    pub container: String,
    /// Which run: 0 for the first.
    pub attempt: u32,
    /// The last lines, oldest first; none where the run was read to its end and wrote nothing.
    pub lines: Vec<String>,
    /// When the last line was written, where that is known.
    pub last_line: Option<Timestamp>,
    /// When the tail was read.
    pub captured: Option<Timestamp>,
    /// True when older lines are not here.
    pub truncated: bool,
}

/// A wait that was read out of a script, or that an annotation declares.
#[derive(Clone, Debug, Default, PartialEq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct WaitRecord {
    /// The container that waits.
    pub container: String,
    /// Whom it waits for.
    pub target: Option<Target>,
    /// How often it tries, where it counts.
    pub attempts: Option<u64>,
    /// The pause between two tries.
    pub interval: Option<Seconds>,
    /// How long it waits when every probe answers at once; absent when nothing bounds it.
    pub nominal: Option<Seconds>,
    /// Where it stands: `line 4 of command`, `annotation hookbudget.dev/wait-for`.
    pub place: String,
}

/// Something that a script fetches from outside the cluster on every run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct DownloadRecord {
    /// The container that fetches it.
    pub container: String,
    /// The program: `curl`, `wget`, `apk`.
    pub tool: String,
    /// The URL, or the package manager's command: `apk add`.
    pub target: String,
    /// True when the container calls nobody else that is known: an error in a transfer then belongs to a
    /// download.
    pub alone: bool,
}

impl DownloadRecord {
    /// As the script writes it: `curl URL`, `apk add`.
    #[must_use]
    pub fn command(&self) -> String {
        if self.target.starts_with(&self.tool) {
            self.target.clone()
        } else {
            format!("{} {}", self.tool, self.target)
        }
    }
}

/// Something that the Job needs, as it stands in the cluster: the Service that it calls, or, one layer down, the
/// Secret that a Pod behind that Service cannot start without.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dependency {
    /// The object.
    pub object: ObjectRef,
    /// How the layer above names it: `http://powerdns:8081`.
    pub target: String,
    /// How the layer above depends on it, where that is not plain from its kind: `is installed by`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub relation: String,
    /// Whether it exists; `None` when nobody could look.
    pub exists: Option<bool>,
    /// `spec.type` of a Service.
    pub service_type: String,
    /// Addresses in its `EndpointSlice`s that are ready; `None` when nobody looked or when it is no Service.
    pub ready: Option<u32>,
    /// Addresses that are not.
    pub not_ready: Option<u32>,
    /// True for a Service of type `LoadBalancer` without an address.
    pub load_balancer_pending: bool,
    /// `metadata.creationTimestamp`.
    pub created: Option<Timestamp>,
    /// `hookbudget.dev/parked`, with the reason.
    pub parked: Option<String>,
    /// `hookbudget.dev/cold-start`: how long it may take to come up.
    pub cold_start: Option<Seconds>,
    /// Its conditions, where it is an object that has some.
    pub conditions: Vec<Condition>,
    /// `status.phase` of what has one: a claim, a volume.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub phase: String,
    /// What the object or an event about it says of why it is not ready.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub says: String,
    /// `spec.suspend`: nobody works on it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub suspended: bool,
    /// What runs behind it, or what makes it.
    pub workloads: Vec<Workload>,
    /// What it waits for itself, or what would make it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Dependency>,
}

/// What runs behind a dependency: Deployment, `StatefulSet`, `DaemonSet`, or another owner of Pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Workload {
    /// The object.
    pub object: ObjectRef,
    /// `spec.replicas`.
    pub wanted: Option<u32>,
    /// `status.readyReplicas`.
    pub ready: u32,
    /// `metadata.creationTimestamp`.
    pub created: Option<Timestamp>,
    /// `spec.paused` or `spec.suspend`, or whatever its kind calls it.
    pub suspended: bool,
    /// `hookbudget.dev/parked`, with the reason.
    pub parked: Option<String>,
    /// `hookbudget.dev/cold-start`: how long it may take to come up.
    pub cold_start: Option<Seconds>,
    /// `status.phase` of what has one: a database cluster.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub phase: String,
    /// What the object or an event about it says of why it has no Pods, or no ready ones.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub says: String,
    /// Its Pods.
    pub pods: Vec<PodRecord>,
    /// What its Pods cannot start without and what is not there.
    pub needs: Vec<Dependency>,
}

/// An object that a signature of the policy matches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SignatureHit {
    /// The signature's name, without the prefix.
    pub name: String,
    /// The object.
    pub object: ObjectRef,
    /// What it says: its conditions that are not True, else the expression that holds.
    pub proof: String,
    /// Since when: the change of the newest of these conditions, else the object's creation.
    pub since: Option<Timestamp>,
}

/// A piece of evidence that could not be had.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lost {
    /// What: `log of container c0, attempt 3`.
    pub what: String,
    /// Why: `the Pod was deleted before it could be read`.
    pub why: String,
}
