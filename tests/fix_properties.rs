//! Edits on text of any layout: the text reads afterwards as the value with the edit made, or it is refused.
#![cfg(feature = "cli")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use hookbudget::cli::fix::apply;
use hookbudget::cli::manifest::{PathOrStdin, load_with};
use hookbudget::engine::finding::Edit;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Numbers out of a seed, so that one number stands for a whole layout.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % sides
    }

    fn chance(&mut self, of: usize) -> bool {
        self.roll(of) == 0
    }
}

fn scalar(dice: &mut Dice) -> Value {
    match dice.roll(9) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(dice.roll(2000)),
        3 => json!(""),
        4 => json!("yes"),
        5 => json!("it's: a #1"),
        6 => json!("one\ntwo\n\n  three"),
        7 => json!("日本, {a} [b]"),
        _ => json!("Never"),
    }
}

fn value(dice: &mut Dice, depth: usize) -> Value {
    match dice.roll(if depth == 0 { 1 } else { 3 }) {
        0 => scalar(dice),
        1 => Value::Array((0..dice.roll(4)).map(|_| value(dice, depth - 1)).collect()),
        _ => mapping(dice, depth - 1),
    }
}

fn mapping(dice: &mut Dice, depth: usize) -> Value {
    const KEYS: [&str; 7] = ["name", "spec", "a/b", "x~y", "yes", "two words", "env"];
    let mut object = Map::new();
    for _ in 0..dice.roll(5) {
        let key = KEYS[dice.roll(7)];
        object.insert(key.to_owned(), value(dice, depth));
    }
    Value::Object(object)
}

struct Writer<'d> {
    dice: &'d mut Dice,
    step: usize,
    dash: usize,
}

impl Writer<'_> {
    fn text(&mut self, text: &str, flow: bool) -> String {
        let safe = text.chars().all(|c| c.is_ascii_alphabetic()) && !["", "yes"].contains(&text);
        match self.dice.roll(3) {
            0 if safe => text.to_owned(),
            1 if !text.contains('\n') => format!("'{}'", text.replace('\'', "''")),
            _ if safe && !flow => text.to_owned(),
            _ => Value::from(text).to_string(),
        }
    }

    fn flow(&mut self, value: &Value) -> String {
        let space = if self.dice.chance(3) { " " } else { "" };
        match value {
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(|item| self.flow(item)).collect();
                let comma = if !items.is_empty() && self.dice.chance(4) {
                    ","
                } else {
                    ""
                };
                format!("[{space}{}{comma}{space}]", items.join(", "))
            }
            Value::Object(object) => {
                let entries: Vec<String> = object
                    .iter()
                    .map(|(key, value)| format!("{}: {}", self.text(key, true), self.flow(value)))
                    .collect();
                format!("{{{space}{}{space}}}", entries.join(", "))
            }
            Value::String(text) => self.text(text, true),
            other => other.to_string(),
        }
    }

    fn comment(&mut self) -> &'static str {
        if self.dice.chance(4) { "  # c: [" } else { "" }
    }

    /// Lines of a block value, the first one without its indentation.
    fn block(&mut self, value: &Value, indent: usize) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let pad = " ".repeat(indent);
        match value {
            Value::Object(object) if !object.is_empty() => {
                for (key, value) in object {
                    if !lines.is_empty() && self.dice.chance(5) {
                        lines.push(format!("{pad}# above"));
                    }
                    let key = self.text(key, true);
                    let pad = if lines.is_empty() { "" } else { &pad };
                    let below = match value {
                        Value::Object(object) if !object.is_empty() => Some(self.step),
                        Value::Array(items) if !items.is_empty() => Some(self.dash),
                        _ => None,
                    };
                    match (below, value) {
                        (Some(more), _) if !self.dice.chance(4) => {
                            lines.push(format!("{pad}{key}:{}", self.comment()));
                            let mut inner = self.block(value, indent + more);
                            inner[0] = format!("{}{}", " ".repeat(indent + more), inner[0]);
                            lines.extend(inner);
                        }
                        (_, Value::Null) if self.dice.chance(2) => {
                            lines.push(format!("{pad}{key}:{}", self.comment()));
                        }
                        (_, Value::String(text)) if text.contains('\n') && self.dice.chance(2) => {
                            lines.push(format!("{pad}{key}: |-{}", self.comment()));
                            let inner = " ".repeat(indent + self.step);
                            lines.extend(text.split('\n').map(|line| {
                                if line.is_empty() {
                                    String::new()
                                } else {
                                    format!("{inner}{line}")
                                }
                            }));
                        }
                        _ => lines.push(format!("{pad}{key}: {}{}", self.flow(value), self.comment())),
                    }
                }
            }
            Value::Array(items) if !items.is_empty() => {
                for item in items {
                    let pad = if lines.is_empty() { "" } else { &pad };
                    let inner = self.block(item, indent + 2);
                    lines.push(format!("{pad}- {}", inner[0]));
                    lines.extend(inner.into_iter().skip(1));
                }
            }
            other => lines.push(format!("{}{}", self.flow(other), self.comment())),
        }
        lines
    }
}

/// A pointer that leads into the value, or out of it.
fn pointer(dice: &mut Dice, value: &Value) -> String {
    let mut pointer = String::new();
    let mut at = value;
    loop {
        let keys: Vec<String> = match at {
            Value::Object(object) => object.keys().cloned().collect(),
            Value::Array(items) => (0..items.len()).map(|index| index.to_string()).collect(),
            _ => Vec::new(),
        };
        if keys.is_empty() || (!pointer.is_empty() && dice.chance(4)) {
            if pointer.is_empty() || (at.is_object() && dice.chance(2)) {
                pointer.push_str("/new.io~1key");
            }
            return pointer;
        }
        let key = &keys[dice.roll(keys.len())];
        pointer = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
        at = match at {
            Value::Object(object) => &object[key],
            Value::Array(items) => &items[key.parse::<usize>().expect("an index")],
            _ => return pointer,
        };
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn an_edit_of_the_text_is_the_edit_of_the_value(seed in any::<u64>()) {
        let mut dice = Dice(seed);
        let mut object = mapping(&mut dice, 4);
        object["kind"] = json!("Job");
        let (step, dash) = (2 + dice.roll(3), 2 * dice.roll(2));
        let text = match dice.roll(4) {
            0 => serde_json::to_string_pretty(&object).expect("JSON"),
            1 => object.to_string(),
            _ => Writer { dice: &mut dice, step, dash }.block(&object, 0).join("\n") + "\n",
        };
        let text = if dice.chance(4) { text.replace('\n', "\r\n") } else { text };
        let read = |text: &str| load_with(&[PathOrStdin::Stdin], &mut text.as_bytes());
        let loaded = read(&text);
        prop_assert_eq!(loaded.documents.len(), 1, "{} {:?}", text, loaded.errors);
        let document = &loaded.documents[0];
        let mut wanted = serde_json::Value::clone(&document.value);
        let pointer = pointer(&mut dice, &wanted);
        if pointer == "/kind" {
            return Ok(());
        }
        let new = value(&mut dice, 2);
        let edit = match dice.roll(3) {
            0 => Edit::Append { pointer, value: new },
            1 => Edit::Prepend { pointer, value: new },
            _ => Edit::Set { pointer, value: new },
        };
        let possible = apply(&mut wanted, &edit).is_ok();
        let Ok(splice) = document.splice(&edit) else {
            // An empty value in a flow collection or a list has no place of its own.
            let empty = text.contains(": ,") || text.contains(":,") || text.contains("- \n");
            prop_assert!(!possible || empty, "refused: {edit:?} of\n{text}");
            return Ok(());
        };
        let mut after = text.clone();
        after.replace_range(splice.range, &splice.text);
        let loaded = read(&after);
        prop_assert_eq!(loaded.documents.len(), 1, "{:?} of\n{}\ngives\n{}\n{:?}", edit, text, after, loaded.errors);
        prop_assert_eq!(&loaded.documents[0].value, &wanted, "{:?} of\n{}\ngives\n{}", edit, text, after);
        let comments = |text: &str| text.matches('#').count() - text.matches("a #1").count();
        prop_assert!(
            comments(&after) >= comments(&text) || matches!(edit, Edit::Set { .. }),
            "{edit:?} of\n{text}\ngives\n{after}"
        );
    }
}
