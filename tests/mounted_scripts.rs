//! Scripts that a Job mounts from a `ConfigMap`: read where it is among the inputs, and shown where they stand.
#![cfg(feature = "cli")]

mod support;

use serde_json::Value;
use support::run;

fn report(paths: &[&str]) -> Value {
    let mut arguments = vec!["lint", "--format", "json"];
    arguments.extend(paths);
    run(&arguments).json()
}

const JOB: &str = "tests/fixtures/mounted/job.yaml";
const SCRIPTS: &str = "tests/fixtures/mounted/scripts.yaml";

#[test]
fn a_mounted_script_is_read_and_shown_where_it_stands() {
    let report = report(&[JOB, SCRIPTS]);
    let waits = report["objects"][0]["waits"].as_array().unwrap();
    let found: Vec<_> = waits
        .iter()
        .map(|wait| {
            let text = |key: &str| wait[key].as_str().unwrap_or_default().to_owned();
            let number = |key: &str| wait[key].as_f64();
            (
                text("container"),
                text("file"),
                wait["line"].as_u64().unwrap(),
                text("target"),
                number("nominal"),
                number("worst"),
                wait["falls_through"].as_bool().unwrap(),
            )
        })
        .collect();
    let expected = |container: &str, line, target: &str, nominal, worst| {
        (
            container.to_owned(),
            SCRIPTS.to_owned(),
            line,
            target.to_owned(),
            nominal,
            worst,
            false,
        )
    };
    assert_eq!(
        found,
        [
            expected("wait-db", 25, "db:5432", Some(60.0), Some(72.0)),
            // 29 pauses, 30 probes: the last one gives up before its pause.
            expected("bootstrap", 11, "db:5432", Some(87.0), Some(147.0)),
            expected("bootstrap", 21, "http://powerdns:8081/api", None, None),
            expected("late", 11, "api:8080", Some(87.0), Some(147.0)),
        ]
    );
    let unbounded = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|finding| finding["code"] == "HB201")
        .unwrap();
    assert_eq!(
        (&unbounded["file"], &unbounded["line"]),
        (&SCRIPTS.into(), &21.into())
    );
    assert_eq!(report["objects"][0]["unread"], serde_json::json!([]));
}

#[test]
fn the_text_points_into_the_config_map() {
    let output = run(&["lint", JOB, SCRIPTS]);
    assert!(
        output
            .out
            .contains("--> tests/fixtures/mounted/scripts.yaml:21:5"),
        "{}",
        output.out
    );
    assert!(output.out.contains("until curl -sf http://powerdns:8081/api"));
}

#[test]
fn a_script_whose_config_map_is_missing_is_said_to_be_missing() {
    let report = report(&[JOB]);
    assert_eq!(report["objects"][0]["waits"], serde_json::json!([]));
    let unread = report["objects"][0]["unread"].as_array().unwrap();
    let mounted = unread
        .iter()
        .filter(|note| note["why"].as_str().unwrap().contains("ConfigMap"));
    assert_eq!(mounted.clone().count(), 3, "{unread:#?}");
    for note in mounted {
        let why = note["why"].as_str().unwrap();
        assert!(
            why.contains("ConfigMap wait-scripts, which is not among the inputs"),
            "{why}"
        );
    }
}
