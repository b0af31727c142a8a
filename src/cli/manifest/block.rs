//! Documents as nearly all manifests are written, without the YAML parser: block mappings and lists, text in one
//! line, quotes without escapes, literal scripts, short lists in brackets. Of all else it says nothing, and the
//! parser reads the document; what it does read is what the parser would give, node for node and byte for byte. The
//! parser takes eight thousand instructions for a line, and three quarters of what `lint` does would be that.
use std::ops::Range;

use super::scalar;
use super::seen::Seen;
use super::source::Source;
use super::tree::{Entry, MAX_DEPTH, Node, NodeId, Scalar, Shape, Style, Text, Tree};

/// The parser takes no key of more than 1,024 characters on a line of its own (YAML 1.2.2, 7.4.2).
const LONGEST_KEY: usize = 256;

/// Reads the document that fills `range` of the source; `None` where the parser has to.
pub(super) fn parse(source: &Source, range: &Range<usize>) -> Option<(Tree, NodeId)> {
    let text = source.text().get(..range.end)?;
    // Without a branch, so that many bytes are looked at together.
    let other = |byte: u8| !(byte.wrapping_sub(b' ') < 95 || byte == b'\n' || byte == b'\t');
    let bytes = text.as_bytes().get(range.start..)?;
    if bytes.iter().fold(false, |found, byte| found | other(*byte)) {
        return None;
    }
    let mut reader = Reader {
        source,
        text,
        tree: Tree::default(),
        line: None,
        entries: Vec::new(),
        items: Vec::new(),
    };
    reader.go_to(range.start)?;
    if let Some(line) = reader.line.filter(|line| line.indent == 0)
        && text.get(line.at..)?.starts_with("---")
    {
        let end = reader.line_end(line.at);
        reader.rest_is_empty(line.at + 3, end)?;
        reader.go_to(end + 1)?;
    }
    let root = reader.block(0)?;
    if reader.line.is_some() {
        return None;
    }
    reader.tree.shrink();
    Some((reader.tree, root))
}

struct Reader<'a> {
    source: &'a Source,
    /// The source to the end of the document.
    text: &'a str,
    tree: Tree,
    /// The next line that holds more than blanks or a comment.
    line: Option<Line>,
    /// What the collections that are open hold so far, the inner ones behind the outer ones.
    entries: Vec<Entry>,
    items: Vec<NodeId>,
}

#[derive(Clone, Copy)]
struct Line {
    /// Where its text begins, and how many blanks stand before.
    at: usize,
    indent: usize,
}

/// A key, and the byte behind its colon.
struct Key {
    text: Text,
    span: Range<usize>,
    behind: usize,
}

impl Reader<'_> {
    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    /// Where the line of a byte ends, before its line feed.
    fn line_end(&self, at: usize) -> usize {
        let rest = self.text.as_bytes().get(at..).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte == b'\n');
        at + length.unwrap_or(rest.len())
    }

    /// The first byte that is no blank.
    fn behind_blanks(&self, at: usize) -> usize {
        let rest = self.text.as_bytes().get(at..).unwrap_or_default();
        at + rest.iter().take_while(|byte| **byte == b' ').count()
    }

    /// Looks for the next line with content, from the beginning of a line.
    fn go_to(&mut self, start: usize) -> Option<()> {
        let mut start = start;
        self.line = loop {
            let at = self.behind_blanks(start);
            match self.byte(at) {
                None => break None,
                // A tab is no indentation.
                Some(b'\t') => return None,
                Some(b'\n') => start = at + 1,
                Some(b'#') => start = self.line_end(at) + 1,
                Some(_) => {
                    break Some(Line {
                        at,
                        indent: at - start,
                    });
                }
            }
        };
        Some(())
    }

    /// Nothing stands from here to the end of the line, but for a comment.
    fn rest_is_empty(&self, at: usize, end: usize) -> Option<()> {
        let rest = self.behind_blanks(at);
        (rest == end || (rest > at && self.byte(rest) == Some(b'#'))).then_some(())
    }

    /// Whether an item of a list begins here.
    fn is_item(&self, at: usize) -> bool {
        self.byte(at) == Some(b'-') && matches!(self.byte(at + 1), Some(b' '))
    }

    /// The collection that begins in the line at hand.
    fn block(&mut self, depth: usize) -> Option<NodeId> {
        let line = self.line?;
        if self.is_item(line.at) {
            self.list(line, depth)
        } else {
            self.mapping(line, depth)
        }
    }

    fn begin(&mut self, start: usize, depth: usize) -> Option<NodeId> {
        let shape = Shape::Sequence(Box::default());
        let span = start..start;
        (depth < MAX_DEPTH).then(|| self.tree.push(Node { span, shape }))
    }

    /// A collection's text ends before the blanks that stand before what comes next.
    fn end(&mut self, id: NodeId, shape: Shape) -> Option<NodeId> {
        let next = self.line.map_or(self.text.len(), |line| line.at);
        let node = self.tree.get_mut(id)?;
        node.span.end = node.span.start + self.text.get(node.span.start..next)?.trim_end().len();
        node.shape = shape;
        Some(id)
    }

    fn mapping(&mut self, first: Line, depth: usize) -> Option<NodeId> {
        let key = self.key(first.at)?;
        self.mapping_from(key, first.indent, depth)
    }

    fn mapping_from(&mut self, first: Key, column: usize, depth: usize) -> Option<NodeId> {
        let id = self.begin(first.span.start, depth)?;
        let below = self.entries.len();
        let mut seen = Seen::default();
        let mut key = first;
        loop {
            let name = key.text.get(self.source);
            let before = self.entries.get(below..)?;
            if seen.find(self.source, before, name, key.span.start).is_some() {
                return None;
            }
            let value = self.value(key.behind, column, true, depth)?;
            self.entries.push(Entry {
                key: Some(key.text),
                key_span: key.span,
                value,
            });
            match self.line {
                Some(next) if next.indent == column => key = self.key(next.at)?,
                // Text that goes on in a second line.
                Some(next) if next.indent > column => return None,
                _ => {
                    let entries = self.entries.drain(below..).collect();
                    return self.end(id, Shape::Mapping(entries));
                }
            }
        }
    }

    fn list(&mut self, first: Line, depth: usize) -> Option<NodeId> {
        let id = self.begin(first.at, depth)?;
        let below = self.items.len();
        let mut at = first.at;
        loop {
            let item = self.item(at, first.indent, depth)?;
            self.items.push(item);
            match self.line {
                Some(next) if next.indent == first.indent && self.is_item(next.at) => at = next.at,
                Some(next) if next.indent > first.indent => return None,
                // The next key, where a list is indented like its own.
                _ => {
                    let items = self.items.drain(below..).collect();
                    return self.end(id, Shape::Sequence(items));
                }
            }
        }
    }

    /// What stands behind a dash.
    fn item(&mut self, dash: usize, column: usize, depth: usize) -> Option<NodeId> {
        let at = self.behind_blanks(dash + 1);
        match self.key(at) {
            Some(key) => self.mapping_from(key, column + at - dash, depth + 1),
            None => self.value(dash + 1, column, false, depth),
        }
    }

    /// What stands behind a key's colon or an item's dash, in a collection at this column.
    fn value(&mut self, behind: usize, column: usize, of_key: bool, depth: usize) -> Option<NodeId> {
        let at = self.behind_blanks(behind);
        let end = self.line_end(at);
        match self.byte(at) {
            None | Some(b'\n' | b'#') => {
                self.go_to(end + 1)?;
                let line = self.line?;
                let deeper = line.indent > column;
                let beside = of_key && line.indent == column && self.is_item(line.at);
                // Else nothing stands there, which is null.
                return (deeper || beside).then(|| self.block(depth + 1)).flatten();
            }
            Some(b'|') => return self.literal(at, end, column),
            Some(b'[') => return self.flow_list(at, end, depth),
            Some(b'{') => return self.empty_mapping(at, end, depth),
            _ => {}
        }
        let (span, style) = self.scalar(at, end)?;
        let id = self.leaf(span, style)?;
        self.go_to(end + 1)?;
        Some(id)
    }

    /// A scalar that ends in its line, with nothing but a comment behind it.
    fn scalar(&self, at: usize, end: usize) -> Option<(Range<usize>, Style)> {
        if let Some((close, style)) = self.quoted(at, end) {
            self.rest_is_empty(close, end)?;
            return Some((at..close, style));
        }
        self.begins_plain(at)?;
        let line = self.text.as_bytes().get(at..end)?;
        let mut close = 0;
        for (index, byte) in line.iter().enumerate() {
            match byte {
                b' ' if line.get(index + 1) == Some(&b'#') => break,
                b' ' => {}
                b':' if matches!(line.get(index + 1), None | Some(b' ')) => return None,
                b'\t' => return None,
                _ => close = index + 1,
            }
        }
        Some((at..at + close, Style::Plain))
    }

    /// The byte behind a text in quotes, if one begins here that holds no escape.
    fn quoted(&self, at: usize, end: usize) -> Option<(usize, Style)> {
        let (quote, escape, style) = match self.byte(at)? {
            b'"' => (b'"', b'\\', Style::DoubleQuoted),
            b'\'' => (b'\'', b'\'', Style::SingleQuoted),
            _ => return None,
        };
        let inside = self.text.as_bytes().get(at + 1..end)?;
        let length = inside.iter().position(|byte| *byte == quote)?;
        let close = at + 1 + length;
        let simple = |byte: &u8| *byte != b'\t' && (*byte != escape || escape == quote);
        let simple = inside.get(..length)?.iter().all(simple);
        // `''` is a quote inside.
        (simple && self.byte(close + 1) != Some(quote)).then_some((close + 1, style))
    }

    /// Whether text without quotes may begin with this byte; some that may are left to the parser.
    fn begins_plain(&self, at: usize) -> Option<()> {
        let follows = || {
            self.byte(at + 1)
                .is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        match self.byte(at)? {
            b'_' | b'.' | b'/' | b'$' | b'(' | b'+' | b'~' => Some(()),
            b'-' => follows().then_some(()),
            byte => byte.is_ascii_alphanumeric().then_some(()),
        }
    }

    /// The key that begins here.
    fn key(&self, at: usize) -> Option<Key> {
        let quotes = matches!(self.byte(at)?, b'"' | b'\'');
        let close = if quotes {
            self.quoted(at, self.line_end(at))?.0
        } else {
            if self.byte(at)? == b'-' {
                return None;
            }
            self.begins_plain(at)?;
            let of_key =
                |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'/' | b'-');
            let rest = self.text.as_bytes().get(at..)?;
            at + rest.iter().take_while(|byte| of_key(byte)).count()
        };
        let behind = close + 1;
        let colon = self.byte(close) == Some(b':');
        let apart = matches!(self.byte(behind), None | Some(b' ' | b'\n'));
        if !colon || !apart || close - at > LONGEST_KEY {
            return None;
        }
        let span = at..close;
        let text = if quotes {
            Text::verbatim(self.source, &(at + 1..close - 1))
        } else {
            let text = self.text.get(span.clone())?;
            let is_text = scalar::plain_other_than_text(text).ok()?.is_none();
            is_text.then(|| Text::verbatim(self.source, &span))?
        };
        Some(Key { text, span, behind })
    }

    /// A node for a scalar in one line.
    fn leaf(&mut self, span: Range<usize>, style: Style) -> Option<NodeId> {
        let value = if style == Style::Plain {
            match scalar::plain_other_than_text(self.text.get(span.clone())?).ok()? {
                Some(value) => Scalar::new(value, self.source, &span),
                None => Scalar::Text(Text::verbatim(self.source, &span)),
            }
        } else {
            Scalar::Text(Text::verbatim(self.source, &(span.start + 1..span.end - 1)))
        };
        let shape = Shape::Scalar { value, style };
        Some(self.tree.push(Node { span, shape }))
    }

    /// `[a, "b"]`: scalars alone, in one line.
    fn flow_list(&mut self, start: usize, end: usize, depth: usize) -> Option<NodeId> {
        let id = self.begin(start, depth + 1)?;
        let below = self.items.len();
        let mut at = self.behind_blanks(start + 1);
        let close = loop {
            if self.items.len() == below && self.byte(at) == Some(b']') {
                break at + 1;
            }
            let (span, style) = self.flow_scalar(at, end)?;
            let behind = self.behind_blanks(span.end);
            let item = self.leaf(span, style)?;
            self.items.push(item);
            match self.byte(behind)? {
                b',' => at = self.behind_blanks(behind + 1),
                b']' => break behind + 1,
                _ => return None,
            }
        };
        self.rest_is_empty(close, end)?;
        self.go_to(end + 1)?;
        let items = self.items.drain(below..).collect();
        let node = self.tree.get_mut(id)?;
        node.span.end = close;
        node.shape = Shape::Sequence(items);
        Some(id)
    }

    /// `{}`
    fn empty_mapping(&mut self, start: usize, end: usize, depth: usize) -> Option<NodeId> {
        let close = self.behind_blanks(start + 1);
        if self.byte(close) != Some(b'}') {
            return None;
        }
        self.rest_is_empty(close + 1, end)?;
        let id = self.begin(start, depth + 1)?;
        let node = self.tree.get_mut(id)?;
        node.span.end = close + 1;
        node.shape = Shape::Mapping(Box::default());
        self.go_to(end + 1)?;
        Some(id)
    }

    fn flow_scalar(&self, at: usize, end: usize) -> Option<(Range<usize>, Style)> {
        if let Some((close, style)) = self.quoted(at, end) {
            return Some((at..close, style));
        }
        self.begins_plain(at)?;
        let line = self.text.get(at..end)?;
        let length = line.find([',', ']'])?;
        let text = line.get(..length)?.trim_end_matches(' ');
        let clear = |byte: u8| !matches!(byte, b'[' | b'{' | b'}' | b':' | b'#' | b'\t');
        text.bytes()
            .all(clear)
            .then(|| (at..at + text.len(), Style::Plain))
    }

    /// A script behind `|`, with a first line that is not empty.
    fn literal(&mut self, start: usize, end: usize, column: usize) -> Option<NodeId> {
        let header = self.text.get(start + 1..end)?.trim_end_matches(' ');
        let mut text = String::with_capacity(256);
        let mut indent = None;
        let mut next = end + 1;
        while next < self.text.len() {
            let at = self.behind_blanks(next);
            let end = self.line_end(at);
            let blanks = at - next;
            let deep = match (indent, at == end) {
                (None, false) if blanks > column => *indent.insert(blanks),
                (None, _) => return None,
                (Some(deep), true) if blanks > deep => return None,
                (Some(_), true) => {
                    text.push('\n');
                    next = end + 1;
                    continue;
                }
                (Some(deep), false) => deep,
            };
            if blanks < deep {
                if blanks > column || self.byte(at) == Some(b'\t') {
                    return None;
                }
                break;
            }
            text.push_str(self.text.get(next + deep..end)?);
            text.push('\n');
            next = end + 1;
        }
        // Without a last line feed, or without any line, it is the parser's to say what the text is.
        if next > self.text.len() || indent.is_none() {
            return None;
        }
        let bare = text.trim_end_matches('\n').len();
        match header {
            "" => text.truncate(bare + 1),
            "-" => text.truncate(bare),
            "+" => {}
            _ => return None,
        }
        let span = start..start + self.text.get(start..next)?.trim_end().len();
        let value = Scalar::Text(Text::Own(text.into()));
        let style = Style::Literal;
        let shape = Shape::Scalar { value, style };
        let id = self.tree.push(Node { span, shape });
        self.go_to(next)?;
        Some(id)
    }
}

#[cfg(test)]
mod tests;
