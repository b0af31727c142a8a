//! A policy document against its schema: every mistake with its place and the nearest thing that would be right.

use serde_json::Value;

use super::schema::Rule;
use crate::cli::manifest::{Document, InputError};
use crate::engine::Seconds;
use crate::engine::policy::KubeletPolicy;

/// How alike a word must be to what was meant: strsim's Jaro-Winkler, where 1 is equal.
const ALIKE: f64 = 0.75;

/// The mistakes in a document. The value is put right where YAML 1.1 reads `off` as `false`.
pub(super) fn check(document: &Document, value: &mut Value, schema: &Value) -> Vec<InputError> {
    let mut check = Check {
        document,
        errors: Vec::new(),
    };
    match Rule::of(schema) {
        Some(rule) if value.is_object() => check.object(rule, "", value),
        _ => check.wrong("", "a policy is a mapping, such as `headroom: 4m`".to_owned()),
    }
    check.errors
}

/// Where the kubelet takes `crashLoopBackOff.maxContainerRestartPeriod` from (kubernetes/kubernetes
/// `pkg/kubelet/apis/config/validation`): 1 s to 300 s.
pub(super) fn check_kubelet(document: &Document, kubelet: &KubeletPolicy) -> Option<InputError> {
    let period = kubelet.max_container_restart_period?.0;
    let taken = Seconds::new(1)..=Seconds::new(300);
    let pointer = "/kubelet/maxContainerRestartPeriod";
    (!taken.contains(&period)).then(|| {
        let message = format!(
            "{}: {period} is no restart period: the kubelet takes 1s to 300s",
            dotted(pointer)
        );
        document.error_at(pointer, message)
    })
}

struct Check<'a> {
    document: &'a Document,
    errors: Vec<InputError>,
}

impl Check<'_> {
    fn object(&mut self, rule: Rule<'_>, pointer: &str, value: &mut Value) {
        let Some(object) = value.as_object_mut() else {
            let found = found(value);
            return self.wrong(
                pointer,
                format!("{}: expected a mapping, found {found}", dotted(pointer)),
            );
        };
        let names = rule.names();
        for key in rule.required() {
            if !object.contains_key(key) {
                let place = if pointer.is_empty() {
                    String::new()
                } else {
                    format!("{}: ", dotted(pointer))
                };
                self.wrong(pointer, format!("{place}{key} is missing: write {key}: ..."));
            }
        }
        for (key, value) in object {
            let below = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
            let inner = match (rule.properties(), rule.each()) {
                (Some(properties), _) => {
                    let inner = rule.property(key);
                    if inner.is_none() {
                        self.unknown(&below, "key", key, properties.keys().map(String::as_str));
                    }
                    inner
                }
                (None, each) => {
                    if !names.is_empty() && !names.contains(&key.as_str()) {
                        self.unknown(&below, "rule", key, names.iter().copied());
                    }
                    each
                }
            };
            if let Some(inner) = inner {
                self.value(inner, &below, value);
            }
        }
    }

    fn value(&mut self, rule: Rule<'_>, pointer: &str, value: &mut Value) {
        let choices = rule.choices();
        if *value == Value::Bool(false) && choices.iter().any(|(choice, _)| *choice == "off") {
            *value = Value::from("off");
        }
        let name = dotted(pointer);
        if value.is_null() && rule.takes_null() {
            return;
        }
        if let Some(rule) = rule.object() {
            return self.object(rule, pointer, value);
        }
        if let Some(item) = rule.items() {
            let Some(items) = value.as_array_mut() else {
                let found = found(value);
                return self.wrong(pointer, format!("{name}: expected a list, found {found}"));
            };
            for (index, value) in items.iter_mut().enumerate() {
                self.value(item, &format!("{pointer}/{index}"), value);
            }
            return;
        }
        if let Some(only) = rule.constant() {
            if value != only {
                self.wrong(
                    pointer,
                    format!("{name} is {}: write {name}: {only}", found(value)),
                );
            }
        } else if !choices.is_empty() {
            let words: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
            if !value.as_str().is_some_and(|text| words.contains(&text)) {
                let meant = meant(value.as_str().unwrap_or_default(), words.iter().copied());
                let meant = meant.map_or_else(String::new, |word| format!("did you mean {word}? "));
                let found = found(value);
                self.wrong(
                    pointer,
                    format!("{name} is {found}: {meant}Allowed are {}", words.join(", ")),
                );
            }
        } else if rule.is_duration() {
            if let Some(wrong) = not_a_duration(value) {
                self.wrong(pointer, format!("{name}: {wrong}"));
            }
        } else if rule.takes_type("boolean") && !value.is_boolean() {
            self.wrong(
                pointer,
                format!("{name} is {}: write true or false", found(value)),
            );
        } else if rule.takes_type("string") && !value.is_string() {
            self.wrong(pointer, format!("{name} is {}: write text", found(value)));
        }
    }

    fn unknown<'n>(
        &mut self,
        pointer: &str,
        what: &str,
        key: &str,
        names: impl Iterator<Item = &'n str> + Clone,
    ) {
        let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
        let of = if parent.is_empty() {
            String::new()
        } else {
            format!("{}: ", dotted(parent))
        };
        let remedy = meant(key, names.clone()).map_or_else(
            || format!("there are {}", names.collect::<Vec<_>>().join(", ")),
            |near| format!("did you mean {near}?"),
        );
        let at = self.document.locate_key(pointer);
        let error = InputError {
            file: at.file,
            line: Some(at.line),
            column: Some(at.column),
            message: format!("{of}unknown {what} {key}: {remedy}"),
        };
        self.errors.push(error);
    }

    fn wrong(&mut self, pointer: &str, message: String) {
        self.errors.push(self.document.error_at(pointer, message));
    }
}

/// What a duration must not be, with what to write instead.
fn not_a_duration(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => match Seconds::parse_go(text) {
            Ok(span) if span < Seconds::ZERO => {
                Some(format!("{text:?} is negative: write a span of zero or more"))
            }
            Ok(_) => None,
            Err(error) => Some(error.to_string()),
        },
        Value::Number(number) if number.is_u64() => Some(format!(
            "the number {number} has no unit: write {number}s or {number}m"
        )),
        other => Some(format!(
            "expected a duration such as 4m or 90s, found {}",
            found(other)
        )),
    }
}

/// The name that was most likely meant.
fn meant<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let word = word.to_lowercase();
    names
        .map(|name| (strsim::jaro_winkler(&word, &name.to_lowercase()), name))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

/// A JSON pointer as people write it.
pub(super) fn dotted(pointer: &str) -> String {
    let steps = pointer.split('/').skip(1);
    let steps: Vec<String> = steps
        .map(|step| step.replace("~1", "/").replace("~0", "~"))
        .collect();
    steps.join(".")
}

fn found(value: &Value) -> String {
    match value {
        Value::Null => "empty".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
        other => other.to_string(),
    }
}
