//! Pages that are generated from the code. `BLESS=1 cargo test --test generated` rewrites them.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use hookbudget::engine::rule::Rule;
use hookbudget::engine::rules::ALL;
use support::{files, read, root};

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

fn table(links: &str) -> String {
    let mut text = "| code | name | worst severity | what it finds |\n|---|---|---|---|\n".to_owned();
    for rule in ALL {
        let (code, severity) = (rule.code, rule.severity.as_str());
        let _ = writeln!(
            text,
            "| [{code}]({links}{code}.md) | {} | {severity} | {} |",
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
        table("")
    )
}

/// The README with its table of rules written anew between the two marks.
fn readme() -> String {
    const START: &str = "<!-- rules: generated -->\n";
    const END: &str = "<!-- end of rules -->\n";
    let text = read("README.md");
    let (before, rest) = text.split_once(START).expect("the start of the table of rules");
    let (_, after) = rest.split_once(END).expect("the end of the table of rules");
    format!("{before}{START}{}{END}{after}", table("docs/rules/"))
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
fn the_table_of_rules_in_the_readme_is_up_to_date() {
    let text = readme();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(root().join("README.md"), &text).expect("the README");
    }
    assert_eq!(
        read("README.md"),
        text,
        "README.md is stale: BLESS=1 cargo test --test generated"
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
