//! Jobs that take the names of others, and what comes about them before they do themselves.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // helpers of tests
#![cfg(feature = "server")]

#[path = "support/standing.rs"]
mod standing;

use hookbudget::index::{Index, JobKey, JobView, Kind, Settings};
use serde_json::{Value, json};
use standing::{at, synced};

fn apply(index: &mut Index, kind: Kind, object: &Value, second: i64) {
    index.apply(kind, &object.to_string(), at(second));
    index.settle(at(second));
}

fn view(index: &Index) -> JobView {
    index.job("powerdns", "zones").unwrap()
}

/// A hook Job, made at `made`, that ended at `ended`.
fn job(made: i64, kind: &str, ended: i64) -> Value {
    json!({"metadata": {"name": "zones", "namespace": "powerdns", "uid": format!("uid-{made}"), "generation": 1,
            "creationTimestamp": at(made).to_string(), "annotations": {"helm.sh/hook": "post-install"}},
        "spec": {"backoffLimit": 2, "template": {"spec": {"restartPolicy": "OnFailure",
            "containers": [{"name": "c0", "image": "curlimages/curl:8.11.1", "command": ["zone-bootstrap"]}]}}},
        "status": {"startTime": at(made).to_string(), "failed": u32::from(kind != "Complete"),
            "completionTime": (kind == "Complete").then(|| at(ended).to_string()),
            "conditions": [{"type": kind, "status": "True", "lastTransitionTime": at(ended).to_string()}]}})
}

/// The result of the only owner that there is.
fn results(index: &Index) -> (u32, u32) {
    let snapshot = index.snapshot(at(900));
    let owners = snapshot.owners.iter().map(|(_, owner)| owner);
    owners.fold((0, 0), |(good, bad), owner| {
        (
            good + owner.consecutive_successes,
            bad + owner.consecutive_failures,
        )
    })
}

#[test]
fn the_result_of_a_job_that_is_replaced_during_the_first_lists_is_counted() {
    for (first, expected) in [("Complete", (2, 0)), ("Failed", (1, 0))] {
        let mut index = Index::new(Settings::new(at(0)));
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Pod) {
            index.reset(kind, &[], at(0));
        }
        apply(&mut index, Kind::Job, &job(0, first, 5), 6);
        apply(&mut index, Kind::Job, &job(8, "Complete", 20), 21);
        assert!(index.snapshot(at(21)).owners.is_empty());
        index.reset(Kind::Pod, &[], at(22));
        index.settle(at(22));
        assert_eq!(results(&index), expected, "{first}");
        let failures: u64 = index
            .snapshot(at(22))
            .owners
            .iter()
            .flat_map(|(_, owner)| owner.failures.values())
            .sum();
        assert_eq!(failures, 2 - u64::from(expected.0), "{first}");
    }
}

#[test]
fn an_update_that_cannot_be_read_leaves_a_job_that_has_succeeded_as_it_is() {
    let mut index = synced();
    let complete = job(0, "Complete", 20);
    apply(&mut index, Kind::Job, &complete, 21);
    let before = view(&index);
    let mut broken = complete.clone();
    broken["metadata"]["generation"] = json!(2);
    broken["spec"]["backoffLimit"] = json!("six");
    apply(&mut index, Kind::Job, &broken, 30);
    let skipped = index.snapshot(at(30)).skipped;
    assert_eq!(skipped, [(Kind::Job, "malformed", 1)]);
    // It would be judged again, and counted again.
    index.tick(at(60));
    let after = view(&index);
    assert_eq!((after.ended(), after.attempts), (before.ended(), before.attempts));
    apply(&mut index, Kind::Job, &complete, 61);
    assert_eq!(results(&index), (1, 0));
}

#[test]
fn a_pod_that_comes_before_its_job_is_kept_where_another_one_of_the_name_has_succeeded() {
    let mut index = synced();
    apply(&mut index, Kind::Job, &job(0, "Complete", 20), 21);
    let made_by = |uid: &str, name: &str| {
        json!({"metadata": {"name": name, "namespace": "powerdns", "uid": name,
                "creationTimestamp": at(31).to_string(), "labels": {"batch.kubernetes.io/job-name": "zones"},
                "ownerReferences": [{"kind": "Job", "name": "zones", "uid": uid, "controller": true}]},
            "spec": {"containers": [{"name": "c0", "image": "curlimages/curl:8.11.1"}]},
            "status": {"phase": "Failed"}})
    };
    apply(&mut index, Kind::Pod, &made_by("uid-30", "zones-newer"), 31);
    apply(&mut index, Kind::Pod, &made_by("uid-0", "zones-older"), 31);
    apply(&mut index, Kind::Job, &job(30, "Failed", 40), 41);
    let evidence = index.evidence(&JobKey::new("powerdns", "zones")).unwrap();
    let pods: Vec<_> = evidence.pods.iter().map(|pod| pod.name.as_str()).collect();
    assert_eq!(pods, ["zones-newer"]);
}
