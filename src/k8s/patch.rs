//! Edits into a JSON patch (RFC 6902) for the object exactly as it was received.
//!
//! The object's text is walked once, along the pointers of the edits alone, to learn which of their parents
//! exist; nothing else of it is read, so nothing of it can be lost.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::text::Str;
use crate::engine::finding::Edit;

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
    /// The value of the edit.
    Value(&'e Value),
    /// A list with the value of the edit as its only item.
    List(&'e Value),
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
    let mut root = Node::default();
    for edit in edits {
        edit.pointer()
            .split('/')
            .skip(1)
            .fold(&mut root, |node, key| node.child(unescape(key)));
    }
    super::json::read_by(object, Shape(&mut root))?;
    let mut operations = Vec::with_capacity(edits.len());
    for edit in edits {
        write(&mut root, edit, &mut operations).map_err(|why| PatchError::Unreachable {
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

/// A place that an edit passes.
#[derive(Debug, Default)]
struct Node<'e> {
    key: Cow<'e, str>,
    state: State,
    children: Vec<Node<'e>>,
}

impl<'e> Node<'e> {
    fn child(&mut self, key: Cow<'e, str>) -> &mut Self {
        let at = self.children.iter().position(|child| child.key == key);
        let at = at.unwrap_or_else(|| {
            self.children.push(Node {
                key,
                ..Node::default()
            });
            self.children.len() - 1
        });
        &mut self.children[at]
    }

    const fn is_empty(&self) -> bool {
        matches!(self.state, State::Absent | State::Null)
    }
}

/// The number of an item, as RFC 6901 writes it: digits without a leading zero.
fn index(key: &str) -> Option<usize> {
    let canonical = key == "0" || key.starts_with(|c: char| matches!(c, '1'..='9'));
    key.parse().ok().filter(|_| canonical)
}

fn unescape(key: &str) -> Cow<'_, str> {
    if key.contains('~') {
        Cow::Owned(key.replace("~1", "/").replace("~0", "~"))
    } else {
        Cow::Borrowed(key)
    }
}

/// Makes one edit on the tree of states and notes the operation.
fn write<'e>(
    root: &mut Node<'e>,
    edit: &'e Edit,
    operations: &mut Vec<Operation<'e>>,
) -> Result<(), &'static str> {
    let pointer = edit.pointer();
    if !pointer.starts_with('/') {
        return Err("the pointer names no field");
    }
    let (parent, last) = pointer.rsplit_once('/').ok_or("the pointer names no field")?;
    let mut node = root;
    let mut length = 0;
    for key in parent.split('/').skip(1) {
        node = step(node, key)?;
        length += 1 + key.len();
        if node.is_empty() {
            node.state = State::Object;
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
    let node = step(node, last)?;
    let (op, item, value) = match edit {
        Edit::Set { value, .. } => {
            let op = if node.state == State::Absent {
                "add"
            } else {
                "replace"
            };
            node.state = state_of(value);
            node.children.clear();
            (op, "", Written::Value(value))
        }
        Edit::Append { value, .. } | Edit::Prepend { value, .. } => {
            match node.state {
                State::Absent | State::Null => {
                    node.state = State::Array(1);
                    ("add", "", Written::List(value))
                }
                State::Array(length) => {
                    node.state = State::Array(length + 1);
                    let item = if matches!(edit, Edit::Append { .. }) {
                        "/-"
                    } else {
                        // What was known of the items stands under other numbers from here on.
                        node.children.clear();
                        "/0"
                    };
                    ("add", item, Written::Value(value))
                }
                State::Scalar | State::Object => return Err("it is no array"),
            }
        }
    };
    let path = Path { field: pointer, item };
    operations.push(Operation { op, path, value });
    Ok(())
}

fn step<'n, 'e>(node: &'n mut Node<'e>, key: &'e str) -> Result<&'n mut Node<'e>, &'static str> {
    match node.state {
        State::Object => Ok(node.child(unescape(key))),
        State::Array(_) => {
            let item = node.child(Cow::Borrowed(key));
            if item.state == State::Absent {
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
struct Shape<'n, 'e>(&'n mut Node<'e>);

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

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.0.state = State::Object;
        while let Some(Str(key)) = map.next_key::<Str<'de>>()? {
            match self.0.children.iter_mut().find(|child| child.key == key) {
                Some(child) => map.next_value_seed(Shape(child))?,
                None => map.next_value::<IgnoredAny>().map(|_| ())?,
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut length = 0;
        loop {
            let wanted = self
                .0
                .children
                .iter_mut()
                .find(|child| index(&child.key) == Some(length));
            let item = match wanted {
                Some(child) => items.next_element_seed(Shape(child))?,
                None => items.next_element::<IgnoredAny>()?.map(|_| ()),
            };
            if item.is_none() {
                break;
            }
            length += 1;
        }
        self.0.state = State::Array(length);
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.0.state = State::Null;
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.0.state = State::Scalar;
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.0.state = State::Scalar;
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.0.state = State::Scalar;
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.0.state = State::Scalar;
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.0.state = State::Scalar;
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
