//! A restart policy and a limit that leave the end of a Job to its wait or its deadline.

use serde_json::{Value, json};

use super::environment::Mapping;
use super::wait_container::WAIT_CONTAINER;
use super::{Budget, Plan, when_told};
use crate::engine::assess::Assessment;
use crate::engine::backoff::Retries;
use crate::engine::budget::{Clocks, retries_of};
use crate::engine::exemption::covers;
use crate::engine::failure_policy::{self, Wanted, fatal_rule, lacks_disruption, unnamed};
use crate::engine::finding::Edit;
use crate::engine::job::{Job, RestartPolicy};
use crate::engine::policy::{Policy, RuleLevel};
use crate::engine::rules::LOOKS_LIKE_A_WAIT;
use crate::engine::rules::last_attempt_cut::is_repeated_whole;
use crate::engine::shell::Reading;
use crate::engine::{Limit, Seconds};

/// Statuses with which `hookbudget-wait` says that another try is of no use: wrong use (`EX_USAGE` of
/// `sysexits.h`), a fatal answer such as 401 (`EX_NOPERM`), out of time (as `timeout` of GNU coreutils).
const WAIT_GAVE_UP: [i32; 3] = [64, 77, 124];

/// A limit that no Job needs: a deadline of two weeks has 2,000 retries of 600 s.
const MAX_LIMIT: u32 = 2_100;

/// The inner waits that the plan itself brings.
#[derive(Clone, Copy, Debug)]
pub(super) struct InnerWait {
    /// The init container of `hookbudget.dev/wait-for`.
    pub(super) helper: bool,
    /// The script waits for as long, or as often, as it is told, under its own names or the budget's.
    pub(super) told: bool,
}

/// Makes a Job that waits by failing end by its deadline, each attempt in a Pod of its own.
///
/// - With an inner wait, one more attempt than the wait needs is of no use against the same blocker: the limit
///   is 1 where the helper's exit status ends the Job anyway or where a second whole wait still fits, else 0.
/// - Without one the retries are the wait: the smallest limit whose retries outlast the deadline.
pub(super) fn fit(
    plan: &mut Plan<'_>,
    assessment: &Assessment,
    policy: &Policy,
    waits: InnerWait,
    mapped: &[Mapping<'_>],
) {
    let job = plan.job;
    let clocks = &assessment.clocks;
    let silent = |code| {
        let exempted = assessment
            .findings
            .iter()
            .any(|f| f.code == code && f.exempted.is_some());
        exempted || policy.rules.get(code) == Some(&RuleLevel::Off)
    };
    if job.backoff_limit_per_index.is_some() || silent("HB101") {
        return;
    }
    let Some(deadline) = plan.deadline().filter(|deadline| *deadline > Seconds::ZERO) else {
        return;
    };
    let on_failure = job.pod.restart_policy == RestartPolicy::OnFailure;
    let told = Budget::of(job, clocks, policy, Some(deadline));
    let budget = told.wait();
    let waits = InnerWait {
        helper: waits.helper && budget.is_some(),
        ..waits
    };
    let wait = if waits.helper || waits.told {
        budget
    } else {
        clocks.wait.and_then(|wait| wait.nominal.seconds())
    };
    let limit = match wait {
        Some(wait) if !on_failure && !waits.helper => {
            let repeats = || {
                if waits.told {
                    repeats_when_told(job, &told, mapped)
                } else {
                    is_repeated_whole(job, clocks.waits().map(|(_, wait)| wait))
                }
            };
            if !silent("HB108") && repeats() {
                let retries = Retries {
                    run: Limit::At(wait),
                    ..retries_of(job, policy)
                };
                finish_every_attempt(plan, retries, deadline);
            }
            return;
        }
        Some(wait) => {
            let attempt = clocks.startup + wait;
            let second_fits =
                attempt + crate::engine::backoff::JobBackoff::default().base + attempt <= deadline;
            let useful = u32::from(waits.helper || second_fits);
            clocks.attempts.saturating_sub(1).min(useful)
        }
        None if !end_first(job, clocks, deadline) => return,
        None => {
            let never = Retries {
                policy: RestartPolicy::Never,
                run: clocks.run.nominal,
                ..retries_of(job, policy)
            };
            let outlasts = |limit: &u32| {
                Retries {
                    limit: *limit,
                    ..never
                }
                .end()
                .0 > Limit::At(deadline)
            };
            let Some(limit) = (0..MAX_LIMIT).find(outlasts) else {
                return;
            };
            limit
        }
    };
    plan.set("template/spec/restartPolicy", "Never".into(), "HB101");
    if !job.backoff_limit.stated || job.backoff_limit.value != limit {
        plan.set("backoffLimit", limit.into(), "HB101");
    }
    let never = plan.restart_policy() == RestartPolicy::Never;
    if never && limit <= 1 && job.pod_failure_policy.is_empty() {
        ignore_disruptions(plan, waits.helper);
    }
}

/// [`is_repeated_whole`] of the waits as they are once their numbers are told. How a script goes on that can then not be
/// followed is not known, and its limit is left alone.
fn repeats_when_told(job: &Job<'_>, told: &Budget, mapped: &[Mapping<'_>]) -> bool {
    let readings: Vec<Reading> = when_told(job, told, mapped).collect();
    let lost = |reading: &Reading| reading.visible && reading.waits.is_empty() && !reading.unread.is_empty();
    !readings.iter().any(lost) && is_repeated_whole(job, readings.iter().flat_map(|reading| &reading.waits))
}

/// Leaves the attempts of a wait that can finish before the deadline, and none that it would cut.
fn finish_every_attempt(plan: &mut Plan<'_>, retries: Retries, deadline: Seconds) {
    let cut = retries.cut_by(deadline).map(|(number, _)| number);
    if let Some(limit) = cut.and_then(|number| number.checked_sub(2)) {
        plan.set("backoffLimit", limit.into(), "HB108");
        if limit <= 1 && plan.job.pod_failure_policy.is_empty() {
            ignore_disruptions(plan, false);
        }
    }
}

/// True for a hook that waits by failing and whose retries are over before the deadline. A hook that cannot be
/// looked into is taken for one when it is retried often.
pub(super) fn end_first(job: &Job<'_>, clocks: &Clocks, deadline: Seconds) -> bool {
    let presumed = !clocks.is_visible() && clocks.attempts >= LOOKS_LIKE_A_WAIT;
    job.origin().is_hook()
        && clocks.wait.is_none()
        && (clocks.calls_a_service() || presumed)
        && clocks.retries_lower <= Limit::At(deadline)
}

/// With few attempts none may be lost to an eviction, and a wait that gave up is not repeated.
fn ignore_disruptions(plan: &mut Plan<'_>, helper: bool) {
    let own = unnamed(plan.job).filter(|(_, _, container, _)| container.name != WAIT_CONTAINER);
    let own: Vec<Value> = own
        .map(|(_, _, container, _)| fatal_rule(&container.name))
        .collect();
    let mut rules = vec![json!({
        "action": "Ignore",
        "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
    })];
    if helper {
        rules.push(json!({
            "action": "FailJob",
            "onExitCodes": {"containerName": WAIT_CONTAINER, "operator": "In", "values": WAIT_GAVE_UP},
        }));
    }
    rules.extend(own);
    plan.set("podFailurePolicy", json!({ "rules": rules }), "HB406");
    replace_failed_pods_only(plan, "HB406");
}

/// The default was chosen before admission, without a Pod failure policy; with one the API server takes only Failed.
fn replace_failed_pods_only(plan: &mut Plan<'_>, rule: &'static str) {
    plan.set("podReplacementPolicy", "Failed".into(), rule);
}

/// What HB406 and HB407 ask for, of the Job as the plan leaves it: its limit may have become small, and its
/// wait may have come by the plan.
pub(super) fn complete_failure_policy(plan: &mut Plan<'_>, assessment: &Assessment, policy: &Policy) {
    let job = plan.job;
    let field = format!("{}/podFailurePolicy", job.spec_pointer());
    let decided = plan
        .rewrite
        .edits
        .iter()
        .any(|edit| edit.pointer().starts_with(&field));
    if decided || plan.restart_policy() != RestartPolicy::Never {
        return;
    }
    let active =
        |code| policy.rules.get(code) != Some(&RuleLevel::Off) && !covers(&assessment.exemptions, code);
    let planned = plan.planned("backoffLimit").and_then(Value::as_u64);
    let limit = planned.map_or(job.backoff_limit.value, |limit| {
        u32::try_from(limit).unwrap_or(u32::MAX)
    });
    let wanted = Wanted {
        disruption: active("HB406") && lacks_disruption(job, limit),
        fatal: active("HB407") && limit > 0,
    };
    let brought =
        plan.rewrite.edits.iter().any(
            |edit| matches!(edit, Edit::Prepend { pointer, .. } if pointer.ends_with("/initContainers")),
        );
    let more: &[&str] = if brought { &[WAIT_CONTAINER] } else { &[] };
    let rule = if wanted.disruption { "HB406" } else { "HB407" };
    let edits = failure_policy::edits(job, wanted, more);
    if !edits.is_empty() && job.pod_failure_policy.is_empty() {
        replace_failed_pods_only(plan, rule);
    }
    for edit in edits {
        plan.push(edit, Value::Null, rule);
    }
}
