//! HB206.

use std::fmt::{self, Display, Write as _};

use crate::engine::Limit;
use crate::engine::budget::Clock;
use crate::engine::finding::{At, Confidence, Finding, Severity};
use crate::engine::rule::{Context, rule};
use crate::engine::rules::common::{Unprepared, internal_call, unprepared, waits_by_failing};
use crate::engine::survival::{Survival, gives_up_before, scenario};

rule! {
    /// A hook calls a service of its own namespace without waiting for it: its restarts are the wait loop.
    ///
    /// ## What it does
    ///
    /// Reports a Helm or Argo CD hook that runs beside the start of its release, whose script calls a network
    /// service of the same namespace, has no wait of its own, and is retried when the call fails. A hook that
    /// runs when the service has long been up (`pre-upgrade`, `pre-delete`, `test`) is passed over, and so is one
    /// that may have waited: an unread command or an unread init container runs before the call.
    ///
    /// ## Why is this bad?
    ///
    /// A hook that runs beside the service it needs races with its start. Restarting until it answers works
    /// as long as the service is up within the first restarts; on a cold cluster it is not, and how long the
    /// restarts last is decided by back-offs that nobody chose. Each restart is a new container or a new Pod,
    /// and its log shows a refused connection instead of how long it has been waiting.
    ///
    /// ## Severity
    ///
    /// A warning; an error, certain, together with HB101: the restarts are spent before the deadline. Information
    /// where the restarts, the deadline and the release's timeout all outlast the cold start: that works, with a
    /// Pod or a restart for every try.
    ///
    /// ## How to fix
    ///
    /// Wait inside one container run, in the script or by an init container:
    ///
    /// ```yaml
    /// metadata:
    ///   annotations:
    ///     hookbudget.dev/wait-for: http://powerdns:8081/api/v1/servers
    /// ```
    ///
    /// ## When to ignore
    ///
    /// When the service is part of another release that is always up first.
    "HB206" "waits-by-restarting" Error check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let clocks = cx.clocks;
    if !waits_by_failing(cx) {
        return;
    }
    let Some((container, call)) = internal_call(cx) else {
        return;
    };
    let prepared = unprepared(cx, container, call);
    if matches!(prepared, Unprepared::Awaited | Unprepared::Unknown) {
        // What is not shown may be the wait.
        return;
    }
    let target = call
        .target
        .as_ref()
        .map_or(&call.tool as &dyn Display, |target| target);
    let spent = matches!((clocks.deadline, clocks.retries_lower), (Some(d), Limit::At(end)) if end < d);
    let proven = spent && prepared == Unprepared::Certain;
    let cold_start = clocks.cold_start.span;
    let lasting = match Lasting::of(cx) {
        // What is proven needs no release timeout, which may be assumed.
        Lasting::Cut(..) if proven => Lasting::Spent,
        lasting => lasting,
    };
    let (severity, confidence) = match &lasting {
        _ if proven => (Severity::Error, Confidence::Certain),
        Lasting::Long(_) => (Severity::Info, Confidence::Likely),
        _ => (Severity::Warning, Confidence::Likely),
    };
    found.push(Finding {
        at: cx.at(|| At::script(container.pointer.clone(), call.place)),
        brief: cx.brief(|text| {
            text.push_str("no wait of its own: ");
            lasting.say(text, cx)
        }),
        message: cx.message(|text| {
            write!(
                text,
                "container {} calls {target} without waiting for it: ",
                container.name
            )?;
            lasting.say(text, cx)
        }),
        arithmetic: cx.arithmetic(|text| lasting.arithmetic(text, cx)),
        help: cx.help(|text| {
            write!(
                text,
                "wait for {target} inside the container for at least {cold_start}, or annotate \
                 hookbudget.dev/wait-for: {target}"
            )
        }),
        ..RULE.finding(severity, confidence)
    });
}

/// How the restarts and the cold start compare, with the clock that ends them first.
enum Lasting {
    /// They outlast the cold start, and so does every other clock. They are over then, if ever.
    Long(Limit),
    /// They are over before, by themselves.
    Short(Survival),
    /// They are over before the deadline, by themselves.
    Spent,
    /// Another clock ends them before.
    Cut(Survival, Limit),
}

impl Lasting {
    fn of(cx: &Context<'_>) -> Self {
        let clocks = cx.clocks;
        let found = gives_up_before(
            clocks.cold_start.span,
            clocks,
            scenario(cx.job, clocks, cx.policy),
        );
        match found {
            None => Self::Long(clocks.retries_lower),
            Some(survival) => match survival.by {
                Clock::Deadline => Self::Cut(survival, clocks.deadline.into()),
                Clock::Release => Self::Cut(survival, clocks.release.timeout.into()),
                _ => Self::Short(survival),
            },
        }
    }

    /// `its restarts last 310 s when the connection is refused`.
    fn say(&self, text: &mut String, cx: &Context<'_>) -> fmt::Result {
        match (self, cx.clocks.retries_lower) {
            (Self::Cut(cut, at), _) => {
                let clock = match cut.by {
                    Clock::Deadline => "deadline",
                    _ => "release timeout",
                };
                write!(text, "its restarts are cut by the {clock} of {at}")
            }
            (_, Limit::Never) => text.write_str("its restarts never end"),
            (_, Limit::At(end)) => write!(text, "its restarts last {end} when the connection is refused"),
        }
    }

    fn arithmetic(&self, text: &mut String, cx: &Context<'_>) -> fmt::Result {
        let (clocks, cold_start) = (cx.clocks, cx.clocks.cold_start.span);
        write!(text, "{} attempts", clocks.attempts)?;
        match self {
            Self::Long(Limit::At(end)) => {
                write!(
                    text,
                    ", over after {end}; a cold start of {cold_start} is survived"
                )
            }
            Self::Long(Limit::Never) => {
                write!(text, " without end; a cold start of {cold_start} is survived")
            }
            Self::Spent => write!(
                text,
                ", over after {}; cold start {cold_start}",
                clocks.retries_lower
            ),
            Self::Short(Survival { until, .. }) => {
                write!(text, ", the last ends after {until}")?;
                match clocks.retries_lower {
                    Limit::At(end) if end > *until => write!(text, ", over after {end}")?,
                    _ => {}
                }
                write!(text, "; cold start {cold_start}, {} short", cold_start - *until)
            }
            Self::Cut(Survival { until, by, .. }, at) => {
                write!(text, " would take {}; the last before the ", clocks.retries_lower)?;
                match by {
                    Clock::Deadline => write!(text, "deadline of {at}")?,
                    _ => write!(text, "release timeout of {at} ({})", clocks.release.source)?,
                }
                write!(
                    text,
                    " ends after {until}; cold start {cold_start}, {} short",
                    cold_start - *until
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rules::testkit::{CERTAIN, HOOK, Hook};

    use crate::engine::job::RestartPolicy;

    #[test]
    fn retries_and_the_deadline_decide() {
        let likely = Some((Severity::Warning, Confidence::Likely));
        for (policy, limit, deadline, verdict) in [
            (RestartPolicy::Never, 0, None, None),
            (RestartPolicy::Never, 1, None, likely),
            (RestartPolicy::OnFailure, 1, None, None), // the first restart is already over the limit
            (RestartPolicy::OnFailure, 2, None, likely),
            (RestartPolicy::OnFailure, 6, Some(310), likely),
            (RestartPolicy::OnFailure, 6, Some(311), CERTAIN),
        ] {
            let hook = Hook {
                policy,
                limit,
                deadline,
                ..HOOK
            };
            assert_eq!(hook.verdict("HB206"), verdict, "{policy:?} {limit} {deadline:?}");
        }
    }

    #[test]
    fn the_first_clock_that_ends_the_restarts_is_compared_with_the_cold_start() {
        for (limit, deadline, release, severity, said) in [
            (
                6,
                None,
                "1h",
                Severity::Info,
                "7 attempts, over after 630 s; a cold start of 600 s is survived",
            ),
            (
                5,
                None,
                "1h",
                Severity::Warning,
                "6 attempts, the last ends after 310 s; cold start 600 s, 290 s short",
            ),
            (
                6,
                Some(400),
                "1h",
                Severity::Warning,
                "7 attempts would take 630 s; the last before the deadline of 400 s ends after 310 s; cold start 600 \
                 s, 290 s short",
            ),
            (
                6,
                None,
                "5m",
                Severity::Warning,
                "7 attempts would take 630 s; the last before the release timeout of 300 s (annotation \
                 hookbudget.dev/release-timeout of the Job) ends after 150 s; cold start 600 s, 450 s short",
            ),
        ] {
            let hook = Hook {
                limit,
                deadline,
                release: Some(release),
                ..HOOK
            };
            let finding = hook.findings("HB206").remove(0);
            assert_eq!(finding.severity, severity, "{limit} {deadline:?} {release}");
            assert_eq!(finding.arithmetic.as_deref(), Some(said));
        }
        let proven = Hook {
            limit: 6,
            deadline: Some(700),
            release: Some("5m"),
            ..HOOK
        };
        let finding = proven.findings("HB206").remove(0);
        assert_eq!(finding.severity, Severity::Error);
        assert_eq!(
            finding.brief,
            "no wait of its own: its restarts last 630 s when the connection is refused"
        );
        let sum = "7 attempts, over after 630 s; cold start 600 s";
        assert_eq!(finding.arithmetic.as_deref(), Some(sum));
    }

    #[test]
    fn only_a_service_that_starts_beside_the_hook_counts() {
        for (hook, script, fails) in [
            ("post-install", "curl -f http://catalog", true),
            ("pre-upgrade", "curl -f http://catalog", false),
            ("test-success", "curl -f http://catalog", false),
            ("post-install", "curl -f http://catalog.other.svc", false),
            ("post-install", "curl -f https://10.0.0.1/", false),
            ("post-install", "kubectl get pods", false),
        ] {
            let job = Hook {
                runs: hook,
                script,
                limit: 3,
                ..HOOK
            };
            assert_eq!(job.verdict("HB206").is_some(), fails, "{hook}: {script}");
        }
    }
}
