//! `JUnit` XML for test reports: a suite for each file, a case for each object and for each finding about it.

use std::io;

use super::lint_text::locate;
use crate::cli::objects::{Judged, Objects};
use crate::cli::select::FailOn;
use crate::cli::terminal::Terminal;
use crate::engine::finding::Finding;

/// Prints the report. What is below `--fail-on` passes, with its words as output.
///
/// # Errors
/// When the output is closed or full.
pub fn print(objects: &Objects<'_>, fail_on: FailOn, terminal: &mut Terminal) -> io::Result<()> {
    let suites = suites(objects, fail_on);
    let sum = |number: fn(&Suite) -> usize| suites.iter().map(number).sum::<usize>();
    terminal.line(r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    terminal.line(format!(
        r#"<testsuites name="hookbudget lint" tests="{}" failures="{}" errors="{}">"#,
        sum(|suite| suite.cases.len()),
        sum(|suite| suite.count(Outcome::Failed)),
        sum(|suite| suite.count(Outcome::Unread)),
    ))?;
    for suite in &suites {
        terminal.line(format!(
            r#"  <testsuite name="{}" tests="{}" failures="{}" errors="{}" skipped="{}">"#,
            escape(&suite.file),
            suite.cases.len(),
            suite.count(Outcome::Failed),
            suite.count(Outcome::Unread),
            suite.count(Outcome::Exempted),
        ))?;
        for (_, case) in &suite.cases {
            terminal.line(case)?;
        }
        terminal.line("  </testsuite>")?;
    }
    terminal.line("</testsuites>")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    Exempted,
    Unread,
}

struct Suite {
    file: String,
    cases: Vec<(Outcome, String)>,
}

impl Suite {
    fn count(&self, wanted: Outcome) -> usize {
        self.cases
            .iter()
            .filter(|(outcome, _)| *outcome == wanted)
            .count()
    }
}

fn suites(objects: &Objects<'_>, fail_on: FailOn) -> Vec<Suite> {
    let mut suites: Vec<Suite> = Vec::new();
    for judged in &objects.judged {
        let suite = suite(&mut suites, judged.document.file());
        let open = open(suite, &judged.job.to_string());
        suite
            .cases
            .push((Outcome::Passed, format!("    <testcase {open}/>")));
        for finding in &judged.assessment.findings {
            let case = case(suite, judged, finding, fail_on);
            suite.cases.push(case);
        }
    }
    for error in &objects.errors {
        let suite = suite(&mut suites, &error.file);
        let open = open(suite, "can be read");
        let message = escape(&error.to_string());
        suite.cases.push((
            Outcome::Unread,
            format!("    <testcase {open}><error message=\"{message}\"/></testcase>"),
        ));
    }
    suites
}

/// The suite of a file. Files come one after the other, errors behind them all.
fn suite<'s>(suites: &'s mut Vec<Suite>, file: &str) -> &'s mut Suite {
    let at = suites
        .iter()
        .rposition(|suite| suite.file == file)
        .unwrap_or_else(|| {
            suites.push(Suite {
                file: file.to_owned(),
                cases: Vec::new(),
            });
            suites.len() - 1
        });
    &mut suites[at]
}

fn open(suite: &Suite, name: &str) -> String {
    format!(r#"classname="{}" name="{}""#, escape(&suite.file), escape(name))
}

fn case(suite: &Suite, judged: &Judged<'_>, finding: &Finding, fail_on: FailOn) -> (Outcome, String) {
    let open = open(
        suite,
        &format!("{}: {} {}", judged.job, finding.code, finding.name),
    );
    let at = locate(judged, &finding.at);
    let mut text = format!("{}:{}:{}: {}", at.file, at.line, at.column, finding.message);
    for more in finding
        .arithmetic
        .iter()
        .chain([&finding.help])
        .filter(|more| !more.is_empty())
    {
        text.push('\n');
        text.push_str(more);
    }
    let (message, text) = (escape(&finding.message), escape(&text));
    let (outcome, inner) = match &finding.exempted {
        Some(reason) => (
            Outcome::Exempted,
            format!("<skipped message=\"{}\"/>", escape(reason)),
        ),
        None if fail_on.reached(finding.severity) => (
            Outcome::Failed,
            format!(
                "<failure type=\"{}\" message=\"{message}\">{text}</failure>",
                finding.severity.as_str()
            ),
        ),
        None => (
            Outcome::Passed,
            format!("<system-out>{}: {text}</system-out>", finding.severity.as_str()),
        ),
    };
    (outcome, format!("    <testcase {open}>{inner}</testcase>"))
}

/// Text for an attribute or an element. What XML 1.0 has no way to write becomes a question mark.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push_str("&#9;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('?'),
            control if control < ' ' => escaped.push('?'),
            other => escaped.push(other),
        }
    }
    escaped
}
