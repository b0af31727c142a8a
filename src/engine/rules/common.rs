//! What several rules say in the same words.

use std::borrow::Cow;
use std::fmt::{self, Display};

use crate::engine::annotations::WAIT;
use crate::engine::backoff::{Retries, fitting_limit};
use crate::engine::budget::{ContainerReading, WaitSource, retries_of};
use crate::engine::finding::{At, Confidence, Edit, Severity};
use crate::engine::formulas::needed_release;
use crate::engine::job::{Container, DEFAULT_BACKOFF_LIMIT, Job, Origin, RestartPolicy, lookup};
use crate::engine::release::is_helm_controller;
use crate::engine::rule::Context;
use crate::engine::shell::reading::ReadConfidence;
use crate::engine::shell::{Failure, Place, Probe, Target};
use crate::engine::{Limit, Seconds};

/// Delays that a message spells out before it cuts the sum short.
const MOST_TERMS: usize = 8;

/// Hooks that run beside the start of what they call: the release is being created or changed around them.
/// Before an upgrade, a rollback or a deletion, and in a test, the service has been up for long.
const BESIDE_THE_START: [&str; 7] = [
    "pre-install",
    "post-install",
    "post-upgrade",
    "post-rollback",
    "PreSync",
    "Sync",
    "PostSync",
];

/// True for a hook that runs beside the start of what it calls.
pub(super) fn races_with_the_start(cx: &Context<'_>) -> bool {
    cx.job.each_hook().any(|hook| BESIDE_THE_START.contains(&hook))
}

/// The annotation by which Helm prints the logs of a hook (`HookOutputLogAnnotation`, helm/helm
/// `pkg/release/hook.go`).
pub(super) const HOOK_OUTPUT: &str = "helm.sh/hook-output-log-policy";

/// True where the annotation of a hook asks for its logs when it fails.
pub(super) fn shows_on_failure(job: &Job<'_>) -> bool {
    lookup(&job.annotations, HOOK_OUTPUT).is_some_and(|words| {
        words
            .split(',')
            .any(|word| word.trim().eq_ignore_ascii_case("hook-failed"))
    })
}

/// True where Helm prints the logs of a failed hook. Flux throws them away.
pub(super) fn shows_hook_logs(cx: &Context<'_>) -> bool {
    cx.origin() == Origin::HelmHook && shows_on_failure(cx.job) && !is_released_by_flux(cx)
}

/// True where Flux is known to release the Job, or any Job among the inputs.
pub(super) fn is_released_by_flux(cx: &Context<'_>) -> bool {
    !cx.around.helm_releases.is_empty()
        || cx.job.label("helm.toolkit.fluxcd.io/name").is_some()
        || cx.around.requester.is_some_and(is_helm_controller)
}

/// Where a called service lives, seen from the Job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Home {
    OwnNamespace,
    Cluster,
    Outside,
}

/// A host of one label is a Service of the Job's namespace. Two labels may be a Service and its namespace or a
/// domain such as `example.com`: only the Job's own namespace tells them apart.
fn home(cx: &Context<'_>, target: &Target) -> Home {
    let Some((_, namespace)) = target.service() else {
        return Home::Outside;
    };
    let host = target.host.as_deref().unwrap_or_default();
    let full = host.split('.').nth(2) == Some("svc");
    match (namespace, cx.job.namespace.as_deref()) {
        (None, _) => Home::OwnNamespace,
        (Some(namespace), Some(own)) if namespace == own => Home::OwnNamespace,
        // A chart is often linted before its namespace is known.
        (Some(_), None) if full => Home::OwnNamespace,
        (Some(_), Some(_)) if full => Home::Cluster,
        (Some(_), _) => Home::Outside,
    }
}

/// The first call of a service of the Job's own namespace, outside any wait.
pub(super) fn internal_call<'a>(cx: &Context<'a>) -> Option<(&'a ContainerReading, &'a Probe)> {
    first_call(cx, |home| home == Home::OwnNamespace)
}

/// The first call of a service of the cluster, outside any wait.
pub(super) fn cluster_call<'a>(cx: &Context<'a>) -> Option<(&'a ContainerReading, &'a Probe)> {
    first_call(cx, |home| home != Home::Outside)
}

fn first_call<'a>(
    cx: &Context<'a>,
    wanted: impl Fn(Home) -> bool,
) -> Option<(&'a ContainerReading, &'a Probe)> {
    let here = |target: &Target| wanted(home(cx, target));
    cx.clocks
        .containers
        .iter()
        .filter(|container| !container.sidecar)
        .find_map(|container| {
            let call = container.reading.calls.iter().find(|call| {
                call.is_service_call()
                    && call.failure != Failure::Swallowed
                    && call.target.as_ref().is_some_and(here)
            })?;
            Some((container, call))
        })
}

/// How sure it is that nothing waits before a call, and that its failure makes the Job run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unprepared {
    /// All that runs before it was read, and the failure ends the container.
    Certain,
    /// Another container, or what the script does with the failure, is not shown.
    Likely,
    /// What runs before it is not shown: it may be the wait.
    Unknown,
    /// An init container waits for it, by its name or by its words.
    Awaited,
}

/// Looks at what runs before a call.
pub(super) fn unprepared(cx: &Context<'_>, container: &ContainerReading, call: &Probe) -> Unprepared {
    let before = || {
        let earlier = cx
            .clocks
            .containers
            .iter()
            .take_while(|other| other.pointer != container.pointer);
        earlier.filter(|other| {
            other.init && !other.sidecar && !(other.reading.visible && other.reading.unread.is_empty())
        })
    };
    let awaits = |other: &ContainerReading| {
        let mut inits = cx.job.pod.init_containers.iter();
        let found = inits.find(|init| init.name == other.name);
        found.is_some_and(|init| is_named_wait(&init.name) || names_host(init, call.target.as_ref()))
    };
    if before().any(awaits) {
        Unprepared::Awaited
    } else if call.behind_unread || before().next().is_some() {
        Unprepared::Unknown
    } else if cx.clocks.is_visible() && call.failure == Failure::Ends {
        Unprepared::Certain
    } else {
        Unprepared::Likely
    }
}

fn is_named_wait(name: &str) -> bool {
    name.split(['-', '_', '.'])
        .any(|word| matches!(word, "wait" | "waitfor" | "waiting" | "waitup"))
}

/// True where the words or the environment of a container name the host of a target.
fn names_host(container: &Container<'_>, target: Option<&Target>) -> bool {
    let Some((service, _)) = target.and_then(Target::service) else {
        return false;
    };
    let values = container.env.iter().filter_map(|entry| entry.value.as_deref());
    let words = container.command.iter().chain(&container.args).map(AsRef::as_ref);
    words.chain(values).any(|text: &str| {
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
            .any(|word| word == service)
    })
}

/// True for a hook that calls a service of its namespace, does not wait for it, and is retried: its retries
/// are its wait.
pub(super) fn waits_by_failing(cx: &Context<'_>) -> bool {
    races_with_the_start(cx) && cx.clocks.attempts > 1 && !cx.clocks.has_wait() && cluster_call(cx).is_some()
}

/// The `backoffLimit` under `Never` that makes as many attempts as now, and more where they would be over
/// before the deadline.
pub(super) fn limit_under_never(cx: &Context<'_>) -> u32 {
    let same = attempts_made(cx).saturating_sub(1);
    match (cx.clocks.deadline, cx.clocks.retries_lower) {
        (Some(deadline), Limit::At(lower)) if lower < deadline && waits_by_failing(cx) => {
            same.max(fitting_limit(deadline))
        }
        _ => same,
    }
}

/// Attempts that look like a wait where nothing else is known; a few more than the one that somebody writes who
/// wants a retry or two.
pub(in crate::engine) const LOOKS_LIKE_A_WAIT: u32 = 5;

/// True for a hook that cannot be looked into and is retried so often that its retries look like its wait.
pub(super) fn seems_to_wait_by_failing(cx: &Context<'_>) -> bool {
    races_with_the_start(cx) && !cx.clocks.is_visible() && cx.clocks.attempts >= LOOKS_LIKE_A_WAIT
}

/// How many attempts start before the deadline; all of them where there is none.
pub(super) fn attempts_made(cx: &Context<'_>) -> u32 {
    let Some(deadline) = cx.clocks.deadline else {
        return cx.clocks.attempts;
    };
    let retries = Retries {
        run: cx.clocks.run.nominal,
        ..retries_of(cx.job, cx.policy)
    };
    let made = retries.rounds().take_while(|round| round.start < deadline);
    u32::try_from(made.count())
        .unwrap_or(u32::MAX)
        .clamp(1, cx.clocks.attempts.max(1))
}

/// A wait for another container of the same Pod is a warning at the most: nothing outside the Job holds it back.
pub(super) fn at_most_a_warning(severity: Severity, own_pod: bool) -> Severity {
    if own_pod {
        severity.min(Severity::Warning)
    } else {
        severity
    }
}

/// The edits that make a Job retry under `Never` with this limit; none for a field that says so already.
pub(super) fn retry_under_never(cx: &Context<'_>, limit: u32) -> Vec<Edit> {
    let policy = (cx.job.pod.restart_policy != RestartPolicy::Never).then(|| Edit::Set {
        pointer: cx.field("template/spec/restartPolicy"),
        value: "Never".into(),
    });
    let present = cx.job.backoff_limit;
    let limit = (!present.stated || present.value != limit).then(|| Edit::Set {
        pointer: cx.field("backoffLimit"),
        value: limit.into(),
    });
    policy.into_iter().chain(limit).collect()
}

/// ` for http://web:80/`, or nothing where the script does not say it in words that a person can read.
pub(super) fn for_target(target: Option<&Target>) -> impl Display {
    let shown = target.filter(|target| !target.text.contains(['$', '`']));
    fmt::from_fn(move |f| shown.map_or(Ok(()), |target| write!(f, " for {target}")))
}

/// A span as people write it in a manifest: `15m` for `15m0s`.
pub(super) fn go(span: Seconds) -> String {
    let text = Seconds::new(span.ceil()).to_go();
    let text = text
        .strip_suffix("m0s")
        .map_or(text.clone(), |minutes| format!("{minutes}m"));
    text.strip_suffix("h0m")
        .map_or(text.clone(), |hours| format!("{hours}h"))
}

/// `--max-time 3`: how a program is given a limit for one call.
pub(super) fn limit_to_write(tool: &str, limit: Seconds) -> String {
    let limit = limit.whole();
    match tool {
        "curl" => format!("--max-time {limit}"),
        "wget" => format!("-T {limit}"),
        "nc" => format!("-w {limit}"),
        _ => format!("timeout {limit} {tool}"),
    }
}

/// The container that a reading is of.
pub(super) fn container_of<'a>(cx: &Context<'a>, reading: &ContainerReading) -> Option<&'a Container<'a>> {
    let read = cx.clocks.containers.iter().map(|reading| &reading.pointer);
    let mut both = cx.job.containers().zip(read);
    both.find(|(_, pointer)| **pointer == reading.pointer)
        .map(|((_, _, container), _)| container)
}

/// The command at a place of a container's script, with the lines that it is continued on.
pub(super) fn command_at<'a>(
    cx: &Context<'a>,
    container: &ContainerReading,
    place: Place,
) -> Option<Cow<'a, str>> {
    let found = container_of(cx, container)?;
    let script = found.command.iter().chain(&found.args).nth(place.element)?;
    let mut lines = script.lines().skip(place.line).map(str::trim);
    let first = lines.next().unwrap_or_default();
    if !first.ends_with('\\') {
        return Some(Cow::Borrowed(first));
    }
    let mut text = String::new();
    for line in std::iter::once(first).chain(lines) {
        text.push_str(line.trim_end_matches('\\'));
        if !line.ends_with('\\') {
            break;
        }
        text.push(' ');
    }
    Some(Cow::Owned(text))
}

/// ` + 45 s start-up` in a sum, nothing where no start-up is counted.
pub(super) fn plus_startup(cx: &Context<'_>) -> String {
    match cx.clocks.startup {
        Seconds::ZERO => String::new(),
        startup => format!(" + {startup} start-up"),
    }
}

/// `activeDeadlineSeconds: 840`, and the release timeout that it then needs where the one in force is shorter.
pub(super) fn deadline_to_write(cx: &Context<'_>, deadline: Seconds) -> impl Display {
    let deadline = Seconds::new(deadline.ceil());
    let needed = needed_release(deadline, cx.clocks.grace);
    let timeout = cx.clocks.release.timeout.filter(|timeout| needed >= *timeout);
    let needed = timeout.map(|_| needed + cx.policy.slack);
    fmt::from_fn(move |f| {
        write!(f, "activeDeadlineSeconds: {}", deadline.whole())?;
        match needed {
            Some(needed) => write!(f, " with a release timeout of {}", go(needed)),
            None => Ok(()),
        }
    })
}

/// The pauses of a retry timeline: `0 + 10 + 20 + 40`, cut short after a few.
pub(super) fn pauses(retries: Retries) -> impl Display {
    fmt::from_fn(move |f| {
        let rounds = || retries.rounds().take(MOST_TERMS + 1);
        let all = rounds().count();
        let last = all - usize::from(retries.policy == RestartPolicy::Never && all > 0);
        let shown = last.min(MOST_TERMS);
        for (number, round) in rounds().take(shown).enumerate() {
            let plus = if number == 0 { "" } else { " + " };
            write!(f, "{plus}{}", round.delay.whole())?;
        }
        f.write_str(match (all > MOST_TERMS, shown == 0) {
            (true, true) => "...",
            (true, false) => " + ...",
            (false, true) => "0",
            (false, false) => "",
        })
    })
}

/// The retry timeline in one line: `OnFailure, backoffLimit 6: 0 + 10 + 20 + 40 + 80 + 160 = 310 s with attempts
/// that fail at once, at most 1180 s when each hangs for 127 s`.
pub(super) fn retry_sum(cx: &Context<'_>) -> impl Display {
    let retries = Retries {
        run: cx.clocks.run.nominal,
        ..retries_of(cx.job, cx.policy)
    };
    fmt::from_fn(move |f| {
        let Limit::At(lower) = cx.clocks.retries_lower else {
            return f.write_str("the retries never end");
        };
        let attempts = cx.clocks.attempts;
        let restart_policy = cx.job.pod.restart_policy;
        write!(
            f,
            "{}, backoffLimit {}: ",
            restart_policy.as_str(),
            cx.job.backoff_limit.value
        )?;
        let run = match cx.clocks.run.nominal {
            Limit::At(run) if run > Seconds::ZERO => Some(run),
            _ => None,
        };
        if let Some(run) = run {
            write!(f, "{attempts} x {run} + ")?;
        }
        match (cx.clocks.startup, restart_policy) {
            (Seconds::ZERO, _) => {}
            (startup, RestartPolicy::Never) => write!(f, "{attempts} x {startup} start-up + ")?,
            (startup, _) => write!(f, "{startup} start-up + ")?,
        }
        write!(f, "{} = {lower} with attempts ", pauses(retries))?;
        match run {
            Some(run) => write!(f, "of {run}")?,
            None => f.write_str("that fail at once")?,
        }
        match (cx.clocks.retries_upper, cx.clocks.run.worst) {
            (Limit::At(upper), Limit::At(hang)) if Limit::At(hang) > cx.clocks.run.nominal => {
                write!(f, ", at most {upper} when each hangs for {hang}")
            }
            (Limit::At(upper), _) => write!(f, ", at most {upper} with overshooting delays"),
            (Limit::Never, _) => Ok(()),
        }
    })
}

/// True for a `backoffLimit` that somebody chose. At admission a stated 6 looks like the default, so that it
/// counts as one everywhere.
pub(super) fn limit_is_chosen(cx: &Context<'_>) -> bool {
    cx.job.backoff_limit.value != DEFAULT_BACKOFF_LIMIT
}

/// True when one of the waits is for a service of the cluster that is no API server.
pub(super) fn waits_for_a_cluster_service(cx: &Context<'_>) -> bool {
    cx.clocks.waits_for_something().any(|(_, wait)| {
        let target = wait
            .target
            .as_ref()
            .or_else(|| wait.probe.as_ref().and_then(|probe| probe.target.as_ref()));
        wait.probe.as_ref().is_none_or(Probe::is_service_call)
            && target.is_some_and(|target| home(cx, target) != Home::Outside)
    })
}

/// True when the retries of a hook that seems to wait by them would be over before this deadline: HB101 would
/// say so as soon as it stands there.
pub(super) fn retries_end_first(cx: &Context<'_>, deadline: Seconds) -> bool {
    let waits = waits_by_failing(cx) || (seems_to_wait_by_failing(cx) && !cx.clocks.has_wait());
    waits && cx.clocks.retries_lower < Limit::At(deadline)
}

/// How sure a finding is that rests on this reading.
pub(super) fn read_confidence(confidence: ReadConfidence) -> Confidence {
    match confidence {
        ReadConfidence::Certain => Confidence::Certain,
        ReadConfidence::Likely => Confidence::Likely,
        ReadConfidence::Possible => Confidence::Possible,
    }
}

/// How sure a finding is that rests on all the waits of a Job; a declared wait is certain.
pub(super) fn confidence_of_waits(cx: &Context<'_>) -> Confidence {
    cx.clocks
        .waits()
        .map(|(_, wait)| read_confidence(wait.confidence))
        .min()
        .unwrap_or(Confidence::Certain)
}

/// The Job's waits as a message shows them.
pub(super) struct WaitInMessage {
    /// The longest wait's place, or the annotation that declares it.
    pub(super) at: At,
    /// The arithmetic of every wait.
    pub(super) arithmetic: String,
    /// The only wait's loop.
    tries: Option<Tries>,
}

/// A loop that counts.
struct Tries {
    count: u64,
    interval: Seconds,
    limit: Limit,
    tool: String,
}

impl WaitInMessage {
    pub(super) fn of(cx: &Context<'_>) -> Self {
        let waits: Vec<_> = cx
            .clocks
            .waits()
            .filter(|(container, _)| !container.sidecar)
            .collect();
        let texts: Vec<&str> = waits.iter().map(|(_, wait)| wait.arithmetic.as_str()).collect();
        let longest = waits.iter().max_by_key(|(_, wait)| wait.span.nominal);
        let declared = cx.clocks.wait_source == WaitSource::Annotation;
        let Some((container, longest)) = longest.filter(|_| !declared) else {
            let declared = cx.job.annotation(WAIT).unwrap_or_default();
            let said = format!("{declared} declared by {WAIT}");
            return Self {
                at: At::field("/metadata/annotations/hookbudget.dev~1wait"),
                arithmetic: texts
                    .into_iter()
                    .chain([said.as_str()])
                    .collect::<Vec<_>>()
                    .join(", then "),
                tries: None,
            };
        };
        let tries = match (waits.len(), longest.attempts, longest.interval, &longest.probe) {
            (1, Some(count), Some(interval), Some(probe)) if count > 0 => Some(Tries {
                count,
                interval,
                limit: probe.limit,
                tool: probe.tool.clone(),
            }),
            _ => None,
        };
        Self {
            at: At::script(container.pointer.clone(), longest.place),
            arithmetic: texts.join(", then "),
            tries,
        }
    }

    /// `at most 105 tries of 8 s`, so that the nominal wait fits into one span and the worst case into the
    /// other; `a limit of 3 s for each curl (--max-time 3)` where the probe has none and the count is fine;
    /// `a wait of at most 600 s` where the tries are not known; nothing where no wait at all would fit.
    pub(super) fn shorter(&self, nominal: Seconds, worst: Seconds) -> Option<String> {
        if nominal <= Seconds::ZERO {
            return None;
        }
        let plain = format!("a wait of at most {nominal}");
        let Some(tries) = &self.tries else {
            return Some(plain);
        };
        let whole = |span: Seconds| Seconds::new(span.whole());
        match tries.limit {
            Limit::At(limit) => {
                let each = tries.interval + limit;
                let paused = match nominal.fits(tries.interval) {
                    0 if tries.interval > Seconds::ZERO => 0,
                    0 => u64::MAX,
                    fits => fits,
                };
                let count = worst.fits(each).min(paused);
                Some(if count > 0 && each > Seconds::ZERO {
                    let noun = if count == 1 { "try" } else { "tries" };
                    format!("at most {count} {noun} of {each}")
                } else {
                    plain
                })
            }
            Limit::Never => {
                let count = tries.count.min(nominal.fits(tries.interval)).max(1);
                let share = Seconds::new(worst.whole() / i64::try_from(count).unwrap_or(i64::MAX));
                let limit = whole(share.minus_or_zero(tries.interval));
                if limit <= Seconds::ZERO {
                    return Some(plain);
                }
                let flag = limit_to_write(&tries.tool, limit);
                let fewer = if count < tries.count {
                    format!("at most {count} tries, and ")
                } else {
                    String::new()
                };
                Some(format!(
                    "{fewer}a limit of at most {limit} for each {} ({flag})",
                    tries.tool
                ))
            }
        }
    }
}
