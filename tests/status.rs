//! The status page as a text: what it shows, in what order, how much of it, and what goes with it. `tests/browser` looks
//! at it as a user does.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // helpers of tests
#![cfg(feature = "server")]

#[path = "support/standing.rs"]
mod standing;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use hookbudget::index::{Change, Clock, Handle, Kind, Settings};
use hookbudget::status::{self, Filter};
use serde_json::{Value, json};
use standing::{apply, at, raw, served};
use tower::ServiceExt as _;

/// A run of a `CronJob`, which starts at a second and has ended ten later, or goes on.
fn run(cron: &str, second: i64, end: Option<&str>) -> Value {
    let ended = at(second + 10).to_string();
    let conditions: Vec<_> = end
        .iter()
        .map(|kind| {
            json!({"type": kind, "status": "True", "lastTransitionTime": ended,
                "reason": if *kind == "Failed" { "BackoffLimitExceeded" } else { "CompletionsReached" }})
        })
        .collect();
    json!({"metadata": {"name": format!("{cron}-{second}"), "namespace": "n", "uid": format!("{cron}-{second}"),
            "creationTimestamp": at(second).to_string(),
            "ownerReferences": [{"apiVersion": "batch/v1", "kind": "CronJob", "name": cron, "uid": "u", "controller": true}]},
        "spec": {"activeDeadlineSeconds": 600, "template": {"spec": {"restartPolicy": "Never",
            "containers": [{"name": "c", "image": "busybox:1.36", "command": ["x"]}]}}},
        "status": {"startTime": at(second).to_string(), "conditions": conditions,
            "completionTime": (end == Some("Complete")).then_some(ended)}})
}

fn page(index: &Handle, query: &[(&str, &str)]) -> String {
    let parameters: Vec<_> = query
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    status::page(&index.snapshot(), &Filter::read(&parameters))
}

async fn get(index: &Handle, path: &str) -> (StatusCode, HeaderMap, String) {
    let router: Router = status::router(index.clone());
    let request = Request::get(path).body(Body::empty()).unwrap();
    let answer = router.oneshot(request).await.unwrap();
    let (head, body) = answer.into_parts();
    let body = to_bytes(body, 64 << 20).await.unwrap();
    (
        head.status,
        head.headers,
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

/// What stands in the page before and after each other.
fn in_order(page: &str, parts: &[&str]) {
    let mut from = 0;
    for part in parts {
        let place = page[from..].find(part);
        from += place.unwrap_or_else(|| panic!("{part:?} is not behind its place in:\n{}", &page[from..]));
    }
}

#[test]
fn the_history_of_a_cron_job_outlives_its_jobs() {
    let index = served();
    apply(
        &index,
        Kind::CronJob,
        &json!({"metadata": {"name": "backup", "namespace": "n"}}),
    );
    for (second, end) in [
        (100, "Complete"),
        (200, "Failed"),
        (300, "Complete"),
        (400, "Failed"),
    ] {
        let job = run("backup", second, Some(end));
        index.clock().set(at(second + 11));
        apply(&index, Kind::Job, &job);
        if second < 300 {
            let object = raw(&job);
            let _ = index.take_in([Change::Delete {
                kind: Kind::Job,
                object,
            }]);
        }
    }
    let event = json!({"metadata": {"name": "e", "namespace": "n"}, "reason": "MissSchedule",
        "message": "Missed scheduled time to start a job", "lastTimestamp": at(450).to_string(),
        "involvedObject": {"kind": "CronJob", "namespace": "n", "name": "backup"}});
    apply(&index, Kind::CronJobEvent, &event);
    apply(&index, Kind::Job, &run("backup", 500, None));
    // Past the retention of what is gone.
    index.clock().set(at(5000));
    let _ = index.tick();
    let page = page(&index, &[]);
    let marks = [
        "run good", "run bad", "run good", "run bad", "run none", "run now",
    ];
    let section = &page[page.find("id=\"cronjobs\"").expect("the section")..];
    let rows = &section[section.find("<ol class=\"runs\"").expect("the marks")..];
    in_order(rows, &marks);
    assert_eq!(
        rows.split("</ol>")
            .next()
            .unwrap()
            .matches("class=\"run ")
            .count(),
        marks.len()
    );
    in_order(
        section,
        &[
            "flaps",
            "failed, 2026-11-21T10:03:30Z: ",
            "never came, 2026-11-21T10:07:30Z: cron_missed_schedule",
        ],
    );
    assert!(
        rows.contains("href=\"./?job=n/backup-400\""),
        "a Job that is known is linked to"
    );
    assert!(
        !rows.contains("href=\"./?job=n/backup-200\""),
        "one that is forgotten is not"
    );
}

#[test]
fn a_failed_run_after_which_another_has_succeeded_needs_nobody() {
    let index = served();
    for (second, end) in [(100, "Failed"), (200, "Complete"), (300, "Failed")] {
        index.clock().set(at(second + 11));
        apply(&index, Kind::Job, &run("backup", second, Some(end)));
    }
    let page = page(&index, &[]);
    in_order(
        &page,
        &[
            "failed, 1 of them without need to act",
            // What asks for somebody comes first.
            "id=\"job/n/backup-300\"",
            "<b>unknown</b>: cannot be told",
            "id=\"job/n/backup-100\"",
            "A later run of CronJob backup succeeded at <time datetime=\"2026-11-21T10:03:30Z\">10:03:30 UTC</time>.",
            "<b>settled</b>: a later run has succeeded",
        ],
    );
    assert_eq!(page.matches("<b>settled</b>").count(), 1);
    assert_eq!(page.matches("class=\"advice\"").count(), 1);
}

#[test]
fn ten_thousand_jobs_do_not_make_an_endless_page() {
    let index = served();
    for number in 0..10_000 {
        let end = match number % 4 {
            0 => Some("Failed"),
            1 => Some("Complete"),
            _ => None,
        };
        index.with(|index| {
            index.apply(
                Kind::Job,
                &run(&format!("job{number}"), number, end).to_string(),
                at(1),
            );
        });
    }
    let _ = index.take_in([]);
    index.clock().set(at(11_000));
    let _ = index.tick();
    let all = page(&index, &[]);
    assert!(all.len() < 1 << 20, "{} bytes", all.len());
    for part in [
        "4950 more: <a href=\"#filter\">filter</a>",
        "2450 more:",
        "2400 more:",
        "<b>5000</b> waiting",
    ] {
        assert!(all.contains(part), "{part}");
    }
    let one = page(&index, &[("job", "n/job9996-9996")]);
    assert_eq!(one.matches("<article ").count(), 1);
    assert!(one.len() < 20_000, "{} bytes", one.len());
    assert_eq!(
        page(&index, &[("text", "JOB999")]).matches("<article ").count(),
        11
    );
}

#[test]
fn what_is_not_known_is_told_before_everything_else() {
    let index = Handle::new(Settings::new(at(0)), Clock::standing_at(at(0)));
    in_order(
        &page(&index, &[]),
        &[
            "Still reading the cluster",
            "Jobs, Pods, CronJobs",
            "No Job is waiting",
        ],
    );
    let index = served();
    let calm = page(&index, &[]);
    assert!(!calm.contains("class=\"note"), "{calm}");
    let _ = index.take_in([
        Change::Interrupted {
            kind: Kind::Pod,
            forbidden: true,
        },
        Change::Interrupted {
            kind: Kind::Job,
            forbidden: false,
        },
        Change::Absent(Kind::HelmRelease),
    ]);
    apply(
        &index,
        Kind::PodEvent,
        &json!({"metadata": {"name": "e", "namespace": 7}}),
    );
    index.clock().set(at(30));
    let told = page(&index, &[]);
    in_order(
        &told,
        &[
            "may not read Pods",
            "<code>pods</code>",
            "does not answer for Jobs",
            "could not be read",
            "No Job is waiting",
            "HelmReleases: the cluster has no such kind",
        ],
    );
    // One that came again, and one that has not complained for long.
    let _ = index.take_in([Change::Begin(Kind::Pod), Change::End(Kind::Pod)]);
    index.clock().set(at(300));
    let later = page(&index, &[]);
    assert!(
        !later.contains("may not read") && !later.contains("does not answer"),
        "{later}"
    );
}

#[tokio::test]
async fn it_is_ready_without_a_list_that_does_not_come() {
    const FAILS: Option<bool> = Some(false);
    const FORBIDDEN: Option<bool> = Some(true);
    for (missing, says, seconds, ready) in [
        (Kind::HelmRelease, None, 59, false),
        (Kind::HelmRelease, None, 60, true),
        (Kind::Kustomization, FAILS, 59, false),
        (Kind::Kustomization, FAILS, 60, true),
        (Kind::CronJob, FORBIDDEN, 0, true),
        (Kind::Pod, FAILS, 59, false),
        (Kind::Pod, FAILS, 60, true),
        (Kind::Pod, None, 600, false),
        (Kind::Job, FORBIDDEN, 600, false),
    ] {
        let index = Handle::new(Settings::new(at(0)), Clock::standing_at(at(0)));
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != missing) {
            let _ = index.take_in([Change::Begin(kind), Change::End(kind)]);
        }
        if let Some(forbidden) = says {
            let kind = missing;
            let _ = index.take_in([Change::Interrupted { kind, forbidden }]);
        }
        index.clock().set(at(seconds));
        let _ = index.tick();
        let (status, _, body) = get(&index, "/readyz").await;
        let expected = if ready {
            (StatusCode::OK, "ok\n".to_owned())
        } else {
            let waits = format!("not listed yet: {}\n", missing.as_str());
            (StatusCode::SERVICE_UNAVAILABLE, waits)
        };
        assert_eq!((status, body), expected, "{missing:?} {says:?} {seconds}");
    }
    // A kind that the cluster has from now on, and that cannot be listed.
    let index = served();
    let kind = Kind::HelmRelease;
    let _ = index.take_in([
        Change::Absent(kind),
        Change::Begin(kind),
        Change::Interrupted {
            kind,
            forbidden: false,
        },
    ]);
    assert_eq!(get(&index, "/readyz").await.0, StatusCode::OK);
}

#[tokio::test]
async fn an_address_has_no_empty_fields_and_a_strange_one_no_error() {
    let index = served();
    let (status, headers, _) = get(&index, "/?text=&namespace=a%26b&cause=&new=1").await;
    assert_eq!(
        (status, headers["location"].to_str().unwrap()),
        (StatusCode::SEE_OTHER, "./?namespace=a%26b")
    );
    for query in ["", "?namespace=a&text=b", "?text=%ff%00", "?job=x"] {
        let (status, headers, body) = get(&index, &format!("/{query}")).await;
        assert_eq!(status, StatusCode::OK, "{query}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert!(!body.contains(" style=") && !body.contains("<style") && !body.contains(" onclick"));
    }
    for (path, kind) in [("/style.css", "text/css"), ("/live.js", "text/javascript")] {
        let (_, headers, _) = get(&index, path).await;
        assert!(headers["content-type"].to_str().unwrap().starts_with(kind));
    }
}

#[tokio::test]
async fn the_json_is_that_of_diagnose_and_can_be_filtered() {
    let index = served();
    for (second, end) in [(1, Some("Failed")), (2, None)] {
        apply(&index, Kind::Job, &run("backup", second, end));
    }
    let event = json!({"metadata": {"name": "e", "namespace": "n"}, "reason": "MissSchedule",
        "message": "Missed scheduled time to start a job", "lastTimestamp": at(9).to_string(),
        "involvedObject": {"kind": "CronJob", "namespace": "n", "name": "other"}});
    apply(&index, Kind::CronJobEvent, &event);
    let jobs = |path: &'static str| {
        let index = index.clone();
        async move { serde_json::from_str::<Vec<Value>>(&get(&index, path).await.2).unwrap() }
    };
    let all = jobs("/api/jobs").await;
    assert_eq!(all.len(), 3, "{all:#?}");
    for key in [
        "job",
        "owner",
        "state",
        "trigger",
        "root_cause",
        "verdict",
        "severity",
        "route",
        "confidence",
        "summary",
        "chain",
        "repair_order",
        "contributing",
        "candidates",
        "not",
        "retry_advice",
        "progress",
        "evidence",
        "evidence_lost",
    ] {
        assert!(all.iter().all(|job| job.get(key).is_some()), "{key}");
    }
    assert!(all.iter().any(|job| job["root_cause"] == "cron_missed_schedule"));
    let failed = jobs("/api/jobs?state=failed").await;
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["job"], json!({"namespace": "n", "name": "backup-1"}));
}
