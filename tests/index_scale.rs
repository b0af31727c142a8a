//! What a watched Job costs. Memory is a count and holds on any machine; times are printed for a reader.
//!
//! `cargo test --release --test index_scale -- --ignored --nocapture`
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // helpers of tests
#![cfg(feature = "server")]

use std::sync::Arc;
use std::time::Instant;

use hookbudget::index::{Clock, Handle, Kind, Settings};
use hookbudget::metrics::{Exposition, Format};
use jiff::Timestamp;

const START: &str = "2026-11-21T10:00:00Z";

fn job(number: usize) -> String {
    format!(
        r#"{{"metadata":{{"name":"backup-{number}","namespace":"team-{}","uid":"8f1c1f1e-{number}","generation":1,
        "creationTimestamp":"{START}","labels":{{"app.kubernetes.io/name":"backup"}},
        "ownerReferences":[{{"kind":"CronJob","name":"backup-{}","uid":"u","controller":true}}]}},
        "spec":{{"backoffLimit":2,"activeDeadlineSeconds":600,"template":{{"spec":{{"restartPolicy":"OnFailure",
        "containers":[{{"name":"backup","image":"alpine:3.20","command":["backup"],
        "resources":{{"limits":{{"memory":"128Mi"}}}}}}]}}}}}},
        "status":{{"startTime":"{START}","completionTime":"{START}","succeeded":1,"conditions":[
        {{"type":"Complete","status":"True","reason":"CompletionsReached","lastTransitionTime":"{START}"}}]}}}}"#,
        number % 200,
        number % 2000
    )
}

/// Resident memory in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

#[test]
#[ignore = "takes a minute and measures the whole process"]
fn memory_and_scrape_time_per_job() {
    let now: Timestamp = START.parse().unwrap();
    let index = Handle::new(Settings::new(now), Clock::standing_at(now));
    let fill = |from: usize, to: usize| {
        let begun = Instant::now();
        for number in from..to {
            index.with(|index| index.apply(Kind::Job, &job(number), now));
            if number % 256 == 0 {
                index.with(|index| index.settle(now));
            }
        }
        index.with(|index| index.settle(now));
        begun.elapsed()
    };
    fill(0, 10_000);
    let before = resident();
    let took = fill(10_000, 100_000);
    let per_job = (resident() - before) / 90_000;
    let begun = Instant::now();
    let exposition = Exposition::new(Arc::new(index.snapshot()), Format::Text);
    let (series, bytes) = exposition.fold((0, 0), |(series, bytes), piece| {
        (
            series + piece.lines().filter(|line| !line.starts_with('#')).count(),
            bytes + piece.len(),
        )
    });
    let scrape = begun.elapsed();
    println!(
        "{per_job} B per Job; 90,000 Jobs taken in in {took:?}; {series} series, {bytes} B in {scrape:?}"
    );
    assert!(per_job <= 1_500, "{per_job} B per Job");
}
