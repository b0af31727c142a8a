//! `spec.podFailurePolicy`.

use serde::Deserialize;

use super::{Problems, text};
use crate::engine::job::{ExitOperator, FailureAction, FailureRule};
use crate::k8s::text::{Str, null_default};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PodFailurePolicy<'a> {
    #[serde(borrow, deserialize_with = "null_default")]
    rules: Vec<PodFailureRule<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodFailureRule<'a> {
    #[serde(borrow)]
    action: Str<'a>,
    #[serde(borrow)]
    on_exit_codes: Option<OnExitCodes<'a>>,
    #[serde(borrow, deserialize_with = "null_default")]
    on_pod_conditions: Vec<OnPodCondition<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct OnExitCodes<'a> {
    #[serde(borrow)]
    container_name: Option<Str<'a>>,
    #[serde(borrow)]
    operator: Str<'a>,
    #[serde(deserialize_with = "null_default")]
    values: Vec<i32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OnPodCondition<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
}

pub(super) fn failure_rules<'a>(
    policy: PodFailurePolicy<'a>,
    root: &str,
    problems: &mut Problems,
) -> Vec<FailureRule<'a>> {
    let mut rules = Vec::with_capacity(policy.rules.len());
    for (index, rule) in policy.rules.into_iter().enumerate() {
        let action = match rule.action.0.as_ref() {
            "FailJob" => FailureAction::FailJob,
            "FailIndex" => FailureAction::FailIndex,
            "Ignore" => FailureAction::Ignore,
            "Count" => FailureAction::Count,
            other => {
                let message = format!("{other:?} is no action: write FailJob, FailIndex, Ignore or Count");
                problems.add(format!("{root}/podFailurePolicy/rules/{index}/action"), message);
                continue;
            }
        };
        let (container, exit_codes) = match rule.on_exit_codes {
            Some(codes) => {
                let operator = if codes.operator.0 == "NotIn" {
                    ExitOperator::NotIn
                } else {
                    ExitOperator::In
                };
                (text(codes.container_name), Some((operator, codes.values)))
            }
            None => (None, None),
        };
        let pod_conditions = rule
            .on_pod_conditions
            .into_iter()
            .map(|condition| condition.kind.0)
            .collect();
        rules.push(FailureRule {
            action,
            exit_codes,
            container,
            pod_conditions,
        });
    }
    rules
}
