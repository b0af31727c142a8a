//! How often a review makes the allocator work: counts are exact on any machine, times are not. The handler
//! alone is counted, from the body's bytes to the answer's, with the metrics and 200 releases to look through.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../examples/webhook-bench/reviews.rs"]
mod reviews;

use std::sync::Arc;

use hookbudget::admission::{Admission, Metrics, Webhook};
use hookbudget::engine::Seconds;
use hookbudget::engine::policy::Mode;
use hookbudget::engine::release::HelmRelease;
use hookbudget::k8s::namespace::NamespaceFacts;
use prometheus_client::registry::Registry;
use reviews::{Case, Padding, review};

/// Bytes of the usual review.
const USUAL: usize = 4_096;

fn admission() -> Admission {
    let metrics = Metrics::register(&mut Registry::default());
    let admission = Admission::new(Arc::new(metrics));
    let facts = NamespaceFacts {
        mode: Some(Mode::Enforce),
        ..NamespaceFacts::default()
    };
    let namespaces = (0..200).map(|number| (format!("team-{number}"), facts)).collect();
    admission.surroundings.namespaces.store(Arc::new(namespaces));
    let release = |number| HelmRelease {
        namespace: format!("team-{number}"),
        name: format!("release-{number}"),
        install_timeout: Some(Seconds::new(1500)),
        upgrade_timeout: Some(Seconds::new(1500)),
        ..HelmRelease::default()
    };
    admission
        .surroundings
        .releases
        .store(Arc::new((0..200).map(release).collect()));
    admission
}

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

#[test]
fn a_review_takes_few_allocations() {
    for (case, webhook, said) in [
        (Case::Allow, Webhook::Validate, "\"allowed\":true}"),
        (Case::Deny, Webhook::Validate, "HB101"),
        (Case::Rewrite, Webhook::Mutate, "JSONPatch"),
    ] {
        let body = review(case, USUAL, Padding::Everything, 0);
        let (first, again, answer) = count(webhook, &body);
        println!("{case:?}: {first} for a new script, {again} again");
        assert!(answer.contains(said), "{case:?}: {answer}");
        for (padding, size) in [(Padding::ManagedFields, 100_000), (Padding::Script, 20_000)] {
            let body = review(case, size, padding, 0);
            let (first, again, _) = count(webhook, &body);
            println!(
                "{case:?} {padding:?} {}: {first} for a new script, {again} again",
                body.len()
            );
        }
    }
}
