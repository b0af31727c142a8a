//! The chart's own life: installed by the documentation's words, tested, upgraded, applied by others, uninstalled.
//!
//! These install the release `hookbudget` themselves and so run alone, before the other tests: `run` does that.

mod docs;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use serde_json::Value;

use crate::kit::{Printed, kubectl, run, until, until_told};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const NAMESPACE: &str = "hookbudget";
/// Where the Jobs of these tests go.
const SHOP: &str = "shop";
/// What `run` imports, and what the tests install with.
const IMAGE: [&str; 4] = [
    "--set",
    "image.registry=registry.example/team",
    "--set",
    "image.pullPolicy=Never",
];

/// Runs a script in the root of the repository; both streams as a terminal shows them.
fn shell(script: &str) -> String {
    let merged = format!("cd '{ROOT}'\nexec 2>&1\n{script}");
    run("bash", &["-c", &merged], "").stdout
}

fn helm(arguments: &[&str]) -> Printed {
    let chart = format!("{ROOT}/charts/hookbudget");
    let with_chart = arguments
        .iter()
        .map(|argument| if *argument == "CHART" { &chart } else { *argument });
    let printed = run("helm", &with_chart.collect::<Vec<_>>(), "");
    assert!(
        printed.ok,
        "helm {arguments:?}: {}{}",
        printed.stdout, printed.stderr
    );
    printed
}

/// What a test leaves behind when it fails, so that the next one finds an empty cluster.
struct Tidy;

impl Drop for Tidy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            run(
                "helm",
                &["uninstall", "hookbudget", "-n", NAMESPACE, "--no-hooks"],
                "",
            );
            run(
                "kubectl",
                &["delete", "namespace", SHOP, NAMESPACE, "--ignore-not-found"],
                "",
            );
        }
    }
}

/// Every object that carries the release's label, whatever its kind.
fn left_behind() -> Vec<String> {
    let kinds = kubectl(&["api-resources", "--verbs=list,delete", "-o", "name"], "").stdout;
    let kinds: Vec<&str> = kinds.lines().filter(|kind| !kind.starts_with("events")).collect();
    let label = "app.kubernetes.io/instance=hookbudget";
    let listed = run(
        "kubectl",
        &["get", &kinds.join(","), "-A", "-l", label, "-o", "name"],
        "",
    );
    // What is being deleted takes its Pods along a moment later.
    listed.stdout.lines().map(str::to_owned).collect()
}

fn nothing_is_left() {
    until(60, "the last object of the release to go", || {
        left_behind().is_empty().then_some(())
    });
    // The Lease goes with the Pod that held it.
    until_told(60, "what the release made itself to go", || {
        let own = "secret,configmap,serviceaccount,role,rolebinding,lease";
        let printed = kubectl(&["-n", NAMESPACE, "get", own, "-o", "name"], "");
        let is_ours = |name: &&str| !["configmap/kube-root-ca.crt", "serviceaccount/default"].contains(name);
        let rest: Vec<&str> = printed.stdout.lines().filter(is_ours).collect();
        if rest.is_empty() {
            Ok(())
        } else {
            Err(rest.join(", "))
        }
    });
}

/// Jobs without end, created for real; the webhook injects its environment into each that it is asked about.
struct Load {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    thread: JoinHandle<(usize, Vec<String>)>,
}

impl Load {
    fn start() -> Self {
        let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&asked));
        let thread = thread::spawn(move || {
            let (mut missed, mut failures) = (0, Vec::new());
            while !stopped.load(Ordering::Relaxed) {
                let arguments = ["-n", SHOP, "create", "-o", "json", "-f", "-"];
                let printed = run("kubectl", &arguments, SAFE);
                count.fetch_add(1, Ordering::Relaxed);
                if !printed.ok {
                    failures.push(printed.stderr);
                } else if !printed.stdout.contains("HOOKBUDGET_") {
                    missed += 1;
                }
            }
            (missed, failures)
        });
        Self { stop, asked, thread }
    }

    /// Runs something under the load: how many Jobs were created, and how many of them nobody looked at. None may
    /// have failed.
    fn under(what: &str, act: impl FnOnce()) -> (usize, usize) {
        let load = Self::start();
        until(30, "the first Jobs", || {
            (load.asked.load(Ordering::Relaxed) > 5).then_some(())
        });
        act();
        let after = load.asked.load(Ordering::Relaxed);
        until(30, "the last Jobs", || {
            (load.asked.load(Ordering::Relaxed) > after + 5).then_some(())
        });
        load.stop.store(true, Ordering::Relaxed);
        let (missed, failures) = load.thread.join().expect("the load ran");
        let asked = load.asked.load(Ordering::Relaxed);
        println!("{what}: {asked} Jobs, {} failed, {missed} unseen", failures.len());
        assert!(failures.is_empty(), "{what}: {failures:#?}");
        (asked, missed)
    }
}

const SAFE: &str = r#"{"apiVersion": "batch/v1", "kind": "Job",
    "metadata": {"generateName": "load-", "annotations": {"helm.sh/hook": "test"}},
    "spec": {"suspend": true, "backoffLimit": 0, "activeDeadlineSeconds": 60, "template": {"spec": {
        "restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox:1", "command": ["true"]}]}}}}"#;

fn object(kind: &str, name: &str) -> Value {
    let printed = kubectl(&["-n", NAMESPACE, "get", kind, name, "-o", "json"], "");
    serde_json::from_str(&printed.stdout).expect("JSON")
}

/// What was written after the chart was installed: the Secret's data, and the `caBundle` of both configurations.
fn written_later() -> [Value; 3] {
    let bundle = |kind| object(kind, "hookbudget")["webhooks"][0]["clientConfig"]["caBundle"].clone();
    [
        object("secret", "hookbudget-webhook-tls")["data"].clone(),
        bundle("mutatingwebhookconfiguration"),
        bundle("validatingwebhookconfiguration"),
    ]
}

#[test]
#[ignore = "installs the release itself: see tests/cluster/run"]
fn a_release_is_upgraded_applied_by_others_and_uninstalled_while_jobs_are_created() {
    let _tidy = Tidy;
    kubectl(&["create", "namespace", SHOP], "");
    kubectl(&["create", "namespace", NAMESPACE], "");
    // The Pods of the hooks have to pass what the strictest namespaces ask of them, as the others do.
    let strict = "pod-security.kubernetes.io/enforce=restricted";
    kubectl(&["label", "namespace", NAMESPACE, strict], "");
    let fail = [
        "--set",
        "webhook.failurePolicy=Fail",
        "--set",
        "webhook.timeoutSeconds=10",
    ];
    let place = [
        "hookbudget",
        "CHART",
        "-n",
        NAMESPACE,
        "--wait",
        "--timeout",
        "2m",
    ];
    let settings = [&place[..], &IMAGE, &fail].concat();
    helm(&[&["install"], &settings[..]].concat());
    let before = written_later();
    assert!(before.iter().all(|value| !value.is_null()), "{before:#?}");

    let seen = Load::under("helm upgrade", || {
        let roll = ["--set-string", "webhook.podAnnotations.example\\.com/roll=1"];
        helm(&[&["upgrade"], &settings[..], &roll].concat());
        // Both replicas are new; those before them have ended.
        until(60, "the replicas before the upgrade to end", || {
            let pods = "app.kubernetes.io/component=webhook";
            let listed = kubectl(&["-n", NAMESPACE, "get", "pod", "-l", pods, "-o", "name"], "");
            (listed.stdout.lines().count() == 2).then_some(())
        });
    });
    assert_eq!(seen.1, 0, "no Job passed the webhook by during the upgrade");
    assert_eq!(
        written_later(),
        before,
        "an upgrade leaves what was written later"
    );

    others_find_no_difference(&settings);
    assert_eq!(written_later(), before, "so do others that apply the chart");

    // What Helm replaces as a whole loses it, and gets it back.
    helm(&[&["upgrade", "--force"], &settings[..]].concat());
    until(30, "what a replacing upgrade took away", || {
        (written_later()[0]["ca.crt"] == before[0]["ca.crt"] && written_later()[1..] == before[1..])
            .then_some(())
    });

    what_is_broken_is_named_and_mended_by_an_upgrade(&settings);

    let tested = helm(&["test", "hookbudget", "-n", NAMESPACE, "--timeout", "2m"]);
    let shown = format!("{}{}", tested.stdout, tested.stderr);
    for part in ["was rewritten and judged", " 0 fail"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(
        !run(
            "kubectl",
            &["-n", NAMESPACE, "get", "pod", "hookbudget-check"],
            ""
        )
        .ok
    );

    Load::under("helm uninstall", || {
        helm(&["uninstall", "hookbudget", "-n", NAMESPACE]);
    });
    nothing_is_left();
    kubectl(&["delete", "namespace", SHOP, NAMESPACE], "");
}

/// `check` names what is wrong, and the remedy that it names helps.
fn what_is_broken_is_named_and_mended_by_an_upgrade(settings: &[&str]) {
    let check = || run(env!("CARGO_BIN_EXE_hookbudget"), &["check"], "");
    kubectl(&["delete", "clusterrolebinding", "hookbudget-webhook"], "");
    let patch = r#"[{"op": "remove", "path": "/webhooks/0/rules/1"}]"#;
    let kind = "validatingwebhookconfiguration";
    kubectl(&["patch", kind, "hookbudget", "--type=json", "-p", patch], "");
    let broken = check();
    assert!(!broken.ok, "{}", broken.stdout);
    for part in [
        "fail  validate.hookbudget.dev: no rule covers CREATE of cronjobs",
        "may not list, watch namespaces",
        "-> helm upgrade brings the chart's roles back",
    ] {
        assert!(broken.stdout.contains(part), "{part}: {}", broken.stdout);
    }
    helm(&[&["upgrade"], settings].concat());
    let mended = check();
    assert!(
        mended.ok && mended.stdout.contains(" 0 warn, 0 fail"),
        "{}",
        mended.stdout
    );
}

/// Flux and Argo CD compare the rendered chart with the cluster, server-side or by a three-way merge: `kubectl
/// diff` does both. Then they apply it.
fn others_find_no_difference(settings: &[&str]) {
    let no_hooks = ["template", "--no-hooks", "--validate"];
    let rendered = helm(&[&no_hooks[..], settings].concat()).stdout;
    let server_side = [
        "--server-side",
        "--force-conflicts",
        "--field-manager=gitops",
        "-f",
        "-",
    ];
    for flags in [&server_side[..], &["-f", "-"]] {
        let compared = run(
            "kubectl",
            &[&["-n", NAMESPACE, "diff"], flags].concat(),
            &rendered,
        );
        assert!(compared.ok, "{flags:?}: {}{}", compared.stdout, compared.stderr);
    }
    for _ in 0..2 {
        kubectl(
            &[&["-n", NAMESPACE, "apply"], &server_side[..]].concat(),
            &rendered,
        );
    }
}

/// The certificate that the webhook's Service shows.
fn served() -> String {
    let address = kubectl(
        &[
            "-n",
            NAMESPACE,
            "get",
            "service",
            "hookbudget-webhook",
            "-o",
            "jsonpath={.spec.clusterIP}",
        ],
        "",
    );
    let shown = run(
        "openssl",
        &["s_client", "-connect", &format!("{}:443", address.stdout)],
        "",
    );
    run("openssl", &["x509", "-noout", "-serial"], &shown.stdout).stdout
}

/// A certificate of the tests' own authority, which stays, in the Secret that the chart is told to mount; its
/// serial number.
fn provide(directory: &str) -> String {
    shell(&format!(
        "set -e\n\
         tests/cluster/serving-certificate '{directory}' hookbudget-webhook.{NAMESPACE}.svc\n\
         kubectl -n {NAMESPACE} create secret tls serving --cert='{directory}/tls.crt' --key='{directory}/tls.key' \
         --dry-run=client -o yaml | kubectl -n {NAMESPACE} apply -f - > /dev/null\n\
         openssl x509 -noout -serial -in '{directory}/tls.crt'\n"
    ))
}

/// Provided files: the kubelet swaps the symlink of the Secret's volume, and the next connections get the new one.
#[test]
#[ignore = "installs the release itself: see tests/cluster/run"]
fn a_provided_certificate_is_replaced_while_jobs_are_created() {
    let _tidy = Tidy;
    kubectl(&["create", "namespace", SHOP], "");
    kubectl(&["create", "namespace", NAMESPACE], "");
    let directory = std::env::temp_dir().join(format!("hookbudget-provided-{}", std::process::id()));
    let directory = directory.to_str().expect("UTF-8");
    let first = provide(directory);
    let authority = shell(&format!("base64 -w0 < '{directory}/ca.crt'"));
    let bundle = format!("certs.caBundle={authority}");
    let provided = [
        "--set",
        "certs.mode=provided",
        "--set",
        "certs.secretName=serving",
        "--set",
        &bundle,
    ];
    let place = [
        "install",
        "hookbudget",
        "CHART",
        "-n",
        NAMESPACE,
        "--wait",
        "--timeout",
        "2m",
    ];
    let fail = [
        "--set",
        "webhook.failurePolicy=Fail",
        "--set",
        "exporter.enabled=false",
    ];
    helm(&[&place[..], &IMAGE, &provided, &fail].concat());
    assert_eq!(served(), first);
    let (_, missed) = Load::under("a provided certificate is replaced", || {
        let second = provide(directory);
        assert_ne!(first, second);
        // The kubelet looks at a mounted Secret about once a minute, and each replica twice.
        until(180, "both replicas to show the new certificate", || {
            (0..6).all(|_| served() == second).then_some(())
        });
    });
    assert_eq!(missed, 0);
    helm(&["uninstall", "hookbudget", "-n", NAMESPACE]);
    kubectl(&["delete", "namespace", SHOP, NAMESPACE], "");
}
