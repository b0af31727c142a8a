//! A document into a typed object, with an error that names field and place.
use serde::Deserialize;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use super::document::Document;
use super::error::InputError;

/// Decodes the object.
///
/// # Errors
/// A field of another type than `T` has, with file, line, column, the field's path, what was found
/// and what is expected. Inside flattened and untagged types serde does not know the field, and
/// the place is that of the nearest field outside.
pub fn decode<'a, T: Deserialize<'a>>(document: &'a Document) -> Result<T, InputError> {
    serde_path_to_error::deserialize(&document.value).map_err(|error| {
        let pointer = pointer(error.path());
        let found = document.value.pointer(&pointer);
        let field = field(error.path());
        let message = explain(&error.inner().to_string(), found);
        let message = if field.is_empty() {
            message
        } else {
            format!("{field}: {message}")
        };
        document.error_at(&pointer, message)
    })
}

fn pointer(path: &Path) -> String {
    path.iter().fold(String::new(), |pointer, segment| match segment {
        Segment::Seq { index } => format!("{pointer}/{index}"),
        Segment::Map { key } => format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")),
        Segment::Enum { .. } | Segment::Unknown => pointer,
    })
}

/// The path as people write it: `spec.template.spec.containers[0].image`.
fn field(path: &Path) -> String {
    path.iter().fold(String::new(), |field, segment| match segment {
        Segment::Seq { index } => format!("{field}[{index}]"),
        Segment::Map { key } if key.contains(['.', '/']) => format!("{field}[\"{key}\"]"),
        Segment::Map { key } if field.is_empty() => key.clone(),
        Segment::Map { key } => format!("{field}.{key}"),
        Segment::Enum { .. } | Segment::Unknown => field,
    })
}

/// serde's sentence in the words of a manifest's author.
fn explain(message: &str, found: Option<&Value>) -> String {
    let invalid = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "));
    match (invalid.and_then(|rest| rest.rsplit_once(", expected ")), found) {
        (Some((_, expected)), Some(found)) => {
            format!("expected {}, found {}", name_type(expected), describe(found))
        }
        _ => message.to_owned(),
    }
}

/// Rust's name of a type as JSON's.
fn name_type(expected: &str) -> String {
    match expected {
        "i8" | "i16" | "i32" | "i64" | "isize" => "an integer".to_owned(),
        "u8" | "u16" | "u32" | "u64" | "usize" => "an integer of 0 or more".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a map" => "an object".to_owned(),
        "a sequence" => "a list".to_owned(),
        other if other.starts_with("struct ") => "an object".to_owned(),
        other => other.to_owned(),
    }
}

/// A value with its type; long text is cut.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => format!("the boolean {flag}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.chars().count() > 40 => {
            format!("the string {:?}...", text.chars().take(37).collect::<String>())
        }
        Value::String(text) => format!("the string {text:?}"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}
