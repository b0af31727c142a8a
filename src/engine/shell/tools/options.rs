//! Command lines: which words are flags, which belong to flags.

use std::borrow::Cow;

use super::super::value::Value;

/// Flags and operands of a command line.
pub(super) struct Options<'a> {
    flags: Vec<(&'a str, Option<Cow<'a, Value>>)>,
    pub operands: Vec<&'a Value>,
    /// What stands behind `--`.
    pub rest: &'a [Value],
}

impl<'a> Options<'a> {
    /// `short` are the letters and `long` the names that take a value. With `single` a long name may follow
    /// one dash, as Go's flag package has it.
    pub(super) fn parse(arguments: &'a [Value], short: &str, long: &[&str], single: bool) -> Self {
        let mut options = Self {
            flags: Vec::new(),
            operands: Vec::new(),
            rest: &[],
        };
        let mut at = 0;
        while let Some(argument) = arguments.get(at) {
            at += 1;
            let text = argument.text.as_str();
            if text == "--" {
                options.rest = arguments.get(at..).unwrap_or_default();
                break;
            }
            let name = match (text.strip_prefix("--"), text.strip_prefix('-')) {
                (Some(name), _) => Some(name),
                (None, Some(name)) if single && name.len() > 1 => Some(name),
                _ => None,
            };
            if let Some(name) = name {
                if let Some((name, value)) = name.split_once('=') {
                    let mut part = Value::known(value);
                    part.mark(argument);
                    options.flags.push((name, Some(Cow::Owned(part))));
                } else if long.contains(&name) {
                    options.flags.push((name, arguments.get(at).map(Cow::Borrowed)));
                    at += 1;
                } else {
                    options.flags.push((name, None));
                }
                continue;
            }
            match text.strip_prefix('-').filter(|letters| !letters.is_empty()) {
                None => options.operands.push(argument),
                Some(letters) => at += options.cluster(argument, letters, short, arguments.get(at)),
            }
        }
        options
    }

    /// `-sSfm 5` or `-m5`: returns how many words belong to it.
    fn cluster(&mut self, argument: &Value, letters: &'a str, short: &str, next: Option<&'a Value>) -> usize {
        for (at, letter) in letters.char_indices() {
            let end = at + letter.len_utf8();
            let name = letters.get(at..end).unwrap_or_default();
            if !short.contains(letter) {
                self.flags.push((name, None));
                continue;
            }
            let inline = letters.get(end..).unwrap_or_default();
            if inline.is_empty() {
                self.flags.push((name, next.map(Cow::Borrowed)));
                return 1;
            }
            let mut value = Value::known(inline.trim_start_matches('='));
            value.mark(argument);
            self.flags.push((name, Some(Cow::Owned(value))));
            return 0;
        }
        0
    }

    /// The value of the first of these flags that is there; the last one on the line wins.
    pub(super) fn value(&self, names: &[&str]) -> Option<&Value> {
        let found = self.flags.iter().rev().find(|(name, _)| names.contains(name));
        found.and_then(|(_, value)| value.as_deref())
    }

    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &Value> {
        let found = self.flags.iter().filter(move |(flag, _)| *flag == name);
        found.filter_map(|(_, value)| value.as_deref())
    }

    pub(super) fn has(&self, names: &[&str]) -> bool {
        self.flags.iter().any(|(name, _)| names.contains(name))
    }
}
