//! The catalogue: one rule, one file.

use super::rule::Rule;

pub mod annotation_invalid;
mod common;
pub mod container_restarts_uncounted;
pub mod deadline_exceeds_release_timeout;
pub mod deadline_missing;
pub mod deadline_on_pod;
pub mod declared_wait_differs;
pub mod disruption_spends_retries;
pub mod downloads_at_run_time;
pub mod exemption_invalid;
pub mod failed_history_zero;
pub mod fatal_exit_retried;
pub mod fatal_status_retried;
mod folded;
pub mod grace_exceeds_slack;
pub mod hook_logs_not_shown;
pub mod hook_policy_deletes_evidence;
pub mod hooks_outlast_release_window;
pub mod image_not_pinned;
pub mod init_wait_uncounted;
pub mod last_attempt_cut;
pub mod logs_lost_on_failure;
pub mod memory_small_for_downloads;
pub mod needs_missing_object;
pub mod probe_time_not_counted;
pub mod probe_without_timeout;
mod release_field;
pub mod release_timeout_defaulted;
pub mod retries_end_before_deadline;
pub mod retries_outlast_release;
pub mod retry_against_same_blocker;
pub mod runs_overlap;
pub mod sidecar_blocks_completion;
pub mod sidecar_spends_retries;
pub mod start_deadline_too_short;
pub mod survives_too_little;
pub mod suspended;
pub mod termination_message_from_logs;
#[cfg(test)]
pub(in crate::engine) mod testkit;
pub mod ttl_and_history;
pub mod ttl_deletes_evidence;
pub mod unbounded_wait;
pub mod wait_exceeds_deadline;
pub mod wait_exceeds_release_timeout;
pub mod wait_falls_through;
mod waited_object;
pub mod waits_by_restarting;
pub mod waits_for_own_release;

pub(in crate::engine) use common::LOOKS_LIKE_A_WAIT;

/// Every rule, in the order of the codes.
pub static ALL: &[&Rule] = &[
    &retries_end_before_deadline::RULE,
    &wait_exceeds_deadline::RULE,
    &deadline_exceeds_release_timeout::RULE,
    &wait_exceeds_release_timeout::RULE,
    &survives_too_little::RULE,
    &deadline_missing::RULE,
    &retries_outlast_release::RULE,
    &last_attempt_cut::RULE,
    &deadline_on_pod::RULE,
    &hooks_outlast_release_window::RULE,
    &release_timeout_defaulted::RULE,
    &grace_exceeds_slack::RULE,
    &retry_against_same_blocker::RULE,
    &unbounded_wait::RULE,
    &probe_without_timeout::RULE,
    &probe_time_not_counted::RULE,
    &wait_falls_through::RULE,
    &fatal_status_retried::RULE,
    &waits_by_restarting::RULE,
    &waits_for_own_release::RULE,
    &init_wait_uncounted::RULE,
    &logs_lost_on_failure::RULE,
    &termination_message_from_logs::RULE,
    &hook_policy_deletes_evidence::RULE,
    &ttl_deletes_evidence::RULE,
    &failed_history_zero::RULE,
    &hook_logs_not_shown::RULE,
    &downloads_at_run_time::RULE,
    &memory_small_for_downloads::RULE,
    &image_not_pinned::RULE,
    &sidecar_blocks_completion::RULE,
    &sidecar_spends_retries::RULE,
    &disruption_spends_retries::RULE,
    &fatal_exit_retried::RULE,
    &container_restarts_uncounted::RULE,
    &needs_missing_object::RULE,
    &runs_overlap::RULE,
    &start_deadline_too_short::RULE,
    &ttl_and_history::RULE,
    &suspended::RULE,
    &declared_wait_differs::RULE,
    &exemption_invalid::RULE,
    &annotation_invalid::RULE,
];

/// Finds a rule by its code or its name, in any case.
#[must_use]
pub fn find(name: &str) -> Option<&'static Rule> {
    ALL.iter()
        .copied()
        .find(|rule| rule.code.eq_ignore_ascii_case(name) || rule.name.eq_ignore_ascii_case(name))
}
