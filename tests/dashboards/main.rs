//! Dashboards and alert rules: no panel without words and unit, no metric that the exporter does not have, no family
//! that nobody looks at, no query that returns nothing, no alert without runbook and test, a route for each alert.
//!
//! The dashboards are written here: `BLESS=1 cargo test --test dashboards` writes them anew.
#![cfg(feature = "cli")]
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr)] // in helpers clippy does not see the test
#![allow(clippy::too_many_lines)] // a row of a dashboard is a table

mod admission;
mod board;
mod causes;
mod failures;
mod jobs;
mod panel;
mod used;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hookbudget::index::watch_metrics::WatchState;
use hookbudget::metrics::registry;
use serde_json::Value;

/// What the webhook publishes beside what the exporter says of a recording.
const WEBHOOK: &[&str] = &[
    r#"hookbudget_admission_reviews_total{webhook="validate", operation="CREATE", kind="Job", mode="warn", decision="warn"}"#,
    r#"hookbudget_admission_reviews_total{webhook="validate", operation="CREATE", kind="Job", mode="enforce", decision="deny"}"#,
    r#"hookbudget_admission_decisions_total{namespace="shop", mode="warn", decision="warn", code="HB102"}"#,
    r#"hookbudget_admission_findings_total{code="HB102"}"#,
    r#"hookbudget_admission_rewrites_total{namespace="shop", mode="warn", rule="HB101"}"#,
    r#"hookbudget_admission_duration_seconds_bucket{webhook="validate", le="0.001"}"#,
    r#"hookbudget_admission_duration_seconds_bucket{webhook="validate", le="+Inf"}"#,
    r#"hookbudget_rewrites_total{field="restartPolicy"}"#,
    r#"hookbudget_release_lookups_total{source="flag"}"#,
    r"hookbudget_tls_not_after_timestamp_seconds",
    r"hookbudget_webhook_configured",
    r"hookbudget_policy_load_success",
    // A replay has a clock of its own, by which nothing takes time.
    r#"hookbudget_diagnosis_duration_seconds_bucket{le="0.1"}"#,
    r#"hookbudget_diagnosis_duration_seconds_bucket{le="+Inf"}"#,
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
            let query = [
                ("$__rate_interval", "1m"),
                ("$__range_s", "3600"),
                ("$__range", "1m"),
                ("$cluster", ".*"),
                ("$namespace", ".*"),
                ("$owner", ".*"),
            ]
            .iter()
            .fold(text(target, "/expr").to_owned(), |query, (variable, value)| {
                query.replace(variable, value)
            });
            found.push((name, query));
        }
    }
    found
}

fn metrics(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("hookbudget_") && *word != "hookbudget_job")
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
    let docs = root().with_file_name("docs");
    texts.extend(
        files(&docs.join("runbooks"), "md")
            .into_iter()
            .filter(|(_, text)| text.contains("hookbudget_")),
    );
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
        .filter(|part| part.ends_with('"') && part.contains("=\"") && !part.contains(['(', ' ', '!']))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_value_that_a_rule_asks_for_is_published() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/four-hooks.prom");
    let mut published = matchers(&fs::read_to_string(golden).expect("the golden exposition"));
    // What the webhook says of its watches.
    published.insert("kind=\"Namespace\"".to_owned());
    // What the exporter says of a Job that declares its cold start.
    published.insert("source=\"annotation\"".to_owned());
    published.extend(WatchState::ALL.map(|state| format!("state=\"{}\"", state.as_str())));
    let mut found = BTreeSet::new();
    for (name, rules) in files(&root().join("alerts"), "yaml") {
        let expressions = rules
            .lines()
            .filter(|line| line.contains("hookbudget_") && !line.contains("printf"));
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

/// Lets promtool read a text; what it says where it does not like it. `None` where it is not installed.
fn linted(exposition: &str) -> Option<String> {
    let child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Err(error) if std::env::var_os("CI").is_none() => {
            eprintln!("promtool was not run ({error}): install the package prometheus");
            return None;
        }
        child => child.expect("promtool is needed in CI: install the package prometheus"),
    };
    let mut input = child.stdin.take().expect("an input");
    input.write_all(exposition.as_bytes()).expect("a text");
    drop(input);
    let output = child.wait_with_output().expect("an end");
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.success(), said.is_empty(), "{said}");
    Some(said)
}

/// Names, types, units, labels and helps, as promtool wants them: of the exporter on a recorded cluster, and of
/// everything that a webhook registers.
#[test]
fn promtool_finds_no_fault_with_any_family() {
    let golden = root().with_file_name("tests").join("golden");
    for name in ["four-hooks.prom", "webhook.prom"] {
        let exposition = fs::read_to_string(golden.join(name)).expect("the golden exposition");
        // What is different each time.
        let exposition = exposition.replace(" VALUE\n", " 1\n");
        assert!(exposition.matches("# TYPE ").count() > 20, "{name}");
        let Some(said) = linted(&exposition) else { return };
        assert_eq!(said, "", "{name}");
    }
    let said = linted("# HELP some_milliseconds\n# TYPE some_milliseconds counter\nsome_milliseconds 1\n");
    assert!(
        said.is_none_or(|said| said.contains("_total")),
        "it would find one"
    );
}

/// The samples of a recorded cluster as series that go on: counters rise, everything else stands.
fn recorded() -> Vec<(String, String)> {
    let golden = root().with_file_name("tests/golden/four-hooks.prom");
    let golden = fs::read_to_string(golden).expect("the exposition of a recording");
    let samples = golden.lines().filter(|line| line.starts_with("hookbudget_"));
    let samples = samples.filter_map(|line| line.rsplit_once(' '));
    let webhook = WEBHOOK.iter().map(|series| (*series, "1"));
    samples
        .chain(webhook)
        .map(|(series, value)| {
            let name = series.split('{').next().unwrap_or_default();
            let rises = ["_total", "_bucket", "_count", "_sum"]
                .iter()
                .any(|end| name.ends_with(end));
            let values = if rises {
                format!("{value}+1x4")
            } else {
                format!("{value}x4")
            };
            (series.to_owned(), values)
        })
        .collect()
}

#[test]
fn every_query_finds_something_in_a_recording() {
    let mut test = String::from("evaluation_interval: 15s\ntests:\n  - interval: 15s\n    input_series:\n");
    for (series, values) in recorded() {
        let series = Value::from(series);
        writeln!(test, "      - series: {series}\n        values: '{values}'").expect("a string");
    }
    test.push_str("    promql_expr_test:\n");
    for (name, dashboard) in dashboards() {
        for (panel, query) in queries(&dashboard) {
            let expr = Value::from(format!("count({query}) > bool 0"));
            writeln!(
                test,
                "      # {name}: {panel}\n      - expr: {expr}\n        eval_time: 1m"
            )
            .expect("a string");
            test.push_str("        exp_samples:\n          - value: 1\n");
        }
    }
    promtool_tests("panels.yaml", &test);
}

/// Runs tests that were written here.
fn promtool_tests(name: &str, test: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    fs::write(&path, test).expect("a file");
    promtool(&["test", "rules", path.to_str().expect("a path")]);
}

#[test]
fn the_dashboards_are_what_is_written_here() {
    let boards = [
        ("hook-jobs.json", jobs::board()),
        ("hook-failures.json", failures::board()),
        ("hook-admission.json", admission::board()),
    ];
    let names: BTreeSet<_> = boards.iter().map(|(name, _)| (*name).to_owned()).collect();
    for (name, board) in boards {
        let text = serde_json::to_string_pretty(&board.json()).expect("JSON") + "\n";
        for folder in [root(), root().with_file_name("charts").join("hookbudget/files")] {
            let path = folder.join(name);
            if std::env::var_os("BLESS").is_some() {
                fs::write(&path, &text).expect("a file");
            }
            assert!(
                fs::read_to_string(&path).is_ok_and(|there| there == text),
                "{} is stale: BLESS=1 cargo test --test dashboards",
                path.display()
            );
        }
    }
    let there: BTreeSet<_> = files(&root(), "json").into_iter().map(|(name, _)| name).collect();
    assert_eq!(there, names);
}

/// The rules of Grafana's dashboard-linter that make sense for series of objects; those about `job` and `instance` do
/// not: nobody asks which replica it was that saw a Job.
#[test]
fn the_dashboards_pass_the_rules_of_the_dashboard_linter() {
    for (name, dashboard) in dashboards() {
        assert_eq!(dashboard["editable"], false, "{name}: uneditable-dashboard");
        for variable in list(&dashboard, "/templating/list") {
            let at = format!("{name}: variable {}", variable["name"]);
            assert!(!text(variable, "/label").is_empty(), "{at}: a label");
            if variable["type"] == "query" {
                assert_eq!(variable["refresh"], 2, "{at}: template-on-time-change-reload");
                assert_eq!(text(variable, "/datasource/uid"), "${datasource}", "{at}");
            }
        }
        for panel in panels(&dashboard) {
            for target in list(panel, "/targets") {
                let expr = text(target, "/expr");
                let at = format!("{name}: {}: {expr}", panel["title"]);
                for (_, span) in expr
                    .match_indices('[')
                    .filter_map(|(at, _)| expr[at + 1..].split_once(']').map(|(span, _)| (at, span)))
                {
                    assert!(
                        matches!(span, "$__rate_interval" | "$__range") || span.contains('.'),
                        "{at}: target-rate-interval: {span}"
                    );
                }
                for metric in metrics(expr)
                    .iter()
                    .filter(|metric| metric.ends_with("_total") || metric.ends_with("_bucket"))
                {
                    let counts = expr.contains("rate(") || expr.contains("increase(");
                    let since_start = metric.starts_with("hookbudget_owner_");
                    assert!(counts || since_start, "{at}: target-counter-agg");
                }
                assert!(expr.contains("$cluster"), "{at}: shows every cluster at once");
            }
        }
        let rows: Vec<_> = list(&dashboard, "/panels")
            .iter()
            .filter(|panel| panel["type"] == "row")
            .map(|row| text(row, "/title"))
            .collect();
        assert!(
            rows.len() >= 2 && rows.iter().all(|row| row.ends_with('?')),
            "{name}: {rows:?} are no questions"
        );
    }
}

/// Runs amtool where it is installed. In CI it has to be.
fn amtool(arguments: &[&str]) -> Option<String> {
    match Command::new("amtool").args(arguments).output() {
        Ok(output) => {
            assert!(output.status.success(), "amtool {arguments:?}: {output:?}");
            Some(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Err(error) if std::env::var_os("CI").is_none() => {
            eprintln!(
                "amtool {arguments:?} was not run ({error}): install the package prometheus-alertmanager"
            );
            None
        }
        Err(error) => panic!("amtool is needed in CI ({error}): install the package prometheus-alertmanager"),
    }
}

#[test]
fn every_alert_reaches_who_can_repair_it() {
    let config = root().join("alertmanager/alertmanager.yaml");
    let config = config.to_str().expect("a path");
    amtool(&["check-config", config]);
    let routes = fs::read_to_string(root().join("alertmanager/routes.tsv")).expect("the table of routes");
    let mut tried = BTreeSet::new();
    for line in routes.lines().filter(|line| !line.starts_with('#')) {
        let (labels, receiver) = line.split_once('\t').expect("labels, a tab, a receiver");
        let mut arguments = vec!["config", "routes", "test"];
        let (file, verify) = (
            format!("--config.file={config}"),
            format!("--verify.receivers={receiver}"),
        );
        arguments.extend([file.as_str(), verify.as_str()]);
        arguments.extend(labels.split(' '));
        amtool(&arguments);
        let alert = labels
            .split(' ')
            .find_map(|label| label.strip_prefix("alertname="));
        tried.insert(alert.expect("an alert").to_owned());
    }
    for (_, alert) in alerts() {
        let name = text(&alert, "/alert");
        assert!(
            tried.contains(name),
            "routes.tsv does not say who is told of {name}"
        );
    }
    for route in ["platform", "app", "security", "registry", "data", "network"] {
        assert!(
            routes.contains(&format!("route={route} ")),
            "{route} is not tried"
        );
    }
}

/// Every alert with the file that it is in.
fn alerts() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (name, text) in files(&root().join("alerts"), "yaml") {
        let rules: Value = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let rules = list(&rules, "/groups")
            .iter()
            .flat_map(|group| list(group, "/rules"));
        found.extend(
            rules
                .filter(|rule| rule.get("alert").is_some())
                .map(|rule| (name.clone(), rule.clone())),
        );
    }
    found
}
