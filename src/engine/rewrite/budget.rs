//! The numbers that a container is told: how long it may wait, how often it may try.

use super::WAIT_CONTAINER;
use crate::engine::Seconds;
use crate::engine::budget::{Clocks, ContainerReading};
use crate::engine::job::{Container, Job};
use crate::engine::policy::Policy;
use crate::engine::shell::Wait;

/// A number of the budget, as the annotation `hookbudget.dev/env` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quantity {
    /// The longest inner wait, in seconds.
    WaitTimeout,
    /// The pause between two probes, in seconds.
    WaitInterval,
    /// How often a probe fits into the wait, when every probe hangs to its limit.
    WaitAttempts,
    /// The limit of one probe, in seconds.
    ProbeTimeout,
    /// `activeDeadlineSeconds` in force.
    Deadline,
    /// The release's timeout, in seconds.
    ReleaseTimeout,
    /// Who states the release's timeout.
    ReleaseTimeoutSource,
}

impl Quantity {
    /// All of them, in the order of injection.
    pub const ALL: [Self; 7] = [
        Self::WaitTimeout,
        Self::WaitInterval,
        Self::WaitAttempts,
        Self::ProbeTimeout,
        Self::Deadline,
        Self::ReleaseTimeout,
        Self::ReleaseTimeoutSource,
    ];

    /// The word on the right-hand side of `hookbudget.dev/env`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::WaitTimeout => "wait-timeout",
            Self::WaitInterval => "wait-interval",
            Self::WaitAttempts => "wait-attempts",
            Self::ProbeTimeout => "probe-timeout",
            Self::Deadline => "deadline",
            Self::ReleaseTimeout => "release-timeout",
            Self::ReleaseTimeoutSource => "release-timeout-source",
        }
    }

    /// The variable that is injected.
    #[must_use]
    pub const fn variable(self) -> &'static str {
        match self {
            Self::WaitTimeout => "HOOKBUDGET_WAIT_TIMEOUT_SECONDS",
            Self::WaitInterval => "HOOKBUDGET_WAIT_INTERVAL_SECONDS",
            Self::WaitAttempts => "HOOKBUDGET_WAIT_ATTEMPTS",
            Self::ProbeTimeout => "HOOKBUDGET_PROBE_TIMEOUT_SECONDS",
            Self::Deadline => "HOOKBUDGET_DEADLINE_SECONDS",
            Self::ReleaseTimeout => "HOOKBUDGET_RELEASE_TIMEOUT_SECONDS",
            Self::ReleaseTimeoutSource => "HOOKBUDGET_RELEASE_TIMEOUT_SOURCE",
        }
    }

    /// Reads the right-hand side of `hookbudget.dev/env`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|quantity| quantity.word() == word)
    }
}

/// The budget of one Job, in whole seconds, rounded down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    wait_timeout: Seconds,
    wait_interval: Seconds,
    probe_timeout: Seconds,
    deadline: Option<Seconds>,
    release: Option<(Seconds, String)>,
    /// The sum that gives the wait, for a message.
    arithmetic: String,
}

impl Budget {
    /// Derives the budget from the clocks in force.
    ///
    /// The wait is `deadline - headroom - start-up`, and no longer than a stated release timeout leaves:
    /// `timeout - slack - grace - start-up`. Without a deadline the release's timeout alone bounds it, be it
    /// stated or assumed; with neither, the wait is the cold start of what the Job waits for. Init containers
    /// that wait come before and use a part of either clock up, unless they read the budget themselves; so does what
    /// a script waits behind the container that `hookbudget.dev/wait-for` adds (F9: all waits and the headroom fit
    /// into the deadline).
    #[must_use]
    pub fn of(job: &Job<'_>, clocks: &Clocks, policy: &Policy, deadline: Option<Seconds>) -> Self {
        let startup = clocks.startup;
        let (before, behind) = (init_waits(job, clocks), waits_behind_the_helper(job, clocks));
        let part = |span: Seconds, whose: &str| match span {
            Seconds::ZERO => String::new(),
            span => format!(" - {span} {whose}"),
        };
        let minus_before = part(before, "in init containers") + &part(behind, "of the script's own");
        let before = before + behind;
        let within_release = |timeout: Seconds| {
            let left = timeout - policy.slack - clocks.grace - startup - before;
            let sum = format!(
                "release timeout {timeout} - slack {} - grace {} - start-up {startup}{minus_before}",
                policy.slack, clocks.grace
            );
            (left, sum)
        };
        let within_deadline = deadline.map(|deadline| {
            let left = deadline - policy.headroom - startup - before;
            let sum = format!(
                "deadline {deadline} - headroom {} - start-up {startup}{minus_before}",
                policy.headroom
            );
            (left, sum)
        });
        let release = clocks.release.timeout;
        let stated = release.filter(|_| clocks.release.is_known());
        let (wait_timeout, arithmetic) = match (within_deadline, stated) {
            (Some(inner), Some(timeout)) => {
                let outer = within_release(timeout);
                if outer.0 < inner.0 { outer } else { inner }
            }
            (Some(inner), None) => inner,
            (None, _) => release.map_or_else(
                || {
                    let cold_start = clocks.cold_start.span;
                    (cold_start, format!("cold start {cold_start}"))
                },
                within_release,
            ),
        };
        Self {
            wait_timeout,
            wait_interval: job
                .duration("hookbudget.dev/wait-interval")
                .unwrap_or(policy.wait_interval),
            probe_timeout: job
                .duration("hookbudget.dev/probe-timeout")
                .unwrap_or(policy.probe_timeout),
            deadline,
            release: stated.map(|timeout| (timeout, clocks.release.source.to_string())),
            arithmetic,
        }
    }

    /// The longest inner wait; `None` when nothing is left for it.
    #[must_use]
    pub fn wait(&self) -> Option<Seconds> {
        (self.wait_timeout.whole() > 0).then(|| Seconds::new(self.wait_timeout.whole()))
    }

    /// The value of a number as a container reads it.
    ///
    /// # Errors
    /// Why there is none: it would not be positive, or no clock states it.
    pub fn value(&self, quantity: Quantity) -> Result<String, String> {
        let positive = |span: Seconds, sum: &dyn Fn() -> String| match span.whole() {
            seconds if seconds > 0 => Ok(seconds.to_string()),
            seconds => Err(format!("{} gives {seconds} s", sum())),
        };
        match quantity {
            Quantity::WaitTimeout => positive(self.wait_timeout, &|| self.arithmetic.clone()),
            Quantity::WaitInterval => positive(self.wait_interval, &|| "the interval".to_owned()),
            Quantity::ProbeTimeout => positive(self.probe_timeout, &|| "the probe's limit".to_owned()),
            Quantity::WaitAttempts => self.attempts(),
            Quantity::Deadline => match self.deadline {
                Some(deadline) => positive(deadline, &|| "activeDeadlineSeconds".to_owned()),
                None => Err("the Job has no activeDeadlineSeconds".to_owned()),
            },
            Quantity::ReleaseTimeout => match &self.release {
                Some((timeout, _)) => positive(*timeout, &|| "the release's timeout".to_owned()),
                None => Err("no object states the release's timeout".to_owned()),
            },
            Quantity::ReleaseTimeoutSource => match &self.release {
                Some((_, source)) => Ok(source.clone()),
                None => Err("no object states the release's timeout".to_owned()),
            },
        }
    }

    /// As many tries as fit when every probe hangs to its limit.
    fn attempts(&self) -> Result<String, String> {
        let round = self.wait_interval + self.probe_timeout;
        match self.wait().map_or(0, |wait| wait.fits(round)) {
            0 => Err(format!(
                "no try of {round} (interval {} + probe {}) fits into {}",
                self.wait_interval, self.probe_timeout, self.arithmetic
            )),
            attempts => Ok(attempts.to_string()),
        }
    }
}

/// True for the containers that are told a number of the budget: by its variables, or under the names that
/// `hookbudget.dev/env` maps to them.
fn is_told(job: &Job<'_>, container: &Container<'_>) -> bool {
    let mapped = job.annotation("hookbudget.dev/env").unwrap_or_default();
    let names = || {
        let names = mapped.split(',').filter_map(|entry| entry.split_once('='));
        names.map(|(name, _)| name.trim()).filter(|name| !name.is_empty())
    };
    let told = |text: &str| {
        text.contains(WAIT_CONTAINER)
            || text.contains("HOOKBUDGET_")
            || names().any(|name| text.contains(name))
    };
    let words = container.command.iter().chain(&container.args);
    let env = container
        .env
        .iter()
        .filter_map(|variable| variable.value.as_ref());
    container.name == WAIT_CONTAINER || words.chain(env).any(|text| told(text))
}

/// True when any container is told a number of the budget: what it waits may go with the clocks that are written.
pub(super) fn is_any_told(job: &Job<'_>) -> bool {
    job.containers().any(|(_, _, container)| is_told(job, container))
}

fn is_reading_told(job: &Job<'_>, reading: &ContainerReading) -> bool {
    job.containers().any(|(init, index, container)| {
        job.container_pointer(init, index) == reading.pointer && is_told(job, container)
    })
}

/// How long the init containers wait before the containers that the budget is for. One that reads the budget
/// waits as long as it is told, and is told what the others leave; a wait without end leaves nothing to count.
fn init_waits(job: &Job<'_>, clocks: &Clocks) -> Seconds {
    clocks
        .waits_for_something()
        .filter(|(reading, _)| reading.init && !is_reading_told(job, reading))
        .filter_map(|(_, wait)| wait.span.nominal.seconds())
        .sum()
}

/// How long the containers wait that run behind the one of `hookbudget.dev/wait-for`, as far as the script and not
/// the budget says it. A wait for the same service ends at once there: it is up by then.
fn waits_behind_the_helper(job: &Job<'_>, clocks: &Clocks) -> Seconds {
    let Some(helper) = job.annotation("hookbudget.dev/wait-for") else {
        return Seconds::ZERO;
    };
    let hosts = helper.split(',').map(|target| {
        let address = target.split_once("://").map_or(target, |(_, address)| address);
        let end = address.find([':', '/', '?']).unwrap_or(address.len());
        address[..end].trim()
    });
    let hosts = hosts.collect::<Vec<_>>();
    let is_for_the_same = |wait: &Wait| {
        let host = wait.target.as_ref().and_then(|target| target.host.as_deref());
        host.is_some_and(|host| hosts.contains(&host))
    };
    let mut longest = Seconds::ZERO;
    for container in clocks
        .containers
        .iter()
        .filter(|reading| !reading.init && !reading.sidecar)
    {
        if is_reading_told(job, container) {
            continue;
        }
        let waits = container
            .reading
            .waits
            .iter()
            .filter(|wait| !is_for_the_same(wait));
        longest = longest.max(waits.filter_map(|wait| wait.span.nominal.seconds()).sum());
    }
    longest
}
