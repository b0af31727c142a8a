//! One object, its value for the engine, and the way back from a JSON pointer to the file.
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use super::error::InputError;
use super::in_scalar;
use super::source::{Location, Source};
use super::tree::{NodeId, Shape, Tree};

/// One Kubernetes object and where each of its parts stands.
#[derive(Debug, Clone)]
pub struct Document {
    /// The object as JSON, as the API server would get it.
    pub value: Value,
    source: Arc<Source>,
    tree: Arc<Tree>,
    root: NodeId,
    pointer_prefix: String,
}

impl Document {
    pub(super) fn new(source: Arc<Source>, tree: Tree, root: NodeId, value: Value) -> Self {
        Self {
            value,
            source,
            tree: Arc::new(tree),
            root,
            pointer_prefix: String::new(),
        }
    }

    /// The file as the user named it, or `<stdin>`.
    #[must_use]
    pub fn file(&self) -> &Arc<str> {
        self.source.name()
    }

    /// The file that the object stands in; spans are byte ranges in its text.
    #[must_use]
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// Where the object stands inside its document: empty, or `/items/3` for an item of a list.
    #[must_use]
    pub fn pointer_prefix(&self) -> &str {
        &self.pointer_prefix
    }

    /// The object's `kind`, empty where it has none.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.value.get("kind").and_then(Value::as_str).unwrap_or_default()
    }

    /// The object's `apiVersion`, empty where it has none.
    #[must_use]
    pub fn api_version(&self) -> &str {
        self.value
            .get("apiVersion")
            .and_then(Value::as_str)
            .unwrap_or_default()
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
        self.source.location(span)
    }

    /// The place of the key at a JSON pointer; an item of a sequence has none and gives its value.
    ///
    /// Where it does not exist: the key of the nearest parent that does, with `exact` false.
    #[must_use]
    pub fn locate_key(&self, pointer: &str) -> Location {
        let found = self.walk(pointer);
        match (found.whole, &found.key) {
            (true, Some(key)) => self.source.location(key.clone()),
            (true, None) => self.source.location(self.span(found.node)),
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
        let node = found.whole.then(|| self.tree.resolved(found.node)).flatten();
        let span = node.and_then(|node| match &node.shape {
            Shape::Scalar {
                value: Value::String(text),
                style,
            } => in_scalar::find(self.source.text(), &node.span, *style, text, &range),
            _ => None,
        });
        match (span, node) {
            (Some(span), _) => self.source.location(span),
            (None, Some(node)) => Location {
                exact: false,
                ..self.source.location(node.span.clone())
            },
            (None, None) => self.locate(pointer),
        }
    }

    /// An error at the place of a JSON pointer.
    #[must_use]
    pub fn error_at(&self, pointer: &str, message: impl Into<String>) -> InputError {
        InputError::at(&self.source, self.locate(pointer).span.start, message)
    }

    /// The file, its tree, and the object's node in it.
    pub(super) fn parts(&self) -> (&Source, &Tree, NodeId) {
        (&self.source, &self.tree, self.root)
    }

    /// The object itself, or the items of a list, each with its own place.
    pub(super) fn flatten(self) -> Vec<Self> {
        let is_list = self.kind().ends_with("List") && self.value.get("spec").is_none();
        let Some((items_node, _)) = self.tree.child(self.root, "items").filter(|_| is_list) else {
            return vec![self];
        };
        let (kind, version) = (self.kind().to_owned(), self.api_version().to_owned());
        let Self {
            mut value,
            source,
            tree,
            pointer_prefix,
            ..
        } = self;
        let Some(Value::Array(items)) = value.get_mut("items").map(Value::take) else {
            return Vec::new();
        };
        let mut flat = Vec::new();
        for (index, mut item) in items.into_iter().enumerate() {
            let Some((root, _)) = tree.child(items_node, &index.to_string()) else {
                continue;
            };
            name_item(&mut item, &kind, &version);
            let item = Self {
                value: item,
                source: Arc::clone(&source),
                tree: Arc::clone(&tree),
                root,
                pointer_prefix: format!("{pointer_prefix}/items/{index}"),
            };
            flat.extend(item.flatten());
        }
        flat
    }

    fn text_at(&self, pointer: &str) -> Option<&str> {
        self.value.pointer(pointer)?.as_str()
    }

    fn span(&self, node: NodeId) -> Range<usize> {
        self.tree
            .get(node)
            .map(|node| node.span.clone())
            .unwrap_or_default()
    }

    fn nearest(&self, found: &Found) -> Location {
        let span = found.key.clone().unwrap_or_else(|| {
            // The whole object would underline the whole file; its first line says enough.
            let span = self.span(found.node);
            let line = self.source.slice(&span).lines().next().map_or(0, str::len);
            span.start..span.start + line
        });
        Location {
            exact: false,
            ..self.source.location(span)
        }
    }

    /// As far down as the pointer leads.
    fn walk(&self, pointer: &str) -> Found {
        let mut found = Found {
            node: self.root,
            key: None,
            whole: true,
        };
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            let Some((node, entry)) = self.tree.child(found.node, &step) else {
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
