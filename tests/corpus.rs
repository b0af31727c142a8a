//! Counts how the rules and the reader of waits behave on a corpus of real manifests that is not part of this
//! repository: `BLESS=1 HOOKBUDGET_CORPUS=DIR cargo test --test corpus` writes the tally into
//! `docs/design/precision.md`; without `BLESS` the tally has to be as it stands there. DIR holds manifests,
//! `expectations.csv` with the columns `file`, `kind`, `name` and `verdict` (safe, advisory, unsafe), and
//! `wait_loops.json`. Without DIR nothing is counted.
#![cfg(feature = "cli")]
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};
use support::{findings, read, run, run_with};

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

/// The lines of the tally and how many objects of each verdict were judged as wished.
fn objects(corpus: &Path, wrong: &mut Vec<String>) -> String {
    let table = std::fs::read_to_string(corpus.join("expectations.csv")).expect("expectations.csv");
    let mut lines = table.lines();
    let header = cells(lines.next().expect("a header"));
    let column = |name: &str| header.iter().position(|cell| cell == name).expect("a column");
    let (file, kind, name, verdict) = (column("file"), column("kind"), column("name"), column("verdict"));
    let mut rows = String::new();
    let mut count: BTreeMap<String, (usize, usize, usize)> = BTreeMap::new();
    for row in lines.filter(|line| !line.is_empty()).map(cells) {
        let path = corpus.join(&row[file]);
        let report = run(&["lint", "--format", "json", path.to_str().expect("a path")]).json();
        let (found, enforced) = of_object(&report, &row[kind], &row[name]);
        let judged = judgement(&row[verdict], &found, &enforced);
        if judged.is_some() || enforced == "not found" {
            wrong.push(format!(
                "{} {} {}",
                row[file],
                row[name],
                judged.unwrap_or("not found")
            ));
        }
        let loud: Vec<&str> = found
            .iter()
            .filter(|finding| !finding.ends_with(" info"))
            .map(String::as_str)
            .collect();
        let counted = count.entry(row[verdict].clone()).or_default();
        counted.0 += 1;
        counted.1 += usize::from(!loud.is_empty());
        counted.2 += usize::from(enforced == "deny");
        let said = if loud.is_empty() {
            "-".to_owned()
        } else {
            loud.join(", ")
        };
        let _ = writeln!(
            rows,
            "| `{}` | {} | {} | {enforced} | {said} | {} |",
            row[name],
            row[kind],
            row[verdict],
            judged.unwrap_or_default()
        );
    }
    let mut text =
        "| wanted | objects | with a warning or an error | denied under `enforce` |\n|---|---|---|---|\n"
            .to_owned();
    for (verdict, (all, loud, denied)) in count {
        let _ = writeln!(text, "| {verdict} | {all} | {loud} | {denied} |");
    }
    text + "\n| object | kind | wanted | `enforce` | warnings and errors | wrong |\n|---|---|---|---|---|---|\n"
        + &rows
}

/// A Job that runs the script, with the environment that the loop's source states.
fn job_of(shell: &str, source: &str) -> String {
    let stated = source.rsplit_once(", env ").map_or("", |(_, env)| env);
    let env: Vec<Value> = stated
        .split_whitespace()
        .filter_map(|entry| entry.split_once('='))
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "loop"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{
            "name": "main", "image": "busybox:1.36", "command": ["sh", "-c", shell], "env": env}]}}}
    })
    .to_string()
}

fn loops(corpus: &Path, wrong: &mut Vec<String>) -> String {
    let text = std::fs::read_to_string(corpus.join("wait_loops.json")).expect("wait_loops.json");
    let loops: Vec<Value> = serde_json::from_str(&text).expect("a list of loops");
    let mut table = "| loop | wanted, nominal | read | wanted, worst | read | confidence | right |\n|---|---|---|---|---|---|---|\n".to_owned();
    for case in &loops {
        let source = case["source"].as_str().expect("a source");
        let job = job_of(case["shell"].as_str().expect("a script"), source);
        let report = run_with(&["lint", "--format", "json", "-"], &job).json();
        let wait = &report["objects"][0]["waits"][0];
        let span = |value: &Value| value.as_f64().map_or("unbounded".to_owned(), |v| v.to_string());
        let read = |key: &str| match wait {
            Value::Null => "no wait".to_owned(),
            wait => span(&wait[key]),
        };
        let wanted = |key: &str| case.get(key).map(span);
        let (nominal, worst) = (read("nominal"), read("worst"));
        let right = wanted("expected_budget_seconds").is_none_or(|wanted| wanted == nominal)
            && wanted("worst_case_seconds").is_none_or(|wanted| wanted == worst);
        if !right {
            wrong.push(format!("loop of {source}"));
        }
        let _ = writeln!(
            table,
            "| {} | {} | {nominal} | {} | {worst} | {} | {} |",
            source.split(" @ ").next().unwrap_or_default(),
            wanted("expected_budget_seconds").unwrap_or_default(),
            wanted("worst_case_seconds").unwrap_or_default(),
            wait["confidence"].as_str().unwrap_or_default(),
            if right { "yes" } else { "NO" }
        );
    }
    table
}

#[test]
fn the_tally_is_as_written_down() {
    const PAGE: &str = "docs/design/precision.md";
    const MARK: &str = "<!-- tally -->\n";
    let Some(corpus) = std::env::var_os("HOOKBUDGET_CORPUS") else {
        return;
    };
    let corpus = Path::new(&corpus);
    let mut wrong = Vec::new();
    let tally = format!("{}\n{}", objects(corpus, &mut wrong), loops(corpus, &mut wrong));
    println!("{tally}\n{} wrong: {wrong:#?}", wrong.len());
    let page = read(PAGE);
    let (argued, _) = page.split_once(MARK).expect("the mark before the tally");
    let written = format!("{argued}{MARK}\n{tally}");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(support::root().join(PAGE), &written).expect("the page");
    } else {
        assert_eq!(
            page, written,
            "{PAGE} is stale: BLESS=1 HOOKBUDGET_CORPUS=DIR cargo test --test corpus"
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
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
