//! The two back-offs of a failing Job: the kubelet's between restarts of a container in place (`OnFailure`),
//! and the Job controller's between Pods (`Never`). Formulas F1 to F5.

use super::job::RestartPolicy;
use super::{Limit, Seconds};

/// Beyond this span a retry timeline counts as endless: no release, deadline or person waits for it.
const HORIZON: Seconds = Seconds::new(366 * 86_400);
/// No timeline is followed for more attempts than this, so that a hostile `backoffLimit` costs nothing.
const MOST_ATTEMPTS: u32 = 100_000;

/// How the kubelet of a node delays restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kubelet {
    /// First delay that is not zero (`initialCrashLoopBackOff`, kubernetes/kubernetes `pkg/kubelet/kubelet.go`).
    pub base: Seconds,
    /// Longest delay (`MaxContainerBackOff`, kubernetes/kubernetes `pkg/kubelet/apis/config/v1beta1`).
    pub cap: Seconds,
    /// A container that ran longer than this starts the series again (`HasExpiredFunc` in `kubelet.go`).
    pub reset: Seconds,
    /// How far real delays overshoot.
    pub requeue: Requeue,
}

/// How a Pod in back-off is looked at again, which decides how far a delay overshoots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requeue {
    /// Kubernetes 1.35 and later: up to half of the delay, 30 s at the most (kubernetes/kubernetes#133066).
    Residual,
    /// Before 1.35: a poll of 10 to 15 s.
    Fixed,
}

impl Default for Kubelet {
    fn default() -> Self {
        Self {
            base: Seconds::new(10),
            cap: Seconds::new(300),
            reset: Seconds::new(600),
            requeue: Requeue::Residual,
        }
    }
}

impl Kubelet {
    /// The gate `ReduceDefaultCrashLoopBackOffDecay` (KEP-4603): 1 s to 60 s.
    #[must_use]
    pub fn reduced() -> Self {
        Self {
            base: Seconds::new(1),
            cap: Seconds::new(60),
            ..Self::default()
        }
    }

    /// A node with `crashLoopBackOff.maxContainerRestartPeriod` (KEP-5593): the cap, and the first delay where
    /// the cap is below it.
    #[must_use]
    pub fn with_max(self, max: Seconds) -> Self {
        Self {
            base: self.base.min(max),
            cap: self.cap.min(max),
            ..self
        }
    }

    /// F2: the delay before restart `k` (from 1) of a container that fails at once.
    #[must_use]
    pub fn delay(self, k: u32) -> Seconds {
        match k {
            0 | 1 => Seconds::ZERO,
            _ => doubled(self.base, k - 2, self.cap),
        }
    }

    /// F5: by how much a delay can be longer than it says.
    #[must_use]
    pub fn overshoot(self, delay: Seconds) -> Seconds {
        match (delay > Seconds::ZERO, self.requeue) {
            (false, _) => Seconds::ZERO,
            (true, Requeue::Fixed) => Seconds::new(16),
            (true, Requeue::Residual) => {
                Seconds::new(1) + Seconds::from_nanos(delay.nanos() / 2).min(Seconds::new(30))
            }
        }
    }
}

/// How the Job controller delays replacement Pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobBackoff {
    /// `DefaultJobPodFailureBackOff` (kubernetes/kubernetes `pkg/controller/job/job_controller.go`).
    pub base: Seconds,
    /// `MaxJobPodFailureBackOff` in the same file; 360 s in old releases.
    pub cap: Seconds,
}

impl Default for JobBackoff {
    fn default() -> Self {
        Self {
            base: Seconds::new(10),
            cap: Seconds::new(600),
        }
    }
}

/// `syncJobBatchPeriod` and the API calls of one replacement, at the most.
const JOB_SYNC: Seconds = Seconds::new(2);

impl JobBackoff {
    /// The delay after `failures` failed Pods since the last success.
    #[must_use]
    pub fn delay(self, failures: u32) -> Seconds {
        if failures == 0 {
            Seconds::ZERO
        } else {
            doubled(self.base, failures - 1, self.cap)
        }
    }
}

fn doubled(base: Seconds, times: u32, cap: Seconds) -> Seconds {
    let factor = 1_u64.checked_shl(times.min(62)).unwrap_or(u64::MAX);
    base.times(factor).min(cap)
}

/// F1: how many runs are made in full before the Job has failed.
#[must_use]
pub fn full_attempts(policy: RestartPolicy, limit: u32) -> u32 {
    match policy {
        RestartPolicy::Never => limit.saturating_add(1),
        RestartPolicy::OnFailure | RestartPolicy::Always => limit.max(1),
    }
}

/// The kubelet's memory of one container: which delay comes next.
#[derive(Clone, Copy, Debug)]
pub struct CrashLoop {
    kubelet: Kubelet,
    current: Option<Seconds>,
    last_restart: Seconds,
}

impl CrashLoop {
    /// A container that has not failed yet.
    #[must_use]
    pub const fn new(kubelet: Kubelet) -> Self {
        Self {
            kubelet,
            current: None,
            last_restart: Seconds::ZERO,
        }
    }

    /// The delay before the restart of a container that finished at `finished`. A run longer than the reset
    /// starts the series again; an entry that the garbage collection takes meanwhile cuts the delay
    /// (kubernetes/client-go `util/flowcontrol/backoff.go`).
    pub fn next_delay(&mut self, finished: Seconds) -> Seconds {
        let Kubelet { base, cap, reset, .. } = self.kubelet;
        let delay = match self.current {
            Some(current) if finished - self.last_restart <= reset => {
                if finished + current - self.last_restart > reset {
                    self.current = Some(base);
                    (self.last_restart + reset).minus_or_zero(finished)
                } else {
                    self.current = Some((current + current).min(cap));
                    current
                }
            }
            _ => {
                self.current = Some(base);
                Seconds::ZERO
            }
        };
        self.last_restart = finished + delay;
        delay
    }
}

/// What decides how long failing attempts go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// `restartPolicy` of the Pod.
    pub policy: RestartPolicy,
    /// `backoffLimit`.
    pub limit: u32,
    /// How long one attempt runs before it fails; [`Limit::Never`] for one that hangs.
    pub run: Limit,
    /// Schedule, pull and sandbox of a Pod.
    pub startup: Seconds,
    /// Pods that fail together under `Never`, at least 1.
    pub parallelism: u32,
    /// The first failures that a Pod failure policy ignores: they do not count towards the limit, but they do
    /// delay the replacement.
    pub ignored: u32,
    /// Containers whose restarts are summed under `OnFailure`, at least 1.
    pub containers: u32,
    /// The node's back-off.
    pub kubelet: Kubelet,
    /// The Job controller's back-off.
    pub job: JobBackoff,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            policy: RestartPolicy::Never,
            limit: super::job::DEFAULT_BACKOFF_LIMIT,
            run: Limit::ZERO,
            startup: Seconds::ZERO,
            parallelism: 1,
            ignored: 0,
            containers: 1,
            kubelet: Kubelet::default(),
            job: JobBackoff::default(),
        }
    }
}

/// One failing run: when it starts and ends, and the pause that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// When the container starts.
    pub start: Seconds,
    /// When it exits.
    pub end: Seconds,
    /// The pause before the next start.
    pub delay: Seconds,
    /// The pause at its longest (F5).
    pub delay_worst: Seconds,
    /// True when the Job has failed with this round; its `delay` still runs under `OnFailure`, because the
    /// last restart has to start before it counts.
    pub last: bool,
}

impl Retries {
    /// The rounds one after the other, endless for a limit that is never reached. Nothing for an attempt that
    /// never ends.
    pub fn rounds(self) -> impl Iterator<Item = Round> {
        let run = self.run.seconds();
        let mut crash_loop = CrashLoop::new(self.kubelet);
        let (mut at, mut counted, mut done) = (self.startup, 0_u32, false);
        std::iter::from_fn(move || {
            let run = run?;
            if done {
                return None;
            }
            let (start, end) = (at, at + run);
            let (delay, delay_worst, last) = if self.policy == RestartPolicy::Never {
                counted = counted.saturating_add(self.parallelism.max(1));
                let last = counted.saturating_sub(self.ignored) > self.limit;
                let delay = if last {
                    Seconds::ZERO
                } else {
                    self.job.delay(counted)
                };
                at = end + delay + self.startup;
                (delay, delay + JOB_SYNC, last)
            } else {
                counted = counted.saturating_add(self.containers.max(1));
                let delay = crash_loop.next_delay(end);
                at = end + delay;
                (
                    delay,
                    delay + self.kubelet.overshoot(delay),
                    counted >= self.limit.max(1),
                )
            };
            done = last;
            Some(Round {
                start,
                end,
                delay,
                delay_worst,
                last,
            })
        })
    }

    /// F3 and F4 with F5: when the limit is reached, at the earliest and at the latest.
    #[must_use]
    pub fn end(self) -> (Limit, Limit) {
        let mut over = Seconds::ZERO;
        for (count, round) in self.rounds().enumerate() {
            over = over + (round.delay_worst - round.delay);
            let end = round.end + round.delay;
            if round.last {
                return (Limit::At(end), Limit::At(end + over));
            }
            if end > HORIZON || count >= MOST_ATTEMPTS as usize {
                break;
            }
        }
        (Limit::Never, Limit::Never)
    }
}

impl Retries {
    /// The attempt that a deadline ends in the middle, counted from 1. In the pause between two there is none.
    #[must_use]
    pub fn cut_by(self, deadline: Seconds) -> Option<(u32, Round)> {
        (1..)
            .zip(self.rounds().take_while(|round| round.start < deadline))
            // The limit is looked at before the deadline, so that a last attempt may end with it.
            .find(|(_, round)| round.end > deadline || (round.end == deadline && !round.last))
    }
}

/// The smallest `backoffLimit` under `Never` whose Pod back-offs alone outlast a span, so that a deadline of
/// that span is the clock that ends the Job.
#[must_use]
pub fn fitting_limit(span: Seconds) -> u32 {
    let outlasts = |limit: &u32| {
        let (lower, _) = Retries {
            limit: *limit,
            ..Retries::default()
        }
        .end();
        lower >= Limit::At(span)
    };
    (0..200).find(outlasts).unwrap_or(200)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_failure(limit: u32, run: i64) -> Retries {
        let run = Limit::At(Seconds::new(run));
        Retries {
            policy: RestartPolicy::OnFailure,
            limit,
            run,
            ..Retries::default()
        }
    }

    /// The closed form for runs of at most 300 s: `s + n*r + sum of the delays`.
    #[test]
    fn the_simulation_equals_the_closed_form() {
        for limit in 0..12 {
            for run in [0, 5, 30, 100] {
                let retries = on_failure(limit, run);
                let n = full_attempts(RestartPolicy::OnFailure, limit);
                let delays: Seconds = (1..=n).map(|k| retries.kubelet.delay(k)).sum();
                let closed = Seconds::new(run) * n + delays;
                assert_eq!(retries.end().0, Limit::At(closed), "limit {limit}, run {run}");
            }
        }
    }

    #[test]
    fn six_restarts_at_once_end_at_310_and_never_at_610() {
        let (lower, upper) = on_failure(6, 0).end();
        assert_eq!(lower, Limit::At(Seconds::new(310)));
        // 5 delays of 10, 20, 40, 80, 160 s overshoot by 6 + 11 + 21 + 31 + 31 s at the most.
        assert_eq!(upper, Limit::At(Seconds::new(410)));
    }

    #[test]
    fn the_fitting_limit_is_the_first_that_outlasts_the_deadline() {
        assert_eq!(fitting_limit(Seconds::new(630)), 6);
        assert_eq!(fitting_limit(Seconds::new(631)), 7);
        assert_eq!(fitting_limit(Seconds::ZERO), 0);
    }

    #[test]
    fn a_hostile_limit_costs_nothing_and_counts_as_endless() {
        assert_eq!(on_failure(u32::MAX, 0).end().0, Limit::Never);
        let hang = Retries {
            run: Limit::Never,
            ..on_failure(0, 0)
        };
        assert_eq!(hang.end(), (Limit::Never, Limit::Never));
    }
}
