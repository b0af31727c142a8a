//! `v1` Event as evidence.

use jiff::Timestamp;
use serde::Deserialize;

use super::meta::{Meta, lenient_time, safe};
use super::text::null_default;
use crate::engine::evidence::{EventRecord, ObjectRef};

/// An Event as it stands in a list or a file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EventObject {
    /// `metadata`.
    #[serde(deserialize_with = "null_default")]
    pub metadata: Meta,
    #[serde(deserialize_with = "null_default")]
    involved_object: Involved,
    #[serde(rename = "type", deserialize_with = "null_default")]
    kind: String,
    #[serde(deserialize_with = "null_default")]
    reason: String,
    #[serde(deserialize_with = "null_default")]
    message: String,
    count: Option<u32>,
    #[serde(deserialize_with = "lenient_time")]
    event_time: Option<Timestamp>,
    #[serde(deserialize_with = "lenient_time")]
    first_timestamp: Option<Timestamp>,
    #[serde(deserialize_with = "lenient_time")]
    last_timestamp: Option<Timestamp>,
    #[serde(deserialize_with = "null_default")]
    series: Series,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Involved {
    #[serde(deserialize_with = "null_default")]
    kind: String,
    #[serde(deserialize_with = "null_default")]
    namespace: String,
    #[serde(deserialize_with = "null_default")]
    name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Series {
    count: Option<u32>,
    #[serde(deserialize_with = "lenient_time")]
    last_observed_time: Option<Timestamp>,
}

impl EventObject {
    /// The facts. Old recorders fill `firstTimestamp` and `count`, new ones `eventTime` and `series`.
    #[must_use]
    pub fn into_record(self) -> EventRecord {
        let first = self
            .first_timestamp
            .or(self.event_time)
            .or(self.metadata.creation_timestamp);
        EventRecord {
            object: ObjectRef {
                kind: self.involved_object.kind,
                namespace: self.involved_object.namespace,
                name: self.involved_object.name,
            },
            kind: self.kind,
            reason: safe(self.reason),
            message: safe(self.message),
            count: self.series.count.or(self.count).unwrap_or(1).max(1),
            first,
            last: self.series.last_observed_time.or(self.last_timestamp).or(first),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_recorders_give_times_and_a_count() {
        let read = |text: &str| {
            serde_json::from_str::<EventObject>(text)
                .expect("an Event")
                .into_record()
        };
        let old = read(
            r#"{"involvedObject":{"kind":"Job","namespace":"n","name":"a"},"reason":"FailedCreate","type":"Warning",
               "count":3,"firstTimestamp":"2026-11-21T10:00:00Z","lastTimestamp":"2026-11-21T10:05:00Z","eventTime":null}"#,
        );
        assert_eq!((old.count, old.last > old.first), (3, true));
        let new = read(
            r#"{"involvedObject":{"kind":"Pod"},"reason":"FailedScheduling","eventTime":"2026-11-21T10:00:00.123456Z",
               "series":{"count":7,"lastObservedTime":"2026-11-21T10:09:00.000000Z"}}"#,
        );
        assert_eq!((new.count, new.last > new.first), (7, true));
    }
}
