//! What the shipped alerts ask of the exporter. A test of the dashboards holds this to their expressions and templates.

/// What an alert is worth without a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// It cannot fire.
    Silent,
    /// It fires, and is late, too often, without what it is grouped by, or says less.
    Blunt,
}

use Loss::{Blunt, Silent};

type Needs = &'static [(&'static str, Loss)];

/// Each alert and the families in its expression and its templates, those of recording rules included. Of failed Jobs the
/// culprit is a label of the alert, and a later success settles it.
pub(super) const NEEDED: &[(&str, Needs)] = &[
    (
        "HookJobFailed",
        &[
            ("hookbudget_job_root_cause", Silent),
            ("hookbudget_job_root_cause_info", Blunt),
            ("hookbudget_job_chain_info", Blunt),
            ("hookbudget_job_later_success_timestamp_seconds", Blunt),
        ],
    ),
    (
        "HookJobSettled",
        &[
            ("hookbudget_job_root_cause", Silent),
            ("hookbudget_job_root_cause_info", Blunt),
            ("hookbudget_job_later_success_timestamp_seconds", Blunt),
        ],
    ),
    (
        "HookJobsShareCulprit",
        &[
            ("hookbudget_job_root_cause", Silent),
            ("hookbudget_job_root_cause_info", Silent),
            ("hookbudget_job_later_success_timestamp_seconds", Blunt),
        ],
    ),
    (
        "HookJobBudgetBurning",
        &[
            ("hookbudget_job_wait_ratio", Silent),
            ("hookbudget_job_wait_remaining_seconds", Blunt),
            ("hookbudget_job_gives_up_timestamp_seconds", Blunt),
            ("hookbudget_job_wait_target_info", Blunt),
            ("hookbudget_job_root_cause", Blunt),
        ],
    ),
    (
        "HookJobWillMissDeadline",
        &[
            ("hookbudget_job_budget_seconds", Silent),
            ("hookbudget_job_wait_elapsed_seconds", Silent),
            ("hookbudget_job_wait_remaining_seconds", Silent),
            ("hookbudget_job_wait_ratio", Silent),
            ("hookbudget_job_gives_up_timestamp_seconds", Blunt),
            ("hookbudget_job_root_cause", Blunt),
        ],
    ),
    ("HookJobFlapping", &[("hookbudget_owner_recent_runs", Silent)]),
    (
        "HookJobEvidenceLost",
        &[("hookbudget_evidence_lost_total", Silent)],
    ),
    (
        "HookJobNotSeen",
        &[
            ("hookbudget_job_info", Silent),
            ("hookbudget_job_root_cause", Blunt),
        ],
    ),
    ("HookbudgetExporterDown", &[("hookbudget_index_synced", Silent)]),
    ("HookbudgetLabelsOverwritten", &[("hookbudget_job_info", Silent)]),
    (
        "HookbudgetPolicyInvalid",
        &[("hookbudget_policy_load_success", Silent)],
    ),
    ("HookbudgetWatchStale", &[("hookbudget_watch_state", Silent)]),
];

/// What each shipped alert asks of the exporter: its name and the families.
pub fn needed() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    NEEDED
        .iter()
        .map(|(alert, needs)| (*alert, needs.iter().map(|(family, _)| *family).collect()))
}
