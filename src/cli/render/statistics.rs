//! `--statistics`: how often each rule fired.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;

use crate::cli::objects::Objects;
use crate::cli::terminal::Terminal;
use crate::engine::finding::{FixSafety, Severity};

/// One rule that fired.
#[derive(Debug, Serialize)]
pub struct Fired {
    code: &'static str,
    name: &'static str,
    /// The worst of its findings.
    severity: Severity,
    count: usize,
    /// How many of them have a fix.
    fixable: usize,
    /// What kind of fix that is, the milder where both are met.
    fix: Option<FixSafety>,
}

/// The rules that fired, the most frequent first. Exempted findings do not count.
#[must_use]
pub fn count(objects: &Objects<'_>) -> Vec<Fired> {
    let mut counts: BTreeMap<&str, Fired> = BTreeMap::new();
    let findings = objects
        .judged
        .iter()
        .flat_map(|judged| &judged.assessment.findings);
    for finding in findings.filter(|finding| finding.exempted.is_none()) {
        let fix = finding.fix.as_ref().map(|fix| fix.safety);
        let count = counts.entry(finding.code).or_insert(Fired {
            code: finding.code,
            name: finding.name,
            severity: finding.severity,
            count: 0,
            fixable: 0,
            fix,
        });
        count.count += 1;
        count.severity = count.severity.max(finding.severity);
        count.fixable += usize::from(fix.is_some());
        count.fix = [count.fix, fix].into_iter().flatten().min();
    }
    let mut counts: Vec<Fired> = counts.into_values().collect();
    counts.sort_by_key(|count| std::cmp::Reverse(count.count));
    counts
}

/// Prints the counts as a table.
///
/// # Errors
/// When the output is closed or full.
pub fn print(objects: &Objects<'_>, terminal: &mut Terminal) -> io::Result<()> {
    for count in count(objects) {
        let fix = match count.fix {
            None => String::new(),
            Some(FixSafety::Safe) => format!("{} fixable", count.fixable),
            Some(FixSafety::Unsafe) => format!("{} fixable with --unsafe-fixes", count.fixable),
        };
        let Fired {
            code,
            name,
            severity,
            count,
            ..
        } = count;
        let line = format!("{count:>6}  {code}  {name:<34} {:<8} {fix}", severity.as_str());
        terminal.line(line.trim_end())?;
    }
    for error in &objects.errors {
        terminal.line(format!("error: {error}"))?;
    }
    Ok(())
}
