//! Which part may use which, how long a file may be, and what may not stand in it.

use std::collections::BTreeMap;

mod support;
use support::{files, read};

/// Parts of the crate and what of ours each may use. `engine` uses nothing of ours; `tls` and `http` know no
/// Kubernetes, and `http` stands on `tls` because its client connects by it. `certs` is what joins `tls` to the
/// cluster: it watches three objects by name, which are no part of the index. The server commands of `cli`
/// compose the adapters, so `cli` may use all.
const MAY_USE: &[(&str, &[&str])] = &[
    ("engine", &[]),
    ("http", &["shutdown", "tls"]),
    ("shutdown", &[]),
    ("tls", &[]),
    ("certs", &["shutdown", "tls"]),
    ("k8s", &["engine"]),
    ("wait", &["engine"]),
    ("admission", &["engine", "http", "k8s"]),
    ("index", &["engine", "k8s", "shutdown"]),
    ("metrics", &["engine", "http", "index", "k8s"]),
    ("status", &["engine", "http", "index", "k8s"]),
    ("report", &["engine", "index", "k8s", "shutdown"]),
    (
        "cli",
        &[
            "admission",
            "certs",
            "engine",
            "http",
            "index",
            "k8s",
            "metrics",
            "report",
            "shutdown",
            "status",
            "tls",
            "wait",
        ],
    ),
];

/// No source file is longer, tests in it included; a test file of its own may be a long list.
const MOST_LINES: usize = 600;

/// The part that a source file belongs to: `src/k8s/job.rs` to `k8s`.
fn part(file: &str) -> Option<&str> {
    let rest = file.strip_prefix("src/")?;
    let part = rest
        .split_once('/')
        .map_or(rest.trim_end_matches(".rs"), |(part, _)| part);
    (!matches!(part, "lib" | "main" | "bin")).then_some(part)
}

/// A file without its comments and without the tests at its end, line by line.
fn code(text: &str) -> Vec<(usize, &str)> {
    let end = text.find("#[cfg(test)]\nmod tests").unwrap_or(text.len());
    text.get(..end)
        .unwrap_or(text)
        .lines()
        .enumerate()
        .map(|(number, line)| (number + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .collect()
}

fn is_test_file(file: &str) -> bool {
    // The test kit is compiled for tests alone.
    file.ends_with("/tests.rs") || file.contains("/tests/") || file.ends_with("/testkit.rs")
}

/// The parts that a line names: `use crate::k8s::JobObject` names `k8s`, and so does `crate::{engine, k8s}`.
fn named(line: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for rest in line.split("crate::").skip(1) {
        let names = rest
            .strip_prefix('{')
            .map_or(rest, |list| list.split('}').next().unwrap_or(list));
        let names: Vec<&str> = if rest.starts_with('{') {
            names.split(',').collect()
        } else {
            vec![names]
        };
        for name in names {
            let name: String = name
                .trim()
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            parts.push(name);
        }
    }
    parts
}

#[test]
fn parts_use_only_what_they_may() {
    let table: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut wrong = Vec::new();
    for file in files("src", ".rs") {
        let Some(own) = part(&file) else { continue };
        let Some(allowed) = table.get(own) else {
            wrong.push(format!("{file}: the part {own} is missing in MAY_USE"));
            continue;
        };
        let text = read(&file);
        for (number, line) in code(&text) {
            for other in named(line) {
                if other != own && table.contains_key(other.as_str()) && !allowed.contains(&other.as_str()) {
                    wrong.push(format!("{file}:{number}: {own} must not use {other}"));
                }
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn a_use_is_read_as_it_is_written() {
    assert_eq!(named("use crate::k8s::{JobObject, Problem};"), ["k8s"]);
    assert_eq!(named("use crate::{engine::Seconds, k8s};"), ["engine", "k8s"]);
    assert_eq!(named("    let x = crate::index::Index::default();"), ["index"]);
    assert_eq!(named("use super::engine;"), [""; 0]);
}

#[test]
fn no_part_is_used_by_what_it_uses() {
    let table: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    for (own, allowed) in MAY_USE {
        for other in *allowed {
            let back = table.get(other).is_some_and(|uses| uses.contains(own));
            assert!(!back, "{own} and {other} use each other");
        }
    }
}

#[test]
fn the_main_program_dispatches_and_nothing_else() {
    let text = read("src/main.rs");
    assert!(code(&text).len() <= 12, "{text}");
}

#[test]
fn no_file_is_too_long() {
    let mut long = Vec::new();
    for file in files("src", ".rs") {
        let lines = read(&file).lines().count();
        if lines > MOST_LINES {
            long.push(format!("{file} has {lines} lines"));
        }
    }
    assert_eq!(long, [""; 0], "split by idea");
}

#[test]
fn nothing_panics_on_purpose_outside_tests() {
    const BANNED: [&str; 7] = [
        ".unwrap()",
        ".expect(",
        "panic!(",
        "todo!(",
        "unimplemented!(",
        "unreachable!(",
        "dbg!(",
    ];
    let mut wrong = Vec::new();
    for file in files("src", ".rs").into_iter().filter(|file| !is_test_file(file)) {
        let text = read(&file);
        for (number, line) in code(&text) {
            for banned in BANNED.iter().filter(|banned| line.contains(**banned)) {
                wrong.push(format!("{file}:{number}: {banned}"));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn only_the_command_line_prints() {
    let mut wrong = Vec::new();
    for file in files("src", ".rs") {
        if matches!(part(&file), Some("cli") | None) || is_test_file(&file) {
            continue;
        }
        let text = read(&file);
        for (number, line) in code(&text) {
            if ["println!(", "eprintln!(", "print!(", "eprint!("]
                .iter()
                .any(|p| line.contains(p))
            {
                wrong.push(format!("{file}:{number}"));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}
