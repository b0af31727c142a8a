//! The JSON Schema of the policy document, made from the types that read it.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::engine::policy::Policy;
use crate::engine::rules;

/// The schema. Doc comments are its descriptions, the default policy its defaults; the keys of `rules` are the
/// codes that exist.
#[must_use]
pub fn schema() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<Policy>()
        .to_value();
    unwrap_lines(&mut schema);
    if let Some(rules_schema) = schema
        .pointer_mut("/properties/rules")
        .and_then(Value::as_object_mut)
    {
        let codes: Vec<&str> = rules::ALL.iter().map(|rule| rule.code).collect();
        rules_schema.insert("propertyNames".to_owned(), json!({ "enum": codes }));
    }
    schema
}

/// Doc comments are wrapped for editors of code; a description is one line.
fn unwrap_lines(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            for (key, value) in object {
                match value {
                    Value::String(text) if key == "description" => *text = text.replace('\n', " "),
                    other => unwrap_lines(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(unwrap_lines),
        _ => {}
    }
}

/// What a schema says about one value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule<'a>(&'a Map<String, Value>);

impl<'a> Rule<'a> {
    pub(super) fn of(schema: &'a Value) -> Option<Self> {
        schema.as_object().map(Self)
    }

    pub(super) fn description(self) -> &'a str {
        self.text("description")
    }

    /// The value that holds without one.
    pub(super) fn default(self) -> Option<&'a Value> {
        self.0.get("default")
    }

    /// The one value that is allowed.
    pub(super) fn constant(self) -> Option<&'a str> {
        self.0.get("const").and_then(Value::as_str)
    }

    /// The values that are allowed, with what each means.
    pub(super) fn choices(self) -> Vec<(&'a str, &'a str)> {
        let own = self
            .0
            .get("oneOf")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        // What may be left out has its choices beside the null.
        let of_alternatives = self
            .alternatives()
            .filter_map(|rule| rule.0.get("oneOf")?.as_array());
        let variants = own.chain(of_alternatives.flatten());
        let described = variants.filter_map(Rule::of);
        let described = described.filter_map(|variant| Some((variant.constant()?, variant.description())));
        let plain = self.0.get("enum").and_then(Value::as_array).into_iter().flatten();
        described
            .chain(plain.filter_map(|value| Some((value.as_str()?, ""))))
            .collect()
    }

    pub(super) fn properties(self) -> Option<&'a Map<String, Value>> {
        self.0.get("properties").and_then(Value::as_object)
    }

    /// The rule for a mapping: this one, or the alternative to null.
    pub(super) fn object(self) -> Option<Self> {
        let is_object = |rule: &Self| rule.properties().is_some() || rule.each().is_some();
        std::iter::once(self).chain(self.alternatives()).find(is_object)
    }

    /// What every item of a list is.
    pub(super) fn items(self) -> Option<Self> {
        self.0.get("items").and_then(Rule::of)
    }

    /// The keys that must be there.
    pub(super) fn required(self) -> Vec<&'a str> {
        let keys = self
            .0
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        keys.filter_map(Value::as_str).collect()
    }

    pub(super) fn property(self, key: &str) -> Option<Self> {
        self.properties()?.get(key).and_then(Rule::of)
    }

    /// What every value of a mapping with free keys is.
    pub(super) fn each(self) -> Option<Self> {
        self.0.get("additionalProperties").and_then(Rule::of)
    }

    /// The keys that a mapping may have, where they are not free.
    pub(super) fn names(self) -> Vec<&'a str> {
        let names = self.0.get("propertyNames").and_then(|names| names.get("enum"));
        let names = names.and_then(Value::as_array).into_iter().flatten();
        names.filter_map(Value::as_str).collect()
    }

    /// True for a Go duration: the only text that has a pattern.
    pub(super) fn is_duration(self) -> bool {
        self.0.contains_key("pattern") || self.alternatives().any(Rule::is_duration)
    }

    /// True where nothing may stand in place of a value.
    pub(super) fn takes_null(self) -> bool {
        self.takes_type("null") || self.alternatives().any(Rule::takes_null)
    }

    pub(super) fn takes_type(self, name: &str) -> bool {
        match self.0.get("type") {
            Some(Value::String(only)) => only == name,
            Some(Value::Array(several)) => several.iter().any(|one| one == name),
            _ => false,
        }
    }

    fn alternatives(self) -> impl Iterator<Item = Self> {
        let any = self
            .0
            .get("anyOf")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        any.filter_map(Rule::of)
    }

    fn text(self, key: &str) -> &'a str {
        self.0.get(key).and_then(Value::as_str).unwrap_or_default()
    }
}
