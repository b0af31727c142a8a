//! Incident B: `catalyst-gitea-token-mint`, a wait inside a Helm timeout, and a Gitea that takes fourteen minutes.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;

use super::clock::{epoch_in, scaled, span};
use super::scene::{Incident, Kind, Scene, Side};
use super::{Stage, side_by_side};
use crate::admission::{api, service};
use crate::dumps::diagnose;
use crate::kit::{Namespace, Printed, incident, kubectl, run, until};

const JOB: &str = "catalyst-gitea-token-mint";
const FIXTURE: &str = "b-gitea-token.yaml";
/// How long Gitea takes from an empty worker pool, at full length.
const COLD_START: u32 = 840;

pub(super) fn play(stage: &Stage) -> Incident {
    let scenes = side_by_side(stage, [five_minutes, fourteen_minutes, with_hookbudget]);
    Incident {
        letter: 'B',
        title: "Five minutes against fourteen",
        story: "A pre-install hook mints a token in Gitea. On a cluster whose workers start from zero, Gitea takes 14 minutes; the \
                hook waits for it inside the timeout of a Helm release.",
        before: format!("60 x 5 s: {}. 168 x 5 s: {}.", scenes[0].ended, scenes[1].ended),
        after: scenes[2].ended.clone(),
        said: "of 168 x 5 s: no error, and HB104, with probes that hang it is 1344 s beyond the release's 900 s, and HB204, the loop \
               goes on with the next step when it has run out; all the while try, share of the budget and seconds left on \
               /metrics"
            .to_owned(),
        scenes: scenes.into(),
    }
}

/// Gitea, which answers from a moment on.
fn gitea(namespace: &Namespace) {
    let at = epoch_in(scaled(COLD_START));
    let command = "        command: [cluster-api, '3000']\n";
    let late = format!(
        "        command: [sh, -c, 'until [ \"$(date +%s)\" -ge {at} ]; do sleep 0.2; done; exec cluster-api 3000']\n"
    );
    let deployment = api("gitea-http", 3000);
    assert!(deployment.contains(command));
    namespace.must_create(&service("gitea-http", 3000));
    namespace.must_create(&deployment.replace(command, &late));
}

/// The hook as its chart has it, with so many tries.
fn hook(namespace: &Namespace, gitea: &Namespace, tries: u32) -> String {
    let text = incident(FIXTURE, "catalyst-system", namespace);
    let (_, hook) = text.split_once("\n---\n").expect("two documents");
    hook.replace("ITERATIONS=168", &format!("ITERATIONS={tries}"))
        .replace("INTERVAL=5", &format!("INTERVAL={}", scaled(5)))
        .replace("gitea-http.gitea.svc", &format!("gitea-http.{}.svc", gitea.0))
        .replace("      serviceAccountName: catalyst-gitea-token-mint\n", "")
}

fn chart(hook: &str) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |path: &Path, text: &str| fs::write(path, text).expect("written");
    let templates = directory.path().join("templates");
    fs::create_dir(&templates).expect("made");
    write(
        &directory.path().join("Chart.yaml"),
        "apiVersion: v2\nname: bp-catalyst-platform\nversion: 1.0.0\n",
    );
    write(&templates.join("hook.yaml"), hook);
    // What the release is for; the hook comes before it.
    let settings = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: platform}\ndata: {ready: 'yes'}\n";
    write(&templates.join("platform.yaml"), settings);
    directory
}

fn helm_install(namespace: &Namespace, chart: &TempDir, timeout: u64) -> (Printed, Duration) {
    let begun = Instant::now();
    let path = chart.path().to_str().expect("UTF-8");
    let timeout = format!("{timeout}s");
    let arguments = [
        "install",
        "platform",
        path,
        "-n",
        &namespace.0,
        "--timeout",
        &timeout,
    ];
    (run("helm", &arguments, ""), begun.elapsed())
}

fn release_status(namespace: &Namespace) -> String {
    let printed = run(
        "helm",
        &["status", "platform", "-n", &namespace.0, "-o", "json"],
        "",
    );
    let status: Value = serde_json::from_str(&printed.stdout).unwrap_or_default();
    status["info"]["status"].as_str().unwrap_or("unknown").to_owned()
}

/// The lanes and the exporter's words.
fn drawn(stage: &Stage, scene: &mut Scene, namespace: &Namespace, gitea: &Namespace) {
    scene.dependency("Gitea", stage.watch.ready(&gitea.0, "gitea-http"));
    let runs = scene.runs(&stage.watch, "hook", &namespace.0, JOB);
    scene.number("runs of containers", runs.len().to_string());
    scene.exporter(&stage.poll, &namespace.0, JOB);
    if let Some(done) = stage.watch.condition(&namespace.0, JOB, "SuccessCriteriaMet") {
        let at = scene.at(done);
        scene.mark(at, Kind::Success, "token minted");
    }
}

#[allow(clippy::cast_precision_loss)] // minutes
fn five_minutes(stage: &Stage) -> Scene {
    let mut scene = Scene::new(
        Side::Before,
        "60 x 5 s inside Helm's five minutes",
        "The first form: the loop is hard coded to 300 s, and so is, where nobody says otherwise, `helm install --timeout`. The \
         webhook is off in the namespace; the exporter watches.",
    );
    let (namespace, gitea_in) = (
        Namespace::new("b-five", "off"),
        Namespace::new("b-five-gitea", "off"),
    );
    scene.begun = Timestamp::now();
    gitea(&gitea_in);
    let chart = chart(&hook(&namespace, &gitea_in, 60));
    let timeout = scaled(300);
    let (printed, took) = helm_install(&namespace, &chart, timeout);
    let gave_up = scene.now();
    assert!(!printed.ok, "{}", printed.stdout);
    assert!(
        took.as_secs() >= timeout && took.as_secs() <= timeout + 10,
        "{took:?}"
    );
    let mut lines = printed.stderr.lines().rev();
    let why = lines
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default()
        .trim_matches([' ', '*'])
        .to_owned();
    assert!(
        why.contains("timed out") || why.contains("deadline exceeded"),
        "{why}"
    );
    scene.mark(gave_up, Kind::Death, "helm gives up");
    scene.say("helm", why);
    assert_eq!(release_status(&namespace), "failed");
    // Nobody waits any more, and the Job does not know.
    let job = namespace.job(JOB);
    assert_eq!(job["status"]["active"], 1, "{job:#}");
    let answer = diagnose(&[&format!("job/{JOB}"), "-n", &namespace.0])[0].clone();
    scene.say(
        "diagnose",
        format!(
            "{} (retry: {})",
            answer["summary"].as_str().unwrap_or_default(),
            answer["retry_advice"].as_str().unwrap_or_default()
        ),
    );
    let (_, seconds) = namespace.condition(JOB, "Complete", scaled(COLD_START) + 60);
    assert_eq!(release_status(&namespace), "failed");
    scene.number("Helm gave up after", span(took.as_secs_f64()));
    scene.number("the Job was complete after", span(seconds));
    scene.number("the release's status at the end", release_status(&namespace));
    drawn(stage, &mut scene, &namespace, &gitea_in);
    let alone = seconds - timeout as f64;
    scene.end(format!(
        "Helm gave up after {}; the Job went on alone for {}, its loop begun anew by each restart, and the release stays failed \
         although the token is there",
        span(took.as_secs_f64()),
        span(alone)
    ))
}

fn fourteen_minutes(stage: &Stage) -> Scene {
    let mut scene = Scene::new(
        Side::Before,
        "168 x 5 s inside fifteen minutes",
        "The second form, with `helm install --timeout 15m`. It passes the check, which warns of its worst case: each probe may hang \
         for 3 s. Here every probe is refused at once.",
    );
    // The check sees the clocks of the incident, whatever the play's are.
    let file = format!(
        "{}/tests/fixtures/incidents/{FIXTURE}",
        env!("CARGO_MANIFEST_DIR")
    );
    let linted = run(
        env!("CARGO_BIN_EXE_hookbudget"),
        &["lint", "--format", "json", &file],
        "",
    );
    let report: Value = serde_json::from_str(&linted.stdout).expect("a report");
    assert_eq!(report["summary"]["errors"], 0, "{report:#}");
    let worst = report["findings"]
        .as_array()
        .and_then(|all| all.iter().find(|one| one["code"] == "HB104"))
        .expect("HB104");
    let message = worst["message"].as_str().unwrap_or_default().to_owned();
    assert!(worst.to_string().contains("1344"), "{worst}");
    let warned = Namespace::new("b-warn", "warn");
    let text = incident(FIXTURE, "catalyst-system", &warned);
    let (release, job) = text.split_once("\n---\n").expect("two documents");
    warned.must_create(release);
    let printed = until(30, "the webhook to know the HelmRelease", || {
        let printed = warned.create_args(&["--dry-run=server"], job);
        ["HB104", "1344", "HB204"]
            .iter()
            .all(|part| printed.stderr.contains(part))
            .then_some(printed)
    });

    let (namespace, gitea_in) = (
        Namespace::new("b-fourteen", "off"),
        Namespace::new("b-fourteen-gitea", "off"),
    );
    scene.begun = Timestamp::now();
    scene.say("lint", format!("no error; HB104: {message}"));
    scene.answered(&printed);
    gitea(&gitea_in);
    let chart = chart(&hook(&namespace, &gitea_in, 168));
    let (printed, took) = helm_install(&namespace, &chart, scaled(900));
    assert!(printed.ok, "{}{}", printed.stdout, printed.stderr);
    scene.number("`helm install` took", span(took.as_secs_f64()));
    #[allow(clippy::cast_precision_loss)] // minutes
    let left = scaled(900) as f64 - took.as_secs_f64();
    scene.number("left of the release's timeout", span(left));
    drawn(stage, &mut scene, &namespace, &gitea_in);
    scene.end(format!(
        "minted after {}, {} before the release's timeout, because each probe was refused at once; had they hung, the loop alone could \
         take 1344 s",
        span(took.as_secs_f64()),
        span(left)
    ))
}

#[allow(clippy::cast_precision_loss)] // minutes
fn with_hookbudget(stage: &Stage) -> Scene {
    let mut scene = Scene::new(
        Side::After,
        "fourteen minutes inside fifteen, with hookbudget",
        "The loop is gone: `hookbudget.dev/wait-for` names what the hook waits for, `release-timeout` and `cold-start` say its \
         clocks, and the webhook writes the wait and its budget, in mode `enforce`. `restartPolicy: Never`, `backoffLimit: 0`; the \
         policy's slack is 20 s, because one minute is all that 14 minutes inside 15 leave.",
    );
    let (namespace, gitea_in) = (
        Namespace::new("b-after", "enforce"),
        Namespace::new("b-after-gitea", "off"),
    );
    scene.begun = Timestamp::now();
    gitea(&gitea_in);
    let url = format!("http://gitea-http.{}.svc.cluster.local:3000", gitea_in.0);
    let (timeout, cold_start) = (scaled(900), scaled(COLD_START));
    let hook = format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {JOB}\n  annotations:\n    helm.sh/hook: pre-install,pre-upgrade\n    \
         helm.sh/hook-weight: \"10\"\n    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded\n    \
         hookbudget.dev/release-timeout: {timeout}s\n    hookbudget.dev/cold-start: {cold_start}s\n    \
         hookbudget.dev/rewrite: none\n    hookbudget.dev/wait-for: {url}/api/v1/version\nspec:\n  backoffLimit: 0\n  template:\n    \
         spec:\n      restartPolicy: Never\n      terminationGracePeriodSeconds: 1\n      containers:\n      - name: mint\n        \
         image: curlimages/curl:8.11.1\n        command: [sh, -c]\n        args:\n        - |\n          set -eu\n          \
         token=$(curl -sSf --max-time 30 -X POST {url}/api/v1/users/admin/tokens | sed 's/.*\"sha1\":\"//; s/\".*//')\n          \
         test -n \"$token\"\n          echo \"the token is minted\"\n"
    );
    let chart = chart(&hook);
    let (printed, took) = helm_install(&namespace, &chart, timeout);
    assert!(printed.ok, "{}{}", printed.stdout, printed.stderr);
    assert!(
        took.as_secs() >= cold_start - 5 && took.as_secs() < timeout,
        "{took:?}"
    );
    scene.number("`helm install` took", span(took.as_secs_f64()));
    scene.number(
        "left of the release's timeout",
        span(timeout as f64 - took.as_secs_f64()),
    );
    scene.number("the release's status at the end", release_status(&namespace));
    let logs = run("kubectl", &["-n", &namespace.0, "get", "jobs", "-o", "name"], "");
    assert!(logs.stdout.is_empty(), "hook-succeeded: {}", logs.stdout);
    let looks = scene.progress(&stage.poll, &namespace.0, JOB, 4);
    assert!(
        looks >= usize::try_from(timeout / 3).expect("minutes"),
        "{looks} looks"
    );
    scene.number("looks at /metrics while it waited", looks.to_string());
    drawn(stage, &mut scene, &namespace, &gitea_in);
    let runs = stage.watch.runs(&namespace.0, JOB);
    let exits: Vec<_> = runs
        .iter()
        .map(|run| (run.container.as_str(), run.exit))
        .collect();
    assert_eq!(
        exits,
        [("hookbudget-wait", Some(0)), ("mint", Some(0))],
        "{runs:#?}"
    );
    let ready = stage
        .watch
        .ready(&gitea_in.0, "gitea-http")
        .expect("it was ready");
    let minted = runs.last().and_then(|run| run.end).expect("an end");
    scene.number(
        "from Gitea ready to the token minted",
        span(scene.at(minted) - scene.at(ready)),
    );
    scene.mark(timeout as f64, Kind::Clock, "release timeout");
    // Named is enough; what is not there is not looked for.
    kubectl(&["-n", &namespace.0, "get", "configmap", "platform"], "");
    scene.end(format!(
        "one wait, minted after {}, {} before the release's timeout; the release is deployed",
        span(took.as_secs_f64()),
        span(timeout as f64 - took.as_secs_f64())
    ))
}
