//! What the index holds of a Job: bytes that it has asked the allocator for, exact on any machine. What the process
//! takes for them is measured by `just bench-exporter`.
#![cfg(feature = "server")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

#[allow(dead_code, reason = "the bench needs more of it")]
#[path = "../examples/exporter-bench/jobs.rs"]
mod jobs;

use hookbudget::engine::evidence::{Dependency, ObjectRef};
use hookbudget::index::{Action, Change, Index, Kind, Settings};
use jiff::{SignedDuration, Timestamp};
use jobs::{Standing, WAITING, job};

/// Jobs that are measured.
const JOBS: u16 = 1_000;

/// An index whose lists are complete but for the Jobs.
fn index(now: Timestamp) -> Index {
    let mut index = Index::new(Settings::new(now));
    for kind in Kind::ALL {
        index.change(Change::Absent(kind), now);
    }
    index
}

/// Takes in Jobs of one standing, and lets them be looked into as a cluster without the Services that they wait for
/// would.
fn fill(index: &mut Index, standing: Standing, began: Timestamp, now: Timestamp) {
    let numbers = (0..).filter(|number| Standing::at_first(*number) == standing);
    for number in numbers.take(JOBS.into()) {
        index.apply(Kind::Job, &job(number, standing, 1, began), now);
    }
    index.settle(now);
    for action in index.take_actions() {
        if let Action::Inspect {
            job,
            namespace,
            service,
            target,
            ..
        } = action
        {
            let object = ObjectRef {
                kind: "Service".to_owned(),
                namespace,
                name: service,
            };
            let dependency = Dependency {
                object,
                target,
                exists: Some(false),
                ..Dependency::default()
            };
            let change = Change::Dependency {
                job,
                dependency: Box::new(dependency),
                events: Vec::new(),
            };
            index.change(change, now);
        }
    }
    index.settle(now);
    index.tick(now);
}

fn held(standing: Standing) -> u64 {
    let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
    let mut index = index(now);
    let info =
        allocation_counter::measure(|| fill(&mut index, standing, now - SignedDuration::from_mins(1), now));
    assert_eq!(index.snapshot(now).jobs.len(), usize::from(JOBS));
    let held = u64::try_from(info.bytes_current).unwrap() / u64::from(JOBS);
    println!(
        "{standing:?}: {held} B in {} blocks",
        info.count_current / i64::from(JOBS)
    );
    held
}

#[test]
fn a_job_that_has_succeeded_is_small_and_one_that_waits_is_not_large() {
    let (done, waiting) = (held(Standing::Complete), held(Standing::Waiting));
    assert!(done <= 350, "{done} B for a Job that has succeeded");
    assert!(
        waiting <= 2_250,
        "{waiting} B for a Job that waits for what is not there"
    );
    let usual = (done * (WAITING as u64 - 1) + waiting) / WAITING as u64;
    println!("{usual} B per Job where one of {WAITING} waits");
}
