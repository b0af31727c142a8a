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
    let quick = match document.reader() {
        Some(nodes) => T::deserialize(nodes),
        None => T::deserialize(&*document.value),
    };
    // To know the path of every field costs as much as to decode it: only an error needs it.
    if let Ok(object) = quick {
        return Ok(object);
    }
    let decoded = match document.reader() {
        Some(nodes) => serde_path_to_error::deserialize(nodes),
        None => serde_path_to_error::deserialize(&*document.value),
    };
    decoded.map_err(|error| {
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
            let expected = name_type(expected, found);
            let remedy = match found {
                Value::Bool(_) | Value::Number(_) if expected == "a string" => ": write it in quotes",
                _ => "",
            };
            format!("expected {expected}, found {}{remedy}", describe(found))
        }
        _ => message.to_owned(),
    }
}

/// Rust's name of a type as JSON's; with its range where a whole number lies outside of it.
fn name_type(expected: &str, found: &Value) -> String {
    let whole = found.is_i64() || found.is_u64();
    match expected {
        "i32" if whole => format!("an integer from {} to {}", i32::MIN, i32::MAX),
        "u32" if whole => format!("an integer from 0 to {}", u32::MAX),
        "i8" | "i16" | "i32" | "i64" | "isize" => "an integer".to_owned(),
        "u8" | "u16" | "u32" | "u64" | "usize" => "an integer of 0 or more".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a borrowed string" => "a string".to_owned(),
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::cli::manifest::{PathOrStdin, load_with};

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Job<'a> {
        #[serde(borrow)]
        metadata: Metadata<'a>,
        spec: Spec,
    }

    #[derive(Debug, Deserialize)]
    struct Metadata<'a> {
        #[serde(borrow)]
        name: &'a str,
        #[serde(default)]
        annotations: BTreeMap<String, String>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Spec {
        backoff_limit: Option<i32>,
        #[serde(default)]
        containers: Vec<Container>,
    }

    #[derive(Debug, Deserialize)]
    struct Container {
        image: String,
    }

    fn message(text: &str) -> String {
        let loaded = load_with(&[PathOrStdin::Stdin], &mut text.as_bytes());
        decode::<Job<'_>>(loaded.documents.first().unwrap())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_wrong_type_names_its_field_and_place() {
        let table = [
            (
                "kind: Job\nmetadata: {name: a}\nspec:\n  backoffLimit: six\n",
                "<stdin>:4:17: spec.backoffLimit: expected an integer, found the string \"six\"",
            ),
            (
                "kind: Job\nmetadata: {name: a}\nspec: {backoffLimit: 1.5}\n",
                "<stdin>:3:22: spec.backoffLimit: expected an integer, found the number 1.5",
            ),
            (
                "kind: Job\nmetadata: {name: a}\nspec: {backoffLimit: 99999999999}\n",
                "<stdin>:3:22: spec.backoffLimit: expected an integer from -2147483648 to 2147483647, found the number 99999999999",
            ),
            (
                "kind: Job\nmetadata: {name: a}\nspec:\n  containers:\n  - image: 5\n",
                "<stdin>:5:12: spec.containers[0].image: expected a string, found the number 5: write it in quotes",
            ),
            (
                "kind: Job\nmetadata: {name: a}\nspec:\n  containers: {}\n",
                "<stdin>:4:15: spec.containers: expected a list, found an object",
            ),
            (
                "kind: Job\nmetadata:\n  name: a\n  annotations:\n    helm.sh/hook-weight: 5\nspec: {}\n",
                "<stdin>:5:26: metadata.annotations[\"helm.sh/hook-weight\"]: expected a string, found the number 5: write it in quotes",
            ),
            (
                "kind: Job\nmetadata: {name: yes}\nspec: {}\n",
                "<stdin>:2:18: metadata.name: expected a string, found the boolean true: write it in quotes",
            ),
            (
                "kind: Job\nmetadata: {name: a}\nspec:\n",
                "<stdin>:3:1: spec: expected an object, found null",
            ),
            ("kind: Job\nspec: {}\n", "<stdin>:1:1: missing field `metadata`"),
            (
                "{\"kind\": \"Job\", \"metadata\": {\"name\": \"a\"},\n\t\"spec\": {\"backoffLimit\": \"six\"}}",
                "<stdin>:2:27: spec.backoffLimit: expected an integer, found the string \"six\"",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(message(text), expected);
        }
    }

    #[test]
    fn a_fitting_document_decodes_borrowed() {
        let text = "kind: Job\nmetadata: {name: a, annotations: {b: c}}\nspec: {backoffLimit: 014, containers: [{image: x}]}\n";
        let loaded = load_with(&[PathOrStdin::Stdin], &mut text.as_bytes());
        let job: Job<'_> = decode(loaded.documents.first().unwrap()).unwrap();
        assert_eq!((job.metadata.name, job.spec.backoff_limit), ("a", Some(12)));
        assert_eq!(
            (
                job.metadata.annotations.len(),
                job.spec.containers[0].image.as_str()
            ),
            (1, "x")
        );
    }
}
