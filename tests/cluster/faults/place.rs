//! The installation that the faults happen to.

use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::kit::{Printed, kubectl, run};

/// The release, its namespace, and the name of its objects.
pub(super) const NAME: &str = "faults";
/// Where the Jobs are created; in mode enforce.
pub(super) const LOAD_NAMESPACE: &str = "faults-load";
pub(super) const SECRET: &str = "faults-webhook-tls";
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/hookbudget");
pub(super) const KINDS: [&str; 2] = ["mutatingwebhookconfiguration", "validatingwebhookconfiguration"];
/// How often a state is looked at: recovery is told in tenths of a second.
const LOOK: Duration = Duration::from_millis(100);

/// One replica of the webhook.
#[derive(Clone, Debug)]
pub(super) struct Replica {
    pub(super) name: String,
    pub(super) address: String,
    /// Of the container runtime.
    pub(super) container: String,
    pub(super) ready: bool,
    pub(super) restarts: u64,
}

/// A release of the chart.
pub(super) struct Installation {
    pub(super) policy: &'static str,
    /// Whether the cluster is its own.
    alone: bool,
    /// Every object of the cluster, before it.
    before: Vec<String>,
}

impl Installation {
    /// Installs the chart. `alone`: nothing else of the cluster is to be judged by it.
    pub(super) fn new(policy: &'static str, alone: bool) -> Self {
        let namespaces = format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {NAME}, labels: \
             {{pod-security.kubernetes.io/enforce: restricted}}}}\n---\napiVersion: v1\nkind: Namespace\nmetadata: \
             {{name: {LOAD_NAMESPACE}, labels: {{hookbudget.dev/mode: enforce}}}}\n"
        );
        kubectl(&["apply", "-f", "-"], &namespaces);
        eventually(30, "the ServiceAccounts", || {
            let there = |namespace| {
                run(
                    "kubectl",
                    &["-n", namespace, "get", "serviceaccount", "default"],
                    "",
                )
                .ok
            };
            (there(NAME) && there(LOAD_NAMESPACE)).then_some(())
        });
        let before = if alone { objects() } else { Vec::new() };
        let installation = Self {
            policy,
            alone,
            before,
        };
        installation.helm("install", &[]);
        installation.whole(60);
        installation
    }

    /// `helm install` or `helm upgrade` with more values.
    pub(super) fn helm(&self, verb: &str, values: &[&str]) {
        let policy = format!("webhook.failurePolicy={}", self.policy);
        let fixed = [
            "image.tag=test",
            "image.pullPolicy=Never",
            "fullnameOverride=faults",
            "exporter.enabled=false",
            "policy.headroom=240s",
            policy.as_str(),
        ];
        let mut arguments = vec![verb, NAME, CHART, "-n", NAME, "--wait", "--timeout", "2m"];
        for value in fixed {
            arguments.extend(["--set", value]);
        }
        for value in values {
            arguments.extend(["--set-string", value]);
        }
        let printed = run("helm", &arguments, "");
        assert!(
            printed.ok,
            "helm {arguments:?}: {}{}",
            printed.stdout, printed.stderr
        );
    }

    /// Removes it; whether everything of it goes.
    pub(super) fn uninstall(&self) {
        let printed = run(
            "helm",
            &["uninstall", NAME, "-n", NAME, "--wait", "--timeout", "2m"],
            "",
        );
        assert!(printed.ok, "helm uninstall: {}{}", printed.stdout, printed.stderr);
        if !self.alone {
            return;
        }
        let mut left = Vec::new();
        let start = Instant::now();
        while start.elapsed() < Duration::from_mins(1) {
            left = objects();
            left.retain(|object| !self.before.contains(object));
            if left.is_empty() {
                return;
            }
            thread::sleep(LOOK * 10);
        }
        panic!("helm uninstall left behind: {left:#?}");
    }

    /// Waits until nothing is wrong any more: two replicas that are ready and serve what the Secret holds, and
    /// an API server that is told to trust it.
    #[expect(clippy::unused_self, reason = "only an installation can be whole")]
    pub(super) fn whole(&self, seconds: u64) {
        eventually(seconds, "the installation to be whole again", || {
            let replicas = replicas();
            let certificate = secret("tls.crt");
            let trusted = secret("ca.crt");
            let right = replicas.len() == 2
                && !trusted.is_empty()
                && bundles().iter().all(|bundle| bundle.contains(&trusted))
                && replicas
                    .iter()
                    .all(|replica| replica.ready && served(&replica.address) == certificate);
            right.then_some(())
        });
    }

    /// Runs one of the product's commands about this installation.
    #[expect(clippy::unused_self, reason = "only an installation answers")]
    pub(super) fn product(&self, arguments: &[&str]) -> Printed {
        let place = [
            "--namespace",
            NAME,
            "--webhook-configuration",
            NAME,
            "--tls-secret",
            SECRET,
        ];
        let printed = run(
            env!("CARGO_BIN_EXE_hookbudget"),
            &[arguments, &place].concat(),
            "",
        );
        assert!(
            printed.ok,
            "hookbudget {arguments:?}: {}{}",
            printed.stdout, printed.stderr
        );
        printed
    }
}

/// Looks every tenth of a second until there is an answer.
pub(super) fn eventually<T>(seconds: u64, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            start.elapsed() < Duration::from_secs(seconds),
            "waited {seconds} s in vain for {what}"
        );
        thread::sleep(LOOK);
    }
}

/// What kubectl gives as JSON; nothing where it gives none.
pub(super) fn get(arguments: &[&str]) -> Value {
    let printed = run("kubectl", &[&["get", "-o", "json"], arguments].concat(), "");
    serde_json::from_str(&printed.stdout).unwrap_or_default()
}

/// The replicas that are not about to end.
pub(super) fn replicas() -> Vec<Replica> {
    let list = get(&["-n", NAME, "pods", "-l", "app.kubernetes.io/component=webhook"]);
    let pods = list["items"].as_array().into_iter().flatten();
    let staying = pods.filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    staying
        .map(|pod| {
            let (text, status) = (
                |value: &Value| value.as_str().unwrap_or_default().to_owned(),
                &pod["status"],
            );
            let container = &status["containerStatuses"][0];
            Replica {
                name: text(&pod["metadata"]["name"]),
                address: text(&status["podIP"]),
                container: text(&container["containerID"])
                    .trim_start_matches("containerd://")
                    .to_owned(),
                ready: container["ready"] == true,
                restarts: container["restartCount"].as_u64().unwrap_or_default(),
            }
        })
        .collect()
}

fn decoded(value: &Value) -> String {
    let bytes = STANDARD
        .decode(value.as_str().unwrap_or_default())
        .expect("Base64");
    String::from_utf8(bytes).expect("PEM")
}

/// One entry of the certificate's Secret; empty where it is not there.
pub(super) fn secret(key: &str) -> String {
    decoded(&get(&["-n", NAME, "secret", SECRET])["data"][key])
}

/// The `caBundle`s of both configurations.
pub(super) fn bundles() -> Vec<String> {
    KINDS
        .iter()
        .map(|kind| decoded(&get(&[kind, NAME])["webhooks"][0]["clientConfig"]["caBundle"]))
        .collect()
}

/// The certificate that a replica shows in a handshake, PEM.
pub(super) fn served(address: &str) -> String {
    let shown = run(
        "timeout",
        &["2", "openssl", "s_client", "-connect", &format!("{address}:8443")],
        "",
    )
    .stdout;
    let begin = shown.find("-----BEGIN").unwrap_or(0);
    let end = shown.find("-----END CERTIFICATE-----\n").map_or(0, |at| at + 26);
    shown.get(begin..end).unwrap_or_default().to_owned()
}

/// What a replica tells Prometheus.
pub(super) fn metrics(replica: &Replica) -> String {
    let url = format!("http://{}:9464/metrics", replica.address);
    run("curl", &["-sf", "--max-time", "2", &url], "").stdout
}

/// Changes the certificate's Secret.
pub(super) fn patch_secret(patch: &Value) {
    kubectl(
        &[
            "-n",
            NAME,
            "patch",
            "secret",
            SECRET,
            "--type=json",
            "-p",
            &patch.to_string(),
        ],
        "",
    );
}

/// Every object of the cluster but those that come and go by themselves.
fn objects() -> Vec<String> {
    let kinds = kubectl(&["api-resources", "--verbs=list,get", "-o", "name"], "").stdout;
    let passing = [
        "events",
        "events.events.k8s.io",
        "componentstatuses",
        "jobs.batch",
    ];
    let kinds: Vec<&str> = kinds.lines().filter(|kind| !passing.contains(kind)).collect();
    let columns = "custom-columns=K:.kind,NS:.metadata.namespace,N:.metadata.name";
    let listed = kubectl(
        &["get", &kinds.join(","), "-A", "--no-headers", "-o", columns],
        "",
    );
    listed
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        // A node's kubelet writes its Lease when it likes.
        .filter(|object| !object.starts_with("Lease kube-node-lease "))
        .collect()
}
