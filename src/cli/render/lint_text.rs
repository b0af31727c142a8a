//! The report of `lint` for people: carets at the line, the clocks of each Job as bars, a sum at the end.

use std::io;

use super::finding::{Level, Mark, Rendered, Style};
use super::paint::{DIM, RED, paint};
use super::{bars, fixes};
use crate::cli::fix::Outcome;
use crate::cli::manifest::{Document, Location};
use crate::cli::objects::{Judged, Objects};
use crate::cli::parallel::in_order;
use crate::cli::terminal::Terminal;
use crate::engine::finding::{At, Finding, Severity};
use crate::engine::shell::Place;

/// Jobs whose findings are drawn at once, on all cores: the drawings of a hundred thousand would take more memory
/// than all the rest.
const BATCH: usize = 1_024;

/// Prints all findings, then the clocks of the Jobs that have one, then the sum.
///
/// # Errors
/// When the output is closed or full.
pub fn print(
    objects: &Objects<'_>,
    verbose: bool,
    outcome: Option<&Outcome>,
    terminal: &mut Terminal,
) -> io::Result<()> {
    let mut counts = [0_usize; 3];
    let mut unread = 0;
    let (style, width) = (terminal.style(), terminal.width());
    let batches = objects.judged.chunks(BATCH);
    let rendered = batches.flat_map(|batch| {
        in_order(batch.iter().collect(), |judged| {
            (judged, render(judged, verbose, style, width))
        })
    });
    for (judged, text) in rendered {
        for finding in judged.assessment.findings.iter().filter(|f| f.exempted.is_none()) {
            counts[finding.severity as usize] += 1;
        }
        let containers = judged.assessment.clocks.containers.iter();
        unread += containers
            .map(|container| container.reading.unread.len())
            .sum::<usize>();
        terminal.text(&text)?;
    }
    for error in &objects.errors {
        terminal.line(format!("{} {error}", paint("error:", RED, terminal.style())))?;
    }
    if let Some(outcome) = outcome {
        fixes::print(outcome, terminal)?;
    }
    let [infos, warnings, errors] = counts;
    let mut sum = vec![count(errors, "error"), count(warnings, "warning")];
    if infos > 0 {
        sum.push(format!(
            "{infos} info{}",
            if verbose { "" } else { " (-v shows it)" }
        ));
    }
    let findings = objects
        .judged
        .iter()
        .flat_map(|judged| &judged.assessment.findings);
    if outcome.is_none() {
        sum.extend(fixes::fixable(findings));
    }
    if unread > 0 {
        let hint = if verbose { "" } else { " (-v says why)" };
        sum.push(format!(
            "{} that no wait can be read from{hint}",
            count(unread, "command")
        ));
    }
    if !objects.errors.is_empty() {
        sum.push(format!(
            "{} that could not be read",
            count(objects.errors.len(), "place")
        ));
    }
    if verbose && objects.passed_over > 0 {
        sum.push(format!(
            "{} of other kinds passed over",
            count(objects.passed_over, "object")
        ));
    }
    let sum = format!("{}: {}", count(objects.judged.len(), "Job"), sum.join(", "));
    terminal.line(paint(&sum, DIM, terminal.style()))
}

/// What is shown of a Job, and nothing of one that there is nothing to say about: its findings, its clocks, what
/// could not be read. The carets under the source are most of the work of a report.
fn render(judged: &Judged<'_>, verbose: bool, style: Style, width: usize) -> String {
    let shown =
        |finding: &&Finding| verbose || (finding.severity > Severity::Info && finding.exempted.is_none());
    let mut lines = String::new();
    let mut line = |text: &str| {
        lines.push_str(text);
        lines.push('\n');
    };
    let mut any = false;
    for finding in judged.assessment.findings.iter().filter(shown) {
        any = true;
        line(&text(judged, finding).render(style));
        line("");
    }
    let notes = if verbose { unread_notes(judged) } else { Vec::new() };
    if any || !notes.is_empty() {
        line(&bars::clocks(
            &judged.job,
            &judged.assessment.clocks,
            style,
            width,
        ));
    }
    for note in &notes {
        line(&format!("    not read: {note}"));
    }
    if !notes.is_empty() {
        line("");
    }
    lines
}

/// What could not be read in the containers' scripts and commands, with its place.
pub(in crate::cli) fn unread_notes(judged: &Judged<'_>) -> Vec<String> {
    let containers = judged.assessment.clocks.containers.iter();
    let notes = containers.flat_map(|container| {
        container.reading.unread.iter().map(move |unread| {
            let at = place(judged, &container.pointer, unread.place);
            format!(
                "{}:{}:{}: container {}: {}",
                at.file, at.line, at.column, container.name, unread.why
            )
        })
    });
    notes.collect()
}

/// `1 Job`, `3 Jobs`.
pub(super) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn text<'a>(judged: &'a Judged<'_>, finding: &'a Finding) -> Rendered<'a> {
    let (document, location) = match finding.at.script {
        Some(script) => in_script(judged, &finding.at.pointer, script),
        None => (judged.document, field(judged, &finding.at.pointer)),
    };
    let mut notes = vec![format!("{} ({})", judged.job, judged.job.origin().as_str())];
    notes.extend(finding.arithmetic.as_deref().map(str::to_owned));
    if let Some(reason) = &finding.exempted {
        notes.push(format!("exempted: {reason}"));
    }
    if finding.confidence < crate::engine::finding::Confidence::Certain {
        notes.push(format!("confidence: {}", finding.confidence.as_str()));
    }
    Rendered {
        level: match finding.severity {
            Severity::Error => Level::Error,
            Severity::Warning => Level::Warning,
            Severity::Info => Level::Info,
        },
        code: finding.code,
        title: &finding.message,
        source: document.source(),
        spans: vec![Mark {
            span: location.span,
            label: finding.name.to_owned(),
            primary: true,
        }],
        notes,
        help: vec![finding.help.to_string()],
    }
}

/// Where a finding stands in the file.
#[must_use]
pub fn locate(judged: &Judged<'_>, at: &At) -> Location {
    match at.script {
        Some(script) => place(judged, &at.pointer, script),
        None => field(judged, &at.pointer),
    }
}

/// The column behind the last character of a place, which stands in one line; `None` in another file than the
/// Job's, as of a script that it mounts.
pub(super) fn end_column(judged: &Judged<'_>, at: &Location) -> Option<usize> {
    let source = judged.document.source();
    let own = at.file == *source.name();
    own.then(|| source.line_column(at.span.end).1.max(at.column))
}

/// A field with its value, as far as it stands on one line; the nearest parent where there is none.
fn field(judged: &Judged<'_>, pointer: &str) -> Location {
    let key = judged.document.locate_key(pointer);
    let value = judged.document.locate(pointer);
    let end = if key.exact && value.line == key.line {
        value.span.end
    } else {
        key.span.end
    };
    first_line(
        judged.document,
        Location {
            span: key.span.start..end,
            ..key
        },
    )
}

/// Where a line of a container's script stands in the file.
#[must_use]
pub fn place(judged: &Judged<'_>, container: &str, place: Place) -> Location {
    in_script(judged, container, place).1
}

/// [`place`], and the document that it is in.
fn in_script<'a>(judged: &Judged<'a>, container: &str, place: Place) -> (&'a Document, Location) {
    let (document, pointer) = judged.script(container, place.element);
    let location = document.locate_in_scalar(&pointer, place.line + 1, place.column + 1);
    (document, first_line(document, location))
}

/// A span of several lines points at its first one: carets under a whole block are noise.
fn first_line(document: &Document, location: Location) -> Location {
    let text = document.source().text();
    let span = text.get(location.span.clone()).unwrap_or_default();
    let length = span
        .find('\n')
        .map_or(span.len(), |end| span[..end].trim_end().len());
    Location {
        span: location.span.start..location.span.start + length,
        ..location
    }
}
