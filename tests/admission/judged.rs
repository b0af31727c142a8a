//! What each mode answers, and what is not judged at all.

use super::*;

#[tokio::test]
async fn off_and_audit_touch_nothing() {
    let review = review("job-create-waits-by-failing");
    let off = Cluster::in_mode(Mode::Off);
    for path in ["/mutate", "/validate"] {
        assert_eq!(off.ask(path, &review).await, json!({"uid": UID, "allowed": true}));
        assert_eq!(off.last_skipped(), Some(Skipped::ModeOff));
    }
    let audit = Cluster::in_mode(Mode::Audit);
    assert_eq!(audit.mutate(&review).await["patch"], Value::Null);
    let response = audit.validate(&review).await;
    assert_eq!(response["allowed"], true);
    assert_eq!(response["warnings"], Value::Null);
    let findings = response["auditAnnotations"]["findings"].as_str().unwrap();
    assert!(findings.contains("HB301 warning certain"), "{findings}");
    assert!(
        response["auditAnnotations"]["decision"]
            .as_str()
            .unwrap()
            .starts_with("allow")
    );
}

#[tokio::test]
async fn warn_says_code_numbers_and_fix() {
    let cluster = Cluster::in_mode(Mode::Warn);
    let response = cluster.validate(&review("job-create-waits-by-failing")).await;
    assert_eq!(response["allowed"], true);
    assert_eq!(response["auditAnnotations"]["decision"], "warn (enforce: deny)");
    let warnings = warnings(&response);
    assert_eq!(
        warnings[0],
        "HB101 retries-end-before-deadline: retries end after 310 s, deadline 840 s; fix: restartPolicy Never, \
         backoffLimit 7"
    );
    let found = warnings
        .iter()
        .find(|w| w.starts_with("HB301 logs-lost-on-failure: "));
    let found = found.unwrap_or_else(|| panic!("{warnings:?}"));
    assert!(found.contains("all 6 attempts"), "{found}");
    assert_eq!(cluster.last_judged().2, Decision::Warn);
}

#[tokio::test]
async fn enforce_denies_what_is_certain_with_a_first_line_that_stands_alone() {
    let cluster = Cluster::in_mode(Mode::Enforce);
    let review = review("job-create-waits-by-failing");
    let response = cluster.validate(&review).await;
    assert_eq!(response["allowed"], false);
    assert_eq!(response["status"]["code"], 403);
    assert_eq!(response["status"]["reason"], "Forbidden");
    let message = response["status"]["message"].as_str().unwrap();
    let first = message.lines().next().unwrap();
    for part in [
        "HB101 retries-end-before-deadline: Job powerdns/powerdns-zone-bootstrap, spec.template.spec.containers[0]",
        "http://powerdns:8081/api/v1/servers",
        "0 + 10 + 20 + 40 + 80 + 160 = 310 s",
        "deadline of 840 s can never fire",
        "Fix: restartPolicy: Never",
        "at most 600 s",
    ] {
        assert!(first.contains(part), "{part} not in {first}");
    }
    assert!(message.contains("\n  HB301 "), "{message}");
    assert_eq!(cluster.last_judged().2, Decision::Deny);

    let mut dry = review.clone();
    dry["request"]["dryRun"] = true.into();
    let before = cluster.counted.judged.lock().unwrap().len();
    assert_eq!(
        cluster.validate(&dry).await,
        response,
        "a dry run gets the same answer"
    );
    assert_eq!(cluster.mutate(&dry).await, cluster.mutate(&review).await);
    assert_eq!(
        cluster.counted.judged.lock().unwrap().len(),
        before + 1,
        "only the real review is counted"
    );
}

#[tokio::test]
async fn an_exemption_with_a_reason_lets_it_through() {
    let cluster = Cluster::in_mode(Mode::Enforce);
    let mut review = review("job-create-waits-by-failing");
    annotate(&mut review, "hookbudget.dev/exempt", "");
    assert_eq!(
        cluster.validate(&review).await["allowed"],
        false,
        "an empty reason is none"
    );
    annotate(
        &mut review,
        "hookbudget.dev/exempt",
        "known, until the next release",
    );
    assert_eq!(cluster.validate(&review).await["allowed"], true);
    for (until, allowed, warns) in [
        ("9999-12-31", true, false),
        ("2024-12-31", false, false),
        // A slip must not start a denial, and must not last for ever in silence.
        ("end of June", true, true),
    ] {
        annotate(&mut review, "hookbudget.dev/exempt-until", until);
        let answer = cluster.validate(&review).await;
        assert_eq!(answer["allowed"], allowed, "{until}");
        let warned = answer["warnings"].to_string().contains("exempt-until is no date");
        assert_eq!(warned, warns, "{until}: {answer}");
    }
}

#[tokio::test]
async fn cron_jobs_are_rewritten_on_create_and_update_and_their_jobs_are_never_denied() {
    let cluster = Cluster::in_mode(Mode::Enforce);
    for name in ["cronjob-create", "cronjob-update"] {
        let mut review = review(name);
        let unasked = cluster.mutate(&review).await;
        let rewritten = unasked["auditAnnotations"]["rewritten"]
            .as_str()
            .unwrap_or_default();
        let quiet = |change: &str| {
            change.ends_with(" -> FallbackToLogsOnError (HB302)")
                && change.contains("].terminationMessagePolicy")
        };
        assert!(
            rewritten.split(", ").all(quiet),
            "nothing else was asked for: {unasked}"
        );
        assert!(unasked["warnings"].is_null(), "nobody is told: {unasked}");
        annotate(&mut review, "hookbudget.dev/wait-interval", "5s");
        let object = patched(&review, &cluster.mutate(&review).await);
        let pod = &object["spec"]["jobTemplate"]["spec"]["template"]["spec"];
        for container in [&pod["containers"][0], &pod["initContainers"][0]] {
            let env = env(container);
            assert!(
                env.contains(&("HOOKBUDGET_WAIT_TIMEOUT_SECONDS", "600")),
                "{env:?}"
            );
        }
        let warned = cluster.validate(&review).await;
        assert!(
            warnings(&warned).iter().any(|w| w.starts_with("HB301")),
            "{warned}"
        );
    }
    let mut owned = review("job-create-owned-by-cronjob");
    annotate(&mut owned, "hookbudget.dev/release-timeout", "10m");
    owned["request"]["object"]["spec"]["activeDeadlineSeconds"] = 840.into();
    let response = cluster.validate(&owned).await;
    assert_eq!(response["allowed"], true);
    assert!(
        warnings(&response).iter().any(|w| w.starts_with("HB103")),
        "{response}"
    );
}

#[tokio::test]
async fn what_is_out_of_scope_goes_through_untouched() {
    let cluster = Cluster::in_mode(Mode::Enforce);
    let cases: [(&str, Change); 7] = [
        ("a Job's UPDATE", |r| r["operation"] = "UPDATE".into()),
        ("DELETE", |r| {
            r["operation"] = "DELETE".into();
            r["object"] = Value::Null;
        }),
        ("a subresource", |r| r["subResource"] = "status".into()),
        ("kube-system", |r| r["namespace"] = "kube-system".into()),
        ("the own namespace", |r| r["namespace"] = "hookbudget".into()),
        ("another kind", |r| {
            r["kind"] = json!({"group": "", "version": "v1", "kind": "Pod"});
        }),
        ("another controller's Job", |r| {
            r["object"]["spec"]["managedBy"] = "example.com/queue".into();
        }),
    ];
    for (case, change) in cases {
        let mut review = review("job-create-waits-by-failing");
        change(&mut review["request"]);
        for path in ["/mutate", "/validate"] {
            let response = cluster.ask(path, &review).await;
            assert_eq!(response, json!({"uid": UID, "allowed": true}), "{case} on {path}");
            assert_eq!(cluster.last_skipped(), Some(Skipped::OutOfScope), "{case}");
        }
    }
}

#[tokio::test]
async fn a_namespace_that_states_its_cold_start_denies_what_gives_up_before() {
    let facts = NamespaceFacts {
        mode: Some(Mode::Enforce),
        cold_start: Some(Seconds::new(900)),
        ..NamespaceFacts::default()
    };
    let cluster = Cluster::with(Policy::default(), facts);
    let mut review = review("job-create-waits-by-failing");
    review["request"]["object"]["spec"]["activeDeadlineSeconds"] = 300.into();
    let response = cluster.validate(&review).await;
    assert_eq!(response["allowed"], false, "{response}");
    let message = response["status"]["message"].as_str().unwrap();
    assert!(
        message.contains("HB105") && message.contains("900 s"),
        "{message}"
    );
    annotate(&mut review, "hookbudget.dev/cold-start", "2m30s");
    assert_eq!(
        cluster.validate(&review).await["allowed"],
        true,
        "the Job knows better"
    );
}

#[tokio::test]
async fn information_is_audited_and_warns_nobody() {
    for mode in [Mode::Audit, Mode::Warn, Mode::Enforce] {
        let cluster = Cluster::in_mode(mode);
        let mut review = review("job-create-waits-by-failing");
        annotate(&mut review, "hookbudget.dev/exempt.HB101", "known");
        annotate(&mut review, "hookbudget.dev/exempt.HB206", "known");
        let response = cluster.validate(&review).await;
        let audited = response["auditAnnotations"]["findings"].to_string();
        assert!(audited.contains("HB302 info"), "{audited}");
        assert!(
            !audited.contains("HB306"),
            "the annotation has no effect here: {audited}"
        );
        let told = warnings(&response);
        assert!(
            told.iter()
                .all(|text| !text.starts_with("HB302") && !text.starts_with("HB306")),
            "{told:?}"
        );
        let object = patched(&review, &cluster.mutate(&review).await);
        let container = &object["spec"]["template"]["spec"]["containers"][0];
        let from_logs = container["terminationMessagePolicy"] == "FallbackToLogsOnError";
        assert_eq!(from_logs, mode != Mode::Audit, "{container}");
        let annotations = object["metadata"]["annotations"].to_string();
        assert!(
            !annotations.contains("hook-output-log-policy\":"),
            "{annotations}"
        );
    }
}
