//! One play of a hook, and what is told of it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::clock::{between, span};
use super::poll::{Poll, Said};
use super::watch::{Run, Watch};
use crate::kit::Printed;

/// Without the product's help, or with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Before,
    After,
}

/// What a stretch of a lane is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The dependency is not there yet.
    Down,
    /// It is.
    Up,
    /// A run that ended well.
    Ok,
    /// A run that failed.
    Fail,
    /// A run that was killed, or was cut when its Pod was deleted.
    Kill,
    /// A run that waits inside, and then ended well.
    Wait,
    /// Nothing runs: the back-off.
    Pause,
}

/// A stretch of a lane, in seconds since the beginning.
#[derive(Clone, Debug)]
pub(super) struct Stretch {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) phase: Phase,
}

/// One row of the picture.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    pub(super) name: String,
    pub(super) stretches: Vec<Stretch>,
    /// Since when the lane is in which state, where it is told in words.
    pub(super) states: Vec<(f64, String)>,
}

/// A moment that matters: a clock that runs out, an end.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub(super) at: f64,
    pub(super) name: String,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Clock,
    Death,
    Success,
}

/// What somebody said, and when.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub(super) at: f64,
    pub(super) who: &'static str,
    pub(super) text: String,
}

/// One play.
pub(super) struct Scene {
    pub(super) side: Side,
    pub(super) title: String,
    /// What was run, in a sentence or two.
    pub(super) ran: String,
    /// How it ended, in a clause.
    pub(super) ended: String,
    pub(super) begun: Timestamp,
    pub(super) length: f64,
    pub(super) lanes: Vec<Lane>,
    pub(super) marks: Vec<Mark>,
    pub(super) words: Vec<Word>,
    pub(super) numbers: Vec<(String, String)>,
}

impl Scene {
    pub(super) fn new(side: Side, title: &str, ran: &str) -> Self {
        Self {
            side,
            title: title.to_owned(),
            ran: ran.to_owned(),
            ended: String::new(),
            begun: Timestamp::now(),
            length: 0.0,
            lanes: Vec::new(),
            marks: Vec::new(),
            words: Vec::new(),
            numbers: Vec::new(),
        }
    }

    /// Seconds since the beginning.
    pub(super) fn at(&self, moment: Timestamp) -> f64 {
        between(self.begun, moment).max(0.0)
    }

    pub(super) fn now(&self) -> f64 {
        self.at(Timestamp::now())
    }

    pub(super) fn say(&mut self, who: &'static str, text: impl Into<String>) {
        let at = self.now();
        self.words.push(Word {
            at,
            who,
            text: text.into(),
        });
    }

    pub(super) fn mark(&mut self, at: f64, kind: Kind, name: impl Into<String>) {
        let name = name.into();
        self.marks.push(Mark { at, name, kind });
    }

    pub(super) fn number(&mut self, name: &str, value: impl Into<String>) {
        self.numbers.push((name.to_owned(), value.into()));
    }

    /// What the webhook answered to a creation: warnings, or a denial; of many findings the first two.
    pub(super) fn answered(&mut self, printed: &Printed) {
        let who = if printed.ok { "webhook" } else { "webhook, denying" };
        let lines = printed
            .stderr
            .lines()
            .filter(|line| line.contains("HB") || line.contains("rewrote"));
        let texts: Vec<String> = lines.map(short).collect();
        for text in texts.iter().take(2) {
            self.say(who, text);
        }
        if let Some(more) = texts.len().checked_sub(2).filter(|more| *more > 0) {
            let codes: Vec<&str> = texts[2..]
                .iter()
                .filter_map(|text| text.split(' ').next())
                .collect();
            self.say(who, format!("and {more} more: {}", codes.join(", ")));
        }
    }

    /// How a wait went on, as /metrics told it at moments that lie equally far apart; it may only go on.
    pub(super) fn progress(&mut self, poll: &Poll, namespace: &str, job: &str, moments: usize) -> usize {
        let course = |name: &str| poll.course(namespace, job, name);
        let tries = course("hookbudget_job_wait_attempts");
        let share = course("hookbudget_job_wait_ratio");
        let left = course("hookbudget_job_wait_remaining_seconds");
        assert!(tries.len() >= 2 * moments, "{} looks", tries.len());
        assert!(tries.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{tries:?}");
        assert!(share.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{share:?}");
        assert!(
            share.iter().all(|(_, share)| (0.0..=1.0).contains(share)),
            "{share:?}"
        );
        assert!(left.windows(2).all(|pair| pair[0].1 >= pair[1].1), "{left:?}");
        for moment in 1..=moments {
            let (at, tries) = tries[(share.len().min(tries.len()) * moment / moments).max(1) - 1];
            let near = |course: &[(Timestamp, f64)]| {
                let mut before = course.iter().rev();
                before.find(|(when, _)| *when <= at).map_or(0.0, |found| found.1)
            };
            let text = format!(
                "waits, try {tries}, {:.0} % of the budget used, {:.0} s left",
                100.0 * near(&share),
                near(&left)
            );
            let at = self.at(at);
            self.words.push(Word {
                at,
                who: "/metrics",
                text,
            });
        }
        tries.len()
    }

    /// The dependency: down until its Pod was ready.
    pub(super) fn dependency(&mut self, name: &str, ready: Option<Timestamp>) {
        let ready = ready.map(|ready| self.at(ready));
        let mut stretches = vec![Stretch {
            from: 0.0,
            to: ready.unwrap_or(f64::INFINITY),
            phase: Phase::Down,
        }];
        stretches.extend(ready.map(|from| Stretch {
            from,
            to: f64::INFINITY,
            phase: Phase::Up,
        }));
        self.lanes.push(Lane {
            name: name.to_owned(),
            stretches,
            states: Vec::new(),
        });
    }

    /// A lane that is in one state after the other.
    pub(super) fn states(&mut self, name: &str, states: &[(f64, &str)]) {
        let states = states
            .iter()
            .map(|(at, state)| (*at, (*state).to_owned()))
            .collect();
        self.lanes.push(Lane {
            name: name.to_owned(),
            stretches: Vec::new(),
            states,
        });
    }

    /// The runs of a Job in one lane, with the pauses between them; how many there were.
    pub(super) fn runs(&mut self, watch: &Watch, name: &str, namespace: &str, job: &str) -> Vec<Run> {
        let runs = watch.runs(namespace, job);
        let mut stretches: Vec<Stretch> = Vec::new();
        for run in &runs {
            let (from, to) = (
                self.at(run.start),
                run.end.map_or_else(|| self.now(), |end| self.at(end)),
            );
            if let Some(last) = stretches
                .last()
                .map(|last| last.to)
                .filter(|last| from - last > 1.0)
            {
                stretches.push(Stretch {
                    from: last,
                    to: from,
                    phase: Phase::Pause,
                });
            }
            let phase = match run.exit {
                Some(0) if run.container == "hookbudget-wait" => Phase::Wait,
                Some(0) => Phase::Ok,
                Some(137 | 143) | None => Phase::Kill,
                Some(_) => Phase::Fail,
            };
            stretches.push(Stretch { from, to, phase });
        }
        self.lanes.push(Lane {
            name: name.to_owned(),
            stretches,
            states: Vec::new(),
        });
        runs
    }

    /// What the exporter said of a Job.
    pub(super) fn exporter(&mut self, poll: &Poll, namespace: &str, job: &str) {
        for (at, said) in poll.said(namespace, job) {
            let text = match said {
                Said::Cause(labels) => cause(&labels),
                Said::Alert(true) => format!("the alert HookJobFailed holds of {job}"),
                Said::Alert(false) => format!("the alert HookJobFailed is over for {job}"),
            };
            let at = self.at(at);
            self.words.push(Word {
                at,
                who: "exporter",
                text,
            });
        }
    }

    /// Closes it: what is said stands in order, and the axis ends a little behind the last event.
    pub(super) fn end(mut self, ended: impl Into<String>) -> Self {
        self.ended = ended.into();
        let now = self.now();
        let last = self
            .marks
            .iter()
            .map(|mark| mark.at)
            .chain(self.words.iter().map(|word| word.at));
        let stretches = self.lanes.iter().flat_map(|lane| &lane.stretches);
        let ends = stretches
            .flat_map(|one| [one.from, one.to])
            .filter(|at| at.is_finite());
        self.length = last.chain(ends).fold(0.0, f64::max).min(now.max(1.0)).max(1.0);
        // Namespaces bear the number of the run.
        let run = format!("-{}", std::process::id());
        for word in &mut self.words {
            word.text = word.text.replace(&run, "");
        }
        for (_, value) in &mut self.numbers {
            *value = value.replace(&run, "");
        }
        self.words.sort_by(|one, other| one.at.total_cmp(&other.at));
        self
    }
}

/// A finding without the place that the reader knows and without its arithmetic: `HB101 name: what is wrong. Fix: ...`.
fn short(line: &str) -> String {
    let line = line.trim().trim_start_matches("Warning: ");
    let line = line
        .split_once("denied the request: ")
        .map_or(line, |(_, why)| why);
    let (said, fix) = line
        .split_once(". Fix: ")
        .map_or((line, None), |(said, fix)| (said, Some(fix)));
    let said = match said.split_once(": Job ") {
        Some((rule, rest)) => {
            let what = rest.split_once(": ").map_or(rest, |(_, what)| what);
            let what = what.split_once(" (").map_or(what, |(what, _)| what);
            format!("{}: {what}", rule.split(' ').next().unwrap_or(rule))
        }
        None => said.to_owned(),
    };
    match fix {
        Some(fix) => format!(
            "{said}. Fix: {}",
            fix.split_once(" (").map_or(fix, |(fix, _)| fix)
        ),
        None => said,
    }
}

fn cause(labels: &BTreeMap<String, String>) -> String {
    let label = |key: &str| labels.get(key).map_or("", String::as_str);
    format!(
        "{}: root cause {}, verdict {}, {} for {}",
        label("trigger"),
        label("root_cause"),
        label("verdict"),
        label("severity"),
        label("route")
    )
}

/// All of one incident.
pub(super) struct Incident {
    pub(super) letter: char,
    pub(super) title: &'static str,
    /// What it is about.
    pub(super) story: &'static str,
    pub(super) scenes: Vec<Scene>,
    pub(super) before: String,
    pub(super) after: String,
    pub(super) said: String,
}

impl Incident {
    pub(super) fn took(&self) -> String {
        let longest = self.scenes.iter().map(|scene| scene.length).fold(0.0, f64::max);
        span(longest)
    }
}
