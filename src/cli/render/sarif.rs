//! SARIF 2.1.0 (OASIS), as code scanning services take it.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Component, Path};

use serde_json::{Value, json};

use super::lint_text::{end_column, locate};
use crate::cli::manifest::{Document, InputError, Location, Splice};
use crate::cli::objects::{Judged, Objects};
use crate::engine::finding::{Confidence, Edit, Finding, Fix, Severity};
use crate::engine::rule::Rule;
use crate::engine::rules;

/// Where the pages of the rules are.
const PAGES: &str = "https://hookbudget.dev/rules";

/// The base that the artifacts' URIs are relative to; GitHub's name for the root of the repository.
const BASE: &str = "%SRCROOT%";

/// Builds the report.
#[must_use]
pub fn report(objects: &Objects<'_>) -> Value {
    let mut seen = HashMap::new();
    let results: Vec<Value> = objects
        .judged
        .iter()
        .flat_map(|judged| {
            judged
                .assessment
                .findings
                .iter()
                .map(move |finding| (judged, finding))
        })
        .map(|(judged, finding)| result(judged, finding, &mut seen))
        .collect();
    let notifications: Vec<Value> = objects.errors.iter().map(notification).collect();
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "hookbudget",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "informationUri": "https://hookbudget.dev",
                "rules": rules::ALL.iter().map(|rule| described(rule)).collect::<Vec<_>>(),
            }},
            "invocations": [{
                "executionSuccessful": objects.errors.is_empty(),
                "toolExecutionNotifications": notifications,
            }],
            "originalUriBaseIds": {
                BASE: {"description": {"text": "The directory that hookbudget ran in."}},
            },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn described(rule: &Rule) -> Value {
    let text = plain(rule.docs);
    json!({
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": rule.summary()},
        "fullDescription": {"text": rule.summary()},
        "help": {"text": text, "markdown": unindented(rule.docs)},
        "helpUri": format!("{PAGES}/{}", rule.code),
        "defaultConfiguration": {"level": level(rule.severity)},
        "properties": {"tags": ["kubernetes", "reliability"]},
    })
}

/// The page without the space that doc comments begin each line with.
fn unindented(docs: &str) -> String {
    let lines: Vec<&str> = docs
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect();
    lines.join("\n").trim().to_owned()
}

/// The page as text: headings without their marks.
fn plain(docs: &str) -> String {
    let docs = unindented(docs);
    let lines: Vec<&str> = docs.lines().map(|line| line.trim_start_matches("## ")).collect();
    lines.join("\n")
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn result(judged: &Judged<'_>, finding: &Finding, seen: &mut HashMap<String, usize>) -> Value {
    let document = judged.document;
    let at = locate(judged, &finding.at);
    let identity = identity(judged, finding, &at);
    let number = seen
        .entry(identity.clone())
        .and_modify(|number| *number += 1)
        .or_insert(1);
    let mut message = format!("{}: {}", judged.job, finding.message);
    for more in finding
        .arithmetic
        .iter()
        .chain([&finding.help])
        .filter(|more| !more.is_empty())
    {
        message.push('\n');
        message.push_str(more);
    }
    let mut region = json!({"startLine": at.line, "startColumn": at.column});
    if let Some(end) = end_column(judged, &at) {
        region["endLine"] = at.line.into();
        region["endColumn"] = end.into();
    }
    let mut result = json!({
        "ruleId": finding.code,
        "level": level(finding.severity),
        "message": {"text": message},
        "locations": [{
            "physicalLocation": {
                "artifactLocation": artifact(&at.file),
                "region": region,
            },
            "logicalLocations": [{
                "fullyQualifiedName": format!("{}#{}", judged.job, finding.at.dotted()),
                "kind": "member",
            }],
        }],
        "partialFingerprints": {"hookbudget/v1": format!("{:016x}:{number}", fnv1a(&identity))},
        "properties": {
            "confidence": finding.confidence,
            "precision": precision(finding.confidence),
            "field": finding.at.dotted(),
            "arithmetic": finding.arithmetic,
            "help": finding.help,
        },
    });
    if let Some(index) = rules::ALL.iter().position(|rule| rule.code == finding.code) {
        result["ruleIndex"] = index.into();
    }
    if let Some(reason) = &finding.exempted {
        result["suppressions"] = json!([{"kind": "inSource", "status": "accepted", "justification": reason}]);
    }
    if let Some(fix) = finding
        .fix
        .as_ref()
        .filter(|fix| fix.on.is_none())
        .and_then(|fix| replacements(document, fix))
    {
        result["fixes"] = json!([fix]);
    }
    result
}

/// What a finding is about, without the line that it stands in, so that it stays the same finding when lines
/// move.
fn identity(judged: &Judged<'_>, finding: &Finding, at: &Location) -> String {
    let job = &judged.job;
    let own = finding.at.script.filter(|_| at.file == *judged.document.file());
    let written = own.map(|_| judged.document.source().slice(&at.span).trim());
    let parts = [
        finding.code,
        job.kind.as_str(),
        job.namespace.as_deref().unwrap_or_default(),
        &job.name,
        &finding.at.pointer,
        written.unwrap_or_default(),
    ];
    parts.join("\n")
}

/// FNV-1a of 64 bits: an identity for a report needs to be the same in every release and on every machine, and
/// nothing more.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

const fn precision(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Certain => "very-high",
        Confidence::Likely => "high",
        Confidence::Possible => "medium",
    }
}

/// The text changes of a fix; `None` where one of them cannot be made, or builds upon another.
fn replacements(document: &Document, fix: &Fix) -> Option<Value> {
    let splices: Vec<Splice> = fix
        .edits
        .iter()
        .map(|edit| document.splice(edit).ok())
        .collect::<Option<_>>()?;
    let meet = |(at, splice): (usize, &Splice)| {
        splices
            .iter()
            .skip(at + 1)
            .any(|other| splice.range.start <= other.range.end && other.range.start <= splice.range.end)
    };
    if splices.iter().enumerate().any(meet) {
        return None;
    }
    let source = document.source();
    let replacements: Vec<Value> = splices
        .iter()
        .map(|splice| {
            let (start_line, start_column) = source.line_column(splice.range.start);
            let (end_line, end_column) = source.line_column(splice.range.end);
            json!({
                "deletedRegion": {
                    "startLine": start_line, "startColumn": start_column,
                    "endLine": end_line, "endColumn": end_column,
                },
                "insertedContent": {"text": splice.text},
            })
        })
        .collect();
    let fields: Vec<String> = fix
        .edits
        .iter()
        .map(Edit::pointer)
        .map(|pointer| crate::engine::finding::At::field(pointer).dotted())
        .collect();
    Some(json!({
        "description": {"text": format!("change {}", fields.join(", "))},
        "artifactChanges": [{"artifactLocation": artifact(document.file()), "replacements": replacements}],
    }))
}

fn notification(error: &InputError) -> Value {
    let mut location = json!({"artifactLocation": artifact(&error.file)});
    if let (Some(line), Some(column)) = (error.line, error.column) {
        location["region"] = json!({"startLine": line, "startColumn": column});
    }
    json!({
        "level": "error",
        "message": {"text": error.message},
        "locations": [{"physicalLocation": location}],
    })
}

/// A path as a URI: relative to the base where it can be, absolute else.
fn artifact(file: &str) -> Value {
    let path = Path::new(file);
    if path.is_absolute() {
        let here = std::env::current_dir().ok();
        return match here.and_then(|here| path.strip_prefix(here).ok()) {
            Some(relative) => json!({"uri": uri(relative), "uriBaseId": BASE}),
            None => json!({"uri": format!("file://{}", uri(path))}),
        };
    }
    json!({"uri": uri(path), "uriBaseId": BASE})
}

fn uri(path: &Path) -> String {
    let mut uri = String::new();
    for part in path.components() {
        match part {
            Component::CurDir => continue,
            Component::RootDir | Component::Prefix(_) => {
                uri.push('/');
                continue;
            }
            Component::ParentDir | Component::Normal(_) => {}
        }
        if !uri.is_empty() && !uri.ends_with('/') {
            uri.push('/');
        }
        for byte in part.as_os_str().to_string_lossy().bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                uri.push(char::from(byte));
            } else {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_uri() {
        for (path, wanted) in [
            ("a.yaml", "a.yaml"),
            ("./hooks//a b.yaml", "hooks/a%20b.yaml"),
            ("../é.yaml", "../%C3%A9.yaml"),
            ("/x/a:b#c.yaml", "/x/a%3Ab%23c.yaml"),
        ] {
            assert_eq!(uri(Path::new(path)), wanted);
        }
    }

    #[test]
    fn a_fingerprint_is_the_same_everywhere() {
        // The vectors of the FNV reference (draft-eastlake-fnv).
        assert_eq!(fnv1a(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a("foobar"), 0x8594_4171_f739_67e8);
    }
}
