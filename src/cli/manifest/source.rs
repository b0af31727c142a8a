//! One input's text, and the way from a byte to the line and column that an editor shows.
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// Where a text comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file, which can be written.
    File(PathBuf),
    /// Standard input.
    Stdin,
    /// What a chart renders: its templates stand elsewhere.
    Chart,
    /// What an object of the cluster holds.
    Object,
}

/// The text of one file (or of standard input), without a byte order mark.
#[derive(Debug)]
pub struct Source {
    name: Arc<str>,
    origin: Origin,
    text: String,
    /// Byte offset of the first character of each line.
    lines: Vec<usize>,
    /// How many characters stand before every [`STEP`]th byte; counted at the first place in a long line.
    characters: OnceLock<Vec<usize>>,
}

/// Bytes between two counts of characters. JSON in one line may be megabytes, and a count from its beginning for
/// each place would take the square of that.
const STEP: usize = 4_096;

/// A place in a file. Lines and columns count from 1, columns count characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file as the user named it, or `<stdin>`.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Byte range in [`Source::text`].
    pub span: Range<usize>,
    /// False where the place asked for does not exist and this is the nearest that does.
    pub exact: bool,
}

impl Source {
    /// Takes the text under the name that messages show.
    #[must_use]
    pub fn new(name: &str, origin: Origin, text: String) -> Self {
        Self::named(Arc::from(name), origin, text)
    }

    /// Another text of the same file.
    #[must_use]
    pub fn with_text(&self, text: String) -> Self {
        Self::named(Arc::clone(&self.name), self.origin.clone(), text)
    }

    fn named(name: Arc<str>, origin: Origin, text: String) -> Self {
        let lines = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Self {
            name,
            origin,
            text,
            lines,
            characters: OnceLock::new(),
        }
    }

    /// The file as the user named it, or `<stdin>`.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Where the text comes from.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The whole text; spans are byte ranges in it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column, both from 1, of a byte; a byte past the end is the end.
    #[must_use]
    pub fn line_column(&self, byte: usize) -> (usize, usize) {
        let byte = byte.min(self.text.len());
        let line = self.lines.partition_point(|start| *start <= byte);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let before = if byte - start <= STEP {
            characters(self.text.as_bytes().get(start..byte).unwrap_or_default())
        } else {
            self.characters_before(byte) - self.characters_before(start)
        };
        (line, before + 1)
    }

    fn characters_before(&self, byte: usize) -> usize {
        let counts = self.characters.get_or_init(|| {
            let mut sum = 0;
            let pieces = self.text.as_bytes().chunks(STEP);
            let sums = pieces.map(|piece| {
                sum += characters(piece);
                sum
            });
            std::iter::once(0).chain(sums).collect()
        });
        let step = byte / STEP;
        let rest = self.text.as_bytes().get(step * STEP..byte).unwrap_or_default();
        counts.get(step).copied().unwrap_or(0) + characters(rest)
    }

    /// The line, from 1, that a byte stands in, and where that line begins and ends, without its line feed.
    #[must_use]
    pub fn line(&self, byte: usize) -> (usize, Range<usize>) {
        let byte = byte.min(self.text.len());
        let line = self.lines.partition_point(|start| *start <= byte);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let end = self.lines.get(line).map_or(self.text.len(), |next| next - 1);
        (line, start..end)
    }

    /// Where each line begins.
    pub(super) fn line_starts(&self) -> &[usize] {
        &self.lines
    }

    /// The place of a byte range.
    #[must_use]
    pub fn location(&self, span: Range<usize>) -> Location {
        let (line, column) = self.line_column(span.start);
        Location {
            file: Arc::clone(&self.name),
            line,
            column,
            span,
            exact: true,
        }
    }

    /// The text of a byte range, empty where the range is none of this text.
    #[must_use]
    pub fn slice(&self, span: &Range<usize>) -> &str {
        self.text.get(span.clone()).unwrap_or_default()
    }
}

/// Characters that begin in these bytes of a text.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| (**byte & 0xC0) != 0x80).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_a_long_line_are_counted_from_its_beginning() {
        let text = format!("first\n{}", "日a".repeat(STEP));
        let source = Source::new("a.json", Origin::Stdin, text);
        for at in [
            0,
            1,
            STEP / 4 - 2,
            STEP / 4 - 1,
            STEP / 4,
            STEP / 2,
            STEP - 1,
            STEP,
        ] {
            assert_eq!(source.line_column(6 + at * 4), (2, at * 2 + 1), "{at}");
        }
        assert_eq!(source.line(9_000), (2, 6..6 + 4 * STEP));
        assert_eq!(source.line(5), (1, 0..5));
    }

    #[test]
    fn columns_count_characters_and_lines_end_at_line_feeds() {
        let source = Source::new("a.yaml", Origin::Stdin, "é: ü\r\nb: 日本\n".to_owned());
        assert_eq!(source.line_column(0), (1, 1));
        assert_eq!(source.line_column("é: ".len()), (1, 4));
        let after = source.text().find("日").unwrap_or_default();
        assert_eq!(source.line_column(after), (2, 4));
        assert_eq!(source.line_column(after + "日".len()), (2, 5));
        assert_eq!(source.line_column(9999), (3, 1));
    }
}
