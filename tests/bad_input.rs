//! Inputs that nobody should write: a clear answer, in bounded time, and no file touched that was not understood.
#![cfg(feature = "cli")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{read, run, run_with};

const FIX: [&str; 6] = ["lint", "--fix", "--unsafe-fixes", "--select", "HB301", "--format"];

#[test]
fn what_cannot_be_read_is_named_and_left_as_it_is() {
    let deep = format!("kind: Job\na: {}", "[".repeat(100_000));
    let cases: [(&str, &[u8]); 6] = [
        ("2:2: tabs disallowed", b"spec:\n\tbackoffLimit: 6\n"),
        ("set twice: in line 2 and in line 3", b"kind: Job\na: 1\na: 2\n"),
        ("nested deeper than 128 levels", deep.as_bytes()),
        ("not UTF-8 text", b"kind: Job\nname: \xff\xfe\n"),
        ("UTF-16 text", b"\xff\xfek\0"),
        ("unknown anchor", b"kind: Job\na: *nowhere\n"),
    ];
    let directory = tempfile::tempdir().expect("a directory");
    for (message, bytes) in cases {
        let path = directory.path().join("job.yaml");
        fs::write(&path, bytes).expect("written");
        let mut arguments = FIX.to_vec();
        let name = path.display().to_string();
        arguments.extend(["text", &name]);
        let ran = run(&arguments);
        assert_eq!(ran.status, 2, "{ran:?}");
        assert!(ran.out.contains(message), "{message}: {}", ran.out);
        assert_eq!(fs::read(&path).expect("read"), bytes, "{message}");
    }
}

#[test]
fn anchors_and_merges_are_judged_by_what_they_mean() {
    let text = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a, annotations: {helm.sh/hook: post-install}}\n\
                base: &base {backoffLimit: 3, activeDeadlineSeconds: 60}\nspec:\n  <<: *base\n  template:\n    spec:\n      \
                restartPolicy: OnFailure\n      containers: [{name: main, image: \"registry.example/a:1\"}]\n";
    let mut arguments = FIX.to_vec();
    arguments.extend(["json", "-"]);
    let ran = run_with(&arguments, text);
    // The limit is the anchor's, which stays; the Job's own key overrides it.
    let wanted = text
        .replace("  <<: *base\n", "  <<: *base\n  backoffLimit: 2\n")
        .replace("OnFailure", "Never");
    assert_eq!(ran.out, wanted, "{}", ran.err);
}

/// Many objects in one file, as documents and as the items of a list.
fn many(number: usize) -> [String; 3] {
    let job = read("tests/fixtures/rules/HB301/fails-on-failure.yaml");
    let documents: Vec<String> = (0..number)
        .map(|at| job.replace("migrate-orders", &format!("migrate-{at}")))
        .collect();
    let value: Value = serde_saphyr::from_str(&job).expect("YAML");
    let mut items = vec![value; number];
    for (at, item) in items.iter_mut().enumerate() {
        item["metadata"]["name"] = json!(format!("migrate-{at}"));
    }
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    let pretty = serde_json::to_string_pretty(&list).expect("JSON");
    [documents.join("---\n"), list.to_string(), pretty]
}

#[test]
fn many_objects_in_one_file_take_time_by_their_number() {
    let time = |number: usize| -> Duration {
        let texts = many(number);
        let start = Instant::now();
        for text in texts {
            let mut arguments = FIX.to_vec();
            arguments.extend(["json", "-"]);
            let ran = run_with(&arguments, &text);
            assert_eq!(ran.out.matches("Never").count(), number, "{}", ran.err.len());
        }
        start.elapsed()
    };
    let few = time(100);
    let more = time(1_600);
    // Sixteen times as many; a square would be 256 times as long.
    assert!(more < few * 80 + Duration::from_secs(1), "{few:?} {more:?}");
}
