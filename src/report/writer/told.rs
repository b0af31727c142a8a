//! The Event that tells of a diagnosis.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType};

use crate::engine::diagnosis::{Diagnosis, Verdict};
use crate::index::{JobView, Reported, TOLD_REASON};

/// Most bytes of an Event's note (kubernetes/api `events/v1` `Event`: 1 kB).
const NOTE: usize = 1000;

/// The Job, as an Event names it.
pub(super) fn about(job: &JobView, reported: &Reported) -> ObjectReference {
    ObjectReference {
        api_version: Some("batch/v1".to_owned()),
        kind: Some("Job".to_owned()),
        namespace: Some(job.key.namespace.to_string()),
        name: Some(job.key.name.to_string()),
        uid: Some(reported.uid.to_string()),
        ..ObjectReference::default()
    }
}

/// A diagnosis in a sentence.
pub(super) fn event(diagnosis: &Diagnosis) -> Event {
    let cause = diagnosis
        .root_cause
        .as_ref()
        .map_or("unknown", |cause| cause.as_str());
    let first = diagnosis.repair_order.first().map_or("", String::as_str);
    let mut note = format!("root cause {cause}: {} {first}", diagnosis.summary);
    note.truncate(note.floor_char_boundary(NOTE));
    let needed = matches!(diagnosis.verdict, Verdict::Real | Verdict::Unknown);
    Event {
        type_: if needed {
            EventType::Warning
        } else {
            EventType::Normal
        },
        reason: TOLD_REASON.to_owned(),
        note: Some(note),
        action: "Diagnose".to_owned(),
        secondary: None,
    }
}
