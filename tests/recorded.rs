//! Dumps of the scenarios on a real cluster, as `tests/cluster` recorded them: `diagnose --from` says of each what was
//! said of the cluster itself.
#![cfg(all(feature = "cli", feature = "server"))]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // helpers of tests

mod support;

use serde_json::{Value, json};
use support::{files, read, run};

const RECORDED: &str = "tests/fixtures/dumps/recorded";

/// Most bytes of a dump: what is larger was not trimmed.
const MOST: usize = 64 * 1024;

#[test]
fn a_dump_says_what_the_cluster_said() {
    let answers = files(RECORDED, "live.json");
    assert!(answers.len() >= 30, "{answers:?}");
    for answer in answers {
        let live: Value = serde_json::from_str(&read(&answer)).unwrap();
        let place = answer.trim_end_matches("/live.json");
        let (dump, job) = (
            format!("{place}/dump"),
            format!("job/{}", live["job"].as_str().unwrap()),
        );
        let mut arguments = vec!["diagnose", job.as_str(), "--from", &dump];
        if let Some(policy) = live["policy"].as_str() {
            arguments.extend(["--policy", policy]);
        }
        let found = run(&[&arguments[..], &["--format", "json"]].concat()).json()[0].clone();
        for key in ["state", "trigger", "root_cause", "verdict", "retry_advice"] {
            assert_eq!(found[key], live[key], "{place} {key}: {found:#}");
        }
        let link = |link: &Value| json!([link["kind"], link["namespace"], link["name"]]);
        let chain: Vec<Value> = found["chain"].as_array().unwrap().iter().map(link).collect();
        assert_eq!(json!(chain), live["chain"], "{place}");
        let name = place.rsplit('/').next().unwrap();
        insta::assert_snapshot!(format!("recorded-{name}"), run(&arguments).out);
    }
}

#[test]
fn no_dump_is_large_or_full_of_noise() {
    for file in files(RECORDED, "") {
        let text = read(&file);
        assert!(text.len() <= MOST, "{file}: {} bytes", text.len());
        for noise in ["managedFields", "resourceVersion:", "podIP"] {
            assert!(!text.contains(noise), "{file} holds {noise}");
        }
    }
}
