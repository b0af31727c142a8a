//! The numbers that a container is told: how long it may wait, how often it may try.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use super::WAIT_CONTAINER;
use crate::engine::Seconds;
use crate::engine::budget::{Clocks, ContainerReading};
use crate::engine::finding::Setting;
use crate::engine::job::{Container, Job};
use crate::engine::policy::Policy;
use crate::engine::release::TimeoutSource;
use crate::engine::shell::{Target, Wait};
use crate::engine::wait_target;

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

    /// How a change of that variable is recorded.
    pub(super) const fn recorded(self) -> &'static str {
        match self {
            Self::WaitTimeout => "env.HOOKBUDGET_WAIT_TIMEOUT_SECONDS",
            Self::WaitInterval => "env.HOOKBUDGET_WAIT_INTERVAL_SECONDS",
            Self::WaitAttempts => "env.HOOKBUDGET_WAIT_ATTEMPTS",
            Self::ProbeTimeout => "env.HOOKBUDGET_PROBE_TIMEOUT_SECONDS",
            Self::Deadline => "env.HOOKBUDGET_DEADLINE_SECONDS",
            Self::ReleaseTimeout => "env.HOOKBUDGET_RELEASE_TIMEOUT_SECONDS",
            Self::ReleaseTimeoutSource => "env.HOOKBUDGET_RELEASE_TIMEOUT_SOURCE",
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
    release: Option<(Seconds, TimeoutSource)>,
    /// The sum that gives the wait, for a message.
    arithmetic: Sum,
}

/// What the wait is left of.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Sum {
    /// `release timeout 900 s - slack 60 s - grace 30 s - start-up 10 s`, and the waits before.
    Release([Seconds; 4], [Seconds; 2]),
    /// `deadline 840 s - headroom 240 s - start-up 10 s`, and the waits before.
    Deadline([Seconds; 3], [Seconds; 2]),
    /// `cold start 600 s`.
    ColdStart(Seconds),
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [before, behind] = match self {
            Self::Release([timeout, slack, grace, startup], waits) => {
                write!(
                    f,
                    "release timeout {timeout} - slack {slack} - grace {grace} - start-up {startup}"
                )?;
                waits
            }
            Self::Deadline([deadline, headroom, startup], waits) => {
                write!(
                    f,
                    "deadline {deadline} - headroom {headroom} - start-up {startup}"
                )?;
                waits
            }
            Self::ColdStart(span) => return write!(f, "cold start {span}"),
        };
        for (span, whose) in [(before, "in init containers"), (behind, "of the script's own")] {
            if *span != Seconds::ZERO {
                write!(f, " - {span} {whose}")?;
            }
        }
        Ok(())
    }
}

impl Budget {
    /// Derives the budget from the clocks in force.
    ///
    /// The wait is `deadline - headroom - start-up`, and no longer than a stated release timeout leaves:
    /// `timeout - slack - grace - start-up`. Without a deadline the release's timeout alone bounds it, be it
    /// stated or assumed; with neither, the wait is the cold start of what the Job waits for. All waits and the
    /// headroom fit into the deadline (F9): init containers that wait, and what a script waits behind the container
    /// that `hookbudget.dev/wait-for` adds, use a part of either clock up; init containers that read the budget
    /// themselves share it with the containers behind them.
    #[must_use]
    pub fn of(job: &Job<'_>, clocks: &Clocks, policy: &Policy, deadline: Option<Seconds>) -> Self {
        let startup = clocks.startup;
        let (before, behind) = (init_waits(job, clocks), waits_behind_the_helper(job, clocks));
        let waits = [before, behind];
        let before = before + behind;
        let within_release = |timeout: Seconds| {
            let left = timeout - policy.slack - clocks.grace - startup - before;
            (
                left,
                Sum::Release([timeout, policy.slack, clocks.grace, startup], waits),
            )
        };
        let within_deadline = deadline.map(|deadline| {
            let left = deadline - policy.headroom - startup - before;
            (left, Sum::Deadline([deadline, policy.headroom, startup], waits))
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
                    (cold_start, Sum::ColdStart(cold_start))
                },
                within_release,
            ),
        };
        // Each of those that wait in turn is told the same number.
        let wait_timeout = match i64::from(waits_in_turn(job)) {
            turns if turns > 1 && wait_timeout > Seconds::ZERO => Seconds::new(wait_timeout.whole() / turns),
            _ => wait_timeout,
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
            release: stated.map(|timeout| (timeout, clocks.release.source.clone())),
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
    pub fn value(&self, quantity: Quantity) -> Result<Setting, Cow<'static, str>> {
        const UNSTATED: &str = "no object states the release's timeout";
        let positive = |span: Seconds, sum: &dyn fmt::Display| match span.whole() {
            seconds if seconds > 0 => Ok(Setting::Number(seconds)),
            seconds => Err(Cow::Owned(format!("{sum} gives {seconds} s"))),
        };
        match quantity {
            Quantity::WaitTimeout => positive(self.wait_timeout, &self.arithmetic),
            Quantity::WaitInterval => positive(self.wait_interval, &"the interval"),
            Quantity::ProbeTimeout => positive(self.probe_timeout, &"the probe's limit"),
            Quantity::WaitAttempts => self.attempts(),
            Quantity::Deadline => match self.deadline {
                Some(deadline) => positive(deadline, &"activeDeadlineSeconds"),
                None => Err("the Job has no activeDeadlineSeconds".into()),
            },
            Quantity::ReleaseTimeout => match &self.release {
                Some((timeout, _)) => positive(*timeout, &"the release's timeout"),
                None => Err(UNSTATED.into()),
            },
            Quantity::ReleaseTimeoutSource => match &self.release {
                Some((_, source)) => {
                    let mut text = String::with_capacity(128);
                    let _ = write!(text, "{source}");
                    Ok(Setting::Text(text.into()))
                }
                None => Err(UNSTATED.into()),
            },
        }
    }

    /// As many tries as fit when every probe hangs to its limit.
    fn attempts(&self) -> Result<Setting, Cow<'static, str>> {
        let round = self.wait_interval + self.probe_timeout;
        match self.wait().map_or(0, |wait| wait.fits(round)) {
            0 => Err(Cow::Owned(format!(
                "no try of {round} (interval {} + probe {}) fits into {}",
                self.wait_interval, self.probe_timeout, self.arithmetic
            ))),
            attempts => Ok(Setting::Number(i64::try_from(attempts).unwrap_or(i64::MAX))),
        }
    }
}

/// True for the containers that are told a number of the budget: by its variables, or under the names that
/// `hookbudget.dev/env` maps to them.
fn is_told(job: &Job<'_>, container: &Container<'_>) -> bool {
    let mapped = job.annotation("hookbudget.dev/env").unwrap_or_default();
    let sets =
        |container: &Container<'_>, name: &str| container.env.iter().any(|variable| variable.name == name);
    // What `valueFrom` gives is left alone.
    let comes_from_elsewhere = |name: &str| {
        let mut env = container.env.iter();
        env.any(|variable| variable.value.is_none() && variable.name == name)
    };
    // A name that another container sets is written there and not here.
    let belongs =
        |name: &str| sets(container, name) || !job.containers().any(|(_, _, other)| sets(other, name));
    let names = mapped.split(',').filter_map(|entry| entry.split_once('='));
    let names = names.map(|(name, _)| name.trim());
    let names: Vec<&str> = names
        .filter(|name| !name.is_empty() && belongs(name) && !comes_from_elsewhere(name))
        .collect();
    let own = Quantity::ALL.into_iter().map(Quantity::variable);
    let helper_is_told = !comes_from_elsewhere(Quantity::WaitTimeout.variable());
    let told = |text: &str| {
        (text.contains(WAIT_CONTAINER) && helper_is_told)
            || (text.contains("HOOKBUDGET_")
                && own
                    .clone()
                    .any(|name| text.contains(name) && !comes_from_elsewhere(name)))
            || names.iter().any(|name| text.contains(name))
    };
    let words = container.command.iter().chain(&container.args);
    let env = container
        .env
        .iter()
        .filter_map(|variable| variable.value.as_ref());
    (container.name == WAIT_CONTAINER && helper_is_told) || words.chain(env).any(|text| told(text))
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

/// How many waits that are told their length come one after the other: each init container, and then the main ones
/// together; 1 where no init container is told.
fn waits_in_turn(job: &Job<'_>) -> u32 {
    let told = |container: &&Container<'_>| container.name != WAIT_CONTAINER && is_told(job, container);
    let init = job
        .pod
        .init_containers
        .iter()
        .filter(|container| !container.is_sidecar());
    let init = init.filter(told).count();
    if init == 0 {
        return 1;
    }
    let main = job.pod.containers.iter().any(|container| told(&container));
    u32::try_from(init)
        .unwrap_or(u32::MAX)
        .saturating_add(u32::from(main))
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
    let hosts: Vec<String> = wait_target::listed(helper)
        .filter_map(|address| Target::of_url(address).host)
        .collect();
    let is_for_the_same = |wait: &Wait| {
        let host = wait.target.as_ref().and_then(|target| target.host.as_ref());
        host.is_some_and(|host| hosts.contains(host))
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
