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
        Style::SingleQuoted => quoted(raw, span.start, false, value),
        Style::DoubleQuoted => quoted(raw, span.start, true, value),
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

/// Quoted text: escapes, doubled quotes, and lines that are folded into one.
fn quoted(raw: &str, start: usize, double: bool, value: &str) -> Option<Vec<Piece>> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut read = String::with_capacity(raw.len());
    // Where blanks begin that a line break would take with it.
    let mut blanks = None;
    let inner = raw.get(1..raw.len().checked_sub(1)?)?;
    let mut rest = inner.char_indices().peekable();
    while let Some((offset, character)) = rest.next() {
        let source = start + 1 + offset;
        let at = read.len();
        let written = match character {
            '\r' if rest.peek().is_some_and(|(_, next)| *next == '\n') => continue,
            '\n' => {
                let kept = blanks.take().unwrap_or(at);
                read.truncate(kept);
                for piece in &mut pieces {
                    piece.length = piece.length.min(kept.saturating_sub(piece.value));
                }
                let breaks = blank_lines(&mut rest);
                read.push_str(&if breaks == 0 {
                    " ".to_owned()
                } else {
                    "\n".repeat(breaks)
                });
                pieces.push(Piece {
                    value: kept,
                    source,
                    length: 0,
                });
                continue;
            }
            '\'' if !double => {
                rest.next_if(|(_, next)| *next == '\'')?;
                '\''
            }
            '\\' if double => match escape(&mut rest)? {
                Some(written) => written,
                None => continue,
            },
            plain => {
                let blank = matches!(plain, ' ' | '\t');
                blanks = if blank { blanks.or(Some(at)) } else { None };
                read.push(plain);
                match pieces.last_mut() {
                    Some(piece)
                        if piece.source + piece.length == source && piece.value + piece.length == at =>
                    {
                        piece.length += plain.len_utf8();
                    }
                    _ => pieces.push(Piece {
                        value: at,
                        source,
                        length: plain.len_utf8(),
                    }),
                }
                continue;
            }
        };
        // What stands for a character is of another length than the character.
        blanks = None;
        read.push(written);
        pieces.push(Piece {
            value: at,
            source,
            length: 0,
        });
    }
    (read == value).then_some(pieces)
}

type Written<'t> = std::iter::Peekable<std::str::CharIndices<'t>>;

/// Passes over the blanks that begin a line, and over empty lines, which it counts.
fn blank_lines(rest: &mut Written<'_>) -> usize {
    let mut lines = 0;
    while let Some((_, blank)) = rest.next_if(|(_, next)| matches!(next, ' ' | '\t' | '\r' | '\n')) {
        lines += usize::from(blank == '\n');
    }
    lines
}

/// The character that an escape stands for; none for a line break that is escaped. `None` for what is no escape.
#[allow(
    clippy::option_option,
    reason = "an escape that stands for nothing is not an escape that is wrong"
)]
fn escape(rest: &mut Written<'_>) -> Option<Option<char>> {
    let (_, name) = rest.next()?;
    let written = match name {
        'n' => '\n',
        't' | '\t' => '\t',
        'r' => '\r',
        'b' => '\u{8}',
        'f' => '\u{c}',
        '0' => '\0',
        'a' => '\u{7}',
        'v' => '\u{b}',
        'e' => '\u{1b}',
        'N' => '\u{85}',
        '_' => '\u{a0}',
        'L' => '\u{2028}',
        'P' => '\u{2029}',
        '"' | '\\' | '/' | ' ' => name,
        'x' => char::from_u32(code_unit(rest, 2)?)?,
        'U' => char::from_u32(code_unit(rest, 8)?)?,
        'u' => {
            let high = code_unit(rest, 4)?;
            if (0xD800..0xDC00).contains(&high) {
                rest.next_if(|(_, next)| *next == '\\')?;
                rest.next_if(|(_, next)| *next == 'u')?;
                let low = code_unit(rest, 4)?.checked_sub(0xDC00)?;
                char::from_u32(0x1_0000 + ((high - 0xD800) << 10) + low)?
            } else {
                char::from_u32(high)?
            }
        }
        '\r' | '\n' => {
            if name == '\r' {
                rest.next_if(|(_, next)| *next == '\n')?;
            }
            while rest.next_if(|(_, next)| matches!(next, ' ' | '\t')).is_some() {}
            return Some(None);
        }
        _ => return None,
    };
    Some(Some(written))
}

fn code_unit(rest: &mut Written<'_>, digits: usize) -> Option<u32> {
    (0..digits).try_fold(0_u32, |unit, _| {
        unit.checked_mul(16)?.checked_add(rest.next()?.1.to_digit(16)?)
    })
}
