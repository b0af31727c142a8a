//! What people do with the objects that the webhook judges and rewrites: `kubectl apply` again and again, edits,
//! and `helm install` of a chart with a hook.

use std::time::{Duration, Instant};

use crate::kit::{Namespace, Printed, kubectl, run};

/// A `CronJob` whose environment, restart policy and retries the webhook rewrites.
const CRON_JOB: &str = "apiVersion: batch/v1
kind: CronJob
metadata:
  name: mirror
  annotations: {hookbudget.dev/rewrite: all, hookbudget.dev/wait-for: 'http://gitea:3000/'}
spec:
  schedule: '0 2 * * *'
  jobTemplate:
    spec:
      backoffLimit: 6
      activeDeadlineSeconds: 840
      template:
        spec:
          restartPolicy: OnFailure
          containers:
          - name: main
            image: curlimages/curl:8.11.1
            env: [{name: KEPT, value: 'yes'}]
            command: [sh, -c, 'curl -sSf --max-time 3 http://gitea:3000/']
";

fn with(namespace: &Namespace, arguments: &[&str], manifest: &str) -> Printed {
    run("kubectl", &[&["-n", &namespace.0], arguments].concat(), manifest)
}

fn applied_twice_without_drift(name: &str, flags: &[&str]) {
    let namespace = Namespace::new(name, "warn");
    let apply = |manifest: &str| {
        let printed = with(&namespace, &[&["apply", "-f", "-"], flags].concat(), manifest);
        assert!(printed.ok, "{}{}", printed.stdout, printed.stderr);
        namespace.get("cronjob", "mirror").expect("the CronJob")
    };
    let first = apply(CRON_JOB);
    let pod = &first["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    assert_eq!(pod["restartPolicy"], "Never", "it was rewritten: {pod:#}");
    assert!(
        pod["containers"][0]["env"]
            .as_array()
            .is_some_and(|env| env.len() > 1),
        "{pod:#}"
    );
    assert_eq!(pod["initContainers"][0]["name"], "hookbudget-wait", "{pod:#}");
    let second = apply(CRON_JOB);
    assert_eq!(second["spec"], first["spec"], "the second time changes nothing");
    assert_eq!(
        second["metadata"]["generation"], 1,
        "so that no controller has anything to do"
    );
    // A comparison through the webhook, as Flux makes it, shows nothing.
    let compared = with(&namespace, &[&["diff", "-f", "-"], flags].concat(), CRON_JOB);
    assert!(compared.ok, "{}{}", compared.stdout, compared.stderr);
    // What its owner changes is changed, and what the webhook wrote follows.
    let later = apply(&CRON_JOB.replace("'0 2 * * *'", "'0 3 * * *'"));
    assert_eq!(later["spec"]["schedule"], "0 3 * * *");
    assert_eq!(later["spec"]["jobTemplate"], first["spec"]["jobTemplate"]);
    // A field that its owner gives up is gone, beside what the webhook wrote.
    let without = apply(&CRON_JOB.replace("            env: [{name: KEPT, value: 'yes'}]\n", ""));
    let env = &without["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["env"];
    let names: Vec<_> = env
        .as_array()
        .into_iter()
        .flatten()
        .map(|entry| &entry["name"])
        .collect();
    assert!(
        !names.is_empty() && names.iter().all(|name| *name != "KEPT"),
        "{names:?}"
    );
}

#[test]
fn a_rewritten_cron_job_is_applied_twice_client_side() {
    applied_twice_without_drift("apply-client", &[]);
}

#[test]
fn a_rewritten_cron_job_is_applied_twice_server_side() {
    applied_twice_without_drift("apply-server", &["--server-side"]);
}

/// A `CronJob` that was fine is denied when an edit makes it unsafe, and stays as it was.
#[test]
fn a_cron_job_is_denied_on_update() {
    let namespace = Namespace::new("cron-update", "enforce");
    let safe = "apiVersion: batch/v1
kind: CronJob
metadata: {name: mirror}
spec:
  schedule: '0 2 * * *'
  jobTemplate:
    spec:
      backoffLimit: 0
      activeDeadlineSeconds: 1800
      template:
        spec:
          restartPolicy: Never
          containers:
          - name: main
            image: curlimages/curl:8.11.1
            command: [sh, -c, 'for i in $(seq 1 168); do curl -sSf --max-time 3 http://gitea:3000/ && exit 0; sleep 5; done; exit 1']
";
    let apply = |manifest: &str| with(&namespace, &["apply", "-f", "-"], manifest);
    let created = apply(safe);
    assert!(created.ok, "{}", created.stderr);
    let denied = apply(&safe.replace("activeDeadlineSeconds: 1800", "activeDeadlineSeconds: 600"));
    assert!(!denied.ok, "{}", denied.stdout);
    for part in ["HB102", "600 s", "mirror"] {
        assert!(
            denied.stderr.contains(part),
            "{part} is not in the denial: {}",
            denied.stderr
        );
    }
    let kept = namespace.get("cronjob", "mirror").expect("the CronJob");
    assert_eq!(kept["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"], 1800);
    // What has nothing to do with its budget can still be changed.
    let paused = with(
        &namespace,
        &[
            "patch",
            "cronjob",
            "mirror",
            "-p",
            r#"{"spec": {"suspend": true}}"#,
        ],
        "",
    );
    assert!(paused.ok, "{}", paused.stderr);
}

/// A chart of one API and one hook that calls it.
fn chart(name: &str, annotations: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let templates = directory.path().join("templates");
    std::fs::create_dir(&templates).expect("made");
    let write = |path: &std::path::Path, text: &str| std::fs::write(path, text).expect("written");
    write(
        &directory.path().join("Chart.yaml"),
        &format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\n"),
    );
    let api = format!(
        "{}---\n{}",
        crate::admission::service("zones-api", 8081),
        crate::admission::api("zones-api", 8081)
    );
    write(&templates.join("api.yaml"), &api);
    let hook = format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {{{{ .Release.Name }}}}-zones\n  annotations:\n    \
         helm.sh/hook: post-install\n    helm.sh/hook-delete-policy: before-hook-creation\n    \
         hookbudget.dev/release-timeout: 15m\n{annotations}spec:\n  backoffLimit: 6\n  activeDeadlineSeconds: 840\n  \
         template:\n    spec:\n      restartPolicy: OnFailure\n      containers:\n      - name: zones\n        \
         image: curlimages/curl:8.11.1\n        \
         command: [sh, -c, 'curl -sSf --max-time 5 -X POST http://zones-api:8081/zones']\n"
    );
    write(&templates.join("hook.yaml"), &hook);
    directory
}

fn helm_install(namespace: &Namespace, chart: &tempfile::TempDir) -> (Printed, Duration) {
    let begun = Instant::now();
    let path = chart.path().to_str().expect("UTF-8");
    let arguments = ["install", "zones", path, "-n", &namespace.0, "--timeout", "15m"];
    (run("helm", &arguments, ""), begun.elapsed())
}

/// The release fails in seconds instead of a quarter of an hour, and Helm shows why.
#[test]
fn helm_shows_the_denial_of_an_unsafe_hook_at_once() {
    let namespace = Namespace::new("helm-unsafe", "enforce");
    let (printed, took) = helm_install(&namespace, &chart("unsafe", ""));
    assert!(!printed.ok, "{}", printed.stdout);
    for part in ["HB101", "310 s", "840 s", "zones-zones", "Fix: "] {
        assert!(
            printed.stderr.contains(part),
            "{part} is not in what Helm shows: {}",
            printed.stderr
        );
    }
    println!(
        "helm install was denied after {:.1} s:\n{}",
        took.as_secs_f64(),
        printed.stderr
    );
    assert!(took < Duration::from_secs(30), "{took:?}");
    assert!(namespace.get("job", "zones-zones").is_none());
    let state = kubectl(
        &[
            "-n",
            &namespace.0,
            "get",
            "secrets",
            "-l",
            "owner=helm",
            "-L",
            "status",
        ],
        "",
    )
    .stdout;
    assert!(state.contains("failed"), "{state}");
}

/// The same hook with two annotations: rewritten to wait, and the release succeeds.
#[test]
fn helm_installs_a_chart_whose_hook_is_rewritten() {
    let namespace = Namespace::new("helm-rewritten", "enforce");
    let annotations =
        "    hookbudget.dev/rewrite: all\n    hookbudget.dev/wait-for: http://zones-api:8081/\n";
    let (printed, took) = helm_install(&namespace, &chart("rewritten", annotations));
    assert!(printed.ok, "{}{}", printed.stdout, printed.stderr);
    assert!(printed.stdout.contains("STATUS: deployed"), "{}", printed.stdout);
    println!(
        "helm install of the rewritten hook took {:.1} s",
        took.as_secs_f64()
    );
    let job = namespace.job("zones-zones");
    let pod = &job["spec"]["template"]["spec"];
    assert_eq!(pod["restartPolicy"], "Never");
    assert_eq!(pod["initContainers"][0]["name"], "hookbudget-wait");
    assert!(
        job["metadata"]["annotations"]["hookbudget.dev/rewritten"]
            .as_str()
            .is_some_and(|t| t.contains("HB101"))
    );
}
