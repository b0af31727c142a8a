//! JSON texts to a [`Tree`], one after the other as `kubectl get -o json` prints them.
//!
//! JSON is not quite YAML: surrogate pairs, tabs as indentation and keys beyond 1,024 characters
//! are fine in one and not in the other. `serde_json` judges the text; the places are found here.
use std::ops::Range;

use serde::de::IgnoredAny;
use serde_json::{Number, Value};

use super::seen::Seen;
use super::source::Source;
use super::tree::{Entry, Fault, MAX_DEPTH, Node, NodeId, Scalar, Shape, Style, Text, Tree};
use super::yaml::duplicate;

/// Byte ranges of the JSON texts in a range of the source, and what ended them early.
pub(super) fn texts(source: &Source, range: &Range<usize>) -> (Vec<Range<usize>>, Option<Fault>) {
    let text = source.slice(range);
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    let mut found = Vec::new();
    let mut from = 0;
    loop {
        match stream.next() {
            None => return (found, None),
            Some(Ok(IgnoredAny)) => {
                let to = stream.byte_offset();
                let blanks = text
                    .get(from..to)
                    .map_or(0, |part| part.len() - part.trim_start().len());
                found.push(range.start + from + blanks..range.start + to);
                from = to;
            }
            Some(Err(error)) => return (found, Some(fault(text, range.start, &error))),
        }
    }
}

/// The error of `serde_json` at its byte. Its columns count bytes.
fn fault(text: &str, base: usize, error: &serde_json::Error) -> Fault {
    let line: usize = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum();
    let byte = base + (line + error.column().saturating_sub(1)).min(text.len());
    if error.to_string().starts_with("recursion limit") {
        return Fault::too_deep(byte);
    }
    let message = error.to_string();
    let message = message
        .rsplit_once(" at line ")
        .map_or(message.as_str(), |(message, _)| message);
    Fault::new(byte, format!("not JSON: {message}"))
}

/// Reads one JSON text that [`texts`] found.
pub(super) fn parse(source: &Source, range: &Range<usize>) -> Result<(Tree, NodeId), Fault> {
    let mut reader = Reader {
        source,
        at: range.start,
        tree: Tree::json(),
    };
    let root = reader.value(0)?;
    reader.tree.shrink();
    Ok((reader.tree, root))
}

struct Reader<'a> {
    source: &'a Source,
    at: usize,
    tree: Tree,
}

impl<'a> Reader<'a> {
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.source.text().as_bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    /// True, and past it, where the next token is this one.
    fn take(&mut self, token: u8) -> bool {
        let there = self.peek() == Some(token);
        self.at += usize::from(there);
        there
    }

    fn value(&mut self, depth: usize) -> Result<NodeId, Fault> {
        let first = self.peek();
        let start = self.at;
        if depth > MAX_DEPTH {
            return Err(Fault::too_deep(start));
        }
        let shape = match first {
            Some(b'{') => self.mapping(depth)?,
            Some(b'[') => self.sequence(depth)?,
            Some(b'"') => {
                let text = self.string()?;
                Shape::Scalar {
                    value: Scalar::Text(Text::new(&text, self.source, &(start..self.at))),
                    style: Style::DoubleQuoted,
                }
            }
            _ => {
                let value = self.word()?;
                Shape::Scalar {
                    value: Scalar::new(value, self.source, &(start..self.at)),
                    style: Style::Plain,
                }
            }
        };
        Ok(self.tree.push(Node {
            span: start..self.at,
            shape,
        }))
    }

    fn mapping(&mut self, depth: usize) -> Result<Shape, Fault> {
        self.at += 1;
        let mut entries = Vec::new();
        let mut seen = Seen::default();
        while self.peek() == Some(b'"') {
            let start = self.at;
            let key = self.string()?;
            let key_span = start..self.at;
            if let Some(first) = seen.find(self.source, &entries, &key, start) {
                return Err(duplicate(self.source, &key, first, start));
            }
            self.take(b':');
            let value = self.value(depth + 1)?;
            entries.push(Entry {
                key: Some(Text::new(&key, self.source, &key_span)),
                key_span,
                value,
            });
            self.take(b',');
        }
        self.take(b'}');
        Ok(Shape::Mapping(entries.into()))
    }

    fn sequence(&mut self, depth: usize) -> Result<Shape, Fault> {
        self.at += 1;
        let mut items = Vec::new();
        while !self.take(b']') {
            items.push(self.value(depth + 1)?);
            self.take(b',');
        }
        Ok(Shape::Sequence(items.into()))
    }

    fn string(&mut self) -> Result<String, Fault> {
        let start = self.at;
        let mut escaped = true; // the opening quote ends nothing
        let length = self.rest().bytes().position(|byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        });
        let raw = length
            .and_then(|length| self.rest().get(..=length))
            .unwrap_or_default();
        self.at += raw.len();
        serde_json::from_str(raw).map_err(|error| fault(raw, start, &error))
    }

    /// A number, `true`, `false` or `null`.
    fn word(&mut self) -> Result<Value, Fault> {
        let start = self.at;
        let raw = self.rest();
        let length = raw
            .find([',', ']', '}', ' ', '\t', '\r', '\n'])
            .unwrap_or(raw.len());
        let raw = raw.get(..length).unwrap_or_default();
        self.at += length;
        match raw {
            "null" => Ok(Value::Null),
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => serde_json::from_str::<Number>(raw)
                .map(Value::Number)
                .map_err(|error| fault(raw, start, &error)),
        }
    }

    fn rest(&self) -> &'a str {
        self.source.text().get(self.at..).unwrap_or_default()
    }
}
