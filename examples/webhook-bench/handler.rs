//! The handler of the webhook by itself, from the body's bytes to the answer's: what a profiler and the count of
//! allocations look at.

use std::sync::Arc;

use hookbudget::admission::{Admission, Metrics};
use hookbudget::engine::Seconds;
use hookbudget::engine::policy::Mode;
use hookbudget::engine::release::HelmRelease;
use hookbudget::k8s::namespace::NamespaceFacts;
use prometheus_client::registry::Registry;

/// As an installation runs it: with metrics, 200 namespaces that enforce and 200 releases to look through.
pub(crate) fn admission() -> Admission {
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
