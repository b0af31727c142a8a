//! Incident A: `powerdns-zone-bootstrap`, before a `PowerDNS` whose start takes its time.

use std::thread;

use jiff::Timestamp;
use serde_json::Value;

use super::clock::{epoch_in, restart_period, scaled, span};
use super::scene::{Incident, Kind, Scene, Side};
use super::{Stage, side_by_side};
use crate::admission::service;
use crate::dumps::{all_agree, diagnose};
use crate::kit::{Namespace, incident, kubectl, powerdns_key, root_cause, run, until};

const JOB: &str = "powerdns-zone-bootstrap";
const KEY: &str = "secret-of-the-incident";
/// How long `PowerDNS` takes, at full length: longer than the hook's restarts last, and less than its wait may.
const COLD_START: u32 = 540;

pub(super) fn play(stage: &Stage) -> Incident {
    let scenes = side_by_side(
        stage,
        [
            deadline_first,
            limit_first,
            node_full,
            rewritten,
            declared,
            wrong_key,
        ],
    );
    Incident {
        letter: 'A',
        title: "The deadline that never got a chance",
        story: "A post-install hook creates a DNS zone through the API of PowerDNS, which takes minutes to come up. The hook \
                asks once and leaves the waiting to its restarts.",
        before: format!(
            "with a deadline of 5 minutes: {}. With 14 minutes: {}. With the node full: {}.",
            scenes[0].ended,
            scenes[1].ended,
            scenes[2].ended
        ),
        after: format!(
            "with two annotations: {}. With hookbudget-wait in the chart's image: {}. With a wrong key: {}.",
            scenes[3].ended,
            scenes[4].ended,
            scenes[5].ended
        ),
        said: "at the creation, in mode enforce: HB101, the restarts end before the deadline does, denied; at the failure: \
               dependency_slow_start (transient) under the one clock, budget_misconfigured (real) under the other; with the node full: dependency_node_capacity, with the order of repair, and not to \
               retry; with the wrong key: auth_failure"
            .to_owned(),
        scenes: scenes.into(),
    }
}

/// `PowerDNS` behind its Service, which begins at a moment; zones are kept in the Pod.
fn powerdns(cold_start: u64, replicas: u32, env: &str) -> String {
    let at = epoch_in(cold_start);
    format!(
        "{}---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: powerdns}}\nspec:\n  replicas: {replicas}\n  \
         selector: {{matchLabels: {{app: powerdns}}}}\n  template:\n    metadata: {{labels: {{app: powerdns}}}}\n    spec:\n      \
         terminationGracePeriodSeconds: 1\n      containers:\n      - name: powerdns\n        image: hookbudget-test/powerdns:1\n\
         {env}        command: [sh, -c]\n        args:\n        - |\n          until [ \"$(date +%s)\" -ge {at} ]; do sleep 0.2; done\n          \
         sqlite3 /tmp/zones.db </schema.sql\n          exec pdns_server --config-dir=/nonexistent --launch=gsqlite3 \\\n            \
         --gsqlite3-database=/tmp/zones.db --local-address=0.0.0.0:5300 --socket-dir=/tmp \\\n            \
         --api=yes --api-key={KEY} --webserver=yes --webserver-address=0.0.0.0 --webserver-port=8081 \\\n            \
         --webserver-allow-from=0.0.0.0/0 --guardian=no --daemon=no --disable-syslog=yes\n        \
         readinessProbe: {{tcpSocket: {{port: 8081}}, periodSeconds: 1}}\n",
        service("powerdns", 8081)
    )
}

/// The `HelmRelease` and the hook, at the clocks of the play.
fn manifests(namespace: &Namespace) -> (String, String) {
    let text = incident("a-powerdns.yaml", "powerdns", namespace)
        .replace("timeout: 15m", &format!("timeout: {}s", scaled(900)))
        .replace(
            "activeDeadlineSeconds: 840",
            &format!("activeDeadlineSeconds: {}", scaled(840)),
        )
        .replace(
            "      restartPolicy: OnFailure\n",
            &format!(
                "      restartPolicy: OnFailure\n      terminationGracePeriodSeconds: {}\n",
                scaled(30)
            ),
        );
    let (release, hook) = text.split_once("\n---\n").expect("two documents");
    (release.to_owned(), hook.to_owned())
}

/// What the exporter knows of a release when its hook is created, as with Flux.
fn with_release(namespace: &Namespace, release: &str) {
    namespace.must_create(release);
    thread::sleep(std::time::Duration::from_secs(2));
}

/// What `simulate` says of a manifest on this node.
fn simulated(manifest: &str) -> Value {
    let kubelet = restart_period().map(|period| format!("max={period}"));
    let mut arguments = vec!["simulate", "-", "--json"];
    if let Some(kubelet) = &kubelet {
        arguments.extend(["--kubelet", kubelet]);
    }
    let printed = run(env!("CARGO_BIN_EXE_hookbudget"), &arguments, manifest);
    serde_json::from_str(&printed.stdout).unwrap_or_else(|error| panic!("{error}: {}", printed.stderr))
}

/// Whether the zone is there, by the server itself; `None` while it does not answer.
fn zone_is_there(namespace: &Namespace) -> Option<bool> {
    let address = "jsonpath={.spec.clusterIP}";
    let address = kubectl(
        &["-n", &namespace.0, "get", "service", "powerdns", "-o", address],
        "",
    )
    .stdout;
    let url = format!("http://{address}:8081/api/v1/servers/localhost/zones/example.org.");
    let header = format!("X-API-Key: {KEY}");
    let arguments = [
        "-s",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "--max-time",
        "5",
        "-H",
        &header,
        &url,
    ];
    match run("curl", &arguments, "").stdout.as_str() {
        "200" => Some(true),
        "404" => Some(false),
        _ => None,
    }
}

/// The original with these clocks dies as it did; then the API comes up, and nobody asks it any more.
fn dies(
    stage: &Stage,
    mut scene: Scene,
    namespace: &Namespace,
    (deadline, reason): (u32, &str),
    cause: [&str; 2],
) -> Scene {
    powerdns_key(namespace, KEY);
    let (release, hook) = manifests(namespace);
    let hook = hook.replace(
        &format!("activeDeadlineSeconds: {}", scaled(840)),
        &format!("activeDeadlineSeconds: {}", scaled(deadline)),
    );
    with_release(namespace, &release);
    scene.begun = Timestamp::now();
    namespace.must_create(&powerdns(scaled(COLD_START), 1, ""));
    namespace.must_create(&hook);
    let story = simulated(&format!("{release}\n---\n{hook}"));
    let (seen, seconds) = namespace.condition(JOB, "FailureTarget", scaled(deadline) + 30);
    assert_eq!(seen, reason);
    assert_eq!(story["reason"], reason, "{story:#}");
    let bound = |key: &str| story[key].as_f64().expect("a number");
    let (lower, upper) = (bound("ends_at_lower"), bound("ends_at_upper"));
    // A condition's time is in whole seconds, and the controller looks once a second.
    assert!(
        (lower - 1.0..=upper + 2.0).contains(&seconds),
        "{seconds} s is outside of {lower}..{upper} s"
    );
    scene.number("the Job failed after", span(seconds));
    scene.number(
        "`hookbudget simulate` said",
        format!("{reason} between {} and {}", span(lower), span(upper)),
    );
    let failed = stage
        .watch
        .condition(&namespace.0, JOB, "FailureTarget")
        .expect("the watch saw it");
    let at = scene.at(failed);
    scene.mark(at, Kind::Death, reason);
    let found = root_cause(namespace, JOB, cause[0]);
    assert_eq!(
        ["trigger", "verdict"].map(|key| found.label(key)),
        [reason, cause[1]]
    );
    let answer = diagnose(&[&format!("job/{JOB}"), "-n", &namespace.0])[0].clone();
    scene.say("diagnose", answer["summary"].as_str().unwrap_or_default());
    // OnFailure: the Pod goes with the Job, and whoever looks finds nothing.
    let logs = until(60, "the Pod to go with its Job", || {
        let logs = run(
            "kubectl",
            &["-n", &namespace.0, "logs", &format!("job/{JOB}")],
            "",
        );
        (!logs.ok || logs.stdout.is_empty()).then_some(logs)
    });
    scene.number(
        "`kubectl logs` afterwards",
        logs.stderr.lines().last().unwrap_or("nothing").to_owned(),
    );
    until(scaled(COLD_START) + 30, "PowerDNS to answer", || {
        zone_is_there(namespace)
    })
    .then(|| panic!("nobody made the zone"));
    let ready = stage.watch.ready(&namespace.0, "powerdns");
    scene.dependency("PowerDNS", ready);
    let runs = scene.runs(&stage.watch, "hook", &namespace.0, JOB);
    scene.number("runs of the container", runs.len().to_string());
    scene.exporter(&stage.poll, &namespace.0, JOB);
    let late = ready.map_or(0.0, |ready| scene.at(ready)) - at;
    scene.number(
        "PowerDNS was ready",
        format!("{} after the Job had failed", span(late)),
    );
    let ended = format!(
        "{reason} after {}, {} before PowerDNS was ready; no zone, no Pod, no log",
        span(seconds),
        span(late)
    );
    scene.end(ended)
}

fn deadline_first(stage: &Stage) -> Scene {
    let scene = Scene::new(
        Side::Before,
        "version 1.2.1, a deadline of 5 minutes",
        "The original hook: one `curl`, `restartPolicy: OnFailure`, `backoffLimit: 6`, `activeDeadlineSeconds: 300`. The \
         webhook is off in the namespace; the exporter watches.",
    );
    let namespace = Namespace::new("a-before-1", "off");
    // Nobody has declared anything; the policy's cold start is what the dependency may take.
    let cause = ["dependency_slow_start", "transient"];
    let scene = dies(stage, scene, &namespace, (300, "DeadlineExceeded"), cause);
    with_deadline(scene, 300)
}

fn limit_first(stage: &Stage) -> Scene {
    let scene = Scene::new(
        Side::Before,
        "version 1.2.2, a deadline of 14 minutes",
        "The deadline was raised to 840 s, and the Job died of its other clock: six restarts last 310 s and a little.",
    );
    let namespace = Namespace::new("a-before-2", "off");
    // The two clocks: its retries are over long before the deadline that was raised.
    let cause = ["budget_misconfigured", "real"];
    let scene = dies(stage, scene, &namespace, (840, "BackoffLimitExceeded"), cause);
    with_deadline(scene, 840)
}

#[allow(clippy::cast_precision_loss)] // minutes
fn with_deadline(mut scene: Scene, deadline: u32) -> Scene {
    let at = scaled(deadline) as f64;
    if at <= scene.length * 1.5 {
        scene.mark(at, Kind::Clock, "deadline");
    }
    scene
}

/// Waits for the Job's success, and puts what was seen into the scene.
fn succeeds(stage: &Stage, scene: &mut Scene, namespace: &Namespace) -> f64 {
    let (_, seconds) = namespace.condition(JOB, "Complete", scaled(COLD_START) + 60);
    assert_eq!(
        zone_is_there(namespace),
        Some(true),
        "the zone is there, by the server itself"
    );
    let ready = stage.watch.ready(&namespace.0, "powerdns").expect("it was ready");
    scene.dependency("PowerDNS", Some(ready));
    let runs = scene.runs(&stage.watch, "hook", &namespace.0, JOB);
    let done = stage
        .watch
        .condition(&namespace.0, JOB, "Complete")
        .expect("the watch saw it");
    let at = scene.at(done);
    scene.mark(at, Kind::Success, "complete");
    scene.number("the Job was complete after", span(seconds));
    scene.number("from PowerDNS ready to the zone made", span(at - scene.at(ready)));
    scene.number("runs of containers", runs.len().to_string());
    assert!(
        runs.iter().all(|run| run.exit == Some(0)),
        "no run failed: {runs:#?}"
    );
    scene.exporter(&stage.poll, &namespace.0, JOB);
    let looks = scene.progress(&stage.poll, &namespace.0, JOB, 3);
    scene.number("looks at /metrics while it waited", looks.to_string());
    seconds
}

fn rewritten(stage: &Stage) -> Scene {
    let mut scene = Scene::new(
        Side::After,
        "the same hook with two annotations",
        "In mode `enforce` the webhook refuses the original. With `hookbudget.dev/wait-for: http://powerdns:8081/` and \
         `hookbudget.dev/rewrite: all` it writes the wait, `restartPolicy: Never` and the right limit itself.",
    );
    let namespace = Namespace::new("a-rewritten", "enforce");
    powerdns_key(&namespace, KEY);
    let (release, hook) = manifests(&namespace);
    with_release(&namespace, &release);
    scene.begun = Timestamp::now();
    namespace.must_create(&powerdns(scaled(COLD_START), 1, ""));
    let denied = namespace.create(&hook);
    assert!(!denied.ok && denied.stderr.contains("HB101"), "{}", denied.stderr);
    scene.answered(&denied);
    let hook = hook.replace(
        "    helm.sh/hook: post-install,post-upgrade\n",
        "    helm.sh/hook: post-install,post-upgrade\n    hookbudget.dev/rewrite: all\n    \
         hookbudget.dev/wait-for: http://powerdns:8081/\n",
    );
    let printed = namespace.must_create(&hook);
    scene.answered(&printed);
    let live = namespace.job(JOB);
    let pod = &live["spec"]["template"]["spec"];
    assert_eq!(pod["restartPolicy"], "Never");
    assert_eq!(pod["initContainers"][0]["name"], "hookbudget-wait");
    let told = live["metadata"]["annotations"]["hookbudget.dev/rewritten"]
        .as_str()
        .unwrap_or_default();
    scene.number("what the webhook wrote", changes(told));
    let seconds = succeeds(stage, &mut scene, &namespace);
    let scene = with_deadline(scene, 840);
    scene.end(format!(
        "it waited inside one run and made the zone, complete after {}",
        span(seconds)
    ))
}

/// What `hookbudget.dev/rewritten` tells, for people.
fn changes(told: &str) -> String {
    let told: Value = serde_json::from_str(told).expect("JSON");
    let told = told.as_array().expect("changes").iter().map(|change| {
        let short = |value: &Value| match value {
            Value::Null => "nothing".to_owned(),
            Value::Object(_) | Value::Array(_) => "an object".to_owned(),
            other => other.to_string().trim_matches('"').to_owned(),
        };
        let field = change["field"].as_str().unwrap_or_default();
        format!("{field}: {} -> {}", short(&change["from"]), short(&change["to"]))
    });
    told.collect::<Vec<_>>().join("; ")
}

/// The hook as its chart would have it: the wait helper in its own image, and one script.
fn own_wait(namespace: &Namespace) -> (String, String) {
    let (release, hook) = manifests(namespace);
    let (head, _) = hook.split_once("          args:\n").expect("a script");
    let hook = head
        .replace("image: curlimages/curl:8.11.1", "image: hookbudget-test/zones:1")
        .replace(
            "    helm.sh/hook: post-install,post-upgrade\n",
            "    helm.sh/hook: post-install,post-upgrade\n    hookbudget.dev/rewrite: all\n",
        );
    let script = "          args:\n            - |\n              set -eu\n              hookbudget-wait --header \
                  X-API-Key=@env:API_KEY \"$API/servers\"\n              curl -sS -f --max-time 30 -X POST -H \"X-API-Key: \
                  $API_KEY\" \\\n                --data '{\"name\": \"example.org.\", \"kind\": \"Native\", \"nameservers\": []}' \
                  \\\n                \"$API/servers/localhost/zones\"\n";
    (release, hook + script)
}

fn declared(stage: &Stage) -> Scene {
    let mut scene = Scene::new(
        Side::After,
        "hookbudget-wait in the chart's own image",
        "The script begins with `hookbudget-wait --header X-API-Key=@env:API_KEY $API/servers`; its budget is what the webhook \
         injects.",
    );
    let namespace = Namespace::new("a-declared", "enforce");
    powerdns_key(&namespace, KEY);
    let (release, hook) = own_wait(&namespace);
    with_release(&namespace, &release);
    scene.begun = Timestamp::now();
    namespace.must_create(&powerdns(scaled(COLD_START), 1, ""));
    let printed = namespace.must_create(&hook);
    scene.answered(&printed);
    let seconds = succeeds(stage, &mut scene, &namespace);
    let scene = with_deadline(scene, 840);
    scene.end(format!(
        "it waited with its key and made the zone, complete after {}",
        span(seconds)
    ))
}

fn wrong_key(stage: &Stage) -> Scene {
    let mut scene = Scene::new(
        Side::After,
        "the same with a wrong key",
        "The API answers 401, which no waiting heals: the helper ends with 77, and the `podFailurePolicy` that the webhook has \
         written fails the Job for it.",
    );
    let namespace = Namespace::new("a-wrong-key", "enforce");
    powerdns_key(&namespace, "not-the-key");
    let (release, hook) = own_wait(&namespace);
    with_release(&namespace, &release);
    scene.begun = Timestamp::now();
    let cold_start = scaled(COLD_START) / 4;
    namespace.must_create(&powerdns(cold_start, 1, ""));
    let printed = namespace.must_create(&hook);
    scene.answered(&printed);
    let (reason, _) = namespace.condition(JOB, "FailureTarget", cold_start + 60);
    assert_eq!(reason, "PodFailurePolicy");
    let cause = root_cause(&namespace, JOB, "auth_failure");
    assert_eq!(
        (cause.label("trigger"), cause.label("verdict")),
        ("PodFailurePolicy", "real")
    );
    let answer = all_agree(&namespace, JOB, "auth_failure");
    scene.say("diagnose", answer["summary"].as_str().unwrap_or_default());
    // The Pod is kept, with its last word.
    let logs = kubectl(&["-n", &namespace.0, "logs", &format!("job/{JOB}")], "").stdout;
    let last = logs.lines().last().unwrap_or_default().to_owned();
    assert!(last.starts_with("fatal: ") && last.contains("401"), "{logs}");
    scene.number("last line of its log, which is kept", last);
    let ready = stage.watch.ready(&namespace.0, "powerdns").expect("it was ready");
    scene.dependency("PowerDNS", Some(ready));
    let runs = scene.runs(&stage.watch, "hook", &namespace.0, JOB);
    assert_eq!(
        runs.iter().map(|run| run.exit).collect::<Vec<_>>(),
        [Some(77)],
        "{runs:#?}"
    );
    let failed = stage
        .watch
        .condition(&namespace.0, JOB, "FailureTarget")
        .expect("the watch saw it");
    let (at, up) = (scene.at(failed), scene.at(ready));
    assert!(at - up < 20.0, "{at} s, {up} s");
    scene.mark(at, Kind::Death, reason);
    scene.number("from PowerDNS ready to the Job failed", span(at - up));
    scene.exporter(&stage.poll, &namespace.0, JOB);
    scene.end(format!(
        "failed {} after PowerDNS was ready, after one run of its container, with the reason in its kept log",
        span(at - up)
    ))
}

/// The Pods behind the API find no room, because the node is full and no new one comes.
fn node_full(stage: &Stage) -> Scene {
    use crate::ladder::{Filler, autoscaler_says_no, database_is_set_up, start_the_database, told_right};
    let mut scene = Scene::new(
        Side::Before,
        "the same hook while the node is full",
        "What really lay behind it: PowerDNS waits for a Secret, which the database's operator makes, whose Pod finds no CPU on \
         the node, and the autoscaler is kept from adding one by a Pod that no node could hold. Repaired from the bottom up.",
    );
    let namespace = Namespace::new("a-node-full", "off");
    let filler = Filler::of(&namespace);
    start_the_database(&namespace);
    autoscaler_says_no(&namespace);
    powerdns_key(&namespace, KEY);
    let (release, hook) = manifests(&namespace);
    with_release(&namespace, &release);
    scene.begun = Timestamp::now();
    let password =
        "        env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: pdns-pg-app, key: password}}}]\n";
    namespace.must_create(&powerdns(1, 3, password));
    namespace.must_create(&hook);
    let (reason, seconds) = namespace.condition(JOB, "FailureTarget", scaled(840));
    assert_eq!(reason, "BackoffLimitExceeded");
    let answer = told_right(&namespace);
    scene.say("diagnose", answer["summary"].as_str().unwrap_or_default());
    scene.say(
        "diagnose",
        format!("retry: {}", answer["retry_advice"].as_str().unwrap_or_default()),
    );
    let steps = answer["repair_order"]
        .as_array()
        .expect("steps")
        .iter()
        .enumerate();
    for (index, step) in steps {
        scene.number(
            &format!("repair, step {}", index + 1),
            step.as_str().unwrap_or_default().to_owned(),
        );
    }
    let failed = stage
        .watch
        .condition(&namespace.0, JOB, "FailureTarget")
        .expect("the watch saw it");
    let at = scene.at(failed);
    scene.mark(at, Kind::Death, reason);
    let runs_before = scene.runs(&stage.watch, "hook", &namespace.0, JOB);
    scene.number("runs of the container", runs_before.len().to_string());
    scene.say(
        "people",
        "repair it from the bottom up: the Pod that never fits, the room, the Secret",
    );
    let repair = scene.now();
    database_is_set_up(&namespace, filler);
    until(90, "PowerDNS to come up", || {
        (namespace.get("deployment", "powerdns")?["status"]["readyReplicas"].as_u64()? == 3).then_some(())
    });
    let ready = stage.watch.ready(&namespace.0, "powerdns");
    kubectl(&["-n", &namespace.0, "delete", "job", JOB], "");
    namespace.must_create(&hook);
    namespace.condition(JOB, "Complete", 120);
    let done = scene.now();
    scene.mark(done, Kind::Success, "next run complete");
    scene.number("from the repair to the next run complete", span(done - repair));
    scene.dependency("PowerDNS", ready);
    // The next run belongs into the lane of the first.
    scene.lanes.remove(0);
    scene.runs(&stage.watch, "hook", &namespace.0, JOB);
    scene.exporter(&stage.poll, &namespace.0, JOB);
    scene.end(format!(
        "BackoffLimitExceeded after {}; repaired from the bottom up, the next run was complete {} after the repair had begun",
        span(seconds),
        span(done - repair)
    ))
}
