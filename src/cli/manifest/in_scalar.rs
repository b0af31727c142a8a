//! From a byte of a string value to the byte of the file that wrote it.
use std::ops::Range;

use super::tree::Style;

/// A run of the value that stands in the file as it is.
struct Piece {
    value: usize,
    source: usize,
    length: usize,
}

/// The bytes of the file that wrote a range of the value, cut where the run ends that holds its
/// first byte. `None` where the writing does not show them.
pub(super) fn find(
    text: &str,
    span: &Range<usize>,
    style: Style,
    value: &str,
    range: &Range<usize>,
) -> Option<Range<usize>> {
    if range.start > value.len() {
        return None;
    }
    let raw = text.get(span.clone())?;
    let pieces = match style {
        Style::Literal => literal(text, span, value),
        Style::Folded => folded(text, block_lines(text, span)?, value),
        Style::Plain => folded(text, span.clone(), value),
        Style::DoubleQuoted if raw.contains('\\') => escaped(raw, span.start, value),
        Style::SingleQuoted | Style::DoubleQuoted => {
            folded(text, span.start + 1..span.end.checked_sub(1)?, value)
        }
    }?;
    let piece = pieces
        .iter()
        .find(|piece| (piece.value..=piece.value + piece.length).contains(&range.start))?;
    let start = piece.source + (range.start - piece.value);
    let end = piece.source + range.end.saturating_sub(piece.value).min(piece.length);
    Some(start..end.max(start))
}

/// The lines below the header of a block scalar.
fn block_lines(text: &str, span: &Range<usize>) -> Option<Range<usize>> {
    let header = text.get(span.start..)?.find('\n')?;
    let start = span.start + header + 1;
    (start <= span.end).then_some(start..span.end)
}

/// `|`: one line of the file is one line of the value, less the indentation.
fn literal(text: &str, span: &Range<usize>, value: &str) -> Option<Vec<Piece>> {
    let body = block_lines(text, span)?;
    let indent = indentation(text.get(body.clone())?, value)?;
    let mut pieces = Vec::new();
    let (mut source, mut at) = (body.start, 0);
    let lines = text.get(body.start..)?.split_inclusive('\n');
    for (line, wanted) in lines.zip(value.lines()) {
        let spaces = leading_spaces(line).min(indent);
        let content = line.get(spaces..)?.trim_end_matches(['\n', '\r']);
        if content != wanted {
            return None;
        }
        pieces.push(Piece {
            value: at,
            source: source + spaces,
            length: content.len(),
        });
        source += line.len();
        at += wanted.len() + 1;
    }
    Some(pieces)
}

/// What the parser took off each line, seen on the first line that is not blank.
fn indentation(body: &str, value: &str) -> Option<usize> {
    let not_blank = |line: &&str| !line.trim().is_empty();
    let written = leading_spaces(body.lines().find(not_blank)?);
    written.checked_sub(leading_spaces(value.lines().find(not_blank)?))
}

fn leading_spaces(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// Text whose lines are joined by a space, or by line feeds where blank lines stand between.
fn folded(text: &str, body: Range<usize>, value: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let (mut source, mut at) = (body.start, 0);
    for line in text.get(body)?.split_inclusive('\n') {
        let content = line.trim();
        if !content.is_empty() {
            let gap = value.get(at..)?.len() - value.get(at..)?.trim_start().len();
            let start = at + gap;
            if !value.get(start..)?.starts_with(content) {
                return None;
            }
            let lead = line.len() - line.trim_start().len();
            pieces.push(Piece {
                value: start,
                source: source + lead,
                length: content.len(),
            });
            at = start + content.len();
        }
        source += line.len();
    }
    Some(pieces)
}

/// Double quotes with escapes, on one line of the file: how JSON writes a script.
fn escaped(raw: &str, start: usize, value: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut at = 0;
    let mut rest = raw.char_indices().skip(1).peekable();
    while let Some((offset, character)) = rest.next() {
        let source = start + offset;
        let written = match character {
            '"' => break,
            '\n' => return None,
            '\\' => escape(&mut rest)?,
            plain => plain,
        };
        if !value.get(at..)?.starts_with(written) {
            return None;
        }
        let length = written.len_utf8();
        match pieces.last_mut() {
            Some(Piece {
                value,
                source: from,
                length: so_far,
            }) if character != '\\' && *from + *so_far == source && *value + *so_far == at => {
                *so_far += length;
            }
            // An escape stands alone: its length in the file is another than in the value.
            _ => pieces.push(Piece {
                value: at,
                source,
                length: if character == '\\' { 0 } else { length },
            }),
        }
        at += length;
    }
    (at == value.len()).then_some(pieces)
}

/// The character that an escape stands for, of those that JSON has.
fn escape(rest: &mut impl Iterator<Item = (usize, char)>) -> Option<char> {
    let (_, name) = rest.next()?;
    match name {
        'n' => Some('\n'),
        't' => Some('\t'),
        'r' => Some('\r'),
        'b' => Some('\u{8}'),
        'f' => Some('\u{c}'),
        '"' | '\\' | '/' => Some(name),
        'u' => {
            let high = code_unit(rest)?;
            if !(0xD800..0xDC00).contains(&high) {
                return char::from_u32(high);
            }
            rest.next().filter(|(_, next)| *next == '\\')?;
            rest.next().filter(|(_, next)| *next == 'u')?;
            let low = code_unit(rest)?.checked_sub(0xDC00)?;
            char::from_u32(0x1_0000 + ((high - 0xD800) << 10) + low)
        }
        _ => None,
    }
}

fn code_unit(rest: &mut impl Iterator<Item = (usize, char)>) -> Option<u32> {
    (0..4).try_fold(0, |unit, _| Some(unit * 16 + rest.next()?.1.to_digit(16)?))
}
