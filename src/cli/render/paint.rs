//! Colours, where they are wanted.

use anstyle::{AnsiColor, Style as Ansi};

use super::finding::Style;

/// As it is.
pub const PLAIN: Ansi = Ansi::new();
/// Titles.
pub const BOLD: Ansi = Ansi::new().bold();
/// What stays in the background.
pub const DIM: Ansi = Ansi::new().dimmed();
/// Failure, and the clock that ends a Job.
pub const RED: Ansi = AnsiColor::Red.on_default();
/// Success.
pub const GREEN: Ansi = AnsiColor::Green.on_default();
/// Pauses and what may happen.
pub const YELLOW: Ansi = AnsiColor::Yellow.on_default();
/// Code and values.
pub const CYAN: Ansi = AnsiColor::Cyan.on_default();

/// The text in a colour, or as it is.
#[must_use]
pub fn paint(text: &str, ansi: Ansi, style: Style) -> String {
    match style {
        Style::Plain => text.to_owned(),
        Style::Coloured => format!("{ansi}{text}{ansi:#}"),
    }
}
