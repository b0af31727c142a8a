//! What outlives a Job and the exporter, and what `diagnose` says of a live cluster and of a dump of it.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::kit::{Namespace, hook, kubectl, root_cause, run, until, until_told};

/// A hook that runs out of memory, three times; under `OnFailure` its Pod is gone then.
fn dies_for_memory(namespace: &Namespace, name: &str) {
    let container =
        "image: busybox:1\ncommand: [sh, -c, 'sleep 2; tail /dev/zero']\nresources: {limits: {memory: 32Mi}}";
    namespace.must_create(&hook(name, "OnFailure\nbackoffLimit: 2", container));
}

/// The `JobDiagnosis` of a Job, once it says all of that.
fn kept(namespace: &Namespace, job: &str, says: &[(&str, &str)]) -> Value {
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
    let diagnosed = diagnose(&["job/kept", "-n", &namespace.0, "--format", "json"]);
    assert_eq!(diagnosed[0]["root_cause"], "oom_killed");
}

/// An exporter of the test's own, that can be killed.
struct Exporter(Child);

impl Exporter {
    fn start(namespace: &Namespace, port: u16) -> Self {
        let listen = format!("127.0.0.1:{port}");
        let child = Command::new(env!("CARGO_BIN_EXE_hookbudget"))
            .args([
                "exporter",
                "--diagnoses",
                "--listen",
                &listen,
                "--namespace",
                &namespace.0,
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("an exporter");
        let exporter = Self(child);
        until(30, "the exporter to have listed", || {
            let url = format!("http://{listen}/readyz");
            run("curl", &["-sf", "-o", "/dev/null", &url], "")
                .ok
                .then_some(())
        });
        exporter
    }

    fn metrics(port: u16) -> String {
        run("curl", &["-s", &format!("http://127.0.0.1:{port}/metrics")], "").stdout
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // SIGKILL: it gets no last word.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Killed after a run has died and before the Job has failed: what that run died of is known all the same, and
/// after one more restart, when the Pod is long gone.
#[test]
fn what_was_captured_survives_the_exporter() {
    let namespace = Namespace::new("survives", "off");
    let container =
        "image: busybox:1\ncommand: [sh, -c, 'sleep 2; tail /dev/zero']\nresources: {limits: {memory: 32Mi}}";
    let exporter = Exporter::start(&namespace, 19464);
    namespace.must_create(&hook("survives", "OnFailure\nbackoffLimit: 2", container));
    kept(&namespace, "survives", &[("root_cause", "oom_killed")]);
    drop(exporter);
    namespace.condition("survives", "Failed", 120);
    for restart in 0..2 {
        let _exporter = Exporter::start(&namespace, 19464);
        until(30, &format!("the cause after restart {restart}"), || {
            let text = Exporter::metrics(19464);
            let found = text.lines().find(|line| {
                line.starts_with("hookbudget_job_root_cause{") && line.contains("job_name=\"survives\"")
            });
            found
                .filter(|line| line.contains("root_cause=\"oom_killed\""))
                .map(str::to_owned)
        });
        let page = run("curl", &["-s", "http://127.0.0.1:19464/"], "").stdout;
        assert!(page.contains("survives") && page.contains("oom_killed"), "{page}");
    }
}

fn diagnose(arguments: &[&str]) -> Value {
    let mut all = vec!["diagnose"];
    all.extend(arguments);
    let printed = run(env!("CARGO_BIN_EXE_hookbudget"), &all, "");
    serde_json::from_str(&printed.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", printed.stdout, printed.stderr))
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
    let answer = live_and_dump_agree(&namespace, "agree");
    assert_eq!(answer["root_cause"], "dependency_no_endpoints");
}

/// What `diagnose` says of a Job that is still there: of the live cluster, and the same of a dump of its namespace. A
/// Pod may go between the two looks; then both are taken anew.
pub(crate) fn live_and_dump_agree(namespace: &Namespace, job: &str) -> Value {
    let answer = |list: &Value| {
        let one = &list[0];
        ["root_cause", "verdict", "chain", "repair_order"].map(|key| one[key].clone())
    };
    until_told(30, "the live cluster and its dump to agree", || {
        let live = diagnose(&[&format!("job/{job}"), "-n", &namespace.0, "--format", "json"]);
        let dumped = diagnosed_from_dump(namespace);
        if answer(&live) == answer(&dumped) {
            Ok(live[0].clone())
        } else {
            Err(format!("{live}\n{dumped}"))
        }
    })
}

/// What `diagnose` says of a dump of the namespace as it is now.
fn diagnosed_from_dump(namespace: &Namespace) -> Value {
    let directory = std::env::temp_dir().join(&namespace.0);
    let _ = std::fs::remove_dir_all(&directory);
    let kinds = "jobs,cronjobs,pods,events,services,endpointslices,deployments,statefulsets";
    let objects = kubectl(&["-n", &namespace.0, "get", kinds, "-o", "json"], "").stdout;
    let list: Value = serde_json::from_str(&objects).expect("a list");
    let items = list["items"].as_array().expect("items");
    for pod in items.iter().filter(|item| item["kind"] == "Pod") {
        let name = pod["metadata"]["name"].as_str().expect("a name");
        let place = directory.join(&namespace.0).join(name);
        std::fs::create_dir_all(&place).expect("a directory");
        let of = |field: &str| pod["spec"][field].as_array().cloned().unwrap_or_default();
        for container in of("initContainers").into_iter().chain(of("containers")) {
            let container = container["name"].as_str().expect("a name");
            let arguments = ["-n", &namespace.0, "logs", name, "-c", container, "--timestamps"];
            // A container that never ran has none.
            let printed = run("kubectl", &arguments, "");
            if printed.ok {
                std::fs::write(place.join(format!("{container}.log")), printed.stdout).expect("a log");
            }
        }
    }
    std::fs::create_dir_all(&directory).expect("a directory");
    std::fs::write(directory.join("objects.json"), objects).expect("a dump");
    let dumped = diagnose(&["--from", &directory.display().to_string(), "--format", "json"]);
    let _ = std::fs::remove_dir_all(directory);
    dumped
}
