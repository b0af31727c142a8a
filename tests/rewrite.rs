//! Patches over random Jobs: they stay within what the webhook may write, and the second changes nothing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use hookbudget::engine::finding::Decision;
use hookbudget::engine::policy::{Mode, Policy, RewriteLevel};
use hookbudget::engine::release::{HelmRelease, Surroundings};
use hookbudget::engine::rewrite::{WAIT_IMAGE, plan};
use hookbudget::engine::{Seconds, assess};
use hookbudget::k8s::JobObject;
use hookbudget::k8s::patch::json_patch;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// What is found in an object and how it is rewritten, with the patch, as the webhook does it.
struct Judged {
    /// Codes of the findings, exempted ones left out.
    codes: Vec<&'static str>,
    /// Under `enforce`.
    denied: bool,
    /// Rules that asked for a change.
    rules: Vec<String>,
    patch: Value,
}

fn judged(object: &Value, release_timeout: Option<i64>, level: RewriteLevel) -> Judged {
    let text = object.to_string();
    let (job, _) = serde_json::from_str::<JobObject<'_>>(&text).unwrap().into_facts();
    let releases: Vec<HelmRelease> = release_timeout
        .map(|timeout| HelmRelease {
            namespace: "ns".into(),
            name: "release".into(),
            timeout: Some(Seconds::new(timeout)),
            ..HelmRelease::default()
        })
        .into_iter()
        .collect();
    let around = Surroundings {
        helm_releases: &releases,
        ..Surroundings::default()
    };
    let policy = Policy::default();
    let assessment = assess(&job, around, &policy);
    let rewrite = plan(&job, &assessment, &policy, level, WAIT_IMAGE);
    let findings = assessment.findings.iter().filter(|f| f.exempted.is_none());
    let rules = rewrite.changes.iter().map(|change| change.rule.to_string());
    Judged {
        codes: findings.map(|finding| finding.code).collect(),
        denied: assessment.decision(&job, Mode::Enforce) == Decision::Deny,
        rules: rules.filter(|rule| rule.starts_with("HB")).collect(),
        patch: serde_json::to_value(json_patch(&text, &rewrite.edits).unwrap()).unwrap(),
    }
}

fn patch_of(object: &Value, release_timeout: Option<i64>, level: RewriteLevel) -> Value {
    judged(object, release_timeout, level).patch
}

fn apply(object: &Value, operations: &Value) -> Value {
    let patch: json_patch::Patch = serde_json::from_value(operations.clone()).unwrap();
    let mut object = object.clone();
    json_patch::patch(&mut object, &patch).unwrap();
    object
}

/// What the webhook may write, told without the product's own list: everything else of the object has to be
/// the same before and after.
fn without_what_may_change(object: &Value, mapped: &[&str]) -> Value {
    let mut object = object.clone();
    let is_cron = object["kind"] == "CronJob";
    let asks_for_a_wait = object["metadata"]["annotations"]["hookbudget.dev/wait-for"].is_string();
    if let Some(annotations) = object
        .pointer_mut("/metadata/annotations")
        .and_then(Value::as_object_mut)
    {
        annotations.remove("hookbudget.dev/rewritten");
    }
    if is_cron && let Some(spec) = object["spec"].as_object_mut() {
        spec.remove("failedJobsHistoryLimit");
    }
    let spec = if is_cron {
        "/spec/jobTemplate/spec"
    } else {
        "/spec"
    };
    let Some(spec) = object.pointer_mut(spec).and_then(Value::as_object_mut) else {
        return tidy(object);
    };
    for field in [
        "backoffLimit",
        "activeDeadlineSeconds",
        "ttlSecondsAfterFinished",
        "podFailurePolicy",
        "podReplacementPolicy",
    ] {
        spec.remove(field);
    }
    if let Some(pod) = spec
        .get_mut("template")
        .and_then(|t| t.get_mut("spec"))
        .and_then(Value::as_object_mut)
    {
        pod.remove("restartPolicy");
        for list in ["containers", "initContainers"] {
            let Some(containers) = pod.get_mut(list).and_then(Value::as_array_mut) else {
                continue;
            };
            // One, in front of the others, and only where it is asked for.
            let added = containers
                .first()
                .is_some_and(|first| first["name"] == "hookbudget-wait");
            if added && list == "initContainers" && asks_for_a_wait {
                containers.remove(0);
            }
            for container in containers {
                let container = container.as_object_mut().unwrap();
                container.remove("terminationMessagePolicy");
                if let Some(env) = container.get_mut("env").and_then(Value::as_array_mut) {
                    env.retain(|entry| {
                        let name = entry["name"].as_str().unwrap();
                        let is_mapped = mapped.contains(&name) && entry["valueFrom"].is_null();
                        !name.starts_with("HOOKBUDGET_") && !is_mapped
                    });
                }
            }
        }
    }
    tidy(object)
}

/// Null, an empty map, an empty list and an absent field are one and the same for the API server.
fn tidy(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept: Map<String, Value> = map
                .into_iter()
                .map(|(key, value)| (key, tidy(value)))
                .filter(|(_, value)| !(value.is_null() || value == &json!({}) || value == &json!([])))
                .collect();
            Value::Object(kept)
        }
        Value::Array(items) => Value::Array(items.into_iter().map(tidy).collect()),
        other => other,
    }
}

/// An object with an absent, a null or a present field.
fn field(value: impl Strategy<Value = Value> + 'static) -> impl Strategy<Value = Option<Value>> {
    prop_oneof![Just(None), Just(Some(Value::Null)), value.prop_map(Some)]
}

fn object(fields: Vec<(&'static str, Option<Value>)>) -> Value {
    let present = fields
        .into_iter()
        .filter_map(|(key, value)| value.map(|value| (key.to_owned(), value)));
    Value::Object(present.collect())
}

fn env() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        Just("ITERATIONS"),
        Just("WAIT"),
        Just("OTHER"),
        Just("HOOKBUDGET_WAIT_TIMEOUT_SECONDS"),
        Just("HOOKBUDGET_DEADLINE_SECONDS"),
    ];
    let rest = prop_oneof![
        Just(json!({})),
        "[0-9]{1,3}".prop_map(|value| json!({ "value": value })),
        Just(json!({"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}})),
    ];
    let entry = (name, rest).prop_map(|(name, mut rest)| {
        rest["name"] = name.into();
        rest
    });
    prop::collection::vec(entry, 0..4).prop_map(Value::from)
}

fn script() -> impl Strategy<Value = Value> {
    let texts = [
        "curl -sS http://powerdns:8081/api/v1/servers",
        "for i in $(seq 1 $ITERATIONS); do curl --max-time 3 http://db:80 && break; sleep 5; done",
        "for i in $(seq 1 ${ITERATIONS:-168}); do curl --max-time 3 http://db:80 && break; sleep 5; done",
        "for i in $(seq 1 ${ITERATIONS:-500}); do curl --max-time 3 http://db:80 && exit 0; sleep 5; done; exit 1",
        "t=0; until nc -z db 80; do [ $t -ge ${WAIT:-600} ] && exit 1; sleep 5; t=$((t+5)); done",
        "until nc -z db 5432; do sleep 2; done; migrate",
        "echo done",
        "curl -sS http://api/ || exit 1",
        "hookbudget-wait http://db:80 && migrate",
    ];
    prop::sample::select(texts.to_vec()).prop_map(|text| json!(["sh", "-c", text]))
}

fn containers(most: usize) -> impl Strategy<Value = Value> {
    let container = (
        "[a-z]{1,5}",
        field(env()),
        field(script()),
        field(prop_oneof![
            Just(json!("File")),
            Just(json!("FallbackToLogsOnError"))
        ]),
        field(Just(json!("Always"))),
    )
        .prop_map(|(name, env, command, policy, restart)| {
            object(vec![
                ("name", Some(name.into())),
                ("image", Some("busybox:1.37".into())),
                ("env", env),
                ("command", command),
                ("terminationMessagePolicy", policy),
                ("restartPolicy", restart),
                ("x-unknown", Some(json!({"a/b~c": [1.5, null]}))),
            ])
        });
    prop::collection::vec(container, 0..=most).prop_map(Value::from)
}

fn annotations() -> impl Strategy<Value = Value> {
    let entries = [
        ("helm.sh/hook", "post-install, pre-upgrade"),
        ("argocd.argoproj.io/hook", "PreSync"),
        ("hookbudget.dev/env", "ITERATIONS=wait-attempts,WAIT=wait-timeout"),
        ("hookbudget.dev/env", "WAIT=deadline,NEW=release-timeout"),
        ("hookbudget.dev/wait-for", "http://powerdns:8081/,tcp://db:5432"),
        ("hookbudget.dev/rewrite", "all"),
        ("hookbudget.dev/rewrite", "safe"),
        ("hookbudget.dev/release-timeout", "20m"),
        ("hookbudget.dev/wait", "5m"),
        ("hookbudget.dev/wait-interval", "2s"),
        ("hookbudget.dev/rewritten", "[]"),
        ("hookbudget.dev/rewritten", "not JSON"),
        ("a/b~c", "kept"),
    ];
    prop::sample::subsequence(entries.to_vec(), 0..=6)
        .prop_map(|pairs| {
            pairs
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v.into()))
                .collect::<Map<_, _>>()
        })
        .prop_map(Value::from)
}

fn job_spec() -> impl Strategy<Value = Value> {
    let number = |values: Vec<i64>| prop::sample::select(values).prop_map(Value::from);
    let failure_policy = prop_oneof![
        Just(json!({"rules": [{"action": "Count", "onPodConditions": [{"type": "DisruptionTarget"}]}]})),
        Just(json!({"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]})),
        Just(json!({"rules": []})),
    ];
    let replacement = prop::sample::select(vec!["Failed", "TerminatingOrFailed"]).prop_map(Value::from);
    let pod = (
        containers(3),
        field(containers(2)),
        field(prop_oneof![
            Just(json!("OnFailure")),
            Just(json!("Never")),
            Just(json!("Always"))
        ]),
    )
        .prop_map(|(main, init, restart)| {
            object(vec![
                ("containers", Some(main)),
                ("initContainers", init),
                ("restartPolicy", restart),
            ])
        });
    (
        pod,
        field(number(vec![0, 1, 2, 6, 8, 20])),
        field(number(vec![0, 60, 300, 840, 86_400])),
        field(number(vec![0, 600])),
        field(failure_policy),
        field(replacement),
    )
        .prop_map(|(pod, limit, deadline, ttl, policy, replacement)| {
            object(vec![
                ("backoffLimit", limit),
                ("activeDeadlineSeconds", deadline),
                ("ttlSecondsAfterFinished", ttl),
                ("podFailurePolicy", policy),
                ("podReplacementPolicy", replacement),
                (
                    "template",
                    Some(json!({"metadata": {"labels": {"job-name": "kept"}}, "spec": pod})),
                ),
            ])
        })
}

fn any_object() -> impl Strategy<Value = Value> {
    (job_spec(), field(annotations()), any::<bool>(), any::<bool>()).prop_map(|(spec, annotations, cron, named)| {
        let name = if named { ("name", Some("job".into())) } else { ("generateName", Some("job-".into())) };
        let labels = json!({"app.kubernetes.io/instance": "release", "a/b~c": "kept", "hookbudget.dev/x": "kept"});
        let labels = ("labels", named.then_some(labels));
        let metadata = object(vec![name, ("namespace", Some("ns".into())), ("annotations", annotations), labels]);
        if cron {
            json!({"kind": "CronJob", "metadata": metadata,
                   "spec": {"schedule": "0 2 * * *", "failedJobsHistoryLimit": 0, "jobTemplate": {"spec": spec}}})
        } else {
            json!({"kind": "Job", "metadata": metadata, "spec": spec})
        }
    })
}

fn any_level() -> impl Strategy<Value = RewriteLevel> {
    prop::sample::select(vec![RewriteLevel::None, RewriteLevel::Safe, RewriteLevel::All])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_patch_writes_nothing_that_is_not_on_the_list(
        object in any_object(),
        level in any_level(),
        timeout in prop::option::of(60_i64..3_600),
    ) {
        let patched = apply(&object, &patch_of(&object, timeout, level));
        let mapped = ["ITERATIONS", "WAIT", "NEW"];
        let mapping = object.pointer("/metadata/annotations/hookbudget.dev~1env").is_some();
        let mapped = if mapping { &mapped[..] } else { &[] };
        prop_assert_eq!(
            without_what_may_change(&object, mapped),
            without_what_may_change(&patched, mapped)
        );
    }

    #[test]
    fn the_second_patch_is_empty(
        object in any_object(),
        level in any_level(),
        timeout in prop::option::of(60_i64..3_600),
    ) {
        let once = apply(&object, &patch_of(&object, timeout, level));
        prop_assert_eq!(patch_of(&once, timeout, level), json!([]));
    }

    #[test]
    fn what_a_rewrite_was_for_is_not_found_again(
        object in any_object(),
        level in any_level(),
        timeout in prop::option::of(60_i64..3_600),
    ) {
        let before = judged(&object, timeout, level);
        let patched = apply(&object, &before.patch);
        let after = judged(&patched, timeout, level);
        for rule in &before.rules {
            prop_assert!(
                !after.codes.contains(&rule.as_str()),
                "{rule} is found again in {patched}, which was {:?} before",
                before.codes
            );
        }
        // And nothing that goes through is denied for what was written. Who asks for an added wait, or declares one,
        // beside the script's own has two of them, and the clocks of both.
        let has = |key| object.pointer(&format!("/metadata/annotations/hookbudget.dev~1{key}")).is_some();
        let twice = has("wait-for") || has("wait");
        // Who maps the deadline to the length of the wait gets a wait that cannot end before it.
        let env = object.pointer("/metadata/annotations/hookbudget.dev~1env").and_then(Value::as_str);
        let asked = env.is_some_and(|env| env.contains("WAIT=deadline"));
        prop_assert!(
            twice || asked || before.denied || !after.denied,
            "{:?} by the rewrite of {object} into {patched}",
            after.codes
        );
    }

    #[test]
    fn values_of_the_containers_own_stay(object in any_object(), level in any_level()) {
        let patched = apply(&object, &patch_of(&object, Some(900), level));
        let mapping = object.pointer("/metadata/annotations/hookbudget.dev~1env").is_some();
        let own = |object: &Value| {
            let spec = if object["kind"] == "CronJob" { "/spec/jobTemplate/spec" } else { "/spec" };
            let containers = object.pointer(&format!("{spec}/template/spec/containers")).cloned().unwrap();
            let entries = containers.as_array().unwrap().iter().map(|container| {
                container["env"].as_array().cloned().unwrap_or_default()
            });
            entries.collect::<Vec<_>>()
        };
        for (before, after) in own(&object).into_iter().zip(own(&patched)) {
            prop_assert!(after.len() >= before.len(), "{before:?} {after:?}");
            // Every entry keeps its place, and its value, but for those that the annotation maps.
            for (before, after) in before.iter().zip(&after) {
                let name = before["name"].as_str().unwrap();
                let mapped = mapping && ["ITERATIONS", "WAIT", "NEW"].contains(&name) && before["valueFrom"].is_null();
                prop_assert_eq!(&before["name"], &after["name"]);
                prop_assert!(mapped || before == after, "{before:?} {after:?}");
            }
        }
    }
}
