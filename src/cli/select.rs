//! `--select` and `--ignore`: which rules run; `--fail-on`: which findings decide the exit status.

use std::str::FromStr;

use clap::ValueEnum;

use crate::engine::finding::Severity;
use crate::engine::policy::{Policy, RuleLevel};
use crate::engine::rule::Rule;
use crate::engine::rules;

/// One word of the list: a code (`HB102`), the beginning of codes (`HB1`), a name, or `ALL`.
#[derive(Clone, Debug)]
pub(super) struct Selector(String);

impl Selector {
    fn takes(&self, rule: &Rule) -> bool {
        let Self(text) = self;
        let begins = |code: &str| {
            code.get(..text.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(text))
        };
        text.eq_ignore_ascii_case("all") || rule.name.eq_ignore_ascii_case(text) || begins(rule.code)
    }
}

impl FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let selector = Self(text.trim().to_owned());
        // `H` alone would select as much as `ALL`, and an empty word says nothing.
        let says_something = selector.0.len() >= 2;
        if says_something && rules::ALL.iter().any(|rule| selector.takes(rule)) {
            return Ok(selector);
        }
        Err("no rule has this code, name or beginning of a code: \
             write HB102, HB1, wait-exceeds-deadline or ALL"
            .to_owned())
    }
}

/// Turns off the rules that are not selected, and those that are ignored. No selector selects all.
pub(super) fn apply(select: &[Selector], ignore: &[Selector], policy: &mut Policy) {
    for rule in rules::ALL {
        let takes = |list: &[Selector]| list.iter().any(|selector| selector.takes(rule));
        if (!select.is_empty() && !takes(select)) || takes(ignore) {
            policy.rules.insert(rule.code.to_owned(), RuleLevel::Off);
        }
    }
}

/// The severity from which on the exit status is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Errors alone.
    Error,
    /// Warnings and errors.
    Warning,
    /// Everything.
    Info,
    /// Findings never change the exit status.
    Never,
}

impl FailOn {
    /// Whether a finding of this severity counts.
    #[must_use]
    pub fn reached(self, severity: Severity) -> bool {
        match self {
            Self::Error => severity >= Severity::Error,
            Self::Warning => severity >= Severity::Warning,
            Self::Info => true,
            Self::Never => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(select: &[&str], ignore: &[&str]) -> Vec<&'static str> {
        let read = |words: &[&str]| -> Vec<Selector> {
            words.iter().map(|word| word.parse().expect(word)).collect()
        };
        let mut policy = Policy::default();
        apply(&read(select), &read(ignore), &mut policy);
        let codes = rules::ALL.iter().map(|rule| rule.code);
        codes.filter(|code| !policy.rules.contains_key(*code)).collect()
    }

    #[test]
    fn codes_families_and_names_select_and_ignoring_wins() {
        assert_eq!(left(&[], &[]).len(), rules::ALL.len());
        assert_eq!(left(&["hb102", "deadline-missing"], &[]), ["HB102", "HB106"]);
        assert!(
            left(&["HB1"], &["HB102"])
                .iter()
                .all(|code| code.starts_with("HB1") && *code != "HB102")
        );
        assert_eq!(left(&[], &["ALL"]), [""; 0]);
    }

    #[test]
    fn a_word_that_selects_nothing_is_refused() {
        for text in ["", "H", "HB9", "wait-exceeds", "H\u{df}1"] {
            assert!(text.parse::<Selector>().is_err(), "{text}");
        }
    }
}
