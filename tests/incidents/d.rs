//! Incident D: a stack that Cluster API manages is parked, boots, is dressed in a known blemish, and loses its load
//! balancer: four states that a hook can only see as "not healthy".

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::clock::{scaled, span};
use super::poll::{Poll, Said};
use super::scene::{Incident, Kind, Scene, Side};
use super::{Stage, side_by_side};
use crate::dumps::diagnose;
use crate::kit::{Namespace, hook, root_cause, root_cause_at, until};
use crate::process::Deployment;
use crate::signatures::{bring_cluster_api, policy, stands};

/// The cold start that the shipped signatures allow the managed API, at full length.
const WINDOW: u32 = 1200;

/// What the managed cluster looks like, and what that means: cause, verdict, route.
const STATES: [(&str, &str, &str, &str); 3] = [
    ("parked", "custom_cluster_parked", "parked", "platform"),
    (
        "cosmetic",
        "custom_infrastructure_reference_stale",
        "cosmetic",
        "platform",
    ),
    ("load-balancer", "custom_load_balancer_failed", "real", "network"),
];

pub(super) fn play(stage: &Stage) -> Incident {
    bring_cluster_api();
    let scenes: Vec<Scene> = side_by_side(stage, [by_signature, from_cold])
        .into_iter()
        .flatten()
        .collect();
    Incident {
        letter: 'D',
        title: "Parked, cosmetic, cold, or really broken",
        story: "Hooks wait for the API of a cluster that Cluster API manages on OpenStack, and give up. What \"not healthy\" means there \
                is told by the reason that its object gives: none, a known harmless one, or a load balancer's.",
        before: format!("{}; {}", scenes[0].ended, scenes[2].ended),
        after: format!("{}; {}", scenes[1].ended, scenes[3].ended),
        said: "custom_cluster_parked (parked), custom_infrastructure_reference_stale (cosmetic), custom_managed_api_unreachable (transient \
               inside its window, real behind it), custom_load_balancer_failed (real, critical, to the network's people, load balancer \
               first)"
            .to_owned(),
        scenes,
    }
}

/// The shipped signatures, with their window at the play's clock, of the objects of one namespace: each play has a
/// managed cluster of its own.
fn signatures(namespace: &Namespace) -> Value {
    let mut policy = policy();
    let window = format!("{}s", scaled(WINDOW));
    for signature in policy["signatures"].as_array_mut().expect("signatures") {
        if signature.get("within").is_some() {
            signature["within"] = json!(window);
        }
        if signature["when"].get("object").is_some() {
            signature["when"]["object"]["namespace"] = json!(namespace.0);
        }
    }
    policy
}

/// Values of an exporter with them.
fn values(namespace: &Namespace) -> Value {
    let policy = signatures(namespace);
    let kinds = json!([{"apiGroups": ["cluster.x-k8s.io"], "resources": ["clusters", "machinedeployments"]}]);
    json!({"policy": policy, "exporter": {"signatureKinds": kinds}})
}

/// A hook that waits for the managed API, counts to its end and gives up.
fn waits_in_vain(namespace: &Namespace, name: &str) {
    let container = "image: busybox:1\ncommand: [sh, -c]\nargs:\n- |\n  for i in $(seq 1 15); do\n    \
                     echo \"waiting for the managed api ($i/15)\"\n    sleep 1\n  done\n  exit 1";
    namespace.must_create(&hook(name, "Never\nbackoffLimit: 0", container));
    namespace.condition(name, "FailureTarget", 120);
}

/// How a Job is judged by an exporter without the signatures.
fn without(namespace: &Namespace, job: &str) {
    let cause = root_cause(namespace, job, "inner_budget_exhausted");
    assert_eq!(cause.label("verdict"), "real", "{cause:?}");
}

fn pages(poll: &Poll, namespace: &Namespace, job: &str) -> bool {
    let said = poll.said(&namespace.0, job);
    said.iter().any(|(_, said)| *said == Said::Alert(true))
}

/// Waits for the pages that are due behind the window.
fn are_paged(poll: &Poll, namespace: &Namespace, jobs: &[&str]) {
    for job in jobs {
        until(30, "the page behind the window", || {
            pages(poll, namespace, job).then_some(())
        });
    }
}

fn scene_pair(states: &str) -> (Scene, Scene) {
    (
        Scene::new(
            Side::Before,
            &format!("{states}, as an exporter without signatures sees it"),
            "Nobody has told the product what the reasons of the cluster's own objects mean: it goes by the Job.",
        ),
        Scene::new(
            Side::After,
            &format!("{states}, by the shipped signatures"),
            "An exporter with `docs/signatures/cluster-api-openstack.yaml` as its policy, which may read the kinds of Cluster API.",
        ),
    )
}

/// Both exporters' words of both scenes, and the Jobs' runs.
fn told(stage: &Stage, poll: &Poll, scenes: &mut (Scene, Scene), namespace: &Namespace, jobs: &[&str]) {
    for job in jobs {
        scenes.0.runs(&stage.watch, job, &namespace.0, job);
        scenes.1.runs(&stage.watch, job, &namespace.0, job);
        scenes.0.exporter(&stage.poll, &namespace.0, job);
        scenes.1.exporter(poll, &namespace.0, job);
        for scene in [&mut scenes.0, &mut scenes.1] {
            if let Some(failed) = stage.watch.condition(&namespace.0, job, "FailureTarget") {
                let at = scene.at(failed);
                scene.mark(at, Kind::Death, *job);
            }
        }
    }
}

fn by_signature(stage: &Stage) -> [Scene; 2] {
    let mut scenes = scene_pair("parked, cosmetic, a failed load balancer");
    let namespace = Namespace::new("d-states", "off");
    let exporter = Deployment::rendered(&namespace, "reads", values(&namespace));
    exporter.is_ready();
    let poll = Poll::start(&exporter.url);
    scenes.0.begun = jiff::Timestamp::now();
    scenes.1.begun = scenes.0.begun;
    for (state, cause, verdict, route) in STATES {
        stands(&namespace, state);
        waits_in_vain(&namespace, state);
        let found = root_cause_at(&exporter.url, &namespace, state, cause);
        let labels = ["verdict", "route", "trigger"].map(|key| found.label(key));
        assert_eq!(labels, [verdict, route, "BackoffLimitExceeded"], "{state}");
        let severity = if verdict == "real" { "critical" } else { "info" };
        assert_eq!(found.label("severity"), severity, "{state}");
        without(&namespace, state);
        let answer = diagnosed(&namespace, state);
        assert_eq!(answer["root_cause"], cause, "{answer:#}");
        scenes.1.say(
            "diagnose",
            format!("{state}: {}", answer["summary"].as_str().unwrap_or_default()),
        );
        if verdict == "real" {
            let order = answer["repair_order"].to_string();
            assert!(order.contains("load balancer"), "{answer:#}");
            assert_eq!(answer["retry_advice"], "do-not-retry", "{answer:#}");
            let chain = answer["chain"].to_string();
            assert!(chain.contains("\"Cluster\""), "{answer:#}");
            scenes.1.number("retry, of the load balancer", "do-not-retry");
        }
        // Two looks of the pollers.
        thread::sleep(Duration::from_secs(3));
        assert!(
            pages(&stage.poll, &namespace, state),
            "{state}: the plain exporter pages"
        );
        assert_eq!(pages(&poll, &namespace, state), verdict == "real", "{state}");
    }
    told(
        stage,
        &poll,
        &mut scenes,
        &namespace,
        &STATES.map(|state| state.0),
    );
    [
        scenes.0.end("three states, three times the same answer, inner_budget_exhausted and real: three pages"),
        scenes
            .1
            .end("parked and cosmetic page nobody; the load balancer pages the network's people, to be repaired first"),
    ]
}

/// `diagnose` with them.
fn diagnosed(namespace: &Namespace, job: &str) -> Value {
    let mut policy = signatures(namespace);
    policy["apiVersion"] = json!("hookbudget.dev/v1alpha1");
    policy["kind"] = json!("Policy");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), policy.to_string()).expect("written");
    let path = file.path().to_str().expect("UTF-8");
    let answer = diagnose(&[&format!("job/{job}"), "-n", &namespace.0, "--policy", path]);
    answer[0].clone()
}

/// The parked stack is started: within its window nothing is wrong; then the window is over, and then the reason names a
/// load balancer.
#[allow(clippy::cast_precision_loss)] // minutes
fn from_cold(stage: &Stage) -> [Scene; 2] {
    let mut scenes = scene_pair("a cold start");
    let namespace = Namespace::new("d-cold", "off");
    let exporter = Deployment::rendered(&namespace, "reads", values(&namespace));
    exporter.is_ready();
    let poll = Poll::start(&exporter.url);
    scenes.0.begun = jiff::Timestamp::now();
    scenes.1.begun = scenes.0.begun;
    // Of an object, the window counts from the change of its condition.
    stands(&namespace, "booting");
    let window = scaled(WINDOW);
    let ends = scenes.1.now() + window as f64;
    waits_in_vain(&namespace, "first-hook");
    let cause = "custom_managed_api_unreachable";
    let found = root_cause_at(&exporter.url, &namespace, "first-hook", cause);
    assert_eq!(
        ["verdict", "severity"].map(|key| found.label(key)),
        ["transient", "info"]
    );
    without(&namespace, "first-hook");
    // A second hook, in the middle of it, is judged alike.
    thread::sleep(Duration::from_secs(window / 2).saturating_sub(Duration::from_secs_f64(scenes.1.now())));
    waits_in_vain(&namespace, "second-hook");
    let found = root_cause_at(&exporter.url, &namespace, "second-hook", cause);
    assert_eq!(found.label("verdict"), "transient");
    without(&namespace, "second-hook");
    let jobs = ["first-hook", "second-hook"];
    thread::sleep(Duration::from_secs_f64((ends - 4.0 - scenes.1.now()).max(0.0)));
    for job in jobs {
        assert!(!pages(&poll, &namespace, job), "{job}: no page inside the window");
        assert!(
            pages(&stage.poll, &namespace, job),
            "{job}: the plain exporter has paged"
        );
    }
    // Behind its window it is an outage, for what failed inside it and was not run again, too.
    thread::sleep(Duration::from_secs_f64((ends + 1.0 - scenes.1.now()).max(0.0)));
    are_paged(&poll, &namespace, &jobs);
    scenes
        .1
        .number("the window of the cold start", span(window as f64));
    scenes.1.number("the first page came after", span(scenes.1.now()));
    waits_in_vain(&namespace, "late-hook");
    let found = root_cause_at(&exporter.url, &namespace, "late-hook", cause);
    assert_eq!(
        ["verdict", "severity"].map(|key| found.label(key)),
        ["real", "critical"]
    );
    without(&namespace, "late-hook");
    are_paged(&poll, &namespace, &["late-hook"]);
    scenes.1.mark(ends, Kind::Clock, "window over");
    stands(&namespace, "load-balancer");
    let broken = scenes.1.now();
    waits_in_vain(&namespace, "last-hook");
    let found = root_cause_at(
        &exporter.url,
        &namespace,
        "last-hook",
        "custom_load_balancer_failed",
    );
    assert_eq!(
        ["verdict", "severity", "route"].map(|key| found.label(key)),
        ["real", "critical", "network"]
    );
    without(&namespace, "last-hook");
    thread::sleep(Duration::from_secs(3));
    assert!(pages(&poll, &namespace, "last-hook"));
    let answer = diagnosed(&namespace, "last-hook");
    scenes
        .1
        .say("diagnose", answer["summary"].as_str().unwrap_or_default());
    for (index, step) in answer["repair_order"]
        .as_array()
        .expect("steps")
        .iter()
        .enumerate()
    {
        scenes.1.number(
            &format!("repair, step {}", index + 1),
            step.as_str().unwrap_or_default(),
        );
    }
    for scene in [&mut scenes.0, &mut scenes.1] {
        scene.states(
            "its object says",
            &[(0.0, "not ready, without a reason"), (broken, "load balancer")],
        );
    }
    told(
        stage,
        &poll,
        &mut scenes,
        &namespace,
        &["first-hook", "second-hook", "late-hook", "last-hook"],
    );
    [
        scenes.0.end("a page for each hook from the first minute of a cold start that is on its way"),
        scenes.1.end(format!(
            "no page inside the window of {}, one for each hook that stands as failed behind it, and the load balancer is named when the object names it",
            span(window as f64)
        )),
    ]
}
