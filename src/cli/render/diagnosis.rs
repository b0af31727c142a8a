//! A diagnosis as a person reads it: what happened, the chain from the symptom down to the root, what to repair
//! first.

use super::finding::Style;
use super::paint::{BOLD, CYAN, DIM, RED, YELLOW, paint};
use crate::cli::terminal::Terminal;
use crate::engine::diagnosis::{ChainLink, Diagnosis, RetryAdvice};

/// Proofs that are shown; the JSON has all of them.
const MOST_PROOFS: usize = 3;

/// Draws a diagnosis.
#[must_use]
pub fn draw(diagnosis: &Diagnosis, terminal: &Terminal) -> String {
    let style = terminal.style();
    let cause = diagnosis.root_cause.map_or("none", |cause| cause.as_str());
    let job = format!("{}/{}", diagnosis.job.namespace, diagnosis.job.name);
    let mut lines = vec![
        format!(
            "   {}  {}",
            paint(&job, BOLD, style),
            paint(diagnosis.trigger.as_str(), DIM, style)
        ),
        format!(
            "   root cause {} ({}, {}, for {})",
            paint(cause, RED, style),
            diagnosis.severity.as_str(),
            diagnosis.verdict.as_str(),
            diagnosis.route.map_or("nobody", |route| route.as_str()),
        ),
        format!("   {}", diagnosis.summary),
    ];
    for (depth, link) in diagnosis.chain.iter().enumerate() {
        lines.push(format!(
            "     {}{}",
            "  ".repeat(depth),
            link_line(link, depth, style)
        ));
    }
    for (number, step) in diagnosis.repair_order.iter().enumerate() {
        let head = if number == 0 { "repair" } else { "then" };
        lines.push(format!("   {head:>8}: {step}"));
    }
    let advice = match diagnosis.retry_advice {
        RetryAdvice::Retry => "it may work the next time",
        RetryAdvice::Wait => "not before the dependency is up",
        RetryAdvice::DoNotRetry => "not before this is repaired: the blocker would be the same",
    };
    lines.push(format!("   {:>8}: {advice}", "retry"));
    for proof in diagnosis.evidence.iter().take(MOST_PROOFS) {
        let text = proof.text.lines().next().unwrap_or_default();
        lines.push(paint(
            &format!("   {:>8}: {}: {text}", "proof", proof.source),
            DIM,
            style,
        ));
    }
    for lost in &diagnosis.evidence_lost {
        lines.push(paint(
            &format!("   {:>8}: {} ({})", "lost", lost.what, lost.why),
            YELLOW,
            style,
        ));
    }
    lines.join("\n")
}

fn link_line(link: &ChainLink, depth: usize, style: Style) -> String {
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
    let object = paint(&format!("{} {place}", link.kind), CYAN, style);
    format!("{}{object}: {}", paint(&arrow, DIM, style), link.finding)
}
