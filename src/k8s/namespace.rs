//! What a namespace says about the Jobs in it.

use std::collections::HashMap;

use crate::engine::Seconds;
use crate::engine::cold_start;
use crate::engine::policy::{Mode, RewriteLevel};

/// Namespaces by name.
pub type Namespaces = HashMap<String, NamespaceFacts>;

/// The label and the annotations of a namespace that count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NamespaceFacts {
    /// The label `hookbudget.dev/mode`; absent when it is no mode.
    pub mode: Option<Mode>,
    /// The annotation `hookbudget.dev/release-timeout`; absent when it is no duration above zero.
    pub release_timeout: Option<Seconds>,
    /// The annotation `hookbudget.dev/cold-start`; absent when it is no duration above zero.
    pub cold_start: Option<Seconds>,
    /// The annotation `hookbudget.dev/rewrite`; absent when it is no level.
    pub rewrite: Option<RewriteLevel>,
}

impl NamespaceFacts {
    /// Reads labels and annotations by key.
    #[must_use]
    pub fn read<'v>(
        label: impl Fn(&str) -> Option<&'v str>,
        annotation: impl Fn(&str) -> Option<&'v str>,
    ) -> Self {
        Self {
            mode: label("hookbudget.dev/mode").and_then(Mode::parse),
            release_timeout: annotation("hookbudget.dev/release-timeout")
                .and_then(|text| Seconds::parse_go(text).ok())
                .filter(|timeout| *timeout > Seconds::ZERO),
            cold_start: annotation(cold_start::ANNOTATION).and_then(cold_start::parse),
            rewrite: annotation("hookbudget.dev/rewrite").and_then(RewriteLevel::parse),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_counts_as_absent() {
        let read = |mode, timeout, cold_start, rewrite| {
            let annotation = |key: &str| {
                Some(match key {
                    "hookbudget.dev/release-timeout" => timeout,
                    "hookbudget.dev/cold-start" => cold_start,
                    _ => rewrite,
                })
            };
            NamespaceFacts::read(|_| Some(mode), annotation)
        };
        assert_eq!(
            read("enforce", "15m", "20m", "all"),
            NamespaceFacts {
                mode: Some(Mode::Enforce),
                release_timeout: Some(Seconds::new(900)),
                cold_start: Some(Seconds::new(1200)),
                rewrite: Some(RewriteLevel::All),
            }
        );
        assert_eq!(read("Enforce", "900", "soon", "some"), NamespaceFacts::default());
        assert_eq!(read("", "-1s", "0s", ""), NamespaceFacts::default());
    }
}
