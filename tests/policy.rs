//! The policy file: its schema and page are up to date, every mistake is named with its place and its remedy.
//! `BLESS=1 cargo test --test policy` rewrites the generated files.
#![cfg(feature = "cli")]
#![allow(clippy::expect_used)] // in helpers clippy does not see the test

mod support;

use hookbudget::cli::policy::{Refusal, commented, page, read, schema};
use hookbudget::engine::Seconds;
use hookbudget::engine::policy::{Mode, Policy, RewriteLevel, RuleLevel};
use support::{root, run};

fn policy(text: &str) -> Result<Policy, Refusal> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("policy.yaml");
    std::fs::write(&path, text).expect("a policy");
    read(Some(&path))
}

/// Line, column and message of every mistake.
fn mistakes(text: &str) -> Vec<(usize, usize, String)> {
    match policy(text) {
        Err(Refusal::Wrong(errors)) => errors
            .into_iter()
            .map(|e| (e.line.unwrap_or(0), e.column.unwrap_or(0), e.message))
            .collect(),
        Err(Refusal::Unreadable(error)) => vec![(0, 0, error.to_string())],
        Ok(_) => Vec::new(),
    }
}

#[test]
fn the_schema_and_the_page_are_up_to_date() {
    let schema = serde_json::to_string_pretty(&schema()).expect("a schema") + "\n";
    let page = "<!-- Generated from src/engine/policy.rs by `BLESS=1 cargo test --test policy`. -->\n\n"
        .to_owned()
        + &page().expect("a page");
    for (name, text) in [("docs/policy.schema.json", schema), ("docs/policy.md", page)] {
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(root().join(name), &text).expect("a file");
        }
        let there = std::fs::read_to_string(root().join(name)).unwrap_or_default();
        assert_eq!(there, text, "{name} is stale: BLESS=1 cargo test --test policy");
    }
}

#[test]
fn every_key_of_the_schema_has_a_description_and_a_default() {
    let schema = schema();
    let properties = schema["properties"].as_object().expect("properties");
    for (key, value) in properties {
        assert!(value["description"].is_string(), "{key}: {value}");
        assert!(value.get("default").is_some(), "{key}: {value}");
    }
    let written = serde_json::to_value(Policy::default()).expect("JSON");
    let written: Vec<_> = written.as_object().expect("an object").keys().collect();
    assert_eq!(properties.keys().collect::<Vec<_>>(), written);
    assert_eq!(schema["properties"]["headroom"]["default"], "4m0s");
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn the_policy_that_is_shown_is_the_policy_that_was_read() {
    for empty in ["", "# nothing\n", "{}\n", "---\n"] {
        assert_eq!(policy(empty), Ok(Policy::default()), "{empty:?}");
    }
    let shown = commented(&Policy::default()).expect("text");
    assert_eq!(policy(&shown), Ok(Policy::default()), "{shown}");
    let mut own = Policy {
        default_mode: Mode::Off,
        headroom: Seconds::new(90),
        rewrite: RewriteLevel::All,
        ..Policy::default()
    };
    own.namespace_modes.insert("a".to_owned(), Mode::Enforce);
    own.rules.insert("HB101".to_owned(), RuleLevel::Off);
    own.kubelet.reduced = true;
    let shown = commented(&own).expect("text");
    assert_eq!(policy(&shown), Ok(own), "{shown}");
}

#[test]
fn off_needs_no_quotes() {
    let read = policy("defaultMode: off\nrules: {HB101: off, HB206: \"off\"}\nnamespaceModes:\n  a: off\n");
    let read = read.expect("a policy");
    assert_eq!(read.default_mode, Mode::Off);
    assert_eq!(read.rules["HB101"], RuleLevel::Off);
    assert_eq!(read.namespace_modes["a"], Mode::Off);
}

#[test]
fn every_mistake_is_named_with_its_place_and_its_remedy() {
    for (text, line, column, says) in [
        (
            "headrom: 4m\n",
            1,
            1,
            "unknown key headrom: did you mean headroom?",
        ),
        (
            "kubelet:\n  reducd: true\n",
            2,
            3,
            "kubelet: unknown key reducd: did you mean reduced?",
        ),
        (
            "kubelet:\n  zzz: true\n",
            2,
            3,
            "there are maxContainerRestartPeriod, reduced",
        ),
        (
            "slack: 60\n",
            1,
            8,
            "slack: the number 60 has no unit: write 60s or 60m",
        ),
        ("slack: 1 minute\n", 1, 8, "the units are ns, us, ms, s, m and h"),
        (
            "slack: -1m\n",
            1,
            8,
            "\"-1m\" is negative: write a span of zero or more",
        ),
        (
            "slack: [1m]\n",
            1,
            8,
            "expected a duration such as 4m or 90s, found a list",
        ),
        (
            "defaultMode: warm\n",
            1,
            14,
            "defaultMode is \"warm\": did you mean warn? Allowed are off, audit, warn, enforce",
        ),
        ("defaultMode: on\n", 1, 14, "defaultMode is true: Allowed are"),
        (
            "namespaceModes:\n  team.a: nforce\n",
            2,
            11,
            "did you mean enforce?",
        ),
        (
            "rules:\n  hb102: off\n",
            2,
            3,
            "rules: unknown rule hb102: did you mean HB102?",
        ),
        (
            "rules:\n  HB101: fatal\n",
            2,
            10,
            "Allowed are off, info, warning, error",
        ),
        (
            "rules: [HB101]\n",
            1,
            8,
            "rules: expected a mapping, found a list",
        ),
        ("kubelet:\n  reduced: maybe\n", 2, 12, "write true or false"),
        (
            "kubelet:\n  maxContainerRestartPeriod: 0s\n",
            2,
            30,
            "the kubelet takes 1s to 300s",
        ),
        ("waitImage: 5\n", 1, 12, "waitImage is 5: write text"),
        (
            "apiVersion: hookbudget.dev/v1\n",
            1,
            13,
            "apiVersion is \"hookbudget.dev/v1\": write apiVersion: hookbudget.dev/v1alpha1",
        ),
        ("- a\n", 1, 1, "a policy is a mapping"),
        ("headroom: 1m\n---\nslack: 1m\n", 3, 1, "one file holds one"),
        ("headroom: 1m\nheadroom: 2m\n", 2, 1, "set twice"),
    ] {
        let found = mistakes(text);
        let at = (line, column);
        let unread = found
            .first()
            .is_some_and(|(l, _, m)| *l == 0 && m.contains(&format!(":{line}:{column}: ")));
        let placed = found.len() == 1 && found.first().is_some_and(|(l, c, _)| (*l, *c) == at);
        assert!(placed || unread, "{text:?}: {found:?}");
        assert!(found[0].2.contains(says), "{text:?}: {found:?}");
    }
}

#[test]
fn all_mistakes_are_named_at_once() {
    let all = mistakes("slak: 1m\ndefaultMode: x\nrules: {HB999: off}\n");
    assert_eq!(
        all.iter().map(|(line, ..)| *line).collect::<Vec<_>>(),
        [1, 2, 3],
        "{all:?}"
    );
}

#[test]
fn the_command_checks_shows_and_prints_the_schema() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("policy.yaml");
    let file = path.to_str().expect("a path");
    std::fs::write(&path, "headroom: 3m\n").expect("a policy");
    let ran = run(&["policy", "check", file]);
    assert_eq!(
        (ran.status, ran.out.trim_end().ends_with("a valid policy")),
        (0, true)
    );
    let ran = run(&["policy", "show", file]);
    assert!(ran.out.contains("\nheadroom: 3m0s\n"), "{}", ran.out);
    std::fs::write(&path, "headrom: 3m\n").expect("a policy");
    let ran = run(&["policy", "check", file]);
    assert_eq!(ran.status, 1);
    let says = format!("error: {file}:1:1: unknown key headrom: did you mean headroom?\n");
    assert_eq!(ran.out, says);
    let lint = run(&[
        "lint",
        "tests/fixtures/incidents/a-powerdns.yaml",
        "--policy",
        file,
    ]);
    assert_eq!((lint.status, lint.err), (2, says));
    assert_eq!(run(&["policy", "check", "no/such.yaml"]).status, 2);
    assert_eq!(run(&["policy", "schema"]).json()["title"], "Policy");
    let shown = run(&["policy", "show"]).out;
    assert!(shown.lines().all(|line| line.chars().count() <= 104), "{shown}");
}
