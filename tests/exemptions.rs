//! What became of an object's exemptions, as `lint` reports it.
#![cfg(feature = "cli")]
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use support::{findings, lint_json, read, run, run_with};

const OVER: &str = "tests/fixtures/rules/HB602/fails-over-and-without-reason.yaml";
const NOT_NEEDED: &str = "tests/fixtures/rules/HB602/fails-not-needed.yaml";
const IN_USE: &str = "tests/fixtures/rules/HB602/passes-in-use.yaml";

/// The exemptions of the first object as `exempt.HB301: used`, in the order of their names.
fn states(report: &Value) -> Vec<String> {
    let exemptions = report["objects"][0]["exemptions"].as_array().expect("exemptions");
    let texts = exemptions.iter().map(|exemption| {
        let annotation = exemption["annotation"].as_str().expect("an annotation");
        let state = exemption["state"].as_str().expect("a state");
        format!("{}: {state}", annotation.trim_start_matches("hookbudget.dev/"))
    });
    let mut texts: Vec<String> = texts.collect();
    texts.sort();
    texts
}

#[test]
fn the_report_tells_used_unused_and_expired_apart() {
    assert_eq!(states(&lint_json(IN_USE)), ["exempt.HB301: used"]);
    assert_eq!(
        states(&lint_json(NOT_NEEDED)),
        ["exempt.logs-lost-on-failure: unused"]
    );
    assert_eq!(
        states(&lint_json(OVER)),
        [
            "exempt.HB106: no-reason",
            "exempt.HB301: expired",
            "exempt.HB30l: unknown-rule"
        ]
    );
    let narrow = run(&["lint", "--format", "json", "--select", "HB602", NOT_NEEDED]).json();
    assert_eq!(states(&narrow), ["exempt.logs-lost-on-failure: not-run"]);
    assert_eq!(
        states(&lint_json("tests/fixtures/rules/HB301/fails-on-failure.yaml")),
        [""; 0]
    );
}

#[test]
fn an_exemption_shows_its_reason_and_its_end() {
    let exemption = &lint_json(IN_USE)["objects"][0]["exemptions"][0];
    let expected = json!({
        "annotation": "hookbudget.dev/exempt.HB301",
        "rule": "HB301",
        "reason": "logs go to the collector",
        "until": "9999-12-31",
        "state": "used",
    });
    assert_eq!(*exemption, expected);
}

#[test]
fn what_is_not_needed_is_information_and_what_does_not_count_a_warning() {
    let of_602 = |report: &Value| -> Vec<String> {
        let found = findings(report).into_iter();
        found.filter(|finding| finding.starts_with("HB602")).collect()
    };
    assert_eq!(of_602(&lint_json(NOT_NEEDED)), ["HB602 warning", "HB602 info"]);
    assert_eq!(of_602(&lint_json(OVER)), ["HB602 warning"; 3]);
    assert_eq!(of_602(&lint_json(IN_USE)), [""; 0]);
}

#[test]
fn an_exemption_that_is_over_exempts_from_nothing() {
    let status =
        |text: &str| run_with(&["lint", "--fail-on", "warning", "--select", "HB301", "-"], text).status;
    let text = read(IN_USE);
    assert_eq!(status(&text), 0);
    assert_eq!(status(&text.replace("9999-12-31", "2024-12-31")), 1);
}
