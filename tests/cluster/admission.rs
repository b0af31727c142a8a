//! Incident A's hook before the webhook, mode by mode.

use crate::kit::{Namespace, incident, kubectl, run, until};

const A: &str = "a-powerdns.yaml";

fn secret(namespace: &Namespace) {
    let arguments = [
        "-n",
        &namespace.0,
        "create",
        "secret",
        "generic",
        "powerdns-api",
        "--from-literal=key=k",
    ];
    kubectl(&arguments, "");
}

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
    secret(&namespace);
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
            .is_some_and(|image| image.contains("hookbudget-wait")),
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

/// A Service that selects Pods by its own name.
pub(crate) fn service(name: &str, port: u16) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec:\n  selector: {{app: {name}}}\n  \
         ports: [{{port: {port}, targetPort: {port}}}]\n"
    )
}

/// A Deployment that answers 201 to every request on a port, as a real HTTP server in a few lines of shell.
pub(crate) fn api(name: &str, port: u16) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  \
         selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    \
         spec:\n      terminationGracePeriodSeconds: 1\n      containers:\n      - name: api\n        \
         image: busybox:1\n        command: [sh, -c]\n        args:\n        - |\n          \
         mkdir -p /www/cgi && printf 'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\n[]' > /www/ok\n          \
         printf 'HTTP/1.1 201 Created\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\n{{}}' > /www/created\n          \
         printf '#!/bin/sh\\nread -r method rest\\nwhile read -r line; do [ \"$line\" = \"$(printf \"\\\\r\")\" ] && break; done\\n\
         if [ \"$method\" = POST ]; then cat /www/created; else cat /www/ok; fi\\n' > /www/answer\n          \
         chmod +x /www/answer\n          exec nc -lk -p {port} -e /www/answer\n        \
         readinessProbe: {{tcpSocket: {{port: {port}}}, periodSeconds: 1}}\n"
    )
}
