//! The incidents, judged from evidence; the promises of the diagnosis; the completeness of the causes.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // helpers of tests

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

use hookbudget::engine::Seconds;
use hookbudget::engine::cause::HEADINGS;
use hookbudget::engine::causes::registry;
use hookbudget::engine::diagnose::diagnose;
use hookbudget::engine::diagnosis::{Diagnosis, DiagnosisKnobs, JobPhase, RetryAdvice, Trigger, Verdict};
use hookbudget::engine::evidence::Evidence;
use hookbudget::engine::root_cause::{RootCause, Route, Severity};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn judge(name: &str, now: &str) -> Diagnosis {
    let path = root().join("tests/fixtures/evidence").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    let evidence: Evidence = serde_json::from_str(&text).expect(name);
    diagnose(
        &evidence,
        &DiagnosisKnobs::default(),
        now.parse().expect("a time"),
    )
}

const AFTER_A: &str = "2026-03-02T10:06:00Z";
const AFTER_C: &str = "2026-03-18T08:00:00Z";

#[test]
fn incident_a_is_a_matter_of_budgets_while_the_dependency_is_merely_slow() {
    let judged = judge("incident-a.json", AFTER_A);
    assert_eq!(
        (judged.state, judged.trigger),
        (JobPhase::Failed, Trigger::BackoffLimitExceeded)
    );
    assert_eq!(judged.root_cause, Some(RootCause::BudgetMisconfigured));
    assert_eq!((judged.verdict, judged.route), (Verdict::Real, Some(Route::App)));
    assert!(
        judged.contributing.contains(&RootCause::ConnectionRefused),
        "{:?}",
        judged.contributing
    );
    assert!(
        judged.contributing.contains(&RootCause::DependencySlowStart),
        "{:?}",
        judged.contributing
    );
    assert!(
        judged
            .summary
            .contains("330 s, 510 s before the deadline of 840 s"),
        "{}",
        judged.summary
    );
    let short = judged
        .not
        .iter()
        .find(|ruled| ruled.cause == RootCause::DeadlineTooShort)
        .expect("ruled out");
    assert_eq!(short.why, "510 s of the deadline of 840 s were left");
    assert!(judged.not.iter().any(|ruled| ruled.cause == RootCause::OomKilled));
    assert_eq!(judged.evidence_lost.len(), 1);
}

#[test]
fn incident_a_on_a_full_node_is_walked_to_the_ground() {
    let judged = judge("incident-a-full-node.json", AFTER_A);
    assert_eq!(judged.root_cause, Some(RootCause::DependencyNodeCapacity));
    assert_eq!(
        (judged.severity, judged.route),
        (Severity::Critical, Some(Route::Platform))
    );
    assert_eq!(
        (judged.verdict, judged.retry_advice),
        (Verdict::Real, RetryAdvice::DoNotRetry)
    );
    assert!(judged.contributing.contains(&RootCause::BudgetMisconfigured));
    let kinds: Vec<&str> = judged.chain.iter().map(|link| link.kind.as_str()).collect();
    let expected = [
        "HelmRelease",
        "Job",
        "Service",
        "Deployment",
        "Pod",
        "Secret",
        "Cluster",
        "Pod",
        "Autoscaler",
    ];
    assert_eq!(kinds, expected);
    assert!(
        judged.chain[7].proof.contains("Insufficient cpu"),
        "{:?}",
        judged.chain[7]
    );
    assert!(judged.chain.iter().all(|link| !link.proof.is_empty()));
    let order = &judged.repair_order;
    assert!(order[0].starts_with("Make room on the nodes"), "{order:#?}");
    let place = |part: &str| {
        order
            .iter()
            .position(|step| step.contains(part))
            .unwrap_or_else(|| panic!("{part}: {order:#?}"))
    };
    assert!(place("Secret powerdns/pdns-pg-app") < place("Deployment powerdns/powerdns"));
    assert!(place("Deployment powerdns/powerdns") < place("Service powerdns/powerdns"));
    assert!(place("Service powerdns/powerdns") < place("HelmRelease flux-system/bp-powerdns"));
}

#[test]
fn incident_b_waits_within_the_time_that_its_dependency_may_take() {
    let judged = judge("incident-b-waiting.json", "2026-03-05T09:01:05Z");
    assert_eq!(
        (judged.state, judged.trigger),
        (JobPhase::Waiting, Trigger::NotFailed)
    );
    assert_eq!(judged.root_cause, Some(RootCause::DependencySlowStart));
    assert_eq!(
        (judged.verdict, judged.severity),
        (Verdict::Transient, Severity::Info)
    );
    let progress = judged.progress.expect("progress");
    assert_eq!((progress.attempt, progress.attempts), (Some(12), Some(168)));
    assert_eq!(progress.remaining, Some(Seconds::new(780)));
}

#[test]
fn incident_b_given_up_by_its_release_is_a_matter_of_budgets() {
    let judged = judge("incident-b-waiting.json", "2026-03-05T09:15:01Z");
    assert_eq!(
        (judged.state, judged.trigger),
        (JobPhase::Waiting, Trigger::ReleaseTimeout)
    );
    assert_eq!(judged.verdict, Verdict::Real, "{judged:#?}");
}

#[test]
fn incident_c_is_told_apart_by_what_was_captured() {
    for (name, cause) in [
        ("incident-c-oom.json", RootCause::OomKilled),
        ("incident-c-download.json", RootCause::RuntimeDownloadFailed),
        ("incident-c-dns.json", RootCause::DnsFailure),
        ("incident-c-lost.json", RootCause::EvidenceLost),
    ] {
        let judged = judge(name, AFTER_C);
        assert_eq!(judged.root_cause, Some(cause), "{name}: {judged:#?}");
        assert_eq!(judged.trigger, Trigger::BackoffLimitExceeded);
    }
}

#[test]
fn incident_c_without_evidence_is_not_guessed() {
    let judged = judge("incident-c-lost.json", AFTER_C);
    assert_eq!(judged.verdict, Verdict::Unknown);
    assert!(judged.candidates.contains(&RootCause::OomKilled));
    assert!(judged.candidates.contains(&RootCause::RuntimeDownloadFailed));
    assert!(judged.contributing.is_empty(), "{:?}", judged.contributing);
    let what: Vec<&str> = judged
        .evidence_lost
        .iter()
        .map(|lost| lost.what.as_str())
        .collect();
    assert_eq!(
        what,
        [
            "the logs of all runs",
            "the end of every run: exit code and reason",
            "the Pods"
        ]
    );
    let download = judge("incident-c-download.json", AFTER_C);
    assert!(
        download
            .not
            .iter()
            .any(|ruled| ruled.cause == RootCause::OomKilled)
    );
}

#[test]
fn the_keys_of_a_diagnosis_are_a_promise() {
    let value = serde_json::to_value(judge("incident-a-full-node.json", AFTER_A)).expect("JSON");
    let keys = |value: &serde_json::Value| {
        value
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect::<BTreeSet<_>>()
    };
    let set = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<BTreeSet<_>>()
    };
    let whole = [
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
        "culprit",
        "same_culprit",
        "same_culprit_more",
        "repair_order",
        "contributing",
        "candidates",
        "not",
        "retry_advice",
        "retry_reason",
        "progress",
        "evidence",
        "evidence_lost",
    ];
    assert_eq!(keys(&value), set(&whole));
    assert_eq!(keys(&value["job"]), set(&["namespace", "name"]));
    assert_eq!(keys(&value["owner"]), set(&["kind", "namespace", "name"]));
    assert_eq!(
        keys(&value["chain"][0]),
        set(&["kind", "namespace", "name", "relation", "finding", "proof"])
    );
    assert_eq!(keys(&value["not"][0]), set(&["cause", "why"]));
    assert_eq!(
        keys(&value["evidence"][0]),
        set(&["kind", "source", "at", "text"])
    );
    assert_eq!(keys(&value["evidence_lost"][0]), set(&["what", "why"]));
    let progress = [
        "attempt",
        "attempts",
        "elapsed",
        "budget",
        "remaining",
        "source",
        "target",
    ];
    assert_eq!(keys(&value["progress"]), set(&progress));
    assert_eq!(value["state"], "failed");
    assert_eq!(value["trigger"], "BackoffLimitExceeded");
    assert_eq!(value["root_cause"], "dependency_node_capacity");
    assert_eq!(value["retry_advice"], "do-not-retry");
}

#[test]
fn evidence_and_diagnosis_survive_being_stored() {
    let path = root().join("tests/fixtures/evidence");
    for entry in fs::read_dir(path).expect("fixtures") {
        let text = fs::read_to_string(entry.expect("an entry").path()).expect("text");
        let evidence: Evidence = serde_json::from_str(&text).expect("evidence");
        let again: Evidence =
            serde_json::from_str(&serde_json::to_string(&evidence).expect("JSON")).expect("evidence");
        assert_eq!(evidence, again);
        let given: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_known(&given, &serde_json::to_value(&evidence).expect("JSON"));
        let judged = diagnose(
            &evidence,
            &DiagnosisKnobs::default(),
            AFTER_C.parse().expect("a time"),
        );
        let again: Diagnosis =
            serde_json::from_str(&serde_json::to_string(&judged).expect("JSON")).expect("diagnosis");
        assert_eq!(judged, again);
    }
}

/// A key of a fixture that the types do not know is a typing error.
fn assert_known(given: &serde_json::Value, read: &serde_json::Value) {
    if let (Some(given), Some(read)) = (given.as_object(), read.as_object()) {
        for (key, value) in given {
            assert_known(
                value,
                read.get(key)
                    .unwrap_or_else(|| panic!("{key} is not a key of Evidence")),
            );
        }
    }
    if let (Some(given), Some(read)) = (given.as_array(), read.as_array()) {
        given
            .iter()
            .zip(read)
            .for_each(|(given, read)| assert_known(given, read));
    }
}

fn sources() -> BTreeSet<String> {
    fs::read_dir(root().join("src/engine/causes"))
        .expect("src/engine/causes")
        .map(|entry| entry.expect("an entry").path())
        .filter_map(|path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()))
        .filter(|name| name != "mod")
        .collect()
}

#[test]
fn every_cause_is_registered_once_documented_and_tested() {
    let names: Vec<&str> = registry().iter().map(|cause| cause.meta().name).collect();
    let registered: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(registered.len(), names.len(), "a cause is registered twice");
    assert_eq!(
        registered,
        sources(),
        "files of src/engine/causes against the registry"
    );
    for cause in registry() {
        let meta = cause.meta();
        let page = meta.page();
        let found: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(found, HEADINGS, "headings of {}", meta.name);
        for part in page.split("\n## ").skip(1) {
            let text = part.split_once('\n').map_or("", |(_, text)| text);
            assert!(text.trim().len() > 10, "an empty heading in {}", meta.name);
        }
        let source = root().join("src/engine/causes").join(format!("{}.rs", meta.name));
        let text = fs::read_to_string(source).expect("the source of the cause");
        assert!(
            text.matches("#[test]").count() >= 2,
            "{} is tested with its neighbour",
            meta.name
        );
    }
}

#[test]
fn the_set_of_labels_is_closed() {
    let all: BTreeSet<&str> = RootCause::ALL.iter().map(RootCause::as_str).collect();
    assert_eq!(all.len(), RootCause::ALL.len());
    for cause in RootCause::ALL {
        let text = serde_json::to_value(cause).expect("JSON");
        assert_eq!(text, cause.as_str());
        assert!(!cause.meaning().is_empty());
    }
    assert!(registry().iter().all(|cause| all.contains(cause.meta().name)));
}

/// `docs/causes/` is written from the doc comments: `BLESS=1 cargo test --test causes`.
#[test]
fn the_pages_are_those_of_the_doc_comments() {
    let folder = root().join("docs/causes");
    let mut index =
        String::from("# Root causes\n\n| cause | severity | route | meaning |\n|---|---|---|---|\n");
    let documented: BTreeSet<&str> = registry().iter().map(|cause| cause.meta().name).collect();
    for cause in RootCause::ALL {
        let name = cause.as_str();
        let shown = if documented.contains(name) {
            format!("[{name}]({name}.md)")
        } else {
            format!("{name} (not looked for yet)")
        };
        let (severity, route) = (cause.severity().as_str(), cause.route().as_str());
        let row = [
            "| ",
            &shown,
            " | ",
            severity,
            " | ",
            route,
            " | ",
            cause.meaning(),
            " |\n",
        ];
        index.extend(row);
    }
    check(&folder.join("README.md"), &index);
    for cause in registry() {
        let meta = cause.meta();
        check(&folder.join(format!("{}.md", meta.name)), &meta.page());
    }
    for entry in fs::read_dir(&folder).expect("docs/causes") {
        let path = entry.expect("an entry").path();
        let stem = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default();
        assert!(
            stem == "README" || documented.contains(stem.as_str()),
            "{} belongs to no cause",
            path.display()
        );
    }
}

fn check(path: &Path, text: &str) {
    if env::var_os("BLESS").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("docs/causes");
        fs::write(path, text).expect("a page");
    }
    let stands = fs::read_to_string(path).unwrap_or_default();
    assert!(
        stands == text,
        "{} is stale: BLESS=1 cargo test --test causes",
        path.display()
    );
}
