//! A stream into its documents, by text alone, so that a broken one leaves the others whole.
use std::ops::Range;

use super::source::Source;

/// Byte ranges of the documents. `---` and `...` count in the first column only: YAML forbids
/// both there inside quoted text, and block scalars are indented (YAML 1.2.2, 9.1.4 and 9.1.5).
pub(super) fn documents(source: &Source) -> Vec<Range<usize>> {
    let text = source.text();
    let mut found = Vec::new();
    let mut start = 0;
    // Directives and comments above `---` belong to the document below it.
    let mut prefix_only = true;
    let starts = source.line_starts();
    let ends = starts.iter().copied().skip(1).chain([text.len()]);
    for (at, next) in starts.iter().copied().zip(ends) {
        let first = text.as_bytes().get(at);
        if !prefix_only && !matches!(first, Some(b'-' | b'.')) {
            continue;
        }
        let line = text.get(at..next).unwrap_or_default();
        if is_marker(line, "---") {
            if !prefix_only {
                found.push(start..at);
                start = at;
            }
            prefix_only = false;
        } else if is_marker(line, "...") {
            found.push(start..next);
            start = next;
            prefix_only = true;
        } else if prefix_only {
            let bare = line.trim();
            prefix_only = bare.is_empty() || bare.starts_with('#') || line.starts_with('%');
        }
    }
    if start < text.len() {
        found.push(start..text.len());
    }
    found
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manifest::source::Origin;

    fn split(text: &str) -> Vec<&str> {
        documents(&Source::new("a.yaml", Origin::Stdin, text.to_owned()))
            .into_iter()
            .filter_map(|range| text.get(range))
            .collect()
    }

    #[test]
    fn documents_begin_at_markers_in_the_first_column() {
        assert_eq!(split("a: 1\n---\nb: 2\n"), ["a: 1\n", "---\nb: 2\n"]);
        assert_eq!(split("---\na: 1\n...\nb: 2"), ["---\na: 1\n...\n", "b: 2"]);
        assert_eq!(
            split("a: |\n  ---\n  x\n--- # next\nb: 1\n"),
            ["a: |\n  ---\n  x\n", "--- # next\nb: 1\n"]
        );
        assert_eq!(split("---a: 1\n----\n"), ["---a: 1\n----\n"]);
        assert_eq!(split("--- {a: 1}\r\n---\r\n"), ["--- {a: 1}\r\n", "---\r\n"]);
        assert_eq!(split(""), Vec::<&str>::new());
    }

    #[test]
    fn comments_and_directives_stay_with_the_document_below() {
        assert_eq!(
            split("# x\n%YAML 1.2\n---\na: 1\n"),
            ["# x\n%YAML 1.2\n---\na: 1\n"]
        );
        assert_eq!(
            split("a: 1\n...\n%YAML 1.1\n---\nb: 1\n"),
            ["a: 1\n...\n", "%YAML 1.1\n---\nb: 1\n"]
        );
    }
}
