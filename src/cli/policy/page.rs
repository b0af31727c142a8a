//! The policy in words: the file that `policy show` prints, and the page in the documentation.

use std::fmt::Write as _;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::schema::{Rule, schema};
use crate::engine::policy::Policy;
use crate::engine::signature::Signature;

/// Where a comment is broken.
const COMMENT_WIDTH: usize = 100;

/// The policy as a file, each key below what it means.
///
/// # Errors
/// When the policy cannot be written as JSON.
pub fn commented(policy: &Policy) -> serde_json::Result<String> {
    let schema = schema();
    let mut text = String::new();
    if let Some(rule) = Rule::of(&schema) {
        write_keys(&mut text, rule, &fields(policy)?, "")?;
    }
    Ok(text)
}

fn write_keys(text: &mut String, rule: Rule<'_>, fields: &Fields, indent: &str) -> serde_json::Result<()> {
    for (key, raw) in &fields.0 {
        let Some(rule) = rule.property(key) else { continue };
        if !text.is_empty() && indent.is_empty() {
            text.push('\n');
        }
        let mut said = rule.description().to_owned();
        for (choice, meaning) in rule.choices() {
            let _ = write!(said, "\n  {choice}: {meaning}");
        }
        for line in said.lines() {
            for part in wrapped(line, COMMENT_WIDTH) {
                let _ = writeln!(text, "{indent}# {part}");
            }
        }
        let value: Value = serde_json::from_str(raw.get())?;
        match &value {
            // No value is the default, and a key with nothing behind it reads badly.
            Value::Null => _ = writeln!(text, "{indent}# {key}:"),
            Value::Object(object) if rule.properties().is_some() || !object.is_empty() => {
                let _ = writeln!(text, "{indent}{key}:");
                let inner: Fields = serde_json::from_str(raw.get())?;
                let deeper = format!("{indent}  ");
                if rule.properties().is_some() {
                    write_keys(text, rule, &inner, &deeper)?;
                } else {
                    for (key, value) in object {
                        let _ = writeln!(text, "{deeper}{key}: {}", scalar(value));
                    }
                }
            }
            Value::Array(items) if !items.is_empty() => {
                let _ = writeln!(text, "{indent}{key}:");
                for item in items {
                    // JSON is YAML.
                    let _ = writeln!(text, "{indent}  - {item}");
                }
            }
            other => _ = writeln!(text, "{indent}{key}: {}", scalar(other)),
        }
    }
    Ok(())
}

/// The documentation page.
///
/// # Errors
/// When the default policy cannot be written as JSON.
pub fn page() -> serde_json::Result<String> {
    let schema = schema();
    let mut text = String::from(
        "# The policy file\n\n\
         What an installation demands of its hook Jobs: `lint`, `simulate`, `webhook` and `exporter` take it by\n\
         `--policy FILE`. Every key has a default and may be left out; the empty file is the default policy.\n\n\
         ```sh\n\
         hookbudget policy show                                               # the default policy, with what each key means\n\
         hookbudget policy show docs/signatures/cluster-api-openstack.yaml    # the policy in force with this file\n\
         hookbudget policy check docs/signatures/cluster-api-openstack.yaml   # every mistake with its line and the nearest right word\n\
         hookbudget policy schema                                             # the JSON Schema, for editors\n\
         ```\n\n\
         Editors that know YAML schemas complete and check the file with this first line (the schema is\n\
         [policy.schema.json](policy.schema.json)):\n\n\
         ```yaml\n# yaml-language-server: $schema=policy.schema.json\n```\n\n\
         `off` may be written without quotes. Spans are Go durations: `90s`, `4m`, `1h30m`.\n\n\
         | key | default | meaning |\n|---|---|---|\n",
    );
    if let Some(rule) = Rule::of(&schema) {
        write_rows(&mut text, rule, &fields(&Policy::default())?, "")?;
    }
    text.push_str(
        "\n## What wins\n\n\
         What stands closer to the Job wins over the policy: the flags `--release-timeout` and `--startup`, the\n\
         namespace's label `hookbudget.dev/mode`, and the annotations `hookbudget.dev/release-timeout`,\n\
         `hookbudget.dev/cold-start` and `hookbudget.dev/rewrite`. A rule that is switched off by `rules` stays off.\n",
    );
    write_signatures(&mut text, &schema)?;
    Ok(text)
}

/// A signature with every key, for the order in which they are shown.
const SIGNATURE: &str = r#"{"name": "x", "when": {"text": "x", "object": {"apiVersion": "v1", "kind": "X", "namespace": "x",
    "labelSelector": "x", "found": "job", "cel": "true"}, "job": "x"}, "verdict": "real", "severity": "info", "route": "app",
    "rank": "dependency", "retry": "wait", "within": "1m", "finding": "x", "repair": "x", "doNot": "x", "runbook": "x"}"#;

fn write_signatures(text: &mut String, schema: &Value) -> serde_json::Result<()> {
    let signature: Signature = serde_json::from_str(SIGNATURE)?;
    text.push_str(
        "\n## Signatures\n\n\
         Each entry of `signatures` is a root cause of the cluster's own, `custom_NAME`, in metrics, diagnoses and Events\n\
         like those of the catalogue. [signatures.md](signatures.md) shows how to write one and has a pack of examples.\n\n\
         | key | default | meaning |\n|---|---|---|\n",
    );
    let item = Rule::of(schema).and_then(|rule| rule.property("signatures")?.items());
    if let Some(item) = item {
        write_item_rows(text, item, &fields(&signature)?, "")?;
    }
    Ok(())
}

fn write_item_rows(text: &mut String, of: Rule<'_>, fields: &Fields, above: &str) -> serde_json::Result<()> {
    let required = of.required();
    for (key, raw) in &fields.0 {
        let Some(rule) = of.property(key) else { continue };
        let mut said = rule.description().to_owned();
        for (index, (choice, meaning)) in rule.choices().iter().enumerate() {
            let before = if index == 0 { "<br>" } else { "; " };
            let _ = write!(said, "{before}`{choice}`: {}", meaning.trim_end_matches('.'));
        }
        let default = match rule.default() {
            _ if required.contains(&key.as_str()) => "required".to_owned(),
            None | Some(Value::Null) => "none".to_owned(),
            Some(value) => format!("`{}`", scalar(value)),
        };
        let _ = writeln!(text, "| `{above}{key}` | {default} | {said} |");
        if let Some(inner) = rule.object() {
            let fields: Fields = serde_json::from_str(raw.get())?;
            write_item_rows(text, inner, &fields, &format!("{above}{key}."))?;
        }
    }
    Ok(())
}

fn write_rows(text: &mut String, rule: Rule<'_>, fields: &Fields, above: &str) -> serde_json::Result<()> {
    for (key, raw) in &fields.0 {
        let Some(rule) = rule.property(key) else { continue };
        if rule.properties().is_some() {
            let inner: Fields = serde_json::from_str(raw.get())?;
            write_rows(text, rule, &inner, &format!("{above}{key}."))?;
            continue;
        }
        let value: Value = serde_json::from_str(raw.get())?;
        let default = match &value {
            Value::Null => "none".to_owned(),
            other => format!("`{}`", scalar(other)),
        };
        let mut said = rule.description().to_owned();
        for (index, (choice, meaning)) in rule.choices().iter().enumerate() {
            let before = if index == 0 { "<br>" } else { "; " };
            let meaning = meaning.trim_end_matches('.');
            let _ = write!(said, "{before}`{choice}`: {meaning}");
        }
        // Modes are explained where the default mode is.
        let levels = rule.each().filter(|_| key != "namespaceModes");
        let levels = levels.map(Rule::choices).unwrap_or_default();
        for (index, (choice, meaning)) in levels.iter().enumerate() {
            let before = if index == 0 { "<br>Values: " } else { "; " };
            let meaning = meaning.trim_end_matches('.');
            let _ = write!(said, "{before}`{choice}`: {meaning}");
        }
        let _ = writeln!(text, "| `{above}{key}` | {default} | {said} |");
    }
    Ok(())
}

/// Text is written plain where YAML 1.1 takes it as text, in quotes elsewhere.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) if text == "off" || text.is_empty() => format!("{text:?}"),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Words in lines of at most `width`; what is indented stays so.
fn wrapped(line: &str, width: usize) -> Vec<String> {
    let indent = &line[..line.len() - line.trim_start().len()];
    let mut lines = vec![indent.to_owned()];
    for word in line.split_whitespace() {
        let last = lines.last().map_or(0, |line| line.chars().count());
        if last + word.chars().count() >= width {
            let deeper = if indent.is_empty() { "" } else { "  " };
            lines.push(format!("{indent}{deeper}{word}"));
        } else if let Some(line) = lines.last_mut() {
            if line.len() > indent.len() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// The fields of an object in the order in which their type declares them, which a JSON object does not keep.
struct Fields(Vec<(String, Box<RawValue>)>);

fn fields(value: &impl Serialize) -> serde_json::Result<Fields> {
    serde_json::from_str(&serde_json::to_string(value)?)
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;
            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}
