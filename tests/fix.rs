//! `lint --fix` and `--diff` on files: what is written, what is left alone, what is refused.
#![cfg(feature = "cli")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::Path;

use hookbudget::engine::rules::ALL;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};
use support::{files, read, run, run_with};

fn lint(arguments: &[&str], file: &Path) -> support::Ran {
    let mut arguments = arguments.to_vec();
    let file = file.display().to_string();
    arguments.push(&file);
    run(&arguments)
}

/// The findings of a rule in a report that have a fix.
fn fixable<'r>(report: &'r Value, code: &str) -> Vec<&'r Value> {
    let findings = report["findings"].as_array().expect("findings");
    findings
        .iter()
        .filter(|finding| finding["code"] == code && !finding["fix"].is_null())
        .collect()
}

fn fires(report: &Value, code: &str) -> bool {
    let findings = report["findings"].as_array().expect("findings");
    findings.iter().any(|finding| finding["code"] == code)
}

/// Every failing fixture that a rule can mend: the rule and the file.
fn mendable() -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for rule in ALL {
        for file in files("tests/fixtures/rules", ".yaml") {
            let own = file.starts_with(&format!("tests/fixtures/rules/{}/fails-", rule.code));
            if own && !fixable(&support::lint_json(&file), rule.code).is_empty() {
                found.push((rule.code, file));
            }
        }
    }
    assert!(found.len() >= 6, "{found:?}");
    found
}

/// Fixes a text by one rule and gives the text afterwards, having checked that a second run changes nothing.
fn fixed(name: &str, text: &str, code: &str) -> (String, Value) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join(name);
    fs::write(&path, text).expect("written");
    let fix = [
        "lint",
        "--fix",
        "--unsafe-fixes",
        "--format",
        "json",
        "--select",
        code,
    ];
    let report = lint(&fix, &path).json();
    let once = fs::read_to_string(&path).expect("read");
    lint(&fix, &path);
    assert_eq!(
        fs::read_to_string(&path).expect("read"),
        once,
        "{name}: twice is once"
    );
    let left: Vec<_> = fs::read_dir(directory.path()).expect("a directory").collect();
    assert_eq!(left.len(), 1, "nothing is left beside the file");
    (once, report)
}

#[test]
fn each_fix_answers_its_finding_and_changes_no_other_line() {
    for (code, file) in mendable() {
        let before = read(&file);
        let report = run(&["lint", "--format", "json", "--select", code, &file]).json();
        let keys: Vec<String> = fixable(&report, code)
            .iter()
            .flat_map(|finding| finding["fix"]["edits"].as_array().expect("edits"))
            .map(|edit| {
                let pointer = edit["pointer"]
                    .as_str()
                    .expect("a pointer")
                    .replace("~1", "\u{0}");
                let key = pointer.rsplit('/').next().unwrap_or_default();
                key.replace('\u{0}', "/").replace("~0", "~")
            })
            .collect();
        let (after, report) = fixed("job.yaml", &before, code);
        assert!(!fires(&report, code), "{file}: {report:#}");
        assert_ne!(before, after, "{file}");
        for change in TextDiff::from_lines(&before, &after).iter_all_changes() {
            let names = keys.iter().any(|key| change.value().contains(key.as_str()));
            assert!(
                change.tag() != ChangeTag::Delete || names,
                "{file}: {change:?} has nothing of {keys:?}"
            );
        }
    }
}

#[test]
fn all_fixes_together_end_and_leave_nothing_to_fix() {
    for (code, file) in mendable() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("job.yaml");
        fs::write(&path, read(&file)).expect("written");
        let report = lint(&["lint", "--fix", "--unsafe-fixes", "--format", "json"], &path).json();
        assert!(fixable(&report, code).is_empty(), "{file}: {report:#}");
        let made = report["fixes"].as_array().expect("fixes");
        assert!(made.iter().all(|fix| fix["made"] == true), "{file}: {made:#?}");
        let diff = lint(&["lint", "--diff", "--unsafe-fixes"], &path);
        assert_eq!((diff.status, diff.out.as_str()), (0, ""), "{file}: {diff:?}");
    }
}

/// The documents of a file as JSON texts, one below the other, and the same in a list.
fn as_json(text: &str) -> (String, String) {
    let documents = text.split("\n---\n").filter(|part| part.contains("kind:"));
    let values: Vec<Value> = documents.map(value).collect();
    let pretty: Vec<String> = values
        .iter()
        .map(|value| serde_json::to_string_pretty(value).expect("JSON"))
        .collect();
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": values});
    (pretty.join("\n"), list.to_string())
}

fn value(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn every_way_to_write_a_file_is_mended_alike() {
    for (code, file) in mendable() {
        let text = read(&file);
        let (pretty, list) = as_json(&text);
        let ways = [
            ("windows.yaml", text.replace('\n', "\r\n")),
            ("unended.yaml", text.trim_end().to_owned()),
            ("marked.yaml", format!("\u{feff}{text}")),
            ("flow.yaml", pretty.replace("\n{", "\n---\n{")),
            ("pretty.json", pretty),
            ("list.json", list),
        ];
        for (name, text) in ways {
            let (after, report) = fixed(name, &text, code);
            assert!(!fires(&report, code), "{file} as {name}: {report:#}\n{after}");
            assert_eq!(
                after.starts_with('\u{feff}'),
                name == "marked.yaml",
                "{file} as {name}"
            );
            let bare = after.matches('\n').count() - after.matches("\r\n").count();
            assert_eq!(
                bare > 0,
                name != "windows.yaml" && name != "list.json",
                "{file} as {name}"
            );
        }
    }
}

const ON_FAILURE: &str = "tests/fixtures/rules/HB301/fails-on-failure.yaml";

#[test]
fn unsafe_fixes_have_to_be_asked_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("job.yaml");
    fs::write(&path, read(ON_FAILURE)).expect("written");
    let select = ["lint", "--fix", "--select", "HB301"];
    let ran = lint(&select, &path);
    assert_eq!(
        fs::read_to_string(&path).expect("read"),
        read(ON_FAILURE),
        "{ran:?}"
    );
    assert_eq!(run(&["lint", "--unsafe-fixes", ON_FAILURE]).status, 2);
    assert_eq!(run(&["lint", "--fix", "--diff", ON_FAILURE]).status, 2);
}

#[test]
fn a_diff_writes_nothing_and_says_so_by_its_status() {
    let select = [
        "lint",
        "--diff",
        "--unsafe-fixes",
        "--select",
        "HB301",
        ON_FAILURE,
    ];
    let before = read(ON_FAILURE);
    let ran = run(&select);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert_eq!(read(ON_FAILURE), before);
    insta::assert_snapshot!(ran.out, @r"
    --- tests/fixtures/rules/HB301/fails-on-failure.yaml
    +++ tests/fixtures/rules/HB301/fails-on-failure.yaml
    @@ -7,11 +7,11 @@
       annotations:
         helm.sh/hook: post-install
     spec:
    -  backoffLimit: 3
    +  backoffLimit: 2
       activeDeadlineSeconds: 240
       template:
         spec:
    -      restartPolicy: OnFailure
    +      restartPolicy: Never
           containers:
             - name: main
               image: registry.example/orders:4.2.0
    ");
    let clean = run(&[
        "lint",
        "--diff",
        "--unsafe-fixes",
        "tests/fixtures/rules/HB301/passes-never.yaml",
        "--select",
        "HB301",
    ]);
    assert_eq!((clean.status, clean.out.as_str()), (0, ""));
}

#[test]
fn standard_input_is_a_filter() {
    let text = read(ON_FAILURE);
    let ran = run_with(
        &["lint", "--fix", "--unsafe-fixes", "--select", "HB301", "-"],
        &text,
    );
    assert_eq!(
        ran.out,
        text.replace("OnFailure", "Never")
            .replace("backoffLimit: 3", "backoffLimit: 2")
    );
    assert!(
        ran.err.contains("fixed: <stdin>: 1 finding (HB301)"),
        "{}",
        ran.err
    );
    let unchanged = run_with(&["lint", "--fix", "--select", "HB102", "-"], &text);
    assert_eq!(unchanged.out, text);
}

#[cfg(unix)]
#[test]
fn a_link_stays_a_link_and_a_mode_stays_the_mode() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let directory = tempfile::tempdir().expect("a directory");
    let (real, link) = (directory.path().join("real"), directory.path().join("link.yaml"));
    fs::write(&real, read(ON_FAILURE)).expect("written");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).expect("mode");
    symlink("real", &link).expect("a link");
    lint(&["lint", "--fix", "--unsafe-fixes", "--select", "HB301"], &link);
    assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
    assert_eq!(
        fs::metadata(&real).expect("there").permissions().mode() & 0o777,
        0o640
    );
    assert!(
        fs::read_to_string(&real)
            .expect("read")
            .contains("restartPolicy: Never")
    );
}

#[test]
fn what_is_shared_is_refused_with_its_reason_and_the_rest_is_made() {
    let shared = "spec: &spec\n  backoffLimit: 3\n  template:\n    spec:\n      restartPolicy: OnFailure\n      \
                  containers: [{name: main, image: \"registry.example/a:1\"}]\n";
    let head = |name: &str| {
        format!(
            "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {name}\n  annotations: {{helm.sh/hook: post-install}}\n"
        )
    };
    let text = format!(
        "{}{shared}again: *spec\n---\n{}{}",
        head("a"),
        head("b"),
        shared.replace(" &spec", "")
    );
    let ran = run_with(
        &["lint", "--fix", "--unsafe-fixes", "--select", "HB301", "-"],
        &text,
    );
    assert!(
        ran.err
            .contains("not fixed: <stdin>:10: HB301 of Job a: the anchor in line 7 is repeated by an alias"),
        "{}",
        ran.err
    );
    assert!(
        ran.err.contains("fixed: <stdin>: 1 finding (HB301)"),
        "{}",
        ran.err
    );
    let (first, second) = ran.out.split_once("---\n").expect("two documents");
    assert_eq!(first, format!("{}{shared}again: *spec\n", head("a")));
    assert!(second.contains("restartPolicy: Never"), "{second}");
}

#[test]
fn one_broken_document_keeps_no_other_from_being_mended() {
    let text = format!("a: [\n---\n{}", read(ON_FAILURE));
    let ran = run_with(
        &["lint", "--fix", "--unsafe-fixes", "--select", "HB301", "-"],
        &text,
    );
    assert_eq!(ran.status, 2);
    assert!(ran.out.starts_with("a: [\n---\n"), "{}", ran.out);
    assert!(ran.out.contains("restartPolicy: Never"), "{}", ran.out);
}
