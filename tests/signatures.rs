//! Signatures of the policy from the file to the diagnosis, and the shipped pack against objects of incident D: what
//! each signature means, and the nearest neighbour that it must not match.
#![cfg(all(feature = "cli", feature = "server"))]
#![allow(clippy::expect_used)] // in helpers clippy does not see the test

mod support;

use std::sync::Arc;

use hookbudget::cli::policy::read;
use hookbudget::engine::evidence::{ObjectRef, SignatureHit};
use hookbudget::index::{Action, Change, Index, Kind, Settings};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use serde_json::value::RawValue;
use support::{root, run};

const PACK: &str = "docs/signatures/cluster-api-openstack.yaml";

/// The diagnosis of the Job that waited for the managed API, with these objects around it.
fn diagnosed(policy: &str, objects: &[&str]) -> Value {
    let directory = "tests/fixtures/signatures";
    let job = format!("{directory}/job.yaml");
    let logs = format!("{directory}/logs/fleet/stage-addons-x7k2p/addons.log");
    let objects: Vec<String> = objects
        .iter()
        .map(|name| format!("{directory}/objects/{name}.json"))
        .collect();
    let mut arguments = vec![
        "diagnose",
        "job/stage-addons",
        "--format",
        "json",
        "--policy",
        policy,
    ];
    arguments.extend(["--now", "2026-11-21T10:11:00Z", "--from", &job, &logs]);
    arguments.extend(objects.iter().map(String::as_str));
    let ran = run(&arguments);
    assert_eq!(ran.err, "", "{objects:?}");
    ran.json()[0].clone()
}

#[test]
fn each_signature_of_the_pack_matches_its_object_and_not_its_neighbour() {
    for (objects, cause, verdict, retry) in [
        ("parked", "custom_cluster_parked", "parked", "wait"),
        ("parked-by-annotation", "custom_cluster_parked", "parked", "wait"),
        ("scaled-to-zero", "custom_workers_parked", "parked", "wait"),
        ("booting", "custom_managed_api_unreachable", "transient", "wait"),
        (
            "unreachable-for-long",
            "custom_managed_api_unreachable",
            "real",
            "wait",
        ),
        (
            "cosmetic",
            "custom_infrastructure_reference_stale",
            "cosmetic",
            "retry",
        ),
        (
            "load-balancer",
            "custom_load_balancer_failed",
            "real",
            "do-not-retry",
        ),
        (
            "openstack-load-balancer",
            "custom_openstack_load_balancer_failed",
            "real",
            "do-not-retry",
        ),
        (
            "infrastructure",
            "custom_infrastructure_failed",
            "real",
            "do-not-retry",
        ),
        ("no-room", "custom_no_room", "real", "do-not-retry"),
        // Neighbours: the Job's own wait is what is known.
        ("healthy", "inner_budget_exhausted", "real", "wait"),
        ("healthy-and-paused", "inner_budget_exhausted", "real", "wait"),
        (
            "openstack-cluster-healthy",
            "inner_budget_exhausted",
            "real",
            "wait",
        ),
        (
            "not-cosmetic-one-component-is-down",
            "inner_budget_exhausted",
            "real",
            "wait",
        ),
        (
            "not-cosmetic-a-condition-is-false",
            "inner_budget_exhausted",
            "real",
            "wait",
        ),
        (
            "not-no-room-it-failed-late",
            "inner_budget_exhausted",
            "real",
            "wait",
        ),
        (
            "not-no-room-another-error",
            "inner_budget_exhausted",
            "real",
            "wait",
        ),
        (
            "not-parked-the-autoscaler-scales",
            "inner_budget_exhausted",
            "real",
            "wait",
        ),
        (
            "not-parked-it-has-workers",
            "inner_budget_exhausted",
            "real",
            "wait",
        ),
    ] {
        let found = diagnosed(PACK, &[objects]);
        let told = (&found["root_cause"], &found["verdict"], &found["retry_advice"]);
        assert_eq!(
            told,
            (&cause.into(), &verdict.into(), &retry.into()),
            "{objects}: {found:#}"
        );
    }
}

#[test]
fn of_several_the_load_balancer_comes_first_and_parked_before_all() {
    let cause = |objects: &[&str]| diagnosed(PACK, objects)["root_cause"].clone();
    assert_eq!(
        cause(&["cosmetic", "load-balancer"]),
        "custom_load_balancer_failed"
    );
    assert_eq!(
        cause(&["booting", "openstack-load-balancer"]),
        "custom_openstack_load_balancer_failed"
    );
    assert_eq!(cause(&["load-balancer", "no-room"]), "custom_no_room");
    assert_eq!(cause(&["parked", "load-balancer"]), "custom_cluster_parked");
}

#[test]
fn the_object_is_the_culprit_and_what_was_not_there_is_a_gap() {
    let found = diagnosed(PACK, &["load-balancer"]);
    let culprit = found["chain"]
        .as_array()
        .and_then(|chain| chain.last())
        .expect("a chain");
    assert_eq!(
        (&culprit["kind"], &culprit["namespace"], &culprit["name"]),
        (&"Cluster".into(), &"capi".into(), &"stage".into())
    );
    let proof = culprit["proof"].as_str().expect("a proof");
    assert!(
        proof.contains("Ready=False LoadBalancerFailed: load balancer k8s-stage is in ERROR"),
        "{proof}"
    );
    assert_eq!(
        (&found["severity"], &found["route"]),
        (&"critical".into(), &"network".into())
    );
    let repair = found["repair_order"].as_array().expect("steps");
    assert!(
        repair[0]
            .as_str()
            .is_some_and(|step| step.starts_with("Repair the load balancer first")),
        "{repair:?}"
    );
    assert!(
        repair[1]
            .as_str()
            .is_some_and(|step| step.starts_with("Do not restart")),
        "{repair:?}"
    );
    let lost = found["evidence_lost"].to_string();
    assert!(
        lost.contains("OpenStackMachine.v1beta1.infrastructure.cluster.x-k8s.io"),
        "{lost}"
    );
}

#[test]
fn without_signatures_nothing_is_looked_at() {
    let directory = tempfile::tempdir().expect("a directory");
    let empty = directory.path().join("policy.yaml");
    std::fs::write(&empty, "").expect("a policy");
    let found = diagnosed(empty.to_str().expect("a path"), &["load-balancer"]);
    assert_eq!(found["root_cause"], "inner_budget_exhausted");
    assert!(
        !found["evidence_lost"].to_string().contains("signature"),
        "{found:#}"
    );
}

#[test]
fn the_pack_is_a_valid_policy_and_each_of_its_causes_is_explained() {
    let policy = read(Some(&root().join(PACK))).expect("a policy");
    assert!(policy.signatures.len() >= 8);
    for signature in policy.signatures.iter() {
        let ran = run(&["explain", signature.name.label(), "--policy", PACK]);
        assert_eq!(ran.status, 0, "{}", ran.err);
        assert!(ran.out.contains("Evidence"), "{}", ran.out);
    }
    let ran = run(&["explain", "custom_no_room"]);
    assert_eq!(ran.status, 2);
    assert!(ran.err.contains("--policy"), "{}", ran.err);
}

#[test]
fn every_mistake_in_a_signature_is_named_with_its_place_and_its_remedy() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("policy.yaml");
    let object = "when: {object: {apiVersion: v1, kind: Node, cel: 'true'}}";
    for (text, place, says) in [
        ("signatures: x\n".to_owned(), "1:13", "signatures: expected a list, found \"x\""),
        ("signatures:\n  - name: a\n".to_owned(), "2:5", "signatures.0: when is missing: write when: ..."),
        (format!("signatures:\n  - nam: a\n    {object}\n"), "2:5", "did you mean name?"),
        (format!("signatures:\n  - name: A-b\n    {object}\n"), "2:11", "is no name of a cause"),
        (format!("signatures:\n  - name: custom_a\n    {object}\n"), "2:11", "write a"),
        (
            format!("signatures:\n  - name: a\n    {object}\n  - name: a\n    {object}\n"),
            "4:11",
            "the name of an earlier signature",
        ),
        ("signatures:\n  - name: a\n    when: {text: '('}\n".to_owned(), "3:18", "unclosed group"),
        ("signatures:\n  - name: a\n    when: {text: 5}\n".to_owned(), "3:18", "write text"),
        ("signatures:\n  - name: a\n    when: {}\n".to_owned(), "3:11", "nothing is looked for"),
        (
            "signatures:\n  - name: a\n    when:\n      object: {apiVersion: v1, kind: Node, cel: 'objct.x'}\n".to_owned(),
            "4:49",
            "there is no objct: the object is called object",
        ),
        (
            "signatures:\n  - name: a\n    when:\n      object: {apiVersion: v1, kind: Secret, cel: 'true'}\n".to_owned(),
            "4:38",
            "Secrets are never read",
        ),
        (format!("signatures:\n  - name: a\n    verdict: reel\n    {object}\n"), "3:14", "did you mean real?"),
        (format!("signatures:\n  - name: a\n    retry: never\n    {object}\n"), "3:12", "Allowed are retry, wait, do-not-retry"),
        (format!("signatures:\n  - name: a\n    within: 20\n    {object}\n"), "3:13", "write 20s or 20m"),
        ("redact:\n  patterns: ['a*']\n".to_owned(), "2:14", "matches the empty text"),
        ("progress:\n  patterns: ['try ([0-9]+)']\n".to_owned(), "2:14", "name a group"),
        ("progress:\n  patterns: [5]\n".to_owned(), "2:14", "write text"),
    ] {
        std::fs::write(&path, &text).expect("a policy");
        let ran = run(&["policy", "check", path.to_str().expect("a path")]);
        assert_eq!(ran.status, 1, "{text}{}", ran.out);
        assert!(ran.out.contains(&format!("policy.yaml:{place}: ")), "{text}{}", ran.out);
        assert!(ran.out.contains(says), "{text}{}", ran.out);
    }
}

#[test]
fn a_pattern_of_the_policy_hides_and_reads_progress_everywhere() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("policy.yaml");
    let text = "redact: {patterns: ['the managed [a-z]+']}\nprogress: {patterns: ['api .(?P<attempt>[0-9]+)/(?P<limit>6)']}\n";
    std::fs::write(&path, text).expect("a policy");
    let found = diagnosed(path.to_str().expect("a path"), &[]);
    let whole = found.to_string();
    assert!(!whole.contains("the managed api"), "{whole}");
    assert!(whole.contains("[redacted] (60/60)"), "{whole}");
    let shown = run(&["policy", "show", path.to_str().expect("a path")]);
    assert!(shown.out.contains("the managed [a-z]+"), "{}", shown.out);
}

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// An index with the pack, to which the failed Job and its Pod were told.
fn index(now: Timestamp) -> Index {
    let mut index = Index::new(Settings {
        policy: Arc::new(read(Some(&root().join(PACK))).expect("a policy")),
        ..Settings::new(now)
    });
    for kind in Kind::ALL {
        index.change(Change::Absent(kind), now);
    }
    index
}

fn tell(index: &mut Index, now: Timestamp) -> Vec<Action> {
    let text = support::read("tests/fixtures/signatures/job.yaml");
    for (document, kind) in text.split("---\n").zip([Kind::Job, Kind::Pod]) {
        let object: Value = serde_saphyr::from_str(document).expect("YAML");
        let object = RawValue::from_string(object.to_string()).expect("JSON");
        index.change(Change::Apply { kind, object }, now);
    }
    index.settle(now);
    index.take_actions()
}

#[test]
fn the_exporter_asks_once_a_job_has_failed_and_the_cause_reaches_the_metrics() {
    let now = time("2026-11-21T10:10:06Z");
    let mut own = index(now);
    let asked = |actions: &[Action]| {
        actions
            .iter()
            .filter(|a| matches!(a, Action::Signatures(_)))
            .count()
    };
    let actions = tell(&mut own, now);
    let ask = actions.iter().find_map(|action| match action {
        Action::Signatures(ask) => Some(ask.clone()),
        _ => None,
    });
    let ask = ask.expect("a look");
    assert_eq!(
        (&*ask.job.name, ask.namespaces.as_slice()),
        ("stage-addons", &["capi".to_owned()][..])
    );
    let hit = SignatureHit {
        name: "load_balancer_failed".to_owned(),
        object: ObjectRef {
            kind: "Cluster".to_owned(),
            namespace: "capi".to_owned(),
            name: "stage".to_owned(),
        },
        proof: "Ready=False LoadBalancerFailed".to_owned(),
        since: Some(time("2026-11-21T09:55:00Z")),
    };
    let found = Change::Signatures {
        job: ask.job.clone(),
        found: vec![hit],
        lost: Vec::new(),
    };
    // A recording holds what was found.
    let written = serde_json::to_string(&found).expect("JSON");
    own.change(serde_json::from_str(&written).expect("a change"), now);
    own.settle(now);
    let view = own.job("fleet", "stage-addons").expect("a Job");
    let labels = view.cause_labels().expect("labels");
    for label in [
        "root_cause=\"custom_load_balancer_failed\"",
        "route=\"network\"",
        "severity=\"critical\"",
        "verdict=\"real\"",
    ] {
        assert!(labels.contains(label), "{labels}");
    }
    let culprit = view.culprit_labels().expect("labels");
    assert!(
        culprit.contains("culprit_kind=\"Cluster\",culprit_namespace=\"capi\",culprit_name=\"stage\""),
        "{culprit}"
    );
    let page = own.signature_page("custom_load_balancer_failed").expect("a page");
    assert!(page.contains("Repair the load balancer first"), "{page}");
    assert_eq!(own.signature_page("load_balancer_failed"), None);
    // It has ended: one look is enough, however often time passes.
    for seconds in [10, 60, 600] {
        let later = now
            .checked_add(SignedDuration::from_secs(seconds))
            .expect("a time");
        own.tick(later);
        assert_eq!(asked(&own.take_actions()), 0, "{seconds}");
    }
    // A process that begins anew reads it back.
    let evidence = own.evidence(&ask.job).expect("evidence");
    let text = serde_json::to_string(&evidence).expect("JSON");
    let mut anew = index(now);
    anew.restore(serde_json::from_str(&text).expect("evidence"), now, now);
    anew.settle(now);
    let view = anew.job("fleet", "stage-addons").expect("a Job");
    assert!(
        view.cause_labels()
            .is_some_and(|labels| labels.contains("custom_load_balancer_failed"))
    );
}
