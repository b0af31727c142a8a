//! Jobs that fail for one reason each, and the one root cause that the exporter names.

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::dumps::all_agree;
use crate::kit::{Namespace, hook, root_cause, series};

/// Creates a hook, waits for its end and asserts its root cause.
fn fails_of(name: &str, spec: &str, container: &str, trigger: &str, expected: &str) {
    let namespace = Namespace::new(name, "off");
    namespace.must_create(&hook(name, spec, container));
    let (reason, seconds) = namespace.condition(name, "FailureTarget", 240);
    assert_eq!(reason, trigger, "{name}");
    let cause = root_cause(&namespace, name, expected);
    println!(
        "{name}: {reason} after {seconds} s, {}",
        cause.label("root_cause")
    );
    assert_eq!(cause.label("trigger"), trigger);
    assert!(!cause.label("route").is_empty() && !cause.label("severity").is_empty());
    all_agree(&namespace, name, expected);
}

/// Incident C, one half: killed for memory. Under OnFailure the Pod is gone when the Job has failed, so this was
/// captured before.
#[test]
fn c_killed_for_memory() {
    let container =
        "image: busybox:1\ncommand: [sh, -c, 'sleep 2; tail /dev/zero']\nresources: {limits: {memory: 32Mi}}";
    fails_of(
        "c-oom",
        "OnFailure\nbackoffLimit: 2",
        container,
        "BackoffLimitExceeded",
        "oom_killed",
    );
}

/// Incident C, the other half: a download that fails, told apart from the first by what was captured.
#[test]
fn c_failed_download() {
    let container = "image: curlimages/curl:8.11.1\nresources: {limits: {memory: 64Mi}}\ncommand: [sh, -c]\nargs:\n\
                     - |\n  set -eu\n  echo fetching tools\n  sleep 2\n  \
                     curl -fsSLo /tmp/mc --connect-timeout 3 http://203.0.113.9/mc";
    fails_of(
        "c-download",
        "OnFailure\nbackoffLimit: 2",
        container,
        "BackoffLimitExceeded",
        "runtime_download_failed",
    );
}

/// The hook calls a Service that has no ready address, and no clock of its own explains the failure.
#[test]
fn a_service_without_endpoints() {
    let namespace = Namespace::new("endpoints", "off");
    // A Service that may take its time is no failure yet: this one may not.
    let annotated = "metadata: {annotations: {hookbudget.dev/cold-start: 1s}, ";
    namespace.must_create(&crate::admission::service("powerdns", 8081).replacen("metadata: {", annotated, 1));
    let container = "image: curlimages/curl:8.11.1\ncommand: [sh, -c]\nargs:\n- |\n  set -eu\n  \
                     curl -sS --max-time 3 http://powerdns:8081/api/v1/servers";
    namespace.must_create(&hook("endpoints", "OnFailure\nbackoffLimit: 2", container));
    namespace.condition("endpoints", "FailureTarget", 240);
    root_cause(&namespace, "endpoints", "dependency_no_endpoints");
    all_agree(&namespace, "endpoints", "dependency_no_endpoints");
}

/// Nothing says why: the container is silent and its exit code means nothing in particular.
#[test]
fn an_error_of_the_program_itself() {
    let container = "image: busybox:1\ncommand: [sh, -c, 'echo cannot parse the schema; exit 3']";
    fails_of(
        "app",
        "Never\nbackoffLimit: 0",
        container,
        "BackoffLimitExceeded",
        "app_error",
    );
}

/// A registry that does not know the image, on the node's own loopback.
#[test]
fn an_image_that_does_not_exist() {
    let registry = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = registry.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in registry.incoming().flatten() {
            answer(stream);
        }
    });
    let container = format!("image: 127.0.0.1:{port}/tools/mint:9.9.9");
    let spec = "OnFailure\nbackoffLimit: 6\nactiveDeadlineSeconds: 40";
    fails_of(
        "pull",
        spec,
        &container,
        "DeadlineExceeded",
        "image_pull_not_found",
    );
}

/// What a registry says of a repository that it does not hold.
fn answer(mut stream: std::net::TcpStream) {
    let mut request = [0; 4096];
    let read = stream.read(&mut request).unwrap_or(0);
    let base = request[..read].starts_with(b"GET /v2/ ");
    let body = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
    let (status, body) = if base {
        ("200 OK", "{}")
    } else {
        ("404 Not Found", body)
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nDocker-Distribution-Api-Version: registry/2.0"
    );
    // The runtime may close first; it then asks again.
    _ = write!(
        stream,
        "{head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
}

/// A registry that cannot be resolved.
#[test]
fn a_registry_that_cannot_be_reached() {
    let spec = "Never\nbackoffLimit: 0\nactiveDeadlineSeconds: 20";
    fails_of(
        "registry",
        spec,
        "image: registry.invalid/mint:1",
        "DeadlineExceeded",
        "image_pull_network",
    );
}

/// A Pod that no node has room for.
#[test]
fn a_pod_that_cannot_be_scheduled() {
    let container = "image: busybox:1\ncommand: ['true']\nresources: {requests: {cpu: '99'}}";
    let spec = "Never\nbackoffLimit: 0\nactiveDeadlineSeconds: 20";
    fails_of(
        "room",
        spec,
        container,
        "DeadlineExceeded",
        "unschedulable_resources",
    );
}

/// A wait that is counted to its end by its own lines.
#[test]
fn a_wait_that_runs_out() {
    let container = "image: busybox:1\ncommand: [sh, -c]\nargs:\n- |\n  for i in $(seq 1 8); do\n    \
                     echo \"waiting for gitea api ($i/8)\"\n    sleep 1\n  done\n  echo 'gitea api is not up' >&2\n  exit 1";
    fails_of(
        "inner",
        "Never\nbackoffLimit: 0",
        container,
        "BackoffLimitExceeded",
        "inner_budget_exhausted",
    );
}

/// A wait that its deadline cuts while it is still counting.
#[test]
fn a_wait_that_the_deadline_cuts() {
    let container = "image: busybox:1\ncommand: [sh, -c]\nargs:\n- |\n  for i in $(seq 1 600); do\n    \
                     echo \"waiting for gitea api ($i/600)\"\n    sleep 1\n  done\n  exit 1";
    let spec = "Never\nbackoffLimit: 0\nactiveDeadlineSeconds: 20";
    fails_of("short", spec, container, "DeadlineExceeded", "deadline_too_short");
}

/// A Job that works leaves no root cause behind.
#[test]
fn a_job_that_works_has_no_root_cause() {
    let namespace = Namespace::new("works", "off");
    namespace.must_create(&hook(
        "works",
        "Never\nbackoffLimit: 0",
        "image: busybox:1\ncommand: ['true']",
    ));
    namespace.condition("works", "Complete", 60);
    assert!(
        !series(&namespace, "works")
            .iter()
            .any(|s| s.name == "hookbudget_job_root_cause")
    );
}
