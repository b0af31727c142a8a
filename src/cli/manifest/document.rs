//! One object, its value for the engine, and the way back from a JSON pointer to the file.
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use super::deserialize::NodeReader;
use super::error::InputError;
use super::in_scalar;
use super::lazy::LazyValue;
use super::source::{Location, Source};
use super::tree::{Fault, NodeId, Scalar, Shape, Tree};

/// One Kubernetes object and where each of its parts stands.
#[derive(Debug, Clone)]
pub struct Document {
    /// The object as JSON, as the API server would get it. Looking at it makes it; the functions of the
    /// document and [`decode`](super::decode) do without where they can.
    pub value: LazyValue,
    pointer_prefix: String,
}

impl Document {
    /// # Errors
    /// Aliases or merges that cannot be carried out.
    pub(super) fn new(source: Arc<Source>, tree: Tree, root: NodeId) -> Result<Self, Fault> {
        let tree = Arc::new(tree);
        let value = if tree.is_plain() {
            LazyValue::of_plain(source, tree, root)
        } else {
            let value = tree.value(&source, root)?;
            LazyValue::made(source, tree, root, value)
        };
        Ok(Self {
            value,
            pointer_prefix: String::new(),
        })
    }

    /// An empty object, for a file that holds none.
    pub(super) fn empty(source: Arc<Source>) -> Self {
        let empty = Value::Object(serde_json::Map::new());
        Self {
            value: LazyValue::made(source, Arc::default(), 0, empty),
            pointer_prefix: String::new(),
        }
    }

    /// The file as the user named it, or `<stdin>`.
    #[must_use]
    pub fn file(&self) -> &Arc<str> {
        self.value.source.name()
    }

    /// The file that the object stands in; spans are byte ranges in its text.
    #[must_use]
    pub fn source(&self) -> &Arc<Source> {
        &self.value.source
    }

    /// Where the object stands inside its document: empty, or `/items/3` for an item of a list.
    #[must_use]
    pub fn pointer_prefix(&self) -> &str {
        &self.pointer_prefix
    }

    /// The object's `kind`, empty where it has none.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.top("kind")
    }

    /// The object's `apiVersion`, empty where it has none.
    #[must_use]
    pub fn api_version(&self) -> &str {
        self.top("apiVersion")
    }

    fn top(&self, key: &str) -> &str {
        let LazyValue {
            source, tree, root, ..
        } = &self.value;
        let text = match self.value.if_made() {
            // The items of a typed list get their kind from the list, so only the value has it.
            Some(value) => value.get(key).and_then(Value::as_str),
            None => tree
                .child(source, *root, key)
                .and_then(|(node, _)| tree.text(source, node)),
        };
        text.unwrap_or_default()
    }

    /// How many items the list at a JSON pointer has; `None` where there is no list.
    #[must_use]
    pub fn items(&self, pointer: &str) -> Option<usize> {
        let found = self.walk(pointer);
        match &self.value.tree.resolved(found.node)?.shape {
            Shape::Sequence(items) if found.whole => Some(items.len()),
            _ => None,
        }
    }

    /// The nodes to decode from; `None` where only the value has all of the object.
    pub(super) fn reader(&self) -> Option<NodeReader<'_>> {
        let LazyValue {
            source, tree, root, ..
        } = &self.value;
        let whole = tree.is_plain() && self.value.if_made().is_none();
        whole.then(|| NodeReader::new(source, tree, *root))
    }

    /// The place of the value at a JSON pointer (relative to this object; empty is the object).
    ///
    /// Where it does not exist: the key of the nearest parent that does, with `exact` false.
    #[must_use]
    pub fn locate(&self, pointer: &str) -> Location {
        let found = self.walk(pointer);
        if !found.whole {
            return self.nearest(&found);
        }
        let span = self.span(found.node);
        // A null that is left out (`spec:`) has no text of its own.
        let span = if span.is_empty() {
            found.key.unwrap_or(span)
        } else {
            span
        };
        self.source().location(span)
    }

    /// The place of the key at a JSON pointer; an item of a sequence has none and gives its value.
    ///
    /// Where it does not exist: the key of the nearest parent that does, with `exact` false.
    #[must_use]
    pub fn locate_key(&self, pointer: &str) -> Location {
        let found = self.walk(pointer);
        match (found.whole, &found.key) {
            (true, Some(key)) => self.source().location(key.clone()),
            (true, None) => self.source().location(self.span(found.node)),
            (false, _) => self.nearest(&found),
        }
    }

    /// The place in the file of a line and column (both from 1, columns in characters) of a string
    /// value, such as a script. The span reaches to the end of that line.
    ///
    /// Where the writing does not let a line be found (flow text over several lines with escapes):
    /// the start of the scalar, with `exact` false.
    #[must_use]
    pub fn locate_in_scalar(&self, pointer: &str, line: usize, column: usize) -> Location {
        let range = self.text_at(pointer).and_then(|text| {
            let start: usize = text
                .split_inclusive('\n')
                .take(line.checked_sub(1)?)
                .map(str::len)
                .sum();
            let rest = text.get(start..)?;
            let length = rest.find('\n').unwrap_or(rest.len());
            let wanted = rest
                .get(..length)?
                .char_indices()
                .nth(column.checked_sub(1)?)
                .map_or(length, |(at, _)| at);
            Some(start + wanted..start + length)
        });
        self.locate_range_in_scalar(pointer, range.unwrap_or(usize::MAX..usize::MAX))
    }

    /// The place in the file of a byte range of a string value, cut at the end of its first line.
    ///
    /// Falls back as [`Document::locate_in_scalar`] does.
    #[must_use]
    pub fn locate_range_in_scalar(&self, pointer: &str, range: Range<usize>) -> Location {
        let found = self.walk(pointer);
        let source = self.source();
        let node = found
            .whole
            .then(|| self.value.tree.resolved(found.node))
            .flatten();
        let span = node.and_then(|node| match &node.shape {
            Shape::Scalar {
                value: Scalar::Text(text),
                style,
            } => in_scalar::find(source.text(), &node.span, *style, text.get(source), &range),
            _ => None,
        });
        match (span, node) {
            (Some(span), _) => self.source().location(span),
            (None, Some(node)) => Location {
                exact: false,
                ..self.source().location(node.span.clone())
            },
            (None, None) => self.locate(pointer),
        }
    }

    /// An error at the place of a JSON pointer.
    #[must_use]
    pub fn error_at(&self, pointer: &str, message: impl Into<String>) -> InputError {
        InputError::at(self.source(), self.locate(pointer).span.start, message)
    }

    /// The file, its tree, and the object's node in it.
    pub(super) fn parts(&self) -> (&Source, &Tree, NodeId) {
        (&self.value.source, &self.value.tree, self.value.root)
    }

    /// The object itself, or the items of a list, each with its own place.
    pub(super) fn flatten(mut self) -> Vec<Self> {
        let (source, tree) = (Arc::clone(self.source()), Arc::clone(&self.value.tree));
        let root = self.value.root;
        let is_list = self.kind().ends_with("List") && tree.child(&source, root, "spec").is_none();
        let Some((items_node, _)) = tree.child(&source, root, "items").filter(|_| is_list) else {
            return vec![self];
        };
        let (kind, version) = (self.kind().to_owned(), self.api_version().to_owned());
        let item_at = |index: usize| tree.child(&source, items_node, &index.to_string());
        let above = self.pointer_prefix.clone();
        let prefix = |index: usize| format!("{above}/items/{index}");
        if kind == "List" && tree.is_plain() && self.value.if_made().is_none() {
            let count = self.items("/items").unwrap_or(0);
            let items = (0..count).filter_map(|index| {
                let (root, _) = item_at(index)?;
                Some(Self {
                    value: LazyValue::of_plain(Arc::clone(&source), Arc::clone(&tree), root),
                    pointer_prefix: prefix(index),
                })
            });
            return items.flat_map(Self::flatten).collect();
        }
        let mut value = self.value.take();
        let Some(Value::Array(items)) = value.get_mut("items").map(Value::take) else {
            return Vec::new();
        };
        let mut flat = Vec::new();
        for (index, mut item) in items.into_iter().enumerate() {
            let Some((root, _)) = item_at(index) else {
                continue;
            };
            name_item(&mut item, &kind, &version);
            let item = Self {
                value: LazyValue::made(Arc::clone(&source), Arc::clone(&tree), root, item),
                pointer_prefix: prefix(index),
            };
            flat.extend(item.flatten());
        }
        flat
    }

    fn text_at(&self, pointer: &str) -> Option<&str> {
        let found = self.walk(pointer);
        let tree = &self.value.tree;
        found
            .whole
            .then(|| tree.text(self.source(), found.node))
            .flatten()
    }

    fn span(&self, node: NodeId) -> Range<usize> {
        self.value
            .tree
            .get(node)
            .map(|node| node.span.clone())
            .unwrap_or_default()
    }

    fn nearest(&self, found: &Found) -> Location {
        let span = found.key.clone().unwrap_or_else(|| {
            // The whole object would underline the whole file; its first line says enough.
            let span = self.span(found.node);
            let line = self.source().slice(&span).lines().next().map_or(0, str::len);
            span.start..span.start + line
        });
        Location {
            exact: false,
            ..self.source().location(span)
        }
    }

    /// As far down as the pointer leads.
    fn walk(&self, pointer: &str) -> Found {
        let mut found = Found {
            node: self.value.root,
            key: None,
            whole: true,
        };
        for step in pointer.split('/').skip(1) {
            let step = if step.contains('~') {
                Cow::Owned(step.replace("~1", "/").replace("~0", "~"))
            } else {
                Cow::Borrowed(step)
            };
            let Some((node, entry)) = self.value.tree.child(self.source(), found.node, &step) else {
                found.whole = false;
                break;
            };
            found = Found {
                node,
                key: entry.map(|entry| entry.key_span.clone()),
                whole: true,
            };
        }
        found
    }
}

struct Found {
    node: NodeId,
    key: Option<Range<usize>>,
    whole: bool,
}

/// Items of a typed list (`JobList`) name neither kind nor version: the list does it for them.
fn name_item(item: &mut Value, list_kind: &str, list_version: &str) {
    let kind = list_kind.strip_suffix("List").unwrap_or_default();
    if let Some(object) = item.as_object_mut().filter(|_| !kind.is_empty()) {
        object.entry("kind").or_insert_with(|| Value::from(kind));
        object
            .entry("apiVersion")
            .or_insert_with(|| Value::from(list_version));
    }
}
