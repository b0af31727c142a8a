//! An index whose time stands where a test puts it.
#![allow(dead_code, reason = "every test file takes what it needs")]
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use hookbudget::index::{Change, Clock, Handle, Index, Kind, Settings};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use serde_json::value::RawValue;

/// Seconds after the beginning of every test.
pub(crate) fn at(seconds: i64) -> Timestamp {
    let start: Timestamp = "2026-11-21T10:00:00Z".parse().expect("a time");
    start
        .checked_add(SignedDuration::from_secs(seconds))
        .expect("a time")
}

/// An object as the API server sends it.
pub(crate) fn raw(object: &Value) -> Box<RawValue> {
    RawValue::from_string(object.to_string()).expect("JSON")
}

/// An index whose lists are all complete and empty.
pub(crate) fn synced() -> Index {
    let mut index = Index::new(Settings::new(at(0)));
    for kind in Kind::ALL {
        index.reset(kind, &[], at(0));
    }
    index.settle(at(0));
    assert!(index.is_synced());
    index
}

/// The same as scrapes and pages read it.
pub(crate) fn served() -> Handle {
    let index = Handle::new(Settings::new(at(0)), Clock::standing_at(at(0)));
    for kind in Kind::ALL {
        let _ = index.take_in([Change::Begin(kind), Change::End(kind)]);
    }
    index
}

/// A watch brings an object.
pub(crate) fn apply(index: &Handle, kind: Kind, object: &Value) {
    let _ = index.take_in([Change::Apply {
        kind,
        object: raw(object),
    }]);
}
