//! The rows of the picture: the dependency, what is survived, the attempts, the clocks.

use super::canvas::{Anchor, Canvas, Text, cut, width};
use super::{LEFT, MOST_BESIDE, PAD, ROW, SMALL, Scale, WIDTH};
use crate::cli::render::story::Story;
use crate::cli::simulate::survival::spoken;
use crate::engine::sweep::Survival;
use crate::engine::timeline::{Attempt, EndedBy};
use crate::engine::{Limit, Seconds};

/// Attempts that are drawn before the middle is left out.
const MOST_ATTEMPTS: usize = 12;
/// Height of a bar inside its row.
const BAR: f64 = 14.0;

/// One row: a name, bars on the axis, words behind them.
pub(super) struct Row {
    name: String,
    bars: Vec<Bar>,
    /// A pause behind the bars, with its length.
    pause: Option<(Seconds, Seconds)>,
    /// Where the sign of a killed attempt stands.
    killed_at: Option<Limit>,
    pub(super) said: String,
    class: &'static str,
}

struct Bar {
    class: &'static str,
    from: Limit,
    to: Limit,
}

/// All rows from the top.
pub(super) fn rows(story: &Story<'_>) -> Vec<Row> {
    let mut rows = vec![dependency(story)];
    rows.push(survived(story));
    let attempts = &story.timeline.attempts;
    let half = MOST_ATTEMPTS / 2;
    for (index, attempt) in attempts.iter().enumerate() {
        if attempts.len() > MOST_ATTEMPTS && index == half {
            rows.push(Row {
                said: format!("{} more attempts", attempts.len() - 2 * half),
                ..Row::named("...")
            });
        }
        if attempts.len() <= MOST_ATTEMPTS || index < half || index >= attempts.len() - half {
            rows.push(Row {
                pause: pause(story, index),
                ..attempted(attempt)
            });
        }
    }
    if attempts.is_empty() {
        rows.push(Row {
            said: "no container ever starts".to_owned(),
            ..Row::named("attempts")
        });
    }
    rows.extend(clocks(story));
    rows
}

impl Row {
    fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            bars: Vec::new(),
            pause: None,
            killed_at: None,
            said: String::new(),
            class: "said",
        }
    }

    /// True for a row that shows a run of the container.
    pub(super) fn is_attempt(&self) -> bool {
        self.name.starts_with("attempt")
    }

    pub(super) fn draw(&self, canvas: &mut Canvas, scale: Scale, top: f64) {
        let middle = top + ROW / 2.0;
        let bar_top = middle - BAR / 2.0;
        canvas.rect("lane", (LEFT, scale.right), top + 2.0, ROW - 4.0);
        for bar in &self.bars {
            let (from, to) = (scale.x(bar.from), scale.x(bar.to));
            // Something that is over at once still shows.
            canvas.rect(
                bar.class,
                (from, to.max(from + 3.0).min(scale.right + 3.0)),
                bar_top,
                BAR,
            );
            if bar.to.is_bounded() && scale.is_beyond(bar.to) {
                let x = scale.right;
                let tip = format!("M{x:.1} {bar_top:.1} l9 {:.1} l-9 {:.1} z", BAR / 2.0, BAR / 2.0);
                canvas.path(bar.class, &tip);
            }
        }
        if let Some((from, to)) = self.pause {
            draw_pause(canvas, scale, middle, (from, to));
        }
        if let Some(at) = self.killed_at {
            let x = scale.x(at);
            let cross = format!("M{:.1} {:.1} l10 10 m0 -10 l-10 10", x - 5.0, middle - 5.0);
            canvas.path("death", &cross);
        }
        let baseline = middle + SMALL * 0.36;
        canvas.text(Text {
            x: LEFT - 10.0,
            y: baseline,
            size: SMALL,
            anchor: Anchor::End,
            class: "faint",
            words: cut(&self.name, SMALL, LEFT - PAD - 10.0),
        });
        canvas.text(Text {
            x: scale.right + 14.0,
            y: baseline,
            size: SMALL,
            anchor: Anchor::Start,
            class: self.class,
            words: cut(
                &self.said,
                SMALL,
                MOST_BESIDE.min(WIDTH - PAD - scale.right - 13.0),
            ),
        });
    }
}

/// A dotted line, with its length above it where there is room.
fn draw_pause(canvas: &mut Canvas, scale: Scale, middle: f64, (from, to): (Seconds, Seconds)) {
    let (left, right) = (scale.x(Limit::At(from)) + 4.0, scale.x(Limit::At(to)));
    let said = (to - from).to_string();
    let room = right - left;
    let taken = width(&said, 11.0);
    if room < taken + 24.0 {
        canvas.line("pause", (left, middle), (right.max(left), middle));
        return;
    }
    let centre = f64::midpoint(left, right);
    canvas.line("pause", (left, middle), (centre - taken / 2.0 - 4.0, middle));
    canvas.line("pause", (centre + taken / 2.0 + 4.0, middle), (right, middle));
    canvas.text(Text {
        x: centre,
        y: middle + 4.0,
        size: 11.0,
        anchor: Anchor::Middle,
        class: "faint",
        words: said,
    });
}

fn bar(class: &'static str, from: Limit, to: Limit) -> Bar {
    Bar { class, from, to }
}

fn dependency(story: &Story<'_>) -> Row {
    let zero = Limit::ZERO;
    let ready = Limit::from(story.scenario.ready_after);
    let mut bars = vec![bar("down", zero, ready)];
    if ready.is_bounded() {
        bars.push(bar("up", ready, Limit::Never));
    }
    Row {
        bars,
        said: match story.scenario.ready_after {
            Some(at) => format!("up after {}", spoken(at)),
            None => "never comes up".to_owned(),
        },
        ..Row::named("dependency")
    }
}

fn survived(story: &Story<'_>) -> Row {
    let row = |name: &str| Row {
        class: "good",
        ..Row::named(name)
    };
    let nominal = story.survivals.nominal;
    match nominal {
        Survival::Any => Row {
            bars: vec![bar("ok", Limit::ZERO, Limit::Never)],
            said: "any cold start".to_owned(),
            ..row("survives")
        },
        Survival::None(_) | Survival::UpTo(Seconds::ZERO, _) => Row {
            said: "no cold start at all".to_owned(),
            class: "bad",
            ..row("survives")
        },
        Survival::UpTo(longest, _) => {
            let worst = story.survivals.worst.and_then(Survival::longest);
            let at_worst = match worst {
                Some(worst) if worst < longest => format!(", at worst {}", spoken(worst)),
                _ => String::new(),
            };
            Row {
                bars: vec![bar("ok", Limit::ZERO, Limit::At(longest))],
                said: format!("up to {}{at_worst}", spoken(longest)),
                ..row("survives")
            }
        }
    }
}

fn attempted(attempt: &Attempt) -> Row {
    let (class, word) = match attempt.ended_by {
        EndedBy::Success => ("ok", "succeeds"),
        EndedBy::Failure => ("fail", "fails"),
        EndedBy::Retries => ("kill", "killed by backoffLimit"),
        EndedBy::Deadline => ("kill", "killed by the deadline"),
        EndedBy::Nothing => ("open", "goes on"),
    };
    let logs = match (attempt.ended_by, attempt.logs_kept) {
        (EndedBy::Nothing, _) => "",
        (_, true) => ", logs kept",
        (_, false) => ", logs lost",
    };
    let end = Limit::from(attempt.end);
    let killed = matches!(attempt.ended_by, EndedBy::Retries | EndedBy::Deadline);
    Row {
        bars: vec![bar(class, Limit::At(attempt.start), end)],
        killed_at: killed.then_some(end),
        said: match attempt.end {
            Some(end) => format!("{end} {word}{logs}"),
            None => word.to_owned(),
        },
        class: if killed { "bad" } else { "said" },
        ..Row::named(format!("attempt {}", attempt.number))
    }
}

/// The pause behind an attempt: to the next one, or to where the limit is reached.
fn pause(story: &Story<'_>, index: usize) -> Option<(Seconds, Seconds)> {
    let end = story.timeline.attempts.get(index)?.end?;
    let delay = *story.timeline.delays.get(index)?;
    (delay > Seconds::ZERO).then(|| (end, end + delay))
}

fn clocks(story: &Story<'_>) -> Vec<Row> {
    let clocks = story.clocks;
    let scenario = story.scenario;
    let span = |lower: Limit, upper: Limit| match (lower, upper) {
        (Limit::At(lower), Limit::At(upper)) if upper > lower => format!("{lower} to {upper}"),
        (Limit::At(lower), Limit::At(_)) => lower.to_string(),
        (Limit::At(lower), Limit::Never) => format!("{lower}, at worst without end"),
        (Limit::Never, _) => "without end".to_owned(),
    };
    let ranged = |name: &str, lower: Limit, upper: Limit| Row {
        bars: vec![bar("worst", Limit::ZERO, upper), bar("clock", Limit::ZERO, lower)],
        said: span(lower, upper),
        ..Row::named(name)
    };
    let mut rows = Vec::new();
    if let Some(wait) = clocks.wait {
        rows.push(ranged("own wait", wait.nominal, wait.worst));
    }
    let (lower, _) = scenario.retries.end();
    rows.push(ranged("backoffLimit", lower, clocks.retries_upper.max(lower)));
    let assumed = if clocks.release.is_known() {
        ""
    } else {
        ", assumed"
    };
    for (name, clock, more) in [
        ("deadline", scenario.deadline, ""),
        ("release timeout", scenario.release, assumed),
    ] {
        rows.push(match clock {
            Some(at) => Row {
                bars: vec![bar("clock", Limit::ZERO, Limit::At(at))],
                said: format!("{at}{more}"),
                ..Row::named(name)
            },
            None => Row {
                said: "none".to_owned(),
                ..Row::named(name)
            },
        });
    }
    rows
}
