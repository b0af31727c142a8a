//! `inner_budget_exhausted`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::diagnosis::Confidence;
use crate::engine::family::exit;
use crate::engine::progress::newest_line;
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// The script's own wait ran out: its counter came to the last try, or its timeout ended it. The Job gave
    /// up by itself, before any of the cluster's clocks.
    ///
    /// # Evidence
    ///
    /// The last progress line of the newest log says that all tries are used (`(168/168)`) or all time is
    /// spent, or the last run ended with exit code 124, as `timeout` and `hookbudget-wait` do.
    ///
    /// # Not to be confused with
    ///
    /// `deadline_too_short`: there the deadline cut a wait that was still going on. `budget_misconfigured`:
    /// there the Job does not wait inside but by failing. A deeper cause of the dependency comes first where
    /// one is proven.
    ///
    /// # Repair
    ///
    /// Find out what took the dependency so long. If that is normal, lengthen the wait, and keep `wait +
    /// headroom <= deadline <= release timeout`.
    ///
    /// # Do not
    ///
    /// Do not raise `backoffLimit` to repeat the whole wait: the release's timeout does not grow with it.
    InnerBudgetExhausted, find
}

fn find(case: &Case<'_>) -> Option<Match> {
    if let Some((line, log, text)) =
        newest_line(case.evidence, &case.knobs.progress).filter(|(line, ..)| line.is_exhausted())
    {
        let tries = line.attempt.zip(line.attempts).map_or_else(
            || "all its time".to_owned(),
            |(attempt, attempts)| format!("try {attempt} of {attempts}"),
        );
        let target = line
            .target
            .map_or_else(String::new, |target| format!(" for {target}"));
        let finding = format!("the script's own wait{target} ran out: {tries}");
        let source = format!(
            "log of Pod {} container {}, run {}",
            log.pod,
            log.container,
            log.attempt + 1
        );
        let found = Match::new(RootCause::InnerBudgetExhausted, finding);
        return Some(
            found
                .proof("log", source, log.last_line.or(log.captured), text)
                .repair(REPAIR),
        );
    }
    let end = exit(case, TIMEOUT_EXIT).filter(|end| end.last)?;
    let finding = format!(
        "the wait in container {} ran out (exit code {TIMEOUT_EXIT})",
        end.container.name
    );
    let found = Match::from_end(RootCause::InnerBudgetExhausted, finding, end);
    Some(found.confident(Confidence::Likely).repair(REPAIR))
}

/// How coreutils' `timeout` and `hookbudget-wait` end when the time is up.
const TIMEOUT_EXIT: i32 = 124;
const REPAIR: &str = "Lengthen the script's wait to what the dependency needs, and keep the deadline and the release's timeout above it.";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{exited, failed, find, judge, log};

    #[test]
    fn its_evidence_is_found() {
        let evidence = failed(
            "BackoffLimitExceeded",
            700,
            json!({"pods": exited(1, "Error"), "logs": log(&["waiting for gitea api (1/168)", "waiting for gitea api (168/168)"])}),
        );
        assert!(find(&InnerBudgetExhausted, &evidence).is_some());
        assert_eq!(
            judge(&evidence).root_cause,
            Some(InnerBudgetExhausted.meta().cause)
        );
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "BackoffLimitExceeded",
            700,
            json!({"pods": exited(1, "Error"), "logs": log(&["waiting for gitea api (1/168)", "waiting for gitea api (167/168)"])}),
        );
        assert!(find(&InnerBudgetExhausted, &evidence).is_none());
    }

    #[test]
    fn exit_124_is_a_timeout() {
        let evidence = failed("BackoffLimitExceeded", 700, json!({"pods": exited(124, "Error")}));
        assert_eq!(judge(&evidence).root_cause, Some(RootCause::InnerBudgetExhausted));
    }
}
