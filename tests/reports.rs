//! The report formats of `lint`, held to what reads them: the SARIF schema, an XML parser, GitHub's escapes.
#![cfg(feature = "cli")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use hookbudget::engine::rules::ALL;
use serde_json::{Value, json};
use support::{files, read, run, run_with};

const HANGING: &str = "tests/fixtures/rules/HB104/fails-hanging-probes.yaml";
const ON_FAILURE: &str = "tests/fixtures/rules/HB301/fails-on-failure.yaml";

/// The schema as OASIS publishes it.
fn schema() -> jsonschema::Validator {
    let text = read("tests/fixtures/sarif/sarif-schema-2.1.0.json");
    // A bracket that was never opened, which strict readers of patterns refuse; no report here names a language.
    let text = text.replace("^[a-zA-Z]{2}|^[a-zA-Z]{2}-[a-zA-Z]{2}]?$", "^[a-zA-Z]{2}");
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    jsonschema::validator_for(&schema).expect("a schema")
}

fn sarif(stdin: &str, paths: &[&str]) -> Value {
    let mut arguments = vec!["lint", "--format", "sarif"];
    arguments.extend(paths);
    run_with(&arguments, stdin).json()
}

#[test]
fn sarif_is_valid_for_every_fixture_and_for_what_cannot_be_read() {
    let schema = schema();
    assert!(
        !schema.is_valid(&json!({"version": "2.1.0"})),
        "the schema demands something"
    );
    let broken = format!("kind: Job\na: [\n---\n{}", read(ON_FAILURE));
    let mut reports = vec![
        sarif(&broken, &["-"]),
        sarif("", &["no-such-file.yaml"]),
        sarif("", &["tests/fixtures"]),
    ];
    reports.extend(
        files("tests/fixtures/rules", ".yaml")
            .iter()
            .map(|file| sarif("", &[file])),
    );
    for report in reports {
        let errors: Vec<String> = schema
            .iter_errors(&report)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(errors, [""; 0], "{report:#}");
    }
}

#[test]
fn a_sarif_result_leads_to_its_rule_and_its_place() {
    let report = sarif("", &[HANGING]);
    let run = &report["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    assert_eq!(rules.len(), ALL.len());
    let text = read(HANGING);
    for result in run["results"].as_array().expect("results") {
        let index = usize::try_from(result["ruleIndex"].as_u64().expect("an index")).expect("small");
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(
            rules[index]["help"]["markdown"]
                .as_str()
                .expect("help")
                .contains("## How to fix")
        );
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(
            place["artifactLocation"],
            json!({"uri": HANGING, "uriBaseId": "%SRCROOT%"})
        );
        let number =
            |key: &str| usize::try_from(place["region"][key].as_u64().expect("a number")).expect("small");
        let line: Vec<char> = text
            .lines()
            .nth(number("startLine") - 1)
            .expect("a line")
            .chars()
            .collect();
        assert!(
            number("startColumn") < number("endColumn") && number("endColumn") <= line.len() + 1,
            "{place}"
        );
    }
}

fn fingerprints(report: &Value) -> Vec<String> {
    let results = report["runs"][0]["results"].as_array().expect("results");
    results
        .iter()
        .map(|result| {
            result["partialFingerprints"]["hookbudget/v1"]
                .as_str()
                .expect("text")
                .to_owned()
        })
        .collect()
}

#[test]
fn fingerprints_stay_when_lines_move_and_tell_findings_apart() {
    let text = read(HANGING);
    let before = fingerprints(&sarif(&text, &["-"]));
    let moved = text.replace("kind: Job\n", "# one line more\n\nkind: Job\n");
    assert_eq!(fingerprints(&sarif(&moved, &["-"])), before);
    let twice = fingerprints(&sarif(&format!("{text}\n---\n{text}"), &["-"]));
    let mut distinct = twice.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), twice.len(), "{twice:?}");
}

#[test]
fn an_exempted_finding_is_suppressed_and_a_fix_can_be_applied() {
    let text = read(ON_FAILURE).replace(
        "    helm.sh/hook: post-install\n",
        "    helm.sh/hook: post-install\n    hookbudget.dev/exempt.HB301: the logs go to the collector\n",
    );
    let report = sarif(&text, &["--select", "HB301", "-"]);
    assert_eq!(
        report["runs"][0]["results"][0]["suppressions"],
        json!([{"kind": "inSource", "status": "accepted", "justification": "the logs go to the collector"}])
    );
    let report = sarif("", &["--select", "HB301", ON_FAILURE]);
    let replacements = &report["runs"][0]["results"][0]["fixes"][0]["artifactChanges"][0]["replacements"];
    let regions: Vec<String> = replacements
        .as_array()
        .expect("replacements")
        .iter()
        .map(|replacement| {
            let region = &replacement["deletedRegion"];
            format!(
                "{}:{}-{} {}",
                region["startLine"],
                region["startColumn"],
                region["endColumn"],
                replacement["insertedContent"]["text"]
            )
        })
        .collect();
    assert_eq!(regions, ["14:22-31 \"Never\"", "10:17-18 \"2\""]);
}

#[test]
fn github_annotations_stand_at_the_line_and_let_nothing_escape() {
    let ran = run(&["lint", "--format", "github", "--select", "HB301", ON_FAILURE]);
    insta::assert_snapshot!(ran.out, @"::warning file=tests/fixtures/rules/HB301/fails-on-failure.yaml,line=14,col=7,endColumn=31,title=HB301 logs-lost-on-failure::Job shop/migrate-orders: restartPolicy OnFailure with backoffLimit 3: when the Job fails, its Pod is deleted, and the logs and exit codes of all 3 attempts go with it%0ArestartPolicy: Never with backoffLimit: 2 makes as many attempts and keeps every Pod");
    let hostile = read(ON_FAILURE).replace("name: migrate-orders", "name: \"x%\\n::error::y\"");
    let ran = run_with(&["lint", "--format", "github", "-"], &hostile);
    assert!(
        ran.out
            .lines()
            .all(|line| line.starts_with("::warning file=") || line.starts_with("::error file=")),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("x%25%0A::error::y"), "{}", ran.out);
    let ran = run_with(&["lint", "--format", "github", "-"], "kind: Job\na: [\n");
    assert!(
        ran.out.starts_with("::error file=<stdin>,line=2,col="),
        "{}",
        ran.out
    );
}

#[test]
fn junit_is_well_formed_and_counts_right() {
    let hostile = read(ON_FAILURE).replace("name: migrate-orders", "name: \"<a> & \\u0001 ]]>\"");
    let broken = format!("{hostile}\n---\na: [\n");
    for (stdin, paths, failures, errors) in [
        (
            broken.as_str(),
            vec!["--fail-on", "warning", "--select", "HB301", "-"],
            1,
            1,
        ),
        ("", vec!["--select", "HB301", "tests/fixtures/rules/HB301"], 0, 0),
        ("", vec!["tests/fixtures"], usize::MAX, usize::MAX),
    ] {
        let mut arguments = vec!["lint", "--format", "junit"];
        arguments.extend(paths);
        let ran = run_with(&arguments, stdin);
        let document =
            roxmltree::Document::parse(&ran.out).unwrap_or_else(|error| panic!("{error}: {}", ran.out));
        let root = document.root_element();
        let count = |name: &str| {
            document
                .descendants()
                .filter(|node| node.has_tag_name(name))
                .count()
        };
        let says = |name: &str| root.attribute(name).and_then(|text| text.parse::<usize>().ok());
        assert_eq!(says("tests"), Some(count("testcase")));
        assert_eq!(says("failures"), Some(count("failure")));
        assert_eq!(says("errors"), Some(count("error")));
        if failures != usize::MAX {
            assert_eq!(
                (count("failure"), count("error")),
                (failures, errors),
                "{}",
                ran.out
            );
        }
        let suites = root.children().filter(roxmltree::Node::is_element);
        for suite in suites {
            let cases = suite.children().filter(roxmltree::Node::is_element).count();
            assert_eq!(suite.attribute("tests"), Some(cases.to_string().as_str()));
        }
    }
}

#[test]
fn statistics_count_by_rule() {
    let ran = run(&[
        "lint",
        "--statistics",
        "--select",
        "HB301",
        "tests/fixtures/rules/HB301",
    ]);
    assert_eq!(
        ran.out,
        "     1  HB301  logs-lost-on-failure               warning  1 fixable with --unsafe-fixes\n"
    );
    let counts = run(&[
        "lint",
        "--statistics",
        "--format",
        "json",
        "--select",
        "HB301",
        ON_FAILURE,
    ])
    .json();
    assert_eq!(
        counts,
        json!([{"code": "HB301", "name": "logs-lost-on-failure", "severity": "warning", "count": 1, "fixable": 1,
                "fix": "unsafe"}])
    );
    assert_eq!(
        run(&["lint", "--statistics", "--format", "sarif", ON_FAILURE]).status,
        2
    );
}

#[test]
fn a_report_goes_to_a_file_without_colours() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("report.txt").display().to_string();
    let ran = run(&["lint", "--color", "always", "--output", &path, ON_FAILURE]);
    assert_eq!(ran.out, "");
    let text = std::fs::read_to_string(&path).expect("written");
    assert!(
        text.contains("warning[HB301]") && !text.contains('\u{1b}'),
        "{text}"
    );
}

#[test]
fn colours_need_a_terminal_and_no_word_against_them() {
    let coloured = run(&["lint", "--color", "always", ON_FAILURE])
        .out
        .contains('\u{1b}');
    let piped = run(&["lint", ON_FAILURE]).out.contains('\u{1b}');
    assert!(coloured && !piped);
    let diff = run(&[
        "lint",
        "--color",
        "always",
        "--diff",
        "--unsafe-fixes",
        ON_FAILURE,
    ])
    .out;
    assert!(diff.contains("\u{1b}[32m+      restartPolicy: Never"), "{diff}");
}

#[test]
fn shells_and_man_are_told_of_every_command() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = run(&["completions", shell]);
        assert_eq!(ran.status, 0);
        assert!(
            ran.out.contains("unsafe-fixes") && ran.out.contains("simulate"),
            "{shell}"
        );
    }
    assert_eq!(run(&["completions", "tcsh"]).status, 2);
    let page = run(&["man"]).out;
    assert!(
        page.contains(".TH hookbudget 1") && page.contains("simulate"),
        "{page}"
    );
    let page = run(&["man", "lint"]).out;
    assert!(
        page.contains("unsafe\\-fixes") && page.contains("Exit status"),
        "{page}"
    );
    assert_eq!(run(&["man", "sing"]).status, 2);
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().display().to_string();
    assert_eq!(run(&["man", "--dir", &path]).status, 0);
    let pages = std::fs::read_dir(directory.path()).expect("a directory");
    let mut names: Vec<String> = pages
        .map(|page| page.expect("a page").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert!(names.contains(&"hookbudget-lint.1".to_owned()), "{names:?}");
}

#[test]
fn the_hooks_of_pre_commit_are_commands_that_run() {
    let hooks: Vec<Value> = serde_saphyr::from_str(&read(".pre-commit-hooks.yaml")).expect("YAML");
    assert_eq!(hooks.len(), 2);
    for hook in hooks {
        let entry = hook["entry"].as_str().expect("an entry").to_owned();
        let mut words = entry.split_whitespace();
        assert_eq!(words.next(), Some("hookbudget"));
        let mut arguments: Vec<&str> = words.collect();
        arguments.extend(["--select", "HB102", ON_FAILURE]);
        assert_eq!(run(&arguments).status, 0, "{entry}");
    }
}
