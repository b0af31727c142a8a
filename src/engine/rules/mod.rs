//! The catalogue: one rule, one file.

use super::rule::Rule;

pub mod logs_lost_on_failure;

/// Every rule, in the order of the codes.
pub static ALL: &[&Rule] = &[&logs_lost_on_failure::RULE];

/// Finds a rule by its code or its name, in any case.
#[must_use]
pub fn find(name: &str) -> Option<&'static Rule> {
    ALL.iter()
        .copied()
        .find(|rule| rule.code.eq_ignore_ascii_case(name) || rule.name.eq_ignore_ascii_case(name))
}
