//! The reading of scripts, held against the shells themselves.
//!
//! Scripts are put together at random from the ways in which people write a wait. Each is read, and each is
//! run by dash, bash and busybox in a world where nothing ever comes up and `sleep` moves a clock in a file: once
//! with probes that fail at once, once with probes that hang to their limits. `HOOKBUDGET_SCRIPTS=20000` tries
//! more of them, `HOOKBUDGET_SEED=7` others. A shell that is not there is passed over.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // helpers of tests
#![allow(clippy::format_push_string)] // `write!` would hide the scripts in the error handling

#[path = "../scripts/mod.rs"]
mod scripts;

mod generate;

use std::path::Path;
use std::process::{Command, Stdio};

use generate::{Random, Script};
use hookbudget::engine::shell::{ReadConfidence, Reading};
use scripts::script;

/// What a run of a script has shown.
#[derive(Debug)]
struct Run {
    /// Seconds that have passed; `None` when there is no end to it.
    slept: Option<f64>,
    /// How many of the commands behind the waits have run.
    marks: usize,
}

fn run(shell: &[&str], text: &str, hang: bool, directory: &Path) -> Run {
    let (clock, marks) = (directory.join("clock"), directory.join("marks"));
    std::fs::write(&clock, "0\n").unwrap();
    std::fs::write(&marks, "").unwrap();
    let world = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/wait_loops_against_shells/world.sh"
    );
    Command::new(shell[0])
        .args(&shell[1..])
        .arg("-c")
        .arg(format!(". {world}\n{text}"))
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C")
        .env("CLOCK", &clock)
        .env("MARKS", &marks)
        .env("HANG", if hang { "1" } else { "0" })
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    let clock = std::fs::read_to_string(&clock).unwrap();
    Run {
        slept: clock.trim().parse::<f64>().ok().map(|millis| millis / 1000.0),
        marks: std::fs::read_to_string(&marks).unwrap().lines().count(),
    }
}

/// The waits that run until one of them ends the script, added up.
fn expected(reading: &Reading) -> (Option<f64>, Option<f64>) {
    let (mut nominal, mut worst) = (Some(0.0), Some(0.0));
    for wait in &reading.waits {
        let seconds =
            |limit: hookbudget::engine::Limit| limit.seconds().map(hookbudget::engine::Seconds::as_f64);
        nominal = nominal.zip(seconds(wait.span.nominal)).map(|(a, b)| a + b);
        worst = worst.zip(seconds(wait.span.worst)).map(|(a, b)| a + b);
        if !wait.falls_through {
            break;
        }
    }
    (nominal, worst)
}

/// Why a reading is not what the shell did, if so.
fn difference(script: &Script, reading: &Reading, calm: &Run, hanging: &Run) -> Option<String> {
    let (nominal, worst) = expected(reading);
    if reading
        .unread
        .iter()
        .any(|unread| !unread.why.contains("`migrate`"))
    {
        return Some("not read".to_owned());
    }
    if reading
        .waits
        .iter()
        .any(|wait| wait.confidence == ReadConfidence::Possible)
    {
        return Some("only possible".to_owned());
    }
    let near = |read: f64, slept: f64| slept >= read - 0.01 && slept <= read + script.slack + 0.01;
    match (nominal, calm.slept) {
        (None, None) => return None,
        (Some(read), Some(slept)) if near(read, slept) => {}
        (read, slept) => return Some(format!("nominal: read {read:?}, slept {slept:?}")),
    }
    match (worst, hanging.slept) {
        (None, None) => {}
        (Some(read), Some(slept)) if slept <= read + 0.01 && slept >= read - script.slack - 0.01 => {}
        (read, slept) => return Some(format!("worst: read {read:?}, slept {slept:?}")),
    }
    let marks = script
        .text
        .lines()
        .filter(|line| line.starts_with("migrate "))
        .count();
    let ends = reading.waits.iter().position(|wait| !wait.falls_through);
    let reached = ends.unwrap_or(reading.waits.len()).min(marks);
    if calm.marks != reached {
        return Some(format!(
            "falls through: read {reached} commands, {} ran",
            calm.marks
        ));
    }
    None
}

#[test]
fn a_wait_takes_as_long_as_it_was_read() {
    let number = |name: &str, default: u64| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let (count, seed) = (number("HOOKBUDGET_SCRIPTS", 150), number("HOOKBUDGET_SEED", 1));
    let shells: Vec<Vec<&str>> = [vec!["dash"], vec!["bash"], vec!["busybox", "sh"]]
        .into_iter()
        .filter(|shell| {
            let found = Command::new(shell[0])
                .args(&shell[1..])
                .args(["-c", "true"])
                .stderr(Stdio::null())
                .status();
            found.is_ok_and(|status| status.success())
        })
        .collect();
    let directory = tempfile::tempdir().unwrap();
    let mut random = Random(seed);
    let mut wrong = Vec::new();
    for index in 0..count {
        let generated = generate::script(&mut random);
        let reading = script(&generated.text);
        let fit: Vec<_> = shells
            .iter()
            .filter(|shell| !generated.bash || shell[0] == "bash")
            .collect();
        // Every shell has its turn.
        let Some(shell) = fit.get(usize::try_from(index).unwrap() % fit.len().max(1)) else {
            continue;
        };
        let calm = run(shell, &generated.text, false, directory.path());
        let hanging = run(shell, &generated.text, true, directory.path());
        if let Some(why) = difference(&generated, &reading, &calm, &hanging) {
            wrong.push(format!(
                "==== {index} {shell:?} {why}\n{}\n---- {calm:?} {hanging:?}\n{:#?}\n{:?}",
                generated.text,
                reading
                    .waits
                    .iter()
                    .map(|wait| (
                        wait.span.to_string(),
                        &wait.arithmetic,
                        wait.falls_through,
                        wait.confidence
                    ))
                    .collect::<Vec<_>>(),
                reading.unread
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\n{} of {count}",
        wrong.iter().take(12).cloned().collect::<Vec<_>>().join("\n"),
        wrong.len()
    );
}
