//! What `--fix` did, for people.

use super::lint_text::count;
use super::paint::{GREEN, YELLOW, paint};
use crate::cli::fix::Outcome;
use crate::cli::terminal::Terminal;
use crate::engine::finding::{Finding, FixSafety};

/// The fixes that could not be made, one line each.
#[must_use]
pub fn refused(outcome: &Outcome) -> Vec<String> {
    let notes = outcome.notes.iter().filter_map(|note| {
        let why = note.refused.as_ref()?;
        let (file, line) = (&note.file, note.line);
        Some(format!(
            "not fixed: {file}:{line}: {} of {}: {why}",
            note.code, note.object
        ))
    });
    notes.collect()
}

/// What was fixed, one line for each file, and what could not be.
pub(super) fn print(outcome: &Outcome, terminal: &mut Terminal) -> std::io::Result<()> {
    for changed in &outcome.changed {
        let file = changed.before.name();
        let mut codes: Vec<&str> = outcome
            .notes
            .iter()
            .filter(|note| note.refused.is_none() && note.file == *file)
            .map(|note| note.code)
            .collect();
        codes.sort_unstable();
        let number = codes.len();
        codes.dedup();
        let line = format!(
            "fixed: {file}: {} ({})",
            count(number, "finding"),
            codes.join(", ")
        );
        terminal.line(paint(&line, GREEN, terminal.style()))?;
    }
    for line in refused(outcome) {
        terminal.line(paint(&line, YELLOW, terminal.style()))?;
    }
    Ok(())
}

/// How many findings `--fix` could mend, as a word for the sum; nothing where there are none.
pub(super) fn fixable<'f>(findings: impl Iterator<Item = &'f Finding>) -> Option<String> {
    let mut numbers = [0_usize; 2];
    let open = findings.filter(|finding| finding.exempted.is_none());
    for fix in open.filter_map(|finding| finding.fix.as_ref()) {
        numbers[usize::from(fix.safety == FixSafety::Unsafe)] += 1;
    }
    match numbers {
        [0, 0] => None,
        [safe, 0] => Some(format!("{safe} fixable with --fix")),
        [0, others] => Some(format!("{others} fixable with --fix --unsafe-fixes")),
        [safe, others] => Some(format!(
            "{safe} fixable with --fix, {others} more with --unsafe-fixes"
        )),
    }
}
