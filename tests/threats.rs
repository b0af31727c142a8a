//! Every threat has a line in `docs/threats.md`, and every test that a line of it or of what admission promises names
//! exists.

#![allow(clippy::panic, reason = "a test fails by panicking")]

mod support;

use support::read;

/// Threats of the threat model for admission control that have numbers.
const NUMBERED: usize = 18;

/// Threats that nothing of a webhook's own can stand against: an administrator, and root on a node.
const BEYOND: [&str; 2] = ["6", "17"];

/// The cells of the lines of both tables.
fn lines(text: &str) -> Vec<Vec<&str>> {
    text.lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .map(|line| line.split(" | ").collect())
        .filter(|cells: &Vec<_>| cells[0] != "#")
        .collect()
}

/// The tests that a cell names: `file::function` in backquotes.
fn tests(cell: &str) -> Vec<(&str, &str)> {
    let quoted = cell.split('`').skip(1).step_by(2);
    quoted.filter_map(|text| text.split_once("::")).collect()
}

#[test]
fn every_threat_of_the_model_has_a_line() {
    let text = read("docs/threats.md");
    let lines = lines(&text);
    let numbers: Vec<&str> = lines.iter().map(|cells| cells[0]).collect();
    for number in 1..=NUMBERED {
        let found = numbers.iter().filter(|n| **n == number.to_string()).count();
        assert_eq!(found, 1, "threat {number}");
    }
    for cells in &lines {
        assert_eq!(cells.len(), 4, "{cells:?}");
        let named = tests(cells[3]);
        assert_eq!(named.is_empty(), BEYOND.contains(&cells[0]), "{cells:?}");
    }
}

#[test]
fn every_test_that_is_named_exists() {
    let texts = [read("docs/threats.md"), read("docs/design/admission.md")];
    let cells = texts.iter().flat_map(|text| lines(text)).flatten();
    let named: Vec<_> = cells.flat_map(tests).collect();
    assert!(named.len() > 60, "{named:?}");
    for (file, function) in named {
        let source = read(file);
        let at = source.find(&format!("fn {function}("));
        let at = at.unwrap_or_else(|| panic!("{file} has no function {function}"));
        let before: Vec<&str> = source[..at].lines().rev().take(4).collect();
        let is_test = before
            .iter()
            .any(|line| line.contains("#[test]") || line.contains("#[tokio::test"));
        assert!(is_test, "{file}::{function} is no test");
    }
}
