//! The longest cold start that a Job survives, in words and as JSON.

use serde::Serialize;

use crate::engine::budget::Clocks;
use crate::engine::sweep::{Death, Stretch, Survival};
use crate::engine::timeline::{Outcome, Reason, Scenario};
use crate::engine::{Limit, Seconds};

/// What is survived with probes that answer at once, and at least with probes as slow as they may be.
#[derive(Clone, Copy, Debug)]
pub struct Survivals {
    /// Probes answer at once, and the dependency is noticed at once.
    pub nominal: Survival,
    /// The least that is survived; `None` where a probe without a limit of its own can hang for good.
    pub worst: Option<Survival>,
    /// After what wait the Job goes on as if its dependency were up, where it does.
    pub goes_on_after: Option<Limit>,
}

impl Survivals {
    /// Of a scenario and of the same one with every probe at its limit: attempts run longer, and a dependency
    /// is noticed one pause and one probe late.
    #[must_use]
    pub fn of(scenario: Scenario, clocks: &Clocks) -> Self {
        let nominal = scenario.survives();
        let hangs = scenario.retries.run.is_bounded() && !clocks.run.worst.is_bounded();
        let slow = || slow(scenario, clocks).survives();
        let patience = clocks.wait.map_or(Limit::ZERO, |wait| wait.nominal);
        Self {
            nominal,
            worst: (!hangs).then(|| least(nominal, slow())),
            goes_on_after: clocks.goes_on_without().then_some(patience),
        }
    }

    /// The line that says it.
    #[must_use]
    pub fn line(self) -> String {
        let nominal = match self.nominal {
            Survival::Any => "Survives any cold start: nothing ends its wait".to_owned(),
            Survival::UpTo(Seconds::ZERO, _) => {
                "Survives no cold start: the dependency has to be up when the Job starts".to_owned()
            }
            Survival::UpTo(longest, _) => format!("Survives a cold start of up to {}", spoken(longest)),
            Survival::None(_) => {
                "Survives no cold start: not even a dependency that is up saves it".to_owned()
            }
        };
        let worst = match self.worst {
            Some(worst) if worst.longest() == self.nominal.longest() => String::new(),
            Some(Survival::Any) => String::new(),
            Some(Survival::UpTo(longest, _)) if longest > Seconds::ZERO => {
                format!(", of {} with probes as slow as they may be", spoken(longest))
            }
            Some(Survival::None(_) | Survival::UpTo(..)) => {
                ", of none with probes as slow as they may be".to_owned()
            }
            None => "; but a probe without a limit of its own can hang for good".to_owned(),
        };
        let goes_on = match self.goes_on_after {
            None => String::new(),
            Some(Limit::ZERO) => {
                " Its script goes on when the call fails: that may be all it asks.".to_owned()
            }
            Some(after) => format!(
                " Its script goes on after {after} without success: only if that fails does it wait again."
            ),
        };
        format!("{nominal}{worst}.{goes_on}")
    }
}

fn least(a: Survival, b: Survival) -> Survival {
    match (a, b) {
        (Survival::Any, other) | (other, Survival::Any) => other,
        (none @ Survival::None(_), _) | (_, none @ Survival::None(_)) => none,
        (Survival::UpTo(first, _), Survival::UpTo(second, _)) => {
            if second < first {
                b
            } else {
                a
            }
        }
    }
}

fn slow(scenario: Scenario, clocks: &Clocks) -> Scenario {
    let spans = clocks.waits_for_something().map(|(_, wait)| {
        let pause = wait.interval.unwrap_or(Seconds::ZERO);
        // The limit of a tool that waits by itself is that of its whole wait.
        let probe = wait.probe.as_ref().filter(|_| wait.tool.is_none());
        let probe = probe.and_then(|probe| probe.limit.seconds());
        (pause, probe.unwrap_or(Seconds::ZERO))
    });
    let (pause, probe) = spans
        .max_by_key(|(pause, probe)| *pause + *probe)
        .unwrap_or_default();
    // What comes up after the last probe of an attempt is not seen by it.
    let patience = clocks.wait.map_or(Limit::ZERO, |wait| match wait.worst {
        Limit::At(worst) => Limit::At(worst.minus_or_zero(pause)),
        Limit::Never => Limit::Never,
    });
    let mut slow = scenario;
    slow.patience = patience;
    slow.work = scenario.work + pause + probe;
    if clocks.wait.is_some() || scenario.retries.run == clocks.run.nominal {
        slow.retries.run = clocks.run.worst;
    }
    slow
}

/// `survives_up_to` in the JSON output.
#[derive(Debug, Serialize)]
pub struct SurvivalReport {
    nominal: Option<Seconds>,
    nominal_reason: String,
    worst: Option<Seconds>,
    worst_reason: String,
}

impl From<Survivals> for SurvivalReport {
    fn from(survivals: Survivals) -> Self {
        Self {
            nominal: survivals.nominal.longest(),
            nominal_reason: reason(survivals.nominal),
            worst: survivals.worst.and_then(Survival::longest),
            worst_reason: survivals.worst.map_or_else(
                || "unknown: a probe has no limit of its own and can hang for good".to_owned(),
                reason,
            ),
        }
    }
}

fn reason(survival: Survival) -> String {
    match survival {
        Survival::Any => "unbounded: no clock ends the Job".to_owned(),
        Survival::UpTo(_, death) => died(death),
        Survival::None(death) => format!("none: not even a dependency that is up saves it: {}", died(death)),
    }
}

fn died(death: Death) -> String {
    ended(death.result, death.reason, death.at)
}

/// How a Job ends, in a few words.
#[must_use]
pub fn ended(result: Outcome, reason: Option<Reason>, at: Limit) -> String {
    match (result, at) {
        (Outcome::Failed, Limit::At(at)) => {
            format!("{} at {at}", reason.map_or("fails", Reason::as_str))
        }
        (Outcome::Succeeded, Limit::At(at)) => format!("succeeds at {at}"),
        _ => "hangs".to_owned(),
    }
}

/// A stretch of a sweep in the JSON output.
#[derive(Debug, Serialize)]
pub struct StretchReport {
    from: Seconds,
    to: Seconds,
    result: Outcome,
    reason: Option<Reason>,
    attempts: u32,
    ends_at: Limit,
}

impl From<Stretch> for StretchReport {
    fn from(stretch: Stretch) -> Self {
        let Stretch {
            from,
            to,
            result,
            reason,
            attempts,
            ends_at,
        } = stretch;
        Self {
            from,
            to,
            result,
            reason,
            attempts,
            ends_at,
        }
    }
}

/// A sweep as a table.
#[must_use]
pub fn table(stretches: &[Stretch]) -> Vec<String> {
    let spans: Vec<String> = stretches
        .iter()
        .map(|s| {
            if s.from == s.to {
                s.from.to_string()
            } else {
                format!("{} .. {}", s.from, s.to)
            }
        })
        .collect();
    let width = spans
        .iter()
        .map(String::len)
        .max()
        .unwrap_or(0)
        .max("ready after".len());
    let mut lines = vec![format!("  {:<width$}   what happens", "ready after")];
    for (span, stretch) in spans.iter().zip(stretches) {
        let what = match stretch.result {
            Outcome::Succeeded => format!("attempt {} succeeds", stretch.attempts),
            _ => ended(stretch.result, stretch.reason, stretch.ends_at),
        };
        lines.push(format!("  {span:<width$}   {what}"));
    }
    lines
}

/// A span as people say it: `9 min 40 s`, `2 h`, `45 s`.
#[must_use]
pub fn spoken(span: Seconds) -> String {
    let whole = span.whole();
    let parts = [
        (whole / 86_400, "d"),
        (whole / 3600 % 24, "h"),
        (whole / 60 % 60, "min"),
        (whole % 60, "s"),
    ];
    let said: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    if said.is_empty() {
        span.to_string()
    } else {
        said.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_as_people_say_them() {
        let said = |seconds| spoken(Seconds::new(seconds));
        assert_eq!([said(0), said(45), said(580)], ["0 s", "45 s", "9 min 40 s"]);
        assert_eq!([said(7200), said(90_061)], ["2 h", "1 d 1 h 1 min 1 s"]);
    }
}
