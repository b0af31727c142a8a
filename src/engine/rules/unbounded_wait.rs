//! HB201.

use crate::engine::Seconds;
use crate::engine::finding::{At, Finding, Severity};
use crate::engine::rule::{Context, rule};
use crate::engine::rules::common::at_most_a_warning;
use crate::engine::rules::folded::Folded;

rule! {
    /// A loop or a tool waits without a bound of its own.
    ///
    /// ## What it does
    ///
    /// Reports `while true`, `until COMMAND` without a counter or a clock, `kubectl wait --timeout` below
    /// zero, `wait-for-it -t 0` and the like.
    ///
    /// ## Why is this bad?
    ///
    /// A wait that never gives up never says why. Without a deadline the Job hangs until somebody deletes it;
    /// its release fails at its timeout with a message that names no cause, and the Job goes on behind it.
    /// With a deadline the Pod is deleted in the middle of the wait, and its logs with it.
    ///
    /// ## Severity
    ///
    /// An error for a hook without `activeDeadlineSeconds`: nothing inside the Job ends it. A warning where a
    /// deadline does, for Jobs that are no hooks, and for a wait for another container of the same Pod.
    ///
    /// ## How to fix
    ///
    /// Count, and fail with a sentence when the count is over:
    ///
    /// ```sh
    /// n=0
    /// until pg_isready -h db -t 3; do
    ///   n=$((n + 1))
    ///   if [ "$n" -ge 75 ]; then echo "db is not up after 600 s" >&2; exit 1; fi
    ///   sleep 5
    /// done
    /// ```
    ///
    /// ## When to ignore
    ///
    /// When the wait is meant to outlast everything and a person watches it.
    "HB201" "unbounded-wait" Error check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let bounded_outside = cx.clocks.deadline;
    let severity = match (cx.origin().is_hook(), bounded_outside) {
        (true, None) => Severity::Error,
        _ => Severity::Warning,
    };
    let endless = || {
        cx.clocks
            .waits_for_something()
            .filter(|(_, wait)| !wait.is_bounded())
    };
    let loops = i64::try_from(endless().count()).unwrap_or(i64::MAX).max(1);
    let consequence = || {
        bounded_outside.map_or_else(
            || "and there is no activeDeadlineSeconds: nothing in the Job ends it".to_owned(),
            |deadline| format!("only the deadline of {deadline} ends it, and deletes its logs"),
        )
    };
    let bound = bounded_outside.unwrap_or(cx.clocks.cold_start.span + cx.policy.headroom);
    let room = bound.minus_or_zero(cx.policy.headroom + cx.policy.startup);
    let share = Seconds::new(room.whole() / loops);
    found.extend(Folded::of(endless()).into_iter().map(|folded| {
        let container = folded.container;
        Finding {
            at: cx.at(|| At::script(container.pointer.clone(), folded.first().place)),
            brief: cx.brief(|_| format!("container {} waits without a bound", container.name)),
            message: cx.message(|_| {
                format!(
                    "container {} waits{} without a bound, {}",
                    container.name,
                    folded.for_targets(),
                    consequence()
                )
            }),
            arithmetic: cx.arithmetic(|_| folded.arithmetic()),
            help: cx.help(|_| {
                if share > Seconds::ZERO {
                    let each = if folded.times() > 1 { " each" } else { "" };
                    format!("count the tries, and leave the loop with an error after {share}{each}")
                } else {
                    "count the tries, and leave the loop with an error before the deadline".to_owned()
                }
            }),
            ..RULE.finding(
                at_most_a_warning(severity, folded.is_for_own_pod()),
                folded.confidence(),
            )
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rules::testkit::{HOOK, Hook};

    #[test]
    fn the_deadline_decides_how_bad_it_is() {
        for (hook, deadline, severity) in [
            ("post-install", None, Severity::Error),
            ("post-install", Some(600), Severity::Warning),
            ("Sync", None, Severity::Error),
        ] {
            let job = Hook {
                runs: hook,
                script: "until nc -z -w 3 db 5432; do sleep 2; done",
                deadline,
                ..HOOK
            };
            assert_eq!(
                job.verdict("HB201").map(|v| v.0),
                Some(severity),
                "{hook} {deadline:?}"
            );
        }
    }

    #[test]
    fn a_bound_of_any_kind_is_one() {
        for script in [
            "n=0; until nc -z -w 3 db 5432; do n=$((n+1)); [ $n -lt 9 ] || exit 1; sleep 2; done",
            "for i in 1 2 3; do nc -z -w 3 db 5432 && exit 0; sleep 2; done; exit 1",
            "timeout 60 sh -c 'until nc -z -w 3 db 5432; do sleep 2; done'",
            "sleep 3600",
        ] {
            assert_eq!(Hook { script, ..HOOK }.verdict("HB201"), None, "{script}");
        }
    }

    #[test]
    fn a_loop_in_a_helper_is_told_once_with_all_that_it_waits_for() {
        let script = "w() { until nc -z -w 3 $1 5432; do sleep 2; done; }\nw db\nw cache\nw db\n\
                      until nc -z -w 3 web 80; do sleep 2; done";
        let hook = Hook {
            script,
            deadline: Some(840),
            ..HOOK
        };
        let findings = hook.findings("HB201");
        assert_eq!(findings.len(), 2, "{findings:#?}");
        let said = &findings[0].message;
        assert!(said.contains("for db:5432 and cache:5432, 3 times"), "{said}");
        assert!(findings[0].help.ends_with("150 s each"), "{}", findings[0].help);
        assert!(findings[1].help.ends_with("150 s"), "{}", findings[1].help);
    }

    #[test]
    fn the_own_pod_is_no_dependency() {
        for (host, severity) in [
            ("db", Severity::Error),
            ("localhost", Severity::Warning),
            ("127.0.0.1", Severity::Warning),
            ("$POD_IP", Severity::Warning),
        ] {
            let script = format!("until nc -z -w 3 {host} 5432; do sleep 2; done").leak();
            let found = Hook { script, ..HOOK }.verdict("HB201");
            assert_eq!(found.map(|v| v.0), Some(severity), "{host}");
        }
    }
}
