//! HB202.

use crate::engine::budget::UNANSWERED_SYN;
use crate::engine::finding::{At, Finding, Severity};
use crate::engine::rule::{Context, rule};
use crate::engine::rules::common::limit_to_write;
use crate::engine::rules::folded::Folded;
use crate::engine::shell::Wait;
use crate::engine::{Limit, Seconds};

rule! {
    /// A network probe in a loop has no time limit of its own: one that hangs stops the count.
    ///
    /// ## What it does
    ///
    /// Reports a loop that calls a service with a program that nothing limits: `curl` without `--max-time` or
    /// `--connect-timeout`, `nc` without `-w`, a database's client without its own flag, and no `timeout` in front.
    /// Clients of the API server (`kubectl`, `helm`) are passed over, and so is `wget`: without `-T` it gives up
    /// after 900 s by itself.
    ///
    /// ## Why is this bad?
    ///
    /// `60 x 5 s = 300 s` holds only while every probe returns at once, as from a port that refuses. A dependency
    /// that starts may also accept the connection and not answer yet: then `curl` waits without end, and the
    /// loop, its messages and its exit status never come. Where packets are dropped, as by a NetworkPolicy, an
    /// unanswered connection takes about 127 s (six retransmissions, Linux `tcp_syn_retries`), so that even `nc -z`
    /// multiplies the wait.
    ///
    /// ## Severity
    ///
    /// A warning for `curl` and `nc` in a loop that counts, whatever clock cuts it in the end: this rule alone
    /// speaks of a probe without a limit, HB102 and HB104 add up probes that have one. Information for the clients
    /// of databases and other services, which seldom hang once they are connected, and for a loop that has no
    /// bound either, which HB201 reports.
    ///
    /// ## How to fix
    ///
    /// ```sh
    /// for i in $(seq 1 60); do
    ///   curl -sSf --max-time 3 "$URL" && break      # wget -T 3, nc -w 3, timeout 3 PROGRAM
    ///   sleep 5
    /// done
    /// ```
    ///
    /// and count the limit: `60 x (5 s + 3 s) = 480 s` in the worst case.
    ///
    /// ## When to ignore
    ///
    /// When a configuration file that the manifest does not show sets the limit, such as `.curlrc`.
    "HB202" "probe-without-timeout" Warning check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let silent = cx.clocks.waits_for_something().filter(|(_, wait)| {
        let Some(probe) = wait.probe.as_ref() else {
            return false;
        };
        let hangs =
            probe.limit == Limit::Never && (wait.span.worst == Limit::Never || only_the_kernel_ends_it(wait));
        // Where the loop has no bound either, a client of a database may be at work and not only ask.
        let asks = wait.is_bounded() || asks_only(&probe.tool);
        hangs && asks && probe.is_service_call()
    });
    let folded = Folded::of(silent);
    found.extend(folded.iter().filter_map(|folded| finding(cx, folded)));
}

fn finding(cx: &Context<'_>, folded: &Folded<'_>) -> Option<Finding> {
    let (container, wait) = (folded.container, folded.first());
    let probe = wait.probe.as_ref()?;
    let tool = &probe.tool;
    let severity = if wait.is_bounded() && asks_only(tool) {
        Severity::Warning
    } else {
        Severity::Info
    };
    let hangs = if connects_only(tool) || only_the_kernel_ends_it(wait) {
        let sum = wait.attempts.zip(wait.interval).map(|(tries, interval)| {
            let sum = (interval + UNANSWERED_SYN).times(tries);
            format!(", so that {tries} x ({interval} + {UNANSWERED_SYN}) = {sum} are possible")
        });
        format!(
            "a connection that nobody answers takes about {UNANSWERED_SYN}{}",
            sum.unwrap_or_default()
        )
    } else {
        let until = match (cx.clocks.deadline, cx.clocks.release.timeout) {
            (Some(deadline), _) => format!("until the deadline of {deadline} deletes the Pod"),
            (None, Some(timeout)) => {
                format!(
                    "beyond the release timeout of {timeout} ({})",
                    cx.clocks.release.source
                )
            }
            (None, None) => "without end".to_owned(),
        };
        format!("a call that is accepted and not answered hangs {until}")
    };
    let limit = limit(cx, wait);
    let worst = wait.attempts.zip(wait.interval).map(|(tries, interval)| {
        format!(
            ": {tries} x ({interval} + {limit}) = {} at worst",
            (interval + limit).times(tries)
        )
    });
    Some(Finding {
        at: cx.at(|| At::script(container.pointer.clone(), probe.place)),
        brief: cx.brief(|_| format!("{tool} has no time limit: a try that hangs stops the count")),
        message: cx.message(|_| {
            format!(
                "{tool} in the wait{} of container {} has no time limit: {hangs}",
                folded.for_targets(),
                container.name
            )
        }),
        arithmetic: cx.arithmetic(|_| folded.arithmetic()),
        help: cx.help(|_| format!("{}{}", limit_to_write(tool, limit), worst.unwrap_or_default())),
        ..RULE.finding(severity, folded.confidence())
    })
}

/// Programs that a probe is written with, as opposed to clients that may be at work.
fn asks_only(tool: &str) -> bool {
    tool == "curl" || connects_only(tool)
}

/// True when the worst case counts an unanswered connection for each try.
fn only_the_kernel_ends_it(wait: &Wait) -> bool {
    let unanswered = wait.attempts.map(|tries| UNANSWERED_SYN.times(tries));
    unanswered.is_some_and(|total| wait.span.worst.is_bounded() && wait.span.worst >= Limit::At(total))
}

/// Programs that only connect: the kernel gives up for them.
fn connects_only(tool: &str) -> bool {
    matches!(tool, "nc" | "ncat" | "netcat" | "/dev/tcp")
}

/// The limit of the policy, or a shorter one where the tries of the only wait would then not fit into the
/// clock that surrounds them; at least 1 s.
fn limit(cx: &Context<'_>, wait: &Wait) -> Seconds {
    let wanted = Seconds::new(cx.policy.probe_timeout.ceil());
    let clocks = cx.clocks;
    let outer = Limit::from(clocks.deadline).min(clocks.release.timeout.into());
    match (outer, wait.attempts, wait.interval) {
        (Limit::At(outer), Some(tries), Some(interval)) if tries > 0 && clocks.waits().count() == 1 => {
            let room = outer.minus_or_zero(clocks.startup).whole();
            let share = Seconds::new(room / i64::try_from(tries).unwrap_or(i64::MAX)).minus_or_zero(interval);
            wanted.min(Seconds::new(share.whole())).max(Seconds::new(1))
        }
        _ => wanted.max(Seconds::new(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::finding::Confidence;
    use crate::engine::rules::testkit::{HOOK, Hook};

    fn looped(probe: &str) -> &'static str {
        format!("for i in $(seq 60); do {probe} && exit 0; sleep 5; done; exit 1").leak()
    }

    #[test]
    fn any_limit_of_the_probe_is_one() {
        for (probe, fails) in [
            ("curl -f http://catalog", true),
            ("curl -f --max-time 3 http://catalog", false),
            ("curl -f --connect-timeout 3 http://catalog", false),
            ("wget -qO- http://catalog", false), // 900 s by default, which HB102 and HB104 add up
            ("wget -T 3 -qO- http://catalog", false),
            ("nc -z db 5432", true),
            ("nc -z -w 3 db 5432", false),
            ("timeout 3 nc -z db 5432", false),
            ("pg_isready -h db", false), // 3 s by default
            ("kubectl get crd tables", false),
            ("curl -f http://kubernetes.default.svc/healthz", false),
        ] {
            let warned = fails.then_some((Severity::Warning, Confidence::Certain));
            let hook = Hook {
                script: looped(probe),
                ..HOOK
            };
            assert_eq!(hook.verdict("HB202"), warned, "{probe}");
        }
    }

    #[test]
    fn a_client_of_a_database_seldom_hangs() {
        let hook = Hook {
            script: looped("mysqladmin ping -h db"),
            ..HOOK
        };
        assert_eq!(hook.verdict("HB202").map(|v| v.0), Some(Severity::Info));
    }

    #[test]
    fn it_is_the_only_one_that_speaks_of_the_worst_case() {
        for (deadline, release) in [
            (None, Some("10m")),
            (Some(840), Some("1h")),
            (Some(840), Some("15m")),
        ] {
            let hook = Hook {
                script: looped("curl -f http://catalog"),
                deadline,
                release,
                ..HOOK
            };
            for code in ["HB102", "HB104", "HB203"] {
                assert_eq!(hook.verdict(code), None, "{code} {deadline:?} {release:?}");
            }
            assert_eq!(hook.findings("HB202").len(), 1);
        }
    }

    #[test]
    fn without_a_bound_it_is_only_said_on_request() {
        let hook = Hook {
            script: "until curl -f http://catalog; do sleep 5; done",
            ..HOOK
        };
        assert_eq!(hook.verdict("HB202").map(|v| v.0), Some(Severity::Info));
    }

    #[test]
    fn the_limit_to_write_fits_into_the_clock() {
        for (release, help) in [
            ("10m", "--max-time 3: 60 x (5 s + 3 s) = 480 s at worst"),
            ("430s", "--max-time 2: 60 x (5 s + 2 s) = 420 s at worst"),
            ("6m", "--max-time 1: 60 x (5 s + 1 s) = 360 s at worst"),
        ] {
            let hook = Hook {
                script: looped("curl -f http://catalog"),
                release: Some(release),
                ..HOOK
            };
            assert_eq!(hook.findings("HB202")[0].help, help, "{release}");
        }
    }
}
