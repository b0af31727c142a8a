//! A Job's timeline as a picture: one row for its dependency, each attempt and each clock, on one time axis,
//! with a line through all of them where the Job dies. It has no script and no font of its own, follows the
//! reader's light or dark scheme, and is the same for the same input.

mod canvas;
mod rows;
#[cfg(test)]
mod tests;

use self::canvas::{Anchor, Canvas, Text, cut, escape, width, wrap};
use self::rows::rows;
use super::story::{Story, setting, verdict};
use super::timeline::{axis_end, label, nice_step};
use crate::engine::timeline::Outcome;
use crate::engine::{Limit, Seconds};

const STYLE: &str = include_str!("style.css");
/// Width of the picture in its own units, pixels where it is not scaled.
const WIDTH: f64 = 1000.0;
const PAD: f64 = 20.0;
/// Left edge of the axis, behind the names of the rows.
const LEFT: f64 = 156.0;
const ROW: f64 = 26.0;
const SMALL: f64 = 13.0;
/// The widest that the words behind the rows may be.
const MOST_BESIDE: f64 = 320.0;

/// Draws the timeline.
#[must_use]
pub fn draw(story: &Story<'_>) -> String {
    let (canvas, height) = layout(story);
    let words: Vec<String> = verdict(story).into_iter().map(|(line, _)| line).collect();
    let title = escape(&format!(
        "Timeline of {}: {}",
        story.job,
        words.first().map_or("", String::as_str)
    ));
    let description = escape(&format!("{}. {}", setting(story), words.join(" ")));
    let body = canvas.finish();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\" aria-labelledby=\"hb-title hb-desc\">\n\
         <title id=\"hb-title\">{title}</title>\n<desc id=\"hb-desc\">{description}</desc>\n\
         <style>\n{STYLE}</style>\n\
         <defs><pattern id=\"hb-hatch\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\" \
         patternTransform=\"rotate(45)\"><line class=\"hatch\" x1=\"0\" y1=\"0\" x2=\"0\" y2=\"7\"/></pattern></defs>\n\
         {body}</svg>\n"
    )
}

/// Seconds to a place on the axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    end: Seconds,
    right: f64,
}

impl Scale {
    /// Where a moment is; what lies behind the end is at the end.
    pub(super) fn x(self, at: Limit) -> f64 {
        let at = at
            .seconds()
            .map_or(self.end, |at| at.min(self.end).max(Seconds::ZERO));
        LEFT + (self.right - LEFT) * at.as_f64() / self.end.as_f64().max(1.0)
    }

    fn is_beyond(self, at: Limit) -> bool {
        at > Limit::At(self.end)
    }
}

fn layout(story: &Story<'_>) -> (Canvas, f64) {
    let mut canvas = Canvas::default();
    let rows = rows(story);
    let beside = rows.iter().map(|row| width(&row.said, SMALL)).fold(0.0, f64::max);
    let scale = Scale {
        end: axis_end(story.scenario, story.timeline),
        right: WIDTH - PAD - 14.0 - beside.min(MOST_BESIDE),
    };
    let mut y = headline(&mut canvas, story);
    let (top, text_top) = (y + 26.0, y);
    y = top;
    let bottom = top + ROW * f64::from(u32::try_from(rows.len()).unwrap_or(0));
    grid(&mut canvas, scale, top, bottom);
    for row in &rows {
        row.draw(&mut canvas, scale, y);
        if let (true, Some(over)) = (row.is_attempt(), given_up_at(story)) {
            // What nobody waits for any more is pale.
            canvas.rect("after", (scale.x(over), scale.right + 10.0), y, ROW);
        }
        y += ROW;
    }
    clocks_through(&mut canvas, story, scale, top, bottom);
    ending(&mut canvas, story, scale, text_top, bottom);
    y = notes(&mut canvas, story, bottom + 46.0);
    let mut framed = Canvas::default();
    framed.rect("back", (0.5, WIDTH - 0.5), 0.5, y - 1.0);
    framed.append(canvas);
    (framed, y)
}

/// When the release has stopped waiting while the Job goes on.
fn given_up_at(story: &Story<'_>) -> Option<Limit> {
    story.timeline.after_release.map(|_| story.timeline.ends_at_lower)
}

/// Who, what is assumed, and how it ends; the place below.
fn headline(canvas: &mut Canvas, story: &Story<'_>) -> f64 {
    let mut y = 38.0;
    let ends = verdict(story)
        .into_iter()
        .next()
        .map_or_else(String::new, |(line, _)| line);
    let class = match story.timeline.result {
        Outcome::Succeeded => "head good",
        _ => "head bad",
    };
    let most = WIDTH - 2.0 * PAD;
    for line in wrap(&ends, 22.0, most) {
        text(canvas, (PAD, y), 22.0, class, line);
        y += 28.0;
    }
    text(
        canvas,
        (PAD, y),
        15.0,
        "title",
        cut(&story.job.to_string(), 15.0, most),
    );
    for line in wrap(&setting(story), SMALL, most) {
        y += 20.0;
        text(canvas, (PAD, y), SMALL, "faint", line);
    }
    y + 14.0
}

fn grid(canvas: &mut Canvas, scale: Scale, top: f64, bottom: f64) {
    let step = nice_step(scale.end, 9);
    let mut at = Seconds::ZERO;
    while at <= scale.end {
        let x = scale.x(Limit::At(at));
        canvas.line("grid", (x, top), (x, bottom + 6.0));
        let label = Text {
            x,
            y: bottom + 22.0,
            size: 12.0,
            anchor: Anchor::Middle,
            class: "faint",
            words: label(at),
        };
        canvas.text(label);
        at = at + step;
    }
    canvas.line("axis", (LEFT, bottom), (scale.right, bottom));
}

/// The deadline and the release's timeout go through the attempts.
fn clocks_through(canvas: &mut Canvas, story: &Story<'_>, scale: Scale, top: f64, bottom: f64) {
    for clock in [story.scenario.deadline, story.scenario.release]
        .into_iter()
        .flatten()
    {
        if !scale.is_beyond(Limit::At(clock)) {
            let x = scale.x(Limit::At(clock));
            canvas.line("limit", (x, top), (x, bottom));
        }
    }
}

/// The moment at which it is over, through all rows, with its time above.
fn ending(canvas: &mut Canvas, story: &Story<'_>, scale: Scale, top: f64, bottom: f64) {
    let Limit::At(at) = story.timeline.ends_at_lower else {
        return;
    };
    let (line, class, word) = match story.timeline.result {
        Outcome::Succeeded => ("alive", "title good", "done"),
        _ => ("death", "title bad", "dies"),
    };
    let said = format!("{word} at {at}");
    let half = width(&said, SMALL) / 2.0;
    let x = scale.x(Limit::At(at));
    canvas.line(line, (x, top + 20.0), (x, bottom));
    canvas.text(Text {
        x: x.clamp(PAD + half, WIDTH - PAD - half),
        y: top + 14.0,
        size: SMALL,
        anchor: Anchor::Middle,
        class,
        words: said,
    });
}

/// What is said below: who sees it, what is left, what would be survived.
fn notes(canvas: &mut Canvas, story: &Story<'_>, top: f64) -> f64 {
    let mut y = top;
    for (line, _) in verdict(story).into_iter().skip(1) {
        for line in wrap(&line, SMALL, WIDTH - 2.0 * PAD) {
            text(canvas, (PAD, y), SMALL, "note", line);
            y += 20.0;
        }
    }
    y + 2.0
}

fn text(canvas: &mut Canvas, (x, y): (f64, f64), size: f64, class: &'static str, words: String) {
    canvas.text(Text {
        x,
        y,
        size,
        anchor: Anchor::Start,
        class,
        words,
    });
}
