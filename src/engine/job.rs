//! What the engine knows of a Job or `CronJob`: the facts that its clocks depend on, with the API server's
//! defaults applied (kubernetes/kubernetes `pkg/apis/batch/v1/defaults.go`).
//!
//! Text is borrowed from the object it was read from where it can be, so that a review costs few allocations;
//! [`Job::into_owned`] cuts the tie.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

use super::Seconds;

/// `defaultBackoffLimit` of a Job without `backoffLimitPerIndex`.
pub const DEFAULT_BACKOFF_LIMIT: u32 = 6;
/// Default of `terminationGracePeriodSeconds` (`DefaultTerminationGracePeriodSeconds`, core/v1).
pub const DEFAULT_GRACE: Seconds = Seconds::new(30);

/// Text that is borrowed where it can be.
pub type Text<'a> = Cow<'a, str>;
/// Labels or annotations, in the order of the object.
pub type Pairs<'a> = Vec<(Text<'a>, Text<'a>)>;

/// A Job, or the Job template of a `CronJob`, as facts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Job<'a> {
    /// Job or `CronJob`.
    pub kind: JobKind,
    /// The namespace, where the object or the request names one.
    pub namespace: Option<Text<'a>>,
    /// The name; what `generateName` gives (ending in `-`) where there is no name yet.
    pub name: Text<'a>,
    /// `metadata.uid`, once the API server has given one.
    pub uid: Option<Text<'a>>,
    /// Labels of the object.
    pub labels: Pairs<'a>,
    /// Annotations of the object.
    pub annotations: Pairs<'a>,
    /// Labels of the Pod template.
    pub template_labels: Pairs<'a>,
    /// Annotations of the Pod template; the object's win ([`Job::annotation`]).
    pub template_annotations: Pairs<'a>,
    /// The controlling owner.
    pub owner: Option<Owner<'a>>,
    /// `spec.managedBy` of another controller: none of this arithmetic applies.
    pub managed_by: Option<Text<'a>>,
    /// `spec.suspend` of the Job.
    pub suspend: bool,
    /// `spec.backoffLimit`, 6 when absent.
    pub backoff_limit: BackoffLimit,
    /// `spec.activeDeadlineSeconds`.
    pub active_deadline: Option<Seconds>,
    /// `spec.ttlSecondsAfterFinished`.
    pub ttl_after_finished: Option<Seconds>,
    /// `spec.parallelism`, 1 when absent.
    pub parallelism: u32,
    /// `spec.completions`; absent together with an absent parallelism means 1.
    pub completions: Option<u32>,
    /// `spec.backoffLimitPerIndex`.
    pub backoff_limit_per_index: Option<u32>,
    /// `spec.podFailurePolicy.rules`.
    pub pod_failure_policy: Vec<FailureRule<'a>>,
    /// `spec.podReplacementPolicy`.
    pub pod_replacement_policy: Option<Text<'a>>,
    /// What is only a `CronJob`'s.
    pub cron: Option<Cron<'a>>,
    /// The Pod template.
    pub pod: PodTemplate<'a>,
}

/// Which object the facts come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum JobKind {
    /// `batch/v1 Job`.
    #[default]
    Job,
    /// `batch/v1 CronJob`.
    CronJob,
}

impl JobKind {
    /// The kind as the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Job => "Job",
            Self::CronJob => "CronJob",
        }
    }
}

/// `spec.backoffLimit`, and whether the object states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackoffLimit {
    /// The value in force.
    pub value: u32,
    /// False when the default stands in. At admission a default cannot be told from a stated value.
    pub stated: bool,
}

impl Default for BackoffLimit {
    fn default() -> Self {
        Self {
            value: DEFAULT_BACKOFF_LIMIT,
            stated: false,
        }
    }
}

/// The controlling owner reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner<'a> {
    /// Group and version of the owner's kind.
    pub api_version: Text<'a>,
    /// Kind of the owner.
    pub kind: Text<'a>,
    /// Name of the owner.
    pub name: Text<'a>,
    /// Uid of the owner.
    pub uid: Text<'a>,
}

impl Owner<'_> {
    /// True for Kubernetes' own `CronJob`: another product's, of the same name, is judged nowhere else.
    #[must_use]
    pub fn is_cron_job(&self) -> bool {
        self.kind == "CronJob" && self.api_version.starts_with("batch/")
    }
}

/// Who brings the Job into the cluster, and so what a failure means to whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Origin {
    /// Annotated `helm.sh/hook`.
    #[serde(rename = "helm-hook")]
    HelmHook,
    /// Annotated `argocd.argoproj.io/hook`.
    #[serde(rename = "argocd-hook")]
    ArgoHook,
    /// An ordinary Job of a Flux or Helm release.
    #[serde(rename = "flux")]
    Flux,
    /// A `CronJob`, or a Job that one made.
    #[serde(rename = "cronjob")]
    CronJob,
    /// Anything else.
    #[default]
    #[serde(rename = "plain")]
    Plain,
}

impl Origin {
    /// The value in the JSON output and in labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HelmHook => "helm-hook",
            Self::ArgoHook => "argocd-hook",
            Self::Flux => "flux",
            Self::CronJob => "cronjob",
            Self::Plain => "plain",
        }
    }

    /// True for a hook of Helm or Argo CD.
    #[must_use]
    pub const fn is_hook(self) -> bool {
        matches!(self, Self::HelmHook | Self::ArgoHook)
    }
}

/// One rule of `spec.podFailurePolicy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureRule<'a> {
    /// What the Job controller does when the rule matches.
    pub action: FailureAction,
    /// `onExitCodes`: the codes, and whether the rule matches on them or on all others.
    pub exit_codes: Option<(ExitOperator, Vec<i32>)>,
    /// The container that `onExitCodes` is limited to.
    pub container: Option<Text<'a>>,
    /// `onPodConditions`: types such as `DisruptionTarget`.
    pub pod_conditions: Vec<Text<'a>>,
}

/// `action` of a Pod failure policy rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureAction {
    /// The Job fails at once.
    FailJob,
    /// The index fails at once.
    FailIndex,
    /// The failure does not count.
    Ignore,
    /// The failure counts, as without a rule.
    Count,
}

/// `operator` of `onExitCodes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitOperator {
    /// Any of the codes.
    In,
    /// None of the codes.
    NotIn,
}

/// What is only a `CronJob`'s.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cron<'a> {
    /// `spec.schedule`.
    pub schedule: Text<'a>,
    /// `spec.timeZone`.
    pub time_zone: Option<Text<'a>>,
    /// `spec.concurrencyPolicy`, Allow when absent.
    pub concurrency: Concurrency,
    /// `spec.startingDeadlineSeconds`.
    pub starting_deadline: Option<Seconds>,
    /// `spec.failedJobsHistoryLimit`, 1 when absent.
    pub failed_history: u32,
    /// `spec.successfulJobsHistoryLimit`, 3 when absent.
    pub successful_history: u32,
    /// `spec.suspend`.
    pub suspend: bool,
}

/// `spec.concurrencyPolicy` of a `CronJob`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Concurrency {
    /// Runs may overlap.
    #[default]
    Allow,
    /// A run that is due while another goes on is put off.
    Forbid,
    /// A run that is due ends the one before.
    Replace,
}

/// The Pod template.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodTemplate<'a> {
    /// `restartPolicy` of the Pod.
    pub restart_policy: RestartPolicy,
    /// `activeDeadlineSeconds` of the Pod, another clock than the Job's.
    pub active_deadline: Option<Seconds>,
    /// `terminationGracePeriodSeconds`, 30 s when absent.
    pub grace: Option<Seconds>,
    /// `serviceAccountName`, or its old name `serviceAccount`.
    pub service_account: Option<Text<'a>>,
    /// Init containers, native sidecars among them.
    pub init_containers: Vec<Container<'a>>,
    /// Ordinary containers.
    pub containers: Vec<Container<'a>>,
    /// Volumes that name a `ConfigMap` or a Secret.
    pub volumes: Vec<Volume<'a>>,
    /// The objects without which a Pod does not start.
    pub needs: Vec<Need<'a>>,
}

impl PodTemplate<'_> {
    /// The grace period in force.
    #[must_use]
    pub fn grace(&self) -> Seconds {
        self.grace.unwrap_or(DEFAULT_GRACE)
    }
}

/// `restartPolicy` of a Job's Pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RestartPolicy {
    /// A failed Pod is replaced by the Job controller.
    Never,
    /// A failed container is restarted in place by the kubelet.
    OnFailure,
    /// Absent or `Always`: the API server refuses it for a Job. At admission the default `Always` stands for
    /// an absent value.
    #[default]
    Always,
}

impl RestartPolicy {
    /// The value as the API spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "Never",
            Self::OnFailure => "OnFailure",
            Self::Always => "Always",
        }
    }
}

/// A container of the template.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
pub struct Container<'a> {
    /// Its name.
    pub name: Text<'a>,
    /// Its image.
    pub image: Text<'a>,
    /// `command`: replaces the image's entrypoint.
    pub command: Vec<Text<'a>>,
    /// `args`.
    pub args: Vec<Text<'a>>,
    /// `env`, in order; the later of two equal names wins.
    pub env: Vec<EnvVar<'a>>,
    /// `envFrom` is there: names that are not in `env` may still be set.
    pub has_env_from: bool,
    /// The container's own `restartPolicy`; `Always` on an init container makes it a native sidecar.
    pub restart_policy: Option<Text<'a>>,
    /// `restartPolicyRules` are there.
    pub has_restart_rules: bool,
    /// `terminationMessagePolicy`; the API server writes `File` where it is absent.
    pub message_policy: Option<Text<'a>>,
    /// `resources.limits.memory`, as written.
    pub memory_limit: Option<Text<'a>>,
    /// Volume mounts: volume name, mount path, `subPath`.
    pub mounts: Vec<Mount<'a>>,
}

impl Container<'_> {
    /// True for an init container that keeps running beside the others.
    #[must_use]
    pub fn is_sidecar(&self) -> bool {
        self.restart_policy.as_deref() == Some("Always")
    }

    /// True when the end of its log is its message where it writes none.
    #[must_use]
    pub fn has_message_from_logs(&self) -> bool {
        self.message_policy.as_deref() == Some("FallbackToLogsOnError")
    }
}

/// One entry of `env`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EnvVar<'a> {
    /// The name.
    pub name: Text<'a>,
    /// The value; `None` when `valueFrom` gives it.
    pub value: Option<Text<'a>>,
}

/// One volume mount.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mount<'a> {
    /// The volume's name.
    pub volume: Text<'a>,
    /// Where it is mounted.
    pub path: Text<'a>,
    /// The key or path inside the volume, when only one is mounted.
    pub sub_path: Option<Text<'a>>,
}

/// A volume that a `ConfigMap` or a Secret fills.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Volume<'a> {
    /// The volume's name.
    pub name: Text<'a>,
    /// Where its content comes from.
    pub source: VolumeSource<'a>,
    /// `items`: the keys that are mounted and the names of their files; empty for all, each named as its key.
    pub items: Vec<VolumeItem<'a>>,
    /// `defaultMode` of its files: 0644 when absent.
    pub mode: Option<u32>,
}

/// One of a volume's `items`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VolumeItem<'a> {
    /// The key in the `ConfigMap` or Secret.
    pub key: Text<'a>,
    /// The file below the mount path.
    pub path: Text<'a>,
    /// The file's own mode.
    pub mode: Option<u32>,
}

/// A `ConfigMap` or a Secret without which a Pod does not start: what is optional is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need<'a> {
    /// The object.
    pub source: VolumeSource<'a>,
    /// Where the Pod template names it.
    pub place: NeedPlace,
}

/// Where a Pod template names an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeedPlace {
    /// `volumes`, by index.
    Volume(usize),
    /// `env` or `envFrom` of a container.
    Environment {
        /// True for an init container.
        init: bool,
        /// The container's index in its list.
        container: usize,
        /// `envFrom` instead of `env`.
        from: bool,
        /// The index of the entry.
        entry: usize,
    },
}

/// What fills a volume.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum VolumeSource<'a> {
    /// A `ConfigMap` by name.
    ConfigMap(Text<'a>),
    /// A Secret by name.
    Secret(Text<'a>),
}

/// The hooks that Helm knows (`events`, helm/helm `pkg/release/util/manifest_sorter.go`).
const HELM_HOOKS: [&str; 10] = [
    "pre-install",
    "post-install",
    "pre-delete",
    "post-delete",
    "pre-upgrade",
    "post-upgrade",
    "pre-rollback",
    "post-rollback",
    "test",
    "test-success",
];

/// A hook's name as Helm spells it, where it knows it.
fn helm_hook(name: &str) -> &str {
    let known = HELM_HOOKS
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(name));
    known.unwrap_or(name)
}

impl Job<'_> {
    /// The annotation in force: the object's, else the Pod template's.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        lookup(&self.annotations, key).or_else(|| lookup(&self.template_annotations, key))
    }

    /// The annotation in force as a Go duration; `None` where there is none or it cannot be read (HB603 says so).
    #[must_use]
    pub fn duration(&self, key: &str) -> Option<Seconds> {
        Seconds::parse_go(self.annotation(key)?).ok()
    }

    /// The label in force: the object's, else the Pod template's.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        lookup(&self.labels, key).or_else(|| lookup(&self.template_labels, key))
    }

    /// The hooks that Helm or Argo CD runs this Job as; empty when it is none.
    #[must_use]
    pub fn hooks(&self) -> Vec<&str> {
        self.each_hook().collect()
    }

    /// As [`Job::hooks`], one after the other.
    ///
    /// Helm reads its names in any case (helm/helm `pkg/release/util/manifest_sorter.go`), Argo CD only as they are.
    pub fn each_hook(&self) -> impl Iterator<Item = &str> {
        let named = |key, read: fn(&str) -> &str| {
            let list = lookup(&self.annotations, key).unwrap_or_default();
            list.split(',')
                .map(str::trim)
                .filter(|hook| !hook.is_empty())
                .map(read)
        };
        named("helm.sh/hook", helm_hook).chain(named("argocd.argoproj.io/hook", |hook| hook))
    }

    /// Who brings the Job into the cluster.
    #[must_use]
    pub fn origin(&self) -> Origin {
        let has = |key| lookup(&self.annotations, key).is_some_and(|list| !list.trim().is_empty());
        if has("helm.sh/hook") {
            // Argo CD runs Helm's hooks as its own, and marks them as it marks all that it applies.
            if has("argocd.argoproj.io/tracking-id") {
                return Origin::ArgoHook;
            }
            Origin::HelmHook
        } else if has("argocd.argoproj.io/hook") {
            Origin::ArgoHook
        } else if self.kind == JobKind::CronJob || self.owner.as_ref().is_some_and(Owner::is_cron_job) {
            Origin::CronJob
        } else if lookup(&self.labels, "helm.toolkit.fluxcd.io/name").is_some()
            || lookup(&self.labels, "app.kubernetes.io/managed-by") == Some("Helm")
        {
            Origin::Flux
        } else {
            Origin::Plain
        }
    }

    /// True when another controller than the built-in one runs this Job.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        self.managed_by
            .as_deref()
            .is_some_and(|name| name != "kubernetes.io/job-controller")
    }

    /// Init containers first, then the ordinary ones, each with whether it is an init container.
    pub fn containers(&self) -> impl Iterator<Item = (bool, usize, &Container<'_>)> {
        let init = self
            .pod
            .init_containers
            .iter()
            .enumerate()
            .map(|(i, c)| (true, i, c));
        init.chain(self.pod.containers.iter().enumerate().map(|(i, c)| (false, i, c)))
    }

    /// JSON pointer of the Job's `spec` inside the object.
    #[must_use]
    pub const fn spec_pointer(&self) -> &'static str {
        match self.kind {
            JobKind::Job => "/spec",
            JobKind::CronJob => "/spec/jobTemplate/spec",
        }
    }

    /// JSON pointer of the place that names an object.
    #[must_use]
    pub fn need_pointer(&self, place: NeedPlace) -> String {
        match place {
            NeedPlace::Volume(index) => format!("{}/template/spec/volumes/{index}", self.spec_pointer()),
            NeedPlace::Environment {
                init,
                container,
                from,
                entry,
            } => {
                let list = if from { "envFrom" } else { "env" };
                format!("{}/{list}/{entry}", self.container_pointer(init, container))
            }
        }
    }

    /// JSON pointer of a container.
    #[must_use]
    pub fn container_pointer(&self, init: bool, index: usize) -> String {
        let list = if init { "initContainers" } else { "containers" };
        // As long as it can get with two digits, so that it is written in one piece.
        let mut pointer = String::with_capacity(64);
        let _ = write!(pointer, "{}/template/spec/{list}/{index}", self.spec_pointer());
        pointer
    }
}

impl fmt::Display for Job<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind.as_str())?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}

/// Finds the value of a key in labels or annotations.
#[must_use]
pub fn lookup<'p>(pairs: &'p [(Text<'_>, Text<'_>)], key: &str) -> Option<&'p str> {
    pairs
        .iter()
        .find(|(name, _)| name == key)
        .map(|(_, value)| value.as_ref())
}
