//! The clocks of a Job as bars on one scale, so that a person sees which one is too short.

use super::finding::Style;
use super::paint::{BOLD, DIM, RED, YELLOW, paint};
use crate::engine::budget::{Clock, Clocks, WaitSource};
use crate::engine::job::Job;
use crate::engine::{Limit, Seconds};

/// What stands before a bar, and the blank behind it.
const MARGIN: usize = 15;
const ENDS_IT: &str = " <- ends it";

/// Draws the clocks of a Job in so many columns: the nominal span full, what the worst case adds hatched.
#[must_use]
pub fn clocks(job: &Job<'_>, clocks: &Clocks, style: Style, columns: usize) -> String {
    let wait = clocks.wait.map(|wait| (wait.nominal, wait.worst));
    let exact = |span: Option<Seconds>| span.map(|span| (Limit::At(span), Limit::At(span)));
    let rows = [
        (Clock::Wait, "own wait", wait),
        (
            Clock::Retries,
            "retries",
            Some((clocks.retries_lower, clocks.retries_upper)),
        ),
        (Clock::Deadline, "deadline", exact(clocks.deadline)),
        (Clock::Release, "release", exact(clocks.release.timeout)),
    ];
    let longest = rows
        .iter()
        .filter_map(|(_, _, span)| *span)
        .flat_map(|(nominal, worst)| [nominal.seconds(), worst.seconds()])
        .flatten()
        .filter(|span| *span <= scale_limit(clocks))
        .max()
        .unwrap_or(Seconds::new(1))
        .max(Seconds::new(1));
    let unseen = match clocks.wait_source {
        WaitSource::Hidden => Some("not visible"),
        WaitSource::Unread => Some("not read"),
        _ => None,
    };
    let texts = rows.map(|(clock, _, span)| match span {
        None => unseen
            .filter(|_| clock == Clock::Wait)
            .unwrap_or("none")
            .to_owned(),
        Some((nominal, worst)) => said(nominal, worst),
    });
    let beside = texts.iter().map(String::len).max().unwrap_or(0) + ENDS_IT.len();
    let width = columns.saturating_sub(MARGIN + beside).max(20);
    let mut lines = vec![paint(&format!("  {job}"), BOLD, style)];
    for ((clock, name, span), text) in rows.into_iter().zip(texts) {
        let ends = clock == clocks.ends_by;
        let bar = span.map_or_else(String::new, |(nominal, worst)| {
            bar(nominal, worst, longest, width)
        });
        let bar = if ends {
            paint(&bar, RED, style)
        } else {
            paint(&bar, DIM, style)
        };
        let marker = if ends {
            paint(ENDS_IT, YELLOW, style)
        } else {
            String::new()
        };
        let bar = if span.is_some() { bar + " " } else { String::new() };
        lines.push(format!("    {name:<9} {bar}{text}{marker}"));
    }
    lines.join("\n") + "\n"
}

/// A bar that is many times longer than the clocks that matter would press them flat.
fn scale_limit(clocks: &Clocks) -> Seconds {
    let shortest = clocks
        .ends_at
        .seconds()
        .unwrap_or(Seconds::new(60))
        .max(Seconds::new(60));
    shortest.times(5)
}

fn said(nominal: Limit, worst: Limit) -> String {
    match (nominal, worst) {
        (Limit::Never, _) => "without end".to_owned(),
        (Limit::At(a), Limit::At(b)) if a == b => a.to_string(),
        (Limit::At(a), Limit::At(b)) => format!("{a} (up to {b})"),
        (Limit::At(a), Limit::Never) => format!("{a} (up to no end)"),
    }
}

fn bar(nominal: Limit, worst: Limit, longest: Seconds, width: usize) -> String {
    let cells = |limit: Limit| limit.seconds().map_or(width, |span| cells(span, longest, width));
    let full = cells(nominal);
    let hatched = cells(worst).saturating_sub(full);
    let cut = if worst.seconds().is_none_or(|worst| worst > longest) {
        ">"
    } else {
        ""
    };
    let full_cells = if nominal == Limit::Never {
        String::new()
    } else {
        "\u{2588}".repeat(full)
    };
    let hatched = if nominal == Limit::Never {
        "\u{2591}".repeat(full)
    } else {
        "\u{2591}".repeat(hatched)
    };
    format!("{full_cells}{hatched}{cut}")
}

/// How many of `width` cells a span takes on a scale that ends at `longest`; anything above zero shows.
pub(super) fn cells(span: Seconds, longest: Seconds, width: usize) -> usize {
    let scaled =
        i128::from(span.nanos()) * i128::try_from(width).unwrap_or(0) / i128::from(longest.nanos().max(1));
    let cells = usize::try_from(scaled).unwrap_or(0).min(width);
    if span > Seconds::ZERO { cells.max(1) } else { 0 }
}
