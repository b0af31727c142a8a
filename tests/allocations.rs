//! How often a review makes the allocator work: counts are exact on any machine, times are not. The handler
//! alone is counted, from the body's bytes to the answer's, with the metrics and 200 releases to look through.
#![cfg(all(feature = "cli", feature = "server"))]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

#[path = "../examples/webhook-bench/handler.rs"]
mod handler;
#[path = "../examples/webhook-bench/reviews.rs"]
mod reviews;

use handler::admission;
use hookbudget::admission::Webhook;
use hookbudget::engine::job::Container;
use hookbudget::engine::shell::{Files, Readings};
use reviews::{Case, Padding, review};

/// Scripts in the test of what is remembered: several times what fits.
const HOSTILE: usize = 600;
/// Bytes of the usual review.
const USUAL: usize = 4_096;

/// Allocations of a review whose script is new here, and of the same one again; and the answer.
fn count(webhook: Webhook, body: &[u8]) -> (u64, u64, String) {
    let admission = admission();
    // Counters are made when they are first counted.
    for case in [Case::Allow, Case::Deny, Case::Rewrite] {
        admission
            .answer(webhook, &review(case, USUAL, Padding::Everything, 1_000))
            .unwrap();
    }
    let mut answer = Vec::new();
    let [first, again] = [(); 2].map(|()| {
        allocation_counter::measure(|| answer = admission.answer(webhook, body).unwrap()).count_total
    });
    (first, again, String::from_utf8(answer).unwrap())
}

/// What a review may take at most: where a script is new, with some room, and again.
/// `docs/design/performance.md` says where they go.
const BOUNDS: [(Case, Webhook, &str, u64, u64); 3] = [
    (Case::Allow, Webhook::Validate, "\"allowed\":true}", 3_600, 30),
    (Case::Deny, Webhook::Validate, "HB101", 420, 40),
    (Case::Rewrite, Webhook::Mutate, "JSONPatch", 1_200, 60),
];

#[test]
fn a_review_takes_few_allocations() {
    for (case, webhook, said, first_bound, bound) in BOUNDS {
        let body = review(case, USUAL, Padding::Everything, 0);
        let (first, again, answer) = count(webhook, &body);
        println!("{case:?}: {first} for a new script, {again} again");
        assert!(answer.contains(said), "{case:?}: {answer}");
        assert!(
            first <= first_bound && again <= bound,
            "{case:?}: {first} for a new script, {again} again"
        );
    }
}

#[test]
fn allocations_do_not_grow_with_managed_fields_or_with_a_script_that_is_known() {
    for (case, webhook, ..) in BOUNDS {
        let (_, usual, _) = count(webhook, &review(case, USUAL, Padding::Everything, 0));
        for (padding, size) in [(Padding::ManagedFields, 100_000), (Padding::Script, 20_000)] {
            let body = review(case, size, padding, 0);
            let (_, again, _) = count(webhook, &body);
            // A longer text is unescaped and written into buffers that double.
            let room = usual + 16;
            assert!(again <= room, "{case:?} {padding:?}: {again}, with 4 KB {usual}");
        }
    }
}

/// Whoever may create Jobs chooses the scripts: what is remembered of them is bounded by its bytes (`MOST` of
/// `src/engine/shell/readings.rs`), not by their number.
#[test]
fn hostile_scripts_in_numbers_do_not_fill_the_memory() {
    /// As much again for what an estimate of a reading does not see.
    const BOUND: i64 = 2 * 1024 * 1024;
    let readings = Readings::default();
    let read = |script: String| {
        let container = Container {
            command: vec!["sh".into(), "-c".into(), script.into()],
            ..Container::default()
        };
        readings.of(&container, Files::default());
    };
    let kept = allocation_counter::measure(|| {
        for number in 0..HOSTILE {
            // As much to be remembered as one reading may weigh, each time something else.
            let name = "a".repeat(200 + number % 40);
            let waits = (0..12)
                .map(|wait| format!("until curl -m 3 http://{name}-{number}-{wait}/; do sleep 5; done\n"));
            read(waits.collect());
            // And a quarter of a mebibyte to be told apart by.
            if number % 8 == 0 {
                read(format!("sleep {number} # {}", "x".repeat(256 * 1024)));
            }
        }
    });
    println!(
        "{} bytes are kept, {} at most",
        kept.bytes_current, kept.bytes_max
    );
    assert!((200_000..BOUND).contains(&kept.bytes_current), "{kept:?}");
}
