//! What a Job's `podFailurePolicy` lacks: a disruption that must not cost an attempt, an exit status that no
//! further attempt can mend.

use serde_json::{Value, json};

use super::finding::Edit;
use super::job::{Container, ExitOperator, FailureRule, Job};
use super::rewrite::WAIT_CONTAINER;

/// The condition that the eviction API, a drained or lost node and preemption put on a Pod
/// (kubernetes/api `core/v1`, `DisruptionTarget`).
pub const DISRUPTION: &str = "DisruptionTarget";
/// The limit up to which a single disruption decides over the Job.
pub const FEW_RETRIES: u32 = 1;
/// The wait helper's statuses that a further attempt cannot mend: wrong use (`EX_USAGE` of sysexits.h), a fatal
/// answer such as 401 (`EX_NOPERM`). Out of time (124) is none: the dependency may be up by the next attempt.
pub const FATAL: [i32; 2] = [64, 77];

/// What is wanted of the policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// A rule that ignores disruptions (HB406).
    pub disruption: bool,
    /// A rule that ends the Job on the wait helper's fatal statuses (HB407).
    pub fatal: bool,
}

/// True when a disruption costs one of so few attempts under `Never`, and no rule speaks of disruptions: who
/// writes `Count` or `FailJob` has decided so.
#[must_use]
pub fn lacks_disruption(job: &Job<'_>, limit: u32) -> bool {
    limit <= FEW_RETRIES
        && job.backoff_limit_per_index.is_none()
        && !job
            .pod_failure_policy
            .iter()
            .any(|rule| rule.pod_conditions.iter().any(|kind| kind == DISRUPTION))
}

/// How sure it is that a container ends with the wait helper's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs {
    /// The helper is all that it runs.
    Helper,
    /// Its script calls the helper.
    Script,
}

/// Whether a container runs the wait helper.
#[must_use]
pub fn runs_helper(container: &Container<'_>) -> Option<Runs> {
    let is_helper = |word: &str| word.rsplit('/').next() == Some(WAIT_CONTAINER);
    let mut words = container.command.iter().chain(&container.args);
    if container.name == WAIT_CONTAINER || words.next().is_some_and(|word| is_helper(word)) {
        return Some(Runs::Helper);
    }
    // Most scripts never name it.
    let calls = words.filter(|text| text.contains(WAIT_CONTAINER)).any(|text| {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        lines
            .flat_map(|line| line.split([';', '&', '|', '(', ')']))
            .any(|command| {
                let mut words = command.split_whitespace();
                words
                    .find(|word| !matches!(*word, "exec" | "if" | "!" | "then" | "else"))
                    .is_some_and(is_helper)
            })
    });
    calls.then_some(Runs::Script)
}

/// The containers that may end with a fatal status of the helper and that no rule of the policy speaks of.
pub fn unnamed<'j>(job: &'j Job<'_>) -> impl Iterator<Item = (bool, usize, &'j Container<'j>, Runs)> {
    job.containers().filter_map(|(init, index, container)| {
        let runs = runs_helper(container).filter(|_| !(init && container.is_sidecar()))?;
        let named = FATAL.iter().all(|status| {
            job.pod_failure_policy
                .iter()
                .any(|rule| speaks_of(rule, &container.name, *status))
        });
        (!named).then_some((init, index, container, runs))
    })
}

/// The action does not matter: who writes `Count` has decided so.
fn speaks_of(rule: &FailureRule<'_>, container: &str, status: i32) -> bool {
    let here = rule.container.as_deref().is_none_or(|name| name == container);
    here && rule
        .exit_codes
        .as_ref()
        .is_some_and(|(operator, codes)| match operator {
            ExitOperator::In => codes.contains(&status),
            ExitOperator::NotIn => !codes.contains(&status),
        })
}

fn disruption_rule() -> Value {
    json!({
        "action": "Ignore",
        "onPodConditions": [{"type": DISRUPTION, "status": "True"}],
    })
}

/// The rule that ends the Job on a fatal status of one container.
#[must_use]
pub fn fatal_rule(container: &str) -> Value {
    json!({
        "action": "FailJob",
        "onExitCodes": {"containerName": container, "operator": "In", "values": FATAL},
    })
}

/// The edits that bring the policy to what is wanted; `more` are containers that are yet to be added. A
/// disruption stands first, because a disrupted Pod also has an exit status.
#[must_use]
pub fn edits(job: &Job<'_>, wanted: Wanted, more: &[&str]) -> Vec<Edit> {
    let fatal = unnamed(job).map(|(_, _, container, _)| container.name.as_ref());
    let fatal: Vec<Value> = fatal
        .chain(more.iter().copied())
        .filter(|_| wanted.fatal)
        .map(fatal_rule)
        .collect();
    let first = wanted.disruption.then(disruption_rule);
    if first.is_none() && fatal.is_empty() {
        return Vec::new();
    }
    let pointer = format!("{}/podFailurePolicy", job.spec_pointer());
    if !job.pod_failure_policy.is_empty() {
        let rules = format!("{pointer}/rules");
        let first = first.map(|value| Edit::Prepend {
            pointer: rules.clone(),
            value,
        });
        let fatal = fatal.into_iter().map(|value| Edit::Append {
            pointer: rules.clone(),
            value,
        });
        return first.into_iter().chain(fatal).collect();
    }
    let rules: Vec<Value> = first.into_iter().chain(fatal).collect();
    let mut edits = vec![Edit::Set {
        pointer,
        value: json!({ "rules": rules }),
    }];
    // With a policy the API server takes only Failed, and at admission the other default is there already.
    if job
        .pod_replacement_policy
        .as_deref()
        .is_some_and(|policy| policy != "Failed")
    {
        edits.push(Edit::Set {
            pointer: format!("{}/podReplacementPolicy", job.spec_pointer()),
            value: "Failed".into(),
        });
    }
    edits
}
