//! What the webhook may write into a Job, and why: the budget's environment, the fixes that the rewrite level
//! allows, the wait that an annotation asks for.
//!
//! Planning is pure: facts in, edits out. What is written never leaves [`is_allowed`], and planning a Job
//! that was rewritten already gives no edit, so that the API server may call again.

mod allowed;
mod budget;
mod environment;
mod record;
mod retries;
mod wait_container;

use std::sync::Arc;

use serde_json::Value;

pub use allowed::{field_label, is_allowed};
pub use budget::{Budget, Quantity};
pub use record::{Change, REWRITTEN, recorded_variable};
pub use wait_container::{WAIT_CONTAINER, WAIT_IMAGE};

use super::Seconds;
use super::assess::Assessment;
use super::finding::{Edit, Finding, FixSafety, dotted};
use super::job::{Container, Job, JobKind, Origin, RestartPolicy};
use super::policy::{Policy, RewriteLevel};
use super::rules::deadline_exceeds_release_timeout::fitting_deadline;
use super::shell::{self, Files, Reading};

/// What is to be written, what that changes, and what could not be done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rewrite {
    /// The edits, in order: a later pointer means the object as the earlier edits left it.
    pub edits: Vec<Edit>,
    /// What they change, one entry per field.
    pub changes: Vec<Change>,
    /// What was asked for and cannot be done, each in one line.
    pub warnings: Vec<String>,
}

/// The rewrite level of a Job: its own annotation, else its namespace's, else the policy's. An annotation that
/// is no level counts as absent.
#[must_use]
pub fn level(job: &Job<'_>, namespace: Option<RewriteLevel>, policy: &Policy) -> RewriteLevel {
    let own = job
        .annotation("hookbudget.dev/rewrite")
        .and_then(RewriteLevel::parse);
    if is_stated_elsewhere(job.origin()) {
        // git or a template states the fields of this Job: only the Job itself can ask for another value.
        return own.unwrap_or(RewriteLevel::None);
    }
    own.or(namespace).unwrap_or(policy.rewrite)
}

/// True for a Job whose fields somebody applies again and again: a rewritten field would be drift, and the
/// template of a Job cannot be changed afterwards.
const fn is_stated_elsewhere(origin: Origin) -> bool {
    matches!(origin, Origin::Plain | Origin::Flux)
}

/// True when anything may be written into the Job at all: hooks and `CronJob`s, and others that ask for it.
#[must_use]
pub fn is_rewritable(job: &Job<'_>) -> bool {
    // The API server refuses Always in a Job: whatever is written there would hide the mistake.
    let valid = job.pod.restart_policy != RestartPolicy::Always;
    valid && !job.is_foreign() && (!is_stated_elsewhere(job.origin()) || asks(job))
}

/// True when the Job's own annotations ask for something to be written.
fn asks(job: &Job<'_>) -> bool {
    const ASKS: [&str; 4] = [
        "hookbudget.dev/env",
        "hookbudget.dev/wait-for",
        "hookbudget.dev/wait-interval",
        "hookbudget.dev/probe-timeout",
    ];
    let rewrites = job
        .annotation("hookbudget.dev/rewrite")
        .is_some_and(|level| level != "none");
    rewrites || ASKS.into_iter().any(|key| job.annotation(key).is_some())
}

/// Plans what to write into a Job. `assessment` is the Job's own, made with the same policy; `wait_image` is the image
/// of an added wait where the policy names none.
#[must_use]
pub fn plan(
    job: &Job<'_>,
    assessment: &Assessment,
    policy: &Policy,
    level: RewriteLevel,
    wait_image: &str,
) -> Rewrite {
    let mut plan = Plan::new(job);
    if !is_rewritable(job) {
        return plan.rewrite;
    }
    if let Some(text) = job.annotation("hookbudget.dev/rewrite")
        && RewriteLevel::parse(text).is_none()
    {
        plan.warn(format!(
            "hookbudget.dev/rewrite {text:?} is no level: write none, safe or all"
        ));
    }
    let targets = wait_container::targets(job, &mut plan);
    let mapped = environment::mapped_names(job, &mut plan);
    let tells = job.origin().is_hook() || asks(job);
    let of_waits = |(_, quantity): &environment::Mapping<'_>| {
        matches!(quantity, Quantity::WaitTimeout | Quantity::WaitAttempts)
    };
    let presumed = !assessment.clocks.is_visible() && !assessment.clocks.calls_a_service();
    let waits = retries::InnerWait {
        helper: !targets.is_empty(),
        // What can be looked into waits by the names that it reads, and by no others.
        told: tells && (budget::is_any_told(job) || presumed && mapped.iter().any(of_waits)),
    };
    // The deadline is settled first: the retries and the waits have to fit into it.
    settle_deadline(&mut plan, assessment, policy, level, waits, &mapped);
    if level == RewriteLevel::All {
        retries::fit(&mut plan, assessment, policy, waits, &mapped);
    }
    apply_fixes(&mut plan, assessment, level, Part::Rest);
    let budget = Budget::of(job, &assessment.clocks, policy, plan.deadline());
    if tells {
        environment::inject(&mut plan, &budget, &mapped);
    }
    let image = Some(policy.wait_image.as_str()).filter(|image| !image.is_empty());
    wait_container::add(&mut plan, &budget, image.unwrap_or(wait_image), &targets);
    if level == RewriteLevel::All {
        retries::complete_failure_policy(&mut plan, assessment, policy);
    }
    record::annotate(&mut plan);
    plan.rewrite
}

/// A plan in the making.
struct Plan<'j> {
    job: &'j Job<'j>,
    rewrite: Rewrite,
    /// Where the variables of a container stand: of the container that was asked for last.
    environment: Option<((bool, usize), Arc<str>)>,
}

/// Edits of a Job with one container that is told everything.
const USUAL: usize = 16;

impl<'j> Plan<'j> {
    fn new(job: &'j Job<'j>) -> Self {
        Self {
            job,
            rewrite: Rewrite::default(),
            environment: None,
        }
    }

    /// JSON pointer of a container's environment.
    fn environment(&mut self, init: bool, index: usize) -> Arc<str> {
        if let Some((container, pointer)) = &self.environment
            && *container == (init, index)
        {
            return Arc::clone(pointer);
        }
        let mut pointer = self.job.container_pointer(init, index);
        pointer.push_str("/env");
        let pointer: Arc<str> = pointer.into();
        self.environment = Some(((init, index), Arc::clone(&pointer)));
        pointer
    }

    fn edit(&mut self, edit: Edit) {
        if self.rewrite.edits.is_empty() {
            self.rewrite.edits.reserve(USUAL);
        }
        self.rewrite.edits.push(edit);
    }

    fn note(&mut self, change: Change) {
        if self.rewrite.changes.is_empty() {
            self.rewrite.changes.reserve(USUAL);
        }
        self.rewrite.changes.push(change);
    }

    fn warn(&mut self, text: String) {
        self.rewrite.warnings.push(text);
    }

    fn touches(&self, pointer: &str) -> bool {
        self.rewrite.edits.iter().any(|edit| edit.pointer() == pointer)
    }

    /// Sets a field of the Job's spec, unless it has this value already.
    fn set(&mut self, field: &str, to: Value, rule: &'static str) {
        let pointer = format!("{}/{field}", self.job.spec_pointer());
        let from = self.present(&pointer);
        if from != to {
            self.push(Edit::Set { pointer, value: to }, from, rule);
        }
    }

    fn push(&mut self, edit: Edit, from: Value, rule: &'static str) {
        self.note(Change {
            field: dotted(edit.pointer()).into(),
            from,
            to: edit.value().into_owned(),
            rule: rule.into(),
        });
        self.edit(edit);
    }

    /// The value of a field before the rewrite, as far as the facts know it; null when absent or unknown.
    fn present(&self, pointer: &str) -> Value {
        let job = self.job;
        let span = |span: Option<Seconds>| span.map_or(Value::Null, |span| span.whole().into());
        let text = |text: Option<&str>| text.map_or(Value::Null, Into::into);
        match pointer.rsplit('/').next().unwrap_or_default() {
            "restartPolicy" => job.pod.restart_policy.as_str().into(),
            "backoffLimit" if job.backoff_limit.stated => job.backoff_limit.value.into(),
            "activeDeadlineSeconds" => span(job.active_deadline),
            "ttlSecondsAfterFinished" => span(job.ttl_after_finished),
            "podReplacementPolicy" => text(job.pod_replacement_policy.as_deref()),
            "terminationMessagePolicy" => text(
                self.container_at(pointer)
                    .and_then(|c| c.message_policy.as_deref()),
            ),
            "failedJobsHistoryLimit" => job.cron.as_ref().map_or(Value::Null, |c| c.failed_history.into()),
            _ => Value::Null,
        }
    }

    /// The container of a field.
    fn container_at(&self, pointer: &str) -> Option<&'j Container<'j>> {
        let mut parts = pointer.rsplit('/').skip(1);
        let index = parts.next()?.parse::<usize>().ok()?;
        let pod = &self.job.pod;
        match parts.next()? {
            "initContainers" => pod.init_containers.get(index),
            _ => pod.containers.get(index),
        }
    }

    /// What the plan leaves in a field that it sets.
    fn planned(&self, field: &str) -> Option<&Value> {
        let is_it = |pointer: &str| {
            let inside = pointer.strip_prefix(self.job.spec_pointer());
            inside.and_then(|inside| inside.strip_prefix('/')) == Some(field)
        };
        self.rewrite.edits.iter().rev().find_map(|edit| match edit {
            Edit::Set { pointer, value } if is_it(pointer) => Some(value),
            _ => None,
        })
    }

    /// `activeDeadlineSeconds` as the plan leaves it.
    fn deadline(&self) -> Option<Seconds> {
        self.planned("activeDeadlineSeconds")
            .and_then(Value::as_i64)
            .map(Seconds::new)
            .or(self.job.active_deadline)
    }

    /// `restartPolicy` as the plan leaves it.
    fn restart_policy(&self) -> RestartPolicy {
        match self
            .planned("template/spec/restartPolicy")
            .and_then(Value::as_str)
        {
            Some("Never") => RestartPolicy::Never,
            Some("OnFailure") => RestartPolicy::OnFailure,
            _ => self.job.pod.restart_policy,
        }
    }
}

fn sets_deadline(edit: &Edit) -> bool {
    edit.pointer().ends_with("/activeDeadlineSeconds")
}

/// The deadline that a rule proposes; and for a Job without one that gets a wait or the numbers of its own wait
/// here, the one that leaves its release the slack to see the failure and the Pod its grace period.
fn settle_deadline(
    plan: &mut Plan<'_>,
    assessment: &Assessment,
    policy: &Policy,
    level: RewriteLevel,
    waits: retries::InnerWait,
    mapped: &[environment::Mapping<'_>],
) {
    let clocks = &assessment.clocks;
    let stated = clocks.release.timeout.filter(|_| clocks.release.is_known());
    let derived = stated.map(|timeout| timeout - policy.slack - clocks.grace);
    let missing = plan.job.active_deadline.is_none();
    if let Some(deadline) = derived.filter(|deadline| missing && deadline.whole() > 0) {
        let budget = Budget::of(plan.job, clocks, policy, Some(deadline));
        // Such a deadline could never fire: it would mend one finding and make a worse one.
        let is_late = level != RewriteLevel::All
            && retries::end_first(plan.job, clocks, deadline)
            && !waits_when_told(plan.job, &budget, mapped);
        // What cannot be looked into is taken to wait by the names that are mapped for it.
        let waits_then = waits.helper || waits.told && !(is_late && clocks.is_visible());
        if waits_then {
            let covers = |budget: &Budget| budget.wait() >= Some(clocks.cold_start.span);
            // Its headroom would leave less than what the dependency is stated to take: without it the Job succeeds.
            let cuts_the_wait = clocks.cold_start.is_stated()
                && !covers(&budget)
                && covers(&Budget::of(plan.job, clocks, policy, None));
            if budget.wait().is_some() && level != RewriteLevel::None && !cuts_the_wait {
                plan.set("activeDeadlineSeconds", deadline.whole().into(), "HB106");
            }
            return;
        }
        if is_late {
            return;
        }
    }
    if (waits.helper || waits.told) && level == RewriteLevel::All {
        end_before_the_release(plan, assessment, policy);
    }
    // A wait that is told its length fits into the deadline as it is, and a later one would lengthen it.
    let part = Part::Deadline {
        later: !waits.helper && !waits.told,
    };
    apply_fixes(plan, assessment, level, part);
}

/// What the containers do once they are told the numbers of a budget; sidecars left out.
fn when_told(
    job: &Job<'_>,
    budget: &Budget,
    mapped: &[environment::Mapping<'_>],
) -> impl Iterator<Item = Reading> {
    let containers = job
        .containers()
        .filter(|(init, _, container)| !(*init && container.is_sidecar()));
    containers.map(|(_, _, container)| {
        let told = environment::told(job, container, budget, mapped);
        shell::read_container(&told, Files::default())
    })
}

/// True when a script waits once it is told the numbers of a budget.
fn waits_when_told(job: &Job<'_>, budget: &Budget, mapped: &[environment::Mapping<'_>]) -> bool {
    when_told(job, budget, mapped).any(|reading| !reading.waits.is_empty())
}

/// A wait that is told its length here fits into any clock that leaves it room: whether the one that the script
/// had without being told would have fitted, which the fix of HB103 asks, is no matter.
fn end_before_the_release(plan: &mut Plan<'_>, assessment: &Assessment, policy: &Policy) {
    let clocks = &assessment.clocks;
    let late = |finding: &Finding| finding.code == "HB103" && finding.exempted.is_none();
    let stated = clocks.release.timeout.filter(|_| clocks.release.is_known());
    let Some(timeout) = stated.filter(|_| assessment.findings.iter().any(late)) else {
        return;
    };
    let deadline = fitting_deadline(timeout, clocks.grace);
    if Budget::of(plan.job, clocks, policy, Some(deadline))
        .wait()
        .is_some()
    {
        plan.set("activeDeadlineSeconds", deadline.whole().into(), "HB103");
    }
}

/// Which edits of the fixes are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The deadline alone: what a fix changes beside it is for [`retries::fit`] to decide, with the waits in
    /// view that the rewrite brings. A later one for a longer wait (HB102) only where the wait stays as it is.
    Deadline { later: bool },
    /// The fixes that leave the deadline as it is, each of them whole.
    Rest,
}

/// The fixes that rules propose, as far as the level allows them and no earlier edit has decided the field.
fn apply_fixes(plan: &mut Plan<'_>, assessment: &Assessment, level: RewriteLevel, part: Part) {
    let allowed = match level {
        RewriteLevel::None => return,
        RewriteLevel::Safe => FixSafety::Safe,
        RewriteLevel::All => FixSafety::Unsafe,
    };
    // `retries` decides about these, with the waits and the limit in view that the rewrite brings. The limit of
    // HB107 fits the restart policy that stands there, and another rule may rewrite that: it is left to files.
    let decided = |code| matches!(code, "HB101" | "HB107" | "HB108" | "HB206" | "HB406" | "HB407");
    let open = assessment
        .findings
        .iter()
        .filter(|finding| finding.exempted.is_none() && !decided(finding.code));
    // A CronJob is applied again and again: a number that stands in git would go back and forth with its controller.
    let asked = plan.job.annotation("hookbudget.dev/rewrite").is_some();
    let keeps_numbers = plan.job.kind == JobKind::CronJob && level == RewriteLevel::Safe && !asked;
    for finding in open {
        let Some(fix) = finding
            .fix
            .as_ref()
            .filter(|fix| fix.safety <= allowed && fix.on.is_none())
        else {
            continue;
        };
        match part {
            Part::Deadline { later: false } if finding.code == "HB102" => continue,
            Part::Rest if fix.edits.iter().any(sets_deadline) => continue,
            Part::Deadline { .. } | Part::Rest => {}
        }
        let edits = || {
            let edits = fix.edits.iter();
            edits.filter(|edit| part == Part::Rest || sets_deadline(edit))
        };
        let fits = edits()
            .all(|edit| is_allowed(plan.job, edit) && !plan.touches(edit.pointer()) && !uncounts(plan, edit));
        if !fits {
            continue;
        }
        for edit in edits() {
            let from = plan.present(edit.pointer());
            let same = matches!(edit, Edit::Set { value, .. } if *value == from);
            let is_kept = keeps_numbers && from.is_number();
            if !same && !is_kept {
                plan.push(edit.clone(), from, finding.code);
            }
        }
    }
}

/// True for an edit that would leave restarts of containers by their own policy to no clock at all (HB408).
fn uncounts(plan: &Plan<'_>, edit: &Edit) -> bool {
    let never = matches!(edit, Edit::Set { pointer, value } if pointer.ends_with("/template/spec/restartPolicy") && value == "Never");
    let own = |init, container: &Container<'_>| {
        !(init && container.is_sidecar())
            && (container.restart_policy.is_some() || container.has_restart_rules)
    };
    never
        && plan.deadline().is_none()
        && plan
            .job
            .containers()
            .any(|(init, _, container)| own(init, container))
}

#[cfg(test)]
mod tests;
