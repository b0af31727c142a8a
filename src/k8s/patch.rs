//! Edits into a JSON patch (RFC 6902) for the object exactly as it was received.
//!
//! The object's text is walked once, along the pointers of the edits alone, to learn which of their parents
//! exist; nothing else of it is read, so nothing of it can be lost.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::text::Str;
use crate::engine::finding::{Edit, Setting};

/// One operation of a JSON patch; its parts are borrowed from the edit that it is made for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Operation<'e> {
    /// `add` or `replace`.
    pub op: &'static str,
    /// Where.
    pub path: Path<'e>,
    /// The value.
    pub value: Written<'e>,
}

/// A JSON pointer, serialised as one string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path<'e> {
    /// The field or the list.
    pub field: &'e str,
    /// The place in the list: `/-` for its end, `/0` for its beginning.
    pub item: &'static str,
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.field)?;
        f.write_str(self.item)
    }
}

impl Serialize for Path<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.item.is_empty() {
            return serializer.serialize_str(self.field);
        }
        serializer.collect_str(self)
    }
}

/// What an operation writes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Written<'e> {
    /// A parent that was absent: `{}`.
    Parent,
    /// What the edit writes.
    Value(Item<'e>),
    /// A list with what the edit writes as its only item.
    List(Item<'e>),
}

/// What an edit writes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Item<'e> {
    /// Any value.
    Json(&'e Value),
    /// A variable of a container.
    Variable {
        /// Its name.
        name: &'e str,
        /// Its value.
        value: &'e Setting,
    },
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Json(value) => value.serialize(serializer),
            Self::Variable { name, value } => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("name", name)?;
                map.serialize_entry("value", value)?;
                map.end()
            }
        }
    }
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Parent => serializer.serialize_map(Some(0))?.end(),
            Self::Value(value) => value.serialize(serializer),
            Self::List(value) => [value].serialize(serializer),
        }
    }
}

/// Why edits cannot be made on an object.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// The text is no JSON object.
    #[error("the object cannot be read: {0}")]
    Unreadable(#[from] super::json::Error),
    /// A parent of an edited field is of another type, or the pointer is none.
    #[error("{pointer} cannot be written: {why}")]
    Unreachable {
        /// JSON pointer of the edit.
        pointer: String,
        /// What stands in its way.
        why: &'static str,
    },
}

/// Writes edits as a JSON patch for `object`, the text of the whole object. The order of the edits is kept;
/// parents that are absent or null are added.
///
/// # Errors
/// [`PatchError`] if the text is no JSON or a parent of an edited field is neither object nor array.
pub fn json_patch<'e>(object: &str, edits: &'e [Edit]) -> Result<Vec<Operation<'e>>, PatchError> {
    let mut tree = Tree::with_room_for(edits);
    for edit in edits {
        let keys = edit.pointer().split('/').skip(1);
        keys.fold(ROOT, |node, key| tree.child(node, key));
    }
    super::json::read_by(
        object,
        Shape {
            tree: &mut tree,
            node: ROOT,
        },
    )?;
    let mut operations = Vec::with_capacity(edits.len() + MOST_PARENTS);
    for edit in edits {
        write(&mut tree, edit, &mut operations).map_err(|why| PatchError::Unreachable {
            pointer: edit.pointer().to_owned(),
            why,
        })?;
    }
    Ok(operations)
}

/// What stands at a pointer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Absent,
    Null,
    Scalar,
    Object,
    Array(usize),
}

/// Parents that are absent from most objects: annotations, an environment or two.
const MOST_PARENTS: usize = 4;

/// The whole object in a [`Tree`].
const ROOT: usize = 0;

/// A place that an edit passes.
#[derive(Debug, Default)]
struct Node<'e> {
    /// As the pointer has it, escaped.
    key: &'e str,
    state: State,
    /// The first of its children.
    first: Option<usize>,
    /// The next child of its parent.
    next: Option<usize>,
}

impl Node<'_> {
    const fn is_empty(&self) -> bool {
        matches!(self.state, State::Absent | State::Null)
    }
}

/// All places that edits pass, in one list.
#[derive(Debug)]
struct Tree<'e>(Vec<Node<'e>>);

impl<'e> Tree<'e> {
    fn with_room_for(edits: &[Edit]) -> Self {
        let mut nodes = Vec::with_capacity(2 * edits.len() + 16);
        nodes.push(Node::default());
        Self(nodes)
    }

    /// The child that a test picks.
    fn find(&self, parent: usize, is_wanted: impl Fn(&str) -> bool) -> Option<usize> {
        let mut children = std::iter::successors(self.0[parent].first, |child| self.0[*child].next);
        children.find(|child| is_wanted(self.0[*child].key))
    }

    /// The child of a key, made where there is none.
    fn child(&mut self, parent: usize, key: &'e str) -> usize {
        if let Some(child) = self.find(parent, |other| other == key) {
            return child;
        }
        let child = self.0.len();
        self.0.push(Node {
            key,
            next: self.0[parent].first,
            ..Node::default()
        });
        self.0[parent].first = Some(child);
        child
    }
}

/// The number of an item, as RFC 6901 writes it: digits without a leading zero.
fn index(key: &str) -> Option<usize> {
    let canonical = key == "0" || key.starts_with(|c: char| matches!(c, '1'..='9'));
    key.parse().ok().filter(|_| canonical)
}

/// True where a key of a pointer, with its escapes, names a field.
fn names(escaped: &str, field: &str) -> bool {
    if !escaped.contains('~') {
        return escaped == field;
    }
    let mut field = field.chars();
    let mut key = escaped.chars().peekable();
    while let Some(c) = key.next() {
        let c = match (c, key.peek()) {
            ('~', Some('0')) => key.next().map(|_| '~'),
            ('~', Some('1')) => key.next().map(|_| '/'),
            _ => Some(c),
        };
        if c != field.next() {
            return false;
        }
    }
    field.next().is_none()
}

/// Makes one edit on the tree of states and notes the operation.
fn write<'e>(
    tree: &mut Tree<'e>,
    edit: &'e Edit,
    operations: &mut Vec<Operation<'e>>,
) -> Result<(), &'static str> {
    let pointer = edit.pointer();
    if !pointer.starts_with('/') {
        return Err("the pointer names no field");
    }
    let (parent, last) = pointer.rsplit_once('/').ok_or("the pointer names no field")?;
    let mut node = ROOT;
    let mut length = 0;
    for key in parent.split('/').skip(1) {
        node = step(tree, node, key)?;
        length += 1 + key.len();
        if tree.0[node].is_empty() {
            tree.0[node].state = State::Object;
            operations.push(Operation {
                op: "add",
                path: Path {
                    field: &pointer[..length],
                    item: "",
                },
                value: Written::Parent,
            });
        }
    }
    let node = step(tree, node, last)?;
    let node = &mut tree.0[node];
    let item = match edit {
        Edit::Set { value, .. } | Edit::Append { value, .. } | Edit::Prepend { value, .. } => {
            Item::Json(value)
        }
        Edit::Variable { name, value, .. } => Item::Variable { name, value },
    };
    let (op, place, value) = match (edit, node.state) {
        (Edit::Set { value, .. }, state) => {
            let op = if state == State::Absent { "add" } else { "replace" };
            node.state = state_of(value);
            node.first = None;
            (op, "", Written::Value(item))
        }
        (_, State::Absent | State::Null) => {
            node.state = State::Array(1);
            ("add", "", Written::List(item))
        }
        (_, State::Array(length)) => {
            node.state = State::Array(length + 1);
            let place = if matches!(edit, Edit::Prepend { .. }) {
                // What was known of the items stands under other numbers from here on.
                node.first = None;
                "/0"
            } else {
                "/-"
            };
            ("add", place, Written::Value(item))
        }
        (_, State::Scalar | State::Object) => return Err("it is no array"),
    };
    let path = Path {
        field: pointer,
        item: place,
    };
    operations.push(Operation { op, path, value });
    Ok(())
}

fn step<'e>(tree: &mut Tree<'e>, node: usize, key: &'e str) -> Result<usize, &'static str> {
    match tree.0[node].state {
        State::Object => Ok(tree.child(node, key)),
        State::Array(_) => {
            let item = tree.child(node, key);
            if tree.0[item].state == State::Absent {
                return Err("the array has no such item");
            }
            Ok(item)
        }
        State::Absent | State::Null | State::Scalar => Err("its parent is neither object nor array"),
    }
}

const fn state_of(value: &Value) -> State {
    match value {
        Value::Null => State::Null,
        Value::Object(_) => State::Object,
        // The items of an array that was written whole are never edited one by one.
        Value::Array(items) => State::Array(items.len()),
        _ => State::Scalar,
    }
}

/// Fills the states of a tree from the text, and skips all that no edit passes.
struct Shape<'n, 'e> {
    tree: &'n mut Tree<'e>,
    node: usize,
}

impl<'e> Shape<'_, 'e> {
    fn note(&mut self, state: State) {
        self.tree.0[self.node].state = state;
    }

    /// Of one of its children.
    fn of(&mut self, node: usize) -> Shape<'_, 'e> {
        Shape {
            tree: &mut *self.tree,
            node,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Shape<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Shape<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.note(State::Object);
        while let Some(Str(key)) = map.next_key::<Str<'de>>()? {
            match self.tree.find(self.node, |child| names(child, &key)) {
                Some(child) => map.next_value_seed(self.of(child))?,
                None => map.next_value::<IgnoredAny>().map(|_| ())?,
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let mut length = 0;
        loop {
            let item = match self.tree.find(self.node, |child| index(child) == Some(length)) {
                Some(child) => items.next_element_seed(self.of(child))?,
                None => items.next_element::<IgnoredAny>()?.map(|_| ()),
            };
            if item.is_none() {
                break;
            }
            length += 1;
        }
        self.note(State::Array(length));
        Ok(())
    }

    fn visit_unit<E: Error>(mut self) -> Result<(), E> {
        self.note(State::Null);
        Ok(())
    }

    fn visit_str<E: Error>(mut self, _: &str) -> Result<(), E> {
        self.note(State::Scalar);
        Ok(())
    }

    fn visit_bool<E: Error>(mut self, _: bool) -> Result<(), E> {
        self.note(State::Scalar);
        Ok(())
    }

    fn visit_i64<E: Error>(mut self, _: i64) -> Result<(), E> {
        self.note(State::Scalar);
        Ok(())
    }

    fn visit_u64<E: Error>(mut self, _: u64) -> Result<(), E> {
        self.note(State::Scalar);
        Ok(())
    }

    fn visit_f64<E: Error>(mut self, _: f64) -> Result<(), E> {
        self.note(State::Scalar);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(pointer: &str, value: Value) -> Edit {
        Edit::Set {
            pointer: pointer.into(),
            value,
        }
    }

    fn append(pointer: &str, value: Value) -> Edit {
        Edit::Append {
            pointer: pointer.into(),
            value,
        }
    }

    fn prepend(pointer: &str, value: Value) -> Edit {
        Edit::Prepend {
            pointer: pointer.into(),
            value,
        }
    }

    /// Makes the patch and applies it as the API server does.
    fn patched(object: &Value, edits: &[Edit]) -> Value {
        let operations = json_patch(&object.to_string(), edits).expect("a patch");
        let patch: json_patch::Patch =
            serde_json::from_value(serde_json::to_value(operations).expect("serializes")).expect("RFC 6902");
        let mut object = object.clone();
        json_patch::patch(&mut object, &patch).expect("applies");
        object
    }

    #[test]
    fn absent_and_null_parents_are_made() {
        let edits = [
            set("/metadata/annotations/hookbudget.dev~1rewritten", "x".into()),
            append("/spec/containers/0/env", json!({"name": "A"})),
            append("/spec/containers/0/env", json!({"name": "B"})),
            set("/spec/backoffLimit", 1.into()),
        ];
        for absent in [
            json!({"metadata": {}, "spec": {"containers": [{}]}}),
            json!({"metadata": null, "spec": {"containers": [{"env": null}], "backoffLimit": null}}),
            json!({"spec": {"containers": [{"env": []}], "backoffLimit": 6}}),
        ] {
            assert_eq!(
                patched(&absent, &edits),
                json!({"metadata": {"annotations": {"hookbudget.dev/rewritten": "x"}},
                       "spec": {"containers": [{"env": [{"name": "A"}, {"name": "B"}]}], "backoffLimit": 1}}),
                "{absent}"
            );
        }
    }

    #[test]
    fn what_no_edit_names_stays_as_it_is() {
        let object = json!({"metadata": {"annotations": {"a/b": "1", "a~b": "2", "a~1b": "3"}},
                            "spec": {"unknown": [1.5, {"x": true}], "items": [{"v": 1}, {"v": 2, "w": "ä\n"}]}});
        let edits = [
            set("/metadata/annotations/a~1b", "slash".into()),
            set("/metadata/annotations/a~0b", "tilde".into()),
            set("/metadata/annotations/a~01b", "both".into()),
            set("/spec/items/1/v", 3.into()),
        ];
        assert_eq!(
            patched(&object, &edits),
            json!({"metadata": {"annotations": {"a/b": "slash", "a~b": "tilde", "a~1b": "both"}},
                   "spec": {"unknown": [1.5, {"x": true}], "items": [{"v": 1}, {"v": 3, "w": "ä\n"}]}})
        );
    }

    #[test]
    fn a_list_grows_at_both_ends() {
        let edits = [
            set("/l/0/v", 9.into()),
            append("/l", json!({"v": 2})),
            prepend("/l", json!({"v": 0})),
        ];
        assert_eq!(
            patched(&json!({"l": [{"v": 1}]}), &edits),
            json!({"l": [{"v": 0}, {"v": 9}, {"v": 2}]})
        );
        assert_eq!(
            patched(&json!({}), &[prepend("/l", 1.into()), prepend("/l", 0.into())]),
            json!({"l": [0, 1]})
        );
    }

    #[test]
    fn what_stands_in_the_way_is_named() {
        let object = r#"{"spec": 5, "list": [1], "text": "x"}"#;
        for (edit, why) in [
            (set("/spec/backoffLimit", 1.into()), "neither object nor array"),
            (set("/list/3/env", 1.into()), "no such item"),
            (set("/list/00", 1.into()), "no such item"),
            (append("/text", 1.into()), "no array"),
            (set("spec/backoffLimit", 1.into()), "names no field"),
        ] {
            let error = json_patch(object, &[edit]).expect_err(why).to_string();
            assert!(error.contains(why), "{error}");
        }
        for text in ["", "{", "{} x"] {
            assert!(json_patch(text, &[set("/a", 1.into())]).is_err(), "{text:?}");
        }
        assert!(json_patch("[]", &[set("/a", 1.into())]).is_err());
    }
}
