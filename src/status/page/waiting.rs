//! A Job that waits: how far it is, what will end it and when, whom it waits for.

use std::fmt::Write as _;

use super::super::html::{Clipped, Escaped};
use super::super::words::{Time, clock_name, runs_out, span};
use super::{Page, findings};
use crate::engine::Seconds;
use crate::engine::budget::Clock;
use crate::engine::diagnosis::Diagnosis;
use crate::index::JobView;

/// Of a hundred: from here on the budget burns, as the alert `HookJobBudgetBurning` has it.
const BURNS: i64 = 80;

pub(super) fn card(out: &mut String, page: Page<'_>, job: &JobView) {
    let now = page.snapshot.now;
    let elapsed = job.elapsed(now);
    let used = elapsed.zip(job.remaining(now)).map(|(elapsed, left)| {
        let whole = (elapsed + left).whole().max(1);
        (elapsed.whole().saturating_mul(100) / whole).clamp(0, 100)
    });
    let burns = used.is_some_and(|used| used > BURNS);
    // Writing to a String cannot fail, here and below.
    let _ = write!(
        out,
        "<article class=\"job waiting{}\" id=\"{}\">",
        if burns { " burns" } else { "" },
        findings::anchor("job", job)
    );
    findings::title(out, job);
    findings::facts(out, job);
    match (elapsed, job.remaining(now), job.gives_up()) {
        (Some(elapsed), Some(left), Some((clock, at))) => {
            bar(out, job, used.unwrap_or(0), left);
            let at = Time { at, now };
            let left = if left == Seconds::ZERO {
                "<strong>No time left</strong>".to_owned()
            } else {
                format!("<strong>{} left</strong>", span(left))
            };
            let _ = write!(
                out,
                "<p class=\"ends\">{left}, until {} at {at}. {} used{}.</p>",
                runs_out(clock),
                span(elapsed),
                if burns { ": most of it" } else { "" },
            );
            others(out, job, clock);
        }
        (Some(elapsed), ..) => {
            let _ = write!(
                out,
                "<p class=\"ends\">Running for <strong>{}</strong>; no clock ends it.</p>",
                span(elapsed)
            );
        }
        (None, ..) => out.push_str("<p class=\"ends\">Not started yet.</p>"),
    }
    let found = job.diagnosis();
    target(out, job, found.as_deref());
    if let Some(found) = &found
        && found.root_cause.is_some()
    {
        findings::verdict(out, found, false);
        findings::summary(out, found);
        out.push_str("<div class=\"sides\"><div>");
        findings::repair(out, found);
        out.push_str("</div>");
        findings::chain(out, job, found, true);
        out.push_str("</div>");
        findings::evidence(out, job, found);
    }
    findings::tail(out, job, false);
    out.push_str("</article>");
}

/// The bar, with a mark for what the eye cannot tell from its length alone.
fn bar(out: &mut String, job: &JobView, used: i64, left: Seconds) {
    let _ = write!(
        out,
        "<div class=\"bar\" role=\"progressbar\" aria-label=\"Time used by {}\" aria-valuemin=\"0\" aria-valuemax=\"100\" \
         aria-valuenow=\"{used}\" aria-valuetext=\"{used} percent used, {} left\">\
         <svg viewBox=\"0 0 100 1\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect width=\"{used}\" height=\"1\"/></svg>\
         <span aria-hidden=\"true\">{used} %</span></div>",
        Clipped(&job.key.name, 80),
        span(left),
    );
}

/// The clocks that run besides, so that nobody raises the wrong one.
fn others(out: &mut String, job: &JobView, ending: Clock) {
    let ending = match ending {
        Clock::Wait => ["wait_nominal", "wait_worst"].as_slice(),
        Clock::Retries => &["retries"],
        Clock::Deadline => &["deadline"],
        Clock::Release => &["release"],
        Clock::Nothing => &[],
    };
    let others: Vec<String> = job
        .budgets()
        .filter(|budget| !ending.contains(&budget.clock))
        .filter_map(|budget| {
            let source = if budget.clock == "release" && !budget.source.is_empty() {
                format!(" ({})", Clipped(budget.source, 120))
            } else {
                String::new()
            };
            Some(format!(
                "{} {}{source}",
                clock_name(budget.clock)?,
                span(budget.span)
            ))
        })
        .collect();
    if !others.is_empty() {
        let _ = write!(
            out,
            "<p class=\"clocks\">Its other clocks: {}.</p>",
            others.join(", ")
        );
    }
}

/// Whom it waits for, and how many tries that took so far.
fn target(out: &mut String, job: &JobView, found: Option<&Diagnosis>) {
    let progress = found.and_then(|found| found.progress.as_ref());
    let stated = || {
        job.spec
            .waits
            .iter()
            .find_map(|wait| Some(wait.target.as_ref()?.text.as_str()))
    };
    let target = stated().or_else(|| progress?.target.as_deref());
    let tries = progress.and_then(|progress| Some((progress.attempt?, progress.attempts)));
    if target.is_none() && tries.is_none() {
        return;
    }
    out.push_str("<p class=\"target\">");
    match target {
        Some(target) => {
            let _ = write!(out, "Waits for <code>{}</code>", Clipped(target, 200));
        }
        None => out.push_str("Waits"),
    }
    match tries {
        Some((attempt, Some(attempts))) => {
            let _ = write!(out, ", try {attempt} of {attempts}");
        }
        Some((attempt, None)) => {
            let _ = write!(out, ", try {attempt}");
        }
        None => {}
    }
    let source = progress.map_or("", |progress| progress.source.as_str());
    if tries.is_some() && !source.is_empty() {
        let _ = write!(out, " <span class=\"soft\">({})</span>", Escaped(source));
    }
    out.push_str(".</p>");
}
