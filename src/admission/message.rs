//! Findings as a requester reads them: one short warning each, or a denial whose first line stands alone.

use std::fmt::{self, Display, Write as _};

use serde_json::Value;

use crate::engine::assess::Assessment;
use crate::engine::finding::{Decision, Edit, Finding};
use crate::engine::job::Job;
use crate::engine::policy::Mode;
use crate::engine::rewrite::Change;

/// Characters of one warning (`k8s.io/api/admission/v1`, `AdmissionResponse.Warnings`).
const WARNING: usize = 120;
/// Characters of all warnings of one answer: both webhooks together stay below the 4096 of a response at which the
/// API server begins to cut (`k8s.io/apiserver/pkg/endpoints/filters/warning.go`).
const ALL_WARNINGS: usize = 2_000;
/// Warnings of one answer: nobody reads more, and "large numbers of warnings may be truncated" (the same field).
const MOST_WARNINGS: usize = 16;
/// Characters of a requester's text in a log line: the longest name that an object can have is 253.
const LOGGED: usize = 300;
/// Characters of an audit annotation.
const AUDITED: usize = 4_096;
/// Characters of one line of a denial, and lines of it.
const DENIAL: (usize, usize) = (2_048, 32);

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
    if let [only] = warnings.as_slice()
        && is_plain(only, WARNING)
    {
        return warnings;
    }
    let mut kept: Vec<String> = Vec::with_capacity(warnings.len());
    let mut room = ALL_WARNINGS - WARNING;
    let all = warnings.len();
    for text in warnings {
        let text = within(text, WARNING);
        let length = text.chars().count();
        if length > room || (kept.len() + 1 == MOST_WARNINGS && kept.len() + 1 < all) {
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
        _ => shortened(&told, WARNING),
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
        .or_else(|| Some(finding.help.to_string()))
        .filter(|text| !text.is_empty() && text.chars().count() <= LONGEST)
}

/// What was rewritten of how the Job behaves, for the one who sees it otherwise only in the live object.
pub(super) fn rewritten(changes: &[Change]) -> Option<String> {
    // The replacement policy only follows the failure policy.
    const QUIET: [&str; 2] = ["terminationMessagePolicy", "podReplacementPolicy"];
    let behaviour = changes.iter().filter(|change| {
        !change.field.starts_with("env.") && !QUIET.iter().any(|field| change.field.ends_with(field))
    });
    let mut text = String::new();
    for change in behaviour {
        let field = change.field.strip_suffix(".rules").unwrap_or(&change.field);
        let field = field.rsplit('.').next().unwrap_or_default();
        if text.is_empty() {
            text.reserve(WARNING);
            text.push_str("hookbudget rewrote ");
        } else {
            text.push_str(", ");
        }
        text.push_str(field);
        if change.to.is_object() {
            continue;
        }
        if !change.from.is_null() {
            let _ = write!(text, " {} ->", plain(&change.from));
        }
        let _ = write!(text, " {}", plain(&change.to));
    }
    (!text.is_empty()).then_some(text)
}

/// A value without the quotes of a text.
fn plain(value: &Value) -> impl Display {
    fmt::from_fn(move |f| match value.as_str() {
        Some(text) => f.write_str(text),
        None => value.fmt(f),
    })
}

/// The text of a denial: the finding that denies first, whole in its first line, then the others.
pub(super) fn denial(job: &Job<'_>, assessment: &Assessment) -> String {
    let standing = || {
        let findings = assessment.findings.iter();
        findings
            .filter(|finding| finding.exempted.is_none())
            .take(DENIAL.1 + 1)
    };
    let told = |finding: &Finding| {
        let arithmetic = finding.arithmetic.as_ref().map_or(0, |text| text.len());
        finding.message.len() + finding.help.len() + arithmetic + finding.at.pointer.len() + 256
    };
    let mut text = String::with_capacity(standing().map(told).sum());
    for (number, finding) in standing().enumerate() {
        text.push_str(match number {
            0 => "",
            1 => "\nAlso:\n  ",
            _ => "\n  ",
        });
        let begun = text.len();
        write_line(&mut text, job, finding);
        if !is_plain(&text[begun..], DENIAL.0) {
            let line = text.split_off(begun);
            push_short(&mut text, &line, DENIAL.0);
        }
    }
    text
}

fn write_line(text: &mut String, job: &Job<'_>, finding: &Finding) {
    text.extend([finding.code, " ", finding.name, ": "]);
    let _ = write!(text, "{job}");
    if !finding.at.pointer.is_empty() {
        text.push_str(", ");
        finding.at.write_dotted(text);
    }
    if let Some(place) = finding.at.script {
        let _ = write!(text, " line {}", place.line + 1);
    }
    text.extend([": ", &finding.message]);
    if let Some(arithmetic) = &finding.arithmetic {
        text.extend([" (", arithmetic, ")"]);
    }
    if !finding.help.is_empty() {
        text.extend([". Fix: ", &finding.help]);
    }
}

/// The findings for the audit log: codes with severity and confidence.
pub(super) fn audit(findings: &[Finding]) -> String {
    // A code, the two longest words and what stands between them.
    let mut text = String::with_capacity(findings.len() * 32);
    for finding in findings {
        let before = if text.is_empty() { "" } else { ", " };
        let exempt = if finding.exempted.is_some() {
            " (exempt)"
        } else {
            ""
        };
        let (severity, confidence) = (finding.severity.as_str(), finding.confidence.as_str());
        text.extend([before, finding.code, " ", severity, " ", confidence, exempt]);
    }
    within(text, AUDITED)
}

/// Controls, the line and paragraph separators, and the marks of Unicode's bidirectional algorithm (UAX #9).
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

/// A text of the requester's as a log line holds it: one line, and not longer than a name may be.
pub(super) fn shown(text: &str) -> String {
    shortened(text, LOGGED)
}

/// A text as the audit log holds it.
pub(super) fn for_audit(text: &str) -> String {
    shortened(text, AUDITED)
}

/// As [`for_audit`], of a text that is given away.
pub(super) fn into_audited(text: String) -> String {
    within(text, AUDITED)
}

/// As [`for_audit`], of what is no text yet.
pub(super) fn audited(what: &impl Display) -> String {
    let mut text = String::with_capacity(128);
    let _ = write!(text, "{what}");
    within(text, AUDITED)
}

/// A text as it is where it is one line of at most `length` characters.
fn within(text: String, length: usize) -> String {
    if is_plain(&text, length) {
        return text;
    }
    shortened(&text, length)
}

fn is_plain(text: &str, length: usize) -> bool {
    text.len() <= length && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// At most `length` characters in one line.
fn shortened(text: &str, length: usize) -> String {
    // Nothing grows but by the mark.
    let mut short = String::with_capacity(text.len().min(4 * length) + 3);
    push_short(&mut short, text, length);
    short
}

/// Adds at most `length` characters as one line, cut between two words and marked. Names and scripts come from the
/// requester: no character of theirs that moves a cursor, breaks a line or turns the direction of writing reaches a
/// terminal or a log.
fn push_short(text: &mut String, added: &str, length: usize) {
    if is_plain(added, length) {
        text.push_str(added);
        return;
    }
    let begun = text.len();
    let mut last = begun;
    let printable = |c| if is_unprintable(c) { ' ' } else { c };
    for (number, c) in added.chars().map(printable).enumerate() {
        if number == length {
            let kept = &text[begun..last];
            let word = kept.rfind(' ').filter(|at| *at > kept.len() / 2);
            let kept = word.map_or(kept, |at| &kept[..at]);
            let end = begun + kept.trim_end_matches([' ', ',', ':', ';']).len();
            text.truncate(end);
            text.push('…');
            return;
        }
        last = text.len();
        text.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_text_ends_with_a_word_and_a_mark() {
        assert_eq!(shortened("short", 10), "short");
        assert_eq!(shortened("the deadline, of 840 s", 16), "the deadline…");
        assert_eq!(shortened(&"x".repeat(300), 10).chars().count(), 10);
        assert_eq!(shortened("ääääääääää", 5), "ääää…");
        assert_eq!(shortened("ääääääääää", 10), "ääääääääää");
        assert_eq!(shortened("a line\nand another", 12), "a line and…");
    }

    #[test]
    fn many_warnings_stay_below_the_limit_and_say_how_many_are_missing() {
        let kept = within_limits(vec!["word ".repeat(60); 80]);
        let all: usize = kept.iter().map(|text| text.chars().count()).sum();
        assert!(2 * all < 4_096, "{all}");
        assert!(kept.len() <= MOST_WARNINGS);
        assert_eq!(within_limits(vec!["short".to_owned(); 16]).len(), 16);
        assert_eq!(
            within_limits(vec!["short".to_owned(); 17])[15],
            "hookbudget has 2 more warnings"
        );
        assert!(kept.iter().all(|text| text.chars().count() <= WARNING));
        assert_eq!(
            kept.last().map(String::as_str),
            Some(format!("hookbudget has {} more warnings", 80 - kept.len() + 1).as_str())
        );
    }

    #[test]
    fn control_characters_do_not_get_through() {
        assert_eq!(shown("a\nb\u{1b}[31mc\u{85}"), "a b [31mc ");
    }
}
