//! The annotation that tells what was rewritten, from what, by which rule.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::Plan;
use crate::engine::finding::Edit;
use crate::engine::job::{Job, lookup};

/// The annotation that records a rewrite: a JSON list of [`Change`]s.
pub const REWRITTEN: &str = "hookbudget.dev/rewritten";

/// Its place.
const POINTER: &str = "/metadata/annotations/hookbudget.dev~1rewritten";

/// One field that was rewritten.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The field as people write it, `spec.backoffLimit`; `env.NAME` for a variable.
    pub field: Cow<'static, str>,
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

/// True when an earlier rewrite wrote a field.
pub(super) fn is_recorded(job: &Job<'_>, field: &str) -> bool {
    earlier(job).iter().any(|change| change.field == field)
}

/// Bytes of all keys and values of an object's annotations (`TotalAnnotationSizeLimitB`,
/// `k8s.io/apimachinery/pkg/api/validation/objectmeta.go`).
const ANNOTATIONS: usize = 256 * 1024;

/// Writes the record: the new changes, and of the earlier ones those that still stand. Where there is no room for it,
/// nothing is rewritten: the API server would refuse the object for the size of its annotations.
pub(super) fn annotate(plan: &mut Plan<'_>) {
    let new = &plan.rewrite.changes;
    if new.is_empty() {
        return;
    }
    let earlier = earlier(plan.job);
    let Some(text) = written(&earlier, new) else {
        return;
    };
    let others = plan.job.annotations.iter().filter(|(key, _)| key != REWRITTEN);
    let others: usize = others.map(|(key, value)| key.len() + value.len()).sum();
    let all = others + REWRITTEN.len() + text.len();
    if all > ANNOTATIONS {
        plan.rewrite.edits.clear();
        plan.rewrite.changes.clear();
        plan.warn(format!(
            "hookbudget rewrites nothing: the annotations would hold {all} bytes, and {ANNOTATIONS} are allowed"
        ));
        return;
    }
    plan.edit(Edit::Set {
        pointer: POINTER.to_owned(),
        value: text.into(),
    });
}

/// The new changes, behind those earlier ones that are of other fields.
fn written(earlier: &[Change], new: &[Change]) -> Option<String> {
    struct All<'c>(&'c [Change], &'c [Change]);
    impl Serialize for All<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let Self(earlier, new) = self;
            let stands = |old: &&Change| new.iter().all(|change| change.field != old.field);
            serializer.collect_seq(earlier.iter().filter(stands).chain(*new))
        }
    }
    let mut text = Vec::with_capacity(128 * (earlier.len() + new.len()));
    serde_json::to_writer(&mut text, &All(earlier, new)).ok()?;
    String::from_utf8(text).ok()
}
