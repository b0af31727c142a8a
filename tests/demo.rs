//! The README's first command, as a user runs it: every line comes out of the engine.
#![allow(clippy::expect_used, clippy::panic)] // tests

use std::process::Command;

#[test]
fn the_demo_says_how_to_get_what_is_not_installed() {
    let output = Command::new(env!("CARGO_BIN_EXE_hookbudget"))
        .args(["demo", "--once", "--stack", "--speed", "10000"])
        .args(["--listen", "127.0.0.1:0", "--webhook-listen", "127.0.0.1:0"])
        .env("PATH", "/nowhere")
        .output()
        .expect("the demo runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("apt-get install --no-install-recommends prometheus prometheus-alertmanager"),
        "{text}"
    );
}

#[test]
fn the_demo_judges_the_three_incidents_and_says_what_to_open() {
    let arguments = [
        "demo",
        "--once",
        "--speed",
        "2000",
        "--listen",
        "127.0.0.1:0",
        "--webhook-listen",
        "127.0.0.1:0",
    ];
    let output = Command::new(env!("CARGO_BIN_EXE_hookbudget"))
        .args(arguments)
        .env("COLUMNS", "120")
        .output()
        .expect("the demo runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!text.contains('\u{1b}'), "no colours where nobody looks");
    for part in [
        // Before they run
        "denied (403)",
        "HB101 retries-end-before-deadline",
        "310 s",
        "restartPolicy: OnFailure -> Never (HB101)",
        "HOOKBUDGET_WAIT_TIMEOUT_SECONDS=600",
        "HB104 wait-exceeds-release-timeout: wait 840 s, at worst 1344 s, release timeout 900 s",
        "HB301 logs-lost-on-failure",
        // While they wait, and when it ends badly
        "catalyst-gitea-token-mint succeeded",
        "powerdns-zone-bootstrap failed: BackoffLimitExceeded, root cause dependency_node_capacity",
        "tf-state-backup-29565120 failed: BackoffLimitExceeded, root cause oom_killed",
        "1 Insufficient cpu",
        "Make room on the nodes",
        "/api/jobs",
        "https://127.0.0.1:",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}
