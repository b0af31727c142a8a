//! Changes as a unified diff, as `patch` and `git apply` take it.

use similar::TextDiff;

use super::Changed;
use crate::cli::render::finding::Style;
use crate::cli::render::paint::{BOLD, CYAN, GREEN, RED, paint};

/// The diff of one file; it ends with a line feed.
#[must_use]
pub fn unified(changed: &Changed, style: Style) -> String {
    let name = changed.before.name();
    let diff = TextDiff::from_lines(changed.before.text(), changed.after.text());
    let text = diff.unified_diff().header(name, name).to_string();
    if style == Style::Plain {
        return text;
    }
    let lines = text.split_inclusive('\n').map(|line| {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        let painted = match line.as_bytes() {
            [b'-', b'-', b'-', ..] | [b'+', b'+', b'+', ..] => paint(line, BOLD, style),
            [b'-', ..] => paint(line, RED, style),
            [b'+', ..] => paint(line, GREEN, style),
            [b'@', ..] => paint(line, CYAN, style),
            _ => line.to_owned(),
        };
        painted + end
    });
    lines.collect()
}
