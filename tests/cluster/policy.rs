//! What the webhook knows of the cluster while it runs: the policy's ConfigMap, the releases that own a hook, kinds
//! that come and go; and what it tells the cluster.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::kit::{Namespace, hook, kubectl, run, until};

const PRODUCT: &str = "hookbudget";

fn items(arguments: &[&str]) -> Vec<Value> {
    let mut arguments = arguments.to_vec();
    arguments.extend(["-o", "json"]);
    let list: Value = serde_json::from_str(&kubectl(&arguments, "").stdout).expect("JSON");
    list["items"].as_array().cloned().unwrap_or_default()
}

/// Name, address and restarts of the webhook's Pods.
fn replicas() -> Vec<(String, String, u64)> {
    let selector = "app.kubernetes.io/component=webhook";
    let pods = items(&["-n", PRODUCT, "get", "pods", "-l", selector]);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    pods.iter()
        .map(|pod| {
            let restarts = pod["status"]["containerStatuses"][0]["restartCount"].as_u64();
            (
                text(&pod["metadata"]["name"]),
                text(&pod["status"]["podIP"]),
                restarts.unwrap_or_default(),
            )
        })
        .collect()
}

/// Waits until every replica has this line among its metrics.
fn all_say(line: &str, seconds: u64) {
    until(seconds, &format!("{line} of every replica"), || {
        let replicas = replicas();
        let says = |address: &str| {
            let url = format!("http://{address}:9464/metrics");
            let metrics = run("curl", &["-sS", "--max-time", "5", &url], "").stdout;
            metrics.lines().any(|found| found == line)
        };
        (replicas.len() > 1 && replicas.iter().all(|(_, address, _)| says(address))).then_some(())
    });
}

/// Writes the policy's ConfigMap, and has the kubelet look at the Pods at once instead of within a minute.
fn write_policy(policy: &str) {
    let name = format!("{PRODUCT}-policy");
    let patch = json!({"data": {"policy.yaml": policy}}).to_string();
    kubectl(
        &[
            "-n",
            PRODUCT,
            "patch",
            "configmap",
            &name,
            "--type=merge",
            "-p",
            &patch,
        ],
        "",
    );
    for (pod, ..) in replicas() {
        let stamp = format!("hookbudget.dev/test={}", stamp());
        kubectl(
            &["-n", PRODUCT, "annotate", "pod", &pod, "--overwrite", &stamp],
            "",
        );
    }
}

/// Another number each time.
fn stamp() -> u128 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map(|since| since.as_nanos()).unwrap_or_default()
}

fn read_policy() -> String {
    let name = format!("{PRODUCT}-policy");
    let arguments = [
        "-n",
        PRODUCT,
        "get",
        "configmap",
        &name,
        "-o",
        "jsonpath={.data.policy\\.yaml}",
    ];
    kubectl(&arguments, "").stdout
}

/// A hook of incident A's kind: its retries end long before its deadline.
fn unsafe_job(name: &str) -> String {
    hook(
        name,
        "OnFailure\nbackoffLimit: 6\nactiveDeadlineSeconds: 840",
        "image: 'curlimages/curl:8.11.1'\ncommand: [sh, -c, 'curl -sf http://api:8081/zones']",
    )
}

/// A hook whose deadline fits into a release timeout of 15 minutes and into none of 5 or 10.
fn long_job(name: &str) -> String {
    hook(
        name,
        "Never\nbackoffLimit: 0\nactiveDeadlineSeconds: 840",
        "image: 'busybox:1'\ncommand: [sleep, '1']",
    )
}

fn release(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: {name}}}\nspec: {{interval: 10m, \
         {spec}}}\n"
    )
}

/// Events that the webhook wrote in a namespace: reason, type, kind and name of the object, note.
fn events(namespace: &str) -> Vec<[String; 5]> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let events = items(&["-n", namespace, "get", "events.events.k8s.io"]);
    let ours = events
        .iter()
        .filter(|event| event["reportingController"] == "hookbudget.dev/webhook");
    ours.map(|event| {
        [
            text(&event["reason"]),
            text(&event["type"]),
            text(&event["regarding"]["kind"]),
            text(&event["regarding"]["name"]),
            text(&event["note"]),
        ]
    })
    .collect()
}

#[test]
fn a_changed_policy_is_in_force_without_a_restart_and_a_bad_one_is_told() {
    let namespace = Namespace::new("policy-reload", "warn");
    // From here on the policy alone says what holds in this namespace.
    kubectl(&["label", "namespace", &namespace.0, "hookbudget.dev/mode-"], "");
    let before = replicas();
    let original = read_policy();
    let job = unsafe_job("unsafe");
    let is_denied = || !namespace.create_args(&["--dry-run=server"], &job).ok;
    assert!(!is_denied());

    let began = Instant::now();
    let enforcing = format!("{original}\nnamespaceModes: {{{}: enforce}}\n", namespace.0);
    write_policy(&enforcing);
    until(150, "the policy's mode in force", || is_denied().then_some(()));
    println!("policy in force after {:?}", began.elapsed());

    write_policy(&format!("{enforcing}headrom: 4m\n"));
    all_say("hookbudget_policy_load_success 0", 150);
    for _ in 0..10 {
        assert!(is_denied(), "the last good policy stays in force");
    }
    let event = until(30, "an Event about the policy", || {
        events(PRODUCT)
            .into_iter()
            .find(|event| event[0] == "HookbudgetPolicyRefused")
    });
    let [_, severity, kind, name, note] = event;
    assert_eq!(
        (severity.as_str(), kind.as_str(), name.as_str()),
        ("Warning", "ConfigMap", "hookbudget-policy")
    );
    assert!(
        note.contains("policy.yaml:") && note.contains("did you mean headroom?"),
        "{note}"
    );
    let selector = "app.kubernetes.io/component=webhook";
    let log = kubectl(&["-n", PRODUCT, "logs", "--tail=-1", "-l", selector], "").stdout;
    let line = log.lines().find(|line| line.contains("did you mean headroom?"));
    assert!(
        line.is_some_and(|line| line.contains("hookbudget policy check")),
        "{log}"
    );

    write_policy(&original);
    all_say("hookbudget_policy_load_success 1", 150);
    until(30, "the original policy in force", || {
        (!is_denied()).then_some(())
    });
    until(30, "an Event about the good policy", || {
        events(PRODUCT)
            .into_iter()
            .find(|event| event[0] == "HookbudgetPolicyLoaded")
    });
    assert_eq!(replicas(), before, "no replica was started anew");
}

#[test]
fn kinds_that_come_after_the_webhook_are_watched_and_their_end_is_survived() {
    let before = replicas();
    let manifest = |name: &str| {
        let path = format!("{}/tests/cluster/manifests/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).expect("a manifest")
    };
    let (flux, argo) = (
        manifest("flux-kustomization-crd.yaml"),
        manifest("argocd-application-crd.yaml"),
    );
    all_say(
        "hookbudget_watch_state{kind=\"Kustomization\",state=\"absent\"} 1",
        10,
    );
    let began = Instant::now();
    for definition in [&flux, &argo] {
        kubectl(&["apply", "--server-side", "-f", "-"], definition);
    }
    for kind in ["Kustomization", "Application"] {
        all_say(
            &format!("hookbudget_watch_state{{kind=\"{kind}\",state=\"synced\"}} 1"),
            60,
        );
    }
    println!("new kinds are watched after {:?}", began.elapsed());

    // A Kustomization that gives up before the remediation of its release does.
    let namespace = Namespace::new("policy-kinds", "warn");
    namespace.must_create(
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps}\nspec: {interval: 10m, \
         wait: true}\n",
    );
    let labels = format!(
        "labels: {{kustomize.toolkit.fluxcd.io/name: apps, kustomize.toolkit.fluxcd.io/namespace: {}}}",
        namespace.0
    );
    let release = release("shop", "install: {timeout: 15m, remediation: {retries: 3}}");
    namespace.must_create(&release.replace(
        "metadata: {name: shop}",
        &format!("metadata: {{name: shop, {labels}}}"),
    ));
    until(10, "a warning by the Kustomization's clock", || {
        let printed = namespace.create_args(&["--dry-run=server"], &long_job("migrate"));
        printed.stderr.contains("HB110").then_some(())
    });

    for definition in [&flux, &argo] {
        kubectl(&["delete", "-f", "-", "--timeout=60s"], definition);
    }
    for kind in ["Kustomization", "Application"] {
        all_say(
            &format!("hookbudget_watch_state{{kind=\"{kind}\",state=\"absent\"}} 1"),
            120,
        );
    }
    let printed = namespace.create_args(&["--dry-run=server"], &long_job("migrate"));
    assert!(
        printed.ok && !printed.stderr.contains("HB110"),
        "{}",
        printed.stderr
    );
    assert_eq!(replicas(), before, "no replica was started anew");
}

#[test]
fn a_helm_release_created_a_second_before_its_hook_is_found() {
    for round in 0..5 {
        let namespace = Namespace::new(&format!("policy-second-{round}"), "enforce");
        namespace.must_create(&release("shop", "install: {timeout: 15m}"));
        std::thread::sleep(Duration::from_secs(1));
        let fits = namespace.create_args(&["--dry-run=server"], &long_job("migrate"));
        assert!(fits.ok && !fits.stderr.contains("HB103"), "{}", fits.stderr);

        let shorter = json!({"spec": {"install": {"timeout": "10m"}}}).to_string();
        kubectl(
            &[
                "-n",
                &namespace.0,
                "patch",
                "helmrelease",
                "shop",
                "--type=merge",
                "-p",
                &shorter,
            ],
            "",
        );
        std::thread::sleep(Duration::from_secs(1));
        let denied = namespace.create_args(&["--dry-run=server"], &long_job("migrate"));
        let source = format!("HelmRelease {}/shop spec.install.timeout", namespace.0);
        assert!(!denied.ok && denied.stderr.contains(&source), "{}", denied.stderr);
    }
}

/// What happens where the watch may not have brought the release yet: the policy's default is assumed, which warns and
/// never denies.
#[test]
fn a_helm_release_created_in_the_same_breath_never_costs_the_hook_its_admission() {
    let namespace = Namespace::new("policy-breath", "enforce");
    let mut assumed = 0;
    for round in 0..10 {
        let name = format!("shop-{round}");
        // The name of the release tells it from those of the rounds before.
        let labels = format!("labels: {{app.kubernetes.io/instance: {name}}}\n  annotations:");
        let job = long_job(&format!("migrate-{round}")).replacen("annotations:", &labels, 1);
        let both = format!("{}---\n{job}", release(&name, "install: {timeout: 15m}"));
        let printed = namespace.must_create(&both);
        assumed += usize::from(printed.stderr.contains("HB103"));
    }
    println!("{assumed} of 10 hooks came before the watch brought their release");
}

#[test]
fn denials_and_rewrites_are_events_that_kubectl_shows_and_dry_runs_are_none() {
    let namespace = Namespace::new("policy-events", "enforce");
    namespace.must_create(&release("shop", "install: {timeout: 15m}"));
    let refused = namespace.create(&unsafe_job("refused"));
    assert!(!refused.ok, "the Job was let in: {}", refused.stdout);
    assert!(
        !namespace
            .create_args(&["--dry-run=server"], &unsafe_job("only-asked"))
            .ok
    );
    let rewritten = namespace.must_create(&long_job("rewritten"));
    println!("{}", rewritten.stderr);

    let find = |reason: &str, name: &str| {
        events(&namespace.0)
            .into_iter()
            .find(|event| event[0] == reason && event[3] == name)
    };
    let [_, severity, kind, _, note] = until(60, "an Event about the denial", || {
        find("HookbudgetDenied", "refused")
    });
    assert_eq!((severity.as_str(), kind.as_str()), ("Warning", "Job"));
    assert!(
        note.contains("HB101") && note.contains("310 s") && note.len() <= 1_024,
        "{note}"
    );
    let [_, severity, _, _, note] = until(60, "an Event about the rewrite", || {
        find("HookbudgetRewritten", "rewritten")
    });
    assert_eq!(severity, "Normal");
    assert!(note.contains("terminationMessagePolicy"), "{note}");
    let all = events(&namespace.0);
    assert!(
        all.iter()
            .all(|event| event[3] != "only-asked" && event[3] != "mode-probe"),
        "{all:#?}"
    );
    let shown = kubectl(&["-n", &namespace.0, "events", "--for", "job/rewritten"], "").stdout;
    assert!(shown.contains("HookbudgetRewritten"), "{shown}");

    let selector = "app.kubernetes.io/component=webhook";
    let log = kubectl(&["-n", PRODUCT, "logs", "--tail=-1", "-l", selector], "").stdout;
    let lines: Vec<Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|line: &Value| {
            line["message"] == "denied" && line["object"].as_str().is_some_and(|o| o.contains(&namespace.0))
        })
        .collect();
    assert_eq!(lines.len(), 1, "one line for one denial: {lines:#?}");
    assert_eq!(lines[0]["mode"], "enforce");
    assert_eq!(
        lines[0]["release_timeout"],
        format!("HelmRelease {}/shop spec.install.timeout", namespace.0)
    );
}
