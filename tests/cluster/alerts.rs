//! The shipped rules on the real cluster: Debian's Prometheus scrapes the installed exporter, and a run that fails raises
//! `HookJobFailed` until the next one succeeds.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use crate::kit::{Namespace, exporter, fetched, kubectl, until, until_told};

/// What the test does not wait for: the five minutes in which an alert outlives its series. Its `for` is as shipped.
const KEPT: (&str, &str) = ("keep_firing_for: 5m", "keep_firing_for: 10s");

/// A Prometheus that ends with this value.
struct Prometheus {
    address: String,
    process: Child,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Prometheus {
    /// Starts it on the installed exporter with the shipped rules.
    fn start(folder: &Path) -> Self {
        let mut rules = Vec::new();
        for name in ["hookbudget", "kube-state-metrics"] {
            let shipped = format!("{}/dashboards/alerts/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
            let text = fs::read_to_string(shipped).expect("the rules");
            let path = folder.join(format!("{name}.yaml"));
            fs::write(&path, text.replace(KEPT.0, KEPT.1)).expect("a file");
            rules.push(path);
        }
        let target = exporter();
        let target = target.trim_start_matches("http://");
        let config = json!({
            "global": {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "2s"},
            "rule_files": rules,
            "scrape_configs": [{"job_name": "hookbudget", "honor_labels": true,
                "static_configs": [{"targets": [target], "labels": {"cluster": "real"}}]}],
        });
        fs::write(folder.join("prometheus.yml"), config.to_string()).expect("a file");
        let port = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = port.local_addr().expect("an address").to_string();
        drop(port);
        let log = File::create(folder.join("prometheus.log")).expect("a log");
        let process = Command::new("prometheus")
            .arg(format!(
                "--config.file={}",
                folder.join("prometheus.yml").display()
            ))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("prometheus does not start ({error}): tests/setup installs it"));
        let prometheus = Self { address, process };
        until(20, "Prometheus to be ready", || {
            fetched(&format!("http://{}/-/ready", prometheus.address))
                .stdout
                .contains("Ready")
                .then_some(())
        });
        prometheus
    }

    fn asked(&self, path: &str) -> Value {
        let answer = fetched(&format!("http://{}/api/v1/{path}", self.address));
        serde_json::from_str(&answer.stdout).unwrap_or(Value::Null)
    }

    /// The alerts of this name about Jobs of the namespace.
    fn alerts(&self, name: &str, namespace: &Namespace) -> Vec<Value> {
        let all = self.asked("alerts");
        let all = all["data"]["alerts"].as_array().cloned().unwrap_or_default();
        let ours = |alert: &Value| {
            alert["labels"]["alertname"] == name && alert["labels"]["namespace"] == namespace.0
        };
        all.into_iter().filter(ours).collect()
    }

    /// Rules whose last evaluation failed.
    fn failing(&self) -> Vec<Value> {
        let all = self.asked("rules");
        let groups = all["data"]["groups"].as_array().cloned().unwrap_or_default();
        assert!(!groups.is_empty(), "{all}");
        let rules = groups
            .iter()
            .flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default());
        rules.filter(|rule| rule["health"] == "err").collect()
    }
}

fn cron(script: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: CronJob\nmetadata: {{name: nightly}}\nspec:\n  schedule: '0 2 1 1 *'\n  jobTemplate:\n    \
         spec:\n      backoffLimit: 0\n      template:\n        spec:\n          restartPolicy: Never\n          containers:\n          \
         - {{name: main, image: 'busybox:1', command: [sh, -c, '{script}']}}\n"
    )
}

/// Starts a run of the `CronJob` now, with this script.
fn run(namespace: &Namespace, name: &str, script: &str) {
    kubectl(&["-n", &namespace.0, "apply", "-f", "-"], &cron(script));
    kubectl(
        &[
            "-n",
            &namespace.0,
            "create",
            "job",
            name,
            "--from=cronjob/nightly",
        ],
        "",
    );
}

#[test]
fn a_failed_run_is_told_until_the_next_one_succeeds() {
    let folder = tempfile::tempdir().expect("a folder");
    let namespace = Namespace::new("told", "off");
    let prometheus = Prometheus::start(folder.path());
    run(&namespace, "nightly-1", "echo cannot parse the schema; exit 3");
    namespace.condition("nightly-1", "Failed", 60);
    let failed = Instant::now();
    let alert = until_told(90, "HookJobFailed to fire", || {
        let alerts = prometheus.alerts("HookJobFailed", &namespace);
        let firing = alerts.iter().find(|alert| alert["state"] == "firing").cloned();
        firing.ok_or_else(|| format!("{alerts:?}"))
    });
    let fired = failed.elapsed().as_secs();
    for (label, value) in [
        ("cluster", "real"),
        ("job_name", "nightly-1"),
        ("owner_kind", "CronJob"),
        ("owner_name", "nightly"),
        ("root_cause", "app_error"),
        ("trigger", "BackoffLimitExceeded"),
        ("route", "app"),
    ] {
        assert_eq!(alert["labels"][label], value, "{label}: {alert}");
    }
    let description = alert["annotations"]["description"].as_str().unwrap_or_default();
    assert!(description.contains("root cause is app_error"), "{description}");
    let severity = alert["labels"]["severity"].as_str().unwrap_or_default();
    assert!(matches!(severity, "warning" | "critical"), "{alert}");
    assert_eq!(
        prometheus.alerts("HookJobFailed", &namespace).len(),
        1,
        "one alert for one Job"
    );

    run(&namespace, "nightly-2", "true");
    namespace.condition("nightly-2", "Complete", 60);
    let succeeded = Instant::now();
    until_told(60, "HookJobFailed to resolve", || {
        let alerts = prometheus.alerts("HookJobFailed", &namespace);
        if alerts.is_empty() {
            Ok(())
        } else {
            Err(format!("{alerts:?}"))
        }
    });
    println!(
        "HookJobFailed of a real run fired {fired} s after it had failed ({description}), and resolved {} s after the next \
         one had succeeded",
        succeeded.elapsed().as_secs()
    );
    // The failed Job is still there: whoever mutes the generic alert of it has to be as well.
    until(30, "HookJobSettled", || {
        let settled = prometheus.alerts("HookJobSettled", &namespace);
        (settled.first()?["labels"]["job_name"] == "nightly-1").then_some(())
    });
    assert_eq!(prometheus.failing(), Vec::<Value>::new());
}
