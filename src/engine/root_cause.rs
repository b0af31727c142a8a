//! The closed set of root causes, with who is told and how loudly.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::signature::{PREFIX, SignatureName};

/// How loudly a cause is reported.
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Somebody has to look during the day.
    Warning,
    /// Somebody has to look now.
    Critical,
}

impl Severity {
    /// The value of the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Who has to repair it.
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Route {
    /// Those who run the cluster.
    Platform,
    /// Those who own the Job and what it calls.
    App,
    /// Those who own identities and policies.
    Security,
    /// Those who run the image registry.
    Registry,
    /// Those who own volumes and data.
    Data,
    /// Those who own the network.
    Network,
}

impl Route {
    /// The value of the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::App => "app",
            Self::Security => "security",
            Self::Registry => "registry",
            Self::Data => "data",
            Self::Network => "network",
        }
    }
}

/// The layer that a cause belongs to, from the ground up: of two proven causes the lower layer is the root.
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rank {
    /// No Pod could be made.
    Creation,
    /// The Pod found no node.
    Scheduling,
    /// The node, a volume or the sandbox.
    Node,
    /// The image.
    Image,
    /// The container's configuration.
    Configuration,
    /// The container's start.
    Start,
    /// Something killed the container.
    Kill,
    /// The exit code says it.
    ExitCode,
    /// What the Job calls, or what its log says.
    Dependency,
    /// The Job's own clocks.
    Budget,
    /// Nothing matched.
    Unknown,
}

macro_rules! root_causes {
    ($($variant:ident $name:literal $severity:ident $route:ident $rank:ident $doc:literal,)*) => {
        /// Why a Job failed: a closed set, so that it can be a label. The policy may close it further out.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum RootCause {
            $(#[doc = $doc] $variant,)*
            /// A signature of the policy matches.
            Custom(SignatureName),
        }

        impl RootCause {
            /// Every cause of the catalogue: all but those of the policy.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The value of the label.
            #[must_use]
            pub const fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Custom(name) => name.label(),
                }
            }

            /// How loudly it is reported when the verdict is that it is real. Of a signature the policy says it; this
            /// is what holds where it does not.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$variant => Severity::$severity,)*
                    Self::Custom(_) => Severity::Warning,
                }
            }

            /// Who is told; of a signature as for the severity.
            #[must_use]
            pub const fn route(self) -> Route {
                match self {
                    $(Self::$variant => Route::$route,)*
                    Self::Custom(_) => Route::Platform,
                }
            }

            /// The layer it belongs to; of a signature as for the severity.
            #[must_use]
            pub const fn rank(self) -> Rank {
                match self {
                    $(Self::$variant => Rank::$rank,)*
                    Self::Custom(_) => Rank::Dependency,
                }
            }

            /// What it means, in one sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => $doc,)*
                    Self::Custom(_) => "A signature of the policy matches.",
                }
            }
        }
    };
}

impl RootCause {
    /// Reads the value of the label.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let of_policy = || {
            SignatureName::parse(text.strip_prefix(PREFIX)?)
                .ok()
                .map(Self::Custom)
        };
        let known = Self::ALL.iter().find(|cause| cause.as_str() == text);
        known.copied().or_else(of_policy)
    }
}

impl Serialize for RootCause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for RootCause {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom(format!("there is no cause {text:?}")))
    }
}

root_causes! {
    PodCreateQuota "pod_create_quota" Warning Platform Creation "A quota of the namespace is used up.",
    PodCreateQuotaSpec "pod_create_quota_spec" Warning App Creation "A quota of the namespace asks for requests or limits that the Pod does not state.",
    PodCreateWebhookDenied "pod_create_webhook_denied" Warning Security Creation "An admission webhook denied the Pod.",
    PodCreateWebhookUnavailable "pod_create_webhook_unavailable" Critical Platform Creation "An admission webhook that has to answer cannot be reached.",
    PodCreateServiceAccount "pod_create_service_account" Warning App Creation "The Pod's `ServiceAccount` does not exist.",
    PodCreatePolicy "pod_create_policy" Warning Security Creation "The Pod violates the Pod security standard of its namespace.",
    NamespaceTerminating "namespace_terminating" Info Platform Creation "The namespace is being deleted.",
    UnschedulableResources "unschedulable_resources" Critical Platform Scheduling "No node has the resources left that the Pod requests.",
    UnschedulableTaint "unschedulable_taint" Warning Platform Scheduling "The nodes that are left carry a taint that the Pod does not tolerate.",
    UnschedulableAffinity "unschedulable_affinity" Warning App Scheduling "No node matches the Pod's selector or affinity.",
    UnschedulableVolume "unschedulable_volume" Warning Data Scheduling "No node can reach the Pod's volume, or its claim is not bound.",
    SchedulingGated "scheduling_gated" Info Platform Scheduling "A scheduling gate holds the Pod back.",
    KubeletAdmissionRejected "kubelet_admission_rejected" Warning Platform Node "The node refused the Pod that the scheduler had sent it.",
    VolumeMountFailed "volume_mount_failed" Warning Data Node "A volume cannot be attached or mounted.",
    SandboxCreateFailed "sandbox_create_failed" Critical Network Node "The node cannot set up the Pod's sandbox or network.",
    ImagePullNotFound "image_pull_not_found" Warning App Image "The registry does not have the image or the tag.",
    ImagePullAuth "image_pull_auth" Warning Security Image "The registry refuses the credentials, or there are none.",
    ImagePullRateLimited "image_pull_rate_limited" Warning Registry Image "The registry limits the rate of pulls.",
    ImagePullNetwork "image_pull_network" Critical Network Image "The node cannot reach the registry.",
    ImageNeverPull "image_never_pull" Warning App Image "The image is not on the node and must not be pulled.",
    ImageInvalid "image_invalid" Warning App Image "The image's name or the image itself is not valid.",
    ImageSignatureInvalid "image_signature_invalid" Critical Security Image "The image's signature is not accepted.",
    ConfigMissing "config_missing" Warning App Configuration "A `ConfigMap`, a Secret or one of their keys does not exist.",
    ContainerCreateFailed "container_create_failed" Warning Platform Configuration "The runtime cannot create the container.",
    StartFailed "start_failed" Warning App Start "The container's command cannot be started.",
    LifecycleHookFailed "lifecycle_hook_failed" Warning App Start "The container's postStart hook failed.",
    OomKilled "oom_killed" Critical App Kill "The kernel killed a process of the container for want of memory.",
    OomSuspected "oom_suspected" Warning App Kill "The container was killed, and memory is the likely reason.",
    EvictedMemory "evicted_memory" Critical Platform Node "The node ran out of memory and evicted the Pod.",
    EvictedEphemeralStorage "evicted_ephemeral_storage" Critical Platform Node "The node ran out of disk and evicted the Pod.",
    EvictedPid "evicted_pid" Critical Platform Node "The node ran out of process ids and evicted the Pod.",
    EphemeralLimitExceeded "ephemeral_limit_exceeded" Warning App Node "The Pod wrote more to local disk than its limit allows.",
    Preempted "preempted" Warning Platform Node "The Pod had to make room for one of higher priority.",
    NodeDrain "node_drain" Info Platform Node "The Pod was evicted from its node on request.",
    NodeShutdown "node_shutdown" Warning Platform Node "The node was shut down.",
    NodeLost "node_lost" Critical Platform Node "The node went away.",
    CommandNotFound "command_not_found" Warning App ExitCode "The script calls a program that the image does not have.",
    NotExecutable "not_executable" Warning App ExitCode "The script calls a file that cannot be executed.",
    Segfault "segfault" Warning App ExitCode "The process accessed memory that is not its own.",
    Abort "abort" Warning App ExitCode "The process aborted itself.",
    TerminatedBySignal "terminated_by_signal" Info App ExitCode "Something sent the container SIGTERM before any of the Job's clocks had run out.",
    AuthFailure "auth_failure" Critical Security Dependency "A service that the Job calls refuses its credentials.",
    RbacDenied "rbac_denied" Warning Security Dependency "The API server refuses the Job's `ServiceAccount` what it asks for.",
    DnsFailure "dns_failure" Critical Network Dependency "A name that the Job calls cannot be resolved.",
    TlsFailure "tls_failure" Warning Security Dependency "The TLS handshake with a service that the Job calls fails.",
    ConnectionRefused "connection_refused" Warning App Dependency "A service that the Job calls refuses the connection.",
    DependencyNoEndpoints "dependency_no_endpoints" Critical App Dependency "The Service that the Job calls has no ready endpoint.",
    DependencyPodPending "dependency_pod_pending" Critical Platform Dependency "A Pod behind the Service that the Job calls cannot start.",
    DependencyNodeCapacity "dependency_node_capacity" Critical Platform Dependency "A Pod that the Job depends on finds no node with room for it.",
    DependencyCrashloop "dependency_crashloop" Critical App Dependency "A Pod behind the Service that the Job calls crashes again and again.",
    DependencyMissing "dependency_missing" Warning App Dependency "The object that the Job depends on does not exist.",
    DependencyNotReady "dependency_not_ready" Critical App Dependency "What the Job's release or its dependency waits for says of itself that it is not ready.",
    DependencySlowStart "dependency_slow_start" Info App Dependency "What the Job calls is still starting, within the time it is given.",
    LoadBalancerPending "load_balancer_pending" Critical Network Dependency "The load balancer that the Job calls has no address.",
    RuntimeDownloadFailed "runtime_download_failed" Warning Network Dependency "A download that the Job makes on every run failed.",
    InnerBudgetExhausted "inner_budget_exhausted" Warning App Budget "The script's own wait ran out.",
    DeadlineTooShort "deadline_too_short" Warning App Budget "The deadline ended a Job that was still getting somewhere.",
    BudgetMisconfigured "budget_misconfigured" Warning App Budget "The retries were used up before the deadline, and the Job waits by failing.",
    NoProgressHang "no_progress_hang" Warning App Budget "The Job stood still until the deadline.",
    SidecarNotTerminated "sidecar_not_terminated" Warning Platform Budget "The main container was done, another one kept the Pod running.",
    ProbeKilled "probe_killed" Warning App Kill "The kubelet killed the container because its liveness probe failed.",
    CronMissedSchedule "cron_missed_schedule" Critical Platform Creation "The CronJob missed its schedule.",
    CronConcurrencyBlocked "cron_concurrency_blocked" Warning App Creation "The run before still goes on, and the CronJob forbids two at once.",
    CronReplaced "cron_replaced" Info App Kill "The CronJob replaced this run by the next one.",
    CronInvalid "cron_invalid" Critical App Creation "The CronJob's schedule or time zone is not valid.",
    Suspended "suspended" Info App Creation "The Job is suspended.",
    JobObjectDeleted "job_object_deleted" Info Platform Kill "The Job was deleted before it had ended.",
    AppError "app_error" Warning App ExitCode "The program in the container failed, and its log holds no known signature.",
    EvidenceLost "evidence_lost" Warning Platform Unknown "Whatever could have told the cause was gone before it could be kept.",
    Unknown "unknown" Warning App Unknown "There is evidence, and no known cause matches it.",
}

impl fmt::Display for RootCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
