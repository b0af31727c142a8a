//! HB113.

use std::fmt::Write as _;

use crate::engine::backoff::Retries;
use crate::engine::budget::WaitSource;
use crate::engine::budget::retries_of;
use crate::engine::finding::{At, Confidence, Finding, Severity};
use crate::engine::job::RestartPolicy;
use crate::engine::rule::{Context, rule};
use crate::engine::rules::common::{cluster_call, for_target, waits_by_failing};
use crate::engine::{Limit, Seconds};

rule! {
    /// A hook that waits by failing meets the same blocker again and again while its dependency starts.
    ///
    /// ## What it does
    ///
    /// Counts the attempts that a hook without a wait of its own starts within the cold start of what it calls
    /// (`hookbudget.dev/cold-start`, else `coldStart` of the policy), and reports more than three.
    ///
    /// ## Why is this bad?
    ///
    /// No attempt can succeed before the dependency is up, and each leaves something behind: under `Never` a
    /// failed Pod that somebody has to read and that counts against quotas, under `OnFailure` one more restart
    /// and the logs of the attempt before gone. An alert on failed Pods or restarts fires for a Job that does
    /// what it was meant to do. A failure within seconds says "not yet there", and the next attempt meets the
    /// same blocker: only waiting helps.
    ///
    /// ## How to fix
    ///
    /// One loop inside one container run says the same with one Pod and one log:
    ///
    /// ```sh
    /// i=0
    /// until curl -sSf -o /dev/null --max-time 3 http://catalog:8080/health; do
    ///   i=$((i + 1))
    ///   if [ "$i" -ge 75 ]; then echo "catalog is not up after 600 s" >&2; exit 1; fi
    ///   sleep 5
    /// done
    /// ```
    ///
    /// ## When to ignore
    ///
    /// When the dependency is nearly always up when the hook runs.
    "HB113" "retry-against-same-blocker" Info check
}

/// More attempts than this against one blocker are too many.
const FEW: usize = 3;
/// Attempts that are listed.
const SHOWN: usize = 8;
/// No message counts more attempts than this.
const MOST: usize = 1_000;

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    // What cannot be read may be the loop that is asked for.
    if !waits_by_failing(cx) || cx.clocks.wait_source == WaitSource::Unread {
        return;
    }
    let Some((container, call)) = cluster_call(cx) else {
        return;
    };
    let cold_start = cx.clocks.cold_start.span;
    let ends = [cx.clocks.deadline, cx.clocks.release.timeout];
    let until = ends.into_iter().flatten().fold(cold_start, Seconds::min);
    let retries = Retries {
        run: Limit::ZERO,
        ..retries_of(cx.job, cx.policy)
    };
    let starts = || {
        let starts = retries.rounds().map(|round| round.start);
        starts.take_while(|start| *start < until).take(MOST)
    };
    let made = starts().count();
    if made <= FEW {
        return;
    }
    let each = match retries.policy {
        RestartPolicy::Never => "a Pod of its own",
        _ => "a restart that loses the log before the last",
    };
    found.push(Finding {
        at: cx.at(|| At::script(container.pointer.clone(), call.place)),
        brief: cx.brief(|_| format!("{made} attempts against one blocker")),
        message: cx.message(|text| {
            write!(
                text,
                "a cold start of {cold_start} meets {made} attempts{}, each {each}",
                for_target(call.target.as_ref())
            )
        }),
        arithmetic: cx.arithmetic(|text| {
            text.push_str("attempts at ");
            for (number, start) in starts().take(SHOWN).enumerate() {
                let comma = if number == 0 { "" } else { ", " };
                write!(text, "{comma}{}", start.whole())?;
            }
            text.push_str(if made > SHOWN { ", ..." } else { "" });
            write!(
                text,
                " s; cold start {cold_start} ({})",
                cx.clocks.cold_start.source
            )
        }),
        help: cx.help(|text| {
            write!(
                text,
                "one loop of {cold_start} inside the container, and backoffLimit: 0"
            )
        }),
        ..RULE.finding(Severity::Info, Confidence::Likely)
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rules::testkit::{HOOK, Hook, found};

    fn arithmetic(policy: RestartPolicy, limit: u32, cold_start: Option<&'static str>) -> Option<String> {
        let mut job = Hook {
            policy,
            limit,
            ..HOOK
        }
        .job();
        job.annotations
            .extend(cold_start.map(|span| ("hookbudget.dev/cold-start".into(), span.into())));
        found(&job, "HB113")
            .pop()
            .and_then(|finding| Some(finding.arithmetic?.into()))
    }

    #[test]
    fn three_attempts_are_few_and_four_are_not() {
        assert_eq!(arithmetic(RestartPolicy::Never, 2, None), None);
        let four = arithmetic(RestartPolicy::Never, 3, None);
        assert_eq!(
            four.as_deref(),
            Some("attempts at 0, 10, 30, 70 s; cold start 600 s (coldStart of the policy)")
        );
        assert_eq!(arithmetic(RestartPolicy::OnFailure, 3, None), None);
        let restarts = arithmetic(RestartPolicy::OnFailure, 4, None);
        assert_eq!(
            restarts.as_deref(),
            Some("attempts at 0, 0, 10, 30 s; cold start 600 s (coldStart of the policy)")
        );
    }

    #[test]
    fn attempts_after_the_cold_start_do_not_count() {
        for (cold_start, found) in [("69s", false), ("70s", false), ("71s", true)] {
            assert_eq!(
                arithmetic(RestartPolicy::Never, 3, Some(cold_start)).is_some(),
                found,
                "{cold_start}"
            );
        }
    }

    #[test]
    fn a_hook_that_waits_or_calls_nothing_is_passed_over() {
        for script in [
            "kubectl get pods",
            "until nc -z -w 1 catalog 80; do sleep 2; done",
        ] {
            assert_eq!(
                Hook {
                    script,
                    limit: 6,
                    ..HOOK
                }
                .verdict("HB113"),
                None,
                "{script}"
            );
        }
    }
}
