//! The exposition of a recorded cluster, held to golden texts, to its own table and to the documentation.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // helpers of tests
#![cfg(feature = "server")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use hookbudget::index::replay::Recording;
use hookbudget::index::{Change, Clock, Handle, JobLabels, Kind, Settings, drive};
use hookbudget::metrics::{Exposition, FAMILIES, Format, Selection, Type, pattern, registry};
use hookbudget::shutdown::Shutdown;
use hookbudget::status;
use serde_json::{json, value::RawValue};
use tokio::sync::mpsc;
use tower::ServiceExt;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Compares with a file, or writes it with `BLESS=1`.
fn held_to(path: &Path, text: &str) {
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        return;
    }
    let golden = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        golden == text,
        "{} is stale: look at the difference, then run with BLESS=1\n{text}",
        path.display()
    );
}

/// The index after a recording has been played, at a pace that a test has patience for.
async fn played(name: &str) -> Handle {
    let path = root().join("tests/fixtures/recordings").join(name);
    let file = std::io::BufReader::new(std::fs::File::open(&path).unwrap());
    let recording = Recording::read(file).unwrap();
    let clock = Clock::standing_at(recording.start);
    let index = Handle::new(Settings::new(recording.start), clock.clone());
    let (sink, changes) = mpsc::channel(16);
    let (actions, _nobody) = mpsc::unbounded_channel();
    let (_trigger, shutdown) = Shutdown::manual();
    let writer = tokio::spawn(drive(
        index.clone(),
        changes,
        actions,
        Duration::from_hours(1),
        shutdown,
    ));
    recording.play(1e6, &clock, &sink).await;
    drop(sink);
    writer.await.unwrap();
    // The first look after the recording's last step, past the time in which late evidence may come.
    let last = recording.steps.last().unwrap().0.as_secs();
    let end = recording
        .start
        .checked_add(jiff::SignedDuration::from_secs(i64::try_from(last).unwrap() + 15))
        .unwrap();
    clock.set(end);
    let _ = index.tick();
    index
}

fn text(index: &Handle, format: Format) -> String {
    Exposition::new(Arc::new(index.snapshot()), format).collect()
}

/// A sample's name, and its labels by name.
fn parse(line: &str) -> (String, BTreeMap<String, String>) {
    let (series, _) = line.rsplit_once(' ').unwrap();
    let Some((name, rest)) = series.split_once('{') else {
        return (series.to_owned(), BTreeMap::new());
    };
    let mut labels = BTreeMap::new();
    let mut rest = rest.strip_suffix('}').unwrap();
    while !rest.is_empty() {
        let (label, value) = rest.split_once("=\"").unwrap();
        let mut end = 0;
        let bytes = value.as_bytes();
        while bytes[end] != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        assert!(
            labels.insert(label.to_owned(), value[..end].to_owned()).is_none(),
            "{line}"
        );
        rest = value[end + 1..].trim_start_matches(',');
    }
    (name.to_owned(), labels)
}

/// The same text whatever the order of labels.
fn sorted(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        if line.starts_with('#') {
            writeln!(out, "{line}").unwrap();
        } else {
            let (name, labels) = parse(line);
            let labels: Vec<_> = labels.iter().map(|(k, v)| format!("{k}=\"{v}\"")).collect();
            let value = line.rsplit_once(' ').unwrap().1;
            writeln!(out, "{name}{{{}}} {value}", labels.join(",")).unwrap();
        }
    }
    out
}

#[tokio::test]
async fn the_exposition_of_a_recording_is_the_golden_one() {
    let index = played("four-hooks.jsonl").await;
    // What the kernel says of the process is different each time.
    let varies = |line: &str| {
        let value = line
            .starts_with("process_")
            .then(|| line.rsplit_once(' '))
            .flatten();
        value.map_or_else(|| format!("{line}\n"), |(series, _)| format!("{series} VALUE\n"))
    };
    for (format, name) in [
        (Format::Text, "four-hooks.prom"),
        (Format::OpenMetrics, "four-hooks.openmetrics"),
    ] {
        let text = sorted(&text(&index, format)).replace(env!("CARGO_PKG_VERSION"), "VERSION");
        let text: String = text.lines().map(varies).collect();
        held_to(&root().join("tests/golden").join(name), &text);
    }
}

#[test]
fn a_failed_run_after_which_another_has_succeeded_has_one_series_more() {
    let started: jiff::Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
    let index = Handle::new(Settings::new(started), Clock::standing_at(started));
    for kind in Kind::ALL {
        let _ = index.take_in([Change::Begin(kind), Change::End(kind)]);
    }
    for (hour, kind) in [(11, "Failed"), (12, "Complete"), (13, "Failed")] {
        let at = |minute: u32| format!("2026-11-21T{hour}:{minute:02}:00Z");
        let run = json!({
            "metadata": {"name": format!("backup-{hour}"), "namespace": "n", "uid": hour.to_string(), "creationTimestamp": at(0),
                "ownerReferences": [{"apiVersion": "batch/v1", "kind": "CronJob", "name": "backup", "uid": "u", "controller": true}]},
            "spec": {"template": {"spec": {"containers": [{"name": "c", "image": "busybox:1.36"}]}}},
            "status": {"startTime": at(0), "completionTime": (kind == "Complete").then(|| at(5)), "conditions": [
                {"type": kind, "status": "True", "reason": "x", "lastTransitionTime": at(5)}]}});
        let object = RawValue::from_string(run.to_string()).unwrap();
        let _ = index.take_in([Change::Apply {
            kind: Kind::Job,
            object,
        }]);
    }
    let text = text(&index, Format::Text);
    let of = |family: &str| {
        let lines = text
            .lines()
            .filter(|line| line.starts_with(&format!("{family}{{")));
        lines.collect::<Vec<_>>()
    };
    assert_eq!(
        of("hookbudget_job_later_success_timestamp_seconds"),
        ["hookbudget_job_later_success_timestamp_seconds{namespace=\"n\",job_name=\"backup-11\"} 1795262700"]
    );
    assert_eq!(of("hookbudget_job_root_cause").len(), 2);
    assert!(of("hookbudget_owner_last_result")[0].contains("failure"));
}

#[tokio::test]
async fn every_sample_has_the_labels_that_its_table_entry_names() {
    let index = played("four-hooks.jsonl").await;
    // As an exporter that keeps diagnoses.
    index.with(|index| {
        index.reports().available = Some(true);
        index.reports().leader = Some(true);
        index.policy_state().loaded = Some(jiff::Timestamp::UNIX_EPOCH);
    });
    let text = text(&index, Format::Text);
    let mut seen = BTreeMap::<&str, usize>::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, mut labels) = parse(line);
        let family = FAMILIES
            .iter()
            .find(|family| {
                let suffix = name.strip_prefix(family.name);
                match family.kind {
                    Type::Histogram => matches!(suffix, Some("_bucket" | "_sum" | "_count")),
                    _ => suffix == Some(""),
                }
            })
            .unwrap_or_else(|| panic!("{name} is in no table"));
        if family.kind == Type::Histogram {
            labels.remove("le");
        }
        let mut declared = family.labels.to_vec();
        declared.sort_unstable();
        assert_eq!(
            labels.keys().map(String::as_str).collect::<Vec<_>>(),
            declared,
            "{line}"
        );
        *seen.entry(family.name).or_default() += 1;
    }
    let silent: Vec<_> = FAMILIES
        .iter()
        .map(|family| family.name)
        .filter(|name| !seen.contains_key(name))
        .collect();
    assert_eq!(
        silent,
        [
            // Nobody has asked for any.
            "hookbudget_job_labels",
            // No run of the recording comes after one that has failed.
            "hookbudget_job_later_success_timestamp_seconds",
            "hookbudget_objects_skipped_total",
            // Nothing is timed while a recording is played.
            "hookbudget_diagnosis_duration_seconds",
        ],
        "the recording has to show every family"
    );
}

/// What a scrape gets where somebody does not want everything.
#[tokio::test]
async fn what_is_left_out_is_not_there_and_the_rest_is_the_same() {
    let index = played("four-hooks.jsonl").await;
    let denied = ["hookbudget_job_findings", "hookbudget_owner_.*", "process_.*"];
    let denied: Vec<_> = denied.into_iter().map(|text| pattern(text).unwrap()).collect();
    let of = |selection: Selection| -> String {
        Exposition::of(Arc::new(index.snapshot()), Format::Text, selection).collect()
    };
    let (all, fewer) = (of(Selection::default()), of(Selection::without(&denied)));
    let is_denied = |line: &&str| {
        let name = line.trim_start_matches("# HELP ").trim_start_matches("# TYPE ");
        ["hookbudget_job_findings", "hookbudget_owner_", "process_"]
            .iter()
            .any(|head| name.starts_with(head))
    };
    let rest: Vec<_> = all.lines().filter(|line| !is_denied(line)).collect();
    assert_eq!(fewer.lines().collect::<Vec<_>>(), rest);
    assert!(all.lines().any(|line| is_denied(&line)));
    // Nothing of a Job is written where nobody wants a family of Jobs.
    let own = of(Selection::only(&[pattern("hookbudget_build_info").unwrap()]));
    assert_eq!(own.lines().count(), 3, "{own}");
    assert!(own.ends_with("} 1\n"), "{own}");
}

#[test]
fn labels_that_somebody_asks_for_are_copied_and_no_others() {
    let started = jiff::Timestamp::UNIX_EPOCH;
    let settings = Settings {
        job_labels: JobLabels::parse("jobs=[team,app.kubernetes.io/part-of]").unwrap(),
        ..Settings::new(started)
    };
    let index = Handle::new(settings, Clock::standing_at(started));
    let job = |name: &str, labels: &str, template: &str, generation: u32| {
        let object = format!(
            r#"{{"metadata": {{"name": "{name}", "namespace": "shop", "uid": "{name}", "generation": {generation}, "labels": {labels}}},
                "spec": {{"template": {{"metadata": {{"labels": {template}}}, "spec": {{"containers": []}}}}}}, "status": {{}}}}"#
        );
        index.with(|index| {
            index.apply(hookbudget::index::Kind::Job, &object, started);
            index.settle(started);
        });
    };
    job(
        "own",
        r#"{"team": "a\"b", "tier": "gold"}"#,
        r#"{"team": "c"}"#,
        1,
    );
    job("template", "{}", r#"{"app.kubernetes.io/part-of": "mail"}"#, 1);
    job("none", r#"{"tier": "gold"}"#, "{}", 1);
    let labels = || {
        let text = text(&index, Format::OpenMetrics);
        let lines = text
            .lines()
            .filter(|line| line.starts_with("hookbudget_job_labels{"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        labels(),
        [
            r#"hookbudget_job_labels{namespace="shop",job_name="own",label_team="a\"b"} 1"#,
            r#"hookbudget_job_labels{namespace="shop",job_name="template",label_app_kubernetes_io_part_of="mail"} 1"#,
        ]
    );
    // A label may change while the spec cannot.
    job("none", r#"{"team": "night"}"#, "{}", 1);
    assert!(labels().iter().any(|line| line.contains(r#"label_team="night""#)));
}

#[tokio::test]
async fn a_failed_job_has_exactly_one_root_cause() {
    let index = played("four-hooks.jsonl").await;
    let text = text(&index, Format::Text);
    let count = |family: &str, part: &str| {
        text.lines()
            .filter(|line| line.starts_with(&format!("{family}{{")) && line.contains(part))
            .count()
    };
    let failed = count("hookbudget_job_state", "state=\"failed\"");
    assert!(failed > 0);
    assert_eq!(count("hookbudget_job_root_cause", ""), failed);
    assert_eq!(count("hookbudget_job_root_cause_info", ""), failed);
    let series: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit_once(' ').unwrap().0)
        .collect();
    let mut unique = series.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), series.len(), "a series stands twice");
}

#[tokio::test]
async fn the_routes_answer() {
    let index = played("four-hooks.jsonl").await;
    let router =
        hookbudget::metrics::router(index.clone(), Selection::default()).merge(status::router(index));
    let get = |path: &str, accept: &str| {
        let request = Request::get(path)
            .header("accept", accept)
            .body(Body::empty())
            .unwrap();
        let router = router.clone();
        async move {
            let answer = router.oneshot(request).await.unwrap();
            let kind = answer
                .headers()
                .get("content-type")
                .map(|v| v.to_str().unwrap().to_owned());
            let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
            (
                kind.unwrap_or_default(),
                String::from_utf8(body.to_vec()).unwrap(),
            )
        }
    };
    let (kind, body) = get(
        "/metrics",
        "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
    )
    .await;
    assert!(kind.starts_with("application/openmetrics-text") && body.ends_with("# EOF\n"));
    let (kind, body) = get("/metrics", "*/*").await;
    assert!(kind.starts_with("text/plain") && !body.contains("# EOF"));
    let (_, body) = get("/api/jobs", "*/*").await;
    let jobs: serde_json::Value = serde_json::from_str(&body).unwrap();
    let causes: Vec<_> = jobs
        .as_array()
        .unwrap()
        .iter()
        .map(|job| job["root_cause"].as_str())
        .collect();
    assert!(causes.contains(&Some("oom_killed")), "{causes:?}");
    assert!(jobs[0]["job"]["namespace"].is_string() && jobs[0]["chain"].is_array());
    assert_eq!(get("/readyz", "*/*").await.1, "ok\n");
    assert!(
        get("/explain/oom_killed", "*/*")
            .await
            .1
            .contains("<h1>oom_killed</h1>")
    );
    assert!(
        get("/explain/nothing", "*/*")
            .await
            .1
            .contains("There is no such rule or cause")
    );
}

#[tokio::test]
async fn the_page_reads_without_javascript_and_loads_nothing_from_elsewhere() {
    let index = played("four-hooks.jsonl").await;
    let page = status::page(&index.snapshot(), &status::Filter::default());
    for part in [
        "oom_killed",
        "role=\"progressbar\"",
        "Repair in this order",
        "<ol class=\"chain\"",
        "href=\"explain/oom_killed\"",
        "href=\"explain/HB301\"",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("hunter2"), "a secret is on the page");
    for attribute in ["src=\"", "href=\""] {
        for (place, _) in page.match_indices(attribute) {
            let rest = &page[place + attribute.len()..];
            assert!(
                !rest.starts_with("//") && !rest.split('"').next().unwrap().contains("://"),
                "{}",
                &rest[..40]
            );
        }
    }
    for tag in ["article", "section", "details", "ol", "p", "main"] {
        let open = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(open, page.matches(&format!("</{tag}>")).count(), "<{tag}>");
    }
}

#[test]
fn an_exposition_comes_in_pieces_of_limited_size() {
    let index = Handle::new(
        Settings::new(jiff::Timestamp::UNIX_EPOCH),
        Clock::standing_at(jiff::Timestamp::UNIX_EPOCH),
    );
    index.with(|index| {
        for number in 0..500 {
            let object = format!(
                r#"{{"metadata":{{"name":"job-{number}","namespace":"n","uid":"{number}"}},"status":{{}}}}"#
            );
            index.apply(hookbudget::index::Kind::Job, &object, jiff::Timestamp::UNIX_EPOCH);
        }
        index.settle(jiff::Timestamp::UNIX_EPOCH);
    });
    let pieces: Vec<_> = Exposition::new(Arc::new(index.snapshot()), Format::Text).collect();
    assert!(pieces.len() > 2);
    assert!(pieces.iter().all(|piece| piece.len() < 70_000));
    let whole = pieces.concat();
    assert_eq!(whole.matches("# TYPE hookbudget_job_state ").count(), 1);
    assert_eq!(whole.matches("\nhookbudget_job_state{").count(), 500);
}

#[test]
fn names_follow_the_rules_and_are_unique() {
    let mut names: Vec<_> = registry().into_iter().map(|(name, _)| name).collect();
    for family in FAMILIES.iter() {
        let is_ours = ["hookbudget_", "process_"]
            .iter()
            .any(|head| family.name.starts_with(head));
        assert!(is_ours, "{}", family.name);
        assert_eq!(
            family.name.ends_with("_total"),
            family.kind == Type::Counter,
            "{}",
            family.name
        );
        if let Some(unit) = family.unit {
            assert!(family.name.ends_with(&format!("_{unit}")), "{}", family.name);
        }
        assert!(
            !family.labels.contains(&"job"),
            "Prometheus has its own job label: {}",
            family.name
        );
        assert!(
            family.help.ends_with('.') && !family.help.contains(['\n', '\\']),
            "{}",
            family.name
        );
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn the_documentation_lists_every_family() {
    let mut text = String::from(
        "# Metrics of the exporter\n\n\
        <!-- Generated from the tables in src/metrics/families; BLESS=1 cargo test --test metrics -->\n\n\
        Served at `/metrics`, port 9464, as Prometheus text or OpenMetrics. \
        [metrics-webhook.md](metrics-webhook.md) has those of the webhook. Spans are seconds, times are seconds \
        since 1970. The values are written at scrape from the present state: what is gone is absent, and nothing \
        has to go stale first.\n\n\
        A Job's series exist while the Job does; those of a failed one until its retention is over (`--retention`, \
        one hour by default). The series of an owner stay.\n\n\
        What a Job's end looks like: once it has succeeded, `hookbudget_job_state` says `succeeded`, \
        `hookbudget_job_wait_elapsed_seconds` stands still at what it took, `_remaining_seconds`, `_ratio` and \
        `_gives_up_timestamp_seconds` are absent, there is no root cause, and `hookbudget_owner_last_result` says \
        `success`. A Job that is deleted after it has succeeded (`hook-succeeded`) leaves the last of these. Once \
        it has failed, there is exactly one `hookbudget_job_root_cause`, and the owner's last result is `failure` \
        until a later Job of the same owner succeeds. From then on the failed one has \
        `hookbudget_job_later_success_timestamp_seconds`, whatever the runs after that come to.\n\n\
        Labels hold names and words of closed sets. Exit codes, messages and lines of log are never labels: they are in \
        `/api/jobs`. A Pod is named where it is a link of a failed Job's chain.\n\n\
        ## Which of them\n\n\
        As kube-state-metrics has them, with one difference: a pattern is for the whole name.\n\n\
        - `--metric-denylist=REGEX,..` leaves families out, `--metric-allowlist=REGEX,..` leaves out all others; not both. A \
        pattern is a name or a regular expression for the whole name, and a histogram's is without `_bucket`, `_sum`, \
        `_count`: `hookbudget_job_wait_.+,hookbudget_owner_wait_seconds`. A comma always separates. What is left out is \
        decided once, at the start, and costs a scrape nothing. The log then says which shipped alert will be silent or \
        know less, and which pattern names no family.\n\
        - `--metric-labels-allowlist=jobs=[KEY,..]` copies labels of the Job, or of its Pod template, into \
        `hookbudget_job_labels`: `jobs=[team,app.kubernetes.io/part-of]` gives `label_team` and \
        `label_app_kubernetes_io_part_of`, for routes by team: `hookbudget:job_failed:cause * on (cluster, namespace, \
        job_name) group_left (label_team) hookbudget_job_labels`. Only Jobs have such labels here, and `*` is refused: who may \
        create a Job could add labels to the series. All other labels of all families are always there: the alerts, the \
        routes and the dashboards ask for them.\n\
        - In the chart: `exporter.metricAllowlist`, `exporter.metricDenylist`, `exporter.metricLabelsAllowlist` (keys alone). \
        [What watching costs](cost-of-watching.md) says which families to leave out.\n\n\
        ## All of them\n\n\
        | family | type | labels | meaning |\n|---|---|---|---|\n",
    );
    for family in FAMILIES.iter() {
        let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let kind = family.kind.as_str();
        writeln!(
            text,
            "| `{}` | {kind} | {} | {} |",
            family.name,
            labels.join(", "),
            family.help
        )
        .unwrap();
    }
    held_to(&root().join("docs/metrics.md"), &text);
}
