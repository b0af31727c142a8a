//! `oom_killed`.

use crate::engine::case::Case;
use crate::engine::cause::{Match, cause};
use crate::engine::root_cause::RootCause;

cause! {
    /// # What it is
    ///
    /// The kernel killed a process of the container because it went over its memory limit. When that process is
    /// PID 1 the exit code is 137; when it is a child of the shell, the shell goes on and usually ends with 1:
    /// the reason tells, not the code.
    ///
    /// # Evidence
    ///
    /// `state.terminated` or `lastState.terminated` with reason `OOMKilled`. Under `OnFailure` only `lastState`
    /// shows it, and only until the Pod is deleted.
    ///
    /// # Not to be confused with
    ///
    /// Exit code 137 with reason `Error`: another SIGKILL, of a liveness probe, a deadline or a person.
    /// `evicted_memory`: there the node was short and the whole Pod went. Without a captured end it is
    /// `evidence_lost`, however likely it seems.
    ///
    /// # Repair
    ///
    /// Raise the memory limit to what the Job needs, or make it need less: a download held in memory or in an
    /// in-memory `emptyDir` counts as well.
    ///
    /// # Do not
    ///
    /// Do not only raise `backoffLimit`: the next run needs as much memory as the last.
    OomKilled, find, rules_out: ruled_out
}

fn find(case: &Case<'_>) -> Option<Match> {
    let end = case.ends.iter().rev().find(|end| end.end.reason == "OOMKilled")?;
    let limit = end.container.memory_limit.as_ref();
    let at = limit.map_or_else(String::new, |limit| format!(" at its limit of {limit}"));
    let finding = format!(
        "container {} was killed for want of memory{at} (exit code {})",
        end.container.name, end.end.exit_code
    );
    let repair = format!(
        "Raise the memory limit of container {}, or make it need less.",
        end.container.name
    );
    Some(Match::from_end(RootCause::OomKilled, finding, end).repair(repair))
}

fn ruled_out(case: &Case<'_>) -> Option<String> {
    let end = case.last_end()?;
    Some(format!(
        "{} ended with reason {:?}, not OOMKilled",
        end.source(),
        end.end.reason
    ))
}

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
            330,
            json!({"pods": exited(137, "OOMKilled")}),
        );
        assert!(find(&OomKilled, &evidence).is_some());
        assert_eq!(judge(&evidence).root_cause, Some(OomKilled.meta().cause));
    }

    #[test]
    fn its_neighbour_is_not() {
        let evidence = failed("BackoffLimitExceeded", 330, json!({"pods": exited(137, "Error")}));
        assert!(find(&OomKilled, &evidence).is_none());
    }

    #[test]
    fn a_child_as_the_victim_leaves_the_exit_code_1() {
        let evidence = failed(
            "BackoffLimitExceeded",
            330,
            json!({"pods": exited(1, "OOMKilled"), "logs": log(&["Killed"])}),
        );
        assert_eq!(judge(&evidence).root_cause, Some(RootCause::OomKilled));
    }

    #[test]
    fn a_captured_end_of_another_kind_rules_it_out() {
        let judged = judge(&failed(
            "BackoffLimitExceeded",
            330,
            json!({"pods": exited(22, "Error"), "logs": log(&["curl: (22) https://dl.example.org 500"])}),
        ));
        assert!(judged.not.iter().any(|ruled| ruled.cause == RootCause::OomKilled));
    }
}
