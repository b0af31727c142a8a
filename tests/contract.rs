//! The names and types that users script against, and the answers on the incidents.
#![cfg(feature = "cli")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use serde_json::Value;
use support::{files, findings, lint_json, run};

const A: &str = "tests/fixtures/incidents/a-powerdns.yaml";
const A_FIXED: &str = "tests/fixtures/incidents/a-powerdns-fixed.yaml";
const B: &str = "tests/fixtures/incidents/b-gitea-token.yaml";
const C: &str = "tests/fixtures/incidents/c-state-backup.yaml";

/// What may stand in a field.
#[derive(Clone, Copy, Debug)]
enum Is {
    Text,
    TextOrNull,
    /// A span in seconds or a count.
    Number,
    /// A span in seconds; `null` where it is unknown or unbounded.
    NumberOrNull,
    Flag,
    List,
    Object,
    ObjectOrNull,
    OneOf(&'static [&'static str]),
    OneOfOrNull(&'static [&'static str]),
}

impl Is {
    fn holds(self, value: &Value) -> bool {
        let one_of = |words: &[&str]| value.as_str().is_some_and(|text| words.contains(&text));
        match self {
            Self::Text => value.is_string(),
            Self::TextOrNull => value.is_string() || value.is_null(),
            Self::Number => value.is_number(),
            Self::NumberOrNull => value.is_number() || value.is_null(),
            Self::Flag => value.is_boolean(),
            Self::List => value.is_array(),
            Self::Object => value.is_object(),
            Self::ObjectOrNull => value.is_object() || value.is_null(),
            Self::OneOf(words) => one_of(words),
            Self::OneOfOrNull(words) => value.is_null() || one_of(words),
        }
    }
}

type Shape = &'static [(&'static str, Is)];

const SEVERITY: Is = Is::OneOf(&["error", "warning", "info"]);
const DECISION: Is = Is::OneOf(&["allow", "warn", "deny"]);

const REPORT: Shape = &[
    ("version", Is::Number),
    ("objects", Is::List),
    ("findings", Is::List),
    ("errors", Is::List),
    ("summary", Is::Object),
];
const OBJECT: Shape = &[
    ("file", Is::Text),
    ("line", Is::Number),
    ("kind", Is::OneOf(&["Job", "CronJob"])),
    ("namespace", Is::TextOrNull),
    ("name", Is::Text),
    (
        "origin",
        Is::OneOf(&["helm-hook", "argocd-hook", "flux", "cronjob", "plain"]),
    ),
    ("hooks", Is::List),
    ("release", Is::ObjectOrNull),
    ("clocks", Is::Object),
    (
        "ends_by",
        Is::OneOf(&["wait", "retries", "deadline", "release", "nothing"]),
    ),
    ("ends_at", Is::NumberOrNull),
    ("waits", Is::List),
    ("decision", Is::Object),
];
const RELEASE: Shape = &[("kind", Is::Text), ("namespace", Is::Text), ("name", Is::Text)];
const CLOCKS: Shape = &[
    ("wait_nominal", Is::NumberOrNull),
    ("wait_worst", Is::NumberOrNull),
    ("wait_source", Is::Text),
    ("retries_lower", Is::NumberOrNull),
    ("retries_upper", Is::NumberOrNull),
    ("deadline", Is::NumberOrNull),
    ("release_timeout", Is::NumberOrNull),
    ("release_timeout_source", Is::Text),
    ("cold_start", Is::Number),
    ("cold_start_source", Is::Text),
    ("startup", Is::NumberOrNull),
];
const WAIT: Shape = &[
    ("container", Is::Text),
    ("init", Is::Flag),
    ("line", Is::Number),
    ("target", Is::TextOrNull),
    ("nominal", Is::NumberOrNull),
    ("worst", Is::NumberOrNull),
    ("bounded", Is::Flag),
    ("falls_through", Is::Flag),
    ("fatal_statuses", Is::List),
    ("confidence", Is::OneOf(&["certain", "likely", "possible"])),
];
const DECISIONS: Shape = &[("audit", DECISION), ("warn", DECISION), ("enforce", DECISION)];
const FINDING: Shape = &[
    ("code", Is::Text),
    ("name", Is::Text),
    ("severity", SEVERITY),
    ("confidence", Is::OneOf(&["certain", "likely", "possible"])),
    ("file", Is::Text),
    ("line", Is::Number),
    ("column", Is::Number),
    ("object", Is::Object),
    ("field", Is::Text),
    ("message", Is::Text),
    ("arithmetic", Is::TextOrNull),
    ("fix", Is::ObjectOrNull),
    ("exempted", Is::TextOrNull),
];
const NAMED: Shape = &[
    ("kind", Is::Text),
    ("namespace", Is::TextOrNull),
    ("name", Is::Text),
];
const FIX: Shape = &[("safety", Is::OneOf(&["safe", "unsafe"])), ("edits", Is::List)];
const ERROR: Shape = &[
    ("file", Is::Text),
    ("line", Is::NumberOrNull),
    ("column", Is::NumberOrNull),
    ("message", Is::Text),
];
const SUMMARY: Shape = &[
    ("objects", Is::Number),
    ("errors", Is::Number),
    ("warnings", Is::Number),
    ("infos", Is::Number),
];
const STORY: Shape = &[
    ("job", Is::Object),
    ("attempts", Is::List),
    ("delays", Is::List),
    ("result", Is::OneOf(&["succeeded", "failed", "hangs"])),
    (
        "reason",
        Is::OneOfOrNull(&[
            "BackoffLimitExceeded",
            "DeadlineExceeded",
            "PodFailurePolicy",
            "ReleaseTimeout",
        ]),
    ),
    ("ends_at_lower", Is::NumberOrNull),
    ("ends_at_upper", Is::NumberOrNull),
    ("visible_at", Is::NumberOrNull),
    ("pods_kept", Is::Number),
];
const ATTEMPT: Shape = &[
    ("number", Is::Number),
    ("pod", Is::Number),
    ("start", Is::Number),
    ("end", Is::NumberOrNull),
    ("exit", Is::NumberOrNull),
    ("ended_by", Is::TextOrNull),
    ("logs_kept", Is::Flag),
];

#[cfg(feature = "server")]
const DIAGNOSIS: Shape = &[
    ("job", Is::Object),
    ("owner", Is::ObjectOrNull),
    ("state", Is::OneOf(&["failed", "waiting", "suspended", "missing"])),
    ("trigger", Is::Text),
    ("root_cause", Is::TextOrNull),
    (
        "verdict",
        Is::OneOf(&["real", "transient", "cosmetic", "parked", "unknown"]),
    ),
    ("severity", Is::OneOf(&["critical", "warning", "info"])),
    (
        "route",
        Is::OneOfOrNull(&["platform", "app", "security", "registry", "data", "network"]),
    ),
    ("confidence", Is::OneOf(&["certain", "likely", "possible"])),
    ("summary", Is::Text),
    ("chain", Is::List),
    ("repair_order", Is::List),
    ("contributing", Is::List),
    ("candidates", Is::List),
    ("not", Is::List),
    ("retry_advice", Is::OneOf(&["retry", "wait", "do-not-retry"])),
    ("progress", Is::ObjectOrNull),
    ("evidence", Is::List),
    ("evidence_lost", Is::List),
];
#[cfg(feature = "server")]
const LINK: Shape = &[
    ("kind", Is::Text),
    ("namespace", Is::Text),
    ("name", Is::Text),
    ("relation", Is::Text),
    ("finding", Is::Text),
    ("proof", Is::Text),
];
#[cfg(feature = "server")]
const PROGRESS: Shape = &[
    ("attempt", Is::NumberOrNull),
    ("attempts", Is::NumberOrNull),
    ("elapsed", Is::NumberOrNull),
    ("budget", Is::NumberOrNull),
    ("remaining", Is::NumberOrNull),
    ("source", Is::Text),
];
#[cfg(feature = "server")]
const PROOF: Shape = &[
    ("kind", Is::Text),
    ("source", Is::Text),
    ("at", Is::TextOrNull),
    ("text", Is::Text),
];

fn hold(shape: Shape, value: &Value, at: &str) {
    for (name, is) in shape {
        let field = value
            .get(name)
            .unwrap_or_else(|| panic!("{at} has no {name}: {value}"));
        assert!(is.holds(field), "{at}.{name} is no {is:?}: {field}");
    }
}

fn items<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn the_report_of_lint_keeps_its_names_and_types() {
    let mut inputs = files("tests/fixtures/rules", ".yaml");
    inputs.extend(files("tests/fixtures/incidents", ".yaml"));
    inputs.extend(files("tests/fixtures/charts", ".yaml"));
    for input in inputs {
        let report = lint_json(&input);
        hold(REPORT, &report, &input);
        assert_eq!(report["version"], 1);
        hold(SUMMARY, &report["summary"], "summary");
        for object in items(&report, "objects") {
            hold(OBJECT, object, &input);
            hold(CLOCKS, &object["clocks"], "clocks");
            hold(DECISIONS, &object["decision"], "decision");
            if !object["release"].is_null() {
                hold(RELEASE, &object["release"], "release");
            }
            for wait in items(object, "waits") {
                hold(WAIT, wait, "waits[]");
                let bounded = wait["bounded"] == true;
                assert_eq!(bounded, !wait["nominal"].is_null(), "{input}: unbounded is null");
            }
        }
        for finding in items(&report, "findings") {
            hold(FINDING, finding, &input);
            hold(NAMED, &finding["object"], "object");
            if !finding["fix"].is_null() {
                hold(FIX, &finding["fix"], "fix");
            }
        }
    }
}

#[test]
fn what_cannot_be_read_is_listed_with_its_place() {
    let text = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: x}\nspec:\n  backoffLimit: many\n";
    let report = support::run_with(&["lint", "--format", "json", "-"], text).json();
    let [error] = items(&report, "errors") else {
        panic!("one error: {report}")
    };
    hold(ERROR, error, "errors[]");
    assert_eq!(
        (&error["line"], &error["column"]),
        (&5.into(), &17.into()),
        "{error}"
    );
}

#[test]
fn nothing_known_is_null_and_says_why() {
    let text = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: x}\nspec:\n  template:\n    spec:\n      \
                restartPolicy: Never\n      containers: [{name: c, image: registry.example/x:1}]\n";
    let report = support::run_with(&["lint", "--format", "json", "-"], text).json();
    let object = &report["objects"][0];
    let clocks = &object["clocks"];
    for name in ["wait_nominal", "wait_worst", "deadline", "release_timeout"] {
        assert!(clocks[name].is_null(), "{name}: {clocks}");
    }
    assert_eq!(clocks["release_timeout_source"], "none");
    assert!(
        clocks["wait_source"]
            .as_str()
            .is_some_and(|text| text.starts_with("unknown"))
    );
    assert!(object["namespace"].is_null() && object["release"].is_null());
    assert_eq!(object["origin"], "plain");
}

#[test]
fn the_story_of_simulate_keeps_its_names_and_types() {
    for input in [A, A_FIXED, B, C] {
        let story = run(&["simulate", "--format", "json", input]).json();
        hold(STORY, &story, input);
        assert!(!items(&story, "attempts").is_empty(), "{input}");
        for attempt in items(&story, "attempts") {
            hold(ATTEMPT, attempt, input);
        }
        for delay in items(&story, "delays") {
            assert!(delay.is_number(), "{input}: {delay}");
        }
    }
}

#[test]
fn a_namespace_and_a_dependency_state_the_cold_start_and_a_typing_error_is_named() {
    let text = |span: &str| {
        let hook = support::read("tests/fixtures/rules/HB105/passes-namespace-says-less.yaml");
        hook.replace("cold-start: 1m", &format!("cold-start: {span}"))
    };
    let clocks = |text: &str| {
        let report = support::run_with(&["lint", "--format", "json", "-"], text).json();
        report["objects"][0]["clocks"].clone()
    };
    let stated = clocks(&text("1m"));
    assert_eq!(stated["cold_start"], 60);
    assert_eq!(
        stated["cold_start_source"],
        "annotation hookbudget.dev/cold-start of the namespace"
    );
    let wrong = support::run_with(&["lint", "--format", "json", "-"], &text("a minute"));
    assert_eq!(wrong.status, 2);
    let error = &items(&wrong.json(), "errors")[0].clone();
    assert_eq!(error["line"], 7, "{error}");
    let dependency = support::read("tests/fixtures/rules/HB105/fails-dependency-says-longer.yaml");
    assert_eq!(clocks(&dependency)["cold_start"], 900);
}

fn only_object(report: &Value) -> &Value {
    let [object] = items(report, "objects") else {
        panic!("one object: {report}")
    };
    object
}

fn find<'v>(report: &'v Value, code: &str) -> Option<&'v Value> {
    items(report, "findings")
        .iter()
        .find(|finding| finding["code"] == code)
}

#[test]
fn incident_a_is_denied_because_its_retries_end_before_its_deadline() {
    let report = lint_json(A);
    let object = only_object(&report);
    let clocks = &object["clocks"];
    assert_eq!(clocks["retries_lower"], 310);
    assert_eq!(clocks["deadline"], 840);
    assert_eq!(clocks["release_timeout"], 900);
    assert_eq!(
        clocks["release_timeout_source"],
        "HelmRelease powerdns/bp-powerdns spec.install.timeout"
    );
    assert_eq!(
        (&object["ends_by"], &object["ends_at"]),
        (&"retries".into(), &310.into())
    );
    assert_eq!(object["decision"]["enforce"], "deny");
    assert_eq!(object["decision"]["warn"], "warn");
    assert_eq!(object["decision"]["audit"], "allow");
    let finding = find(&report, "HB101").expect("HB101");
    assert_eq!(
        (&finding["severity"], &finding["confidence"]),
        (&"error".into(), &"certain".into())
    );
    let arithmetic = finding["arithmetic"].as_str().expect("arithmetic");
    assert!(
        arithmetic.contains("0 + 10 + 20 + 40 + 80 + 160 = 310 s"),
        "{arithmetic}"
    );
    assert_eq!(run(&["lint", A]).status, 1);
}

#[test]
fn incident_a_repaired_has_no_error() {
    let report = lint_json(A_FIXED);
    assert_eq!(report["summary"]["errors"], 0, "{:?}", findings(&report));
    let object = only_object(&report);
    assert_ne!(object["decision"]["enforce"], "deny");
    assert_eq!(object["clocks"]["wait_nominal"], 600);
    assert_eq!(
        object["waits"][0]["fatal_statuses"],
        serde_json::json!([401, 403])
    );
    assert_eq!(object["waits"][0]["falls_through"], false);
    assert_eq!(run(&["lint", A_FIXED]).status, 0);
}

#[test]
fn incident_b_waits_longer_than_its_release_when_its_probes_hang() {
    let report = lint_json(B);
    let object = only_object(&report);
    let wait = &object["waits"][0];
    assert_eq!((&wait["nominal"], &wait["worst"]), (&840.into(), &1344.into()));
    assert_eq!(wait["falls_through"], true);
    assert_eq!(object["clocks"]["release_timeout"], 900);
    assert!(object["clocks"]["deadline"].is_null());
    assert_eq!(object["decision"]["enforce"], "warn");
    for code in ["HB104", "HB204", "HB106", "HB301"] {
        let finding = find(&report, code).unwrap_or_else(|| panic!("{code}: {:?}", findings(&report)));
        assert_eq!(finding["severity"], "warning", "{code}");
    }
    let message = find(&report, "HB104")
        .and_then(|f| f["message"].as_str())
        .expect("a message");
    assert!(
        message.contains("1344 s") && message.contains("900 s"),
        "{message}"
    );
}

#[test]
fn incident_c_loses_its_evidence_and_nothing_ends_it() {
    let report = lint_json(C);
    let object = only_object(&report);
    assert_eq!(object["origin"], "cronjob");
    assert!(object["clocks"]["deadline"].is_null());
    assert_eq!(find(&report, "HB301").expect("HB301")["severity"], "warning");
    assert_eq!(find(&report, "HB106").expect("HB106")["severity"], "warning");
    assert_eq!(object["decision"]["enforce"], "warn");
}

#[cfg(feature = "server")]
#[test]
fn the_diagnoses_keep_their_names_and_types() {
    for dump in ["a-full-node", "b-waiting", "c-oom", "c-download", "c-lost"] {
        let path = format!("tests/fixtures/dumps/{dump}");
        let all = run(&["diagnose", "--from", &path, "--format", "json"]).json();
        for one in all.as_array().expect("a list") {
            hold(DIAGNOSIS, one, dump);
            for link in items(one, "chain") {
                hold(LINK, link, "chain");
            }
            for proof in items(one, "evidence") {
                hold(PROOF, proof, "evidence");
            }
            if !one["progress"].is_null() {
                hold(PROGRESS, &one["progress"], "progress");
            }
        }
    }
}
