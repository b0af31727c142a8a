//! Values as YAML or JSON text, in the manner of what stands around them.
use serde_json::{Map, Value};

use crate::cli::manifest::scalar;

/// How text is written where nothing demands another form.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Quotes {
    /// None where they are not needed.
    #[default]
    Plain,
    Single,
    Double,
}

/// How a file lays out what stands in blocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Columns from a key to the keys of the mapping below it.
    pub(super) step: usize,
    /// Columns from a key to the dashes of the list below it.
    pub(super) dash: usize,
    /// The line ending.
    pub(super) newline: &'static str,
}

impl Layout {
    /// A value in block form whose first line begins at a column; no line feed at its end.
    pub(super) fn block(&self, value: &Value, column: usize) -> String {
        match value {
            Value::Object(object) if !object.is_empty() => {
                let entries: Vec<String> = object
                    .iter()
                    .map(|(name, value)| self.entry(&key(name, Quotes::Plain), value, column, Quotes::Plain))
                    .collect();
                entries.join(&self.line(column))
            }
            Value::Array(items) if !items.is_empty() => {
                let items: Vec<String> = items.iter().map(|item| self.item(item, column)).collect();
                items.join(&self.line(column))
            }
            Value::String(text) => self
                .literal(text, column)
                .unwrap_or_else(|| string(text, Quotes::Plain, false)),
            other => inline(other, false),
        }
    }

    /// `key: value`, with the key at a column.
    pub(super) fn entry(&self, key: &str, value: &Value, column: usize, quotes: Quotes) -> String {
        match value {
            Value::String(text) => {
                let literal = self.literal(text, column + self.step);
                let text = literal.unwrap_or_else(|| string(text, quotes, false));
                format!("{key}: {text}")
            }
            _ => format!("{key}:{}", self.below(value, column)),
        }
    }

    /// What stands behind the colon of a key at a column.
    pub(super) fn below(&self, value: &Value, column: usize) -> String {
        let below = match value {
            Value::Object(object) if !object.is_empty() => column + self.step,
            Value::Array(items) if !items.is_empty() => column + self.dash,
            _ => return format!(" {}", self.block(value, column + self.step)),
        };
        format!("{}{}", self.line(below), self.block(value, below))
    }

    /// `- value`, with the dash at a column.
    pub(super) fn item(&self, value: &Value, column: usize) -> String {
        format!("- {}", self.block(value, column + 2))
    }

    /// The end of a line and the indentation of the next.
    pub(super) fn line(&self, column: usize) -> String {
        format!("{}{}", self.newline, " ".repeat(column))
    }

    /// Text of several lines as a literal block, where that keeps it as it is.
    fn literal(&self, text: &str, column: usize) -> Option<String> {
        let body = text.strip_suffix('\n').unwrap_or(text);
        let fits = body.contains('\n')
            && !body.starts_with([' ', '\t', '\n'])
            && !body.ends_with(['\n', ' ', '\t'])
            && !body.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t'));
        if !fits {
            return None;
        }
        let mut written = String::from(if body.len() == text.len() { "|-" } else { "|" });
        for line in body.split('\n') {
            if line.is_empty() {
                written.push_str(self.newline);
            } else {
                written.push_str(&self.line(column));
                written.push_str(line);
            }
        }
        Some(written)
    }
}

/// A value on one line: flow form in YAML, or JSON.
pub(super) fn inline(value: &Value, json: bool) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| inline(item, json)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(object) => format!("{{{}}}", entries(object, json)),
        Value::String(text) if !json => string(text, Quotes::Plain, true),
        other => other.to_string(),
    }
}

fn entries(object: &Map<String, Value>, json: bool) -> String {
    let quotes = if json { Quotes::Double } else { Quotes::Plain };
    let entries: Vec<String> = object
        .iter()
        .map(|(name, value)| format!("{}: {}", key(name, quotes), inline(value, json)))
        .collect();
    entries.join(", ")
}

/// A key of a mapping.
pub(super) fn key(name: &str, quotes: Quotes) -> String {
    string(name, quotes, true)
}

/// A scalar in the manner of the text that it replaces or stands beside.
pub(super) fn scalar(value: &Value, quotes: Quotes, flow: bool) -> String {
    match value {
        Value::String(text) => string(text, quotes, flow),
        other => other.to_string(),
    }
}

fn string(text: &str, quotes: Quotes, flow: bool) -> String {
    match quotes {
        Quotes::Single if !text.chars().any(char::is_control) => {
            format!("'{}'", text.replace('\'', "''"))
        }
        Quotes::Plain if is_plain(text, flow) => text.to_owned(),
        _ => Value::from(text).to_string(),
    }
}

/// Whether every reader of YAML, 1.1 and 1.2, takes the bare text for this very string.
fn is_plain(text: &str, flow: bool) -> bool {
    const INDICATORS: [char; 22] = [
        '-', '?', ':', ',', '[', ']', '{', '}', '#', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`', '=',
        '<', '~',
    ];
    let first = text.chars().next();
    let number_like = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '.'))
        && text.chars().all(|c| {
            c.is_ascii_hexdigit() || matches!(c, 'x' | 'X' | 'o' | 'T' | 'Z' | ':' | '.' | '_' | '+' | '-')
        });
    first.is_some_and(|first| !INDICATORS.contains(&first) && !first.is_whitespace())
        && !number_like
        && !text.ends_with([':', ' '])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text
            .chars()
            .any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}'))
        && !(flow && text.contains([',', '[', ']', '{', '}']))
        && matches!(scalar::resolve_plain(text), Ok(Value::String(_)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_is_quoted_only_where_it_would_be_read_as_something_else() {
        for plain in [
            "Never",
            "hook-failed",
            "before-hook-creation,hook-succeeded",
            "a b",
            "v1.2-x",
            "http://x:80/y",
        ] {
            assert_eq!(string(plain, Quotes::Plain, false), plain);
        }
        for quoted in [
            "",
            "yes",
            "5",
            "0x1F",
            "1e3",
            "~",
            "null",
            " a",
            "a ",
            "a: b",
            "a #b",
            "- a",
            "[a",
            "12:30",
            "2026-01-02",
            "1_000",
            "=",
            "*a",
            "&a",
            "!a",
            "a:",
        ] {
            assert_eq!(string(quoted, Quotes::Plain, false), format!("{quoted:?}"));
        }
        assert_eq!(string("a,b", Quotes::Plain, true), "\"a,b\"");
        assert_eq!(string("it's", Quotes::Single, false), "'it''s'");
        assert_eq!(string("a\nb", Quotes::Single, false), r#""a\nb""#);
    }

    #[test]
    fn blocks_follow_the_layout() {
        let value =
            json!({"rules": [{"action": "Ignore", "onPodConditions": [{"status": "True"}]}], "e": {}});
        let layout = |dash| Layout {
            step: 2,
            dash,
            newline: "\n",
        };
        assert_eq!(
            layout(2).block(&value, 2),
            "e: {}\n  rules:\n    - action: Ignore\n      onPodConditions:\n        - status: \"True\""
        );
        assert_eq!(
            layout(0).block(&value, 0),
            "e: {}\nrules:\n- action: Ignore\n  onPodConditions:\n  - status: \"True\""
        );
        assert_eq!(
            layout(0).entry("a", &json!("x\ny\n"), 2, Quotes::Plain),
            "a: |\n    x\n    y"
        );
        assert_eq!(
            inline(&value, true),
            r#"{"e": {}, "rules": [{"action": "Ignore", "onPodConditions": [{"status": "True"}]}]}"#
        );
        assert_eq!(
            inline(&value, false),
            r#"{e: {}, rules: [{action: Ignore, onPodConditions: [{status: "True"}]}]}"#
        );
    }
}
