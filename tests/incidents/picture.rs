//! The timeline of an incident as SVG: its scenes one below the other on one axis, with what was said as numbers on the
//! axis and in words below. In the colours of `hookbudget simulate --svg`.

use std::fmt::Write as _;

use super::clock::span;
use super::scene::{Incident, Kind, Lane, Phase, Scene, Side};

const STYLE: &str = include_str!("../../src/cli/render/svg/style.css");
const OWN_STYLE: &str = "\
.before { fill: #c21c2c; } .aft { fill: #12702f; }
.waits { fill: #7fd39a; } .state { fill: #cfe0f7; }
.badge { fill: #4a86d8; } .badge-text { fill: #ffffff; font-weight: 600; }
@media (prefers-color-scheme: dark) {
  .before { fill: #ff8a8a; } .aft { fill: #5fd482; }
  .waits { fill: #1f6f37; } .state { fill: #23405f; }
  .badge { fill: #1f5fb8; } .badge-text { fill: #ffffff; }
}
";
const WIDTH: f64 = 1000.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = WIDTH - 24.0;
const ROW: f64 = 26.0;
/// How many letters of 12.5 fit into a line.
const LINE: usize = 122;

/// Draws an incident.
pub(super) fn draw(incident: &Incident) -> String {
    let end = incident
        .scenes
        .iter()
        .map(|scene| scene.length)
        .fold(1.0, f64::max)
        * 1.02;
    let mut canvas = Canvas {
        out: String::new(),
        end,
        y: 40.0,
        number: 0,
    };
    canvas.text(
        20.0,
        20.0,
        "head",
        &format!("{}. {}", incident.letter, incident.title),
    );
    canvas.y += 8.0;
    for scene in &incident.scenes {
        // What is over soon has an axis of its own, or nothing could be told apart on it.
        canvas.end = if scene.length < 0.2 * end {
            scene.length * 1.02
        } else {
            end
        };
        canvas.scene(scene);
    }
    canvas.legend();
    let height = canvas.y + 14.0;
    let title = escape(&format!(
        "Timeline of incident {}: {}",
        incident.letter, incident.title
    ));
    let description: Vec<String> = incident
        .scenes
        .iter()
        .map(|scene| format!("{}: {}.", scene.title, scene.ended))
        .collect();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" width=\"{WIDTH}\" \
         height=\"{height:.0}\" role=\"img\" aria-labelledby=\"t d\">\n<title id=\"t\">{title}</title>\n\
         <desc id=\"d\">{}</desc>\n<style>\n{STYLE}{OWN_STYLE}</style>\n\
         <defs><pattern id=\"hb-hatch\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\" \
         patternTransform=\"rotate(45)\"><line class=\"hatch\" x1=\"0\" y1=\"0\" x2=\"0\" y2=\"7\"/></pattern></defs>\n\
         <rect class=\"back\" x=\"0.5\" y=\"0.5\" width=\"{:.1}\" height=\"{:.1}\"/>\n{}</svg>\n",
        escape(&description.join(" ")),
        WIDTH - 1.0,
        height - 1.0,
        canvas.out,
    )
}

struct Canvas {
    out: String,
    /// The last second of the axis.
    end: f64,
    y: f64,
    /// The last number given to a word.
    number: usize,
}

impl Canvas {
    fn x(&self, at: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * (at.clamp(0.0, self.end) / self.end)
    }

    fn text(&mut self, x: f64, size: f64, class: &str, words: &str) {
        self.anchored(x, self.y, size, class, "start", words);
    }

    fn anchored(&mut self, x: f64, y: f64, size: f64, class: &str, anchor: &str, words: &str) {
        let words = escape(words);
        _ = writeln!(
            self.out,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" text-anchor=\"{anchor}\">{words}</text>"
        );
    }

    fn rect(&mut self, class: &str, (from, to): (f64, f64), top: f64, height: f64) {
        let width = (to - from).max(0.0);
        _ = writeln!(
            self.out,
            "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
        );
    }

    fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        _ = writeln!(
            self.out,
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        );
    }

    fn scene(&mut self, scene: &Scene) {
        self.y += 26.0;
        let (class, side) = match scene.side {
            Side::Before => ("title before", "before"),
            Side::After => ("title aft", "after"),
        };
        self.text(
            20.0,
            15.0,
            class,
            &format!("{side}: {}", scene.title.replace('`', "")),
        );
        self.y += 19.0;
        for line in wrapped(&scene.ended, LINE) {
            self.text(20.0, 13.0, "", &line);
            self.y += 17.0;
        }
        // Names of the marks stand above the lanes, the numbers of the words between.
        let mut marks = scene.marks.clone();
        marks.sort_by(|one, other| one.at.total_cmp(&other.at));
        let names_at = self.y;
        let rows = self.names(
            &marks
                .iter()
                .map(|mark| (mark.at, mark.name.as_str(), mark.kind))
                .collect::<Vec<_>>(),
        );
        self.y = names_at + rows * 15.0 + 4.0;
        let top = self.y;
        #[allow(clippy::cast_precision_loss)] // a few rows
        let rows = (scene.lanes.len() + usize::from(!scene.words.is_empty())) as f64;
        self.axis(top, top + rows * ROW);
        for lane in &scene.lanes {
            self.lane(lane, scene.length);
        }
        let words_row = self.y;
        if !scene.words.is_empty() {
            self.anchored(LEFT - 10.0, self.y + 17.0, 12.5, "faint", "end", "what was said");
            self.y += ROW;
        }
        let bottom = self.y;
        for mark in &marks {
            let class = match mark.kind {
                Kind::Clock => "limit",
                Kind::Death => "death",
                Kind::Success => "alive",
            };
            let x = self.x(mark.at);
            self.line(class, (x, top - 3.0), (x, bottom));
        }
        let first = self.number + 1;
        let places = side_by_side(scene.words.iter().map(|word| self.x(word.at)).collect());
        for (index, x) in places.into_iter().enumerate() {
            _ = writeln!(
                self.out,
                "<circle class=\"badge\" cx=\"{x:.1}\" cy=\"{:.1}\" r=\"9\"/>",
                words_row + 13.0
            );
            self.anchored(
                x,
                words_row + 17.0,
                11.0,
                "badge-text",
                "middle",
                &(first + index).to_string(),
            );
        }
        self.y = bottom + 32.0;
        for word in &scene.words {
            self.number += 1;
            self.anchored(44.0, self.y, 12.5, "faint", "end", &self.number.to_string());
            self.anchored(98.0, self.y, 12.5, "faint", "end", &span(word.at));
            for line in wrapped(&format!("{}: {}", word.who, word.text), LINE) {
                self.text(110.0, 12.5, "", &line);
                self.y += 16.0;
            }
        }
        self.y += 4.0;
    }

    /// Writes the names of marks, each in the first row where it touches no other; how many rows that takes.
    fn names(&mut self, marks: &[(f64, &str, Kind)]) -> f64 {
        let mut ends: Vec<f64> = Vec::new();
        for (at, name, kind) in marks {
            let text = format!("{name} {}", span(*at));
            #[allow(clippy::cast_precision_loss)] // tens of letters
            let width = text.chars().count() as f64 * 6.9;
            let x = self.x(*at);
            let (from, anchor, at_x) = if x + width > RIGHT {
                (x - width, "end", x)
            } else {
                (x, "start", x)
            };
            let row = ends
                .iter()
                .position(|end| end + 10.0 < from)
                .unwrap_or(ends.len());
            if row == ends.len() {
                ends.push(0.0);
            }
            ends[row] = from + width;
            let class = match kind {
                Kind::Clock => "faint",
                Kind::Death => "bad",
                Kind::Success => "good",
            };
            #[allow(clippy::cast_precision_loss)] // a few rows
            let y = self.y + row as f64 * 15.0 + 8.0;
            self.anchored(at_x, y, 12.0, class, anchor, &text);
        }
        #[allow(clippy::cast_precision_loss)] // a few rows
        let rows = ends.len() as f64;
        rows
    }

    fn lane(&mut self, lane: &Lane, length: f64) {
        self.rect("lane", (LEFT, RIGHT), self.y + 3.0, ROW - 6.0);
        self.anchored(LEFT - 10.0, self.y + 17.0, 12.5, "", "end", &lane.name);
        for stretch in lane.stretches.iter().filter(|one| one.from < length) {
            let (from, to) = (self.x(stretch.from), self.x(stretch.to.min(length)));
            let middle = self.y + ROW / 2.0;
            let class = match stretch.phase {
                Phase::Down => "down",
                Phase::Up | Phase::Ok => "ok",
                Phase::Fail => "fail",
                Phase::Kill => "kill",
                Phase::Wait => "waits",
                Phase::Pause => {
                    self.line("pause", (from, middle), (to, middle));
                    continue;
                }
            };
            // What is over within a second is still to be seen.
            self.rect(class, (from, to.max(from + 3.0)), self.y + 5.0, ROW - 10.0);
        }
        for (index, (from, state)) in lane.states.iter().enumerate() {
            let to = lane.states.get(index + 1).map_or(length, |next| next.0);
            let (from, to) = (self.x(*from), self.x(to));
            self.rect("state", (from, to - 2.0), self.y + 4.0, ROW - 8.0);
            #[allow(clippy::cast_precision_loss)] // tens of letters
            let fits = to - from > state.chars().count() as f64 * 7.0;
            let (x, anchor) = if fits {
                (from + 6.0, "start")
            } else {
                (from - 6.0, "end")
            };
            self.anchored(x, self.y + 17.0, 12.0, "", anchor, state);
        }
        self.y += ROW;
    }

    fn axis(&mut self, top: f64, bottom: f64) {
        let step = [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0]
            .into_iter()
            .find(|step| self.end / step <= 9.0)
            .unwrap_or(1200.0);
        let mut at = 0.0;
        while at <= self.end {
            let x = self.x(at);
            self.line("grid", (x, top), (x, bottom + 4.0));
            let label = if step >= 60.0 {
                format!("{} min", at / 60.0)
            } else {
                format!("{at} s")
            };
            self.anchored(x, bottom + 17.0, 12.0, "faint", "middle", &label);
            at += step;
        }
        self.line("axis", (LEFT, bottom), (RIGHT, bottom));
    }

    fn legend(&mut self) {
        self.y += 14.0;
        let mut x = 20.0;
        for (class, words) in [
            ("down", "dependency not there"),
            ("ok", "there; a run that ended well"),
            ("waits", "a wait that ended well"),
            ("fail", "a run that failed"),
            ("kill", "a run that was cut"),
        ] {
            self.rect(class, (x, x + 18.0), self.y - 11.0, 13.0);
            self.text(x + 24.0, 12.5, "faint", words);
            #[allow(clippy::cast_precision_loss)] // tens of letters
            let width = words.len() as f64 * 6.7;
            x += width + 36.0;
        }
        self.line("pause", (x, self.y - 5.0), (x + 18.0, self.y - 5.0));
        self.text(x + 24.0, 12.5, "faint", "back-off");
    }
}

/// Places that are at least as far apart as a number is wide, near those that are given in order.
fn side_by_side(mut places: Vec<f64>) -> Vec<f64> {
    const APART: f64 = 19.0;
    for index in 1..places.len() {
        places[index] = places[index].max(places[index - 1] + APART);
    }
    let mut most = RIGHT - 9.0;
    for place in places.iter_mut().rev() {
        *place = place.min(most);
        most = *place - APART;
    }
    places
}

/// Text for XML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Words in lines of at most so many letters.
pub(super) fn wrapped(text: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
