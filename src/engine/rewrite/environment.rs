//! The budget's environment: the fixed names in every container, and the names that a chart uses already.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use super::record;
use super::wait_container::WAIT_CONTAINER;
use super::{Budget, Change, Plan, Quantity};
use crate::engine::finding::{Edit, Setting};
use crate::engine::job::{Container, EnvVar, Job};

/// The most names that one Job may map: each is looked for in every container.
const MOST_NAMES: usize = 64;

/// A name of the chart's own and what it is to hold.
pub(super) type Mapping<'j> = (&'j str, Quantity);

/// Reads the annotation `hookbudget.dev/env`.
pub(super) fn mapped_names<'j>(job: &'j Job<'_>, plan: &mut Plan<'_>) -> Vec<Mapping<'j>> {
    let Some(text) = job.annotation("hookbudget.dev/env") else {
        return Vec::new();
    };
    let mut mappings: Vec<Mapping<'j>> = Vec::new();
    for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let (name, word) = entry.split_once('=').unwrap_or((entry, ""));
        let (name, word) = (name.trim(), word.trim());
        match Quantity::parse(word) {
            Some(_) if name.is_empty() => {
                plan.warn(format!(
                    "hookbudget.dev/env has no name before ={word}: write NAME={word}"
                ));
            }
            Some(quantity) => {
                mappings.retain(|(earlier, _)| *earlier != name);
                if mappings.len() == MOST_NAMES {
                    plan.warn(format!(
                        "hookbudget.dev/env names more than {MOST_NAMES} variables: {name} and those after it are not set"
                    ));
                    break;
                }
                mappings.push((name, quantity));
            }
            None => {
                let words: Vec<&str> = Quantity::ALL.iter().map(|quantity| quantity.word()).collect();
                plan.warn(format!(
                    "hookbudget.dev/env: {name}={word} names no number: write one of {}",
                    words.join(", ")
                ));
            }
        }
    }
    mappings
}

/// Puts the budget into every container, and the mapped names where they belong.
pub(super) fn inject(plan: &mut Plan<'_>, budget: &Budget, mapped: &[Mapping<'_>]) {
    for quantity in Quantity::ALL {
        // A number that does not exist is missed only by those who ask for it by name.
        if let Ok(value) = budget.value(quantity) {
            inject_everywhere(plan, quantity, &value);
        }
    }
    for (name, quantity) in mapped {
        match budget.value(*quantity) {
            Ok(value) => map_name(plan, name, &value),
            Err(why) => plan.warn(format!("{name}={} is not injected: {why}", quantity.word())),
        }
    }
}

fn inject_everywhere(plan: &mut Plan<'_>, quantity: Quantity, value: &Setting) {
    let (job, name) = (plan.job, quantity.variable());
    let recorded = record::recorded_variable(job, name);
    let mut from = Value::Null;
    let mut changed = false;
    for (init, index, container) in job.containers() {
        match last(container, name) {
            None => {
                let pointer = plan.environment(init, index);
                append(plan, pointer, Cow::Borrowed(name), value.clone());
                changed = true;
            }
            // What an earlier rewrite wrote may be out of date by now; what the chart states is its own.
            Some((entry, Some(present))) if !value.is(present) && recorded.as_deref() == Some(present) => {
                from = present.into();
                replace(plan, &job.container_pointer(init, index), entry, value);
                changed = true;
            }
            Some(_) => {}
        }
    }
    if changed {
        note(plan, quantity.recorded().into(), from, value, "budget");
    }
}

/// A name that some container sets already is set there and nowhere else: in another container the same name
/// may mean something else.
fn map_name(plan: &mut Plan<'_>, name: &str, value: &Setting) {
    let job = plan.job;
    let sets_it = |container: &Container<'_>| container.env.iter().any(|variable| variable.name == name);
    let somewhere = job.containers().any(|(_, _, container)| sets_it(container));
    let mut from = Value::Null;
    let mut changed = false;
    for (init, index, container) in job.containers() {
        match last(container, name) {
            Some((_, None)) => {
                plan.warn(format!(
                    "{name} of container {} comes from valueFrom and is left alone",
                    container.name
                ));
            }
            Some((entry, Some(present))) if !value.is(present) => {
                from = present.into();
                replace(plan, &job.container_pointer(init, index), entry, value);
                changed = true;
            }
            None if !somewhere && container.name != WAIT_CONTAINER => {
                let pointer = plan.environment(init, index);
                append(plan, pointer, Cow::Owned(name.to_owned()), value.clone());
                changed = true;
            }
            Some(_) | None => {}
        }
    }
    if changed {
        note(
            plan,
            record::env_field(name).into(),
            from,
            value,
            "hookbudget.dev/env",
        );
    }
}

/// A container as it runs when the budget and the mapped names are in its environment.
pub(super) fn told<'c>(
    job: &Job<'_>,
    container: &Container<'c>,
    budget: &Budget,
    mapped: &[Mapping<'_>],
) -> Container<'c> {
    let sets =
        |container: &Container<'_>, name: &str| container.env.iter().any(|variable| variable.name == name);
    let mut told = container.clone();
    let fixed = Quantity::ALL.into_iter().filter_map(|quantity| {
        let is_new = !sets(container, quantity.variable());
        Some((
            quantity.variable(),
            budget.value(quantity).ok().filter(|_| is_new)?,
        ))
    });
    let mapped = mapped.iter().filter_map(|(name, quantity)| {
        let belongs = sets(container, name) || !job.containers().any(|(_, _, other)| sets(other, name));
        Some((*name, budget.value(*quantity).ok().filter(|_| belongs)?))
    });
    // The later of two equal names wins.
    told.env.extend(fixed.chain(mapped).map(|(name, value)| EnvVar {
        name: name.to_owned().into(),
        value: Some(value.to_string().into()),
    }));
    told
}

/// The entry in force, as the later of two equal names wins; without a value where `valueFrom` gives it.
fn last<'c>(container: &'c Container<'_>, name: &str) -> Option<(usize, Option<&'c str>)> {
    container
        .env
        .iter()
        .enumerate()
        .rev()
        .find(|(_, variable)| variable.name == name)
        .map(|(entry, variable)| (entry, variable.value.as_deref()))
}

fn append(plan: &mut Plan<'_>, pointer: Arc<str>, name: Cow<'static, str>, value: Setting) {
    plan.edit(Edit::Variable { pointer, name, value });
}

fn replace(plan: &mut Plan<'_>, container: &str, entry: usize, value: &Setting) {
    plan.edit(Edit::Set {
        pointer: format!("{container}/env/{entry}/value"),
        value: value.to_string().into(),
    });
}

fn note(plan: &mut Plan<'_>, field: Cow<'static, str>, from: Value, value: &Setting, rule: &'static str) {
    plan.note(Change {
        field,
        from,
        to: value.to_string().into(),
        rule: rule.into(),
    });
}
