//! The index, called as watches call it: objects in, diagnoses and requests out. No cluster, no clock of its own.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // helpers of tests
#![cfg(feature = "server")]

#[path = "support/standing.rs"]
mod standing;

use std::sync::Arc;

use hookbudget::engine::Seconds;
use hookbudget::engine::budget::Clock as JobClock;
use hookbudget::engine::diagnosis::{JobPhase, Trigger};
use hookbudget::engine::root_cause::RootCause;
use hookbudget::index::{Action, Change, Index, JobView, Kind, LogKey, LogLine, OwnerView, Settings};
use jiff::Timestamp;
use serde_json::{Value, json};
use standing::{at, raw, synced};

/// A hook Job that started at second 0.
fn job(name: &str, status: &Value) -> Value {
    json!({"metadata": {"name": name, "namespace": "powerdns", "uid": format!("uid-{name}"), "generation": 1,
            "creationTimestamp": at(0).to_string(), "annotations": {"helm.sh/hook": "post-install"}},
        "spec": {"backoffLimit": 2, "activeDeadlineSeconds": 840, "template": {"spec": {"restartPolicy": "OnFailure",
            "containers": [{"name": "c0", "image": "curlimages/curl:8.11.1", "command": ["zone-bootstrap"]}]}}},
        "status": status})
}

fn running() -> Value {
    json!({"startTime": at(0).to_string(), "active": 1})
}

fn ended(kind: &str, reason: &str, second: i64) -> Value {
    json!({"startTime": at(0).to_string(), "failed": u32::from(kind != "Complete"),
        "completionTime": (kind == "Complete").then(|| at(second).to_string()),
        "conditions": [{"type": kind, "status": "True", "reason": reason, "lastTransitionTime": at(second).to_string()}]})
}

/// A Pod of a Job, its one container in a state.
fn pod(job: &str, restarts: u32, state: &Value, last: &Value) -> Value {
    json!({"metadata": {"name": format!("{job}-abcde"), "namespace": "powerdns", "uid": format!("pod-{job}"),
            "creationTimestamp": at(0).to_string(), "labels": {"batch.kubernetes.io/job-name": job}},
        "spec": {"nodeName": "node-1", "containers": [{"name": "c0", "image": "curlimages/curl:8.11.1",
            "resources": {"limits": {"memory": "128Mi"}}}]},
        "status": {"phase": "Running", "containerStatuses": [
            {"name": "c0", "restartCount": restarts, "ready": false, "state": state, "lastState": last}]}})
}

fn exited(reason: &str, code: i32, second: i64) -> Value {
    json!({"terminated": {"exitCode": code, "reason": reason,
        "startedAt": at(second - 1).to_string(), "finishedAt": at(second).to_string()}})
}

fn live() -> Value {
    json!({"running": {"startedAt": at(1).to_string()}})
}

fn log(job: &str, attempt: u32) -> LogKey {
    LogKey {
        namespace: "powerdns".to_owned(),
        pod: format!("{job}-abcde"),
        container: "c0".to_owned(),
        attempt,
    }
}

fn apply(index: &mut Index, kind: Kind, object: &Value, second: i64) {
    index.apply(kind, &object.to_string(), at(second));
    index.settle(at(second));
}

fn view(index: &Index, name: &str) -> JobView {
    index
        .job("powerdns", name)
        .unwrap_or_else(|| panic!("Job {name} is not in the index"))
}

fn owner(index: &Index, kind: &str, name: &str) -> Arc<OwnerView> {
    let snapshot = index.snapshot(at(0));
    let found = snapshot
        .owners
        .into_iter()
        .find(|(key, _)| key.kind == kind && key.name == name);
    found.unwrap_or_else(|| panic!("no owner {kind} {name}")).1
}

#[test]
fn what_a_pod_went_through_is_known_after_it_was_deleted() {
    let mut index = synced();
    apply(&mut index, Kind::Job, &job("zones", &running()), 1);
    apply(&mut index, Kind::Pod, &pod("zones", 0, &live(), &json!({})), 2);
    let crashed = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}});
    let last = pod("zones", 1, &crashed, &exited("OOMKilled", 137, 5));
    apply(&mut index, Kind::Pod, &last, 6);
    // The kubelet overwrites the status when the Pod goes.
    let gone = pod("zones", 1, &exited("ContainerStatusUnknown", 137, 9), &json!({}));
    index.delete(Kind::Pod, &gone.to_string(), at(10));
    apply(
        &mut index,
        Kind::Job,
        &job("zones", &ended("Failed", "BackoffLimitExceeded", 10)),
        11,
    );
    let view = view(&index, "zones");
    assert_eq!(view.phase, JobPhase::Failed);
    assert_eq!(view.root_cause(), Some(RootCause::OomKilled));
    assert_eq!((view.restarts, view.attempts), (1, 2));
}

#[test]
fn a_job_that_is_about_to_fail_has_failed() {
    let mut index = synced();
    apply(
        &mut index,
        Kind::Job,
        &job("zones", &ended("FailureTarget", "DeadlineExceeded", 840)),
        841,
    );
    let view = view(&index, "zones");
    assert_eq!(view.phase, JobPhase::Failed);
    assert_eq!(view.gist().unwrap().trigger, Trigger::DeadlineExceeded);
    assert!(view.root_cause().is_some());
}

#[test]
fn the_logs_of_present_and_past_runs_are_asked_for_once() {
    let mut index = synced();
    apply(&mut index, Kind::Job, &job("zones", &running()), 1);
    for second in 2..4 {
        apply(
            &mut index,
            Kind::Pod,
            &pod("zones", 0, &live(), &json!({})),
            second,
        );
    }
    assert_eq!(index.take_actions(), [Action::Follow(log("zones", 0))]);
    let crashed = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    let restarted = pod("zones", 1, &crashed, &exited("Error", 7, 5));
    for second in 6..8 {
        apply(&mut index, Kind::Pod, &restarted, second);
    }
    let wanted: Vec<_> = index
        .take_actions()
        .into_iter()
        .filter(|action| !matches!(action, Action::Inspect { .. }))
        .collect();
    assert_eq!(wanted, [Action::Previous(log("zones", 0))]);
}

#[test]
fn the_log_of_a_plain_job_is_left_alone_and_an_annotation_opts_in() {
    for (annotation, asked) in [("example.org/x", false), ("hookbudget.dev/wait", true)] {
        let mut index = synced();
        let mut plain = job("plain", &running());
        plain["metadata"]["annotations"] = json!({annotation: "5m"});
        apply(&mut index, Kind::Job, &plain, 1);
        apply(&mut index, Kind::Pod, &pod("plain", 0, &live(), &json!({})), 2);
        assert_eq!(!index.take_actions().is_empty(), asked, "{annotation}");
    }
}

#[test]
fn progress_lines_and_the_order_of_arrival() {
    // Pod, event and log may come before the Job itself.
    let mut index = synced();
    apply(
        &mut index,
        Kind::PodEvent,
        &event("Pod", "mint-abcde", "Started", "Started container c0"),
        1,
    );
    apply(&mut index, Kind::Pod, &pod("mint", 0, &live(), &json!({})), 2);
    let lines = vec![LogLine {
        at: Some(at(10)),
        text: "waiting for gitea api (3/12)".to_owned(),
    }];
    index.change(
        Change::Log {
            log: log("mint", 0),
            lines,
        },
        at(10),
    );
    assert!(index.job("powerdns", "mint").is_none());
    apply(&mut index, Kind::Job, &job("mint", &running()), 11);
    let view = view(&index, "mint");
    let progress = view.diagnosis().and_then(|d| d.progress.clone()).unwrap();
    assert_eq!((progress.attempt, progress.attempts), (Some(3), Some(12)));
    assert_eq!(view.tail(), ["waiting for gitea api (3/12)"]);
    assert_eq!(index.sizes().2, 0, "the event has found its Job");
}

fn event(kind: &str, name: &str, reason: &str, message: &str) -> Value {
    json!({"metadata": {"name": format!("{name}.1"), "namespace": "powerdns"},
        "involvedObject": {"kind": kind, "namespace": "powerdns", "name": name},
        "reason": reason, "message": message, "type": "Warning", "count": 1,
        "firstTimestamp": at(1).to_string(), "lastTimestamp": at(1).to_string()})
}

#[test]
fn a_log_that_is_gone_before_it_was_read_is_counted_and_one_that_was_read_is_not() {
    let mut index = synced();
    apply(&mut index, Kind::Job, &job("zones", &running()), 1);
    apply(
        &mut index,
        Kind::Pod,
        &pod("zones", 1, &live(), &exited("Error", 1, 2)),
        3,
    );
    let lost = |attempt| Change::LogLost {
        log: log("zones", attempt),
        why: "not found".to_owned(),
    };
    index.change(lost(0), at(4));
    index.change(lost(0), at(5));
    let line = LogLine {
        at: None,
        text: "up".to_owned(),
    };
    index.change(
        Change::Log {
            log: log("zones", 1),
            lines: vec![line],
        },
        at(6),
    );
    index.change(lost(1), at(7));
    index.settle(at(7));
    assert_eq!(index.snapshot(at(7)).evidence_lost, 1);
    let lost = &view(&index, "zones").diagnosis().unwrap().evidence_lost.clone();
    assert!(
        lost.iter().any(|lost| lost.what.contains("attempt 0")),
        "{lost:?}"
    );
}

#[test]
fn what_a_new_list_does_not_hold_is_gone() {
    let mut index = synced();
    for name in ["kept", "removed"] {
        apply(&mut index, Kind::Job, &job(name, &running()), 1);
        apply(&mut index, Kind::Pod, &pod(name, 0, &live(), &json!({})), 1);
    }
    index.reset(Kind::Job, &[raw(&job("kept", &running()))], at(20));
    index.reset(Kind::Pod, &[raw(&pod("kept", 0, &live(), &json!({})))], at(20));
    index.settle(at(20));
    assert_eq!(view(&index, "kept").phase, JobPhase::Waiting);
    assert_eq!(view(&index, "removed").phase, JobPhase::Missing);
    assert_eq!(index.sizes().1, 1);
}

#[test]
fn a_list_in_the_making_takes_nothing_away() {
    let mut index = synced();
    apply(&mut index, Kind::Job, &job("zones", &running()), 1);
    index.begin(Kind::Job, at(2));
    index.settle(at(2));
    assert_eq!(view(&index, "zones").phase, JobPhase::Waiting);
}

#[test]
fn a_failed_job_is_kept_for_the_retention_and_a_gone_success_is_not() {
    let mut index = synced();
    let failed = job("failed", &ended("Failed", "BackoffLimitExceeded", 5));
    let done = job("done", &ended("Complete", "CompletionsReached", 5));
    for object in [&failed, &done] {
        apply(&mut index, Kind::Job, object, 6);
        index.delete(Kind::Job, &object.to_string(), at(10));
    }
    index.settle(at(10));
    index.tick(at(12));
    assert!(index.job("powerdns", "done").is_none());
    assert!(view(&index, "failed").root_cause().is_some());
    index.tick(at(10 + 3599));
    assert!(index.job("powerdns", "failed").is_some());
    index.tick(at(10 + 3600));
    assert!(index.job("powerdns", "failed").is_none());
    assert_eq!(index.sizes(), (0, 0, 0));
    assert_eq!(owner(&index, "Job", "failed").last_failed, Some(true));
    assert_eq!(owner(&index, "Job", "done").last_failed, Some(false));
}

#[test]
fn a_malformed_object_is_counted_and_the_others_go_on() {
    let mut index = synced();
    let mut wrong = job("wrong", &running());
    wrong["spec"]["backoffLimit"] = json!("six");
    index.reset(
        Kind::Job,
        &[
            raw(&wrong),
            raw(&json!({"metadata": {}})),
            raw(&job("right", &running())),
        ],
        at(1),
    );
    index.settle(at(1));
    assert_eq!(view(&index, "right").phase, JobPhase::Waiting);
    let skipped = index.snapshot(at(1)).skipped;
    assert_eq!(skipped, [(Kind::Job, "malformed", 1), (Kind::Job, "no_name", 1)]);
}

#[test]
fn a_success_says_so_and_leaves_nothing_to_alert_on() {
    let mut index = synced();
    apply(&mut index, Kind::Job, &job("zones", &running()), 1);
    apply(&mut index, Kind::Pod, &pod("zones", 0, &live(), &json!({})), 2);
    let waiting = view(&index, "zones");
    assert_eq!(waiting.gives_up(), Some((JobClock::Release, at(300))));
    assert_eq!(waiting.remaining(at(20)), Some(Seconds::new(280)));
    apply(
        &mut index,
        Kind::Job,
        &job("zones", &ended("Complete", "CompletionsReached", 40)),
        41,
    );
    let done = view(&index, "zones");
    assert_eq!(
        (done.phase, done.gives_up(), done.root_cause()),
        (JobPhase::Succeeded, None, None)
    );
    assert_eq!(done.elapsed(at(500)), Some(Seconds::new(40)));
    assert!(done.gist().is_none());
    assert_eq!(owner(&index, "Job", "zones").consecutive_successes, 1);
}

#[test]
fn a_job_of_the_same_name_takes_over_and_both_results_count() {
    let mut index = synced();
    apply(
        &mut index,
        Kind::Job,
        &job("zones", &ended("Failed", "BackoffLimitExceeded", 5)),
        6,
    );
    let mut again = job("zones", &running());
    again["metadata"]["uid"] = json!("uid-2");
    again["metadata"]["creationTimestamp"] = json!(at(60).to_string());
    again["status"]["startTime"] = json!(at(60).to_string());
    apply(&mut index, Kind::Job, &again, 61);
    assert_eq!(view(&index, "zones").root_cause(), None);
    again["status"] = ended("Complete", "CompletionsReached", 70);
    apply(&mut index, Kind::Job, &again, 71);
    let owner = owner(&index, "Job", "zones");
    assert_eq!((owner.last_failed, owner.consecutive_successes), (Some(false), 1));
}

/// A run of a `CronJob` that ended at a second.
fn run(number: i64, status: &Value) -> Value {
    let mut object = job(&format!("tf-state-backup-{number}"), status);
    object["metadata"]["annotations"] = json!({});
    object["metadata"]["ownerReferences"] = json!([{"apiVersion": "batch/v1", "kind": "CronJob", "name": "tf-state-backup", "uid": "c", "controller": true}]);
    object
}

#[test]
fn a_cron_jobs_results_add_up_in_order_and_history_is_not_counted_as_news() {
    let mut index = Index::new(Settings::new(at(100)));
    let history = [
        run(2, &ended("Failed", "BackoffLimitExceeded", 20)),
        run(3, &ended("Failed", "BackoffLimitExceeded", 30)),
        run(1, &ended("Complete", "CompletionsReached", 10)),
    ];
    for kind in Kind::ALL {
        let objects: Vec<_> = if kind == Kind::Job {
            history.iter().map(raw).collect()
        } else {
            Vec::new()
        };
        index.reset(kind, &objects, at(100));
        index.settle(at(100));
    }
    index.tick(at(200));
    let before = owner(&index, "CronJob", "tf-state-backup");
    assert_eq!((before.consecutive_failures, before.failures.len()), (2, 0));
    apply(
        &mut index,
        Kind::Job,
        &run(4, &ended("Failed", "BackoffLimitExceeded", 300)),
        301,
    );
    index.tick(at(305));
    assert_eq!(
        owner(&index, "CronJob", "tf-state-backup").failures.len(),
        0,
        "late evidence may still come"
    );
    index.tick(at(312));
    index.tick(at(330));
    let after = owner(&index, "CronJob", "tf-state-backup");
    assert_eq!(
        (after.consecutive_failures, after.failures.values().sum::<u64>()),
        (3, 1)
    );
    index.delete(
        Kind::CronJob,
        r#"{"metadata":{"name":"tf-state-backup","namespace":"powerdns"}}"#,
        at(400),
    );
    assert!(index.snapshot(at(400)).owners.is_empty());
}

/// A run that began at a second and ended ten later.
fn run_at(number: i64, second: i64, kind: &str) -> Value {
    let mut status = ended(kind, "x", second + 10);
    status["startTime"] = json!(at(second).to_string());
    run(number, &status)
}

fn later_success(index: &Index, number: i64) -> Option<Timestamp> {
    let job = view(index, &format!("tf-state-backup-{number}"));
    index.snapshot(at(1000)).later_success(&job)
}

#[test]
fn a_failed_run_that_a_later_one_has_made_up_for_stays_so_when_the_next_one_fails() {
    let runs = [
        run_at(1, 0, "Failed"),
        run_at(2, 100, "Complete"),
        run_at(3, 200, "Failed"),
    ];
    let mut index = synced();
    apply(&mut index, Kind::Job, &runs[0], 11);
    assert_eq!(later_success(&index, 1), None);
    apply(&mut index, Kind::Job, &runs[1], 111);
    assert_eq!(later_success(&index, 1), Some(at(110)));
    apply(&mut index, Kind::Job, &runs[2], 211);
    assert_eq!(
        owner(&index, "CronJob", "tf-state-backup").last_failed,
        Some(true)
    );
    // As another process reads them in one list, in whatever order.
    let mut another = Index::new(Settings::new(at(300)));
    for kind in Kind::ALL {
        let jobs: Vec<_> = runs.iter().rev().map(raw).collect();
        another.reset(kind, if kind == Kind::Job { &jobs } else { &[] }, at(300));
        another.settle(at(300));
    }
    for index in [&index, &another] {
        assert_eq!(later_success(index, 1), Some(at(110)));
        assert_eq!(later_success(index, 2), None, "it has not failed");
        assert_eq!(later_success(index, 3), None);
    }
    // The next good run makes up for both.
    apply(&mut index, Kind::Job, &run_at(4, 300, "Complete"), 311);
    assert_eq!(later_success(&index, 1), Some(at(310)));
    assert_eq!(later_success(&index, 3), Some(at(310)));
    apply(&mut index, Kind::Job, &run_at(5, 400, "Failed"), 411);
    // They are kept a while longer than their CronJob.
    let cron = r#"{"metadata":{"name":"tf-state-backup","namespace":"powerdns"}}"#;
    index.delete(Kind::CronJob, cron, at(420));
    for (number, run) in (1..).zip(&runs) {
        index.delete(Kind::Job, &run.to_string(), at(420 + number));
    }
    index.settle(at(430));
    assert!(index.snapshot(at(430)).owners.is_empty());
    assert_eq!(later_success(&index, 1), Some(at(310)));
    assert_eq!(later_success(&index, 3), Some(at(310)));
    assert_eq!(later_success(&index, 5), None);
}

#[test]
fn the_success_of_what_runs_side_by_side_makes_up_for_nothing() {
    let owned = |name: &str, argo: bool, hook: &str, status: &Value| {
        let mut object = job(name, status);
        let (annotations, labels) = if argo {
            (
                json!({"argocd.argoproj.io/hook": "Sync"}),
                json!({"argocd.argoproj.io/instance": "web"}),
            )
        } else {
            (
                json!({"helm.sh/hook": hook}),
                json!({"app.kubernetes.io/instance": "shop"}),
            )
        };
        object["metadata"]["annotations"] = annotations;
        object["metadata"]["labels"] = labels;
        object
    };
    let failed = ended("Failed", "x", 10);
    let done = ended("Complete", "x", 20);
    for (argo, hook, kind, expected) in [
        (true, "", "Application", None),
        (false, "post-delete", "Release", None),
        (false, "pre-upgrade", "Release", Some(at(20))),
    ] {
        let mut index = synced();
        apply(
            &mut index,
            Kind::Job,
            &owned("one", argo, "post-install", &failed),
            11,
        );
        apply(&mut index, Kind::Job, &owned("two", argo, hook, &done), 21);
        let one = view(&index, "one");
        let owner = one.spec.record.owner.as_ref().map(|owner| owner.kind.as_str());
        assert_eq!(owner, Some(kind));
        assert_eq!(
            index.snapshot(at(30)).later_success(&one),
            expected,
            "{kind} {hook}"
        );
    }
}

#[test]
fn a_run_that_never_came_is_the_owners_failure_until_one_comes() {
    let mut index = synced();
    let cron_event = |reason: &str, second: i64| {
        let mut event = event("CronJob", "tf-state-backup", reason, "a word");
        event["lastTimestamp"] = at(second).to_string().into();
        event
    };
    let told = |index: &Index, second: i64| {
        let causes = index
            .missed_runs(at(second))
            .into_iter()
            .map(|missed| missed.root_cause);
        causes.collect::<Vec<_>>()
    };
    apply(
        &mut index,
        Kind::CronJobEvent,
        &cron_event("MissSchedule", 60),
        60,
    );
    // The same event again, as after a new list, is no second failure; a renewed one is.
    apply(
        &mut index,
        Kind::CronJobEvent,
        &cron_event("MissSchedule", 60),
        61,
    );
    apply(
        &mut index,
        Kind::CronJobEvent,
        &cron_event("MissSchedule", 120),
        121,
    );
    let owner_view = owner(&index, "CronJob", "tf-state-backup");
    assert_eq!(
        (
            owner_view.last_failed,
            owner_view.failures[&RootCause::CronMissedSchedule]
        ),
        (Some(true), 2)
    );
    assert_eq!(told(&index, 130), [Some(RootCause::CronMissedSchedule)]);
    // A run that is left out because another one goes on is counted, and is no result.
    apply(
        &mut index,
        Kind::CronJobEvent,
        &cron_event("JobAlreadyActive", 180),
        181,
    );
    let owner_view = owner(&index, "CronJob", "tf-state-backup");
    assert_eq!(owner_view.consecutive_failures, 2);
    assert_eq!(owner_view.failures[&RootCause::CronConcurrencyBlocked], 1);
    assert_eq!(told(&index, 190), [Some(RootCause::CronConcurrencyBlocked)]);
    let mut later = run(5, &ended("Complete", "CompletionsReached", 260));
    later["metadata"]["creationTimestamp"] = at(240).to_string().into();
    apply(&mut index, Kind::Job, &later, 261);
    index.tick(at(270));
    assert_eq!(told(&index, 270), []);
    assert_eq!(
        owner(&index, "CronJob", "tf-state-backup").last_failed,
        Some(false)
    );
}

fn helm_release(timeout: &str, conditions: &Value) -> Value {
    json!({"metadata": {"name": "bp-powerdns", "namespace": "powerdns"},
        "spec": {"install": {"timeout": timeout}}, "status": {"conditions": conditions}})
}

#[test]
fn a_release_gives_the_outer_clock_and_tells_when_it_gives_up() {
    let mut index = synced();
    let mut slow = job("zones", &running());
    slow["spec"]["backoffLimit"] = json!(6);
    apply(&mut index, Kind::Job, &slow, 1);
    apply(&mut index, Kind::HelmRelease, &helm_release("1m", &json!([])), 2);
    let waiting = view(&index, "zones");
    assert_eq!(waiting.gives_up(), Some((JobClock::Release, at(60))));
    assert!(
        waiting
            .spec
            .info_labels
            .contains("owner_kind=\"HelmRelease\",owner_name=\"bp-powerdns\"")
    );
    let gave_up = json!([{"type": "Ready", "status": "False", "reason": "InstallFailed",
        "message": "failed post-install: timed out waiting for the condition",
        "lastTransitionTime": at(60).to_string()}]);
    apply(&mut index, Kind::HelmRelease, &helm_release("1m", &gave_up), 61);
    let left = view(&index, "zones");
    assert_eq!(left.gist().unwrap().trigger, Trigger::ReleaseTimeout);
    assert!(left.root_cause().is_some(), "nobody else tells");
    assert!(
        left.cause_labels()
            .unwrap()
            .contains("trigger=\"ReleaseTimeout\"")
    );
}

/// What the release clock of a Job is, and who states it.
fn release_clock(index: &Index, name: &str) -> Option<(i64, String)> {
    let view = view(index, name);
    let clock = view.budgets().find(|budget| budget.clock == "release");
    clock.map(|budget| (budget.span.whole(), budget.source.to_owned()))
}

fn kustomization(name: &str, spec: &Value) -> Value {
    json!({"metadata": {"name": name, "namespace": "flux-system"}, "spec": spec, "status": {"lastAttemptedRevision": "1"}})
}

#[test]
fn a_kustomization_that_waits_is_the_outer_clock_of_its_plain_jobs() {
    let mut index = synced();
    let mut plain = job("seed", &running());
    plain["metadata"]["annotations"] = json!({});
    plain["metadata"]["labels"] = json!({"kustomize.toolkit.fluxcd.io/name": "apps",
        "kustomize.toolkit.fluxcd.io/namespace": "flux-system"});
    apply(&mut index, Kind::Job, &plain, 1);
    assert_eq!(release_clock(&index, "seed"), None);
    // It comes after the Job, changes, waits no longer, and goes.
    let stated = |timeout: &str| {
        Some((
            timeout.parse::<i64>().unwrap() * 60,
            "Kustomization flux-system/apps spec.timeout".to_owned(),
        ))
    };
    for (second, spec, clock) in [
        (
            2,
            json!({"interval": "10m", "timeout": "5m", "wait": true}),
            stated("5"),
        ),
        (
            3,
            json!({"interval": "10m", "timeout": "7m", "wait": true}),
            stated("7"),
        ),
        (4, json!({"interval": "10m", "timeout": "7m"}), None),
        (
            5,
            json!({"interval": "10m", "wait": true}),
            Some((
                570,
                "Kustomization flux-system/apps spec.interval - 30 s".to_owned(),
            )),
        ),
    ] {
        apply(
            &mut index,
            Kind::Kustomization,
            &kustomization("apps", &spec),
            second,
        );
        assert_eq!(release_clock(&index, "seed"), clock, "{spec}");
    }
    let other = kustomization("other", &json!({"interval": "1m", "wait": true}));
    apply(&mut index, Kind::Kustomization, &other, 6);
    assert_eq!(
        view(&index, "seed").gives_up(),
        Some((JobClock::Release, at(570)))
    );
    assert!(
        view(&index, "seed").spec.info_labels.contains("owner_kind=\"\""),
        "it owns nothing"
    );
    index.reset(Kind::Kustomization, &[raw(&other)], at(7));
    index.settle(at(7));
    assert_eq!(release_clock(&index, "seed"), None);
}

#[test]
fn a_job_in_trouble_has_its_dependency_looked_at_and_not_too_often() {
    let mut index = synced();
    let mut waits = job("zones", &running());
    waits["metadata"]["annotations"]["hookbudget.dev/wait-for"] = json!("http://powerdns:8081/api");
    apply(&mut index, Kind::Job, &waits, 1);
    let inspections = |index: &mut Index| {
        let actions = index.take_actions();
        actions
            .into_iter()
            .filter(|action| matches!(action, Action::Inspect { .. }))
            .count()
    };
    assert_eq!(inspections(&mut index), 0, "a Job may take its time to start");
    index.tick(at(20));
    assert_eq!(inspections(&mut index), 1);
    apply(&mut index, Kind::Pod, &pod("zones", 0, &live(), &json!({})), 21);
    assert_eq!(inspections(&mut index), 0);
    index.tick(at(31));
    assert_eq!(inspections(&mut index), 1);
    let dependency = serde_json::from_value(json!({
        "job": {"namespace": "powerdns", "name": "zones"},
        "dependency": {"object": {"kind": "Service", "namespace": "powerdns", "name": "powerdns"},
            "target": "http://powerdns:8081", "exists": false}}));
    let Ok((job, dependency)) = dependency.map(|mut value: Value| {
        let job = serde_json::from_value(value["job"].take()).unwrap();
        (job, serde_json::from_value(value["dependency"].take()).unwrap())
    }) else {
        panic!("a dependency")
    };
    let change = Change::Dependency {
        job,
        dependency,
        events: Vec::new(),
    };
    index.change(change, at(32));
    apply(
        &mut index,
        Kind::Job,
        &{
            let mut failed = waits.clone();
            failed["status"] = ended("Failed", "DeadlineExceeded", 840);
            failed
        },
        841,
    );
    let view = view(&index, "zones");
    assert_eq!(view.root_cause(), Some(RootCause::DependencyMissing));
    assert!(
        view.culprit_labels()
            .unwrap()
            .contains("culprit_kind=\"Service\"")
    );
}

#[test]
fn a_spec_is_assessed_anew_only_when_it_has_changed() {
    let mut index = synced();
    apply(&mut index, Kind::Job, &job("zones", &running()), 1);
    let first = Arc::clone(&view(&index, "zones").spec);
    apply(
        &mut index,
        Kind::Job,
        &job("zones", &json!({"startTime": at(0).to_string(), "failed": 1})),
        2,
    );
    assert!(Arc::ptr_eq(&first, &view(&index, "zones").spec));
    let mut changed = job("zones", &running());
    changed["metadata"]["generation"] = json!(2);
    changed["spec"]["activeDeadlineSeconds"] = json!(20);
    apply(&mut index, Kind::Job, &changed, 3);
    assert_eq!(
        view(&index, "zones").gives_up(),
        Some((JobClock::Deadline, at(20)))
    );
}

#[test]
fn retries_bound_a_job_whose_runs_fail_until_it_has_well_outlived_them() {
    let mut index = synced();
    apply(&mut index, Kind::Job, &job("zones", &running()), 1);
    let crashed = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    apply(
        &mut index,
        Kind::Pod,
        &pod("zones", 1, &crashed, &exited("Error", 7, 2)),
        3,
    );
    assert_eq!(
        view(&index, "zones").gives_up(),
        Some((JobClock::Retries, at(10)))
    );
    // Their latest end has passed, and the Job controller may not have noticed yet.
    for second in [20, 31] {
        index.tick(at(second));
        let zones = view(&index, "zones");
        assert_eq!(zones.gives_up(), Some((JobClock::Retries, at(16))));
        assert_eq!(zones.remaining(at(second)), Some(Seconds::ZERO));
    }
    // A Job that goes on well beyond that has other runs than were thought.
    index.tick(at(60));
    assert_eq!(
        view(&index, "zones").gives_up(),
        Some((JobClock::Release, at(300)))
    );
}

#[test]
fn events_are_all_that_is_left_of_a_pod_after_a_restart() {
    let mut index = synced();
    let pull = event(
        "Pod",
        "image-abcde",
        "FailedMount",
        "MountVolume.SetUp failed for volume \"s\" : secret \"nosuch\" not found",
    );
    let other = event("Pod", "image-two-abcde", "Failed", "another Job's");
    apply(&mut index, Kind::PodEvent, &pull, 50);
    apply(&mut index, Kind::PodEvent, &other, 50);
    apply(
        &mut index,
        Kind::Job,
        &job("image", &ended("Failed", "DeadlineExceeded", 40)),
        51,
    );
    assert_eq!(index.sizes().2, 1, "the other Pod's event still waits");
    let cause = view(&index, "image").root_cause().unwrap();
    assert!(
        !matches!(cause, RootCause::EvidenceLost | RootCause::Unknown),
        "{cause}"
    );
}

/// The event of a Job that could not make its Pod.
fn no_pod(job: &str, second: i64) -> Value {
    json!({"metadata": {"name": format!("{job}.{second}"), "namespace": "powerdns", "uid": format!("event-{second}")},
        "involvedObject": {"kind": "Job", "namespace": "powerdns", "name": job},
        "type": "Warning", "reason": "FailedCreate", "count": 1,
        "firstTimestamp": at(second).to_string(), "lastTimestamp": at(second).to_string(),
        "message": "Error creating: pods \"x\" is forbidden: exceeded quota: small, requested: cpu=2, used: cpu=1, limited: cpu=1"})
}

/// The same name at a later time, by another object.
fn again(name: &str, second: i64, status: &Value) -> Value {
    let mut job = job(name, status);
    job["metadata"]["uid"] = json!(format!("uid-{name}-{second}"));
    job["metadata"]["creationTimestamp"] = json!(at(second).to_string());
    job
}

#[test]
fn what_comes_before_its_job_is_kept_for_it_and_what_is_older_is_not() {
    let failed = ended("Failed", "BackoffLimitExceeded", 60);
    // Its predecessor succeeded, and its own event comes a moment before it.
    let mut index = synced();
    apply(
        &mut index,
        Kind::Job,
        &job("zones", &ended("Complete", "", 20)),
        21,
    );
    apply(&mut index, Kind::JobEvent, &no_pod("zones", 31), 31);
    apply(&mut index, Kind::Job, &again("zones", 30, &failed), 61);
    assert_eq!(
        view(&index, "zones").root_cause(),
        Some(RootCause::PodCreateQuota)
    );
    // An event that is left of a Job of its name comes before the list of Jobs.
    let mut index = synced();
    apply(&mut index, Kind::JobEvent, &no_pod("zones", 1), 40);
    apply(&mut index, Kind::Job, &again("zones", 30, &failed), 61);
    assert_ne!(
        view(&index, "zones").root_cause(),
        Some(RootCause::PodCreateQuota)
    );
}

#[test]
fn a_job_that_is_made_anew_at_once_is_counted_all_the_same() {
    let mut index = synced();
    let release = json!({"app.kubernetes.io/managed-by": "Helm"});
    let labelled = |mut job: Value| {
        job["metadata"]["labels"] = release.clone();
        job["metadata"]["annotations"]["meta.helm.sh/release-name"] = json!("pdns");
        job["metadata"]["annotations"]["meta.helm.sh/release-namespace"] = json!("powerdns");
        job
    };
    let first = labelled(job("zones", &ended("Failed", "DeadlineExceeded", 5)));
    apply(&mut index, Kind::Job, &first, 6);
    apply(&mut index, Kind::Job, &labelled(again("zones", 8, &running())), 8);
    let snapshot = index.snapshot(at(9));
    let failures: u64 = snapshot
        .owners
        .iter()
        .flat_map(|(_, owner)| owner.failures.values())
        .sum();
    assert_eq!(failures, 1);
}

#[test]
fn a_kind_that_may_not_be_read_does_not_hold_up_the_rest() {
    let mut index = Index::new(Settings::new(at(0)));
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::CronJob) {
        index.reset(kind, &[], at(0));
    }
    assert!(!index.is_synced());
    let forbidden = |kind| Change::Interrupted {
        kind,
        forbidden: true,
    };
    index.change(forbidden(Kind::CronJob), at(1));
    assert!(index.is_synced());
    let mut blind = Index::new(Settings::new(at(0)));
    for kind in Kind::ALL {
        blind.change(forbidden(kind), at(1));
    }
    assert!(!blind.is_synced(), "without Jobs there is nothing to tell");
    // Results are given to the owners without a list that fails.
    let mut index = Index::new(Settings::new(at(0)));
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::HelmRelease) {
        let jobs = [raw(&run(1, &ended("Failed", "DeadlineExceeded", 5)))];
        let objects = if kind == Kind::Job { &jobs[..] } else { &[] };
        index.reset(kind, objects, at(6));
    }
    index.settle(at(6));
    index.tick(at(65));
    assert!(index.snapshot(at(65)).owners.is_empty());
    index.tick(at(66));
    assert_eq!(
        owner(&index, "CronJob", "tf-state-backup").last_failed,
        Some(true)
    );
    let unlisted: Vec<_> = index
        .kinds(at(66))
        .into_iter()
        .filter(|watch| !watch.synced)
        .collect();
    assert_eq!(
        unlisted.iter().map(|watch| watch.kind).collect::<Vec<_>>(),
        [Kind::HelmRelease]
    );
    assert!(!unlisted[0].awaited);
}

#[test]
fn free_text_of_a_log_is_no_label() {
    for (line, label) in [
        ("waiting for order 4711 of customer-9 (3/10)", None),
        (
            "waiting for powerdns.powerdns.svc:8081 (3/10)",
            Some("target=\"powerdns.powerdns.svc:8081\""),
        ),
    ] {
        let mut index = synced();
        apply(&mut index, Kind::Job, &job("zones", &running()), 1);
        apply(&mut index, Kind::Pod, &pod("zones", 0, &live(), &json!({})), 2);
        let lines = [LogLine {
            at: Some(at(3)),
            text: line.to_owned(),
        }];
        let log = log("zones", 0);
        index.change(
            Change::Log {
                log,
                lines: lines.to_vec(),
            },
            at(3),
        );
        index.settle(at(30));
        assert_eq!(view(&index, "zones").target_labels(), label, "{line}");
    }
}
