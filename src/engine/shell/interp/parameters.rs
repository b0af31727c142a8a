//! Names and their values: variables, the environment, `$?` and its like, `${...}`.

use std::rc::Rc;

use super::super::reading::EnvValue;
use super::super::syntax::{Param, ParamOp};
use super::super::value::{Status, Value};
use super::{Machine, pattern};

impl Machine<'_> {
    /// The value of a name, and whether it is set at all.
    pub(super) fn look_up(&mut self, name: &str) -> (Value, bool) {
        self.note_look(name);
        if name == "SECONDS" {
            let offset = self
                .vars
                .get(name)
                .and_then(|value| value.text.parse().ok())
                .unwrap_or(0);
            return (self.clock_value(offset), true);
        }
        if name == "EPOCHSECONDS" && !self.vars.contains_key(name) {
            return (self.date(0), true);
        }
        if let Some(value) = self.vars.get(name) {
            let value = value.clone();
            self.charge(value.text.len() / 256);
            return (value, true);
        }
        if let Some(value) = self.special(name) {
            return value;
        }
        match (self.env)(name) {
            EnvValue::Known(text) => (Value::known(text), true),
            EnvValue::Hidden => {
                let why = format!("the manifest does not show the value of `${name}`");
                (Value::unknown(format!("${name}"), why), true)
            }
            EnvValue::Unset => {
                let mut value =
                    Value::unknown(format!("${name}"), format!("the manifest does not set `${name}`"));
                (value.assumed, value.unset) = (true, true);
                (value, false)
            }
        }
    }

    /// True where the script at hand sets the name that is written as `$name`: unset before, it is empty.
    pub(super) fn sets(&mut self, written: &str) -> bool {
        let name = written.trim_start_matches('$');
        let text = Rc::clone(&self.source.text);
        self.charge(text.len() / 64);
        text.match_indices(name).any(|(at, _)| {
            let before = text.get(..at).and_then(|text| text.chars().next_back());
            let inside = before.is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '{'));
            let rest = text.get(at + name.len()..).unwrap_or_default();
            !inside && (rest.starts_with('=') || rest.starts_with("+="))
        })
    }

    fn special(&mut self, name: &str) -> Option<(Value, bool)> {
        Some(match name {
            "?" => (self.status_text(), true),
            "#" => (Value::known(self.arguments.len().to_string()), true),
            "@" | "*" => {
                let mut all = Value::default();
                self.charge(self.arguments.len() / 4);
                for (index, argument) in self.arguments.clone().iter().enumerate() {
                    if index > 0 {
                        all.text.push(' ');
                    }
                    self.append(&mut all, argument);
                }
                (all, !self.arguments.is_empty())
            }
            "0" => (Value::known("sh"), true),
            "!" if !self.background.is_empty() => (self.last_job().unwrap_or_default(), true),
            "!" | "$" | "-" | "RANDOM" => (Value::unknown(format!("${name}"), "the shell sets it"), true),
            _ if name.bytes().all(|byte| byte.is_ascii_digit()) => {
                let index = name.parse::<usize>().unwrap_or(usize::MAX);
                match self.arguments.get(index.wrapping_sub(1)) {
                    Some(value) => (value.clone(), true),
                    None => (Value::default(), false),
                }
            }
            _ => return None,
        })
    }

    fn status_text(&mut self) -> Value {
        self.masked_looks += u32::from(self.masked);
        match &self.status {
            Status::Success => Value::known("0"),
            Status::Failure(code) => Value::known(code.to_string()),
            Status::Open => {
                if let Some(frame) = self.frames.last_mut() {
                    frame.readiness = true;
                    return Value::known("1");
                }
                let mut value = Value::unknown("$?", "a program's exit status decides");
                value.printed = true;
                value
            }
            Status::Hidden(why) => Value::unknown("$?", why.clone()),
        }
    }

    pub(super) fn parameter(&mut self, param: &Param) -> Value {
        let (value, set) = self.look_up(&param.name);
        let empty = |colon: bool| !set || (colon && value.get() == Some(""));
        match &param.op {
            ParamOp::Plain | ParamOp::Demand { .. } => value,
            ParamOp::Length => match value.get() {
                Some(text) => Value::known(text.chars().count().to_string()),
                None => value,
            },
            ParamOp::Default { colon, word } | ParamOp::Assign { colon, word } => {
                if !empty(*colon) {
                    return value;
                }
                let mut default = self.word(word);
                default.assumed |= !set && value.assumed;
                if matches!(param.op, ParamOp::Assign { .. }) {
                    self.assign(&param.name, default.clone());
                }
                default
            }
            ParamOp::Alternative { colon, word } => {
                if empty(*colon) {
                    Value {
                        assumed: value.assumed,
                        ..Value::default()
                    }
                } else {
                    let mut alternative = self.word(word);
                    if *colon {
                        alternative.mark(&value);
                    }
                    alternative
                }
            }
            ParamOp::TrimSuffix { longest, pattern } | ParamOp::TrimPrefix { longest, pattern } => {
                let (pattern, _) = self.pattern(pattern);
                let suffix = matches!(param.op, ParamOp::TrimSuffix { .. });
                // The pattern is held against the rest behind each character.
                let (text, width) = (value.text.len().min(256), pattern.len().min(64));
                self.charge(text * text * width / 512);
                match value
                    .get()
                    .map(|text| pattern::trimmed(text, &pattern, suffix, *longest))
                {
                    None => value,
                    Some(Some(text)) => Value {
                        text: text.into(),
                        ..value
                    },
                    Some(None) => Value::unknown(value.text, "a text is too long to be cut"),
                }
            }
            ParamOp::Other => {
                let text = format!("${{{}...}}", param.name);
                Value::unknown(text, format!("an expansion of `${}` is not followed", param.name))
            }
        }
    }
}
