//! Counts how the rules behave on a corpus of real manifests that is not part of this repository:
//! `HOOKBUDGET_CORPUS=DIR cargo test --test corpus -- --nocapture`. DIR holds manifests and `expectations.csv`
//! with the columns `file`, `kind`, `name` and `verdict` (safe, advisory, unsafe). Without it nothing is tested.
#![cfg(feature = "cli")]

mod support;

use std::path::Path;

use serde_json::Value;
use support::{findings, run};

/// The cells of one line; quotes may enclose commas.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match (c, cells.last_mut()) {
            ('"', _) => quoted = !quoted,
            (',', _) if !quoted => cells.push(String::new()),
            (c, Some(cell)) => cell.push(c),
            (_, None) => {}
        }
    }
    cells
}

/// What is wrong about what was said of an object, if anything.
fn judgement(verdict: &str, found: &[String], enforced: &str) -> Option<&'static str> {
    let loud = found.iter().any(|finding| !finding.ends_with(" info"));
    match verdict {
        "safe" if loud => Some("NOISE"),
        "safe" | "advisory" if enforced == "deny" => Some("DENIED"),
        "unsafe" if !loud => Some("MISSED"),
        _ => None,
    }
}

fn of_object(report: &Value, kind: &str, name: &str) -> (Vec<String>, String) {
    let mine = |object: &Value| object["kind"] == kind && object["name"] == name;
    let mut report = report.clone();
    let decision = report["objects"]
        .as_array()
        .and_then(|objects| objects.iter().find(|object| mine(object)))
        .and_then(|object| object["decision"]["enforce"].as_str())
        .unwrap_or("not found")
        .to_owned();
    if let Some(list) = report["findings"].as_array_mut() {
        list.retain(|finding| mine(&finding["object"]));
    }
    (findings(&report), decision)
}

#[test]
fn the_rules_are_tallied_on_a_corpus() {
    let Some(corpus) = std::env::var_os("HOOKBUDGET_CORPUS") else {
        return;
    };
    let corpus = Path::new(&corpus);
    let table = std::fs::read_to_string(corpus.join("expectations.csv")).expect("expectations.csv");
    let mut lines = table.lines();
    let header = cells(lines.next().expect("a header"));
    let column = |name: &str| header.iter().position(|cell| cell == name).expect("a column");
    let (file, kind, name, verdict) = (column("file"), column("kind"), column("name"), column("verdict"));
    let mut wrong = Vec::new();
    for row in lines.filter(|line| !line.is_empty()).map(cells) {
        let path = corpus.join(&row[file]);
        let report = run(&["lint", "--format", "json", path.to_str().expect("a path")]).json();
        let (found, enforced) = of_object(&report, &row[kind], &row[name]);
        let judged = judgement(&row[verdict], &found, &enforced);
        let mark = judged.unwrap_or_default();
        println!(
            "{:8} {:36} {enforced:9} {mark:6} {}",
            row[verdict],
            row[name],
            found.join(", ")
        );
        if judged.is_some() || enforced == "not found" {
            wrong.push(format!("{} {} {mark}", row[file], row[name]));
        }
    }
    println!("{} wrong: {wrong:#?}", wrong.len());
    assert!(
        !wrong
            .iter()
            .any(|line| line.ends_with("DENIED") || line.ends_with("NOISE")),
        "{wrong:#?}"
    );
}

#[test]
fn a_cell_may_be_quoted() {
    assert_eq!(cells("a,\"b, c\",,d"), ["a", "b, c", "", "d"]);
}

#[test]
fn a_verdict_is_wrong_in_three_ways() {
    let warning = ["HB301 warning".to_owned()];
    assert_eq!(judgement("safe", &warning, "warn"), Some("NOISE"));
    assert_eq!(judgement("advisory", &warning, "warn"), None);
    assert_eq!(judgement("advisory", &warning, "deny"), Some("DENIED"));
    assert_eq!(
        judgement("unsafe", &["HB106 info".to_owned()], "allow"),
        Some("MISSED")
    );
    assert_eq!(judgement("unsafe", &warning, "deny"), None);
}
