//! `diagnose --from`: dumps of the incidents, dumps that are cut off, and what must never be shown.
#![cfg(all(feature = "cli", feature = "server"))]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // helpers of tests

mod support;

use std::fs;
use std::sync::Arc;

use hookbudget::cli::manifest::{self, PathOrStdin};
use hookbudget::engine::diagnosis::Diagnosis;
use hookbudget::index::{Action, Change, Index, Kind, LogKey, LogLine, Settings};
use hookbudget::k8s::dependency::Namespace;
use hookbudget::k8s::event::EventObject;
use jiff::Timestamp;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use support::{Ran, read, root, run, run_with};

const DUMPS: &str = "tests/fixtures/dumps";

/// Dump, Job, state, root cause, verdict, retry advice, exit status.
const ANSWERS: [(&str, &str, &str, &str, &str, &str, i32); 5] = [
    (
        "a-full-node",
        "powerdns/powerdns-zone-bootstrap",
        "failed",
        "dependency_node_capacity",
        "real",
        "do-not-retry",
        1,
    ),
    (
        "b-waiting",
        "catalyst-system/catalyst-gitea-token-mint",
        "waiting",
        "dependency_slow_start",
        "transient",
        "wait",
        0,
    ),
    (
        "c-oom",
        "tofu-state/tf-state-backup-29566560",
        "failed",
        "oom_killed",
        "real",
        "do-not-retry",
        1,
    ),
    (
        "c-download",
        "tofu-state/tf-state-backup-29568000",
        "failed",
        "runtime_download_failed",
        "real",
        "retry",
        1,
    ),
    (
        "c-lost",
        "tofu-state/tf-state-backup-29568000",
        "failed",
        "evidence_lost",
        "unknown",
        "retry",
        1,
    ),
];

fn from(path: &str, more: &[&str]) -> Ran {
    let mut arguments = vec!["diagnose", "--from", path];
    arguments.extend(more);
    run(&arguments)
}

fn only(ran: &Ran) -> Value {
    let all = ran.json();
    let all = all.as_array().expect("a list");
    assert_eq!(all.len(), 1, "{ran:?}");
    all[0].clone()
}

#[test]
fn every_dump_gives_its_root_cause() {
    for (dump, job, state, cause, verdict, retry, status) in ANSWERS {
        let ran = from(&format!("{DUMPS}/{dump}"), &["--format", "json"]);
        let found = only(&ran);
        let text = |pointer: &str| found.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        assert_eq!(format!("{}/{}", text("/job/namespace"), text("/job/name")), job);
        let answer = (
            text("/state"),
            text("/root_cause"),
            text("/verdict"),
            text("/retry_advice"),
        );
        assert_eq!(answer, (state, cause, verdict, retry), "{dump}: {found:#}");
        assert_eq!((ran.status, ran.err.as_str()), (status, ""), "{dump}");
    }
}

#[test]
fn a_diagnosis_reads_at_a_glance() {
    for (dump, ..) in ANSWERS {
        let ran = from(&format!("{DUMPS}/{dump}"), &[]);
        insta::assert_snapshot!(format!("diagnose-{dump}"), ran.out);
    }
}

/// The whole chain of incident A, from the release to the autoscaler, and its repair from the ground up.
#[test]
fn the_chain_of_incident_a_goes_down_to_the_ground() {
    let found = only(&from(&format!("{DUMPS}/a-full-node"), &["-f", "json"]));
    let kinds: Vec<_> = found["chain"]
        .as_array()
        .unwrap()
        .iter()
        .map(|link| link["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "HelmRelease",
            "Job",
            "Service",
            "Deployment",
            "Pod",
            "Secret",
            "Cluster",
            "Pod",
            "Autoscaler"
        ]
    );
    assert!(
        found["repair_order"][0]
            .as_str()
            .unwrap()
            .starts_with("Make room on the nodes")
    );
}

/// The kind under which a watch brings an object.
fn watched_as(document: &manifest::Document) -> Option<Kind> {
    let text = |pointer: &str| document.value.pointer(pointer).and_then(Value::as_str);
    match document.kind() {
        "Job" => Some(Kind::Job),
        "Pod" => text("/metadata/labels/batch.kubernetes.io~1job-name").map(|_| Kind::Pod),
        "CronJob" => Some(Kind::CronJob),
        "HelmRelease" => Some(Kind::HelmRelease),
        "Event" => match text("/involvedObject/kind")? {
            "Job" => Some(Kind::JobEvent),
            "Pod" => Some(Kind::PodEvent),
            _ => None,
        },
        _ => None,
    }
}

/// The namespaces of a dump, as a look at them finds them.
fn namespaces(documents: &[manifest::Document]) -> Vec<Namespace> {
    let mut namespaces: Vec<Namespace> = Vec::new();
    for document in documents {
        let name = document
            .value
            .pointer("/metadata/namespace")
            .and_then(Value::as_str)
            .unwrap();
        if !namespaces.iter().any(|n| n.name == name) {
            namespaces.push(Namespace {
                name: name.to_owned(),
                ..Namespace::default()
            });
        }
        let namespace = namespaces.iter_mut().find(|n| n.name == name).unwrap();
        let value = Value::clone(&document.value);
        match document.kind() {
            "Service" => namespace
                .services
                .get_or_insert_default()
                .push(serde_json::from_value(value).unwrap()),
            "EndpointSlice" => namespace
                .slices
                .get_or_insert_default()
                .push(serde_json::from_value(value).unwrap()),
            "Deployment" => namespace.workloads.push(serde_json::from_value(value).unwrap()),
            "Pod" => namespace.pods.push(serde_json::from_value(value).unwrap()),
            "Event" => namespace.events.push(
                serde_json::from_value::<EventObject>(value)
                    .unwrap()
                    .into_record(),
            ),
            _ => {}
        }
    }
    namespaces
}

/// The logs of a dump, as a watch follows them.
fn logs(dump: &str) -> Vec<Change> {
    let mut files = support::files(&format!("{DUMPS}/{dump}"), ".log");
    files.extend(support::files(&format!("{DUMPS}/{dump}"), "logs.txt"));
    let change = |log: String| {
        let parts: Vec<_> = log.rsplit('/').collect();
        let lines = read(&log);
        let lines = lines.lines().filter(|line| !line.starts_with("===="));
        let lines = lines.map(
            |line| match line.split_once(' ').map(|(at, rest)| (at.parse(), rest)) {
                Some((Ok(at), rest)) => LogLine {
                    at: Some(at),
                    text: rest.to_owned(),
                },
                _ => LogLine {
                    at: None,
                    text: line.to_owned(),
                },
            },
        );
        let key = LogKey {
            namespace: parts[2].to_owned(),
            pod: parts[1].to_owned(),
            container: parts[0].strip_suffix(".log").unwrap_or("backup").to_owned(),
            attempt: if dump.starts_with('c') { 2 } else { 0 },
        };
        Change::Log {
            log: key,
            lines: lines.collect(),
        }
    };
    files.into_iter().map(change).collect()
}

/// What the exporter would say of the same objects, had it watched them come.
fn as_watched(dump: &str, now: Timestamp) -> Vec<Diagnosis> {
    let loaded = manifest::load(&[PathOrStdin::Path(root().join(DUMPS).join(dump))]);
    let mut index = Index::new(Settings::new(now));
    // Releases first, then in the order in which an exporter lists.
    for kind in [Kind::HelmRelease].into_iter().chain(Kind::ALL) {
        let of_kind = loaded
            .documents
            .iter()
            .filter(|document| watched_as(document) == Some(kind));
        let objects: Vec<_> = of_kind
            .map(|d| RawValue::from_string(d.value.to_string()).unwrap())
            .collect();
        index.reset(kind, &objects, now);
    }
    for log in logs(dump) {
        index.change(log, now);
    }
    index.settle(now);
    let namespaces = namespaces(&loaded.documents);
    for action in index.take_actions() {
        let Action::Inspect {
            job,
            namespace,
            service,
            target,
            ..
        } = action
        else {
            continue;
        };
        let Some(seen) = namespaces.iter().find(|n| n.name == namespace) else {
            continue;
        };
        let dependency = seen.dependency(&service, &target);
        let events = seen.events_of(&dependency).cloned().collect();
        index.change(
            Change::Dependency {
                job,
                dependency: Box::new(dependency),
                events,
            },
            now,
        );
    }
    index.settle(now);
    let snapshot = index.snapshot(now);
    snapshot
        .jobs
        .iter()
        .filter_map(|job| job.diagnosis().map(Arc::unwrap_or_clone))
        .collect()
}

#[test]
fn a_dump_and_a_watch_give_the_same_answer() {
    for (dump, job, ..) in ANSWERS {
        let ran = from(
            &format!("{DUMPS}/{dump}"),
            &["-f", "json", "--now", "2026-03-20T03:00:00Z"],
        );
        let watched = as_watched(dump, "2026-03-20T03:00:00Z".parse().unwrap());
        let mut found = ran.json();
        let mut watched = serde_json::to_value(watched).unwrap();
        // What a dump lacks is said of the dump alone.
        for list in [&mut found, &mut watched] {
            for one in list.as_array_mut().unwrap() {
                one["evidence_lost"] = json!([]);
            }
        }
        assert_eq!(found, watched, "{dump} {job}");
        let (_, name) = job.split_once('/').unwrap();
        let named = run(&[
            "diagnose",
            &format!("job/{name}"),
            "--from",
            &format!("{DUMPS}/{dump}"),
            "-f",
            "json",
        ]);
        assert_eq!(named.json().as_array().unwrap().len(), 1);
    }
}

#[test]
fn a_list_that_is_cut_off_gives_what_is_whole_and_says_where_it_ends() {
    let whole = read(&format!("{DUMPS}/c-oom/objects.yaml"));
    let json = read(&format!("{DUMPS}/c-download/objects.json"));
    for text in [&whole, &json] {
        // Wherever it is cut, nothing panics, and what is lost is said.
        for end in (0..text.len())
            .step_by(97)
            .filter(|end| text.is_char_boundary(*end))
        {
            let ran = run_with(&["diagnose", "--from", "-", "-f", "json"], &text[..end]);
            assert!((0..=2).contains(&ran.status), "{end}: {ran:?}");
            assert!(!ran.err.contains("panicked"), "{end}: {ran:?}");
            assert!(
                ran.status == 2 || end > text.len() - 120,
                "{end}: a cut is an error: {ran:?}"
            );
        }
    }
    // The CronJob and the good Job are whole, the Pod is not.
    let cut = whole.rfind("- apiVersion").unwrap() + 40;
    let ran = run_with(
        &[
            "diagnose",
            "job/tf-state-backup-29566560",
            "--from",
            "-",
            "-f",
            "json",
        ],
        &whole[..cut],
    );
    assert!(
        ran.err
            .contains("the list is cut off here; 3 whole objects before are used"),
        "{}",
        ran.err
    );
    assert_eq!(
        (ran.status, ran.json()[0]["root_cause"].as_str()),
        (2, Some("evidence_lost"))
    );
}

#[test]
fn what_is_missing_is_named_with_the_command_that_brings_it() {
    let objects = read(&format!("{DUMPS}/a-full-node/objects.json"));
    let mut list: Value = serde_json::from_str(&objects).unwrap();
    let without = |list: &mut Value, kind: &str| {
        list["items"]
            .as_array_mut()
            .unwrap()
            .retain(|item| item["kind"] != kind);
        list.to_string()
    };
    let directory = tempfile::tempdir().unwrap();
    let log = "powerdns/powerdns-zone-bootstrap-kx2bq/bootstrap.log";
    let kept = directory.path().join(log);
    fs::create_dir_all(kept.parent().unwrap()).unwrap();
    fs::write(&kept, read(&format!("{DUMPS}/a-full-node/{log}"))).unwrap();
    fs::write(
        directory.path().join("objects.json"),
        without(&mut list, "EndpointSlice"),
    )
    .unwrap();
    let ran = from(&directory.path().display().to_string(), &["-f", "json"]);
    assert!(
        ran.out.contains("kubectl get endpointslices -n powerdns -o json"),
        "{}",
        ran.out
    );
    list["items"].as_array_mut().unwrap().push(json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "x-abcde", "namespace": "n", "creationTimestamp": "2026-03-02T10:00:00Z", "labels": {"job-name": "x"}}}));
    let ran = run_with(&["diagnose", "--from", "-"], &without(&mut list, "Job"));
    assert!(
        ran.err
            .contains("Pods of n/x and not the Job itself; add kubectl get jobs,cronjobs"),
        "{}",
        ran.err
    );
    assert_eq!(ran.status, 2);
    for (arguments, part) in [
        (
            &["diagnose", "--from", "no/such/place"][..],
            "no such file or directory",
        ),
        (
            &["diagnose", "job/nobody", "--from", DUMPS],
            "it does not hold job/nobody",
        ),
        (
            &["diagnose", "pod/x", "--from", DUMPS],
            "write job/x or cronjob/x",
        ),
        (&["diagnose", "--from", "Cargo.toml"], "it holds no Job"),
    ] {
        let ran = run(arguments);
        assert_eq!(ran.status, 2, "{ran:?}");
        assert!(ran.err.contains(part), "{part}: {}", ran.err);
    }
}

#[test]
fn a_wrong_object_is_named_with_its_place_and_the_others_go_on() {
    let text = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a, namespace: dns}\nspec: {backoffLimit: six}\n---\n\
                apiVersion: batch/v1\nkind: Job\nmetadata: {name: b, namespace: dns, creationTimestamp: '2026-03-02T10:00:00Z'}\n\
                spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: 'busybox:1'}]}}}\n\
                status: {startTime: '2026-03-02T10:00:00Z', failed: 1, conditions: [{type: Failed, status: 'True', reason: BackoffLimitExceeded, lastTransitionTime: '2026-03-02T10:05:00Z'}]}\n";
    let ran = run_with(&["diagnose", "--from", "-", "-f", "json"], text);
    assert!(ran.err.contains("<stdin>:4:22: spec.backoffLimit"), "{}", ran.err);
    assert_eq!(
        (ran.status, ran.json()[0]["job"]["name"].as_str()),
        (2, Some("b"))
    );
}

const SECRETS: [&str; 5] = [
    "hunter2secret",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "pw4dbuser",
    "MIIEpAIBAAKCAQEA7bq1v0f3n2z5m8c4x6k9j3h2g1f0d9s8a7q6w5e4r3t2y1u0",
    "AKIAIOSFODNN7EXAMPLE",
];

#[test]
fn secrets_and_escapes_never_leave_by_any_way() {
    let [password, token, userinfo, key, access] = SECRETS;
    let said = format!(
        "login failed: password={password} token: {token} at postgres://app:{userinfo}@db:5432/x {access}"
    );
    let directory = tempfile::tempdir().unwrap();
    let source = read(&format!("{DUMPS}/a-full-node/objects.json"));
    let mut list: Value = serde_json::from_str(&source).unwrap();
    for item in list["items"].as_array_mut().unwrap() {
        if item["kind"] == "Event" {
            item["message"] = json!(format!("{} {said}", item["message"].as_str().unwrap()));
        }
        for pointer in ["/status/conditions", "/status/containerStatuses"] {
            for entry in item
                .pointer_mut(pointer)
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                entry["message"] = json!(said);
                if entry.get("state").is_some() {
                    entry["state"]["waiting"]["message"] = json!(format!("\u{1b}[31m{said}"));
                }
            }
        }
    }
    fs::write(directory.path().join("objects.json"), list.to_string()).unwrap();
    let pod = directory.path().join("powerdns/powerdns-zone-bootstrap-kx2bq");
    fs::create_dir_all(&pod).unwrap();
    let log = format!(
        "{said}\n-----BEGIN RSA PRIVATE KEY-----\n{key}\n-----END RSA PRIVATE KEY-----\n\u{1b}]0;owned\u{7}curl: (7) Failed to connect to powerdns port 8081: {said}\n"
    );
    fs::write(pod.join("bootstrap.log"), log).unwrap();
    let path = directory.path().display().to_string();
    for more in [&["-f", "json"][..], &["--verbose"], &[]] {
        let ran = from(&path, more);
        for secret in SECRETS {
            assert!(
                !ran.out.contains(secret) && !ran.err.contains(secret),
                "{secret} leaves with {more:?}:\n{}",
                ran.out
            );
        }
        assert!(!ran.out.contains('\u{1b}'), "{more:?}");
        assert!(ran.out.contains("[redacted]"), "{more:?}: {}", ran.out);
    }
}

#[test]
fn the_plugin_of_kubectl_names_itself() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("kubectl-hookbudget");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_hookbudget"), &link).unwrap();
    let output = std::process::Command::new(&link)
        .args(["diagnose", "--help"])
        .output()
        .unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.contains("Usage: kubectl hookbudget diagnose"), "{help}");
    assert!(help.contains("kubectl get jobs,cronjobs,pods,events"), "{help}");
}
