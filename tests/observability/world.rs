//! Everything that runs in the live test, and what it is asked.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use super::cluster::Cluster;
use super::expected::{Expected, FAILED, jobs, kube_state_metrics};
use super::history::Webhook;
use super::programs::{Alertmanager, Prometheus, scrape};
use super::receiver::{Notification, Receiver};
use super::stack;

/// Everything that runs.
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) receiver: Receiver,
    pub(crate) alertmanager: Alertmanager,
    pub(crate) prometheus: Prometheus,
    pub(crate) webhook: Webhook,
    begun: Instant,
    folder: PathBuf,
    /// What each alert was seen to mute: by the text of its labels.
    muted: RefCell<BTreeMap<String, BTreeSet<String>>>,
}

/// Writes a certificate with so many days to go, at once.
fn certificate(folder: &Path, days: u32) -> (PathBuf, PathBuf) {
    let (cert, key) = (folder.join("tls.crt"), folder.join("tls.key"));
    let (new_cert, new_key) = (folder.join("new.crt"), folder.join("new.key"));
    let output = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ])
        .args(["-nodes", "-days", &days.to_string(), "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost"])
        .arg("-out")
        .arg(&new_cert)
        .arg("-keyout")
        .arg(&new_key)
        .output()
        .expect("openssl is installed");
    assert!(output.status.success(), "{output:?}");
    fs::rename(new_key, &key).expect("a key");
    fs::rename(new_cert, &cert).expect("a certificate");
    (cert, key)
}

impl World {
    /// Starts everything; the incidents have happened.
    pub(crate) fn new(folder: &Path) -> Self {
        let mut cluster = Cluster::new();
        let receiver = Receiver::start();
        let (cert, key) = certificate(folder, 10);
        let webhook = Webhook::start(&folder.join("webhook"), Some((&cert, &key)));
        for job in jobs() {
            cluster.job(job);
        }
        receiver.says("objects", &kube_state_metrics(&FAILED));
        receiver.says("api", "");
        receiver.says("configurations", "hookbudget_webhook_configured 1\n");
        let alertmanager = stack::alertmanager(&folder.join("alertmanager"), &receiver);
        let exporters = cluster.targets();
        let exporters: Vec<&str> = exporters.iter().map(String::as_str).collect();
        let text = |name: &str| {
            let mut target = scrape(name, &[&receiver.address], true);
            target["metrics_path"] = json!(format!("/text/{name}"));
            target
        };
        let targets = [
            scrape("hookbudget", &exporters, true),
            scrape("webhook", &[&webhook.metrics], true),
            text("objects"),
            text("api"),
            // The webhook of this test has no cluster in which it could be configured.
            text("configurations"),
        ];
        let prometheus = stack::prometheus(
            &folder.join("prometheus"),
            &targets,
            &alertmanager.address,
            stack::QUICK,
        );
        Self {
            cluster,
            receiver,
            alertmanager,
            prometheus,
            webhook,
            begun: Instant::now(),
            folder: folder.to_owned(),
            muted: RefCell::default(),
        }
    }

    /// Tells whoever watches the test how far it is.
    pub(crate) fn say(&self, what: &str) {
        println!("{:>5.1} s  {what}", self.seconds());
    }

    /// How long it has run.
    pub(crate) fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// Notifications to anybody in which this alert stands so.
    pub(crate) fn told(&self, wanted: &Expected, status: &str) -> Vec<Notification> {
        let all = self.receiver.told().into_iter();
        all.filter(|told| told.alerts(status).any(|alert| wanted.fits(alert)))
            .collect()
    }

    /// True while Alertmanager holds the alert and tells nobody, because another one mutes it.
    pub(crate) fn is_held(&self, wanted: &Expected) -> bool {
        let alerts = self.alertmanager.alerts();
        alerts
            .iter()
            .any(|alert| wanted.fits(alert) && !by(alert).is_empty())
    }

    /// Remembers who mutes whom now.
    pub(crate) fn look(&self) {
        let alerts = self.alertmanager.alerts();
        let mut muted = self.muted.borrow_mut();
        for alert in &alerts {
            for source in by(alert) {
                let source = alerts.iter().find(|other| other["fingerprint"] == source);
                let Some(source) = source else { continue };
                let labels = &alert["labels"];
                let word = |name: &str| labels[name].as_str().unwrap_or_default().to_owned();
                muted
                    .entry(source["labels"].to_string())
                    .or_default()
                    .insert(format!("{} {}", word("alertname"), word("job_name")));
            }
        }
    }

    /// What this alert was seen to mute: `ALERT JOB`.
    pub(crate) fn mutes(&self, wanted: &Expected) -> BTreeSet<String> {
        self.look();
        let muted = self.muted.borrow();
        let of = |labels: &str| {
            let labels: Value = serde_json::from_str(labels).expect("JSON");
            wanted.fits(&json!({"labels": labels}))
        };
        let found = muted.iter().filter(|(labels, _)| of(labels));
        found.flat_map(|(_, muted)| muted.iter().cloned()).collect()
    }

    /// The labels of an alert that is muted, as Alertmanager was seen to hold it.
    pub(crate) fn labels_of(&self, wanted: &Expected) -> Option<Value> {
        let muted = self.muted.borrow();
        let mut sources = muted
            .keys()
            .map(|labels| serde_json::from_str::<Value>(labels).expect("JSON"));
        sources.find(|labels| wanted.fits(&json!({"labels": labels})))
    }

    /// Gives the webhook another certificate.
    pub(crate) fn certificate(&self, days: u32) {
        certificate(&self.folder, days);
    }

    /// Mends the rules, and lets Prometheus read them again.
    pub(crate) fn take_out_the_broken_rule(&self) {
        stack::write_generic(&self.folder.join("prometheus"), false);
        self.prometheus.reload();
    }

    /// Rules that could not be evaluated, but for the one that cannot.
    pub(crate) fn failures(&self) -> Vec<Value> {
        self.prometheus
            .query("sum by (rule_group) (prometheus_rule_evaluation_failures_total{rule_group!~\".*;hookbudget.broken\"}) > 0")
    }
}

/// Fingerprints of those who mute an alert.
fn by(alert: &Value) -> Vec<Value> {
    alert["status"]["inhibitedBy"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}
