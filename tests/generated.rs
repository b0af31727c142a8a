//! Pages that are generated from the code. `BLESS=1 cargo test --test generated` rewrites them.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use hookbudget::engine::annotations::{EXEMPT_ONE, Form, KNOWN, PREFIX};
use hookbudget::engine::rule::Rule;
use hookbudget::engine::rules::ALL;
use support::{files, read, root};

const ANNOTATIONS: &str = "docs/annotations.md";
const NOTE: &str = "<!-- Generated from src/engine/rules by `BLESS=1 cargo test --test generated`. -->\n";

/// A doc comment with the space that stands behind each `///` taken away.
fn markdown(rule: &Rule) -> String {
    let mut text = String::new();
    for line in rule.docs.lines() {
        text.push_str(line.strip_prefix(' ').unwrap_or(line).trim_end());
        text.push('\n');
    }
    text
}

fn page(rule: &Rule) -> String {
    format!("{NOTE}\n# {} {}\n\n{}", rule.code, rule.name, markdown(rule))
}

fn table() -> String {
    let mut text = "| code | name | worst severity | what it finds |\n|---|---|---|---|\n".to_owned();
    for rule in ALL {
        let (code, severity) = (rule.code, rule.severity.as_str());
        let _ = writeln!(
            text,
            "| [{code}]({code}.md) | {} | {severity} | {} |",
            rule.name,
            markdown(rule).lines().next().unwrap_or_default()
        );
    }
    text
}

fn index() -> String {
    format!(
        "{NOTE}\n# Rules\n\n{}\nOnly an `error` whose confidence is `certain` is ever denied, and only in a namespace \
         in mode `enforce`. `hookbudget explain CODE` shows a page in the terminal. An object is exempted from a rule by \
         the annotation `hookbudget.dev/exempt.CODE: \"<reason>\"`.\n",
        table()
    )
}

/// The page of the annotations with its table written anew between the two marks.
fn annotations() -> String {
    const START: &str = "<!-- annotations: generated from src/engine/annotations.rs -->\n";
    const END: &str = "<!-- end of annotations -->\n";
    let text = read(ANNOTATIONS);
    let (before, rest) = text.split_once(START).expect("the start of the table");
    let (_, after) = rest.split_once(END).expect("the end of the table");
    let mut table = "| annotation | value | what it says |\n|---|---|---|\n".to_owned();
    for annotation in KNOWN {
        let value = match annotation.form {
            Form::Duration => "a span: `90s`, `10m`, `1h30m`",
            Form::Targets => "targets of [`hookbudget-wait`](wait.md#targets), separated by commas",
            Form::Variables => "`NAME=wait-timeout,NAME=wait-attempts,...`",
            Form::Rewrite => "`none`, `safe` or `all`",
            Form::Reason => "a reason for people",
            Form::Until => "a day or a time of RFC 3339",
            Form::Record => "written by the webhook",
        };
        let _ = writeln!(
            table,
            "| `{PREFIX}{}` | {value} | {} |",
            annotation.name, annotation.meaning
        );
        if annotation.name == "exempt" {
            let _ = writeln!(
                table,
                "| `{EXEMPT_ONE}CODE` | a reason for people | why this rule is not to judge this object; its name counts like its code |"
            );
        }
    }
    format!("{before}{START}{table}{END}{after}")
}

fn pages() -> Vec<(String, String)> {
    let mut pages: Vec<_> = ALL
        .iter()
        .map(|rule| (format!("docs/rules/{}.md", rule.code), page(rule)))
        .collect();
    pages.push(("docs/rules/README.md".to_owned(), index()));
    pages
}

#[test]
fn the_pages_of_the_rules_are_up_to_date() {
    let bless = std::env::var_os("BLESS").is_some();
    for (name, text) in pages() {
        if bless {
            std::fs::create_dir_all(root().join("docs/rules")).expect("a directory");
            std::fs::write(root().join(&name), &text).expect("a page");
        }
        let there = std::fs::read_to_string(root().join(&name)).unwrap_or_default();
        assert_eq!(
            there, text,
            "{name} is stale: BLESS=1 cargo test --test generated"
        );
    }
    let wanted: BTreeSet<String> = pages().into_iter().map(|(name, _)| name).collect();
    let there: BTreeSet<String> = files("docs/rules", ".md").into_iter().collect();
    assert_eq!(there, wanted, "a page that belongs to no rule");
}

#[test]
fn the_table_of_annotations_is_up_to_date() {
    let text = annotations();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(root().join(ANNOTATIONS), &text).expect("the page");
    }
    assert_eq!(
        read(ANNOTATIONS),
        text,
        "{ANNOTATIONS} is stale: BLESS=1 cargo test --test generated"
    );
}

#[test]
fn every_file_of_a_rule_is_registered() {
    let catalogue = read("src/engine/rules/mod.rs");
    for file in files("src/engine/rules", ".rs") {
        let name = file
            .trim_start_matches("src/engine/rules/")
            .trim_end_matches(".rs");
        if !read(&file).contains("rule! {") {
            continue;
        }
        assert!(
            catalogue.contains(&format!("&{name}::RULE,")),
            "{file} is not in ALL"
        );
        let rule = ALL
            .iter()
            .find(|rule| rule.name.replace('-', "_") == name)
            .unwrap_or_else(|| panic!("{file} is not named after its rule"));
        let text = read(&file);
        assert!(
            text.starts_with(&format!("//! {}.", rule.code)),
            "{file} does not say its code"
        );
    }
}
