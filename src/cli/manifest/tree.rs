//! A document as nodes with places, before aliases and merges are carried out.
//!
//! Nodes lie in one arena and an alias is an index into it, so that a document of aliases to
//! aliases stays as small as its text. Only [`Tree::value`] multiplies, under a budget.
use std::collections::HashSet;
use std::ops::Range;

use granit_parser::ScalarStyle;
use serde_json::{Map, Number, Value};

use super::source::Source;

/// Index of a node in its tree.
pub(super) type NodeId = usize;

/// Collections inside each other; as deep as `serde_json` reads, twice as deep as any API type.
pub(super) const MAX_DEPTH: usize = 128;

/// Nodes that aliases may add to one document; ten times what the largest API object can hold.
const MAX_ALIASED_NODES: usize = 1_000_000;

/// Bytes of text that aliases may add to one document; the API server takes objects of 3 MiB.
const MAX_ALIASED_BYTES: usize = 16 * 1024 * 1024;

/// How a string is written, which decides whether a line in it can be found in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
    Folded,
}

impl From<ScalarStyle> for Style {
    fn from(style: ScalarStyle) -> Self {
        match style {
            ScalarStyle::Plain => Self::Plain,
            ScalarStyle::SingleQuoted => Self::SingleQuoted,
            ScalarStyle::DoubleQuoted => Self::DoubleQuoted,
            ScalarStyle::Literal => Self::Literal,
            ScalarStyle::Folded => Self::Folded,
        }
    }
}

/// Text of a node: where it stands in the source as it is, or a copy where escapes, folding or indentation
/// change it. Most text stands there as it is, and a copy of every key and value would outweigh the source.
#[derive(Debug, Clone)]
pub(super) enum Text {
    Verbatim { start: u32, length: u32 },
    Own(Box<str>),
}

impl Text {
    /// The text of a scalar that was written in `span`, in quotes or without.
    pub(super) fn new(text: &str, source: &Source, span: &Range<usize>) -> Self {
        let inside = span.start + 1..span.end.max(span.start + 2) - 1;
        let place = [span.clone(), inside]
            .into_iter()
            .find(|place| source.slice(place) == text)
            .and_then(|place| Some((u32::try_from(place.start).ok()?, u32::try_from(text.len()).ok()?)));
        match place {
            Some((start, length)) => Self::Verbatim { start, length },
            None => Self::Own(text.into()),
        }
    }

    /// The text that fills `place` as it is.
    pub(super) fn verbatim(source: &Source, place: &Range<usize>) -> Self {
        match (u32::try_from(place.start), u32::try_from(place.len())) {
            (Ok(start), Ok(length)) => Self::Verbatim { start, length },
            _ => Self::Own(source.slice(place).into()),
        }
    }

    /// The text itself.
    pub(super) fn get<'a>(&'a self, source: &'a Source) -> &'a str {
        match self {
            Self::Verbatim { start, length } => {
                let start = *start as usize;
                source.slice(&(start..start + *length as usize))
            }
            Self::Own(text) => text,
        }
    }
}

/// A value that holds no other.
#[derive(Debug, Clone)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Number(Number),
    Text(Text),
}

impl Scalar {
    /// What was read as `value` from `span`.
    pub(super) fn new(value: Value, source: &Source, span: &Range<usize>) -> Self {
        match value {
            Value::Bool(flag) => Self::Bool(flag),
            Value::Number(number) => Self::Number(number),
            Value::String(text) => Self::Text(Text::new(&text, source, span)),
            Value::Null | Value::Array(_) | Value::Object(_) => Self::Null,
        }
    }

    fn value(&self, source: &Source) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(flag) => Value::Bool(*flag),
            Self::Number(number) => Value::Number(number.clone()),
            Self::Text(text) => Value::String(text.get(source).to_owned()),
        }
    }
}

/// One key of a mapping.
#[derive(Debug)]
pub(super) struct Entry {
    /// The key as JSON spells it; `None` for a merge key, whose value is merged in at this place.
    pub(super) key: Option<Text>,
    pub(super) key_span: Range<usize>,
    pub(super) value: NodeId,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum Shape {
    Scalar { value: Scalar, style: Style },
    Sequence(Box<[NodeId]>),
    Mapping(Box<[Entry]>),
    Alias(NodeId),
}

/// A node and its byte range in the source.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) shape: Shape,
}

/// The nodes of one document.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    /// Nodes that an alias repeats.
    aliased: HashSet<NodeId>,
    /// Whether the text is JSON, which has no other way to write a value.
    pub(super) json: bool,
    /// True where an alias or a merge key makes the value more than the nodes.
    multiplies: bool,
}

/// Something wrong at a byte of the source.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) byte: usize,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(byte: usize, message: impl Into<String>) -> Self {
        Self {
            byte,
            message: message.into(),
        }
    }

    pub(super) fn too_deep(byte: usize) -> Self {
        Self::new(byte, format!("nested deeper than {MAX_DEPTH} levels"))
    }
}

impl Tree {
    /// The tree of a JSON text, empty.
    pub(super) fn json() -> Self {
        Self {
            json: true,
            ..Self::default()
        }
    }

    pub(super) fn push(&mut self, node: Node) -> NodeId {
        if let Shape::Alias(target) = node.shape {
            self.aliased.insert(target);
            self.multiplies = true;
        }
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Gives back what the nodes did not need.
    pub(super) fn shrink(&mut self) {
        self.nodes.shrink_to_fit();
    }

    /// Notes that a merge key stands in the document.
    pub(super) const fn merges(&mut self) {
        self.multiplies = true;
    }

    /// True where [`Tree::value`] cannot fail: the value is the nodes, one for one.
    pub(super) const fn is_plain(&self) -> bool {
        !self.multiplies
    }

    /// The text of a scalar.
    pub(super) fn text<'a>(&'a self, source: &'a Source, id: NodeId) -> Option<&'a str> {
        match &self.resolved(id)?.shape {
            Shape::Scalar {
                value: Scalar::Text(text),
                ..
            } => Some(text.get(source)),
            _ => None,
        }
    }

    pub(super) fn get(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id)
    }

    pub(super) fn get_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        self.nodes.get_mut(id)
    }

    /// Every node.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter()
    }

    /// Whether an alias repeats the node in another place.
    pub(super) fn is_aliased(&self, id: NodeId) -> bool {
        self.aliased.contains(&id)
    }

    /// The node itself, or the one that it is an alias of.
    pub(super) fn resolved(&self, id: NodeId) -> Option<&Node> {
        let node = self.nodes.get(id)?;
        match node.shape {
            // An anchor is never set on an alias, so one step is the whole way.
            Shape::Alias(target) => self.nodes.get(target),
            _ => Some(node),
        }
    }

    /// One step down: a sequence's index or a mapping's key, through aliases and merges.
    ///
    /// The entry comes with it where the step is a key.
    pub(super) fn child(&self, source: &Source, id: NodeId, step: &str) -> Option<(NodeId, Option<&Entry>)> {
        match &self.resolved(id)?.shape {
            Shape::Sequence(items) => {
                let index: usize = step.parse().ok()?;
                items.get(index).map(|item| (*item, None))
            }
            Shape::Mapping(entries) => {
                entry(self, source, entries, step, MAX_DEPTH).map(|entry| (entry.value, Some(entry)))
            }
            Shape::Scalar { .. } | Shape::Alias(_) => None,
        }
    }

    /// The document as JSON, with aliases and merges carried out.
    pub(super) fn value(&self, source: &Source, root: NodeId) -> Result<Value, Fault> {
        let mut budget = Budget {
            nodes: MAX_ALIASED_NODES,
            bytes: MAX_ALIASED_BYTES,
            aliased_at: None,
        };
        self.build(source, root, 0, &mut budget)
    }

    fn build(&self, source: &Source, id: NodeId, depth: usize, budget: &mut Budget) -> Result<Value, Fault> {
        let Some(node) = self.nodes.get(id) else {
            return Ok(Value::Null);
        };
        if depth > MAX_DEPTH {
            return Err(Fault::too_deep(budget.aliased_at.unwrap_or(node.span.start)));
        }
        match &node.shape {
            Shape::Scalar { value, .. } => {
                let value = value.value(source);
                budget.take(value.as_str().map_or(8, str::len))?;
                Ok(value)
            }
            Shape::Sequence(items) => {
                budget.take(0)?;
                let items: Result<_, _> = items
                    .iter()
                    .map(|item| self.build(source, *item, depth + 1, budget))
                    .collect();
                Ok(Value::Array(items?))
            }
            Shape::Mapping(entries) => {
                budget.take(0)?;
                let mut object = Map::new();
                for entry in entries {
                    let value = self.build(source, entry.value, depth + 1, budget)?;
                    match &entry.key {
                        Some(key) => {
                            let key = key.get(source);
                            budget.take(key.len())?;
                            object.insert(key.to_owned(), value);
                        }
                        None => merge(&mut object, value, entry)?,
                    }
                }
                Ok(Value::Object(object))
            }
            Shape::Alias(target) => {
                let outer = budget.aliased_at;
                budget.aliased_at = outer.or(Some(node.span.start));
                let value = self.build(source, *target, depth + 1, budget);
                budget.aliased_at = outer;
                value
            }
        }
    }
}

/// Carries out a merge key. As go.yaml.in/yaml/v2 does, at the place where it stands: keys
/// above it are overridden, keys below it override; in a list of mappings the first one wins.
fn merge(object: &mut Map<String, Value>, value: Value, entry: &Entry) -> Result<(), Fault> {
    let wrong = || {
        Fault::new(
            entry.key_span.start,
            "`<<` needs a mapping or a list of mappings to merge",
        )
    };
    let sources = match value {
        Value::Array(items) => items,
        other => vec![other],
    };
    for source in sources.into_iter().rev() {
        let Value::Object(source) = source else {
            return Err(wrong());
        };
        object.extend(source);
    }
    Ok(())
}

/// The entry that gives a key its value: the last one that sets it, explicitly or by merge.
fn entry<'a>(
    tree: &'a Tree,
    source: &Source,
    entries: &'a [Entry],
    key: &str,
    depth: usize,
) -> Option<&'a Entry> {
    let depth = depth.checked_sub(1)?;
    entries.iter().rev().find_map(|candidate| match &candidate.key {
        Some(name) => (name.get(source) == key).then_some(candidate),
        None => merged_entry(tree, source, candidate.value, key, depth),
    })
}

fn merged_entry<'a>(
    tree: &'a Tree,
    source: &Source,
    id: NodeId,
    key: &str,
    depth: usize,
) -> Option<&'a Entry> {
    match &tree.resolved(id)?.shape {
        Shape::Mapping(entries) => entry(tree, source, entries, key, depth),
        Shape::Sequence(items) => items.iter().find_map(|item| match &tree.resolved(*item)?.shape {
            Shape::Mapping(entries) => entry(tree, source, entries, key, depth),
            _ => None,
        }),
        _ => None,
    }
}

/// What aliases may still add. Content that stands in the text is bounded by the text.
struct Budget {
    nodes: usize,
    bytes: usize,
    /// The outermost alias that is being carried out.
    aliased_at: Option<usize>,
}

impl Budget {
    fn take(&mut self, bytes: usize) -> Result<(), Fault> {
        let Some(at) = self.aliased_at else { return Ok(()) };
        match (self.nodes.checked_sub(1), self.bytes.checked_sub(bytes)) {
            (Some(nodes), Some(bytes)) => {
                (self.nodes, self.bytes) = (nodes, bytes);
                Ok(())
            }
            _ => Err(Fault::new(
                at,
                "aliases multiply this document beyond any Kubernetes object; write it out",
            )),
        }
    }
}
