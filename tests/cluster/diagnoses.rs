//! What outlives a Job, and what `diagnose` says of a live cluster and of a dump of it.

use serde_json::Value;

use crate::dumps::{all_agree, diagnose};
use crate::kit::{Namespace, hook, kubectl, root_cause, run, until};

/// A hook that runs out of memory, three times; under `OnFailure` its Pod is gone then.
fn dies_for_memory(namespace: &Namespace, name: &str) {
    let container =
        "image: busybox:1\ncommand: [sh, -c, 'sleep 2; tail /dev/zero']\nresources: {limits: {memory: 32Mi}}";
    namespace.must_create(&hook(name, "OnFailure\nbackoffLimit: 2", container));
}

/// The `JobDiagnosis` of a Job, once it says all of that.
pub(crate) fn kept(namespace: &Namespace, job: &str, says: &[(&str, &str)]) -> Value {
    until(60, &format!("a JobDiagnosis of {job} with {says:?}"), || {
        let printed = run(
            "kubectl",
            &["-n", &namespace.0, "get", "jobdiagnoses", "-o", "json"],
            "",
        );
        let list: Value = serde_json::from_str(&printed.stdout).ok()?;
        let found = list["items"].as_array()?.iter().find(|item| {
            let report = &item["report"];
            report["job"]["name"] == job && says.iter().all(|(key, value)| report[*key] == *value)
        });
        found.cloned()
    })
}

/// The diagnosis is an object with columns, and an Event on the Job tells it.
#[test]
fn a_diagnosis_is_kept_beside_the_job() {
    let namespace = Namespace::new("kept", "off");
    dies_for_memory(&namespace, "kept");
    namespace.condition("kept", "Failed", 120);
    kept(
        &namespace,
        "kept",
        &[("root_cause", "oom_killed"), ("trigger", "BackoffLimitExceeded")],
    );
    let table = kubectl(&["-n", &namespace.0, "get", "jobdiagnoses"], "").stdout;
    println!("{table}");
    let mut lines = table.lines();
    let head: Vec<_> = lines.next().unwrap_or_default().split_whitespace().collect();
    assert_eq!(
        head,
        ["NAME", "JOB", "TRIGGER", "ROOT", "CAUSE", "VERDICT", "AGE"]
    );
    let row = lines.next().unwrap_or_default();
    for part in ["kept", "BackoffLimitExceeded", "oom_killed", "real"] {
        assert!(row.contains(part), "{part}: {row}");
    }
    let note = until(60, "the Event on the Job", || {
        let field = "involvedObject.name=kept,reason=Diagnosed";
        let printed = kubectl(
            &[
                "-n",
                &namespace.0,
                "get",
                "events",
                "--field-selector",
                field,
                "-o",
                "json",
            ],
            "",
        );
        let list: Value = serde_json::from_str(&printed.stdout).ok()?;
        Some(list["items"].as_array()?.first()?["message"].as_str()?.to_owned())
    });
    assert!(note.contains("root cause oom_killed"), "{note}");
    // It outlives the Job; and who asks for the Job then is told.
    kubectl(&["-n", &namespace.0, "delete", "job", "kept"], "");
    kept(&namespace, "kept", &[("root_cause", "oom_killed")]);
    let diagnosed = diagnose(&["job/kept", "-n", &namespace.0]);
    assert_eq!(diagnosed[0]["root_cause"], "oom_killed");
}

/// The live cluster, a dump of it, and the exporter give one answer.
#[test]
fn live_and_dump_and_exporter_agree() {
    let namespace = Namespace::new("agree", "off");
    let annotated = "metadata: {annotations: {hookbudget.dev/cold-start: 1s}, ";
    namespace.must_create(&crate::admission::service("powerdns", 8081).replacen("metadata: {", annotated, 1));
    let container = "image: curlimages/curl:8.11.1\ncommand: [sh, -c]\nargs:\n- |\n  set -eu\n  \
                     curl -sS --max-time 3 http://powerdns:8081/api/v1/servers";
    namespace.must_create(&hook("agree", "Never\nbackoffLimit: 1", container));
    namespace.condition("agree", "Failed", 240);
    root_cause(&namespace, "agree", "dependency_no_endpoints");
    all_agree(&namespace, "agree", "dependency_no_endpoints");
}

/// A namespace that is deleted with a failed Job in it keeps nobody else's diagnoses from being written.
#[test]
fn a_namespace_that_goes_holds_nobody_up() {
    let (gone, other) = (Namespace::new("0-gone", "off"), Namespace::new("left", "off"));
    dies_for_memory(&gone, "gone");
    kept(&gone, "gone", &[("root_cause", "oom_killed")]);
    kubectl(&["delete", "namespace", &gone.0, "--timeout=120s"], "");
    dies_for_memory(&other, "left");
    let selector = "batch.kubernetes.io/job-name=left";
    let ended = "jsonpath={.items[*].status.containerStatuses[*].lastState.terminated.reason}";
    until(60, "the first run of left to be over", || {
        let printed = kubectl(&["-n", &other.0, "get", "pods", "-l", selector, "-o", ended], "");
        printed.stdout.contains("OOMKilled").then_some(())
    });
    // How soon depends on what else the machine does; that nothing is paused is a unit test of the writer.
    kept(&other, "left", &[("root_cause", "oom_killed")]);
}
