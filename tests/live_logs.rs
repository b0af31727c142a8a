//! Logs as the API server sends them, over HTTP: lines of ten megabytes, bytes that are no text, terminal escapes and a
//! key. A hundred megabytes pass, and a few kilobytes stay.
#![cfg(feature = "server")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/api.rs"]
mod api;

use std::time::Duration;

use api::{Api, Objects};
use bytes::Bytes;
use hookbudget::index::{Clock, Handle, Scope, Settings, drive, live};
use hookbudget::shutdown::Shutdown;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// What a line is long, and how many there are.
const LINE: usize = 10 << 20;
const LINES: usize = 10;
/// What may be held at once, the server and its client included.
const BOUND: u64 = 8 << 20;

fn job() -> Value {
    json!({"metadata": {"name": "mint", "namespace": "shop", "uid": "u", "resourceVersion": "5",
            "creationTimestamp": Timestamp::now().to_string(), "annotations": {"helm.sh/hook": "post-install"}},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "a:1"}]}}},
        "status": {"startTime": Timestamp::now().to_string(), "active": 1}})
}

fn pod() -> Value {
    json!({"metadata": {"name": "mint-abcde", "namespace": "shop", "uid": "p", "resourceVersion": "6",
            "labels": {"batch.kubernetes.io/job-name": "mint"}},
        "spec": {"containers": [{"name": "c", "image": "a:1"}]},
        "status": {"phase": "Running", "containerStatuses": [
            {"name": "c", "restartCount": 0, "state": {"running": {"startedAt": Timestamp::now().to_string()}}}]}})
}

fn log() -> Vec<Bytes> {
    let piece = Bytes::from(vec![b'x'; 1 << 16]);
    let mut log = Vec::new();
    for _ in 0..LINES {
        log.extend(std::iter::repeat_n(piece.clone(), LINE / piece.len()));
        log.push(Bytes::from_static(b"\n"));
    }
    let every_byte: Vec<u8> = (0..=255).collect();
    log.push(every_byte.repeat(64).into());
    log.push(Bytes::from_static(
        b"\n\x1b]0;title\x07\x1b[31mwaiting for gitea api (3/12)\x1b[0m\n",
    ));
    let key = "-----BEGIN EC PRIVATE KEY-----\nTtkMkPEPpIVtSDbn0gB\nq8w=\n-----END EC PRIVATE KEY-----\n";
    // In pieces that end within a line.
    log.extend(key.as_bytes().chunks(7).map(Bytes::copy_from_slice));
    log.push(Bytes::from_static(b"the last line, without an end"));
    log
}

/// The lines of the Job's log that are kept, once the last one has come.
async fn read() -> Vec<String> {
    let api = Api::start(Objects {
        lists: [
            ("jobs", vec![job()]),
            ("pods", vec![pod()]),
            ("cronjobs", vec![]),
            ("events", vec![]),
        ]
        .into(),
        log: log(),
        ..Objects::default()
    })
    .await;
    let index = Handle::new(Settings::new(Timestamp::now()), Clock::Real);
    let (changes, incoming) = mpsc::channel(64);
    let (actions, wanted) = mpsc::unbounded_channel();
    let (_trigger, shutdown) = Shutdown::manual();
    let tick = Duration::from_secs(1);
    tokio::spawn(drive(index.clone(), incoming, actions, tick, shutdown));
    tokio::spawn(live::run(api.client(), Scope::CLUSTER, changes, wanted));
    let begun = tokio::time::Instant::now();
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let job = index.with(|index| index.job("shop", "mint"));
        let tail = job.map(|job| job.tail().to_vec()).unwrap_or_default();
        if tail.last().is_some_and(|line| line.starts_with("the last line")) {
            return tail;
        }
        let late = begun.elapsed() > Duration::from_mins(2);
        assert!(!late, "{tail:?}; asked: {:?}", api.asked());
    }
}

#[test]
fn lines_of_ten_megabytes_and_bytes_that_are_no_text_cost_a_bounded_memory() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let mut tail = Vec::new();
    // Everything runs on this thread, so everything is counted.
    let used = allocation_counter::measure(|| tail = runtime.block_on(read()));
    assert!(used.bytes_max < BOUND, "{} bytes at once", used.bytes_max);
    assert!(
        tail.iter().all(|line| line.len() <= 8 * 1024),
        "{:?}",
        tail.iter().map(String::len).collect::<Vec<_>>()
    );
    assert!(tail.iter().map(String::len).sum::<usize>() <= 64 * 1024);
    let text = tail.join("\n");
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    assert!(
        text.contains("waiting for gitea api (3/12)") && !text.contains("title"),
        "{text}"
    );
    assert!(!text.contains("TtkMk") && !text.contains("q8w"), "{text}");
}
