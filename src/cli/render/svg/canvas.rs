//! Text and shapes on a canvas, and the boxes that the texts take at most.

use std::fmt::Write as _;

/// Where a text's x is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// One line of text.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) x: f64,
    /// The baseline.
    pub(super) y: f64,
    pub(super) size: f64,
    pub(super) anchor: Anchor,
    pub(super) class: &'static str,
    pub(super) words: String,
}

impl Text {
    /// Left, top, right and bottom of what it takes at most in any font.
    #[cfg(test)]
    pub(super) fn bounds(&self) -> (f64, f64, f64, f64) {
        let width = width(&self.words, self.size);
        let left = match self.anchor {
            Anchor::Start => self.x,
            Anchor::Middle => self.x - width / 2.0,
            Anchor::End => self.x - width,
        };
        (
            left,
            self.y - self.size * 0.95,
            left + width,
            self.y + self.size * 0.28,
        )
    }
}

/// How wide a text is at most: `DejaVu Sans`, the widest of the usual sans-serif fonts, has digits and small
/// letters of at most 0.64 em but for m and w, capitals below 0.8 em but for M and W; other scripts have wider ones.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let em = |letter: char| match letter {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | ' ' | '/' | '(' | ')' => 0.40,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 1.0,
        'A'..='Z' | '=' | '+' | '#' | '&' => 0.80,
        ' '..='~' => 0.65,
        _ => 1.05,
    };
    text.chars().map(em).sum::<f64>() * size
}

/// The text, or as much of its beginning as fits, with three dots.
pub(super) fn cut(text: &str, size: f64, most: f64) -> String {
    if width(text, size) <= most {
        return text.to_owned();
    }
    let mut short = String::new();
    for letter in text.chars() {
        short.push(letter);
        if width(&short, size) + width("...", size) > most {
            short.pop();
            break;
        }
    }
    short.trim_end().to_owned() + "..."
}

/// Words in lines that fit.
pub(super) fn wrap(text: &str, size: f64, most: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}"), size) <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(cut(word, size, most)),
        }
    }
    lines
}

/// What is drawn, in order.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    shapes: String,
    pub(super) texts: Vec<Text>,
}

impl Canvas {
    pub(super) fn rect(&mut self, class: &str, (left, right): (f64, f64), top: f64, height: f64) {
        let width = (right - left).max(0.0);
        let _ = writeln!(
            self.shapes,
            "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
        );
    }

    pub(super) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ = writeln!(
            self.shapes,
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        );
    }

    pub(super) fn path(&mut self, class: &str, path: &str) {
        let _ = writeln!(self.shapes, "<path class=\"{class}\" d=\"{path}\"/>");
    }

    pub(super) fn text(&mut self, text: Text) {
        self.texts.push(text);
    }

    /// Lays another canvas over this one.
    pub(super) fn append(&mut self, over: Self) {
        self.shapes.push_str(&over.shapes);
        self.texts.extend(over.texts);
    }

    /// Shapes first, so that no text lies under one.
    pub(super) fn finish(self) -> String {
        let mut out = self.shapes;
        for text in &self.texts {
            let anchor = match text.anchor {
                Anchor::Start => "start",
                Anchor::Middle => "middle",
                Anchor::End => "end",
            };
            let _ = writeln!(
                out,
                "<text class=\"{}\" x=\"{:.1}\" y=\"{:.1}\" font-size=\"{}\" text-anchor=\"{anchor}\">{}</text>",
                text.class,
                text.x,
                text.y,
                text.size,
                escape(&text.words)
            );
        }
        out
    }
}

/// Text inside of an element; what XML cannot hold at all becomes a replacement character.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\t' | '\n' | '\r' => out.push(' '),
            other if other.is_control() || matches!(other, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}
