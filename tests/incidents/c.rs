//! Incident C: `tf-state-backup`, a nightly Job that downloads its tools into too little memory.

use super::clock::span;
use super::scene::{Incident, Kind, Lane, Phase, Scene, Side, Stretch};
use super::{Stage, side_by_side};
use crate::admission::service;
use crate::diagnoses::kept;
use crate::kit::{Namespace, kubectl, owner_value, root_cause, run, until};

const CRON_JOB: &str = "tf-state-backup";
/// What the tools weigh, in MB, and what they weighed on the bad night.
const TOOLS: (u32, u32) = (25, 49);
const BAD_TOOL: u32 = 120;
/// The night on which the server does not answer.
const AWAY: &str = "29568000";

pub(super) fn play(stage: &Stage) -> Incident {
    let scenes = side_by_side(stage, [as_it_was, as_proposed]);
    Incident {
        letter: 'C',
        title: "Now and then, and the evidence is gone",
        story: "A nightly backup downloads its tools before it works. Some nights it dies, with `BackoffLimitExceeded` and nothing \
                else: under `restartPolicy: OnFailure` the Pod and its logs go with the Job.",
        before: scenes[0].ended.clone(),
        after: scenes[1].ended.clone(),
        said: "of one night oom_killed, of the other runtime_download_failed, both caught while the Pods were there; HookJobFailed \
               held until the next success; HB301, HB401 and HB402 of the CronJob"
            .to_owned(),
        scenes: scenes.into(),
    }
}

/// The server that the tools come from, outside the cluster as far as the Job can see. A write to the Service's
/// Deployment changes what it serves.
struct Downloads<'n> {
    namespace: &'n Namespace,
    address: String,
}

impl<'n> Downloads<'n> {
    fn new(namespace: &'n Namespace) -> Self {
        namespace.must_create(&service("downloads", 80));
        let path = "jsonpath={.spec.clusterIP}";
        let address = kubectl(
            &["-n", &namespace.0, "get", "service", "downloads", "-o", path],
            "",
        )
        .stdout;
        let downloads = Self { namespace, address };
        downloads.serves(TOOLS.0);
        downloads
    }

    /// With an `mc` of so many MB.
    fn serves(&self, megabytes: u32) {
        let manifest = format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: downloads}}\nspec:\n  replicas: 1\n  strategy: {{type: Recreate}}\n  \
             selector: {{matchLabels: {{app: downloads}}}}\n  template:\n    metadata: {{labels: {{app: downloads}}}}\n    spec:\n      \
             terminationGracePeriodSeconds: 0\n      containers:\n      - name: httpd\n        image: busybox:1\n        command: [sh, -c]\n        \
             args:\n        - |\n          mkdir /www\n          dd if=/dev/zero of=/www/mc bs=1M count={megabytes}\n          \
             dd if=/dev/zero of=/www/kubectl bs=1M count={}\n          exec httpd -f -p 80 -h /www\n        \
             readinessProbe: {{tcpSocket: {{port: 80}}, periodSeconds: 1}}\n",
            TOOLS.1
        );
        kubectl(&["-n", &self.namespace.0, "apply", "-f", "-"], &manifest);
        let rollout = ["rollout", "status", "deployment/downloads", "--timeout=120s"];
        kubectl(&[&["-n", &self.namespace.0], &rollout[..]].concat(), "");
    }

    /// Nobody answers any more.
    fn is_down(&self) {
        let scale = ["scale", "deployment", "downloads", "--replicas=0"];
        kubectl(&[&["-n", &self.namespace.0], &scale[..]].concat(), "");
        let selector = [
            "wait",
            "pod",
            "-l",
            "app=downloads",
            "--for=delete",
            "--timeout=60s",
        ];
        kubectl(&[&["-n", &self.namespace.0], &selector[..]].concat(), "");
    }

    /// The `CronJob` of the incident. Its tools go into memory, as on a root file system that cannot be written.
    fn cron_job(&self) -> String {
        format!(
            "apiVersion: batch/v1\nkind: CronJob\nmetadata:\n  name: {CRON_JOB}\n  namespace: {}\nspec:\n  schedule: \"0 2 * * *\"\n  \
             failedJobsHistoryLimit: 5\n  successfulJobsHistoryLimit: 5\n  jobTemplate:\n    spec:\n      backoffLimit: 2\n      template:\n        spec:\n          \
             restartPolicy: OnFailure\n          hostAliases:\n            - ip: {}\n              hostnames: [downloads.example.com]\n          \
             containers:\n            - name: backup\n              image: curlimages/curl:8.11.1\n              resources:\n                \
             requests:\n                  cpu: 50m\n                  memory: 64Mi\n                limits:\n                  memory: 128Mi\n              \
             volumeMounts:\n                - name: tools\n                  mountPath: /tools\n              command: [/bin/sh, -c]\n              args:\n                \
             - |\n                  set -eu\n                  echo \"fetching the tools\"\n                  \
             curl -fsSLo /tools/mc --connect-timeout 5 http://downloads.example.com/mc\n                  \
             curl -fsSLo /tools/kubectl --connect-timeout 5 http://downloads.example.com/kubectl\n                  \
             echo \"uploading the state\"\n                  sleep 2\n                  echo \"done\"\n          volumes:\n            \
             - name: tools\n              emptyDir:\n                medium: Memory\n",
            self.namespace.0, self.address
        )
    }
}

/// Lets one night come.
fn night(namespace: &Namespace, number: u32) -> String {
    let name = format!("{CRON_JOB}-{number}");
    let from = format!("--from=cronjob/{CRON_JOB}");
    kubectl(&["-n", &namespace.0, "create", "job", &name, &from], "");
    name
}

fn good_night(stage: &Stage, scene: &mut Scene, namespace: &Namespace, number: u32) {
    let job = night(namespace, number);
    namespace.condition(&job, "Complete", 120);
    until(30, "the owner's success", || {
        (owner_value(namespace, "hookbudget_owner_consecutive_failures") == Some(0.0)).then_some(())
    });
    lane(stage, scene, namespace, &job);
}

/// The last nights of a play: the owner's failures are over.
fn three_good_nights(stage: &Stage, scene: &mut Scene, namespace: &Namespace) {
    for number in [29_569_440, 29_570_880, 29_572_320] {
        good_night(stage, scene, namespace, number);
    }
    assert_eq!(
        owner_value(namespace, "hookbudget_owner_consecutive_successes"),
        Some(3.0)
    );
}

/// A night that fails; the last line that could be read of its log afterwards.
fn bad_night(
    stage: &Stage,
    scene: &mut Scene,
    namespace: &Namespace,
    (number, expected): (u32, &str),
    keeps_pods: bool,
) -> String {
    let job = night(namespace, number);
    let (reason, seconds) = namespace.condition(&job, "Failed", 180);
    assert_eq!(reason, "BackoffLimitExceeded");
    let cause = root_cause(namespace, &job, expected);
    assert_eq!(
        (
            cause.label("owner_kind"),
            cause.label("owner_name"),
            cause.label("verdict")
        ),
        ("CronJob", CRON_JOB, "real")
    );
    let object = kept(namespace, &job, &[("root_cause", expected)]);
    scene.say(
        "exporter",
        format!(
            "{job}: {}",
            object["report"]["summary"].as_str().unwrap_or_default()
        ),
    );
    let failed = stage
        .watch
        .condition(&namespace.0, &job, "FailureTarget")
        .expect("the watch saw it");
    let at = scene.at(failed);
    scene.mark(at, Kind::Death, expected);
    scene.number(&format!("{job}: failed after"), span(seconds));
    // What a person would do now.
    let selector = format!("batch.kubernetes.io/job-name={job}");
    if !keeps_pods {
        until(30, "the Pod to go with its Job", || {
            let pods = kubectl(
                &["-n", &namespace.0, "get", "pods", "-l", &selector, "-o", "name"],
                "",
            );
            pods.stdout.is_empty().then_some(())
        });
    }
    let arguments = [
        "-n",
        &namespace.0,
        "logs",
        "-l",
        &selector,
        "--tail=-1",
        "--ignore-errors",
    ];
    let logs = run("kubectl", &arguments, "");
    lane(stage, scene, namespace, &job);
    logs.stdout.lines().last().unwrap_or_default().to_owned()
}

fn lane(stage: &Stage, scene: &mut Scene, namespace: &Namespace, job: &str) {
    // One lane for each Job, under the number that it has.
    let number = job.rsplit('-').next().unwrap_or_default().to_owned();
    scene.runs(&stage.watch, &number, &namespace.0, job);
}

/// The series that alerts rest on, once the last night was good: nothing is left to tell.
fn alert_is_over(stage: &Stage, scene: &mut Scene, namespace: &Namespace, jobs: &[&str]) {
    use super::poll::Said;
    for job in jobs {
        let last = until(30, "the alert to be over", || {
            let alerts: Vec<_> = stage
                .poll
                .said(&namespace.0, job)
                .into_iter()
                .filter_map(|(at, said)| match said {
                    Said::Alert(fires) => Some((at, fires)),
                    Said::Cause(_) => None,
                })
                .collect();
            let fired = alerts.iter().any(|(_, fires)| *fires);
            let last = *alerts.last()?;
            (fired && !last.1).then_some(alerts)
        });
        let span_of = |from: usize, to: usize| span(scene.at(last[to].0) - scene.at(last[from].0));
        let lasted = span_of(0, last.len() - 1);
        scene.number(&format!("{job}: the condition of HookJobFailed held for"), lasted);
        scene.exporter(&stage.poll, &namespace.0, job);
    }
}

fn as_it_was(stage: &Stage) -> Scene {
    let mut scene = Scene::new(
        Side::Before,
        "the nights as they were",
        "`restartPolicy: OnFailure`, `backoffLimit: 2`, 128Mi, and tools fetched on every run from a server that is real, into \
         memory. One night a tool has grown from 25 to 120 MB, another night the server does not answer. The webhook is off in the \
         namespace; the exporter watches.",
    );
    let namespace = Namespace::new("c-before", "off");
    let downloads = Downloads::new(&namespace);
    namespace.must_create(&downloads.cron_job());
    scene.begun = jiff::Timestamp::now();
    good_night(stage, &mut scene, &namespace, 29_562_240);
    good_night(stage, &mut scene, &namespace, 29_563_680);
    downloads.serves(BAD_TOOL);
    let log = bad_night(stage, &mut scene, &namespace, (29_565_120, "oom_killed"), false);
    assert_eq!(log, "", "OnFailure takes the Pod away");
    downloads.serves(TOOLS.0);
    good_night(stage, &mut scene, &namespace, 29_566_560);
    downloads.is_down();
    let log = bad_night(
        stage,
        &mut scene,
        &namespace,
        (29_568_000, "runtime_download_failed"),
        false,
    );
    assert_eq!(log, "", "OnFailure takes the Pod away");
    downloads.serves(TOOLS.0);
    three_good_nights(stage, &mut scene, &namespace);
    let failed = ["tf-state-backup-29565120", "tf-state-backup-29568000"];
    alert_is_over(stage, &mut scene, &namespace, &failed);
    // The generic alert looks at the Jobs alone, and they still say that they failed.
    for job in failed {
        let job = namespace.job(job);
        let conditions = job["status"]["conditions"]
            .as_array()
            .expect("conditions")
            .clone();
        assert!(
            conditions
                .iter()
                .any(|one| one["type"] == "Failed" && one["status"] == "True")
        );
    }
    scene.number(
        "Jobs that a KubeJobFailed alert still fires for, after three good nights",
        "2",
    );
    scene.number(
        "Pods and logs of the two failed Jobs",
        "none: deleted with the Job",
    );
    server_lane(&mut scene, true);
    scene.end(
        "two of eight nights end with BackoffLimitExceeded, their Pods and logs deleted, and KubeJobFailed keeps firing for both; the \
         exporter had caught out of memory of the one and the failed download of the other, and its alert was over with the next \
         good night",
    )
}

/// The server of the tools: away from before the night without it until the next one, or until the end where no later
/// night asks it.
fn server_lane(scene: &mut Scene, comes_back: bool) {
    let now = scene.now();
    let bad: Vec<&Lane> = scene.lanes.iter().filter(|lane| lane.name == AWAY).collect();
    let mut stretches = Vec::new();
    let mut from = 0.0;
    for lane in bad {
        let begin = lane.stretches.first().map_or(now, |one| one.from);
        let end = lane.stretches.last().map_or(now, |one| one.to);
        let end = if comes_back { end } else { f64::INFINITY };
        stretches.push(Stretch {
            from,
            to: begin - 1.0,
            phase: Phase::Up,
        });
        stretches.push(Stretch {
            from: begin - 1.0,
            to: end,
            phase: Phase::Down,
        });
        from = end;
    }
    stretches.push(Stretch {
        from,
        to: f64::INFINITY,
        phase: Phase::Up,
    });
    scene.lanes.insert(
        0,
        Lane {
            name: "downloads".to_owned(),
            stretches,
            states: Vec::new(),
        },
    );
}

fn as_proposed(stage: &Stage) -> Scene {
    let mut scene = Scene::new(
        Side::After,
        "the same nights as `hookbudget lint --fix --unsafe-fixes` writes them",
        "The fix of HB301: `restartPolicy: Never` with `backoffLimit: 1` makes as many attempts and keeps every Pod. The last night \
         follows HB401 as well: an image that holds the tools.",
    );
    let namespace = Namespace::new("c-after", "warn");
    let downloads = Downloads::new(&namespace);
    let fixed = run(
        env!("CARGO_BIN_EXE_hookbudget"),
        &["lint", "--fix", "--unsafe-fixes", "-"],
        &downloads.cron_job(),
    );
    let fixed = fixed.stdout;
    assert!(
        fixed.contains("restartPolicy: Never") && fixed.contains("backoffLimit: 1"),
        "{fixed}"
    );
    scene.begun = jiff::Timestamp::now();
    let original = namespace.create_args(&["--dry-run=server"], &downloads.cron_job());
    scene.answered(&original);
    let printed = namespace.must_create(&fixed);
    assert!(!printed.stderr.contains("HB301"), "{}", printed.stderr);
    good_night(stage, &mut scene, &namespace, 29_563_680);
    downloads.serves(BAD_TOOL);
    bad_night(stage, &mut scene, &namespace, (29_565_120, "oom_killed"), true);
    let pods = kubectl(
        &[
            "-n",
            &namespace.0,
            "get",
            "pods",
            "-l",
            "batch.kubernetes.io/job-name=tf-state-backup-29565120",
            "-o",
            "json",
        ],
        "",
    );
    assert!(
        pods.stdout.contains("OOMKilled"),
        "the kept Pods say it themselves"
    );
    downloads.serves(TOOLS.0);
    good_night(stage, &mut scene, &namespace, 29_566_560);
    downloads.is_down();
    let log = bad_night(
        stage,
        &mut scene,
        &namespace,
        (29_568_000, "runtime_download_failed"),
        true,
    );
    assert!(log.contains("curl: ("), "the log is kept: {log}");
    scene.number("last line of the failed night's log, with kubectl", log);
    // An image with the tools in it asks nobody.
    let manifest = with_tools(&fixed);
    kubectl(&["-n", &namespace.0, "apply", "-f", "-"], &manifest);
    three_good_nights(stage, &mut scene, &namespace);
    alert_is_over(
        stage,
        &mut scene,
        &namespace,
        &["tf-state-backup-29565120", "tf-state-backup-29568000"],
    );
    server_lane(&mut scene, false);
    scene.end(
        "both bad nights keep their Pods and logs, which say what the exporter says; with the tools in the image three nights in a row \
         are good while the server is down",
    )
}

/// The script without its downloads.
fn with_tools(manifest: &str) -> String {
    let lines = manifest
        .lines()
        .filter(|line| !line.trim_start().starts_with("curl ") && !line.contains("fetching the tools"));
    lines.collect::<Vec<_>>().join("\n") + "\n"
}
