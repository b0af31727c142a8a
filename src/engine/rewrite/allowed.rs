//! The list of what may be written, and nothing else.

use crate::engine::finding::Edit;
use crate::engine::job::{Job, JobKind};

/// True when an edit stays within what the webhook may write: the clocks of the Job, its containers'
/// environment and termination message policy, an init container in front, and its own annotations.
#[must_use]
pub fn is_allowed(job: &Job<'_>, edit: &Edit) -> bool {
    const FIELDS: [&str; 6] = [
        "template/spec/restartPolicy",
        "backoffLimit",
        "activeDeadlineSeconds",
        "ttlSecondsAfterFinished",
        "podFailurePolicy",
        "podReplacementPolicy",
    ];
    let pointer = edit.pointer();
    let set = matches!(edit, Edit::Set { .. });
    if pointer.starts_with("/metadata/annotations/hookbudget.dev~1") {
        return set;
    }
    if pointer == "/spec/failedJobsHistoryLimit" {
        return set && job.kind == JobKind::CronJob;
    }
    let Some(field) = pointer
        .strip_prefix(job.spec_pointer())
        .and_then(|rest| rest.strip_prefix('/'))
    else {
        return false;
    };
    if FIELDS.contains(&field) {
        return set;
    }
    if field == "podFailurePolicy/rules" {
        return matches!(edit, Edit::Append { .. } | Edit::Prepend { .. });
    }
    if field == "template/spec/initContainers" {
        return matches!(edit, Edit::Prepend { .. });
    }
    let Some(list) = field.strip_prefix("template/spec/") else {
        return false;
    };
    let mut parts = list.split('/');
    let (Some("containers" | "initContainers"), Some(index)) = (parts.next(), parts.next()) else {
        return false;
    };
    let field = (parts.next(), parts.next(), parts.next(), parts.next());
    is_index(index)
        && match field {
            (Some("env"), None, ..) => matches!(edit, Edit::Append { .. } | Edit::Variable { .. }),
            (Some("env"), Some(entry), Some("value"), None) => is_index(entry) && set,
            (Some("terminationMessagePolicy"), None, ..) => set,
            _ => false,
        }
}

/// The field of an allowed edit, for a counter's label: one of a small closed set.
#[must_use]
pub fn field_label(pointer: &str) -> &'static str {
    const LABELS: [&str; 10] = [
        "restartPolicy",
        "backoffLimit",
        "activeDeadlineSeconds",
        "ttlSecondsAfterFinished",
        "podFailurePolicy",
        "podReplacementPolicy",
        "failedJobsHistoryLimit",
        "initContainers",
        "terminationMessagePolicy",
        "annotations",
    ];
    if pointer.split('/').any(|part| part == "env") {
        return "env";
    }
    if pointer.starts_with("/metadata/annotations/") {
        return "annotations";
    }
    let pointer = pointer.strip_suffix("/rules").unwrap_or(pointer);
    let last = pointer.rsplit('/').next().unwrap_or_default();
    LABELS.into_iter().find(|label| *label == last).unwrap_or("other")
}

fn is_index(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}
