//! The shipped rules and routes on the two programs, with minutes as seconds.

use std::fs;
use std::path::{Path, PathBuf};

use regex::{Captures, Regex};
use serde_json::{Value, json};

use super::programs::{Alertmanager, Prometheus, scrape};
use super::receiver::Receiver;

/// Where the rules, the routes and the template are.
fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards")
}

/// A duration of the rules at sixty times the pace, half a second at least.
fn quick(number: &str, unit: &str) -> String {
    let number: u64 = number.parse().expect("a number");
    let millis = match unit {
        "s" => number * 1000 / 60,
        "m" => number * 1000,
        "h" => number * 60_000,
        _ => panic!("{unit}: what unit is that?"),
    };
    format!("{}ms", millis.max(500))
}

/// A file of rules with every duration at sixty times the pace.
fn quick_rules(text: &str) -> String {
    let spans = Regex::new(r"(?P<before>for: |offset |\[)(?P<number>[0-9]+)(?P<unit>[smh])(?P<after>\]?)")
        .expect("a pattern");
    spans
        .replace_all(text, |found: &Captures<'_>| {
            format!(
                "{}{}{}",
                &found["before"],
                quick(&found["number"], &found["unit"]),
                &found["after"]
            )
        })
        .into_owned()
}

/// Writes the rules for Prometheus: the shipped ones, the generic ones that they mute, and one that cannot be evaluated.
fn rules(folder: &Path) -> Value {
    let mut files = Vec::new();
    for name in ["hookbudget", "kube-state-metrics"] {
        let text = fs::read_to_string(shipped().join(format!("alerts/{name}.yaml"))).expect("the rules");
        let path = folder.join(format!("{name}.yaml"));
        fs::write(&path, quick_rules(&text)).expect("a file");
        files.push(json!(path));
    }
    let path = write_generic(folder, true);
    files.push(json!(path));
    Value::Array(files)
}

/// Writes the generic alert that ours mute and, where it is asked for, a rule that cannot be evaluated.
pub(crate) fn write_generic(folder: &Path, with_broken: bool) -> PathBuf {
    // As in kubernetes-mixin, alerts/apps_alerts.libsonnet.
    let mut groups = vec![
        json!({"name": "kubernetes-apps", "rules": [{"alert": "KubeJobFailed", "expr": "kube_job_failed > 0", "for": "15s",
            "labels": {"severity": "warning"},
            "annotations": {"summary": "Job failed to complete."}}]}),
    ];
    if with_broken {
        groups.push(
            json!({"name": "hookbudget.broken", "rules": [{"record": "broken", "expr": "up * on () up"}]}),
        );
    }
    let path = folder.join("generic.yaml");
    fs::write(&path, json!({"groups": groups}).to_string()).expect("a file");
    path
}

/// How often is scraped, and for how long a scrape holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    scrapes: &'static str,
    lookback: &'static str,
}

/// Minutes as seconds, scrapes included.
pub(crate) const QUICK: Pace = Pace {
    scrapes: "1s",
    lookback: "--query.lookback-delta=5s",
};
/// For an exporter that is not optimised and has much to say.
pub(crate) const SLOW: Pace = Pace {
    scrapes: "6s",
    lookback: "--query.lookback-delta=20s",
};

/// Prometheus on the exporters, and whatever else the test lets it scrape.
pub(crate) fn prometheus(folder: &Path, targets: &[Value], alertmanager: &str, pace: Pace) -> Prometheus {
    fs::create_dir_all(folder).expect("a folder");
    let config = json!({
        "global": {"scrape_interval": pace.scrapes, "scrape_timeout": pace.scrapes, "evaluation_interval": "1s"},
        "rule_files": rules(folder),
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": targets,
    });
    // An alert holds in Alertmanager for four times the delay after it was last sent, which is four minutes by default.
    // With ten minutes instead, at least half an hour is left when Prometheus ends: for ten minutes without it, and for
    // the `for` of at most a quarter of an hour, which begins anew. Two more stand here for what is not sped up:
    // Prometheus takes five seconds before its first scrape.
    let flags = [
        pace.lookback,
        "--rules.alert.resend-delay=12s",
        "--rules.alert.for-outage-tolerance=60s",
        "--rules.alert.for-grace-period=10s",
        "--web.enable-lifecycle",
    ];
    let mut own = scrape("prometheus", &[], true);
    own["metric_relabel_configs"] =
        json!([{"source_labels": ["__name__"], "regex": "prometheus_rule_.*", "action": "keep"}]);
    let mut prometheus = Prometheus::start(folder, &config, &flags);
    // It scrapes itself at the address that it was given.
    own["static_configs"] = json!([{"targets": [prometheus.address]}]);
    let mut all = targets.to_vec();
    all.push(own);
    let mut config = config;
    config["scrape_configs"] = Value::Array(all);
    fs::write(folder.join("prometheus.yml"), config.to_string()).expect("a file");
    prometheus.stop();
    prometheus.resume();
    prometheus
}

/// Alertmanager with the shipped routes, each receiver replaced by one of the test.
pub(crate) fn alertmanager(folder: &Path, receiver: &Receiver) -> Alertmanager {
    fs::create_dir_all(folder).expect("a folder");
    let text = fs::read_to_string(shipped().join("alertmanager/alertmanager.yaml")).expect("the routes");
    let spans = Regex::new(r"(?P<key>group_wait|group_interval|repeat_interval|resolve_timeout): (?P<number>[0-9]+)(?P<unit>[smh])")
        .expect("a pattern");
    let text = spans.replace_all(&text, |found: &Captures<'_>| {
        format!("{}: {}", &found["key"], quick(&found["number"], &found["unit"]))
    });
    let mut config: Value = serde_saphyr::from_str(&text).expect("YAML");
    fs::copy(
        shipped().join("alertmanager/hookbudget.tmpl"),
        folder.join("hookbudget.tmpl"),
    )
    .expect("the template");
    for entry in config["receivers"].as_array_mut().expect("receivers") {
        let name = entry["name"].as_str().expect("a name").to_owned();
        // Whoever tells nobody is asked all the same, so that a test sees what would have been told.
        entry["webhook_configs"] =
            json!([{"url": format!("http://{}/hook/{name}", receiver.address), "send_resolved": true}]);
        if let Some(chat) = entry.get_mut("slack_configs") {
            chat[0]["api_url"] = json!(format!("http://{}/chat", receiver.address));
        }
    }
    Alertmanager::start(folder, &config)
}
