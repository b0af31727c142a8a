//! `deadline_too_short`.

use crate::engine::case::Case;
use crate::engine::case::span;
use crate::engine::cause::{Match, cause};
use crate::engine::diagnosis::{Confidence, Trigger};
use crate::engine::family::pod_reason;
use crate::engine::progress::{LineProgress, newest_line};
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// The deadline ended a Job that was still getting somewhere: its wait went on, its log was growing, and it
    /// had not failed once.
    ///
    /// # Evidence
    ///
    /// `DeadlineExceeded`, a container that was running until then, no failed run before, and either a progress
    /// line with tries left, a wait in the script that is longer than the deadline, or a line of log shortly
    /// before the end. A Pod-level `activeDeadlineSeconds` shows as the Pod's reason `DeadlineExceeded`, while
    /// the Job says `BackoffLimitExceeded`.
    ///
    /// # Not to be confused with
    ///
    /// `no_progress_hang`: there the log had been silent. `inner_budget_exhausted`: there the script gave up
    /// first. A Pod that was never scheduled or pulled has its own cause.
    ///
    /// # Repair
    ///
    /// Set the deadline to the longest wait plus what the Job does afterwards, and the release's timeout above
    /// it.
    ///
    /// # Do not
    ///
    /// Do not shorten the wait to make the numbers fit, unless the dependency is always faster.
    DeadlineTooShort, find, rules_out: ruled_out
}

fn find(case: &Case<'_>) -> Option<Match> {
    let pod_deadline = pod_reason(case, &["DeadlineExceeded"]);
    if case.trigger != Trigger::DeadlineExceeded && pod_deadline.is_none() || !case.ends.is_empty() {
        return None;
    }
    if !case.ran_after(None, None) {
        return None;
    }
    let deadline = case.job().deadline;
    let named = deadline.map_or_else(
        || "the deadline".to_owned(),
        |deadline| format!("the deadline of {deadline}"),
    );
    let found = Match::new(
        RootCause::DeadlineTooShort,
        format!("{named} ended a Job that was still getting somewhere"),
    );
    let wait = case
        .job()
        .clocks
        .wait_nominal
        .or_else(|| case.evidence.waits.iter().filter_map(|wait| wait.nominal).max());
    let found = if let Some((_, log, text)) =
        newest_line(case.evidence, &case.knobs.progress).filter(|(line, ..)| has_tries_left(line))
    {
        found.proof(
            "log",
            format!("log of Pod {} container {}", log.pod, log.container),
            log.last_line.or(log.captured),
            text,
        )
    } else if let Some((wait, deadline)) = wait.zip(deadline).filter(|(wait, deadline)| wait > deadline) {
        let text = format!("the script waits up to {wait}, activeDeadlineSeconds is {deadline}");
        found
            .confident(Confidence::Likely)
            .proof("spec", "Job", case.ended, text)
    } else {
        let log = case.evidence.logs.iter().max_by_key(|log| log.last_line)?;
        let last = log
            .last_line
            .filter(|last| span(*last, case.until()) < case.knobs.silence)?;
        let text = log.lines.last().map_or("", String::as_str);
        found.confident(Confidence::Likely).proof(
            "log",
            format!("log of Pod {} container {}", log.pod, log.container),
            Some(last),
            text,
        )
    };
    let found = match pod_deadline {
        Some(pod) => found.proof(
            "state",
            format!("Pod {}/{}", pod.namespace, pod.name),
            pod.deleted,
            pod.message.clone(),
        ),
        None => found,
    };
    Some(found.repair("Set activeDeadlineSeconds to the longest wait plus the work after it, and the release's timeout above that."))
}

fn has_tries_left(line: &LineProgress) -> bool {
    (line.attempts.is_some() || line.budget.is_some()) && !line.is_exhausted()
}

fn ruled_out(case: &Case<'_>) -> Option<String> {
    let (deadline, elapsed) = case.job().deadline.zip(case.elapsed())?;
    (case.trigger == Trigger::BackoffLimitExceeded && deadline > elapsed).then(|| {
        format!(
            "{} s of the deadline of {deadline} were left",
            (deadline - elapsed).whole()
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::cause::Cause;
    use crate::engine::testkit::{at, exited, failed, find, judge, log, pod};

    #[test]
    fn its_evidence_is_found() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"pods": pod(json!({"state": {"running": {"started": at(1)}}})), "logs": log(&["waiting for gitea api (100/200)"])}),
        );
        assert!(find(&DeadlineTooShort, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(DeadlineTooShort.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed(
            "DeadlineExceeded",
            840,
            json!({"pods": pod(json!({"state": {"running": {"started": at(1)}}})), "logs": log(&["starting"])}),
        );
        assert!(find(&DeadlineTooShort, &evidence).is_none());
    }

    #[test]
    fn a_deadline_of_the_pod_counts_and_an_early_failure_does_not() {
        let mut pods = pod(
            json!({"ends": [{"exit_code": 137, "reason": "Error", "started": at(1), "finished": at(20)}]}),
        );
        let logs = log(&["waiting for db (3/90)"]);
        let told = |pods: &serde_json::Value| {
            failed("BackoffLimitExceeded", 20, json!({"pods": pods, "logs": logs}))
        };
        assert!(find(&DeadlineTooShort, &told(&exited(1, "Error"))).is_none());
        pods[0]["reason"] = json!("DeadlineExceeded");
        assert!(find(&DeadlineTooShort, &told(&pods)).is_some());
    }
}
