//! The exporter is killed at the worst moment of each of several failures, and stays away while they end: nothing that
//! it had captured is lost. What nobody saw is said to be lost, and what is missing is named.

use serde_json::json;

use crate::admission::{api, service};
use crate::diagnoses::kept;
use crate::dumps::all_agree;
use crate::kit::{
    Namespace, exporter, fetched, hook, kubectl, owner_value, root_cause, series, until, until_told, value,
};
use crate::process::Deployment;
use crate::scenarios::{SLEEPS, evict, preempt, scarce, with_a_sidecar};

/// A Job, what is done to it from outside, the text that its `JobDiagnosis` holds once what matters is captured, and
/// its cause.
struct Case {
    name: &'static str,
    manifest: String,
    done_to_it: Option<fn(&Namespace, &str)>,
    mark: &'static str,
    cause: &'static str,
}

fn cases(namespace: &Namespace) -> Vec<Case> {
    let case = |name, spec, container, mark, cause| Case {
        name,
        manifest: hook(name, spec, container),
        done_to_it: None,
        mark,
        cause,
    };
    let oom =
        "image: busybox:1\ncommand: [sh, -c, 'sleep 2; tail /dev/zero']\nresources: {limits: {memory: 32Mi}}";
    let fetches = "image: curlimages/curl:8.11.1\ncommand: [sh, -c]\nargs:\n- |\n  set -eu\n  sleep 1\n  \
                   curl -fsSLo /tmp/mc https://downloads.example.com/linux-amd64/mc\n  chmod +x /tmp/mc";
    let settings = "image: busybox:1\ncommand: ['true']\nenvFrom: [{configMapRef: {name: settings}}]";
    let calls = "image: curlimages/curl:8.11.1\ncommand: [sh, -c]\nargs:\n- |\n  set -eu\n  \
                 curl -sS --max-time 3 http://powerdns:8081/api/v1/servers";
    let short = "OnFailure\nactiveDeadlineSeconds: 25";
    let done = "image: busybox:1\ncommand: ['true']";
    let mut cases = vec![
        case(
            "oom",
            "OnFailure\nbackoffLimit: 2",
            oom,
            "OOMKilled",
            "oom_killed",
        ),
        case(
            "download",
            "OnFailure\nbackoffLimit: 2",
            fetches,
            "curl: (7)",
            "runtime_download_failed",
        ),
        case(
            "config",
            short,
            settings,
            "CreateContainerConfigError",
            "config_missing",
        ),
        case(
            "pull",
            short,
            "image: registry.invalid/mint:1",
            "no such host",
            "image_pull_network",
        ),
        case(
            "service",
            "OnFailure\nbackoffLimit: 2",
            calls,
            "dependency_no_endpoints",
            "dependency_no_endpoints",
        ),
        case(
            "init",
            "OnFailure\nbackoffLimit: 2",
            done,
            "no schema",
            "app_error",
        ),
        Case {
            done_to_it: Some(evict),
            ..case(
                "drained",
                "Never\nbackoffLimit: 0",
                SLEEPS,
                "EvictionByEvictionAPI",
                "node_drain",
            )
        },
        Case {
            done_to_it: Some(preempt),
            ..case(
                "preempted",
                "Never\nbackoffLimit: 0",
                &scarce(namespace),
                "PreemptionByScheduler",
                "preempted",
            )
        },
        Case {
            manifest: with_a_sidecar("sidecar", "Never\nactiveDeadlineSeconds: 40"),
            ..case("sidecar", "Never", done, "Completed", "sidecar_not_terminated")
        },
    ];
    let alias =
        "      hostAliases: [{ip: 127.0.0.1, hostnames: [downloads.example.com]}]\n      containers:\n";
    let init = "      initContainers:\n      - {name: prepare, image: 'busybox:1', command: [sh, -c, 'sleep 1; echo no schema; exit 3']}\n      containers:\n";
    for case in &mut cases {
        let more = match case.name {
            "download" => alias,
            "init" => init,
            _ => continue,
        };
        case.manifest = case.manifest.replace("      containers:\n", more);
    }
    cases
}

fn is_captured(namespace: &Namespace, case: &Case) {
    until_told(30, &format!("{} to be captured", case.name), || {
        let object = kept(namespace, case.name, &[]).to_string();
        if object.contains(case.mark) {
            Ok(())
        } else {
            Err(object)
        }
    });
}

/// Brings the exporter back, whatever happens.
struct Away(Deployment);

impl Drop for Away {
    fn drop(&mut self) {
        self.0.scale(1);
    }
}

#[test]
#[ignore = "takes the exporter away from the other tests: see tests/cluster/run"]
fn what_was_captured_is_kept_and_what_was_missed_is_named() {
    let (namespace, unseen) = (Namespace::new("killed", "off"), Namespace::new("unseen", "off"));
    let annotated = "metadata: {annotations: {hookbudget.dev/cold-start: 1s}, ";
    namespace.must_create(&service("powerdns", 8081).replacen("metadata: {", annotated, 1));
    let waits = "image: busybox:1\ncommand: [sh, -c]\nargs:\n- |\n  for i in $(seq 1 600); do\n    \
                 echo \"waiting for gitea api ($i/600)\"\n    sleep 1\n  done\n  exit 1";
    namespace.must_create(&hook("waits", "Never\nbackoffLimit: 0", waits));
    let cases = cases(&namespace);
    for case in &cases {
        namespace.must_create(&case.manifest);
    }
    for case in &cases {
        if let Some(act) = case.done_to_it {
            act(&namespace, case.name);
        }
    }
    for case in &cases {
        is_captured(&namespace, case);
    }
    let attempts = || value(&namespace, "waits", "hookbudget_job_wait_attempts", &[]);
    let before = until(30, "the attempts of a Job that waits", || {
        attempts().filter(|attempts| *attempts >= 2.0)
    });

    let away = Away(Deployment::installed());
    away.0.kill();
    away.0.scale(0);
    for case in &cases {
        let failed = namespace.job(case.name)["status"]["conditions"]
            .to_string()
            .contains("Failed");
        println!(
            "{} killed {} it failed",
            case.name,
            if failed { "after" } else { "before" }
        );
    }
    until(30, "the exporter to be away", || {
        away.0.pods().is_empty().then_some(())
    });
    let cron = backup(&unseen, "backup-1");
    for case in &cases {
        namespace.condition(case.name, "Failed", 120);
    }
    unseen.condition("backup-1", "Failed", 60);
    // Nobody can read any of it again: the Pods go with their Jobs' failures, the events by hand. What was missing is
    // mended, so that a look now would find nothing wrong.
    until(60, "the Pods to be gone", || {
        let left = |namespace: &Namespace| {
            let printed = kubectl(&["-n", &namespace.0, "get", "pods", "-o", "name"], "");
            printed
                .stdout
                .lines()
                .filter(|pod| !pod.contains("waits") && !pod.contains("urgent"))
                .count()
        };
        (left(&namespace) + left(&unseen) == 0).then_some(())
    });
    kubectl(&["-n", &namespace.0, "delete", "events", "--all"], "");
    namespace.must_create(&api("powerdns", 8081));
    until(60, "the Service to have an endpoint", || {
        let ready = namespace.get("deployment", "powerdns")?["status"]["readyReplicas"].as_u64()?;
        (ready == 1).then_some(())
    });

    drop(away);
    Deployment::installed().is_ready();
    for case in &cases {
        root_cause(&namespace, case.name, case.cause);
        let object = kept(&namespace, case.name, &[("root_cause", case.cause)]);
        assert!(object.to_string().contains(case.mark), "{object:#}");
        all_agree(&namespace, case.name, case.cause);
        let page = fetched(&format!("{}/?job={}/{}", exporter(), namespace.0, case.name)).stdout;
        assert!(page.contains(case.cause), "{page}");
    }
    until(60, "the Job that waits to be seen going on", || {
        let limit = value(&namespace, "waits", "hookbudget_job_wait_attempts_limit", &[]);
        (attempts()? > before && limit == Some(600.0)).then_some(())
    });
    what_nobody_saw_is_named(&unseen);
    a_later_success_clears_it(&unseen, &cron);
}

/// A `CronJob`, and a run of it that fails without a trace.
fn backup(namespace: &Namespace, run: &str) -> String {
    let cron = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "backup"},
        "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {
            "backoffLimit": 1, "template": {"spec": {"restartPolicy": "OnFailure", "containers": [{
                "name": "main", "image": "busybox:1", "command": ["sh", "-c", "sleep 1; test -e /marker/good"],
                "volumeMounts": [{"name": "marker", "mountPath": "/marker"}],
            }], "volumes": [{"name": "marker", "configMap": {"name": "marker", "optional": true}}]}},
        }}},
    });
    namespace.must_create(&cron.to_string());
    let from = "--from=cronjob/backup".to_owned();
    kubectl(&["-n", &namespace.0, "create", "job", run, &from], "");
    from
}

fn what_nobody_saw_is_named(namespace: &Namespace) {
    let cause = root_cause(namespace, "backup-1", "evidence_lost");
    let labels = ["owner_kind", "owner_name", "trigger"].map(|key| cause.label(key));
    assert_eq!(labels, ["CronJob", "backup", "BackoffLimitExceeded"]);
    let answer = all_agree(namespace, "backup-1", "evidence_lost");
    let lost: Vec<&str> = answer["evidence_lost"]
        .as_array()
        .expect("what is missing")
        .iter()
        .filter_map(|lost| lost["what"].as_str())
        .collect();
    for what in [
        "the logs of all runs",
        "the end of every run: exit code and reason",
        "the Pods",
    ] {
        assert!(lost.contains(&what), "{what}: {answer:#}");
    }
    let candidates = answer["candidates"].as_array().expect("candidates");
    assert!(
        candidates.contains(&json!("oom_killed")) && candidates.contains(&json!("app_error")),
        "{answer:#}"
    );
    let page = fetched(&format!("{}/?job={}/backup-1", exporter(), namespace.0)).stdout;
    assert!(
        page.contains("evidence_lost") && page.contains("the end of every run"),
        "{page}"
    );
}

fn a_later_success_clears_it(namespace: &Namespace, from: &str) {
    let failures = || owner_value(namespace, "hookbudget_owner_consecutive_failures");
    until(30, "the owner's failure", || {
        (failures() == Some(1.0)).then_some(())
    });
    let marker = ["create", "configmap", "marker", "--from-literal=good=yes"];
    kubectl(&[&["-n", &namespace.0], &marker[..]].concat(), "");
    kubectl(&["-n", &namespace.0, "create", "job", "backup-2", from], "");
    namespace.condition("backup-2", "Complete", 60);
    until_told(30, "the owner's success", || {
        let successes = owner_value(namespace, "hookbudget_owner_consecutive_successes");
        if failures() == Some(0.0) && successes == Some(1.0) {
            Ok(())
        } else {
            Err(format!("{:?} {successes:?}", failures()))
        }
    });
    let caused = |s: &crate::kit::Sample| s.name == "hookbudget_job_root_cause";
    assert!(!series(namespace, "backup-2").iter().any(caused));
}
