//! Root causes, one per file. The doc comment of a cause is its documentation page.

use super::cause::Cause;

pub mod abort;
pub mod app_error;
pub mod auth_failure;
pub mod budget_misconfigured;
pub mod command_not_found;
pub mod config_missing;
pub mod connection_refused;
pub mod container_create_failed;
pub mod cron_concurrency_blocked;
pub mod cron_invalid;
pub mod cron_missed_schedule;
pub mod cron_replaced;
pub mod deadline_too_short;
pub mod dependency_crashloop;
pub mod dependency_missing;
pub mod dependency_no_endpoints;
pub mod dependency_node_capacity;
pub mod dependency_not_ready;
pub mod dependency_pod_pending;
pub mod dependency_slow_start;
pub mod dns_failure;
pub mod ephemeral_limit_exceeded;
pub mod evicted_ephemeral_storage;
pub mod evicted_memory;
pub mod evicted_pid;
pub mod evidence_lost;
pub mod image_invalid;
pub mod image_never_pull;
pub mod image_pull_auth;
pub mod image_pull_network;
pub mod image_pull_not_found;
pub mod image_pull_rate_limited;
pub mod image_signature_invalid;
pub mod inner_budget_exhausted;
pub mod job_object_deleted;
pub mod kubelet_admission_rejected;
pub mod lifecycle_hook_failed;
pub mod load_balancer_pending;
pub mod namespace_terminating;
pub mod no_progress_hang;
pub mod node_drain;
pub mod node_lost;
pub mod node_shutdown;
pub mod not_executable;
pub mod oom_killed;
pub mod oom_suspected;
pub mod pod_create_policy;
pub mod pod_create_quota;
pub mod pod_create_quota_spec;
pub mod pod_create_service_account;
pub mod pod_create_webhook_denied;
pub mod pod_create_webhook_unavailable;
pub mod preempted;
pub mod probe_killed;
pub mod rbac_denied;
pub mod runtime_download_failed;
pub mod sandbox_create_failed;
pub mod scheduling_gated;
pub mod segfault;
pub mod sidecar_not_terminated;
pub mod start_failed;
pub mod suspended;
pub mod terminated_by_signal;
pub mod tls_failure;
pub mod unknown;
pub mod unschedulable_affinity;
pub mod unschedulable_resources;
pub mod unschedulable_taint;
pub mod unschedulable_volume;
pub mod volume_mount_failed;

/// Every cause that is looked for, from the ground up.
#[must_use]
pub fn registry() -> &'static [&'static dyn Cause] {
    &[
        &pod_create_quota::PodCreateQuota,
        &pod_create_quota_spec::PodCreateQuotaSpec,
        &pod_create_webhook_denied::PodCreateWebhookDenied,
        &pod_create_webhook_unavailable::PodCreateWebhookUnavailable,
        &pod_create_service_account::PodCreateServiceAccount,
        &pod_create_policy::PodCreatePolicy,
        &namespace_terminating::NamespaceTerminating,
        &unschedulable_resources::UnschedulableResources,
        &unschedulable_taint::UnschedulableTaint,
        &unschedulable_affinity::UnschedulableAffinity,
        &unschedulable_volume::UnschedulableVolume,
        &scheduling_gated::SchedulingGated,
        &kubelet_admission_rejected::KubeletAdmissionRejected,
        &evicted_memory::EvictedMemory,
        &evicted_ephemeral_storage::EvictedEphemeralStorage,
        &evicted_pid::EvictedPid,
        &ephemeral_limit_exceeded::EphemeralLimitExceeded,
        &preempted::Preempted,
        &node_drain::NodeDrain,
        &node_shutdown::NodeShutdown,
        &node_lost::NodeLost,
        &volume_mount_failed::VolumeMountFailed,
        &sandbox_create_failed::SandboxCreateFailed,
        &image_pull_not_found::ImagePullNotFound,
        &image_pull_auth::ImagePullAuth,
        &image_pull_rate_limited::ImagePullRateLimited,
        &image_pull_network::ImagePullNetwork,
        &image_never_pull::ImageNeverPull,
        &image_invalid::ImageInvalid,
        &image_signature_invalid::ImageSignatureInvalid,
        &config_missing::ConfigMissing,
        &container_create_failed::ContainerCreateFailed,
        &start_failed::StartFailed,
        &lifecycle_hook_failed::LifecycleHookFailed,
        &oom_killed::OomKilled,
        &oom_suspected::OomSuspected,
        &probe_killed::ProbeKilled,
        &command_not_found::CommandNotFound,
        &not_executable::NotExecutable,
        &segfault::Segfault,
        &abort::Abort,
        &terminated_by_signal::TerminatedBySignal,
        &auth_failure::AuthFailure,
        &rbac_denied::RbacDenied,
        &dns_failure::DnsFailure,
        &tls_failure::TlsFailure,
        &runtime_download_failed::RuntimeDownloadFailed,
        &connection_refused::ConnectionRefused,
        &dependency_no_endpoints::DependencyNoEndpoints,
        &dependency_pod_pending::DependencyPodPending,
        &dependency_node_capacity::DependencyNodeCapacity,
        &dependency_crashloop::DependencyCrashloop,
        &dependency_missing::DependencyMissing,
        &dependency_not_ready::DependencyNotReady,
        &dependency_slow_start::DependencySlowStart,
        &load_balancer_pending::LoadBalancerPending,
        &inner_budget_exhausted::InnerBudgetExhausted,
        &deadline_too_short::DeadlineTooShort,
        &no_progress_hang::NoProgressHang,
        &sidecar_not_terminated::SidecarNotTerminated,
        &budget_misconfigured::BudgetMisconfigured,
        &suspended::Suspended,
        &cron_missed_schedule::CronMissedSchedule,
        &cron_concurrency_blocked::CronConcurrencyBlocked,
        &cron_invalid::CronInvalid,
        &cron_replaced::CronReplaced,
        &job_object_deleted::JobObjectDeleted,
        &app_error::AppError,
        &evidence_lost::EvidenceLost,
        &unknown::Unknown,
    ]
}
