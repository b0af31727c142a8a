//! What each fault cost, held against what was promised.

use std::fmt::Write as _;
use std::time::Duration;

use super::load::{Event, Outcome};

/// What may be lost under a fault.
#[derive(Clone, Copy, Debug)]
pub(super) enum Promise {
    /// Nothing: every safe Job is created and rewritten, every unsafe one is denied by its rule.
    Nothing,
    /// For so many seconds calls fail, [`MOST_LOST`] at the most, and `failurePolicy` decides.
    PolicyFor(u64),
    /// As long as the fault is held, the API server can call nobody.
    PolicyWhileHeld,
    /// From some moment on nobody is asked any more. No safe Job fails.
    NobodyIsAsked,
}

/// The reviews that may be lost while a replica can be asked: those that one connection had under way, and the few
/// that were tried on it before it was given up.
const MOST_LOST: usize = 12;

/// What one fault cost.
pub(super) struct Row {
    pub(super) fault: &'static str,
    pub(super) policy: &'static str,
    promise: Promise,
    events: Vec<Event>,
    whole_after: Duration,
}

impl Row {
    pub(super) fn new(
        fault: &'static str,
        policy: &'static str,
        promise: Promise,
        events: Vec<Event>,
        whole_after: Duration,
    ) -> Self {
        Self {
            fault,
            policy,
            promise,
            events,
            whole_after,
        }
    }

    fn count(&self, fits: impl Fn(&Outcome) -> bool) -> usize {
        self.events.iter().filter(|event| fits(&event.outcome)).count()
    }

    fn failed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Failed(_)))
    }

    fn allowed(&self) -> usize {
        self.count(|outcome| *outcome == Outcome::Allowed)
    }

    fn refused(&self) -> usize {
        self.count(|outcome| *outcome == Outcome::Refused)
    }

    fn unseen(&self) -> usize {
        self.count(|outcome| *outcome == Outcome::Unseen)
    }

    fn lost_events(&self) -> impl Iterator<Item = &Event> {
        const RIGHT: [Outcome; 3] = [Outcome::Passed, Outcome::Denied, Outcome::Away];
        self.events.iter().filter(|event| !RIGHT.contains(&event.outcome))
    }

    fn lost(&self) -> usize {
        self.lost_events().count()
    }

    /// From the first creation whose review was lost to the answer to the last.
    fn lost_for(&self) -> Option<Duration> {
        let first = self.lost_events().map(|event| event.asked).min()?;
        let last = self.lost_events().map(|event| event.answered).max()?;
        Some(last - first)
    }

    /// The first message of a safe Job that failed.
    pub(super) fn example(&self) -> Option<&str> {
        self.events.iter().find_map(|event| match &event.outcome {
            Outcome::Failed(message) => Some(message.as_str()),
            _ => None,
        })
    }

    /// What was promised and not kept.
    pub(super) fn broken(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let mut none = |count: usize, what: &str| {
            if count > 0 {
                broken.push(format!("{} ({}): {count} {what}", self.fault, self.policy));
            }
        };
        let ignore = self.policy == "Ignore";
        match self.promise {
            Promise::Nothing => {
                none(self.failed(), "safe Jobs failed");
                none(self.allowed(), "unsafe Jobs were created");
                none(self.unseen(), "safe Jobs were not rewritten");
                none(self.refused(), "unsafe Jobs were refused without a judgement");
            }
            Promise::NobodyIsAsked => none(self.failed(), "safe Jobs failed"),
            Promise::PolicyFor(_) | Promise::PolicyWhileHeld => {
                if ignore {
                    none(self.failed(), "safe Jobs failed");
                } else {
                    none(self.allowed(), "unsafe Jobs were created");
                }
            }
        }
        if let Promise::PolicyFor(_) = self.promise
            && self.lost() > MOST_LOST
        {
            broken.push(format!(
                "{} ({}): {} reviews were lost, not {MOST_LOST} at the most",
                self.fault,
                self.policy,
                self.lost()
            ));
        }
        if let (Promise::PolicyFor(seconds), Some(lost)) = (self.promise, self.lost_for())
            && lost > Duration::from_secs(seconds)
        {
            broken.push(format!(
                "{} ({}): reviews were lost for {:.1} s, not {seconds} s at the most",
                self.fault,
                self.policy,
                lost.as_secs_f64()
            ));
        }
        let asked = self.count(|outcome| *outcome != Outcome::Away);
        if asked < 20 {
            broken.push(format!(
                "{} ({}): {asked} Jobs are no load",
                self.fault, self.policy
            ));
        }
        broken
    }

    /// In parentheses where no replica could be asked.
    fn wrongly(&self, allowed: usize) -> String {
        match self.promise {
            Promise::PolicyWhileHeld | Promise::NobodyIsAsked if allowed > 0 => format!("({allowed})"),
            _ => allowed.to_string(),
        }
    }

    /// The cells of the table.
    pub(super) fn cells(&self) -> [String; 9] {
        let lost = self
            .lost_for()
            .map_or_else(|| "-".to_owned(), |lost| format!("{:.1} s", lost.as_secs_f64()));
        [
            self.fault.to_owned(),
            self.policy.to_owned(),
            self.events.len().to_string(),
            self.failed().to_string(),
            self.wrongly(self.allowed()),
            self.refused().to_string(),
            self.unseen().to_string(),
            lost,
            format!("{:.1} s", self.whole_after.as_secs_f64()),
        ]
    }
}

/// The table, as Markdown.
pub(super) fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(
        "| fault | failurePolicy | Jobs | failed | wrongly allowed | refused unjudged | not rewritten | over | whole again |\n\
         |---|---|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in rows {
        _ = writeln!(text, "| {} |", row.cells().join(" | "));
    }
    text
}
