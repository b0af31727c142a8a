//! `lint --chart`: what helm renders, with the names of the templates. A script stands in for helm, which is not
//! on every machine; it checks its arguments and prints what helm would.
#![cfg(all(feature = "cli", unix))]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use support::{Ran, command, read};

fn lint(helm: Option<&str>, arguments: &[&str]) -> Ran {
    let directory = tempfile::tempdir().expect("a directory");
    if let Some(script) = helm {
        let path = directory.path().join("helm");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("mode");
    }
    let mut arguments = arguments.to_vec();
    arguments.insert(0, "lint");
    let path = format!("{}:/usr/bin:/bin", directory.path().display());
    let path = if helm.is_some() {
        path
    } else {
        directory.path().display().to_string()
    };
    let output = command(&arguments)
        .env("PATH", path)
        .output()
        .expect("the command ends");
    Ran {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// What helm prints for a chart named `shop` with one hook.
fn rendered() -> String {
    let job = read("tests/fixtures/rules/HB301/fails-on-failure.yaml");
    format!("cat <<'END'\n---\n# Source: shop/templates/hook.yaml\n{job}END")
}

#[test]
fn a_place_is_named_by_its_template() {
    let checks = r#"[ "$*" = "template release-name charts/mine --values a.yaml --values b.yaml --set x=1 --namespace shop" ] || exit 9"#;
    let script = format!("{checks}\n{}", rendered());
    let ran = lint(
        Some(&script),
        &[
            "--chart",
            "charts/mine",
            "--values",
            "a.yaml",
            "--values",
            "b.yaml",
            "--set",
            "x=1",
            "--namespace",
            "shop",
        ],
    );
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(
        ran.out.contains("--> charts/mine/templates/hook.yaml:16:7"),
        "{}",
        ran.out
    );
}

#[test]
fn what_a_chart_renders_is_never_written() {
    let ran = lint(
        Some(&rendered()),
        &[
            "--fix",
            "--unsafe-fixes",
            "--select",
            "HB301",
            "--chart",
            "charts/mine",
        ],
    );
    assert!(
        ran.out.contains("not fixed: charts/mine/templates/hook.yaml:16: HB301 of Job shop/migrate-orders: it was rendered from a chart"),
        "{}",
        ran.out
    );
    assert!(!Path::new("charts/mine").exists());
}

#[test]
fn helm_that_is_missing_or_fails_is_named() {
    let ran = lint(None, &["--chart", "charts/mine"]);
    assert_eq!(ran.status, 2);
    assert!(
        ran.err.contains("there is no helm on the PATH: install Helm"),
        "{}",
        ran.err
    );
    let ran = lint(
        Some("echo 'Error: no Chart.yaml' >&2; exit 1"),
        &["--chart", "charts/mine"],
    );
    assert_eq!(ran.status, 2);
    assert!(
        ran.err
            .contains("`helm template` fails for charts/mine: Error: no Chart.yaml"),
        "{}",
        ran.err
    );
    assert_eq!(
        lint(None, &["--values", "x", "a.yaml"]).status,
        2,
        "--values needs --chart"
    );
}
