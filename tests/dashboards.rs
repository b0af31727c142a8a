//! Dashboards and alert rules: no panel without words and unit, no metric that the exporter does not have, no
//! query that returns nothing, no alert without runbook and test.
#![cfg(feature = "cli")]
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr)] // in helpers clippy does not see the test

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hookbudget::index::watch_metrics::WatchState;
use hookbudget::metrics::registry;
use serde_json::Value;

/// One Job that waits and two that failed, as the exporter publishes them: what every panel is tried on.
const SAMPLE: &[(&str, &str)] = &[
    (
        r#"hookbudget_job_info{JOB, owner_kind="HelmRelease", owner_name="bp-catalyst-platform"}"#,
        "1",
    ),
    ("hookbudget_job_wait_ratio{JOB}", "0.5"),
    ("hookbudget_job_wait_elapsed_seconds{JOB}", "420"),
    ("hookbudget_job_wait_remaining_seconds{JOB}", "420"),
    ("hookbudget_job_wait_attempts{JOB}", "84"),
    ("hookbudget_job_wait_attempts_limit{JOB}", "168"),
    (
        r#"hookbudget_job_wait_target_info{JOB, target="gitea-http.gitea.svc:3000"}"#,
        "1",
    ),
    (
        r#"hookbudget_job_gives_up_timestamp_seconds{JOB, clock="wait"}"#,
        "840",
    ),
    (
        r#"hookbudget_job_root_cause{FAILED, CAUSE="oom_killed", verdict="real"}"#,
        "1",
    ),
    (
        r#"hookbudget_job_root_cause_info{FAILED, culprit_kind="Pod", culprit_namespace="n", culprit_name="p", depth="0"}"#,
        "1",
    ),
    (
        r#"hookbudget_job_root_cause{LOST, CAUSE="evidence_lost", verdict="unknown"}"#,
        "1",
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards")
}

fn files(folder: &Path, extension: &str) -> Vec<(String, String)> {
    let mut found: Vec<_> = fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("a text"))
        })
        .collect();
    found.sort();
    assert!(
        !found.is_empty(),
        "{} holds no .{extension} file",
        folder.display()
    );
    found
}

fn dashboards() -> Vec<(String, Value)> {
    let parse = |(name, text): (String, String)| {
        let value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, value)
    };
    files(&root(), "json").into_iter().map(parse).collect()
}

fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn panels(dashboard: &Value) -> Vec<&Value> {
    let outer = list(dashboard, "/panels");
    outer
        .iter()
        .chain(outer.iter().flat_map(|row| list(row, "/panels")))
        .collect()
}

/// The queries of a dashboard with the variables filled in as Grafana does for `All`.
fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for panel in panels(dashboard) {
        for target in list(panel, "/targets") {
            let name = format!("{} {}", text(panel, "/title"), text(target, "/refId"));
            let query = ["$cluster", "$namespace", "$owner"]
                .iter()
                .fold(text(target, "/expr").to_owned(), |query, variable| {
                    query.replace(variable, ".*")
                });
            found.push((name, query));
        }
    }
    found
}

fn metrics(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("hookbudget_"))
        .map(str::to_owned)
        .collect()
}

/// By the exporter or, as its generated page says, by the webhook.
fn is_published(metric: &str) -> bool {
    let page = root().with_file_name("docs/metrics-webhook.md");
    let webhook = fs::read_to_string(page).expect("the page of the webhook's metrics");
    ["", "_bucket", "_sum", "_count"]
        .iter()
        .filter_map(|suffix| metric.strip_suffix(suffix))
        .any(|family| {
            registry().iter().any(|(name, _)| *name == family)
                || webhook.contains(&format!("\n| `{family}` |"))
        })
}

#[test]
fn a_dashboard_can_be_provisioned_anywhere() {
    let mut uids = BTreeSet::new();
    for (name, dashboard) in dashboards() {
        let uid = text(&dashboard, "/uid");
        assert!(
            uid.starts_with("hookbudget-") && uid.len() <= 40,
            "{name}: uid {uid:?}"
        );
        assert!(uids.insert(uid.to_owned()), "{name}: uid {uid} is taken");
        assert!(
            (39..=42).contains(&dashboard["schemaVersion"].as_i64().unwrap_or(0)),
            "{name}: schemaVersion"
        );
        assert!(
            dashboard["id"].is_null() && dashboard.get("__inputs").is_none(),
            "{name}: id or __inputs"
        );
        assert!(
            !text(&dashboard, "/title").is_empty() && !text(&dashboard, "/description").is_empty(),
            "{name}"
        );
        let variables: BTreeMap<_, _> = list(&dashboard, "/templating/list")
            .iter()
            .map(|variable| (text(variable, "/name"), text(variable, "/type")))
            .collect();
        assert_eq!(variables.get("datasource"), Some(&"datasource"), "{name}");
        for variable in ["cluster", "namespace", "owner"] {
            assert_eq!(
                variables.get(variable),
                Some(&"query"),
                "{name}: variable {variable}"
            );
        }
    }
}

#[test]
fn every_panel_has_words_a_unit_and_the_chosen_data_source() {
    for (name, dashboard) in dashboards() {
        let mut ids = BTreeSet::new();
        for panel in panels(&dashboard)
            .into_iter()
            .filter(|panel| text(panel, "/type") != "row")
        {
            let title = text(panel, "/title");
            let at = format!("{name}: panel {title:?}");
            assert!(
                !title.is_empty() && !text(panel, "/description").is_empty(),
                "{at} lacks words"
            );
            assert!(
                !text(panel, "/fieldConfig/defaults/unit").is_empty(),
                "{at} lacks a unit"
            );
            assert!(
                ids.insert(panel["id"].as_i64().expect("an id")),
                "{at}: its id is taken"
            );
            assert!(!list(panel, "/targets").is_empty(), "{at} asks nothing");
            for part in list(panel, "/targets").iter().chain([panel]) {
                assert_eq!(text(part, "/datasource/uid"), "${datasource}", "{at}");
            }
        }
        assert!(!ids.is_empty(), "{name} has no panel");
    }
}

#[test]
fn panels_do_not_overlap() {
    for (name, dashboard) in dashboards() {
        let mut taken = BTreeMap::new();
        for panel in panels(&dashboard) {
            let side = |side: &str| panel["gridPos"][side].as_u64().expect("a place on the grid");
            assert!(
                side("x") + side("w") <= 24,
                "{name}: {} is too wide",
                panel["title"]
            );
            for x in side("x")..side("x") + side("w") {
                for y in side("y")..side("y") + side("h") {
                    if let Some(other) = taken.insert((x, y), &panel["title"]) {
                        panic!("{name}: {} lies on {other}", panel["title"]);
                    }
                }
            }
        }
    }
}

#[test]
fn every_metric_that_is_asked_for_is_published() {
    let mut texts = files(&root(), "json");
    texts.extend(files(&root().join("alerts"), "yaml"));
    texts.extend(files(&root().join("alerts/tests"), "yaml"));
    for (name, text) in texts {
        let found = metrics(&text);
        assert!(!found.is_empty(), "{name} names no metric");
        for metric in found {
            assert!(
                is_published(&metric),
                "{name}: neither exporter nor webhook has a metric {metric}"
            );
        }
    }
}

/// `label="value"` of a text.
fn matchers(text: &str) -> BTreeSet<String> {
    text.split(['{', ',', '}'])
        .map(str::trim)
        .filter(|part| part.ends_with('"') && part.contains("=\"") && !part.contains(['(', ' ']))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_value_that_a_rule_asks_for_is_published() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/four-hooks.prom");
    let mut published = matchers(&fs::read_to_string(golden).expect("the golden exposition"));
    // What the webhook says of its watches.
    published.insert("kind=\"Namespace\"".to_owned());
    published.extend(WatchState::ALL.map(|state| format!("state=\"{}\"", state.as_str())));
    let mut found = BTreeSet::new();
    for (name, rules) in files(&root().join("alerts"), "yaml") {
        let expressions = rules
            .lines()
            .filter(|line| line.trim().starts_with("hookbudget_"));
        let asked = matchers(&expressions.collect::<Vec<_>>().join("\n"));
        let unknown: Vec<_> = asked.difference(&published).collect();
        assert!(
            unknown.is_empty(),
            "{name}: {unknown:?} is nothing that exporter or webhook write"
        );
        found.extend(asked);
    }
    assert!(found.contains("result=\"success\""), "{found:?}");
}

#[test]
fn every_alert_has_words_a_runbook_page_and_a_test() {
    let tests: String = files(&root().join("alerts/tests"), "yaml")
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    let docs = root().with_file_name("docs");
    for (name, text) in files(&root().join("alerts"), "yaml") {
        let rules: Value = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let alerts: Vec<_> = list(&rules, "/groups")
            .iter()
            .flat_map(|group| list(group, "/rules"))
            .filter(|rule| rule.get("alert").is_some())
            .collect();
        assert!(!alerts.is_empty(), "{name} has no alert");
        for rule in alerts {
            let alert = rule["alert"].as_str().expect("a name");
            for word in ["summary", "description"] {
                assert!(rule["annotations"][word].is_string(), "{alert} has no {word}");
            }
            let page = docs.join("runbooks").join(format!("{alert}.md"));
            assert!(page.is_file(), "{alert}: {} does not exist", page.display());
            let url = rule["annotations"]["runbook_url"].as_str().unwrap_or_default();
            assert!(
                url.ends_with(&format!("/docs/runbooks/{alert}.md")),
                "{alert}: runbook_url {url:?}"
            );
            assert!(
                tests.contains(&format!("alertname: {alert}\n")),
                "{alert} has no test"
            );
            assert!(
                rule["expr"].as_str().is_some_and(|expr| expr.contains("max by")),
                "{alert}: two replicas"
            );
        }
    }
}

/// Runs promtool where it is installed. In CI it has to be.
fn promtool(arguments: &[&str]) {
    match Command::new("promtool").args(arguments).output() {
        Ok(output) => assert!(output.status.success(), "promtool {arguments:?}: {output:?}"),
        Err(error) if std::env::var_os("CI").is_none() => {
            eprintln!("promtool {arguments:?} was not run ({error}): install the package prometheus");
        }
        Err(error) => panic!("promtool is needed in CI ({error}): install the package prometheus"),
    }
}

#[test]
fn promtool_accepts_the_rules_and_their_tests() {
    for (folder, action) in [("alerts", "check"), ("alerts/tests", "test")] {
        for (name, _) in files(&root().join(folder), "yaml") {
            let path = root().join(folder).join(name);
            promtool(&[action, "rules", path.to_str().expect("a path")]);
        }
    }
}

#[test]
fn every_panel_shows_data_on_a_sample() {
    let labels = |job: &str| format!(r#"cluster="c", namespace="n", job_name="{job}""#);
    let mut test = String::from("evaluation_interval: 15s\ntests:\n  - interval: 15s\n    input_series:\n");
    for (series, value) in SAMPLE {
        let series = series
            .replace("JOB", &labels("waits"))
            .replace("FAILED", &labels("failed"))
            .replace("LOST", &labels("lost"))
            .replace("CAUSE", r#"owner_kind="CronJob", owner_name="o", trigger="t", route="app", severity="warning", root_cause"#);
        write!(test, "      - series: '{series}'\n        values: '{value}x4'\n").expect("a string");
    }
    test.push_str("    promql_expr_test:\n");
    for (name, dashboard) in dashboards() {
        for (panel, query) in queries(&dashboard) {
            let expr = Value::from(format!("count({query}) > bool 0"));
            write!(
                test,
                "      # {name}: {panel}\n      - expr: {expr}\n        eval_time: 1m\n"
            )
            .expect("a string");
            test.push_str("        exp_samples:\n          - value: 1\n");
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("panels.yaml");
    fs::write(&path, test).expect("a file");
    promtool(&["test", "rules", path.to_str().expect("a path")]);
}
