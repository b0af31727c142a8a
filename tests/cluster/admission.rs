//! Incident A's hook before the webhook, mode by mode.

use crate::kit::{Namespace, incident, kubectl, powerdns_key, run, until};

const A: &str = "a-powerdns.yaml";

/// Waits until the webhook has seen the HelmRelease: its answers name it as the source of the timeout.
fn with_release(namespace: &Namespace) -> String {
    let manifests = incident(A, "powerdns", namespace);
    let (release, job) = manifests.split_once("\n---\n").expect("two documents");
    namespace.must_create(release);
    job.to_owned()
}

#[test]
fn enforce_denies_with_the_rule_and_its_numbers() {
    let namespace = Namespace::new("a-enforce", "enforce");
    let job = with_release(&namespace);
    let printed = namespace.create(&job);
    assert!(!printed.ok, "the Job was let in: {}", printed.stdout);
    for part in ["HB101", "310 s", "840 s", "powerdns-zone-bootstrap"] {
        assert!(
            printed.stderr.contains(part),
            "{part} is not in the denial:\n{}",
            printed.stderr
        );
    }
    assert!(namespace.get("job", "powerdns-zone-bootstrap").is_none());
}

#[test]
fn warn_lets_it_in_with_a_warning_that_kubectl_prints() {
    let namespace = Namespace::new("a-warn", "warn");
    let job = with_release(&namespace);
    let printed = namespace.create_args(&["--dry-run=server"], &job);
    assert!(printed.ok, "{}", printed.stderr);
    let warning = printed
        .stderr
        .lines()
        .find(|line| line.contains("HB101"))
        .expect("a warning of HB101");
    assert!(
        warning.starts_with("Warning: ") && warning.contains("310"),
        "{warning}"
    );
}

#[test]
fn audit_and_off_say_nothing() {
    for mode in ["audit", "off"] {
        let namespace = Namespace::new(&format!("a-quiet-{mode}"), mode);
        let job = with_release(&namespace);
        let printed = namespace.create_args(&["--dry-run=server"], &job);
        assert!(
            printed.ok && !printed.stderr.contains("HB"),
            "{mode}: {}",
            printed.stderr
        );
    }
}

/// The rewritten Job waits inside one container run, survives its dependency's cold start, and creates its
/// zone.
#[test]
fn rewrite_all_makes_it_wait_and_succeed() {
    let namespace = Namespace::new("a-rewrite", "enforce");
    powerdns_key(&namespace, "k");
    let job = with_release(&namespace).replace(
        "    helm.sh/hook: post-install,post-upgrade\n",
        "    helm.sh/hook: post-install,post-upgrade\n    hookbudget.dev/rewrite: all\n    \
         hookbudget.dev/wait-for: http://powerdns:8081/api/v1/servers\n    \
         hookbudget.dev/env: POWERDNS_API_READY_TIMEOUT_S=wait-timeout\n",
    );
    namespace.must_create(&service("powerdns", 8081));
    let printed = namespace.create(&job);
    assert!(printed.ok, "{}", printed.stderr);
    let live = namespace.job("powerdns-zone-bootstrap");
    let pod = &live["spec"]["template"]["spec"];
    assert_eq!(pod["restartPolicy"], "Never");
    let limit = live["spec"]["backoffLimit"].as_u64().expect("a limit");
    assert!(limit <= 1, "one wait and at most one more: {limit}");
    let wait = &pod["initContainers"][0];
    assert!(
        wait["image"]
            .as_str()
            .is_some_and(|image| image == "hookbudget:test"),
        "{wait}"
    );
    for container in [wait, &pod["containers"][0]] {
        let value = |name: &str| {
            let env = container["env"].as_array().expect("an environment");
            env.iter()
                .find(|e| e["name"] == name)
                .map(|e| e["value"].as_str().unwrap_or_default().to_owned())
        };
        assert_eq!(value("HOOKBUDGET_DEADLINE_SECONDS").as_deref(), Some("840"));
        assert_eq!(value("HOOKBUDGET_WAIT_TIMEOUT_SECONDS").as_deref(), Some("600"));
        assert_eq!(
            value("HOOKBUDGET_RELEASE_TIMEOUT_SECONDS").as_deref(),
            Some("900")
        );
    }
    let told = live["metadata"]["annotations"]["hookbudget.dev/rewritten"]
        .as_str()
        .unwrap_or_default();
    assert!(
        told.contains("HB101") && told.contains("OnFailure"),
        "the annotation tells what was changed: {told}"
    );
    // It waits while the API is not there, and goes on when it is.
    until(60, "the wait helper's first lines", || {
        let logs = run(
            "kubectl",
            &[
                "-n",
                &namespace.0,
                "logs",
                "job/powerdns-zone-bootstrap",
                "-c",
                "hookbudget-wait",
            ],
            "",
        );
        logs.stdout.contains("waiting for").then_some(())
    });
    namespace.must_create(&api("powerdns", 8081));
    let (_, seconds) = namespace.condition("powerdns-zone-bootstrap", "Complete", 120);
    println!("rewritten incident A succeeded after {seconds} s");
}

/// The strictest Pods of a cluster: the added wait is let in beside a container that is, and runs.
#[test]
fn the_added_wait_runs_in_a_restricted_namespace() {
    let namespace = Namespace::new("wait-restricted", "enforce");
    let label = "pod-security.kubernetes.io/enforce=restricted";
    kubectl(&["label", "namespace", &namespace.0, label], "");
    let manifest = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: waits\n  annotations:\n    \
         helm.sh/hook: post-install\n    hookbudget.dev/wait-for: dns://kubernetes.default\n    \
         hookbudget.dev/release-timeout: 15m\nspec:\n  backoffLimit: 1\n  activeDeadlineSeconds: 600\n  \
         template:\n    spec:\n      restartPolicy: Never\n      securityContext: {runAsNonRoot: true, runAsUser: 1000, \
         seccompProfile: {type: RuntimeDefault}}\n      containers:\n      - name: main\n        image: busybox:1\n        \
         command: ['true']\n        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}\n";
    let printed = namespace.create(manifest);
    assert!(printed.ok, "{}", printed.stderr);
    let live = namespace.job("waits");
    assert_eq!(
        live["spec"]["template"]["spec"]["initContainers"][0]["name"],
        "hookbudget-wait"
    );
    namespace.condition("waits", "Complete", 120);
}

/// What is there already can be suspended, labelled and deleted under enforce, and not made to run something unsafe.
#[test]
fn an_unsafe_cron_job_can_be_stopped_but_not_changed() {
    let namespace = Namespace::new("cron-stop", "warn");
    let manifest = "apiVersion: batch/v1\nkind: CronJob\nmetadata:\n  name: backup\n  annotations:\n    \
         hookbudget.dev/release-timeout: 10m\n    hookbudget.dev/rewrite: none\nspec:\n  schedule: '0 2 1 1 *'\n  \
         jobTemplate:\n    spec:\n      activeDeadlineSeconds: 1800\n      template:\n        spec:\n          \
         restartPolicy: Never\n          containers: [{name: c, image: 'busybox:1', command: ['true']}]\n";
    namespace.must_create(manifest);
    let mode = "hookbudget.dev/mode=enforce";
    kubectl(&["label", "--overwrite", "namespace", &namespace.0, mode], "");
    let patch = |patch: &str, dry_run: &str| {
        let arguments = [
            "-n",
            &namespace.0,
            "patch",
            "cronjob",
            "backup",
            "--type=merge",
            "-p",
            patch,
        ];
        run("kubectl", &[&arguments[..], &[dry_run]].concat(), "")
    };
    let unsafe_change = r#"{"spec": {"schedule": "0 3 1 1 *"}}"#;
    let denied = until(30, "the webhook to know the new mode", || {
        let printed = patch(unsafe_change, "--dry-run=server");
        (!printed.ok).then_some(printed)
    });
    assert!(denied.stderr.contains("HB103"), "{}", denied.stderr);
    for (what, allowed) in [
        (r#"{"metadata": {"labels": {"team": "storage"}}}"#, true),
        (r#"{"spec": {"suspend": true}}"#, true),
        (r#"{"spec": {"suspend": false}}"#, false),
    ] {
        let printed = patch(what, "--dry-run=none");
        assert_eq!(printed.ok, allowed, "{what}: {}", printed.stderr);
    }
    let arguments = [
        "-n",
        &namespace.0,
        "delete",
        "cronjob",
        "backup",
        "--cascade=foreground",
    ];
    let printed = run("kubectl", &[&arguments[..], &["--timeout=60s"]].concat(), "");
    assert!(printed.ok, "{}", printed.stderr);
}

/// A Service that selects Pods by its own name.
pub(crate) fn service(name: &str, port: u16) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec:\n  selector: {{app: {name}}}\n  \
         ports: [{{port: {port}, targetPort: {port}}}]\n"
    )
}

/// A Deployment of an API that answers every request on a port.
pub(crate) fn api(name: &str, port: u16) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  \
         selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    \
         spec:\n      terminationGracePeriodSeconds: 1\n      containers:\n      - name: api\n        \
         image: hookbudget-test/api:1\n        command: [cluster-api, '{port}']\n        \
         readinessProbe: {{tcpSocket: {{port: {port}}}, periodSeconds: 1}}\n"
    )
}
