//! Answers for what cannot be judged: let through, and said as the mode of the namespace has it.

use super::message;
use super::review::Answer;
use crate::engine::finding::At;
use crate::engine::policy::Mode;
use crate::k8s::Problem;

/// Key of the audit annotation.
const NOT_JUDGED: &str = "not-judged";

/// Lets an object through. Under `warn` and `enforce` the requester is told why there is no judgement; under `audit`
/// the audit log alone. Nothing but a finding ever denies, so `enforce` does not either.
pub(super) fn not_judged(mode: Mode, why: &str) -> Answer {
    answer(mode, vec![why.to_owned()])
}

/// Lets an object through that the API server refuses with words of its own.
pub(super) fn invalid(mode: Mode, problems: &[Problem]) -> Answer {
    let texts = problems.iter().map(|problem| {
        let field = At::field(problem.pointer.clone()).dotted();
        format!("{field} {}", problem.message)
    });
    answer(mode, texts.collect())
}

fn answer(mode: Mode, reasons: Vec<String>) -> Answer {
    if mode == Mode::Off {
        return Answer::default();
    }
    let audit = message::for_audit(&reasons.join("; "));
    let warnings = if mode == Mode::Audit {
        Vec::new()
    } else {
        let texts = reasons
            .into_iter()
            .map(|why| format!("hookbudget did not judge this object: {why}"));
        message::within_limits(texts.collect())
    };
    Answer {
        warnings,
        audit: vec![(NOT_JUDGED, audit.into())],
        ..Answer::default()
    }
}
