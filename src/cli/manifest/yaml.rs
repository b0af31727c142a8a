//! One YAML document to a [`Tree`], in one pass over the parser's events.
//!
//! The parser is the one inside `serde-saphyr`, driven directly: typed deserialization loses
//! positions in flattened and untagged types, and resolves scalars by YAML 1.2 (see [`scalar`]).
use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{ErrorKind, Event, Parser, ScanError, Span, Tag};

use super::seen::Seen;
use super::source::Source;
use super::tree::{Entry, Fault, MAX_DEPTH, Node, NodeId, Scalar, Shape, Style, Text, Tree};
use super::{block, scalar};

/// Reads the document that fills `range` of the source. `None` where it holds no node.
pub(super) fn parse(source: &Source, range: &Range<usize>) -> Result<Option<(Tree, NodeId)>, Fault> {
    match block::parse(source, range) {
        Some(read) => Ok(Some(read)),
        None => parse_any(source, range),
    }
}

/// As [`parse`], with the YAML parser alone.
pub(super) fn parse_any(source: &Source, range: &Range<usize>) -> Result<Option<(Tree, NodeId)>, Fault> {
    let text = source.slice(range);
    let mut builder = Builder {
        source,
        base: range.start,
        tree: Tree::default(),
        open: Vec::new(),
        anchors: HashMap::new(),
        root: None,
    };
    let options = granit_parser::options! {
        emit_comments: false,
        block_nesting_limit: MAX_DEPTH,
        flow_nesting_limit: MAX_DEPTH,
    };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| builder.scan_fault(&error))?;
        builder.accept(event, span)?;
    }
    builder.tree.shrink();
    Ok(builder.root.map(|root| (builder.tree, root)))
}

struct Builder<'a> {
    source: &'a Source,
    /// Byte offset of the document in the source.
    base: usize,
    tree: Tree,
    open: Vec<Open>,
    anchors: HashMap<usize, NodeId>,
    root: Option<NodeId>,
}

/// A collection whose end has not come yet.
struct Open {
    id: NodeId,
    items: Items,
}

enum Items {
    Sequence(Vec<NodeId>),
    Mapping {
        entries: Vec<Entry>,
        key: Option<Key>,
        seen: Seen,
    },
}

/// A key that waits for its value; `name` is `None` for a merge key.
struct Key {
    name: Option<String>,
    span: Range<usize>,
}

impl Builder<'_> {
    fn accept(&mut self, event: Event<'_>, span: Span) -> Result<(), Fault> {
        let range = self.range(&span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let style = Style::from(style);
                let range = match style {
                    Style::Literal | Style::Folded => {
                        block_scalar(self.source.text(), self.behind_key(), &range)
                    }
                    Style::Plain | Style::SingleQuoted | Style::DoubleQuoted => range,
                };
                if self.expects_key() {
                    return self.key(&text, style, anchor, tag.as_deref(), range);
                }
                let value = value_of(&text, style, tag.as_deref())
                    .map_err(|message| Fault::new(range.start, message))?;
                let value = Scalar::new(value, self.source, &range);
                let id = self.tree.push(Node {
                    span: range.clone(),
                    shape: Shape::Scalar { value, style },
                });
                self.anchor(anchor, id);
                self.place(id, range)
            }
            Event::SequenceStart(_, anchor, _) => {
                let range = self
                    .first_dash(range.start)
                    .map_or(range.clone(), |dash| dash..range.end);
                self.begin(anchor, range, Items::Sequence(Vec::new()))
            }
            Event::MappingStart(_, anchor, _) => self.begin(
                anchor,
                range,
                Items::Mapping {
                    entries: Vec::new(),
                    key: None,
                    seen: Seen::default(),
                },
            ),
            Event::SequenceEnd | Event::MappingEnd => self.end(&range),
            Event::Alias(anchor) => self.alias(anchor, range),
            _ => Ok(()),
        }
    }

    /// Byte range in the source. The parser gives offsets for every input that is a `str`.
    fn range(&self, span: &Span) -> Range<usize> {
        let bytes = span.byte_range().unwrap_or(0..0);
        self.base + bytes.start..self.base + bytes.end
    }

    fn scan_fault(&self, error: &ScanError) -> Fault {
        let byte = self.base + error.marker().byte_offset().unwrap_or(0);
        match error.kind() {
            ErrorKind::RecursionLimitExceeded => Fault::too_deep(byte),
            _ => Fault::new(byte, error.info()),
        }
    }

    /// The first `-` of a block sequence below a key. The parser starts a sequence that is indented
    /// like its key behind it.
    fn first_dash(&self, start: usize) -> Option<usize> {
        let Items::Mapping { key: Some(key), .. } = &self.open.last()?.items else {
            return None;
        };
        let between = self.source.text().get(key.span.end..start)?;
        let mut at = key.span.end;
        for line in between.split_inclusive('\n') {
            let content = line.trim_start();
            if at > key.span.end && content.starts_with('-') {
                return Some(at + line.len() - content.len());
            }
            at += line.len();
        }
        None
    }

    /// Where the value at hand may begin at the earliest: behind its key, which may look like the head of a block.
    fn behind_key(&self) -> usize {
        match self.open.last().map(|open| &open.items) {
            Some(Items::Mapping { key: Some(key), .. }) => key.span.end,
            _ => self.base,
        }
    }

    fn expects_key(&self) -> bool {
        matches!(
            self.open.last(),
            Some(Open {
                items: Items::Mapping { key: None, .. },
                ..
            })
        )
    }

    fn anchor(&mut self, anchor: usize, id: NodeId) {
        // The parser numbers anchors from 1; 0 is none.
        if anchor != 0 {
            self.anchors.insert(anchor, id);
        }
    }

    fn begin(&mut self, anchor: usize, span: Range<usize>, items: Items) -> Result<(), Fault> {
        if self.expects_key() {
            return Err(Fault::new(
                span.start,
                "a key must be text, not a list or a mapping",
            ));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(Fault::too_deep(span.start));
        }
        let id = self.tree.push(Node {
            span,
            shape: Shape::Sequence(Box::default()),
        });
        self.anchor(anchor, id);
        self.open.push(Open { id, items });
        Ok(())
    }

    fn end(&mut self, end: &Range<usize>) -> Result<(), Fault> {
        let Some(Open { id, items }) = self.open.pop() else {
            return Ok(());
        };
        let shape = match items {
            Items::Sequence(items) => Shape::Sequence(items.into()),
            Items::Mapping { entries, .. } => Shape::Mapping(entries.into()),
        };
        let Some(node) = self.tree.get_mut(id) else {
            return Ok(());
        };
        // A block collection ends where the next token begins; its own text ends before the blanks.
        let start = node.span.start;
        let text = self.source.slice(&(start..end.end));
        node.span.end = start + text.trim_end().len();
        node.shape = shape;
        let span = node.span.clone();
        self.place(id, span)
    }

    fn alias(&mut self, anchor: usize, span: Range<usize>) -> Result<(), Fault> {
        let Some(target) = self.anchors.get(&anchor).copied() else {
            return Err(Fault::new(span.start, "unknown alias"));
        };
        if self.open.iter().any(|open| open.id == target) {
            return Err(Fault::new(
                span.start,
                "this alias stands inside the node that it names",
            ));
        }
        if self.expects_key() {
            let Some(Shape::Scalar { value, .. }) = self.tree.get(target).map(|node| &node.shape) else {
                return Err(Fault::new(
                    span.start,
                    "a key must be text, not a list or a mapping",
                ));
            };
            let name = match value {
                Scalar::Null => return Err(Fault::new(span.start, "null cannot be a key")),
                Scalar::Bool(flag) => flag.to_string(),
                Scalar::Number(number) => number.to_string(),
                Scalar::Text(text) => text.get(self.source).to_owned(),
            };
            return self.start_entry(Key {
                name: Some(name),
                span,
            });
        }
        let id = self.tree.push(Node {
            span: span.clone(),
            shape: Shape::Alias(target),
        });
        self.place(id, span)
    }

    fn key(
        &mut self,
        text: &str,
        style: Style,
        anchor: usize,
        tag: Option<&Tag>,
        span: Range<usize>,
    ) -> Result<(), Fault> {
        let merges =
            text == "<<" && style == Style::Plain && tag.is_none_or(|tag| tag.core_suffix() == Some("merge"));
        if merges {
            self.tree.merges();
            return self.start_entry(Key { name: None, span });
        }
        let value = value_of(text, style, tag).map_err(|message| Fault::new(span.start, message))?;
        if anchor != 0 {
            let shape = Shape::Scalar {
                value: Scalar::new(value.clone(), self.source, &span),
                style,
            };
            let id = self.tree.push(Node {
                span: span.clone(),
                shape,
            });
            self.anchor(anchor, id);
        }
        let name =
            scalar::key(value).ok_or_else(|| Fault::new(span.start, "null cannot be a key; quote it"))?;
        self.start_entry(Key {
            name: Some(name),
            span,
        })
    }

    fn start_entry(&mut self, new: Key) -> Result<(), Fault> {
        let source = self.source;
        let Some(Open {
            items: Items::Mapping { key, seen, entries },
            ..
        }) = self.open.last_mut()
        else {
            return Ok(());
        };
        if let Some(name) = &new.name
            && let Some(first) = seen.find(source, entries, name, new.span.start)
        {
            return Err(duplicate(source, name, first, new.span.start));
        }
        *key = Some(new);
        Ok(())
    }

    /// Puts a finished node where it belongs.
    fn place(&mut self, id: NodeId, span: Range<usize>) -> Result<(), Fault> {
        match self.open.last_mut().map(|open| &mut open.items) {
            None => {
                if self.root.is_some() {
                    return Err(Fault::new(
                        span.start,
                        "a second document begins here without `---`",
                    ));
                }
                self.root = Some(id);
            }
            Some(Items::Sequence(items)) => items.push(id),
            Some(Items::Mapping { entries, key, .. }) => {
                let Some(Key { name, span }) = key.take() else {
                    return Ok(());
                };
                entries.push(Entry {
                    key: name.map(|name| Text::new(&name, self.source, &span)),
                    key_span: span,
                    value: id,
                });
            }
        }
        Ok(())
    }
}

/// From the indicator to the last character of a block scalar. The parser gives the content alone,
/// which hides the indentation of its first line and whether it is a block at all.
/// Nothing before `earliest` belongs to it.
fn block_scalar(text: &str, earliest: usize, content: &Range<usize>) -> Range<usize> {
    let end = content.start + text.get(content.clone()).unwrap_or_default().trim_end().len();
    let mut line_end = content.start;
    while line_end > earliest {
        let start = text
            .get(earliest..line_end)
            .and_then(|before| before.rfind('\n'))
            .map_or(earliest, |at| earliest + at + 1);
        let line = text.get(start..line_end).unwrap_or_default();
        if let Some(indicator) = indicator(line) {
            return start + indicator..end.max(start + line.trim_end().len());
        }
        if !line.trim().is_empty() {
            break;
        }
        line_end = start.saturating_sub(1);
    }
    content.start..end
}

/// Where in a line the header of a block scalar begins: `|` or `>`, digits and chomping, a comment.
fn indicator(line: &str) -> Option<usize> {
    line.match_indices(['|', '>']).map(|(at, _)| at).find(|at| {
        let rest = line.get(at + 1..).unwrap_or_default();
        let after = rest.trim_start_matches(|mark: char| mark.is_ascii_digit() || mark == '+' || mark == '-');
        let comment = after.trim_start();
        comment.is_empty() || (comment.starts_with('#') && comment.len() < after.len())
    })
}

fn value_of(text: &str, style: Style, tag: Option<&Tag>) -> Result<serde_json::Value, String> {
    match (tag, style) {
        (Some(tag), _) => scalar::resolve_tagged(text, tag),
        (None, Style::Plain) => scalar::resolve_plain(text),
        (None, _) => Ok(serde_json::Value::String(text.to_owned())),
    }
}

/// The error for a key that a mapping has twice, naming both lines.
pub(super) fn duplicate(source: &Source, name: &str, first: usize, second: usize) -> Fault {
    let (first, _) = source.line_column(first);
    let (line, _) = source.line_column(second);
    Fault::new(
        second,
        format!("key `{name}` is set twice: in line {first} and in line {line}; remove one"),
    )
}
