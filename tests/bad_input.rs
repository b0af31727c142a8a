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

/// A Job with findings in as little text as possible.
fn small(number: usize) -> String {
    format!(
        "{{\"apiVersion\":\"batch/v1\",\"kind\":\"Job\",\"metadata\":{{\"name\":\"migrate-{number}\",\"annotations\":\
         {{\"helm.sh/hook\":\"post-install\"}}}},\"spec\":{{\"template\":{{\"spec\":{{\"restartPolicy\":\"OnFailure\",\
         \"containers\":[{{\"name\":\"main\",\"image\":\"registry.example/é:1\"}}]}}}}}}}}"
    )
}

#[test]
fn findings_of_many_objects_are_shown_in_time_by_their_number() {
    let time = |number: usize| -> Duration {
        let objects: Vec<String> = (0..number).map(small).collect();
        let documents = objects.join("\n---\n");
        // One line of megabytes.
        let list = format!(
            "{{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{}]}}",
            objects.join(",")
        );
        let start = Instant::now();
        for text in [documents, list] {
            for format in ["text", "json"] {
                let ran = run_with(&["lint", "--format", format, "-"], &text);
                assert!(ran.out.matches("HB301").count() >= number, "{}", ran.err);
            }
        }
        start.elapsed()
    };
    let few = time(250);
    let more = time(5_000);
    // Twenty times as many; a square would be 400 times as long.
    assert!(more < few * 60 + Duration::from_secs(1), "{few:?} {more:?}");
}

#[test]
fn a_finding_in_a_very_long_line_shows_what_is_near_it() {
    let list = format!(
        "{{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\":[{},{}]}}",
        small(1),
        small(2)
    );
    let ran = run_with(&["lint", "--select", "HB301", "-"], &list);
    let longest = ran.out.lines().map(|line| line.chars().count()).max();
    assert!(longest < Some(400), "{}", ran.out);
    for object in ["migrate-1", "migrate-2"] {
        assert!(ran.out.contains(object), "{}", ran.out);
    }
    // The column is the one of the file, not of what is shown.
    let column = list.rfind("\"restartPolicy\"").expect("there");
    let column = list[..column].chars().count() + 1;
    assert!(ran.out.contains(&format!("<stdin>:1:{column}\n")), "{}", ran.out);
}

#[test]
fn a_script_of_a_mebibyte_is_answered_at_once() {
    let line = "            until nc -z a 1; do sleep 1; done\n";
    let script = line.repeat((1 << 20) / line.len());
    let job = format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: a}}\nspec:\n  template:\n    spec:\n      restartPolicy: Never\n      \
         containers:\n        - name: main\n          image: busybox:1.36\n          command:\n          - sh\n          - -c\n          \
         - |\n{script}"
    );
    let ran = run_with(&["lint", "-v", "-"], &job);
    assert!(ran.out.contains("longer than 128 KiB"), "{}", ran.out);
}

#[test]
fn lines_that_end_as_on_windows_are_read_as_others() {
    let job = read("tests/fixtures/rules/HB301/fails-on-failure.yaml");
    let lint = |text: &str| run_with(&["lint", "--format", "json", "-"], text).json();
    let (unix, windows) = (lint(&job), lint(&job.replace('\n', "\r\n")));
    assert_eq!(
        unix["findings"].as_array().map(Vec::len),
        windows["findings"].as_array().map(Vec::len)
    );
    for (unix, windows) in unix["findings"]
        .as_array()
        .into_iter()
        .flatten()
        .zip(windows["findings"].as_array().into_iter().flatten())
    {
        for key in ["code", "line", "column", "message"] {
            assert_eq!(unix[key], windows[key], "{windows}");
        }
    }
}
