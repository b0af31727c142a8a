//! An edit of an object as a change of the file's text that leaves every other character as it is.
//!
//! The places come from the tree that the file was read into. Nothing is printed anew: comments, order,
//! quotes, anchors and line endings stay because they are never touched. What cannot be edited so (a value
//! that several places share by an alias, say) is refused with its reason.
mod reach;
mod write;

use std::ops::Range;

use serde_json::{Map, Value};

use super::document::Document;
use super::source::Source;
use super::tree::{Entry, NodeId, Scalar, Shape, Style, Tree};
use crate::engine::finding::Edit;
use reach::Reach;
use write::{Layout, Quotes};

/// A change of a file's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splice {
    /// The bytes that go.
    pub range: Range<usize>,
    /// What comes in their place.
    pub text: String,
}

impl Document {
    /// The change of the file's text that makes an edit of this object.
    ///
    /// Whoever applies it reads the text again and compares: odd ways of writing YAML are not all known here.
    ///
    /// # Errors
    /// Why the edit cannot be made in this text, as half a sentence.
    pub fn splice(&self, edit: &Edit) -> Result<Splice, String> {
        let (source, tree, root) = self.parts();
        let editor = Editor {
            source,
            text: source.text(),
            tree,
        };
        editor.plan(root, edit)
    }
}

struct Editor<'a> {
    source: &'a Source,
    text: &'a str,
    tree: &'a Tree,
}

impl Editor<'_> {
    fn plan(&self, root: NodeId, edit: &Edit) -> Result<Splice, String> {
        let reach = self.reach(root, edit)?;
        let leaf = |value: &Value| match edit {
            Edit::Set { .. } => value.clone(),
            Edit::Append { .. } | Edit::Prepend { .. } | Edit::Variable { .. } => {
                Value::Array(vec![value.clone()])
            }
        };
        let value = &*edit.value();
        let shape = self.tree.get(reach.node).map(|node| &node.shape);
        if let Some((first, below)) = reach.missing.split_first() {
            let value = below.iter().rev().fold(leaf(value), |value, key| {
                Value::Object(Map::from_iter([(key.clone(), value)]))
            });
            return match shape {
                Some(Shape::Mapping(entries)) => self.add_entry(&reach, entries, first, &value),
                Some(Shape::Scalar {
                    value: Scalar::Null, ..
                }) => {
                    let value = Value::Object(Map::from_iter([(first.clone(), value)]));
                    self.replace(&reach, &value)
                }
                _ => Err("its parent is neither a mapping nor a list".to_owned()),
            };
        }
        match (edit, shape) {
            (Edit::Set { .. }, _) => self.replace(&reach, value),
            (Edit::Append { .. } | Edit::Variable { .. }, Some(Shape::Sequence(items))) => {
                self.add_item(&reach, items, value, false)
            }
            (Edit::Prepend { .. }, Some(Shape::Sequence(items))) => self.add_item(&reach, items, value, true),
            (
                _,
                Some(Shape::Scalar {
                    value: Scalar::Null, ..
                }),
            ) => self.replace(&reach, &leaf(value)),
            _ => Err("it is no list".to_owned()),
        }
    }

    /// Writes a value in the place of another.
    fn replace(&self, reach: &Reach, value: &Value) -> Result<Splice, String> {
        let span = self.span(reach.node);
        let layout = self.layout(span.start);
        let nested = matches!(value, Value::Object(object) if !object.is_empty())
            || matches!(value, Value::Array(items) if !items.is_empty());
        let shape = self.tree.get(reach.node).map(|node| &node.shape);
        if reach.flow {
            if span.is_empty() {
                return Err("it has no text of its own".to_owned());
            }
            let text = match shape {
                Some(Shape::Scalar { style, .. }) if !nested && !self.tree.json => {
                    write::scalar(value, quotes_of(*style), true)
                }
                _ => write::inline(value, self.tree.json),
            };
            return Ok(Splice { range: span, text });
        }
        let same_kind = match shape {
            Some(Shape::Mapping(_)) => nested && value.is_object(),
            Some(Shape::Sequence(_)) => nested && value.is_array(),
            Some(Shape::Scalar { .. }) => !nested && !span.is_empty(),
            _ => !nested,
        };
        // Below the key: what stands between the colon and the value (a comment, an empty line) stays only
        // where the value keeps its kind.
        let end = self.end(reach.node);
        let comment = self.comment(end);
        let anew = !same_kind || self.is_flow(&span) || (nested && comment.is_some());
        if let Some(key) = reach.key.as_ref().filter(|_| anew) {
            let colon = self.colon(key)?;
            let end = if span.is_empty() {
                colon
            } else {
                self.end(reach.node)
            };
            // A comment behind the value would become a part of text that ends in a line of its own.
            let kept = self.comment(end).filter(|_| nested).unwrap_or(end..end);
            let below = if self.comment(end).is_some() && !nested {
                format!(" {}", write::scalar(value, Quotes::Plain, false))
            } else {
                layout.below(value, self.column(key.start))
            };
            return Ok(Splice {
                range: colon..kept.end,
                text: format!("{}{below}", self.source.slice(&kept)),
            });
        }
        if span.is_empty() {
            return Err("it has no text of its own".to_owned());
        }
        let text = match shape {
            Some(Shape::Scalar { style, .. }) if !nested && (!is_block(*style) || comment.is_some()) => {
                write::scalar(value, quotes_of(*style), false)
            }
            _ if comment.is_some() => write::inline(value, false),
            _ => layout.block(value, self.column(span.start)),
        };
        Ok(Splice {
            range: span.start..end,
            text,
        })
    }

    /// Adds a key to a mapping, behind the first keys that take one line each: where people write such keys,
    /// and not below a long template.
    fn add_entry(
        &self,
        reach: &Reach,
        entries: &[Entry],
        name: &str,
        value: &Value,
    ) -> Result<Splice, String> {
        let span = self.span(reach.node);
        let layout = self.layout(span.start);
        let (keys, values) = self.manner(entries);
        let key = write::key(name, keys);
        let short = entries.iter().take_while(|entry| self.is_one_line(entry)).count();
        if self.is_flow(&span) {
            let block = entries.is_empty() && !reach.flow && !self.tree.json && self.ends_line(span.end);
            if let Some(parent) = reach.key.as_ref().filter(|_| block) {
                let column = self.column(parent.start) + layout.step;
                return Ok(Splice {
                    range: self.colon(parent)?..span.end,
                    text: layout.line(column) + &layout.entry(&key, value, column, values),
                });
            }
            let written = match value {
                Value::String(_) if !self.tree.json => write::scalar(value, values, true),
                _ => write::inline(value, self.tree.json),
            };
            let written = format!("{key}: {written}");
            let before = short.checked_sub(1).map_or(entries.last(), |at| entries.get(at));
            let Some(before) = before else {
                return Ok(insert(span.start + 1, written));
            };
            let end = self.span(before.value).end;
            if end <= before.key_span.end {
                return Err("a key of this mapping has no value".to_owned());
            }
            let separator = self.separator(before.key_span.start, layout);
            return Ok(insert(end, separator + &written));
        }
        let first = entries.first().ok_or("the mapping has no key to stand beside")?;
        let column = self.column(first.key_span.start);
        let entry = layout.entry(&key, value, column, values);
        if let Some(before) = short.checked_sub(1).and_then(|at| entries.get(at)) {
            return Ok(self.below_line(before.key_span.end, &entry, column, layout));
        }
        if self.starts_line(first.key_span.start) {
            let at = self.above_comments(self.line_start(first.key_span.start));
            return Ok(insert(
                at,
                format!("{}{entry}{}", " ".repeat(column), layout.newline),
            ));
        }
        Ok(insert(first.key_span.start, entry + &layout.line(column)))
    }

    /// Adds an item to a list, at its end or its front.
    fn add_item(
        &self,
        reach: &Reach,
        items: &[NodeId],
        value: &Value,
        front: bool,
    ) -> Result<Splice, String> {
        let span = self.span(reach.node);
        let layout = self.layout(span.start);
        if self.is_flow(&span) {
            let block = items.is_empty() && !reach.flow && !self.tree.json && self.ends_line(span.end);
            if let Some(key) = reach.key.as_ref().filter(|_| block) {
                let value = Value::Array(vec![value.clone()]);
                return Ok(Splice {
                    range: self.colon(key)?..span.end,
                    text: layout.below(&value, self.column(key.start)),
                });
            }
            let written = write::inline(value, self.tree.json);
            let (Some(first), Some(last)) = (items.first(), items.last()) else {
                return Ok(insert(span.start + 1, written));
            };
            let first = self.span(*first);
            let separator = self.separator(first.start, layout);
            return Ok(if front {
                insert(first.start, written + &separator)
            } else {
                insert(self.span(*last).end, separator + &written)
            });
        }
        let column = self.column(span.start);
        let item = layout.item(value, column);
        Ok(if front {
            insert(span.start, item + &layout.line(column))
        } else {
            self.below_line(self.end(reach.node), &item, column, layout)
        })
    }

    /// What stands between two members of a flow collection: a line feed where they have lines of their own.
    fn separator(&self, member: usize, layout: Layout) -> String {
        if self.starts_line(member) {
            format!(",{}", layout.line(self.column(member)))
        } else {
            ", ".to_owned()
        }
    }

    /// A line below the one that a byte stands in.
    fn below_line(&self, byte: usize, line: &str, column: usize, layout: Layout) -> Splice {
        let indent = " ".repeat(column);
        match self.text.get(byte..).and_then(|rest| rest.find('\n')) {
            Some(end) => insert(byte + end + 1, format!("{indent}{line}{}", layout.newline)),
            None => insert(self.text.len(), format!("{}{indent}{line}", layout.newline)),
        }
    }

    /// The start of the comment lines that stand right above a line, or of the line.
    fn above_comments(&self, mut line: usize) -> usize {
        while line > 0 {
            let above = self.line_start(line - 1);
            if !self
                .text
                .get(above..line)
                .unwrap_or_default()
                .trim_start()
                .starts_with('#')
            {
                break;
            }
            line = above;
        }
        line
    }

    /// How the keys and the texts of a mapping are quoted, where all are alike.
    fn manner(&self, entries: &[Entry]) -> (Quotes, Quotes) {
        let quoted = |byte: usize| self.text.as_bytes().get(byte) == Some(&b'"');
        let keys = if self.tree.json
            || (!entries.is_empty() && entries.iter().all(|entry| quoted(entry.key_span.start)))
        {
            Quotes::Double
        } else {
            Quotes::Plain
        };
        let mut styles = entries
            .iter()
            .filter_map(|entry| match self.tree.get(entry.value)?.shape {
                Shape::Scalar {
                    value: Scalar::Text(_),
                    style,
                } => Some(quotes_of(style)),
                _ => None,
            });
        let first = styles.next().unwrap_or_default();
        let values = if styles.all(|style| style == first) {
            first
        } else {
            Quotes::Plain
        };
        (keys, values)
    }

    fn is_one_line(&self, entry: &Entry) -> bool {
        let value = self.span(entry.value);
        let end = if value.is_empty() {
            entry.key_span.end
        } else {
            value.end
        };
        let written = self.text.get(entry.key_span.start..end).unwrap_or("\n");
        !written.contains('\n')
    }
}

fn insert(at: usize, text: String) -> Splice {
    Splice { range: at..at, text }
}

const fn quotes_of(style: Style) -> Quotes {
    match style {
        Style::SingleQuoted => Quotes::Single,
        Style::DoubleQuoted => Quotes::Double,
        Style::Plain | Style::Literal | Style::Folded => Quotes::Plain,
    }
}

const fn is_block(style: Style) -> bool {
    matches!(style, Style::Literal | Style::Folded)
}

#[cfg(test)]
mod tests;
