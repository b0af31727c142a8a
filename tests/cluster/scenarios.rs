//! What happens to Jobs from outside, for real: objects that are missing, evictions, clocks, hands that interfere.
//! Each ends with its one root cause on the metrics; where the Job is still there, `diagnose` says the same of the
//! live cluster and of a dump.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::dumps::all_agree;
use crate::kit::{Namespace, Sample, hook, kubectl, owner_value, root_cause, run, series, until};

pub(crate) const SLEEPS: &str = "image: busybox:1\ncommand: [sh, -c, 'echo begun; exec sleep 600']";

/// Creates a hook that fails; its cause by the exporter, and by `diagnose` in two ways.
fn ends_with(name: &str, spec: &str, container: &str, trigger: &str, expected: &str) -> Value {
    let namespace = Namespace::new(name, "off");
    namespace.must_create(&hook(name, spec, container));
    let (reason, seconds) = namespace.condition(name, "FailureTarget", 240);
    assert_eq!(reason, trigger, "{name}");
    let cause = root_cause(&namespace, name, expected);
    println!("{name}: {reason} after {seconds} s, {expected}");
    assert_eq!(cause.label("trigger"), trigger);
    all_agree(&namespace, name, expected)
}

/// The one Pod of a Job, once its container runs.
fn running_pod(namespace: &Namespace, job: &str) -> String {
    let selector = format!("batch.kubernetes.io/job-name={job}");
    until(60, &format!("the Pod of {job} to run"), || {
        let printed = run(
            "kubectl",
            &["-n", &namespace.0, "get", "pods", "-l", &selector, "-o", "json"],
            "",
        );
        let list: Value = serde_json::from_str(&printed.stdout).ok()?;
        let pod = list["items"]
            .as_array()?
            .iter()
            .find(|pod| pod["status"]["phase"] == "Running")?;
        pod["metadata"]["name"].as_str().map(str::to_owned)
    })
}

#[test]
fn a_config_map_that_does_not_exist() {
    let container = "image: busybox:1\ncommand: ['true']\nenvFrom: [{configMapRef: {name: settings}}]";
    ends_with(
        "no-config-map",
        "Never\nactiveDeadlineSeconds: 15",
        container,
        "DeadlineExceeded",
        "config_missing",
    );
}

#[test]
fn a_secret_that_does_not_exist() {
    let container = "image: busybox:1\ncommand: ['true']\nenv: [{name: TOKEN, valueFrom: {secretKeyRef: {name: api, key: token}}}]";
    ends_with(
        "no-secret",
        "Never\nactiveDeadlineSeconds: 15",
        container,
        "DeadlineExceeded",
        "config_missing",
    );
}

/// Incident C: the server is there and refuses.
#[test]
fn c_download_refused() {
    let container = "image: curlimages/curl:8.11.1\ncommand: [sh, -c]\nargs:\n- |\n  set -eu\n  sleep 1\n  \
                     curl -fsSLo /tmp/mc https://downloads.example.com/linux-amd64/mc\n  chmod +x /tmp/mc";
    let manifest = hook("c-refused", "Never\nbackoffLimit: 0", container);
    let alias =
        "      hostAliases: [{ip: 127.0.0.1, hostnames: [downloads.example.com]}]\n      containers:\n";
    let namespace = Namespace::new("c-refused", "off");
    namespace.must_create(&manifest.replace("      containers:\n", alias));
    namespace.condition("c-refused", "FailureTarget", 120);
    root_cause(&namespace, "c-refused", "runtime_download_failed");
    all_agree(&namespace, "c-refused", "runtime_download_failed");
}

/// Incident C: the server takes the connection and never says a word, and the tool gives up.
#[test]
fn c_download_from_a_server_that_hangs() {
    let answer = hangs(
        "c-hangs",
        "Never\nbackoffLimit: 0",
        "--max-time 4",
        "runtime_download_failed",
    );
    assert!(answer.to_string().contains("(28)"), "{answer:#}");
}

/// The same with a tool that has no limit of its own: nothing but the deadline ends it, and what it fetched is named.
#[test]
fn c_download_that_nothing_but_the_deadline_ends() {
    let answer = hangs(
        "c-hangs-on",
        "Never\nactiveDeadlineSeconds: 150",
        "",
        "no_progress_hang",
    );
    assert!(
        answer.to_string().contains("curl http://downloads.example.com"),
        "{answer:#}"
    );
}

/// A hook that downloads from a server that never answers; what `diagnose` says of it.
fn hangs(name: &str, spec: &str, limit: &str, expected: &str) -> Value {
    let namespace = Namespace::new(name, "off");
    let node = kubectl(
        &[
            "get",
            "nodes",
            "-o",
            "jsonpath={.items[0].status.addresses[0].address}",
        ],
        "",
    );
    let silent = TcpListener::bind((node.stdout.as_str(), 0)).expect("the node's address takes a listener");
    let port = silent.local_addr().expect("an address").port();
    // The system accepts for the listener, which never does.
    let container = format!(
        "image: curlimages/curl:8.11.1\ncommand: [sh, -c]\nargs:\n- |\n  set -eu\n  sleep 1\n  \
         curl -fsSL {limit} -o /tmp/mc http://downloads.example.com:{port}/linux-amd64/mc\n  chmod +x /tmp/mc"
    );
    let alias = format!(
        "      hostAliases: [{{ip: {}, hostnames: [downloads.example.com]}}]\n      containers:\n",
        node.stdout
    );
    namespace.must_create(&hook(name, spec, &container).replace("      containers:\n", &alias));
    namespace.condition(name, "FailureTarget", 240);
    root_cause(&namespace, name, expected);
    all_agree(&namespace, name, expected)
}

/// Incident C: the server's name does not resolve. That is for whoever keeps the network, not for the download.
#[test]
fn c_download_from_a_name_that_does_not_resolve() {
    let container = "image: curlimages/curl:8.11.1\ncommand: [sh, -c]\nargs:\n- |\n  set -eu\n  sleep 1\n  \
                     curl -fsSLo /tmp/mc https://downloads.example.invalid/linux-amd64/mc\n  chmod +x /tmp/mc";
    ends_with(
        "c-no-name",
        "Never\nbackoffLimit: 0",
        container,
        "BackoffLimitExceeded",
        "dns_failure",
    );
}

/// The first run of a download dies, the next one of the same `CronJob` succeeds: the alert's series clear.
#[test]
fn c_a_later_success_clears_it() {
    let namespace = Namespace::new("c-cron", "off");
    let cron = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "backup"},
        "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {
            "backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never", "containers": [{
                "name": "main", "image": "busybox:1", "command": ["sh", "-c", "sleep 2; test -e /marker/good || tail /dev/zero"],
                "resources": {"limits": {"memory": "32Mi"}},
                "volumeMounts": [{"name": "marker", "mountPath": "/marker"}],
            }], "volumes": [{"name": "marker", "configMap": {"name": "marker", "optional": true}}]}},
        }}},
    });
    namespace.must_create(&cron.to_string());
    let by_hand = |name: &str| {
        kubectl(
            &["-n", &namespace.0, "create", "job", name, "--from=cronjob/backup"],
            "",
        );
    };
    by_hand("backup-1");
    namespace.condition("backup-1", "Failed", 120);
    let cause = root_cause(&namespace, "backup-1", "oom_killed");
    assert_eq!(
        (cause.label("owner_kind"), cause.label("owner_name")),
        ("CronJob", "backup")
    );
    let failures = || owner_value(&namespace, "hookbudget_owner_consecutive_failures");
    until(30, "the owner's failure", || {
        (failures() == Some(1.0)).then_some(())
    });
    kubectl(
        &[
            "-n",
            &namespace.0,
            "create",
            "configmap",
            "marker",
            "--from-literal=good=yes",
        ],
        "",
    );
    by_hand("backup-2");
    namespace.condition("backup-2", "Complete", 120);
    until(30, "the owner's success", || {
        let successes = owner_value(&namespace, "hookbudget_owner_consecutive_successes");
        (failures() == Some(0.0) && successes == Some(1.0)).then_some(())
    });
}

#[test]
fn a_hung_process_is_cut_by_the_deadline() {
    let container =
        "image: busybox:1\ncommand: [sh, -c, 'trap : TERM; echo begun; while :; do sleep 1; done']";
    // Longer than the silence after which a Job counts as standing still.
    ends_with(
        "hung",
        "Never\nactiveDeadlineSeconds: 150",
        container,
        "DeadlineExceeded",
        "no_progress_hang",
    );
}

#[test]
fn a_second_container_that_never_ends() {
    let manifest = with_a_sidecar("sidecar", "Never\nactiveDeadlineSeconds: 20");
    let namespace = Namespace::new("sidecar", "off");
    namespace.must_create(&manifest);
    namespace.condition("sidecar", "FailureTarget", 120);
    root_cause(&namespace, "sidecar", "sidecar_not_terminated");
    all_agree(&namespace, "sidecar", "sidecar_not_terminated");
}

/// A hook whose second container goes on when the first is done.
pub(crate) fn with_a_sidecar(name: &str, spec: &str) -> String {
    let sidecar = "\n- name: proxy\n  image: busybox:1\n  command: [sleep, '600']";
    let manifest = hook(name, spec, "image: busybox:1\ncommand: [sh, -c, 'echo done']\n");
    format!("{}{}\n", manifest.trim_end(), sidecar.replace('\n', "\n      "))
}

#[test]
fn a_crash_of_an_init_container() {
    let manifest = hook(
        "init",
        "Never\nbackoffLimit: 0",
        "image: busybox:1\ncommand: ['true']",
    );
    let init = "      initContainers:\n      - {name: prepare, image: 'busybox:1', command: [sh, -c, 'sleep 1; echo no schema; exit 3']}\n";
    let manifest = manifest.replace("      containers:\n", &format!("{init}      containers:\n"));
    let namespace = Namespace::new("init", "off");
    namespace.must_create(&manifest);
    namespace.condition("init", "FailureTarget", 120);
    root_cause(&namespace, "init", "app_error");
    let answer = all_agree(&namespace, "init", "app_error").to_string();
    assert!(
        answer.contains("prepare") && answer.contains("no schema"),
        "{answer}"
    );
}

#[test]
fn the_api_server_forbids_it() {
    let container = "image: curlimages/curl:8.11.1\ncommand: [sh, -c]\nargs:\n- |\n  set -eu\n  \
                     token=$(cat /var/run/secrets/kubernetes.io/serviceaccount/token)\n  \
                     curl -sS --fail-with-body --cacert /var/run/secrets/kubernetes.io/serviceaccount/ca.crt \\\n    \
                     -H \"Authorization: Bearer $token\" https://kubernetes.default.svc/api/v1/secrets";
    let answer = ends_with(
        "forbidden",
        "Never\nbackoffLimit: 0",
        container,
        "BackoffLimitExceeded",
        "rbac_denied",
    );
    assert!(
        !answer.to_string().contains("eyJ"),
        "a token in the evidence: {answer}"
    );
}

#[test]
fn an_eviction_as_a_drain_does_it() {
    let namespace = Namespace::new("evicted", "off");
    namespace.must_create(&hook("evicted", "Never\nbackoffLimit: 0", SLEEPS));
    evict(&namespace, "evicted");
    namespace.condition("evicted", "FailureTarget", 120);
    root_cause(&namespace, "evicted", "node_drain");
    all_agree(&namespace, "evicted", "node_drain");
}

/// Evicts a Job's running Pod, as a drain does.
pub(crate) fn evict(namespace: &Namespace, job: &str) {
    let pod = running_pod(namespace, job);
    let path = format!("/api/v1/namespaces/{}/pods/{pod}/eviction", namespace.0);
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": namespace.0}});
    kubectl(&["create", "--raw", &path, "-f", "-"], &eviction.to_string());
}

#[test]
fn a_preemption() {
    let namespace = Namespace::new("preempted", "off");
    namespace.must_create(&hook("preempted", "Never\nbackoffLimit: 0", &scarce(&namespace)));
    preempt(&namespace, "preempted");
    namespace.condition("preempted", "FailureTarget", 120);
    root_cause(&namespace, "preempted", "preempted");
    all_agree(&namespace, "preempted", "preempted");
}

/// What the node has one of, for this namespace: the other tests' Pods neither make room nor need any.
fn resource(namespace: &Namespace) -> String {
    format!("hookbudget.example/{}", namespace.0)
}

/// A container that takes all that the node has of a resource.
pub(crate) fn scarce(namespace: &Namespace) -> String {
    let resource = resource(namespace);
    let patch = json!([{"op": "add", "path": format!("/status/capacity/{}", resource.replace('/', "~1")), "value": "1"}]);
    let node = kubectl(&["get", "nodes", "-o", "jsonpath={.items[0].metadata.name}"], "").stdout;
    kubectl(
        &[
            "patch",
            "node",
            &node,
            "--subresource=status",
            "--type=json",
            "-p",
            &patch.to_string(),
        ],
        "",
    );
    format!("{SLEEPS}\nresources: {{limits: {{{resource}: 1}}}}")
}

/// Takes that resource away from a Job's running Pod, for one of a higher priority.
pub(crate) fn preempt(namespace: &Namespace, job: &str) {
    running_pod(namespace, job);
    let class = format!("urgent-{}", namespace.0);
    let class_manifest = json!({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": class}, "value": 100_000,
    });
    kubectl(&["create", "-f", "-"], &class_manifest.to_string());
    let resource = resource(namespace);
    let urgent = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "urgent"},
        "spec": {"priorityClassName": class, "restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [{
            "name": "main", "image": "busybox:1", "command": ["true"], "resources": {"limits": {resource: "1"}},
        }]},
    });
    namespace.must_create(&urgent.to_string());
}

#[test]
fn a_suspended_job_pages_nobody() {
    let namespace = Namespace::new("suspended", "off");
    namespace.must_create(&hook(
        "suspended",
        "Never\nsuspend: true\nactiveDeadlineSeconds: 5",
        SLEEPS,
    ));
    let state = until(60, "the state of a suspended Job", || {
        let all = series(&namespace, "suspended");
        all.into_iter().find(|s| s.name == "hookbudget_job_state")
    });
    assert_eq!(state.label("state"), "suspended");
    let answer = all_agree(&namespace, "suspended", "suspended");
    assert_eq!(answer["verdict"], "parked");
    let caused = |s: &Sample| s.name == "hookbudget_job_root_cause";
    assert!(!series(&namespace, "suspended").iter().any(caused));
}

#[test]
fn a_job_that_is_deleted_while_it_runs() {
    let namespace = Namespace::new("deleted", "off");
    namespace.must_create(&hook("deleted", "Never\nbackoffLimit: 0", SLEEPS));
    running_pod(&namespace, "deleted");
    until(30, "the Job's series", || {
        (!series(&namespace, "deleted").is_empty()).then_some(())
    });
    kubectl(
        &["-n", &namespace.0, "delete", "job", "deleted", "--wait=false"],
        "",
    );
    until(60, "the cause of a deleted Job", || {
        let all = series(&namespace, "deleted");
        all.into_iter()
            .find(|s| s.name == "hookbudget_job_root_cause" && s.label("root_cause") == "job_object_deleted")
    });
}

/// From the Job controller's `FailureTarget` to the cause on the metrics, ten times, the median.
#[test]
fn the_cause_is_on_the_metrics_within_two_seconds() {
    let namespace = Namespace::new("quick", "off");
    let mut delays: Vec<f64> = (0..10)
        .map(|number| time_to_cause(&namespace, &format!("quick-{number}")))
        .collect();
    delays.sort_by(f64::total_cmp);
    println!("from FailureTarget to the cause: {delays:.2?} s");
    // The condition's time is in whole seconds, and the suite's other tests share the machine.
    assert!(delays[5] <= 2.0 + 1.0, "{delays:?}");
}

fn time_to_cause(namespace: &Namespace, name: &str) -> f64 {
    let container = "image: busybox:1\ncommand: [sh, -c, 'sleep 1; echo panic: no schema; exit 2']";
    namespace.must_create(&hook(name, "Never\nbackoffLimit: 0", container));
    let seen = until(120, &format!("the cause of {name}"), || {
        let all = series(namespace, name);
        let found = all
            .iter()
            .any(|s| s.name == "hookbudget_job_root_cause" && s.label("trigger") != "NotFailed");
        found.then(jiff::Timestamp::now)
    });
    let job = namespace.job(name);
    let conditions = job["status"]["conditions"]
        .as_array()
        .expect("conditions")
        .clone();
    let failed = conditions
        .iter()
        .find(|c| c["type"] == "FailureTarget")
        .expect("FailureTarget");
    let at: jiff::Timestamp = failed["lastTransitionTime"]
        .as_str()
        .expect("a time")
        .parse()
        .expect("a time");
    seen.duration_since(at).as_secs_f64()
}
