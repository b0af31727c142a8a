//! What happens to a Job second by second when its dependency comes up late or never: attempts, pauses, who
//! ends it and when, when that can be seen, and which Pods and logs remain (F6, F7, F17).

use serde::Serialize;

use super::backoff::{Retries, Round};
use super::job::{DEFAULT_GRACE, RestartPolicy};
use super::{Limit, Seconds};

/// Attempts that are listed; a longer timeline is counted to its end but not listed.
const MOST_LISTED: usize = 1000;
/// Between the assignment of a Pod and its running container 1 to 5 s passed on a real node (kubelet 1.37).
const START_OVERSHOOT: Seconds = Seconds::new(5);

/// What a Job does, and what happens around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// The retries, with how long a failing attempt runs.
    pub retries: Retries,
    /// How long an attempt keeps asking for its dependency: zero for one that asks once.
    pub patience: Limit,
    /// What the attempt does once its dependency is up.
    pub work: Seconds,
    /// When the dependency comes up; `None` for never.
    pub ready_after: Option<Seconds>,
    /// `activeDeadlineSeconds`.
    pub deadline: Option<Seconds>,
    /// The release's timeout.
    pub release: Option<Seconds>,
    /// Grace period of the Pod.
    pub grace: Seconds,
    /// False for a Pod that cannot be pulled or scheduled: nothing ever fails, nothing ever counts.
    pub starts: bool,
    /// True when the exit code of an attempt matches a `FailJob` rule.
    pub fail_job: bool,
    /// When a Job that was suspended is resumed: its clocks start again there.
    pub resumed_at: Option<Seconds>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            retries: Retries::default(),
            patience: Limit::ZERO,
            work: Seconds::ZERO,
            ready_after: None,
            deadline: None,
            release: None,
            grace: DEFAULT_GRACE,
            starts: true,
            fail_job: false,
            resumed_at: None,
        }
    }
}

/// One run of the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// Counts from 1.
    pub number: u32,
    /// The Pod that it runs in, counted from 1; under `OnFailure` it is always the first.
    pub pod: u32,
    /// Seconds since the Job's start.
    pub start: Seconds,
    /// Seconds since the Job's start; `None` for a run that goes on.
    pub end: Option<Seconds>,
    /// The exit code, where the container ends by itself.
    pub exit: Option<i32>,
    /// What ends it.
    pub ended_by: EndedBy,
    /// True when its logs can still be read after the Job has ended.
    pub logs_kept: bool,
}

/// What ends an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EndedBy {
    /// It has done its work.
    Success,
    /// It exits with an error.
    Failure,
    /// The limit is reached while it runs.
    Retries,
    /// The deadline is over while it runs.
    Deadline,
    /// Nothing.
    Nothing,
}

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The Job has done its work in time.
    Succeeded,
    /// The Job has failed, or its release has given it up.
    Failed,
    /// Nothing ends it.
    Hangs,
}

/// Why it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Reason {
    /// `backoffLimit` is reached.
    BackoffLimitExceeded,
    /// `activeDeadlineSeconds` is over.
    DeadlineExceeded,
    /// A `FailJob` rule matches.
    PodFailurePolicy,
    /// The release gives up; the Job goes on.
    ReleaseTimeout,
}

impl Reason {
    /// The reason as Kubernetes spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BackoffLimitExceeded => "BackoffLimitExceeded",
            Self::DeadlineExceeded => "DeadlineExceeded",
            Self::PodFailurePolicy => "PodFailurePolicy",
            Self::ReleaseTimeout => "ReleaseTimeout",
        }
    }
}

/// The whole story of a Job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Timeline {
    /// The runs, in order.
    pub attempts: Vec<Attempt>,
    /// The pauses between them.
    pub delays: Vec<Seconds>,
    /// How it ends for whoever waits for it.
    pub result: Outcome,
    /// Why, when it failed.
    pub reason: Option<Reason>,
    /// When it ends at the earliest; `Never` for one that hangs.
    pub ends_at_lower: Limit,
    /// When it ends at the latest.
    pub ends_at_upper: Limit,
    /// When everybody can see it at the latest: `Failed` is set once the Pod is gone.
    pub visible_at: Limit,
    /// Pods that remain with their logs.
    pub pods_kept: u32,
    /// How the Job itself ends when its release has given up before.
    pub after_release: Option<AfterRelease>,
}

/// What the Job does after its release has given it up, unseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AfterRelease {
    /// How the Job ends.
    pub result: Outcome,
    /// Why.
    pub reason: Option<Reason>,
    /// When.
    pub ends_at: Limit,
}

impl Scenario {
    /// Plays the scenario.
    #[must_use]
    pub fn play(self) -> Timeline {
        self.played(MOST_LISTED)
    }

    /// How the scenario ends: as [`Scenario::play`], without the list of attempts and pauses.
    #[must_use]
    pub fn ending(self) -> Timeline {
        self.played(0)
    }

    fn played(self, listed: usize) -> Timeline {
        let offset = self.resumed_at.unwrap_or(Seconds::ZERO);
        let moved = Self {
            retries: Retries {
                startup: self.retries.startup + offset,
                ..self.retries
            },
            deadline: self.deadline.map(|deadline| deadline + offset),
            resumed_at: None,
            ..self
        };
        let mut play = Play::new(moved, listed);
        play.run();
        play.finish()
    }

    fn deadline(&self) -> Limit {
        self.deadline.into()
    }

    /// When an attempt that starts at `start` has done its work, should it live that long.
    fn success(&self, start: Seconds) -> Option<Seconds> {
        let ready = self.ready_after?;
        (Limit::At(ready) <= self.patience + start).then(|| ready.max(start) + self.work)
    }
}

struct Play {
    scenario: Scenario,
    attempts: Vec<Attempt>,
    delays: Vec<Seconds>,
    /// How many attempts are listed at the most.
    listed: usize,
    last: Option<EndedBy>,
    pods: u32,
    /// By how much all pauses and starts so far may have overshot.
    over: Seconds,
    end: (Outcome, Option<Reason>, Limit),
    active_pod: bool,
}

impl Play {
    fn new(scenario: Scenario, listed: usize) -> Self {
        let end = (Outcome::Hangs, None, Limit::Never);
        Self {
            scenario,
            attempts: Vec::new(),
            delays: Vec::new(),
            listed,
            last: None,
            pods: 0,
            over: Seconds::ZERO,
            end,
            active_pod: true,
        }
    }

    fn run(&mut self) {
        let Scenario { retries, .. } = self.scenario;
        if !self.scenario.starts {
            self.pods = retries.parallelism;
            return self.stop_at_deadline();
        }
        if !retries.run.is_bounded() {
            return self.hang(retries.startup);
        }
        for round in retries.rounds() {
            if self.round(round) || round.end > Seconds::new(366 * 86_400) {
                return;
            }
        }
    }

    /// Plays one round; true when the Job has ended.
    fn round(&mut self, round: Round) -> bool {
        let deadline = self.scenario.deadline();
        if Limit::At(round.start) >= deadline {
            self.stop_at_deadline();
            return true;
        }
        self.begin();
        if let Some(done) = self.scenario.success(round.start)
            && Limit::At(done) < deadline
        {
            self.push(round.start, Some(done), Some(0), EndedBy::Success);
            self.end = (Outcome::Succeeded, None, Limit::At(done));
            return true;
        }
        let on_failure = self.scenario.retries.policy != RestartPolicy::Never;
        let limit_at = Limit::At(round.end + round.delay);
        let ends_with_limit = round.last && limit_at <= deadline;
        if Limit::At(round.end) > deadline || (Limit::At(round.end) == deadline && !ends_with_limit) {
            self.push(round.start, deadline.seconds(), None, EndedBy::Deadline);
            self.stop_at_deadline();
            return true;
        }
        self.push(round.start, Some(round.end), Some(1), EndedBy::Failure);
        if self.scenario.fail_job {
            self.active_pod = false;
            self.end = (
                Outcome::Failed,
                Some(Reason::PodFailurePolicy),
                Limit::At(round.end),
            );
            return true;
        }
        if ends_with_limit {
            self.over = self.over + (round.delay_worst - round.delay);
            if on_failure && self.scenario.retries.limit > 0 && round.delay > Seconds::ZERO {
                self.pause(round.delay);
            }
            self.active_pod = on_failure;
            self.end = (Outcome::Failed, Some(Reason::BackoffLimitExceeded), limit_at);
            return true;
        }
        if limit_at >= deadline {
            self.active_pod = on_failure;
            self.stop_at_deadline();
            return true;
        }
        self.pause(round.delay);
        self.over = self.over + (round.delay_worst - round.delay);
        false
    }

    /// An attempt that never ends by itself.
    fn hang(&mut self, start: Seconds) {
        if Limit::At(start) >= self.scenario.deadline() {
            return self.stop_at_deadline();
        }
        self.begin();
        match self.scenario.success(start) {
            Some(done) if Limit::At(done) < self.scenario.deadline() => {
                self.push(start, Some(done), Some(0), EndedBy::Success);
                self.end = (Outcome::Succeeded, None, Limit::At(done));
            }
            _ => {
                let deadline = self.scenario.deadline;
                let ended_by = if deadline.is_some() {
                    EndedBy::Deadline
                } else {
                    EndedBy::Nothing
                };
                self.push(start, deadline, None, ended_by);
                self.stop_at_deadline();
            }
        }
    }

    /// A container starts: in a new Pod under `Never`, in the only one under `OnFailure`.
    fn begin(&mut self) {
        if self.scenario.retries.policy == RestartPolicy::Never {
            self.pods = self.pods.saturating_add(self.scenario.retries.parallelism);
            self.over = self.over + START_OVERSHOOT;
        } else if self.pods == 0 {
            self.pods = 1;
            self.over = self.over + START_OVERSHOOT;
        }
    }

    fn push(&mut self, start: Seconds, end: Option<Seconds>, exit: Option<i32>, ended_by: EndedBy) {
        self.last = Some(ended_by);
        if self.attempts.len() < self.listed {
            let number = u32::try_from(self.attempts.len() + 1).unwrap_or(u32::MAX);
            self.attempts.push(Attempt {
                number,
                pod: self.pods,
                start,
                end,
                exit,
                ended_by,
                logs_kept: false,
            });
        }
    }

    fn pause(&mut self, delay: Seconds) {
        if self.listed > 0 {
            self.delays.push(delay);
        }
    }

    fn stop_at_deadline(&mut self) {
        if let Some(deadline) = self.scenario.deadline {
            self.end = (
                Outcome::Failed,
                Some(Reason::DeadlineExceeded),
                Limit::At(deadline),
            );
        }
    }

    fn finish(mut self) -> Timeline {
        let (result, reason, lower) = self.end;
        let deadline = self.scenario.deadline();
        let by_deadline = reason == Some(Reason::DeadlineExceeded);
        let upper = if by_deadline {
            lower
        } else {
            (lower + self.over).min(deadline).max(lower)
        };
        let failed = result == Outcome::Failed;
        let visible = if failed && self.active_pod {
            lower + self.scenario.grace
        } else {
            lower
        };
        let never = self.scenario.retries.policy == RestartPolicy::Never;
        for attempt in &mut self.attempts {
            attempt.logs_kept = match attempt.ended_by {
                EndedBy::Failure => never || !failed,
                EndedBy::Success => true,
                EndedBy::Retries | EndedBy::Deadline | EndedBy::Nothing => false,
            };
        }
        let lost = if failed && self.active_pod {
            if never {
                self.scenario.retries.parallelism
            } else {
                self.pods
            }
        } else {
            0
        };
        // A deadline that falls into a pause finds no running Pod under Never.
        let in_pause = never && by_deadline && self.last == Some(EndedBy::Failure);
        let pods_kept = if in_pause {
            self.pods
        } else {
            self.pods.saturating_sub(lost)
        };
        let visible = if in_pause { lower } else { visible };
        let timeline = Timeline {
            attempts: self.attempts,
            delays: self.delays,
            result,
            reason,
            ends_at_lower: lower,
            ends_at_upper: upper,
            visible_at: visible,
            pods_kept,
            after_release: None,
        };
        match self.scenario.release {
            Some(release) if lower > Limit::At(release) => timeline.given_up(release),
            Some(release) => {
                let capped = timeline.ends_at_upper.min(Limit::At(release));
                Timeline {
                    ends_at_upper: capped.max(timeline.ends_at_lower),
                    ..timeline
                }
            }
            None => timeline,
        }
    }
}

impl Timeline {
    /// The release does not wait any longer; the Job goes on and nobody is told.
    fn given_up(self, release: Seconds) -> Self {
        let after = AfterRelease {
            result: self.result,
            reason: self.reason,
            ends_at: self.ends_at_lower,
        };
        Self {
            result: Outcome::Failed,
            reason: Some(Reason::ReleaseTimeout),
            ends_at_lower: Limit::At(release),
            ends_at_upper: Limit::At(release),
            visible_at: Limit::At(release),
            after_release: Some(after),
            ..self
        }
    }
}
