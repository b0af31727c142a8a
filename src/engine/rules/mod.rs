//! The catalogue: one rule, one file.

use super::rule::Rule;

mod common;
pub mod deadline_exceeds_release_timeout;
pub mod deadline_missing;
pub mod deadline_on_pod;
pub mod grace_exceeds_slack;
pub mod hooks_outlast_release_window;
pub mod last_attempt_cut;
pub mod logs_lost_on_failure;
pub mod release_timeout_defaulted;
pub mod retries_end_before_deadline;
pub mod retries_outlast_release;
pub mod retry_against_same_blocker;
pub mod survives_too_little;
#[cfg(test)]
pub(in crate::engine) mod testkit;
pub mod unbounded_wait;
pub mod wait_exceeds_deadline;
pub mod wait_exceeds_release_timeout;
pub mod wait_falls_through;
pub mod waits_by_restarting;

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
    &wait_falls_through::RULE,
    &waits_by_restarting::RULE,
    &logs_lost_on_failure::RULE,
];

/// Finds a rule by its code or its name, in any case.
#[must_use]
pub fn find(name: &str) -> Option<&'static Rule> {
    ALL.iter()
        .copied()
        .find(|rule| rule.code.eq_ignore_ascii_case(name) || rule.name.eq_ignore_ascii_case(name))
}
