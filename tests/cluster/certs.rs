//! Two replicas that keep their certificate in one Secret, under the chart's own RBAC, while reviews go on.
//!
//! Every Job of the test's namespace is shown to both replicas, under `failurePolicy: Fail`: one answer that the
//! API server does not trust is a Job that is not created.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hookbudget::tls::{Authority, CertificateFacts, KeyPem};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::kit::{Namespace, kubectl, run, until};

const NAME: &str = "certs-test";
const SECRET: &str = "certs-test-webhook-tls";
/// Ports of reviews; the metrics are ten above.
const PORTS: [u16; 2] = [8451, 8452];
const KINDS: [(&str, &str); 2] = [
    ("mutatingwebhookconfiguration", "MutatingWebhookConfiguration"),
    ("validatingwebhookconfiguration", "ValidatingWebhookConfiguration"),
];

/// A replica, killed with the test.
struct Replica(Child);

impl Drop for Replica {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

fn replica(namespace: &Namespace, kubeconfig: &str, port: u16) -> Replica {
    let logs = std::env::temp_dir().join(format!("hookbudget-certs-{port}.log"));
    let log = std::fs::File::create(logs).expect("a log");
    let child = Command::new(env!("CARGO_BIN_EXE_hookbudget"))
        .args(["webhook", "--namespace", &namespace.0, "--tls-secret", SECRET])
        .args(["--webhook-configuration", NAME])
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .args(["--metrics-listen", &format!("127.0.0.1:{}", port + 10)])
        .env("KUBECONFIG", kubeconfig)
        .stdin(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("the webhook starts");
    Replica(child)
}

/// The ServiceAccount, roles and empty Secret of the chart.
fn chart(namespace: &Namespace, templates: &[&str]) {
    let chart = format!("{}/charts/hookbudget", env!("CARGO_MANIFEST_DIR"));
    let name = format!("fullnameOverride={NAME}");
    let mut arguments = vec![
        "template",
        // Helm asks no cluster here, and its own idea of a version is old.
        "--kube-version",
        "1.33.0",
        "x",
        &chart,
        "--namespace",
        &namespace.0,
        "--set",
        &name,
    ];
    for template in templates {
        arguments.extend(["--show-only", template]);
    }
    let rendered = run("helm", &arguments, "");
    assert!(rendered.ok, "{}", rendered.stderr);
    kubectl(&["apply", "-f", "-"], &rendered.stdout);
}

/// A kubeconfig that acts as the webhook's ServiceAccount.
fn kubeconfig(namespace: &Namespace) -> String {
    let account = format!("{NAME}-webhook");
    let token = kubectl(&["-n", &namespace.0, "create", "token", &account], "").stdout;
    let admin = kubectl(&["config", "view", "--raw", "--flatten", "-o", "json"], "").stdout;
    let mut config: Value = serde_json::from_str(&admin).expect("JSON");
    config["users"][0]["user"] = json!({"token": token.trim()});
    let path = std::env::temp_dir().join(format!("{}-kubeconfig.json", namespace.0));
    std::fs::write(&path, config.to_string()).expect("written");
    path.to_str().expect("UTF-8").to_owned()
}

/// Both configurations as the chart has them, calling both replicas by address, without a `caBundle`.
fn register(namespace: &Namespace) {
    for (_, kind) in KINDS {
        let path = if kind.starts_with('M') {
            "mutate"
        } else {
            "validate"
        };
        let webhooks = PORTS.map(|port| {
            let mut webhook = json!({
                "name": format!("{path}-{port}.hookbudget.dev"), "admissionReviewVersions": ["v1"],
                "clientConfig": {"url": format!("https://127.0.0.1:{port}/{path}")},
                "failurePolicy": "Fail", "sideEffects": "None", "timeoutSeconds": 5,
                "namespaceSelector": {"matchExpressions": [{"key": "kubernetes.io/metadata.name",
                    "operator": "In", "values": [format!("{}-jobs", namespace.0)]}]},
                "rules": [
                    {"apiGroups": ["batch"], "apiVersions": ["v1"], "resources": ["jobs"], "operations": ["CREATE"]},
                    {"apiGroups": ["batch"], "apiVersions": ["v1"], "resources": ["cronjobs"],
                     "operations": ["CREATE", "UPDATE"]}],
            });
            if path == "mutate" {
                webhook["reinvocationPolicy"] = json!("IfNeeded");
            }
            webhook
        });
        let object = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
            "metadata": {"name": NAME}, "webhooks": webhooks});
        kubectl(&["create", "-f", "-"], &object.to_string());
    }
}

fn secret(namespace: &Namespace, key: &str) -> String {
    let secret = namespace.get("secret", SECRET).unwrap_or_default();
    let text = secret["data"][key].as_str().unwrap_or_default();
    String::from_utf8(STANDARD.decode(text).expect("Base64")).expect("PEM")
}

/// The `caBundle` of every webhook of both configurations.
fn bundles() -> Vec<String> {
    let mut all = Vec::new();
    for (kind, _) in KINDS {
        let printed = kubectl(&["get", kind, NAME, "-o", "json"], "");
        let object: Value = serde_json::from_str(&printed.stdout).expect("JSON");
        for webhook in object["webhooks"].as_array().expect("webhooks") {
            let text = webhook["clientConfig"]["caBundle"].as_str().unwrap_or_default();
            all.push(String::from_utf8(STANDARD.decode(text).expect("Base64")).expect("PEM"));
        }
    }
    all
}

/// What a replica shows in a handshake, PEM.
fn served(port: u16) -> String {
    let address = format!("127.0.0.1:{port}");
    let shown = run("openssl", &["s_client", "-connect", &address], "").stdout;
    let begin = shown.find("-----BEGIN").unwrap_or(0);
    let end = shown.find("-----END CERTIFICATE-----\n").map_or(0, |at| at + 26);
    shown.get(begin..end).unwrap_or_default().to_owned()
}

fn wait_until_served(namespace: &Namespace, what: &str) {
    until(30, &format!("both replicas to serve {what}"), || {
        let wanted = secret(namespace, "tls.crt");
        (!wanted.is_empty() && PORTS.iter().all(|port| served(*port) == wanted)).then_some(())
    });
}

fn patch_secret(namespace: &Namespace, patch: &Value) {
    let patch = patch.to_string();
    kubectl(
        &[
            "-n",
            &namespace.0,
            "patch",
            "secret",
            SECRET,
            "--type=json",
            "-p",
            &patch,
        ],
        "",
    );
}

fn product(namespace: &Namespace, arguments: &[&str]) -> crate::kit::Printed {
    let mut all = arguments.to_vec();
    all.extend(["--namespace", &namespace.0, "--webhook-configuration", NAME]);
    run(env!("CARGO_BIN_EXE_hookbudget"), &all, "")
}

/// Reviews without end: server-side dry runs of a Job, which both replicas have to answer.
struct Load {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    thread: JoinHandle<Vec<String>>,
}

impl Load {
    fn start(namespace: &Namespace) -> Self {
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stopped, count, namespace) = (Arc::clone(&stop), Arc::clone(&asked), jobs(namespace));
        let thread = thread::spawn(move || {
            let job = job();
            let mut failures = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let arguments = ["-n", &namespace, "create", "--dry-run=server", "-f", "-"];
                let printed = run("kubectl", &arguments, &job);
                count.fetch_add(1, Ordering::Relaxed);
                if !printed.ok {
                    failures.push(printed.stderr);
                }
            }
            failures
        });
        Self { stop, asked, thread }
    }

    /// Ends the load once it was one: on a busy machine a review takes a second or two. None may have failed.
    fn end(self) -> usize {
        until(60, "more than 20 reviews", || {
            (self.asked.load(Ordering::Relaxed) > 20).then_some(())
        });
        self.stop.store(true, Ordering::Relaxed);
        let failures = self.thread.join().expect("the load ran");
        let asked = self.asked.load(Ordering::Relaxed);
        assert!(
            failures.is_empty(),
            "{} of {asked} reviews failed: {failures:#?}",
            failures.len()
        );
        assert!(asked > 20, "{asked} reviews are no load");
        asked
    }
}

/// The Jobs are in a namespace of their own: the webhook never judges the one that it runs in.
fn jobs(namespace: &Namespace) -> String {
    format!("{}-jobs", namespace.0)
}

fn job() -> String {
    json!({"apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"generateName": "load-", "annotations": {"helm.sh/hook": "test"}},
        "spec": {"backoffLimit": 0, "activeDeadlineSeconds": 60, "template": {"spec": {"restartPolicy": "Never",
            "containers": [{"name": "c", "image": "busybox:1", "command": ["true"]}]}}}})
    .to_string()
}

#[test]
fn certificates_are_kept_while_reviews_go_on() {
    let namespace = Namespace::new("certs", "off");
    kubectl(&["create", "namespace", &jobs(&namespace)], "");
    kubectl(
        &[
            "label",
            "namespace",
            &jobs(&namespace),
            "hookbudget.dev/mode=warn",
        ],
        "",
    );
    chart(
        &namespace,
        &["templates/webhook-rbac.yaml", "templates/webhook-secret.yaml"],
    );
    let account = kubeconfig(&namespace);

    // Both at once, with nothing there but an empty Secret.
    let begun = Instant::now();
    let replicas = PORTS.map(|port| replica(&namespace, &account, port));
    register(&namespace);
    until(30, "both replicas to be ready", || {
        PORTS
            .iter()
            .all(|port| {
                let url = format!("http://127.0.0.1:{}/readyz", port + 10);
                run("curl", &["-sf", "--max-time", "2", &url], "").ok
            })
            .then_some(())
    });
    let authority = secret(&namespace, "ca.crt");
    until(10, "one authority in every caBundle", || {
        bundles().iter().all(|bundle| *bundle == authority).then_some(())
    });
    assert_eq!(
        CertificateFacts::read(&authority).expect("PEM").len(),
        1,
        "one authority of two that were made"
    );
    wait_until_served(&namespace, "the first certificate");
    println!(
        "two replicas share one authority after {:.1} s",
        begun.elapsed().as_secs_f64()
    );

    // A wiped caBundle fails reviews until it is written again, so this goes before the load.
    for (kind, _) in KINDS {
        let wipe = json!([{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"},
            {"op": "remove", "path": "/webhooks/1/clientConfig/caBundle"}]);
        kubectl(&["patch", kind, NAME, "--type=json", "-p", &wipe.to_string()], "");
    }
    let begun = Instant::now();
    until(5, "the caBundles to be healed", || {
        bundles().iter().all(|bundle| *bundle == authority).then_some(())
    });
    println!(
        "wiped caBundles were healed within {:.1} s",
        begun.elapsed().as_secs_f64()
    );

    let load = Load::start(&namespace);
    secret_is_restored(&namespace, &authority);
    leaf_is_renewed(&namespace, &authority);
    authority_is_rotated(&namespace, &authority);
    installation_is_right(&namespace);
    println!("{} reviews, none failed", load.end());

    // A load that both replicas do not answer would fail: one of them alone is not enough.
    let [first, _second] = replicas;
    drop(first);
    let alone = run(
        "kubectl",
        &["-n", &jobs(&namespace), "create", "--dry-run=server", "-f", "-"],
        &job(),
    );
    assert!(
        !alone.ok && alone.stderr.contains("8451"),
        "{}{}",
        alone.stdout,
        alone.stderr
    );

    // With nobody left to ask, an emptied Secret stays empty though replicas that know its content still run.
    let cleaned = product(&namespace, &["cleanup"]);
    assert!(
        cleaned.ok && cleaned.stdout.contains("emptied"),
        "{}{}",
        cleaned.stdout,
        cleaned.stderr
    );
    for (kind, _) in KINDS {
        assert!(
            !run("kubectl", &["get", kind, NAME], "").ok,
            "{kind} is still there"
        );
    }
    thread::sleep(Duration::from_secs(2));
    assert_eq!(secret(&namespace, "ca.key"), "", "the keys are gone");
}

/// Its data wiped, it is filled with what the replicas know; deleted, likewise, once somebody makes it again,
/// which the webhook itself must not.
fn secret_is_restored(namespace: &Namespace, authority: &str) {
    patch_secret(namespace, &json!([{"op": "remove", "path": "/data"}]));
    until(5, "the Secret to be filled again", || {
        (secret(namespace, "ca.crt") == authority).then_some(())
    });
    kubectl(&["-n", &namespace.0, "delete", "secret", SECRET], "");
    until(5, "a replica to say what is missing", || {
        let log = std::env::temp_dir().join(format!("hookbudget-certs-{}.log", PORTS[0]));
        let log = std::fs::read_to_string(log).expect("a log");
        (log.contains("is missing and may not be created here") && log.contains("helm upgrade")).then_some(())
    });
    chart(namespace, &["templates/webhook-secret.yaml"]);
    until(30, "the new Secret to be filled", || {
        (secret(namespace, "ca.crt") == authority).then_some(())
    });
    wait_until_served(namespace, "what the Secret holds");
}

/// By hand, and because its end is near.
fn leaf_is_renewed(namespace: &Namespace, authority: &str) {
    let before = secret(namespace, "tls.crt");
    let rotated = product(namespace, &["certs", "rotate"]);
    assert!(
        rotated.ok && rotated.stdout.contains("made anew"),
        "{}{}",
        rotated.stdout,
        rotated.stderr
    );
    assert_ne!(secret(namespace, "tls.crt"), before);
    wait_until_served(namespace, "the certificate that was made by hand");

    let signer =
        Authority::from_pem(authority, &KeyPem::new(secret(namespace, "ca.key"))).expect("an authority");
    let names = &CertificateFacts::read(&before).expect("PEM")[0].names;
    let past = Timestamp::now()
        .checked_sub(SignedDuration::from_hours(300 * 24))
        .expect("a date");
    let old = signer
        .issue(names, past)
        .expect("a certificate that ends in 65 days");
    let encoded = |text: &str| STANDARD.encode(text);
    patch_secret(
        namespace,
        &json!([{"op": "replace", "path": "/data/tls.crt", "value": encoded(&old.cert_pem)},
            {"op": "replace", "path": "/data/tls.key", "value": encoded(old.key_pem.expose())}]),
    );
    until(10, "the certificate that ends soon to be renewed", || {
        let present = secret(namespace, "tls.crt");
        let left = CertificateFacts::read(&present).ok()?[0]
            .not_after
            .duration_since(Timestamp::now());
        (present != old.cert_pem && left > SignedDuration::from_hours(364 * 24)).then_some(())
    });
    wait_until_served(namespace, "the renewed certificate");
    assert_eq!(secret(namespace, "ca.crt"), authority, "by the same authority");
}

/// A new authority signs, and the old one is still trusted.
fn authority_is_rotated(namespace: &Namespace, authority: &str) {
    let begun = Instant::now();
    let rotated = product(namespace, &["certs", "rotate", "--authority"]);
    assert!(rotated.ok, "{}{}", rotated.stdout, rotated.stderr);
    wait_until_served(namespace, "a certificate of the new authority");
    let new = secret(namespace, "ca.crt");
    assert_ne!(new, authority);
    assert_eq!(secret(namespace, "previous-ca.crt"), authority);
    let both = format!("{new}{authority}");
    until(5, "both authorities in every caBundle", || {
        bundles().iter().all(|bundle| *bundle == both).then_some(())
    });
    println!(
        "the authority was rotated in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
}

/// `check` finds nothing that fails, and finds out what does.
fn installation_is_right(namespace: &Namespace) {
    let probe = jobs(namespace);
    let arguments = ["check", "--format", "json", "--probe-namespace", &probe];
    let checked = product(namespace, &arguments);
    let report: Value = serde_json::from_str(&checked.stdout).expect("JSON");
    assert!(checked.ok && report["summary"]["fail"] == 0, "{report:#}");
    let other = run(
        env!("CARGO_BIN_EXE_hookbudget"),
        &["check", "--webhook-configuration", "absent"],
        "",
    );
    assert!(
        !other.ok && other.stdout.contains("nothing is judged"),
        "{}{}",
        other.stdout,
        other.stderr
    );
}
