//! What a release needs and what is cheap of it: `docs/release.md` has the rest.
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "what could not be looked at is said")]

mod support;

use std::path::{Component, Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::{files, read, root};

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Bytes that the package may have, unpacked: two thirds of it are the engine and the recording of the demo.
const MOST_BYTES: u64 = 5_000_000;

#[test]
fn the_versions_agree() {
    let chart: Value = serde_saphyr::from_str(&read("charts/hookbudget/Chart.yaml")).expect("YAML");
    assert_eq!(chart["version"], VERSION, "Chart.yaml version");
    assert_eq!(chart["appVersion"], VERSION, "Chart.yaml appVersion");
    let images = chart["annotations"]["artifacthub.io/images"]
        .as_str()
        .expect("images");
    assert!(
        images.contains(&format!("hookbudget:{VERSION}\n")),
        "Chart.yaml: {images}"
    );
    let changelog = read("CHANGELOG.md");
    let released = changelog
        .lines()
        .filter_map(|line| line.strip_prefix("## ["))
        .find(|rest| !rest.starts_with("Unreleased"));
    let (version, date) = released
        .and_then(|rest| rest.split_once("] - "))
        .expect("a released version with a date");
    assert_eq!(version, VERSION, "CHANGELOG.md");
    assert!(date.parse::<jiff::civil::Date>().is_ok(), "CHANGELOG.md: {date}");
}

/// Images and archives that the documentation and the examples name are of this version.
#[test]
fn the_documentation_names_this_version() {
    let mut named = vec![
        "README.md".to_owned(),
        "examples/orders/after/values.yaml".to_owned(),
    ];
    named.extend(files("docs", ".md"));
    named.extend(files("charts", "README.md"));
    for page in named {
        let text = read(&page);
        for start in [
            "registry.example/team/hookbudget:",
            "hookbudget-chart-",
            "git checkout v",
        ] {
            for rest in text.split(start).skip(1) {
                let version: String = rest
                    .chars()
                    .take_while(|c| c.is_ascii_digit() || *c == '.')
                    .collect();
                let version = version.trim_end_matches('.');
                assert!(
                    version.is_empty() || version == VERSION,
                    "{page}: {start}{version}"
                );
            }
        }
    }
}

fn packaged() -> Vec<String> {
    let listed = Command::new(env!("CARGO"))
        .args(["package", "--list", "--offline", "--locked", "--allow-dirty"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let listed = String::from_utf8(listed.stdout).expect("names");
    assert!(listed.contains("src/lib.rs"), "{listed}");
    listed.lines().map(str::to_owned).collect()
}

#[test]
fn the_package_holds_what_it_is_built_from_and_little_else() {
    let listed = packaged();
    let mut bytes = 0;
    for name in &listed {
        let top = name.split('/').next().unwrap_or_default();
        let made_by_cargo = ["Cargo.toml.orig", ".cargo_vcs_info.json"].contains(&top);
        let wanted = [
            "src",
            "dashboards",
            "tests",
            "Cargo.toml",
            "Cargo.lock",
            "README.md",
            "CHANGELOG.md",
            "LICENSE",
        ];
        assert!(
            made_by_cargo || wanted.contains(&top),
            "{name}: `include` of Cargo.toml lets it in"
        );
        bytes += std::fs::metadata(root().join(name)).map_or(0, |file| file.len());
    }
    assert!(bytes < MOST_BYTES, "{bytes} bytes");
    for source in files("src", ".rs") {
        assert!(listed.contains(&source), "{source} is not in the package");
        let text = read(&source);
        for rest in text.split("include_str!(\"").skip(1) {
            let target = rest.split('"').next().unwrap_or_default();
            let path = normal(&Path::new(&source).parent().expect("a directory").join(target));
            assert!(
                listed.contains(&path),
                "{source} includes {path}, which `include` of Cargo.toml leaves out"
            );
        }
    }
}

/// `a/../b` as `b`.
fn normal(path: &Path) -> String {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal.display().to_string()
}

/// The lists of licences that two tools read are one list.
#[test]
fn the_licences_that_are_accepted_are_the_same_everywhere() {
    let list = |text: &str, key: &str| -> Vec<String> {
        let (_, rest) = text.split_once(&format!("{key} = [")).expect("a list");
        let (list, _) = rest.split_once(']').expect("its end");
        list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let denied = list(&read("deny.toml"), "\nallow");
    assert_eq!(list(&read("tests/release/about.toml"), "\naccepted"), denied);
}

/// CI has cargo-deny (`tests/run` installs it); elsewhere it is said when there is none.
#[test]
fn licences_sources_and_crates_are_allowed() {
    let checked = Command::new("cargo-deny")
        .args(["--offline", "--locked", "check", "bans", "licenses", "sources"])
        .current_dir(root())
        .output();
    match checked {
        Ok(checked) => assert!(
            checked.status.success(),
            "{}",
            String::from_utf8_lossy(&checked.stderr)
        ),
        Err(error) if std::env::var_os("CI").is_none() => {
            eprintln!("no cargo-deny on the PATH ({error}): tests/release/tools cargo-deny installs it");
        }
        Err(error) => panic!("cargo-deny: {error}: tests/release/tools cargo-deny installs it"),
    }
}
