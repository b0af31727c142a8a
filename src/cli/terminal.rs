//! Where commands print: standard output, with colours only where a person looks.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use serde::Serialize;

use super::render::finding::Style;

/// When to colour the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The place that a command prints to.
pub struct Terminal {
    out: Box<dyn Write>,
    style: Style,
    width: usize,
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminal")
            .field("style", &self.style)
            .field("width", &self.width)
            .finish_non_exhaustive()
    }
}

/// Columns of a drawing where the terminal does not say how wide it is.
const DEFAULT_WIDTH: usize = 100;

impl Terminal {
    /// Standard output.
    #[must_use]
    pub fn stdout(color: Color) -> Self {
        Self::over(
            Box::new(io::BufWriter::new(io::stdout())),
            color,
            io::stdout().is_terminal(),
        )
    }

    /// Standard error, where standard output carries a text of its own.
    #[must_use]
    pub fn stderr(color: Color) -> Self {
        Self::over(
            Box::new(io::BufWriter::new(io::stderr())),
            color,
            io::stderr().is_terminal(),
        )
    }

    fn over(out: Box<dyn Write>, color: Color, is_terminal: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let coloured = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => is_terminal && wanted,
        };
        // Shells keep COLUMNS to themselves as a rule; it is there to overrule the terminal.
        let columns = std::env::var("COLUMNS")
            .ok()
            .and_then(|text| text.parse::<usize>().ok())
            .or_else(|| terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)));
        Self {
            out,
            style: if coloured { Style::Coloured } else { Style::Plain },
            width: columns.unwrap_or(DEFAULT_WIDTH).clamp(60, 200),
        }
    }

    /// Any writer, without colours.
    #[must_use]
    pub fn plain(out: impl Write + 'static) -> Self {
        Self {
            out: Box::new(out),
            style: Style::Plain,
            width: DEFAULT_WIDTH,
        }
    }

    /// Whether colours are wanted.
    #[must_use]
    pub const fn style(&self) -> Style {
        self.style
    }

    /// How many columns a drawing may take.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Prints one line or several.
    ///
    /// # Errors
    /// When the output is closed or full.
    pub fn line(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        self.out.write_all(text.as_ref().as_bytes())?;
        self.out.write_all(b"\n")
    }

    /// Prints text as it is.
    ///
    /// # Errors
    /// When the output is closed or full.
    pub fn text(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())
    }

    /// Prints a value as JSON.
    ///
    /// # Errors
    /// When the output is closed or full.
    pub fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut self.out, value)?;
        self.out.write_all(b"\n")
    }

    /// Hands on what is still in the buffer.
    ///
    /// # Errors
    /// When the output is closed or full.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
