//! What no cluster should send, and some do: objects without a status, times of another century, clocks that run back,
//! texts that steer terminals and browsers, events without end, kinds in versions that nobody knows. The exporter says
//! what it can, counts what it passes over, and stays within its memory.
#![cfg(feature = "server")]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // helpers of tests

#[path = "support/api.rs"]
mod api;
#[path = "support/standing.rs"]
mod standing;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use api::{Api, Objects};
use axum::body::{Body, to_bytes};
use axum::http::Request;
use hookbudget::index::{Change, Clock, Handle, Kind, LogKey, LogLine, Scope, Settings, drive, live};
use hookbudget::metrics::{Exposition, Format};
use hookbudget::shutdown::Shutdown;
use hookbudget::status;
use jiff::SignedDuration;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use standing::{apply, at, served};
use tokio::sync::mpsc;
use tower::ServiceExt as _;

fn empty() -> Handle {
    Handle::new(Settings::new(at(0)), Clock::standing_at(at(0)))
}

/// Samples of an exposition, held to what Prometheus takes: names, escapes, numbers, each series once.
fn samples(index: &Handle) -> Vec<(String, f64)> {
    let text: String = Exposition::new(Arc::new(index.snapshot()), Format::Text).collect();
    let mut seen = BTreeSet::new();
    let mut samples = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line:?}"));
        assert!(seen.insert(series), "twice: {line}");
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        assert!(
            name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'),
            "{line:?}"
        );
        let mut rest = labels.strip_suffix('}').unwrap_or_else(|| panic!("{line:?}"));
        while !rest.is_empty() {
            let (label, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line:?}"));
            assert!(
                label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'),
                "{line:?}"
            );
            let mut end = 0;
            while value.as_bytes()[end] != b'"' {
                let escaped = value.as_bytes()[end] == b'\\';
                assert!(
                    !escaped || matches!(value.as_bytes()[end + 1], b'\\' | b'"' | b'n'),
                    "{line:?}"
                );
                end += 1 + usize::from(escaped);
            }
            assert!(end <= 1024, "a label of {end} bytes: {label}");
            rest = &value[end + 1..];
            rest = rest.strip_prefix(',').unwrap_or(rest);
        }
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line:?}"));
        assert!(value.is_finite(), "{line}");
        samples.push((series.to_owned(), value));
    }
    samples
}

fn value(index: &Handle, series: &str) -> Option<f64> {
    let mut samples = samples(index).into_iter();
    samples.find(|(name, _)| name == series).map(|(_, value)| value)
}

fn page(index: &Handle) -> String {
    status::page(&index.snapshot(), &status::Filter::default())
}

async fn answers(index: &Handle) -> Value {
    let request = Request::get("/api/jobs").body(Body::empty()).unwrap();
    let answer = status::router(index.clone()).oneshot(request).await.unwrap();
    let body = to_bytes(answer.into_body(), 64 << 20).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

fn job(name: &str, spec: &Value, status: &Value) -> Value {
    json!({"metadata": {"name": name, "namespace": "n", "uid": format!("uid-{name}"),
            "creationTimestamp": at(0).to_string(), "annotations": {"helm.sh/hook": "post-install"}},
        "spec": spec, "status": status})
}

fn spec() -> Value {
    json!({"backoffLimit": 2, "activeDeadlineSeconds": 600, "template": {"spec": {"restartPolicy": "Never",
        "containers": [{"name": "c", "image": "busybox:1.36", "command": ["x"]}]}}})
}

fn failed(at: &str) -> Value {
    json!({"startTime": at, "failed": 1, "conditions": [
        {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "lastTransitionTime": at}]})
}

fn pod(job: &str, status: &Value) -> Value {
    json!({"metadata": {"name": format!("{job}-abcde"), "namespace": "n", "uid": format!("pod-{job}"),
            "labels": {"batch.kubernetes.io/job-name": job}},
        "spec": {"containers": [{"name": "c", "image": "busybox:1.36"}]}, "status": status})
}

fn event(kind: &str, name: &str, message: &str) -> Value {
    json!({"metadata": {"name": "e", "namespace": "n"}, "reason": "Failed", "type": "Warning", "message": message,
        "involvedObject": {"kind": kind, "namespace": "n", "name": name}, "lastTimestamp": at(1).to_string()})
}

/// Everything that is asked of an index, at one time and another.
fn look_at(index: &Handle, seconds: &[i64]) {
    for second in seconds {
        index.clock().set(at(*second));
        let _ = index.tick();
        samples(index);
        page(index);
    }
}

#[test]
fn objects_without_status_and_fields_are_taken_in_and_wrong_ones_counted() {
    let index = served();
    let statuses = [
        Value::Null,
        json!({}),
        json!({"conditions": null, "containerStatuses": null, "startTime": null}),
        json!({"conditions": [null, {}], "containerStatuses": [{}]}),
    ];
    for kind in Kind::ALL {
        for (number, status) in statuses.iter().enumerate() {
            let name = format!("x{number}");
            let labels = json!({"batch.kubernetes.io/job-name": name});
            let bare = json!({"metadata": {"name": name, "namespace": "n", "uid": name, "labels": labels},
                "involvedObject": {"kind": "Job", "namespace": "n", "name": name}});
            apply(&index, kind, &bare);
            let mut whole = bare.clone();
            (whole["status"], whole["spec"]) = (status.clone(), Value::Null);
            apply(&index, kind, &whole);
        }
        for wrong in [
            json!(5),
            json!([]),
            json!({"metadata": 5}),
            json!({"metadata": {"name": "w", "namespace": "n"},
            "status": "up", "spec": "down", "involvedObject": 5}),
        ] {
            apply(&index, kind, &wrong);
        }
    }
    look_at(&index, &[1, 20, 700, 5_000]);
    for kind in Kind::ALL {
        let name = format!("hookbudget_objects_skipped_total{{kind=\"{}\"", kind.as_str());
        let skipped: f64 = samples(&index)
            .iter()
            .filter(|(series, _)| series.starts_with(&name))
            .map(|(_, n)| n)
            .sum();
        assert!(skipped >= 3.0, "{name}: {skipped}");
    }
    assert!(index.with(|index| index.job("n", "x0")).is_some());
}

#[test]
fn times_of_another_century_and_clocks_that_run_back_give_no_nonsense() {
    let times = [
        "9999-12-31T23:59:59Z",
        "-009999-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "2026-13-45T99:00:00Z",
        "soon",
        "",
    ];
    let index = served();
    for (number, time) in times.iter().enumerate() {
        for (suffix, status) in [
            ("r", json!({"startTime": time, "active": 1})),
            ("f", failed(time)),
            (
                "s",
                json!({"startTime": time, "completionTime": at(5).to_string(), "conditions": [
                {"type": "Complete", "status": "True", "lastTransitionTime": time}]}),
            ),
        ] {
            let name = format!("{suffix}{number}");
            let mut object = job(&name, &spec(), &status);
            object["metadata"]["creationTimestamp"] = json!(time);
            apply(&index, Kind::Job, &object);
            let end = json!({"exitCode": 1, "startedAt": time, "finishedAt": times[0]});
            let status = json!({"phase": "Running", "startTime": time, "containerStatuses": [
                {"name": "c", "restartCount": 1, "state": {"terminated": end}, "lastState": {"terminated": end}}]});
            apply(&index, Kind::Pod, &pod(&name, &status));
            let mut of_pod = event("Pod", &format!("{name}-abcde"), "Back-off");
            of_pod["lastTimestamp"] = json!(time);
            apply(&index, Kind::PodEvent, &of_pod);
            let lines = [Some(at(-90_000)), Some(at(90_000)), None].map(|at| LogLine {
                at,
                text: "try 3/12".to_owned(),
            });
            let log = LogKey {
                namespace: "n".into(),
                pod: format!("{name}-abcde"),
                container: "c".into(),
                attempt: 0,
            };
            let _ = index.take_in([Change::Log {
                log,
                lines: lines.to_vec(),
            }]);
        }
    }
    // Forward, back by a day and by a century, and on.
    look_at(&index, &[10, 700, -86_400, 5, -3_153_600_000, 800, 9_000]);
    for (series, value) in samples(&index) {
        let spans = [
            "_elapsed_",
            "_remaining_",
            "_ratio",
            "_sum",
            "_count",
            "_bucket",
            "_total",
        ];
        let is_span = spans
            .iter()
            .any(|part| series.split('{').next().unwrap().contains(part));
        assert!(!is_span || value >= 0.0, "{series} {value}");
    }
}

#[test]
fn a_job_that_was_failed_by_a_clock_ahead_is_still_counted_once() {
    let index = served();
    apply(
        &index,
        Kind::Job,
        &job("early", &spec(), &failed(&at(3_600).to_string())),
    );
    look_at(&index, &[1, 30, -30, 60]);
    let causes: Vec<_> = samples(&index)
        .into_iter()
        .filter(|(series, _)| series.starts_with("hookbudget_owner_failures_total"))
        .collect();
    assert_eq!(causes.len(), 1, "{causes:?}");
    assert!((causes[0].1 - 1.0).abs() < f64::EPSILON, "{causes:?}");
}

/// What programs print and users write.
const STEERING: [&str; 6] = [
    "\u{1b}[2J\u{1b}[Hcleared",
    "\u{1b}]8;;http://evil.example\u{7}link\u{1b}]8;;\u{7}",
    "<script>alert(1)</script><img src=x onerror=alert(2)>",
    "\"'><svg/onload=alert(3)>&lt;b&gt;",
    "txt.\u{202e}gpj\u{0}\u{7f}\u{9b}31m",
    "a\nb\r\nc\td\u{2028}e",
];

#[tokio::test]
async fn what_programs_print_is_text_and_steers_neither_terminal_nor_browser() {
    let index = served();
    for (number, text) in STEERING.iter().enumerate() {
        let name = format!("j{number}");
        let mut object = job(&name, &spec(), &failed(&at(5).to_string()));
        object["status"]["conditions"][0]["message"] = json!(text);
        object["metadata"]["annotations"]["hookbudget.dev/parked"] = json!(text);
        object["metadata"]["annotations"]["hookbudget.dev/wait-for"] = json!(format!("http://{text}/x"));
        object["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"] = json!(text);
        object["metadata"]["annotations"]["helm.sh/hook"] = json!(format!("post-install,{text}"));
        object["metadata"]["labels"] = json!({"app.kubernetes.io/instance": text});
        apply(&index, Kind::Job, &object);
        let status = json!({"phase": "Pending", "reason": text, "message": text, "containerStatuses": [
            {"name": "c", "restartCount": 1, "state": {"waiting": {"reason": "ImagePullBackOff", "message": text}},
             "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "message": text}}}]});
        let mut of_job = pod(&name, &status);
        of_job["spec"]["containers"][0]["image"] = json!(text);
        apply(&index, Kind::Pod, &of_job);
        apply(
            &index,
            Kind::PodEvent,
            &event("Pod", &format!("{name}-abcde"), text),
        );
        apply(&index, Kind::JobEvent, &event("Job", &name, text));
        let log = LogKey {
            namespace: "n".into(),
            pod: format!("{name}-abcde"),
            container: "c".into(),
            attempt: 0,
        };
        let lines = text
            .split('\n')
            .map(|text| LogLine {
                at: None,
                text: text.to_owned(),
            })
            .collect();
        let _ = index.take_in([Change::Log { log, lines }]);
    }
    look_at(&index, &[20, 40]);
    let page = page(&index);
    for part in [
        "<script>alert",
        "<img src=x",
        "<svg",
        "\u{1b}",
        "\u{202e}",
        "\u{9b}",
        "\0",
    ] {
        assert!(!page.contains(part), "{part:?} is on the page");
    }
    assert!(
        page.contains("&lt;script&gt;alert(1)"),
        "what was printed is shown as it is"
    );
    let answers = answers(&index).await;
    assert_eq!(answers.as_array().unwrap().len(), STEERING.len());
    for text in strings(&answers) {
        assert!(
            !text.chars().any(|c| c.is_control() || c == '\u{202e}'),
            "{text:?}"
        );
    }
    let exposition: String = Exposition::new(Arc::new(index.snapshot()), Format::OpenMetrics).collect();
    assert!(exposition.ends_with("# EOF\n"));
}

/// Every text in a JSON value.
fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(fields) => fields.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn free_text_in_a_label_is_escaped_and_of_limited_length() {
    let index = served();
    let long = "\\\"\n".repeat(50_000);
    let mut object = job(
        "quotes\"back\\slash",
        &spec(),
        &json!({"startTime": at(0).to_string(), "active": 1}),
    );
    object["metadata"]["annotations"] =
        json!({"helm.sh/hook": long, "hookbudget.dev/wait-for": format!("http://{long}")});
    apply(&index, Kind::Job, &object);
    let mut argo = job("argo", &spec(), &json!({"startTime": at(0).to_string()}));
    argo["metadata"]["annotations"] =
        json!({"argocd.argoproj.io/hook": "Sync", "argocd.argoproj.io/tracking-id": "é".repeat(100_000)});
    apply(&index, Kind::Job, &argo);
    // Half of a surrogate pair is no text at all.
    let _ = index.take_in([Change::Apply {
        kind: Kind::Job,
        object: RawValue::from_string(r#"{"metadata":{"name":"\ud800","namespace":"n"}}"#.to_owned())
            .unwrap(),
    }]);
    let samples = samples(&index);
    let named = "hookbudget_job_info{namespace=\"n\",job_name=\"quotes\\\"back\\\\slash\"";
    assert!(
        samples.iter().any(|(series, _)| series.starts_with(named)),
        "{samples:?}"
    );
    assert_eq!(
        value(
            &index,
            "hookbudget_objects_skipped_total{kind=\"Job\",reason=\"malformed\"}"
        ),
        Some(1.0)
    );
}

#[test]
fn a_message_of_a_megabyte_is_cut() {
    let index = served();
    apply(&index, Kind::Job, &job("a", &spec(), &failed(&at(5).to_string())));
    let long = "é".repeat(1 << 19);
    for number in 0..64 {
        apply(
            &index,
            Kind::JobEvent,
            &event("Job", "a", &format!("{number} {long}")),
        );
    }
    look_at(&index, &[20]);
    assert!(page(&index).len() < 4 << 20, "{}", page(&index).len());
}

/// Events that a test sends: as many in a release build as the real clusters have that make trouble.
const EVENTS: usize = if cfg!(debug_assertions) {
    100_000
} else {
    1_000_000
};

#[test]
fn events_without_end_are_bounded_and_counted() {
    let now = at(0);
    let mut index = hookbudget::index::Index::new(Settings::new(now));
    for kind in Kind::ALL {
        index.reset(kind, &[], now);
    }
    index.apply(
        Kind::Job,
        &job("a", &spec(), &json!({"startTime": now.to_string(), "active": 1})).to_string(),
        now,
    );
    index.settle(now);
    let mut sent = 0_usize;
    let mut send = |kind: &'static str, name: &dyn Fn(usize) -> String| {
        let used = allocation_counter::measure(|| {
            for number in 0..EVENTS / 4 {
                let about = name(number);
                let text = format!(
                    r#"{{"metadata":{{"name":"e","namespace":"n"}},"reason":"BackOff","message":"try {number}",
                    "involvedObject":{{"kind":"{kind}","namespace":"n","name":"{about}"}},"lastTimestamp":"2026-11-21T10:00:00Z"}}"#
                );
                let watch = match kind {
                    "Job" => Kind::JobEvent,
                    "Pod" => Kind::PodEvent,
                    _ => Kind::CronJobEvent,
                };
                index.apply(watch, &text, now);
            }
            index.settle(now);
        });
        sent += EVENTS / 4;
        used.bytes_max
    };
    // About one Job that there is, one Pod that nobody knows, and ever new names of both.
    let of_job = send("Job", &|_| "a".to_owned());
    let of_pod = send("Pod", &|_| "unknown".to_owned());
    let pods = send("Pod", &|number| format!("p{number}"));
    let jobs = send("Job", &|number| format!("j{number}"));
    let crons = send("CronJob", &|number| format!("c{number}"));
    assert!(of_job < 1 << 20 && of_pod < 1 << 20, "{of_job} {of_pod}");
    assert!(pods < 16 << 20, "{pods}");
    assert!(jobs < 160 << 20 && crons < 160 << 20, "{jobs} {crons}");
    let skipped: u64 = index
        .snapshot(now)
        .skipped
        .iter()
        .map(|(_, _, count)| count)
        .sum();
    let expected = EVENTS / 4 - 4_096 + 2 * (EVENTS / 4).saturating_sub(65_536 + 1);
    assert!(
        skipped >= u64::try_from(expected).unwrap(),
        "{skipped} of {sent}, at least {expected}"
    );
    // Time brings the room back.
    index.tick(at(601));
    assert_eq!(index.sizes().2, 0);
    assert_eq!(index.sizes().0, 1);
}

#[tokio::test]
async fn kinds_in_versions_that_nobody_knows_are_as_if_they_were_not_there() {
    let api = Api::start(Objects {
        lists: [
            ("jobs", vec![job("a", &spec(), &failed(&at(5).to_string()))]),
            ("pods", vec![]),
            ("cronjobs", vec![]),
            ("events", vec![]),
            (
                "helmreleases",
                vec![json!({"metadata": {"name": "r", "namespace": "n"}, "spec": {"timeout": {"of": "v9"}}})],
            ),
        ]
        .into(),
        groups: vec![("helm.toolkit.fluxcd.io", &["v9", "v9beta1"])],
        ..Objects::default()
    })
    .await;
    let index = Handle::new(Settings::new(at(0)), Clock::Real);
    let (changes, incoming) = mpsc::channel(64);
    let (actions, wanted) = mpsc::unbounded_channel();
    let (_trigger, shutdown) = Shutdown::manual();
    tokio::spawn(drive(
        index.clone(),
        incoming,
        actions,
        Duration::from_secs(1),
        shutdown,
    ));
    tokio::spawn(live::run(api.client(), Scope::CLUSTER, changes, wanted));
    let begun = std::time::Instant::now();
    while !index.is_synced() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", api.asked());
    }
    let asked = api.asked();
    assert!(
        !asked.iter().any(|path| path.contains("helmreleases")),
        "{asked:?}"
    );
    assert_eq!(
        value(
            &index,
            "hookbudget_watch_state{kind=\"HelmRelease\",state=\"absent\"}"
        ),
        Some(1.0)
    );
    assert!(
        index
            .with(|index| index.job("n", "a"))
            .is_some_and(|job| job.root_cause().is_some())
    );
}

#[tokio::test]
async fn diagnoses_of_an_unknown_version_are_counted_and_the_others_read_back() {
    use hookbudget::report::{ReportSettings, Reports, Store};
    let kept = |name: &str, evidence: Value| {
        json!({"apiVersion": "hookbudget.dev/v1alpha1", "kind": "JobDiagnosis", "metadata": {"name": name, "namespace": "n",
            "labels": {"hookbudget.dev/job-uid": name}}, "report": {"owner": 5}, "evidence": evidence})
    };
    let ours = json!({"job": {"namespace": "n", "name": "a", "uid": "good"}});
    let objects = vec![
        kept("good", ours),
        kept("later", json!({"job": 7})),
        kept("none", Value::Null),
        json!({"metadata": {"name": "bare"}}),
        json!({"metadata": 5}),
    ];
    let api = Api::start(Objects {
        lists: [("jobdiagnoses", objects)].into(),
        ..Objects::default()
    })
    .await;
    let index = empty();
    let settings = ReportSettings {
        per_owner: 10,
        age: SignedDuration::from_hours(1),
    };
    let store = Store::new(api.client(), Scope::CLUSTER);
    let mut reports = Reports::new(api.client(), store, None, index.clone(), settings);
    reports.read_back(&Shutdown::manual().1).await;
    assert_eq!(
        value(&index, "hookbudget_diagnoses_total{result=\"restored\"}"),
        Some(1.0)
    );
    assert_eq!(
        value(&index, "hookbudget_diagnoses_total{result=\"skipped\"}"),
        Some(4.0)
    );
}
