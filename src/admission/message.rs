//! Findings as a requester reads them: one short warning each, or a denial whose first line stands alone.

use std::fmt::Write as _;

use serde_json::Value;

use crate::engine::assess::Assessment;
use crate::engine::finding::{Decision, Edit, Finding};
use crate::engine::job::Job;
use crate::engine::policy::Mode;
use crate::engine::rewrite::Change;

/// Characters of one warning (`k8s.io/api/admission/v1`, `AdmissionResponse.Warnings`).
const WARNING: usize = 120;
/// Characters of all warnings together: below the 4096 at which the API server begins to cut
/// (`k8s.io/apiserver/pkg/endpoints/filters/warning.go`).
const ALL_WARNINGS: usize = 4_000;

/// The warnings of an assessment under a mode.
pub(super) fn warnings(assessment: &Assessment, mode: Mode) -> Vec<String> {
    assessment
        .findings
        .iter()
        .filter(|finding| finding.decision(mode) > Decision::Allow)
        .map(warning)
        .collect()
}

/// Keeps every warning and all of them together within what the API server passes on.
pub(super) fn within_limits(warnings: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::with_capacity(warnings.len());
    let mut room = ALL_WARNINGS - WARNING;
    let all = warnings.len();
    for text in warnings {
        let text = cut(&one_line(&text), WARNING);
        let length = text.chars().count();
        if length > room {
            kept.push(format!("hookbudget has {} more warnings", all - kept.len()));
            break;
        }
        room -= length;
        kept.push(text);
    }
    kept
}

fn warning(finding: &Finding) -> String {
    let told = format!("{} {}: {}", finding.code, finding.name, finding.brief);
    match short_fix(finding).map(|fix| format!("{told}; fix: {fix}")) {
        Some(whole) if whole.chars().count() <= WARNING => whole,
        _ => cut(&told, WARNING),
    }
}

/// What to write, in a few words.
fn short_fix(finding: &Finding) -> Option<String> {
    const LONGEST: usize = 48;
    let from_edits = finding.fix.as_ref().and_then(|fix| {
        let parts: Option<Vec<String>> = fix
            .edits
            .iter()
            .map(|edit| match edit {
                Edit::Set { pointer, value } if !value.is_object() && !value.is_array() => {
                    let field = pointer.rsplit('/').next()?;
                    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    Some(format!("{field} {value}"))
                }
                _ => None,
            })
            .collect();
        parts.map(|parts| parts.join(", "))
    });
    from_edits
        .or_else(|| Some(finding.help.clone()))
        .filter(|text| !text.is_empty() && text.chars().count() <= LONGEST)
}

/// What was rewritten of how the Job behaves, for the one who sees it otherwise only in the live object.
pub(super) fn rewritten(changes: &[Change]) -> Option<String> {
    // The replacement policy only follows the failure policy.
    const QUIET: [&str; 2] = ["terminationMessagePolicy", "podReplacementPolicy"];
    let behaviour = changes.iter().filter(|change| {
        !change.field.starts_with("env.") && !QUIET.iter().any(|field| change.field.ends_with(field))
    });
    let texts: Vec<String> = behaviour
        .map(|change| {
            let field = change.field.strip_suffix(".rules").unwrap_or(&change.field);
            let field = field.rsplit('.').next().unwrap_or_default();
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            match (&change.from, &change.to) {
                (_, Value::Object(_)) => field.to_owned(),
                (Value::Null, to) => format!("{field} {}", text(to)),
                (from, to) => format!("{field} {} -> {}", text(from), text(to)),
            }
        })
        .collect();
    (!texts.is_empty()).then(|| format!("hookbudget rewrote {}", texts.join(", ")))
}

/// The text of a denial: the finding that denies first, whole in its first line, then the others.
pub(super) fn denial(job: &Job<'_>, assessment: &Assessment) -> String {
    let mut lines = assessment
        .findings
        .iter()
        .filter(|finding| finding.exempted.is_none())
        .map(|finding| one_line(&line(job, finding)));
    let mut text = lines.next().unwrap_or_default();
    let mut first = true;
    for line in lines {
        text.push_str(if first { "\nAlso:\n  " } else { "\n  " });
        first = false;
        text.push_str(&line);
    }
    text
}

fn line(job: &Job<'_>, finding: &Finding) -> String {
    let told =
        finding.message.len() + finding.help.len() + finding.arithmetic.as_ref().map_or(0, String::len);
    let mut text = String::with_capacity(told + finding.at.pointer.len() + 256);
    let _ = write!(text, "{} {}: {job}", finding.code, finding.name);
    if !finding.at.pointer.is_empty() {
        text.push_str(", ");
        finding.at.write_dotted(&mut text);
    }
    if let Some(place) = finding.at.script {
        let _ = write!(text, " line {}", place.line + 1);
    }
    let _ = write!(text, ": {}", finding.message);
    if let Some(arithmetic) = &finding.arithmetic {
        let _ = write!(text, " ({arithmetic})");
    }
    if !finding.help.is_empty() {
        let _ = write!(text, ". Fix: {}", finding.help);
    }
    text
}

/// The findings for the audit log: codes with severity and confidence.
pub(super) fn audit(findings: &[Finding]) -> String {
    let texts = findings.iter().map(|finding| {
        let exempt = if finding.exempted.is_some() {
            " (exempt)"
        } else {
            ""
        };
        [
            finding.code,
            " ",
            finding.severity.as_str(),
            " ",
            finding.confidence.as_str(),
            exempt,
        ]
        .concat()
    });
    texts.collect::<Vec<_>>().join(", ")
}

/// Names and scripts come from the requester: no control character of theirs reaches a terminal or a log.
pub(super) fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// At most `length` characters, cut between two words and marked.
fn cut(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    let kept: String = text.chars().take(length.saturating_sub(1)).collect();
    let word = kept.rfind(' ').filter(|at| *at > kept.len() / 2);
    let kept = word.map_or(kept.as_str(), |at| &kept[..at]);
    format!("{}…", kept.trim_end_matches([' ', ',', ':', ';']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_text_ends_with_a_word_and_a_mark() {
        assert_eq!(cut("short", 10), "short");
        assert_eq!(cut("the deadline, of 840 s", 16), "the deadline…");
        assert_eq!(cut(&"x".repeat(300), 10).chars().count(), 10);
        assert_eq!(cut("ääääääääää", 5), "ääää…");
    }

    #[test]
    fn many_warnings_stay_below_the_limit_and_say_how_many_are_missing() {
        let kept = within_limits(vec!["word ".repeat(60); 80]);
        let all: usize = kept.iter().map(|text| text.chars().count()).sum();
        assert!(all < 4_096, "{all}");
        assert!(kept.iter().all(|text| text.chars().count() <= WARNING));
        assert_eq!(
            kept.last().map(String::as_str),
            Some(format!("hookbudget has {} more warnings", 80 - kept.len() + 1).as_str())
        );
    }

    #[test]
    fn control_characters_do_not_get_through() {
        assert_eq!(one_line("a\nb\u{1b}[31mc\u{85}"), "a b [31mc ");
    }
}
