//! The annotation that tells what was rewritten, from what, by which rule.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Plan;
use crate::engine::finding::Edit;
use crate::engine::job::{Job, lookup};

/// The annotation that records a rewrite: a JSON list of [`Change`]s.
pub const REWRITTEN: &str = "hookbudget.dev/rewritten";

/// One field that was rewritten.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The field as people write it, `spec.backoffLimit`; `env.NAME` for a variable.
    pub field: String,
    /// Its value before; null when absent.
    pub from: Value,
    /// Its value now.
    pub to: Value,
    /// The rule or the annotation that asked for it.
    pub rule: Cow<'static, str>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &Value, f: &mut fmt::Formatter<'_>| match value.as_str() {
            Some(text) => f.write_str(text),
            None => value.fmt(f),
        };
        f.write_str(&self.field)?;
        if !self.from.is_null() {
            f.write_str(" ")?;
            text(&self.from, f)?;
        }
        f.write_str(" -> ")?;
        text(&self.to, f)?;
        write!(f, " ({})", self.rule)
    }
}

/// What a variable's name stands behind in a [`Change`].
const VARIABLE: &str = "env.";

/// How a variable is named in a [`Change`].
pub(super) fn env_field(name: &str) -> String {
    [VARIABLE, name].concat()
}

/// The changes that earlier rewrites recorded on this object.
fn earlier(job: &Job<'_>) -> Vec<Change> {
    lookup(&job.annotations, REWRITTEN)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// The value that an earlier rewrite gave a variable: such a one is not the Job's own.
#[must_use]
pub fn recorded_variable(job: &Job<'_>, name: &str) -> Option<String> {
    earlier(job)
        .into_iter()
        .find(|change| change.field.strip_prefix(VARIABLE) == Some(name))
        .and_then(|change| change.to.as_str().map(str::to_owned))
}

/// Writes the record: the new changes, and of the earlier ones those that still stand.
pub(super) fn annotate(plan: &mut Plan<'_>) {
    let new = &plan.rewrite.changes;
    if new.is_empty() {
        return;
    }
    let earlier = earlier(plan.job);
    let stands = |old: &&Change| new.iter().all(|change| change.field != old.field);
    let all: Vec<&Change> = earlier.iter().filter(stands).chain(new).collect();
    let Ok(text) = serde_json::to_string(&all) else {
        return;
    };
    plan.rewrite.edits.push(Edit::Set {
        pointer: format!("/metadata/annotations/{}", REWRITTEN.replace('/', "~1")),
        value: text.into(),
    });
}
