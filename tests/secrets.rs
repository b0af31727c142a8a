//! Secrets in every place where a program, a user or a controller can write one, and every way out of the process: the
//! real exporter over a fake API server, the real `diagnose` and `lint`. None of them may come out anywhere.
#![cfg(all(feature = "cli", feature = "server"))]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/api.rs"]
mod api;
#[path = "support/exporter.rs"]
mod exporter;
mod support;

use std::fs;
use std::time::{Duration, Instant};

use api::{Api, Objects};
use exporter::Exporter;
use serde_json::{Value, json};
use support::{Ran, command, run, run_with};

/// How secrets look. What must not come out bears `n33dle`, or its base64.
const SPOKEN: [&str; 38] = [
    "login with password=n33dle01 failed",
    "password: n33dle02",
    "Authorization: Bearer n33dle03.x",
    "> authorization: Basic YWRtaW46bjMzZGxl",
    "X-API-Key: n33dle04",
    "curl -u admin:n33dle05 http://api",
    "dial postgres://app:n33dle06@db:5432/app refused",
    "dial app:n33dle07@tcp(db:3306)/shop refused",
    "AWS_SECRET_ACCESS_KEY=n33dle08/bPxRfiCYEXAMPLEKEY",
    "used AKIAN33DLE09ABCDEFGH in vain",
    "got eyJhbGciOiJI.bjMzZGxlMTA.c2lnbmF0dXJl",
    "{\"clientSecret\": \"n33dle\", \"token\":\"n33dle\"}",
    "GET /x?access_token=n33dle12&page=2 401",
    "remote: ghp_n33dle13x0123456789abcdef",
    "Set-Cookie: session=n33dle14; Path=/",
    "PGPASSWORD=n33dle15 psql -h db",
    "--password n33dle16 --user app",
    "X-Vault-Token: hvs.n33dle17n33dle17n33dle17",
    "DB_PASS=n33dle SMTP_PASS: n33dle",
    "MYSQL_PWD=a;n33dle",
    "SECRET_KEY_BASE=n33dle encryption_key=n33dle",
    "run --api-key n33dle --client-secret n33dle --db-password n33dle",
    "curl --user=a:n33dle http://api",
    "{\"password\" : \"n33dle\", \"a\": {\"password\":\"p?n33dle\"}}",
    "password => n33dle",
    "GET /x?a=1&sig=n33dle%3D 403",
    "PGPASSWORD=Xy7;n33dle psql",
    "password='a n33dle'",
    "dial postgres://app:a&n33dle@db refused",
    "dial postgres://app:a,n33dle@db refused",
    "dial postgres://app:a?n33dle@db refused",
    "parse \"postgres://app:pa/n33dle@db\": invalid port \":pa\" after host",
    "mysql -h db -pn33dle shop",
    "exec [\"mysqladmin\",\"ping\",\"-pn33dle\"] failed",
    "redis-cli -a n33dle ping",
    "curl -H 'X-API-Key: a n33dle' http://api",
    "wget --header=\"Private-Token: a n33dle\" http://api",
    "mongosh -u app -p n33dle",
];

/// A key over several lines, with lines that no form of their own gives away.
const KEY: &str = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,N33DLE18\n\n\
                   n33dle19IpVtSDbn0gBxDzDnmB8Wb0OUSzTv0Jn33dle\nn33dle20shortline\nn33dle==\n-----END RSA PRIVATE KEY-----";

/// Parts by which a secret is known.
const NEEDLES: [&str; 3] = ["n33dle", "N33DLE", "bjMzZGxl"];

fn all() -> String {
    format!("{}\n{KEY}\nall is said", SPOKEN.join("\n"))
}

fn assert_clean(way: &str, text: &str) {
    for needle in NEEDLES {
        if let Some(at) = text.find(needle) {
            let from = text.floor_char_boundary(at.saturating_sub(300));
            let to = text.ceil_char_boundary((at + 120).min(text.len()));
            panic!("{way} lets a secret out:\n{}", &text[from..to]);
        }
    }
}

/// A hook that has failed, and its Pod, with `place` filled.
fn ill(place: &str) -> (Value, Value) {
    let text = all();
    let script = "URL=http://api:80\nuntil curl -sf -H \"X-API-Key: n33dle21\" \"$URL/v1/$API_TOKEN?key=$API_TOKEN\"; do\n  \
                  echo waiting; sleep 5\ndone\npsql \"$DATABASE_URL\" -c 'select 1'\nwget http://bob:n33dle22@203.0.113.9/mc\n";
    let mut job = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": place, "namespace": "shop", "uid": format!("uid-{place}"), "generation": 1, "resourceVersion": "5",
            "creationTimestamp": "2026-11-21T10:00:00Z", "annotations": {"helm.sh/hook": "post-install"}},
        "spec": {"backoffLimit": 1, "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c",
            "image": "registry.example/app:1", "command": ["sh", "-c", script], "env": [
                {"name": "API_TOKEN", "value": "n33dle23"},
                {"name": "DATABASE_URL", "value": "postgres://app:n33dle24@db:5432/app"}]}]}}},
        "status": {"startTime": "2026-11-21T10:00:00Z", "failed": 2, "conditions": [{"type": "Failed", "status": "True",
            "reason": "BackoffLimitExceeded", "message": "over", "lastTransitionTime": "2026-11-21T10:05:00Z"}]}});
    let mut end = json!({"exitCode": 1, "reason": "Error", "startedAt": "2026-11-21T10:00:01Z", "finishedAt": "2026-11-21T10:00:09Z"});
    let mut state = json!({"terminated": end});
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("{place}-abcde"), "namespace": "shop", "uid": format!("pod-{place}"), "resourceVersion": "6",
            "creationTimestamp": "2026-11-21T10:00:00Z", "labels": {"batch.kubernetes.io/job-name": place}},
        "spec": {"containers": [{"name": "c", "image": "registry.example/app:1"}]},
        "status": {"phase": "Failed"}});
    match place {
        "condition" => job["status"]["conditions"][0]["message"] = json!(text),
        "annotation" => {
            job["metadata"]["annotations"]["hookbudget.dev/parked"] = json!(text);
            job["metadata"]["annotations"]["hookbudget.dev/wait-for"] =
                json!("http://bob:n33dle25@api/x?token=n33dle26");
        }
        "image" => {
            let image = json!("robot:n33dle27@registry.example/app:1");
            job["spec"]["template"]["spec"]["containers"][0]["image"] = image.clone();
            pod["spec"]["containers"][0]["image"] = image;
            state = json!({"waiting": {"reason": "InvalidImageName", "message": "Failed to apply default image tag \
                \"robot:n33dle27@registry.example/app:1\": couldn't parse image name"}});
        }
        "waiting" => state = json!({"waiting": {"reason": "CreateContainerConfigError", "message": text}}),
        "termination" => {
            end["message"] = json!(text);
            state = json!({"terminated": end});
        }
        "pod" => {
            pod["status"]["reason"] = json!("Evicted");
            pod["status"]["message"] = json!(text);
            pod["status"]["conditions"] =
                json!([{"type": "Ready", "status": "False", "reason": "x", "message": text}]);
        }
        _ => {}
    }
    pod["status"]["containerStatuses"] = json!([{"name": "c", "restartCount": 0, "state": state}]);
    (job, pod)
}

const PLACES: [&str; 8] = [
    "annotation",
    "condition",
    "event",
    "image",
    "log",
    "pod",
    "termination",
    "waiting",
];

fn events() -> Vec<Value> {
    let text = all();
    let mut told = SPOKEN.to_vec();
    told.push(&text);
    let event = |(number, message): (usize, &&str)| {
        let (kind, name) = if number % 2 == 0 {
            ("Pod", "event-abcde")
        } else {
            ("Job", "event")
        };
        json!({"apiVersion": "v1", "kind": "Event",
            "metadata": {"name": format!("e{number}"), "namespace": "shop", "resourceVersion": "7"}, "type": "Warning",
            "reason": (["FailedMount", "FailedCreate"])[number % 2], "message": message,
            "lastTimestamp": "2026-11-21T10:00:05Z", "involvedObject": {"kind": kind, "namespace": "shop", "name": name}})
    };
    told.iter().enumerate().map(event).collect()
}

fn release() -> Value {
    json!({"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
        "metadata": {"name": "shop", "namespace": "shop", "resourceVersion": "4"}, "spec": {"timeout": "5m"},
        "status": {"conditions": [{"type": "Ready", "status": "False", "reason": "InstallFailed", "message": all(),
            "lastTransitionTime": "2026-11-21T10:05:00Z"}]}})
}

/// One that is skipped: what is wrong with it is logged.
fn wrong() -> Value {
    json!({"metadata": {"name": "wrong", "namespace": "shop"}, "spec": {"backoffLimit": "password=n33dle28",
        "template": {"spec": {"containers": "n33dle29"}}}})
}

fn live(kubeconfig: &str, more: &[&str]) -> Ran {
    let mut arguments = vec!["diagnose", "-n", "shop"];
    arguments.extend(more);
    let output = command(&arguments)
        .env("KUBECONFIG", kubeconfig)
        .output()
        .expect("it runs");
    Ran {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_leaves_the_exporter_or_diagnose_on_any_way() {
    let (mut jobs, pods): (Vec<_>, Vec<_>) = PLACES.iter().map(|place| ill(place)).unzip();
    let dump = {
        let items: Vec<Value> = jobs
            .iter()
            .chain(&pods)
            .cloned()
            .chain(events())
            .chain([release()])
            .collect();
        json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
    };
    jobs.push(wrong());
    let api = Api::start(Objects {
        lists: [
            ("jobs", jobs),
            ("pods", pods),
            ("events", events()),
            ("cronjobs", vec![]),
            ("jobdiagnoses", vec![]),
            ("helmreleases", vec![release()]),
            ("services", vec![]),
        ]
        .into(),
        groups: vec![("helm.toolkit.fluxcd.io", &["v2"])],
        log: vec![all().into()],
    })
    .await;
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("kubeconfig");
    fs::write(&file, api.kubeconfig()).expect("written");
    let kubeconfig = file.display().to_string();

    let exporter = Exporter::start(&kubeconfig, &["--diagnoses"]);
    let begun = Instant::now();
    let is_done = || {
        let written = api.written();
        let objects = PLACES.iter().filter(|place| {
            written
                .iter()
                .any(|body| body.contains(&format!("/jobdiagnoses/{place}-")) && body.contains("evidence"))
        });
        let told = written
            .iter()
            .filter(|body| body.contains("\"Diagnosed\""))
            .count();
        objects.count() == PLACES.len() && told >= PLACES.len()
    };
    while !is_done() {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(begun.elapsed() < Duration::from_mins(1), "{:#?}", api.written());
    }
    let mut seen = 0;
    for (path, accept) in [
        ("/metrics", "text/plain"),
        ("/metrics", "application/openmetrics-text"),
        ("/", "text/html"),
        ("/?job=shop/log", "text/html"),
        ("/api/jobs", "application/json"),
        ("/explain/oom_killed", "text/html"),
    ] {
        let answer = exporter.get(path, accept).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        seen += answer.matches("[redacted]").count();
        assert_clean(path, &answer);
    }
    assert!(seen > 40, "{seen}: what is hidden was there");
    for body in api.written() {
        assert_clean("what is written into the cluster", &body);
    }
    let log = exporter.end();
    assert!(log.contains("object skipped"), "{log}");
    assert_clean("the log of the process", &log);

    let logs = directory.path().join("dump/shop/log-abcde");
    fs::create_dir_all(&logs).expect("made");
    fs::write(logs.join("c.log"), all()).expect("written");
    fs::write(directory.path().join("dump/objects.json"), dump).expect("written");
    let from = directory.path().join("dump").display().to_string();
    for format in [&["--format", "json"][..], &["-v"], &[]] {
        let mut arguments = vec!["diagnose", "--from", &from];
        arguments.extend(format);
        for (way, ran) in [
            ("diagnose", live(&kubeconfig, format)),
            ("diagnose --from", run(&arguments)),
        ] {
            assert!(
                PLACES.iter().all(|place| ran.out.contains(place)),
                "{way} {format:?}: {ran:?}"
            );
            assert_clean(way, &ran.out);
            assert_clean(way, &ran.err);
        }
    }
}

#[test]
fn lint_shows_the_place_of_a_secret_and_not_the_secret() {
    let manifest = serde_json::to_string_pretty(&ill("condition").0).expect("JSON");
    let script = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a, annotations: {helm.sh/hook: post-install}}\nspec:\n  \
                  template:\n    spec:\n      restartPolicy: OnFailure\n      containers:\n        - name: c\n          \
                  image: robot:n33dle30@registry.example/app\n          command:\n            - sh\n            - -c\n            - |\n              \
                  until curl -sf -u admin:n33dle31 http://bob:n33dle32@api/x?token=n33dle33; do sleep 5; done\n              \
                  curl -H 'Authorization: Bearer n33dle34' http://api/y\n";
    for input in [manifest.as_str(), script] {
        for format in ["text", "json", "sarif", "github", "junit"] {
            let ran = run_with(&["lint", "-v", "--format", format, "-"], input);
            assert!(ran.out.contains("HB"), "{format}: {ran:?}");
            assert_clean(&format!("lint --format {format}"), &ran.out);
            assert_clean(&format!("lint --format {format}"), &ran.err);
        }
        let ran = run_with(&["simulate", "-"], input);
        assert_clean("simulate", &format!("{}{}", ran.out, ran.err));
    }
}
