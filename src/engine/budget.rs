//! The clocks of a Job, side by side: its own wait, the retries, the deadline, the release's timeout.

use std::sync::Arc;

use serde::Serialize;

use super::backoff::{JobBackoff, Retries, full_attempts};
use super::cold_start::ColdStart;
use super::job::{Job, RestartPolicy};
use super::policy::Policy;
use super::release::Release;
use super::shell::{Probe, Reading, Target, Wait};
use super::{Limit, Seconds, Span};

/// How long an unanswered connection attempt takes where nothing limits it: six retransmitted SYNs
/// (`net.ipv4.tcp_syn_retries` 6, Linux `Documentation/networking/ip-sysctl.rst`) give 127 s.
pub const UNANSWERED_SYN: Seconds = Seconds::new(127);

/// What was read out of one container.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerReading {
    /// The container's name.
    pub name: String,
    /// JSON pointer of the container.
    pub pointer: String,
    /// True for an init container.
    pub init: bool,
    /// True for a native sidecar, whose script never bounds the Job.
    pub sidecar: bool,
    /// Its waits, calls and what stays unknown.
    pub reading: Arc<Reading>,
}

/// The clocks of a Job and which of them ends it when its dependency never comes up.
#[derive(Clone, Debug, PartialEq)]
pub struct Clocks {
    /// Every container's reading, in the order in which they run.
    pub containers: Vec<ContainerReading>,
    /// The wait of one attempt: init containers one after the other, then the longest of the rest.
    pub wait: Option<Span>,
    /// Who states the wait.
    pub wait_source: WaitSource,
    /// How long one attempt runs before it fails: at once and what the script surely spends; and with every
    /// probe hanging to its limit.
    pub run: Span,
    /// When `backoffLimit` ends the Job, at the earliest and at the latest; when its one run ends, where scripts
    /// swallow every failure.
    pub retries_lower: Limit,
    /// See `retries_lower`.
    pub retries_upper: Limit,
    /// How many attempts run in full before the limit is reached.
    pub attempts: u32,
    /// `activeDeadlineSeconds` of the Job.
    pub deadline: Option<Seconds>,
    /// The clock outside the Job.
    pub release: Release,
    /// How long what the Job waits for may take to come up.
    pub cold_start: ColdStart,
    /// Start-up of a Pod that is counted before every wait.
    pub startup: Seconds,
    /// Grace period of the Pod.
    pub grace: Seconds,
    /// The clock that ends the Job, or its patience, first.
    pub ends_by: Clock,
    /// When it does.
    pub ends_at: Limit,
}

/// Who states how long the Job waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitSource {
    /// No wait is seen.
    None,
    /// Read out of the container's script or flags.
    Script,
    /// The annotation `hookbudget.dev/wait`.
    Annotation,
    /// A command of a script cannot be read, so it may be the wait.
    Unread,
    /// A container cannot be looked into, so there may be a wait that is not seen.
    Hidden,
}

impl WaitSource {
    /// The value in the JSON output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none: the script does not wait",
            Self::Script => "script",
            Self::Annotation => "annotation hookbudget.dev/wait",
            Self::Unread => "unknown: a command of the script that cannot be read may wait",
            Self::Hidden => {
                "unknown: the image's own entrypoint, or a script that cannot be read or is not among the inputs"
            }
        }
    }
}

/// One of the clocks that a Job dies of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// The Job's own wait runs out.
    Wait,
    /// `backoffLimit` is reached.
    Retries,
    /// `activeDeadlineSeconds` is over.
    Deadline,
    /// The release gives up.
    Release,
    /// No clock at all.
    Nothing,
}

impl Clock {
    /// The value in the JSON output and in labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Retries => "retries",
            Self::Deadline => "deadline",
            Self::Release => "release",
            Self::Nothing => "nothing",
        }
    }
}

impl Clocks {
    /// All waits with the container that they stand in.
    pub fn waits(&self) -> impl Iterator<Item = (&ContainerReading, &Wait)> {
        self.containers
            .iter()
            .flat_map(|container| container.reading.waits.iter().map(move |wait| (container, wait)))
    }

    /// True when every container that bounds the Job could be looked into.
    #[must_use]
    pub fn is_visible(&self) -> bool {
        self.containers
            .iter()
            .filter(|c| !c.sidecar)
            .all(|c| c.reading.visible)
    }

    /// The waits that bound the Job and wait for something: they probe, name a target, or never end. A mere
    /// pause and the script of a sidecar are none.
    pub fn waits_for_something(&self) -> impl Iterator<Item = (&ContainerReading, &Wait)> {
        self.waits().filter(|(container, wait)| {
            let pause = wait.probe.is_none() && wait.target.is_none() && wait.is_bounded();
            !container.sidecar && !pause
        })
    }

    /// True when the Job is known to wait for something, by its script or by its annotation.
    #[must_use]
    pub fn has_wait(&self) -> bool {
        self.wait_source == WaitSource::Annotation || self.waits_for_something().next().is_some()
    }

    /// True when a network service outside the API server is called, inside a wait or not.
    #[must_use]
    pub fn calls_a_service(&self) -> bool {
        let of_a_service = |wait: &Wait| wait.probe.as_ref().is_none_or(Probe::is_service_call);
        self.containers
            .iter()
            .filter(|c| !c.sidecar)
            .flat_map(|c| &c.reading.calls)
            .any(|call| call.is_service_call() && !call.target.as_ref().is_some_and(Target::is_own_pod))
            || self.waits_for_something().any(|(_, wait)| of_a_service(wait))
    }

    /// True when every wait that is known is for the Job's own Pod: no harm comes to it from outside.
    #[must_use]
    pub fn waits_for_own_pod_only(&self) -> bool {
        self.wait_source == WaitSource::Script
            && self.waits_for_something().all(|(_, wait)| wait.is_for_own_pod())
    }

    /// True when the Job goes on as if its dependency were up: a wait falls through, or the scripts swallow
    /// every failure. Nobody knows then whether anything asks a second time.
    #[must_use]
    pub fn goes_on_without(&self) -> bool {
        let falls = |(_, wait): (&ContainerReading, &Wait)| wait.falls_through && wait.is_bounded();
        self.waits_for_something().any(falls) || never_fails(&self.containers)
    }

    /// Sets the clocks of a Job side by side.
    #[must_use]
    pub fn of(
        job: &Job<'_>,
        readings: Vec<ContainerReading>,
        release: Release,
        cold_start: ColdStart,
        policy: &Policy,
    ) -> Self {
        let (wait, wait_source) = wait_of(job, &readings);
        let run = run_of(&readings, wait);
        let retries = retries_of(job, policy);
        let lower = Retries {
            run: run.nominal,
            ..retries
        }
        .end()
        .0;
        let upper = Retries {
            run: run.worst,
            ..retries
        }
        .end()
        .1
        .max(lower);
        let (attempts, lower, upper) = if never_fails(&readings) {
            // Nobody runs it again.
            (1, run.nominal, run.worst)
        } else {
            (
                full_attempts(job.pod.restart_policy, job.backoff_limit.value),
                lower,
                upper,
            )
        };
        let mut clocks = Self {
            containers: readings,
            wait,
            wait_source,
            run,
            retries_lower: lower,
            retries_upper: upper,
            attempts,
            deadline: job.active_deadline,
            release,
            cold_start,
            startup: policy.startup,
            grace: job.pod.grace(),
            ends_by: Clock::Nothing,
            ends_at: Limit::Never,
        };
        (clocks.ends_by, clocks.ends_at) = clocks.first_to_end();
        clocks
    }

    /// F6 with the release beside it: which clock ends the waiting first when the dependency never comes up.
    /// A wait that falls through ends by itself; one that fails ends the Job only with the last retry.
    fn first_to_end(&self) -> (Clock, Limit) {
        let falls_through = self
            .waits()
            .any(|(_, wait)| wait.falls_through && wait.is_bounded());
        let wait = self
            .wait
            .filter(|_| falls_through || self.attempts == 1)
            .map(|wait| wait.nominal + self.startup);
        [
            (Clock::Wait, wait.unwrap_or(Limit::Never)),
            (Clock::Retries, self.retries_lower),
            (Clock::Deadline, self.deadline.into()),
            (Clock::Release, self.release.timeout.into()),
        ]
        .into_iter()
        .filter(|(_, limit)| limit.is_bounded())
        .min_by_key(|(_, limit)| *limit)
        .unwrap_or((Clock::Nothing, Limit::Never))
    }
}

fn never_fails(readings: &[ContainerReading]) -> bool {
    let well = |reading: &ContainerReading| reading.sidecar || reading.reading.never_fails;
    readings.iter().all(well) && !readings.is_empty()
}

/// The back-off parameters of a Job; the run time of an attempt is left at zero.
#[must_use]
pub fn retries_of(job: &Job<'_>, policy: &Policy) -> Retries {
    let parallelism = match (job.parallelism, job.completions) {
        (parallel, Some(completions)) => parallel.min(completions),
        (parallel, None) => parallel,
    };
    Retries {
        policy: match job.pod.restart_policy {
            RestartPolicy::Never => RestartPolicy::Never,
            // The API server refuses Always; the arithmetic of OnFailure is what was most likely meant.
            RestartPolicy::OnFailure | RestartPolicy::Always => RestartPolicy::OnFailure,
        },
        limit: job.backoff_limit.value,
        run: Limit::ZERO,
        startup: policy.startup,
        parallelism: parallelism.max(1),
        ignored: 0,
        containers: 1,
        kubelet: policy.kubelet(),
        job: JobBackoff::default(),
    }
}

/// What is seen of every container, and what `hookbudget.dev/wait` declares for one that cannot be read. Init
/// containers come before the others and add up; of the others the longest counts.
fn wait_of(job: &Job<'_>, readings: &[ContainerReading]) -> (Option<Span>, WaitSource) {
    let of = |init: bool| readings.iter().filter(move |c| c.init == init && !c.sidecar);
    let longest = |a: Span, b: Span| Span {
        nominal: a.nominal.max(b.nominal),
        worst: a.worst.max(b.worst),
    };
    let plus = |a: Option<Span>, b: Option<Span>| a.into_iter().chain(b).reduce(|a, b| a + b);
    let init = of(true).filter_map(|c| c.reading.total()).reduce(|a, b| a + b);
    let main = of(false).filter_map(|c| behind_init(readings, c)).reduce(longest);
    let seen = plus(init, main);
    let declared = job.duration(super::annotations::WAIT).map(Span::exactly);
    let shows_no_wait = |c: &ContainerReading| !c.reading.is_whole() && c.reading.waits.is_empty();
    let (hidden_init, hidden_main) = (of(true).any(shows_no_wait), of(false).any(shows_no_wait));
    match (declared, seen) {
        (Some(declared), _) if hidden_main => {
            let main = main.map_or(declared, |main| longest(main, declared));
            (plus(init, Some(main)), WaitSource::Annotation)
        }
        (Some(declared), _) if main.is_none() && (hidden_init || init.is_none()) => {
            (plus(init, Some(declared)), WaitSource::Annotation)
        }
        (_, Some(seen)) => (Some(seen), WaitSource::Script),
        (_, None) if readings.iter().any(|c| !c.sidecar && !c.reading.visible) => (None, WaitSource::Hidden),
        (_, None)
            if readings
                .iter()
                .any(|c| !c.sidecar && !c.reading.unread.is_empty()) =>
        {
            (None, WaitSource::Unread)
        }
        (_, None) => (None, WaitSource::None),
    }
}

/// How long a main container waits. When it starts, the init containers have ended well: what they waited for is up,
/// unless their wait falls through, and another wait for the same place ends at once.
fn behind_init(readings: &[ContainerReading], container: &ContainerReading) -> Option<Span> {
    fn place(wait: &Wait) -> Option<(&str, Option<u16>)> {
        let target = wait.target.as_ref()?;
        Some((target.host.as_deref()?, target.port))
    }
    let is_up = |wait: &Wait| {
        let waited = readings.iter().filter(|c| c.init && !c.sidecar);
        let mut waits = waited.flat_map(|c| &c.reading.waits);
        waits.any(|before| !before.falls_through && place(before).is_some() && place(before) == place(wait))
    };
    let spans = container.reading.waits.iter().map(|wait| {
        if is_up(wait) {
            Span::exactly(Seconds::ZERO)
        } else {
            wait.span
        }
    });
    spans.reduce(|a, b| a + b)
}

/// An attempt without a wait runs for what its calls may hang: nothing when refused at once, their limits (or
/// an unanswered SYN) at worst.
fn run_of(readings: &[ContainerReading], wait: Option<Span>) -> Span {
    if let Some(wait) = wait {
        return wait;
    }
    let worst: Seconds = readings
        .iter()
        .filter(|c| !c.sidecar)
        .filter_map(|c| c.reading.calls.first())
        .map(|call| call.limit.seconds().unwrap_or(UNANSWERED_SYN))
        .sum();
    Span::between(Seconds::ZERO, worst)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::assess;
    use crate::engine::job::Container;
    use crate::engine::release::Surroundings;
    use crate::engine::rules::testkit::{HOOK, Hook};

    /// Two waits in init containers, 120 s together, before a main container that runs this.
    fn wait(main: &[&'static str], declared: Option<&'static str>) -> (Option<i64>, WaitSource) {
        let mut job = HOOK.job();
        let init = |seconds| Container {
            name: "wait-for-db".into(),
            command: ["dockerize", "-wait", "tcp://db:5432", "-timeout", seconds]
                .map(Into::into)
                .to_vec(),
            ..Container::default()
        };
        job.pod.init_containers.extend([init("80s"), init("40s")]);
        job.pod.containers[0].command = main.iter().map(|word| (*word).into()).collect();
        job.annotations
            .extend(declared.map(|span| ("hookbudget.dev/wait".into(), span.into())));
        let clocks = assess(&job, Surroundings::default(), &Policy::default()).clocks;
        let nominal = clocks.wait.and_then(|wait| wait.nominal.seconds());
        (nominal.map(Seconds::whole), clocks.wait_source)
    }

    #[test]
    fn a_declared_wait_is_that_of_the_container_that_cannot_be_read() {
        let opaque: &[&str] = &["/bin/migrate"];
        let loops: &[&str] = &[
            "sh",
            "-c",
            "for i in $(seq 60); do nc -z -w 1 web 80 && exit 0; sleep 5; done; exit 1",
        ];
        let plain: &[&str] = &["sh", "-c", "kubectl apply -f /crds"];
        assert_eq!(wait(opaque, None), (Some(120), WaitSource::Script));
        assert_eq!(wait(opaque, Some("5m")), (Some(420), WaitSource::Annotation));
        assert_eq!(wait(loops, Some("5m")), (Some(420), WaitSource::Script));
        assert_eq!(wait(plain, Some("5m")), (Some(120), WaitSource::Script));
    }

    #[test]
    fn what_an_init_container_has_waited_for_is_up() {
        let again = "for i in $(seq 60); do nc -z -w 1 db 5432 && exit 0; sleep 5; done; exit 1";
        assert_eq!(wait(&["sh", "-c", again], None), (Some(120), WaitSource::Script));
        let other_port = "for i in $(seq 60); do nc -z -w 1 db 8080 && exit 0; sleep 5; done; exit 1";
        assert_eq!(
            wait(&["sh", "-c", other_port], None),
            (Some(420), WaitSource::Script)
        );
    }

    #[test]
    fn an_init_container_that_cannot_be_read_comes_before_and_adds_up() {
        let mut job = Hook {
            script: "kubectl apply -f /crds",
            ..HOOK
        }
        .job();
        job.pod.init_containers.push(Container {
            name: "prepare".into(),
            ..Container::default()
        });
        job.annotations.push(("hookbudget.dev/wait".into(), "5m".into()));
        let clocks = assess(&job, Surroundings::default(), &Policy::default()).clocks;
        assert_eq!(clocks.wait, Some(Span::exactly(Seconds::new(300))));
        assert_eq!(clocks.wait_source, WaitSource::Annotation);
    }
}
