//! The environment that a container's `env` states.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::reading::EnvValue;
use crate::engine::job::Container;
use crate::engine::redact::is_secret_name;

/// The longest value that `$(NAME)` may grow to, in bytes.
const LONGEST: usize = 64 * 1024;

/// Names and values; `None` where the manifest does not show the value.
pub(super) struct Environment<'a> {
    values: BTreeMap<&'a str, Option<Cow<'a, str>>>,
    /// Other names may be set too.
    open: bool,
}

impl Environment<'_> {
    pub(super) fn get(&self, name: &str) -> EnvValue<'_> {
        match self.values.get(name) {
            Some(Some(value)) => EnvValue::Known(value),
            Some(None) => EnvValue::Hidden,
            None if self.open => EnvValue::Hidden,
            None => EnvValue::Unset,
        }
    }
}

/// In the order of the list: a later entry replaces an earlier one, and `$(NAME)` sees the entries before it.
pub(super) fn of<'a>(container: &'a Container<'_>) -> Environment<'a> {
    let mut environment = Environment {
        values: BTreeMap::new(),
        open: container.has_env_from,
    };
    for entry in &container.env {
        let shown = entry
            .value
            .as_ref()
            .filter(|value| !is_secret(&entry.name, value));
        let value = shown.and_then(|value| {
            if !value.contains('$') {
                return Some(Cow::Borrowed(&**value));
            }
            let mut text = Some(String::new());
            expand(value, &mut |piece| match (piece, text.as_mut()) {
                (_, None) => {}
                (Piece::Text(part), Some(text)) => text.push_str(part),
                (Piece::Name(name), Some(whole)) => match environment.get(name) {
                    EnvValue::Known(value) if whole.len() + value.len() <= LONGEST => whole.push_str(value),
                    EnvValue::Unset => {
                        whole.push_str("$(");
                        whole.push_str(name);
                        whole.push(')');
                    }
                    EnvValue::Known(_) | EnvValue::Hidden => text = None,
                },
            });
            text.map(Cow::Owned)
        });
        environment.values.insert(&entry.name, value);
    }
    environment
}

/// A value that no message may quote, by its name; a number is one that a loop counts by.
fn is_secret(name: &str, value: &str) -> bool {
    value.len() >= 4 && is_secret_name(name) && !value.bytes().all(|b| b.is_ascii_digit())
}

/// A piece of a text with `$(NAME)` in it.
pub(super) enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
}

/// Cuts a text at its `$(NAME)`; `$$` is one `$`.
pub(super) fn expand<'a>(text: &'a str, take: &mut dyn FnMut(Piece<'a>)) {
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, after) = rest.split_at(at);
        take(Piece::Text(before));
        let tail = after.get(1..).unwrap_or_default();
        let name = tail
            .strip_prefix('(')
            .and_then(|inner| inner.split_once(')'))
            .map(|(name, _)| name);
        if let Some(tail) = tail.strip_prefix('$') {
            take(Piece::Text("$"));
            rest = tail;
        } else if let Some(name) = name.filter(|name| is_name(name)) {
            take(Piece::Name(name));
            rest = tail.get(name.len() + 2..).unwrap_or_default();
        } else {
            take(Piece::Text("$"));
            rest = tail;
        }
    }
    take(Piece::Text(rest));
}

/// What cannot be a variable's name is a command substitution of the script.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::job::EnvVar;

    fn container(entries: &[(&'static str, Option<&'static str>)]) -> Container<'static> {
        let env = entries
            .iter()
            .map(|(name, value)| EnvVar {
                name: (*name).into(),
                value: value.map(Into::into),
            })
            .collect();
        Container {
            env,
            ..Container::default()
        }
    }

    #[test]
    fn later_entries_win_and_see_earlier_ones() {
        let container = container(&[
            ("A", Some("1")),
            ("B", Some("$(A)0 $$(A) $(MISSING) $x")),
            ("A", Some("2")),
            ("S", None),
            ("T", Some("x$(S)")),
        ]);
        let env = of(&container);
        assert_eq!(env.get("A"), EnvValue::Known("2"));
        assert_eq!(env.get("B"), EnvValue::Known("10 $(A) $(MISSING) $x"));
        assert_eq!(env.get("T"), EnvValue::Hidden);
        assert_eq!(env.get("S"), EnvValue::Hidden);
        assert_eq!(env.get("U"), EnvValue::Unset);
    }

    #[test]
    fn what_is_a_secret_by_its_name_counts_as_not_shown() {
        let env = [
            ("PGPASSWORD", Some("hunter2")),
            ("API_TOKEN", Some("hunter2")),
            ("URL", Some("http://x/$(API_TOKEN)")),
            ("RETRIES_PER_SECRET", Some("1000")),
            ("TOKEN_URL", Some("http://x")),
        ];
        let container = container(&env);
        let env = of(&container);
        for name in ["PGPASSWORD", "API_TOKEN", "URL"] {
            assert_eq!(env.get(name), EnvValue::Hidden, "{name}");
        }
        assert_eq!(env.get("RETRIES_PER_SECRET"), EnvValue::Known("1000"));
        assert_eq!(env.get("TOKEN_URL"), EnvValue::Known("http://x"));
    }

    #[test]
    fn other_names_may_come_from_env_from() {
        let container = Container {
            has_env_from: true,
            ..container(&[])
        };
        let env = of(&container);
        assert_eq!(env.get("U"), EnvValue::Hidden);
    }
}
