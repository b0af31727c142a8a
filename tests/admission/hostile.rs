//! Reviews that are made to hurt: each costs a bounded time, and nothing of them reaches a log raw.

use std::io::Write;
use std::time::Instant;

use super::*;

/// No review may cost more, in an unoptimised build on a busy machine.
const SLOWEST: Duration = Duration::from_secs(8);

/// About as much as the API server takes in one object.
const LARGE: usize = 3 * 1024 * 1024;

fn pod(review: &mut Value) -> &mut Value {
    &mut review["request"]["object"]["spec"]["template"]["spec"]
}

/// Makes a review large in one way.
type Damage = Box<dyn Fn(&mut Value)>;

/// Values that are as many as fit.
fn fill(make: impl Fn(usize) -> Value) -> Value {
    let size = make(10_000).to_string().len() + 1;
    (0..LARGE / size).map(make).collect()
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!({}), |inner, _| json!({"f:x": inner}))
}

#[tokio::test]
async fn a_hundred_levels_are_no_obstacle() {
    let cluster = Cluster::in_mode(Mode::Enforce);
    let mut review = review("job-create-waits-by-failing");
    let plain = cluster.validate(&review).await;
    let object = &mut review["request"]["object"];
    object["metadata"]["managedFields"] = json!([{"fieldsV1": nested(100)}]);
    object["spec"]["x-unknown"] = nested(100);
    pod(&mut review)["containers"][0]["x-unknown"] = nested(100);
    assert_eq!(cluster.validate(&review).await, plain);
    assert!(cluster.mutate(&review).await["patch"].is_string());
}

#[tokio::test]
async fn no_nesting_costs_more_than_its_bytes() {
    let cluster = Cluster::in_mode(Mode::Enforce);
    let template = review("job-create-waits-by-failing");
    let places = [
        "/request/object/metadata/managedFields",
        "/request/object/metadata/labels",
        "/request/object/spec/template",
        "/request/object/spec/template/spec/containers/0/env",
        "/request/oldObject",
        "/request/options",
        "/request/kind",
        "/apiVersion",
    ];
    for place in places {
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            let levels = 300_000;
            let mut review = template.clone();
            *review.pointer_mut(place).unwrap() = "HERE".into();
            for closed in [levels, 0] {
                let deep = format!("{}0{}", open.repeat(levels), close.repeat(closed));
                let body = review.to_string().replace("\"HERE\"", &deep);
                let start = Instant::now();
                let (status, _) = cluster.post("/validate", body).await;
                assert!(start.elapsed() < SLOWEST, "{place}: {:?}", start.elapsed());
                assert!(
                    matches!(status, StatusCode::OK | StatusCode::BAD_REQUEST),
                    "{status}"
                );
            }
        }
    }
}

#[tokio::test]
#[allow(clippy::too_many_lines, reason = "a table")]
async fn no_field_costs_more_than_a_bounded_time() {
    let cluster = Cluster::with(
        Policy {
            rewrite: RewriteLevel::All,
            ..Policy::default()
        },
        NamespaceFacts::default(),
    );
    let script = |text: String| json!(["sh", "-c", text]);
    let cases: [(&str, Damage); 18] = [
        (
            "environment",
            Box::new(|r| {
                pod(r)["containers"][0]["env"] = fill(|n| json!({"name": format!("N{n}"), "value": "1"}));
            }),
        ),
        (
            "environment and a script that asks for all of it",
            Box::new(move |r| {
                let names = 20_000;
                let env = (0..names).map(|n| json!({"name": format!("N{n}"), "value": "1"}));
                pod(r)["containers"][0]["env"] = env.collect();
                let asks: Vec<String> = (0..names)
                    .map(|n| format!("curl http://$N{n}/; sleep $N{n}"))
                    .collect();
                pod(r)["containers"][0]["command"] = script(asks.join("\n"));
            }),
        ),
        (
            "names that are mapped",
            Box::new(|r| {
                let names: Vec<String> = (0..LARGE / 20).map(|n| format!("N{n}=wait-timeout")).collect();
                annotate(r, "hookbudget.dev/env", &names.join(","));
            }),
        ),
        (
            "names that are mapped and set",
            Box::new(|r| {
                let names: Vec<String> = (0..20_000).map(|n| format!("N{n}=wait-timeout")).collect();
                annotate(r, "hookbudget.dev/env", &names.join(","));
                let env = (0..20_000).map(|n| json!({"name": format!("N{n}"), "value": "1"}));
                pod(r)["containers"][0]["env"] = env.collect();
            }),
        ),
        (
            "containers",
            Box::new(|r| pod(r)["containers"] = fill(|n| json!({"name": format!("c{n}"), "image": "a:1"}))),
        ),
        (
            "init containers that wait",
            Box::new(move |r| {
                pod(r)["initContainers"] = fill(
                    |n| json!({"name": format!("c{n}"), "image": "a:1", "command": ["sh", "-c", "until nc -z db 1; do sleep 2; done"]}),
                );
            }),
        ),
        (
            "as many containers as are looked at, each with a long script",
            Box::new(move |r| {
                let waits = "until curl -m 3 http://db:80; do sleep 5; done\n".repeat(200);
                let containers = (0..255).map(|n| {
                    json!({"name": format!("c{n}"), "image": "a:1", "command": ["sh", "-c", waits.as_str()]})
                });
                pod(r)["initContainers"] = containers.collect();
            }),
        ),
        (
            "volumes and mounts",
            Box::new(|r| {
                let names = 15_000;
                pod(r)["volumes"] = (0..names)
                    .map(|n| json!({"name": format!("v{n}"), "configMap": {"name": "c", "items": [{"key": "k", "path": "p"}]}}))
                    .collect();
                pod(r)["containers"][0]["volumeMounts"] = (0..names)
                    .map(|n| json!({"name": format!("v{n}"), "mountPath": format!("/m{n}")}))
                    .collect();
            }),
        ),
        (
            "annotations",
            Box::new(|r| {
                let pairs = (0..LARGE / 40).map(|n| (format!("hookbudget.dev/unknown-{n}"), "x".into()));
                r["request"]["object"]["metadata"]["annotations"] = Value::Object(
                    pairs
                        .chain([("helm.sh/hook".to_owned(), "test".into())])
                        .collect(),
                );
            }),
        ),
        (
            "exemptions",
            Box::new(|r| {
                let pairs = (0..LARGE / 40).map(|n| (format!("hookbudget.dev/exempt.HB{n}"), "x".into()));
                r["request"]["object"]["metadata"]["annotations"] = Value::Object(
                    pairs
                        .chain([("helm.sh/hook".to_owned(), "test".into())])
                        .collect(),
                );
            }),
        ),
        (
            "hooks",
            Box::new(|r| annotate(r, "helm.sh/hook", &"post-install,".repeat(LARGE / 13))),
        ),
        (
            "targets",
            Box::new(|r| annotate(r, "hookbudget.dev/wait-for", &"tcp://a:1,".repeat(LARGE / 10))),
        ),
        (
            "a record of changes",
            Box::new(|r| {
                let record = fill(
                    |n| json!({"field": format!("env.N{n}"), "from": null, "to": "1", "rule": "budget"}),
                );
                annotate(r, "hookbudget.dev/rewritten", &record.to_string());
            }),
        ),
        (
            "rules of the failure policy",
            Box::new(|r| {
                let rules =
                    fill(|n| json!({"action": "Count", "onExitCodes": {"operator": "In", "values": [n]}}));
                r["request"]["object"]["spec"]["podFailurePolicy"] = json!({ "rules": rules });
                pod(r)["restartPolicy"] = "Never".into();
            }),
        ),
        (
            "owners",
            Box::new(|r| {
                r["request"]["object"]["metadata"]["ownerReferences"] = fill(
                    |n| json!({"kind": "A", "name": "a", "uid": n.to_string(), "controller": n % 2 == 1}),
                );
            }),
        ),
        (
            "a script",
            Box::new(move |r| {
                let loops = "until curl -m 3 http://db:80; do sleep 5; done\n".repeat(LARGE / 47);
                pod(r)["containers"][0]["command"] = script(loops);
            }),
        ),
        (
            "a command of many words",
            Box::new(|r| {
                let words = vec![Value::from("curl"); LARGE / 20];
                pod(r)["containers"][0]["command"] = words.into();
            }),
        ),
        (
            "a name",
            Box::new(|r| r["request"]["object"]["metadata"]["name"] = "n".repeat(LARGE).into()),
        ),
    ];
    let mut slow = Vec::new();
    for (case, change) in &cases {
        let mut review = review("job-create-waits-by-failing");
        change(&mut review);
        let body = review.to_string();
        for path in ["/mutate", "/validate"] {
            let start = Instant::now();
            let (status, answer) = cluster.post(path, body.clone()).await;
            let took = start.elapsed();
            println!(
                "{case} {path} ({} KiB): {took:.0?}, answer {} KiB",
                body.len() / 1024,
                answer.len() / 1024
            );
            assert_eq!(status, StatusCode::OK, "{case}");
            if took > SLOWEST {
                slow.push(format!("{case} {path}: {took:?}"));
            }
        }
    }
    assert_eq!(slow, [""; 0]);
}

/// What the log holds.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn control_characters_reach_neither_logs_nor_answers() {
    // A colour, a line of its own, a carriage return, a line separator, a change of direction.
    const EVIL: &str = "a\u{1b}[31mb\nlevel=error c\rd\u{2028}e\u{202e}f\u{0}g\u{9b}h";
    let log = Log::default();
    let writer = log.clone();
    // Text, as on a terminal: JSON would escape them once more.
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let cluster = Cluster::in_mode(Mode::Enforce);
    let mut answers = Vec::new();
    let changes: [Change; 9] = [
        |r| r["object"]["metadata"]["name"] = EVIL.into(),
        |r| r["object"]["metadata"]["generateName"] = EVIL.into(),
        |r| r["object"]["metadata"]["labels"] = json!({"app.kubernetes.io/instance": EVIL}),
        |r| r["object"]["spec"]["template"]["spec"]["containers"][0]["name"] = EVIL.into(),
        |r| r["object"]["spec"]["template"]["spec"]["containers"][0]["image"] = EVIL.into(),
        |r| r["object"]["spec"]["template"]["spec"]["restartPolicy"] = EVIL.into(),
        |r| r["object"]["kind"] = EVIL.into(),
        |r| r["kind"]["version"] = EVIL.into(),
        |r| {
            let annotations = &mut r["object"]["metadata"]["annotations"];
            for key in ["env", "wait-for", "rewrite", "exempt-until", "cold-start", "wait"] {
                annotations[format!("hookbudget.dev/{key}")] = EVIL.into();
            }
            annotations[format!("hookbudget.dev/{EVIL}")] = EVIL.into();
        },
    ];
    for change in changes {
        let mut review = review("job-create-waits-by-failing");
        change(&mut review["request"]);
        for path in ["/mutate", "/validate"] {
            answers.push(cluster.ask(path, &review).await);
        }
    }
    for (field, other) in [("apiVersion", "kind"), ("kind", "apiVersion")] {
        let mut review = review("job-create-waits-by-failing");
        review[field] = EVIL.into();
        review[other] = json!({ EVIL: 1 });
        answers.push(json!(cluster.post("/validate", review.to_string()).await.1));
        review[other] = EVIL.into();
        answers.push(json!(cluster.post("/validate", review.to_string()).await.1));
    }
    answers.push(json!(
        cluster.post("/validate", format!("{{\"{EVIL}\": 1}}")).await.1
    ));
    answers.push(json!(cluster.post("/validate", EVIL).await.1));
    drop(guard);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("denied") && log.contains("not judged"), "{log}");
    let raw = |c: char| c != '\n' && (c.is_control() || matches!(c, '\u{2028}' | '\u{202e}'));
    assert!(!log.contains(raw), "{log:?}");
    assert!(!log.lines().any(|line| line.starts_with("level=")), "{log}");
    for answer in answers {
        let texts = warnings(&answer).into_iter();
        let audit = answer["auditAnnotations"].as_object().into_iter().flatten();
        let audit = audit.map(|(_, text)| text.as_str().unwrap().to_owned());
        let message = answer["status"]["message"].as_str().unwrap_or_default();
        let message = message.lines().map(str::to_owned);
        for text in texts.chain(audit).chain(message) {
            assert!(!text.contains(raw) && !text.contains('\n'), "{text:?}");
        }
    }
}

#[tokio::test]
async fn a_compressed_body_is_refused_and_never_unpacked() {
    let cluster = Cluster::in_mode(Mode::Enforce);
    // The head of a gzip stream (RFC 1952); a whole one would be no better.
    let bomb = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &[0; 4096][..]].concat();
    let plain = review("job-create-waits-by-failing").to_string().into_bytes();
    for encoding in ["gzip", "deflate", "br", "zstd", "identity, gzip"] {
        for body in [bomb.clone(), plain.clone()] {
            let request = Request::post("/validate")
                .header("content-encoding", encoding)
                .body(Body::from(body))
                .unwrap();
            let (status, text) = cluster.send(request).await;
            assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{encoding}");
            assert!(text.contains("without a Content-Encoding"), "{text}");
            assert_eq!(cluster.last_skipped(), Some(Skipped::NoReview));
        }
    }
    let (status, _) = cluster.post("/validate", bomb).await;
    assert_eq!(
        status,
        StatusCode::BAD_REQUEST,
        "without the header it is no JSON"
    );
    let request = Request::post("/validate").header("content-encoding", "identity");
    let (status, _) = cluster.send(request.body(Body::from(plain)).unwrap()).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn a_review_may_break_off_anywhere() {
    let cluster = Cluster::in_mode(Mode::Enforce);
    let whole = review("job-create-waits-by-failing").to_string();
    for end in 0..whole.len() {
        let (status, _) = cluster.post("/mutate", whole[..end].to_owned()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{}", &whole[..end]);
    }
    assert_eq!(cluster.counted.skipped.lock().unwrap().len(), whole.len());
    assert!(cluster.counted.judged.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_variables_hold_stays_where_it_is() {
    const SECRET: &str = "hunter2-and-more";
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let cluster = Cluster::in_mode(Mode::Enforce);
    let mut review = review("job-create-waits-by-failing");
    let container = &mut pod(&mut review)["containers"][0];
    container["env"] = json!([{"name": "KEY", "value": SECRET}]);
    container["command"][2] =
        format!("curl -H \"X-API-Key: $KEY\" -u a:{SECRET} http://a:$KEY@powerdns:8081/api?token={SECRET}")
            .into();
    let denied = cluster.validate(&review).await;
    assert_eq!(denied["allowed"], false);
    annotate(&mut review, "hookbudget.dev/rewrite", "all");
    let mutated = cluster.mutate(&review).await;
    drop(guard);
    assert!(
        denied.to_string().contains("http://powerdns:8081/api"),
        "{denied}"
    );
    let patch = mutated["patch"].as_str().unwrap();
    let patch = base64::engine::general_purpose::STANDARD.decode(patch).unwrap();
    let log = log.0.lock().unwrap().clone();
    assert!(!log.is_empty());
    for text in [
        denied.to_string().into_bytes(),
        mutated.to_string().into_bytes(),
        patch,
        log,
    ] {
        let text = String::from_utf8(text).unwrap();
        assert!(!text.contains(SECRET), "{text}");
    }
}

#[tokio::test]
async fn no_requester_adds_a_series() {
    let mut registry = prometheus_client::registry::Registry::default();
    let metrics = Arc::new(hookbudget::admission::Metrics::register(&mut registry));
    let admission = Admission::new(metrics);
    let cluster = Cluster {
        router: router(Arc::new(admission), Arc::new(|| true), &Limits::default()),
        counted: Arc::default(),
    };
    let series = || {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert!(!text.contains("evil"), "{text}");
        text.lines().count()
    };
    let mut counts = Vec::new();
    for round in 0..3 {
        let evil = format!("evil{round}\"}}\n");
        let changes: [&dyn Fn(&mut Value); 7] = [
            &|r| r["object"]["metadata"]["name"] = evil.as_str().into(),
            &|r| r["operation"] = evil.as_str().into(),
            &|r| r["kind"]["kind"] = evil.as_str().into(),
            &|r| r["kind"]["version"] = evil.as_str().into(),
            &|r| r["subResource"] = evil.as_str().into(),
            &|r| r["uid"] = evil.as_str().into(),
            &|r| r["object"]["metadata"]["annotations"][evil.as_str()] = evil.as_str().into(),
        ];
        for change in changes {
            let mut review = review("job-create-waits-by-failing");
            change(&mut review["request"]);
            for path in ["/mutate", "/validate"] {
                cluster.post(path, review.to_string()).await;
            }
            review["apiVersion"] = evil.as_str().into();
            cluster.post("/validate", review.to_string()).await;
        }
        counts.push(series());
    }
    assert_eq!(counts[0], counts[2], "{counts:?}");
}
