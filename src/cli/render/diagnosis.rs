//! A diagnosis as a person reads it: what happened, the chain from the symptom down to the ground, what to repair
//! first.

use super::finding::Style;
use super::paint::{BOLD, CYAN, DIM, GREEN, RED, YELLOW, paint};
use crate::cli::terminal::Terminal;
use crate::engine::cause::named;
use crate::engine::diagnosis::{ChainLink, Diagnosis, JobPhase, RetryAdvice, Trigger};
use crate::engine::progress::Progress;
use crate::engine::root_cause::RootCause;

/// Proofs that are shown at a glance.
const MOST_PROOFS: usize = 3;
/// Columns before the text of a section.
const HEAD: usize = 10;

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// What a person needs to act.
    Glance,
    /// Every proof, and what it was not.
    Full,
}

/// Draws a diagnosis.
#[must_use]
pub fn draw(diagnosis: &Diagnosis, detail: Detail, terminal: &Terminal) -> String {
    let mut page = Page {
        style: terminal.style(),
        width: terminal.width(),
        lines: Vec::new(),
    };
    title(&mut page, diagnosis);
    chain(&mut page, &diagnosis.chain);
    if let Some(text) = diagnosis
        .progress
        .as_ref()
        .and_then(|known| progress(known, diagnosis.state))
    {
        page.section("progress", &text);
    }
    for (number, step) in diagnosis.repair_order.iter().enumerate() {
        let head = if number == 0 { "repair" } else { "then" };
        page.section(head, step);
    }
    if diagnosis.root_cause.is_some() {
        let advice = match diagnosis.retry_advice {
            RetryAdvice::Retry => "it may work the next time",
            RetryAdvice::Wait => "not before the dependency is up",
            RetryAdvice::DoNotRetry => "not before this is repaired: the blocker would be the same",
        };
        page.section("retry", advice);
    }
    if let Some(reason) = &diagnosis.retry_reason {
        page.section("", reason);
    }
    same_culprit(&mut page, diagnosis);
    proofs(&mut page, diagnosis, detail);
    page.lines.join("\n")
}

fn title(page: &mut Page, diagnosis: &Diagnosis) {
    let style = page.style;
    let job = format!("{}/{}", diagnosis.job.namespace, diagnosis.job.name);
    let state = match diagnosis.trigger {
        Trigger::NotFailed => diagnosis.state.as_str(),
        trigger => trigger.as_str(),
    };
    page.lines.push(format!(
        "   {}  {}",
        paint(&job, BOLD, style),
        paint(state, DIM, style)
    ));
    let cause = match diagnosis.root_cause {
        Some(cause) => format!(
            "   root cause {} ({}, {}, for {})",
            paint(cause.as_str(), RED, style),
            diagnosis.severity.as_str(),
            diagnosis.verdict.as_str(),
            diagnosis.route.map_or("nobody", |route| route.as_str()),
        ),
        None => format!("   {}", paint("nothing is known to be wrong", GREEN, style)),
    };
    page.lines.push(cause);
    page.wrapped("   ", "   ", &diagnosis.summary, None);
}

/// The chain, each link below the one that depends on it, with its proof; the last one is the ground.
fn chain(page: &mut Page, chain: &[ChainLink]) {
    let style = page.style;
    for (depth, link) in chain.iter().enumerate() {
        let indent = "  ".repeat(depth);
        let arrow = if depth == 0 {
            String::new()
        } else {
            format!("\u{2514}\u{2500} {} ", link.relation)
        };
        let place = if link.namespace.is_empty() {
            link.name.clone()
        } else {
            format!("{}/{}", link.namespace, link.name)
        };
        let last = depth > 0 && depth + 1 == chain.len();
        let object = format!("{} {place}", link.kind);
        let first = format!(
            "     {indent}{}{}: ",
            paint(&arrow, DIM, style),
            paint(&object, if last { RED } else { CYAN }, style)
        );
        let below = format!("     {indent}   ");
        let shown = 5 + indent.chars().count() + arrow.chars().count() + object.chars().count() + 2;
        page.wrapped_from(&first, shown, &below, &link.finding, None);
        // A proof that only says the finding again is noise.
        if !link.proof.is_empty() && !link.finding.contains(&link.proof) {
            page.wrapped(&below, &below, &link.proof, Some(DIM));
        }
    }
}

fn progress(progress: &Progress, state: JobPhase) -> Option<String> {
    let tries = progress.attempt.map(|attempt| match progress.attempts {
        Some(attempts) => format!("attempt {attempt} of {attempts}"),
        None => format!("attempt {attempt}"),
    });
    let spent = progress
        .elapsed
        .zip(progress.budget)
        .map(|(elapsed, budget)| format!("{} of {}", elapsed.to_go(), budget.to_go()));
    // Of a Job that has ended, what was left is left for nobody.
    let remaining = progress.remaining.filter(|_| state == JobPhase::Waiting);
    let left = remaining.map(|left| format!("{} left", left.to_go()));
    let parts: Vec<String> = [tries, spent, left].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("{} ({})", parts.join(", "), progress.source))
}

/// The other Jobs that one repair helps.
fn same_culprit(page: &mut Page, diagnosis: &Diagnosis) {
    let Some(culprit) = diagnosis
        .culprit
        .as_ref()
        .filter(|_| !diagnosis.same_culprit.is_empty())
    else {
        return;
    };
    let names = diagnosis.same_culprit.iter();
    let names: Vec<String> = names
        .map(|job| format!("{}/{}", job.namespace, job.name))
        .collect();
    let more = match diagnosis.same_culprit_more {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let text = format!("{}{more} end at the same {}", names.join(", "), named(culprit));
    page.section("with it", &text);
}

fn proofs(page: &mut Page, diagnosis: &Diagnosis, detail: Detail) {
    let most = match detail {
        Detail::Glance => MOST_PROOFS,
        Detail::Full => usize::MAX,
    };
    for proof in diagnosis.evidence.iter().take(most) {
        let text = proof.text.lines().next().unwrap_or_default();
        let at = proof.at.map_or_else(String::new, |at| format!(" ({at})"));
        page.section_in("proof", &format!("{}{at}: {text}", proof.source), DIM);
    }
    let more = diagnosis.evidence.len().saturating_sub(most);
    if more > 0 {
        page.section_in("", &format!("and {more} more: --verbose, or --format json"), DIM);
    }
    if !diagnosis.candidates.is_empty() {
        let names: Vec<&str> = diagnosis.candidates.iter().map(RootCause::as_str).collect();
        page.section("may be", &names.join(", "));
    }
    if detail == Detail::Full {
        let contributing: Vec<&str> = diagnosis.contributing.iter().map(RootCause::as_str).collect();
        if !contributing.is_empty() {
            page.section("also", &contributing.join(", "));
        }
        for ruled in &diagnosis.not {
            page.section_in("not", &format!("{}: {}", ruled.cause.as_str(), ruled.why), DIM);
        }
    }
    for lost in &diagnosis.evidence_lost {
        page.section_in("lost", &format!("{} ({})", lost.what, lost.why), YELLOW);
    }
}

/// Lines within the width of the terminal.
struct Page {
    style: Style,
    width: usize,
    lines: Vec<String>,
}

impl Page {
    fn section(&mut self, head: &str, text: &str) {
        self.section_as(head, text, None);
    }

    fn section_in(&mut self, head: &str, text: &str, colour: anstyle::Style) {
        self.section_as(head, text, Some(colour));
    }

    fn section_as(&mut self, head: &str, text: &str, colour: Option<anstyle::Style>) {
        let colon = if head.is_empty() { " " } else { ":" };
        let first = format!("   {head:>8}{colon} ");
        self.wrapped(&first, &" ".repeat(HEAD + 3), text, colour);
    }

    fn wrapped(&mut self, first: &str, below: &str, text: &str, colour: Option<anstyle::Style>) {
        let shown = first.chars().count();
        self.wrapped_from(first, shown, below, text, colour);
    }

    /// `first` takes `shown` columns: it may hold colours.
    fn wrapped_from(
        &mut self,
        first: &str,
        shown: usize,
        below: &str,
        text: &str,
        colour: Option<anstyle::Style>,
    ) {
        let dye =
            |text: &str| colour.map_or_else(|| text.to_owned(), |colour| paint(text, colour, self.style));
        let (mut lines, mut line, mut room) = (Vec::new(), String::new(), self.width.saturating_sub(shown));
        for word in text.split_whitespace() {
            let taken = line.chars().count();
            let length = word.chars().count();
            if taken > 0 && taken + 1 + length > room {
                lines.push(std::mem::take(&mut line));
                room = self.width.saturating_sub(below.chars().count());
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
        let lines = lines.into_iter().enumerate().map(|(number, line)| {
            let head = if number == 0 { first } else { below };
            format!("{head}{}", dye(&line))
        });
        let lines: Vec<String> = lines.collect();
        self.lines.extend(lines);
    }
}
