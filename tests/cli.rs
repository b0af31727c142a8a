//! The command line as a user meets it: exit statuses, bad inputs, pipes, colours.
#![cfg(feature = "cli")]

mod support;

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use support::{command, findings, run, run_with};

const A: &str = "tests/fixtures/incidents/a-powerdns.yaml";
const A_FIXED: &str = "tests/fixtures/incidents/a-powerdns-fixed.yaml";
const B: &str = "tests/fixtures/incidents/b-gitea-token.yaml";
const CLEAN: &str = "tests/fixtures/manifests/clean/hook.yaml";
const INFO_ONLY: &str = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: quiet}\nspec: {template: {spec: \
                         {restartPolicy: Never, containers: [{name: c, image: registry.example/quiet:1}]}}}\n";

fn job(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: {name}}}\nspec:\n  {spec}\n  template:\n    spec:\n      \
         restartPolicy: Never\n      containers: [{{name: c, image: registry.example/x:1}}]\n"
    )
}

#[test]
fn the_exit_status_says_clean_findings_or_unreadable() {
    assert_eq!(run(&["lint", CLEAN]).status, 0);
    assert_eq!(run(&["lint", A]).status, 1);
    assert_eq!(run(&["lint", "tests/fixtures/nothing-here.yaml"]).status, 2);
    assert_eq!(run(&["lint", A, "tests/fixtures/nothing-here.yaml"]).status, 2);
    assert_eq!(run(&["lint"]).status, 2);
    assert_eq!(run(&["lnt", A]).status, 2);
}

#[test]
fn fail_on_moves_the_line() {
    for (input, error, warning, info, never) in [(A, 1, 1, 1, 0), (B, 0, 1, 1, 0), (CLEAN, 0, 0, 0, 0)] {
        for (level, status) in [
            ("error", error),
            ("warning", warning),
            ("info", info),
            ("never", never),
        ] {
            assert_eq!(
                run(&["lint", "--fail-on", level, input]).status,
                status,
                "{input} {level}"
            );
        }
    }
    assert_eq!(run_with(&["lint", "--fail-on", "info", "-"], INFO_ONLY).status, 1);
    assert_eq!(
        run_with(&["lint", "--fail-on", "warning", "-"], INFO_ONLY).status,
        0
    );
    let ran = run(&["lint", "--fail-on", "harmless", CLEAN]);
    assert_eq!(ran.status, 2);
    assert!(ran.err.contains("error, warning, info, never"), "{}", ran.err);
}

#[test]
fn an_exempted_finding_does_not_fail() {
    let text = support::read(A).replace(
        "    helm.sh/hook-delete-policy: before-hook-creation\n",
        "    helm.sh/hook-delete-policy: before-hook-creation\n    hookbudget.dev/exempt: PowerDNS is always up first\n",
    );
    let ran = run_with(&["lint", "-v", "-"], &text);
    assert_eq!(ran.status, 0, "{}", ran.out);
    assert!(
        ran.out.contains("exempted: PowerDNS is always up first"),
        "{}",
        ran.out
    );
    let empty = text.replace(": PowerDNS is always up first", ": \"\"");
    assert_eq!(
        run_with(&["lint", "-"], &empty).status,
        1,
        "an empty reason is none"
    );
}

#[test]
fn one_broken_document_hides_no_other() {
    let text = format!("{}---\nspec: [1,\n---\n{}", job("first", ""), job("last", ""));
    let ran = run_with(&["lint", "--format", "json", "-"], &text);
    assert_eq!(ran.status, 2);
    let report = ran.json();
    let names: Vec<_> = report["objects"]
        .as_array()
        .expect("objects")
        .iter()
        .map(|o| o["name"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(names, ["first", "last"]);
    assert_eq!(report["errors"][0]["line"], 11, "{report}");
    let text = run_with(&["lint", "-"], &text).out;
    assert!(text.contains("error: <stdin>:11:"), "{text}");
}

#[test]
fn an_unrendered_template_is_named_with_the_remedy() {
    let text = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {{ .Release.Name }}-migrate\nspec: {}\n";
    let ran = run_with(&["lint", "-"], text);
    assert_eq!(ran.status, 2);
    for part in [
        "<stdin>:4:",
        "Helm template",
        "helm template CHART",
        "hookbudget lint -",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
}

#[test]
fn a_template_that_happens_to_be_yaml_is_named_too() {
    let text = job("x", "").replace("name: x", "name: '{{ .Release.Name }}-x'");
    let ran = run_with(&["lint", "-"], &text);
    assert_eq!(ran.status, 2, "{}", ran.out);
    assert!(ran.out.contains("helm template CHART"), "{}", ran.out);
}

#[test]
fn an_empty_input_is_no_silent_success() {
    let ran = run_with(&["lint", "-"], "");
    assert_eq!(ran.status, 0);
    assert!(ran.err.contains("standard input holds no object"), "{ran:?}");
}

#[test]
fn what_a_timeline_does_not_know_is_said() {
    let hook = |script: &str| {
        let command = format!("image: registry.example/quiet:1, command: [sh, -c, {script:?}]");
        INFO_ONLY.replace("image: registry.example/quiet:1", &command)
    };
    let said = run_with(&["simulate", "-"], &hook("sleep $RANDOM; curl -m 1 http://a/"));
    assert!(said.out.contains("not read: "), "{}", said.out);
    let report = run_with(
        &["simulate", "--json", "-"],
        &hook("sleep $RANDOM; curl -m 1 http://a/"),
    )
    .json();
    assert_eq!(report["unread"].as_array().map(Vec::len), Some(1), "{report}");
    let whole = run_with(&["simulate", "--json", "-"], &hook("curl -m 1 http://a/")).json();
    assert_eq!(whole["unread"], serde_json::Value::Null);
}

#[test]
fn what_the_api_server_would_refuse_is_not_judged() {
    let text = job("x", "backoffLimit: -1") + "---\n" + &job("good", "") + "---\nkind: Job\n";
    let ran = run_with(&["lint", "--format", "json", "-"], &text);
    assert_eq!(ran.status, 2);
    let report: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    let names: Vec<_> = report["objects"]
        .as_array()
        .expect("objects")
        .iter()
        .map(|o| &o["name"])
        .collect();
    assert_eq!(names, ["good"]);
    assert_eq!(report["errors"].as_array().map(Vec::len), Some(2));
    assert!(
        ran.out.contains("apiVersion is missing: write batch/v1"),
        "{}",
        ran.out
    );
}

#[test]
fn what_cannot_be_read_is_said() {
    let text = job("x", "").replace(
        "image: registry.example/x:1",
        "image: x, command: [sh, -c, 'eval \"$X\"']",
    );
    let ran = run_with(&["lint", "-v", "-"], &text);
    for part in [
        "own wait  not visible",
        "not read: <stdin>:",
        "container c: `eval`",
        "1 command that no wait",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
}

#[test]
fn the_timeline_fits_into_a_terminal_of_eighty_columns() {
    for incident in [
        "a-powerdns",
        "a-powerdns-fixed",
        "b-gitea-token",
        "c-state-backup",
    ] {
        let path = format!("tests/fixtures/incidents/{incident}.yaml");
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_hookbudget"))
            .args(["simulate", &path, "--ready-after", "9m40s"])
            .env("COLUMNS", "80")
            .output()
            .expect("it runs");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let picture = text.split("\n\n").nth(1).expect("a picture");
        for line in picture.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}

#[test]
fn what_the_api_server_would_refuse_is_named_with_its_field() {
    for (text, says) in [
        (
            job("x", "").replace("restartPolicy: Never", "restartPolicy: Always"),
            "<stdin>:8:22: spec.template.spec.restartPolicy is Always: the API server takes only Never or OnFailure",
        ),
        (
            job("x", "").replace("[{name: c, image: registry.example/x:1}]", "[]"),
            "spec.template.spec.containers has no container: a Job needs at least one",
        ),
        (job("x", "backoffLimit: -1"), "<stdin>:5:17: spec.backoffLimit"),
        (
            job("x", "activeDeadlineSeconds: -5"),
            "<stdin>:5:26: spec.activeDeadlineSeconds",
        ),
        (
            job("x", "activeDeadlineSeconds: 99999999999999999999"),
            "<stdin>:5:26: spec.activeDeadlineSeconds",
        ),
        (
            job("x", "activeDeadlineSeconds: 9223372036854775807"),
            "more than 292 years",
        ),
        (job("x", "backoffLimit: lots"), "<stdin>:5:17: spec.backoffLimit"),
    ] {
        let ran = run_with(&["lint", "-"], &text);
        assert_eq!(ran.status, 2, "{text}\n{}", ran.out);
        assert!(ran.out.contains(says), "{says}\n{}", ran.out);
        assert!(!ran.err.contains("panicked"), "{}", ran.err);
    }
}

#[test]
fn the_largest_numbers_are_numbers() {
    let text = job("big", "backoffLimit: 2147483647").replace("Never", "OnFailure");
    let ran = run_with(&["lint", "--format", "json", "-"], &text);
    assert_eq!(ran.status, 0, "{}", ran.out);
    assert!(
        ran.json()["objects"][0]["clocks"]["retries_lower"].is_null(),
        "endless"
    );
    assert_eq!(run_with(&["simulate", "-"], &text).status, 1);
}

#[test]
fn an_object_of_three_mebibytes_takes_a_moment() {
    let noise = "          # a comment in the middle of everything, of which there are many in this file\n";
    let mut text = job("large", "activeDeadlineSeconds: 600");
    text.push_str(&noise.repeat(3 * 1024 * 1024 / noise.len()));
    let script = "            echo 'step'\n".repeat(20_000);
    let with_script = format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: long-script}}\nspec:\n  activeDeadlineSeconds: 600\n  \
         template:\n    spec:\n      restartPolicy: Never\n      containers:\n        - name: c\n          image: \
         alpine:3.22\n          command: [sh, -c]\n          args:\n          - |\n{script}"
    );
    for text in [text, with_script] {
        let start = Instant::now();
        let ran = run_with(&["lint", "-"], &text);
        assert_eq!(ran.status, 0, "{}", ran.out);
        let took = start.elapsed();
        assert!(
            took < Duration::from_secs(20),
            "{took:?} even where nothing is optimized"
        );
    }
}

#[test]
fn standard_input_a_directory_and_a_missing_file() {
    let ran = run_with(&["lint", "--format", "json", "-"], &support::read(A));
    assert_eq!(ran.json()["findings"][0]["file"], "<stdin>");
    let ran = run(&["lint", "--format", "json", "tests/fixtures/incidents"]);
    assert_eq!(ran.json()["summary"]["objects"], 4);
    assert_eq!(ran.status, 1);
    let ran = run(&["lint", "no/such.yaml"]);
    assert!(
        ran.out.contains("no/such.yaml: no such file or directory"),
        "{}",
        ran.out
    );
    let empty = tempfile::tempdir().expect("a directory");
    let ran = run(&["lint", empty.path().to_str().expect("a path")]);
    assert_eq!(ran.status, 2, "{}", ran.out);
    assert!(ran.out.contains("no .yaml, .yml or .json file"), "{}", ran.out);
}

#[test]
fn a_wrong_value_says_what_to_write() {
    for (args, says) in [
        (
            ["lint", A, "--release-timeout", "nonsense"],
            "write a number with a unit, such as 15m or 1h30m",
        ),
        (["lint", A, "--release-timeout", "15"], "15m"),
        (
            ["simulate", A, "--kubelet", "slow"],
            "write default, reduced or max=DURATION, such as max=30s",
        ),
        (["simulate", A, "--kubelet", "max=0s"], "1s to 300s"),
        (
            ["simulate", A, "--job", "other"],
            "here are powerdns/powerdns-zone-bootstrap",
        ),
        (
            ["lint", A, "--policy", "no/policy.yaml"],
            "cannot read the policy no/policy.yaml",
        ),
    ] {
        let ran = run(&args);
        assert_eq!(ran.status, 2, "{args:?}");
        assert!(ran.err.contains(says), "{says}: {}", ran.err);
    }
}

#[test]
fn a_policy_that_is_none_is_named_in_one_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("policy.yaml");
    let path = path.to_str().expect("a path");
    let ran = run(&["lint", A, "--release-timeout=-5m"]);
    assert!(ran.err.contains("write a span of zero or more"), "{}", ran.err);
    for (text, says) in [
        (
            "headrom: 3m\n",
            "policy.yaml:1:1: unknown key headrom: did you mean headroom?",
        ),
        ("headroom: -3m\n", "negative"),
        (
            "apiVersion: hookbudget.dev/v1alpha1\nkind: ConfigMap\n",
            "write kind: Policy",
        ),
        (
            "apiVersion: hookbudget.dev/v1\nkind: Policy\n",
            "write apiVersion: hookbudget.dev/v1alpha1",
        ),
    ] {
        std::fs::write(path, text).expect("a policy");
        let ran = run(&["lint", A, "--policy", path]);
        assert_eq!(ran.status, 2, "{text}");
        assert!(
            ran.err.contains(says) && ran.err.trim_end().lines().count() == 1,
            "{}",
            ran.err
        );
    }
    std::fs::write(path, "rules: {HB101: off, HB206: \"off\"}\n").expect("a policy");
    assert_eq!(run(&["lint", A, "--policy", path]).status, 0);
}

#[test]
fn explain_shows_rules_and_causes_and_says_when_there_is_none() {
    let ran = run(&["explain", "HB101"]);
    assert_eq!(ran.status, 0);
    for part in [
        "HB101 retries-end-before-deadline",
        "Why is this bad?",
        "310 s",
        "When to ignore",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    assert_eq!(run(&["explain", "retries-end-before-deadline"]).out, ran.out);
    assert_eq!(run(&["explain", "hb101"]).out, ran.out);
    let ran = run(&["explain", "oom_killed"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(
        ran.out.starts_with("oom_killed\n") && ran.out.contains("Repair"),
        "{}",
        ran.out
    );
    let ran = run(&["explain", "nothing"]);
    assert_eq!(ran.status, 2);
    assert!(ran.err.contains("no rule or cause \"nothing\"") && ran.err.contains("hookbudget explain"));
    let list = run(&["explain"]).out;
    assert!(list.contains("HB301") && list.contains("oom_killed"), "{list}");
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let mut child = command(&["lint", "-v", "tests/fixtures"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut reader = BufReader::with_capacity(64, child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    reader.read_line(&mut line).expect("a line");
    drop(reader);
    let output = child.wait_with_output().expect("the command ends");
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(!err.contains("panicked") && !err.contains("Broken pipe"), "{err}");
}

#[test]
fn colours_come_to_terminals_and_to_those_who_ask() {
    let coloured = |args: &[&str]| run(args).out.contains('\u{1b}');
    assert!(!coloured(&["lint", A]), "a pipe is no terminal");
    assert!(!coloured(&["simulate", A]));
    assert!(coloured(&["lint", "--color", "always", A]));
    assert!(!coloured(&["lint", "--color", "never", A]));
    let output = command(&["lint", A]).env("NO_COLOR", "1").output().expect("runs");
    assert!(!output.stdout.contains(&0x1b));
}

#[test]
fn help_shows_an_example() {
    for args in [
        &["--help"][..],
        &["lint", "--help"],
        &["simulate", "--help"],
        &["explain", "--help"],
    ] {
        let ran = run(args);
        assert_eq!(ran.status, 0);
        assert!(ran.out.contains("Examples:\n  "), "{args:?}: {}", ran.out);
    }
    let version = run(&["--version"]).out;
    assert!(version.starts_with("hookbudget "), "{version}");
}

#[test]
fn the_story_of_incident_a_covers_what_was_measured() {
    let ran = run(&["simulate", "--format", "json", A]);
    assert_eq!(ran.status, 1);
    let story = ran.json();
    let (lower, upper) = (&story["ends_at_lower"], &story["ends_at_upper"]);
    assert_eq!(lower, 310);
    assert!(
        lower.as_f64() <= Some(330.0) && upper.as_f64() >= Some(330.0),
        "{lower}..{upper}"
    );
    assert_eq!(story["reason"], "BackoffLimitExceeded");
    assert_eq!(story["pods_kept"], 0);
    assert_eq!(story["attempts"].as_array().map(Vec::len), Some(6));
    let story = run(&["simulate", "--json", "--kubelet", "max=30s", A]).json();
    assert_eq!(story["ends_at_lower"], 120);
    let story = run(&["simulate", "--json", "--kubelet", "reduced", A]).json();
    assert_eq!(story["ends_at_lower"], 31);
}

#[test]
fn the_repaired_hook_lives_through_a_cold_start() {
    let ran = run(&["simulate", "--ready-after", "5m", "--json", A_FIXED]);
    assert_eq!(ran.status, 0);
    assert_eq!(ran.json()["result"], "succeeded");
    let ran = run(&["simulate", "--ready-after", "9m40s", A_FIXED]);
    assert_eq!(ran.status, 0, "{}", ran.out);
    assert!(ran.out.contains("Succeeds"), "{}", ran.out);
    assert_eq!(run(&["simulate", "--ready-after", "9m40s", A]).status, 1);
}

#[test]
fn a_release_timeout_is_stated_by_a_flag_where_no_object_does() {
    let text = support::read("tests/fixtures/rules/HB104/fails-hanging-probes.yaml");
    let (_, job) = text.split_once("---\n").expect("two documents");
    let found = |args: &[&str]| findings(&run_with(args, job).json());
    assert!(found(&["lint", "--format", "json", "-"]).contains(&"HB104 warning".to_owned()));
    let long = ["lint", "--format", "json", "--release-timeout", "1h", "-"];
    assert!(!found(&long).iter().any(|f| f.starts_with("HB104")));
    let short = ["lint", "--format", "json", "--release-timeout", "10m", "-"];
    assert!(found(&short).contains(&"HB104 error".to_owned()));
}
