//! Edits on a value: what the text must read as when they are made.

use serde_json::{Map, Value};

use crate::engine::finding::Edit;

/// Makes an edit on a value; parents that are absent or null are made.
///
/// # Errors
/// Why it cannot be made, as half a sentence.
pub fn apply(value: &mut Value, edit: &Edit) -> Result<(), &'static str> {
    let mut at = value;
    for step in edit.pointer().split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        if at.is_null() {
            *at = Value::Object(Map::new());
        }
        at = match at {
            Value::Object(object) => object.entry(step).or_insert(Value::Null),
            Value::Array(items) => step
                .parse()
                .ok()
                .and_then(|index: usize| items.get_mut(index))
                .ok_or("the list has no such item")?,
            _ => return Err("its parent is neither a mapping nor a list"),
        };
    }
    let value = edit.value().into_owned();
    if matches!(edit, Edit::Set { .. }) {
        *at = value;
        return Ok(());
    }
    if at.is_null() {
        *at = Value::Array(Vec::new());
    }
    let items = at.as_array_mut().ok_or("it is no list")?;
    let end = if matches!(edit, Edit::Append { .. } | Edit::Variable { .. }) {
        items.len()
    } else {
        0
    };
    items.insert(end, value);
    Ok(())
}
