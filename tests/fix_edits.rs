//! The edits of every finding, made on the object's JSON: they mend what they are proposed for, change nothing
//! that they need not, and bring nothing worse.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;

use hookbudget::cli::manifest::{PathOrStdin, load_with};
use hookbudget::cli::objects::{Options, judge};
use hookbudget::engine::finding::{Edit, Finding, FixSafety, Severity};
use serde_json::{Map, Value, json};
use support::{files, read};

/// What is said of each Job or `CronJob` among the documents, by the document's index.
fn judged(documents: &[Value]) -> Vec<(usize, Vec<Finding>)> {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": documents});
    let loaded = load_with(&[PathOrStdin::Stdin], &mut list.to_string().as_bytes());
    let objects = judge(&loaded, &Options::default());
    assert!(objects.errors.is_empty(), "{:?}", objects.errors);
    let index = |value: &Value| documents.iter().position(|document| document == value).unwrap();
    objects
        .judged
        .into_iter()
        .map(|judged| (index(&judged.document.value), judged.assessment.findings))
        .collect()
}

fn documents(file: &str) -> Vec<Value> {
    let loaded = load_with(&[PathOrStdin::Stdin], &mut read(file).as_bytes());
    loaded
        .documents
        .iter()
        .map(|document| Value::clone(&document.value))
        .collect()
}

fn unescape(key: &str) -> String {
    key.replace("~1", "/").replace("~0", "~")
}

/// The place of a pointer; objects on the way are made where they are absent, items of lists are not.
fn place<'v>(mut value: &'v mut Value, pointer: &str) -> &'v mut Value {
    for key in pointer.split('/').skip(1).map(unescape) {
        if value.is_null() {
            *value = Value::Object(Map::new());
        }
        value = match value {
            Value::Array(items) => &mut items[key.parse::<usize>().unwrap()],
            Value::Object(map) => map.entry(key).or_insert(Value::Null),
            other => panic!("{pointer} leads through {other}"),
        };
    }
    value
}

fn apply(edit: &Edit, object: &mut Value) {
    let at = place(object, edit.pointer());
    if at.is_null() && !matches!(edit, Edit::Set { .. }) {
        *at = Value::Array(Vec::new());
    }
    match edit {
        Edit::Set { value, .. } => *at = value.clone(),
        Edit::Prepend { value, .. } => at.as_array_mut().unwrap().insert(0, value.clone()),
        Edit::Append { .. } | Edit::Variable { .. } => {
            at.as_array_mut().unwrap().push(edit.value().into_owned());
        }
    }
}

/// What is left of the findings that show without `-v`.
fn loud(findings: &[Finding]) -> BTreeSet<(&str, Severity)> {
    let shown = findings
        .iter()
        .filter(|finding| finding.severity > Severity::Info);
    shown.map(|finding| (finding.code, finding.severity)).collect()
}

/// Makes every fix of a file and hands over what was said before, the fixed finding, and what is said after.
fn for_each_fix(file: &str, mut see: impl FnMut(&[Finding], &Finding, &[Finding])) {
    let before = documents(file);
    for (index, findings) in judged(&before) {
        for finding in findings.iter().filter(|finding| finding.fix.is_some()) {
            let mut after = before.clone();
            let fix = finding.fix.as_ref().unwrap();
            let edited = fix.on.as_ref().map_or(index, |object| {
                let is_it = |value: &Value| {
                    value["kind"] == *object.kind && value["metadata"]["name"] == *object.name
                };
                before.iter().position(is_it).unwrap()
            });
            for edit in &fix.edits {
                let unmended = after[edited].clone();
                apply(edit, &mut after[edited]);
                assert_ne!(
                    unmended, after[edited],
                    "{file}: {} edits without a change: {edit:?}",
                    finding.code
                );
            }
            let again = judged(&after);
            let (_, left) = again.iter().find(|(place, _)| *place == index).unwrap();
            see(&findings, finding, left);
        }
    }
}

fn inputs() -> Vec<String> {
    ["rules", "incidents", "charts"]
        .into_iter()
        .flat_map(|below| files(&format!("tests/fixtures/{below}"), ".yaml"))
        .collect()
}

#[test]
fn a_fix_mends_its_finding() {
    let mut fixed = BTreeSet::new();
    for file in inputs() {
        for_each_fix(&file, |_, finding, after| {
            fixed.insert(finding.code);
            let left: Vec<_> = after
                .iter()
                .filter(|left| left.code == finding.code && left.at == finding.at)
                .collect();
            assert!(left.is_empty(), "{file}: {left:#?}");
        });
    }
    for code in ["HB302", "HB303", "HB304", "HB305", "HB306"] {
        assert!(fixed.contains(code), "no fixture shows a fix of {code}");
    }
}

#[test]
fn a_fix_that_is_safe_brings_no_other_finding() {
    for file in inputs() {
        for_each_fix(&file, |before, finding, after| {
            if finding.fix.as_ref().unwrap().safety == FixSafety::Safe {
                let (before, after) = (loud(before), loud(after));
                let new: Vec<_> = after.difference(&before).collect();
                assert!(
                    new.is_empty(),
                    "{file}: the fix of {} brings {new:?}",
                    finding.code
                );
            }
        });
    }
}
