//! Running the real binary as a user would.
#![allow(dead_code, reason = "every test file takes what it needs")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// What a command gave.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The command, with the root of the repository as its working directory and no say of the environment.
pub(crate) fn command(args: &[&str]) -> Command {
    // Absent where the engine is built alone: then no test runs the command.
    let binary = option_env!("CARGO_BIN_EXE_hookbudget").unwrap_or("hookbudget");
    let mut command = Command::new(binary);
    command
        .args(args)
        .current_dir(root())
        .env_remove("NO_COLOR")
        .env_remove("COLUMNS");
    command
}

/// Runs the command to its end.
pub(crate) fn run(args: &[&str]) -> Ran {
    run_with(args, "")
}

/// Runs the command with a text as its standard input.
pub(crate) fn run_with(args: &[&str], stdin: &str) -> Ran {
    let mut child = command(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    let text = stdin.to_owned();
    let writer = std::thread::spawn(move || {
        // A command that reads nothing closes the pipe early.
        let _ = pipe.write_all(text.as_bytes());
    });
    let output = child.wait_with_output().expect("the command ends");
    writer.join().expect("the text is written");
    Ran {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The report of `lint` for one input.
pub(crate) fn lint_json(path: &str) -> Value {
    run(&["lint", "--format", "json", path]).json()
}

/// The findings of a report as `HB101 error`.
pub(crate) fn findings(report: &Value) -> Vec<String> {
    report["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .map(|finding| {
            format!(
                "{} {}",
                finding["code"].as_str().unwrap_or("?"),
                finding["severity"].as_str().unwrap_or("?")
            )
        })
        .collect()
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a directory of the repository that end so, in order, relative to the root.
pub(crate) fn files(below: &str, end: &str) -> Vec<String> {
    fn walk(directory: &Path, into: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, into);
            } else {
                into.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    walk(&root().join(below), &mut paths);
    let mut names: Vec<String> = paths
        .iter()
        .map(|path| {
            path.strip_prefix(root())
                .expect("below the root")
                .display()
                .to_string()
        })
        .filter(|name| name.ends_with(end))
        .collect();
    names.sort();
    names
}

/// The text of a file of the repository.
pub(crate) fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
