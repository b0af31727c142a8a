//! The page of the webhook's metrics, written from what the registry says of itself.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use prometheus_client::registry::Registry;
use serde_json::Value;

use crate::admission::{Metrics, Observer, Outcome, Skipped, Webhook};
use crate::certs;
use crate::cli::policy::live::PolicyMetrics;
use crate::cli::process_metrics::Process;
use crate::cli::serving;
use crate::engine::finding::{Confidence, Decision, Severity};
use crate::engine::job::Job;
use crate::engine::policy::Mode;
use crate::engine::release::Release;
use crate::engine::rewrite::Change;
use crate::engine::rules::ALL;
use crate::index::watch_metrics::{WatchMetrics, WatchState};
use crate::report::events;

const HEAD: &str = "# Metrics of the webhook

<!-- Generated from what the webhook registers; BLESS=1 cargo test --lib webhook::tests -->

Served at `/metrics`, port 9464, as OpenMetrics. Counters are of one replica since its start: add replicas up with
`sum by`, and take gauges by `max by` or `min by`. Those of the watches, of Events and of the kept certificate are there
only in a cluster. [metrics.md](metrics.md) has those of the exporter.

Labels hold names and words of closed sets. The namespace is the one label with values of the cluster's users: at most
2000 series have one, then `_other` stands for the rest; those of a namespace that is deleted go.

| family | type | labels | meaning |
|---|---|---|---|
";

/// Every family with a sample.
fn exposition() -> String {
    let mut registry = Registry::default();
    let reviews = Metrics::register(&mut registry);
    PolicyMetrics::register(&mut registry).without_file();
    let _ends = events::channel(&mut registry);
    let watches = WatchMetrics::register(&mut registry);
    watches.set("Namespace", WatchState::Synced);
    watches.event("Namespace");
    watches.unreadable("Namespace", 1);
    let until = serving::expiry_gauge(&mut registry);
    let _keeper = certs::Metrics::register(&mut registry, until);
    let _configured = certs::configured::gauge(&mut registry);
    registry.register_collector(Box::new(Process));
    let change = Change {
        field: "spec.backoffLimit".into(),
        from: Value::from(6),
        to: Value::from(0),
        rule: Cow::Borrowed("HB101"),
    };
    reviews.judged(&Outcome {
        webhook: Webhook::Validate,
        operation: "CREATE",
        kind: "Job",
        mode: Mode::Enforce,
        decision: Decision::Deny,
        findings: &["HB101"],
        rewrites: &["backoffLimit"],
        job: &Job::default(),
        judged_by: &[ALL[0].finding(Severity::Error, Confidence::Certain)],
        changes: &[change],
        denial: None,
        release: &Release::default(),
    });
    reviews.skipped(Webhook::Validate, "Job", Skipped::Late);
    reviews.answered(Webhook::Validate, Duration::from_millis(1));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    text
}

/// The names of a sample's labels.
fn labels(sample: &str) -> String {
    let list = sample.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    let names = list.into_iter().flat_map(|(list, _)| list.split("\","));
    let names = names
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, _)| format!("`{name}`"));
    names.filter(|name| name != "`le`").collect::<Vec<_>>().join(", ")
}

fn page() -> String {
    let text = exposition();
    let mut page = HEAD.to_owned();
    let mut kinds = BTreeMap::new();
    let mut rows = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            kinds.insert(name, kind);
        }
    }
    for line in text.lines() {
        let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) else {
            continue;
        };
        let sample = text
            .lines()
            .find(|line| !line.starts_with('#') && line.starts_with(name))
            .unwrap();
        // As a query spells it.
        let suffix = match kinds[name] {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        rows.insert(format!("{name}{suffix}"), (kinds[name], labels(sample), help));
    }
    for (name, (kind, labels, help)) in rows {
        writeln!(page, "| `{name}` | {kind} | {labels} | {help} |").unwrap();
    }
    page
}

/// The exposition in Prometheus' older format, each value 1: promtool lints no `OpenMetrics`.
fn older_format() -> String {
    let exposition = exposition();
    let kinds: BTreeMap<_, _> = exposition
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .collect();
    let mut text = String::new();
    for line in exposition.lines() {
        let Some(comment) = line.strip_prefix("# ") else {
            let series = line.rsplit_once(' ').unwrap().0;
            let series = series.replace(env!("CARGO_PKG_VERSION"), "VERSION");
            writeln!(text, "{series} 1").unwrap();
            continue;
        };
        let mut words = comment.splitn(3, ' ');
        let (Some(what @ ("HELP" | "TYPE")), Some(name), Some(rest)) =
            (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let (suffix, kind) = match kinds[name] {
            "counter" => ("_total", "counter"),
            "info" => ("_info", "gauge"),
            kind => ("", kind),
        };
        let rest = if what == "TYPE" { kind } else { rest };
        writeln!(text, "# {what} {name}{suffix} {rest}").unwrap();
    }
    text
}

/// `cargo test --test dashboards` lets promtool lint it.
#[test]
fn the_exposition_of_the_webhook_is_the_golden_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/webhook.prom");
    let text = older_format();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    // What the kernel does not tell everywhere is left out of the comparison.
    let ours = |text: &str| {
        let lines = text.lines().filter(|line| !line.contains("process_"));
        lines
            .map(str::to_owned)
            .collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(
        ours(&std::fs::read_to_string(&path).unwrap_or_default()),
        ours(&text),
        "tests/golden/webhook.prom is stale: BLESS=1 cargo test --lib webhook::tests"
    );
}

#[test]
fn the_page_of_the_webhooks_metrics_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics-webhook.md");
    let page = page();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        there, page,
        "docs/metrics-webhook.md is stale: BLESS=1 cargo test --lib webhook::tests"
    );
}

/// A family that is registered and has no sample here would be on no page.
#[test]
fn every_family_of_the_sources_is_on_the_page() {
    let page = page();
    for source in [
        include_str!("../../admission/metrics.rs"),
        include_str!("../../certs/metrics.rs"),
        include_str!("../../certs/configured.rs"),
        include_str!("../../index/watch_metrics.rs"),
        include_str!("../../report/events.rs"),
        include_str!("../policy/live.rs"),
        include_str!("../serving.rs"),
    ] {
        let names = source
            .lines()
            .filter_map(|line| line.trim().strip_prefix("\"hookbudget_")?.strip_suffix("\","));
        let mut found = 0;
        for name in names {
            assert!(page.contains(&format!("`hookbudget_{name}")), "hookbudget_{name}");
            found += 1;
        }
        assert!(found > 0);
    }
}
