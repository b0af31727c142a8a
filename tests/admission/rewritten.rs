//! What the mutating half writes.

use super::*;

#[tokio::test]
async fn a_hook_gets_the_budget_in_every_container() {
    let cluster = Cluster::in_mode(Mode::Warn);
    let review = review("job-create-waits-by-failing");
    let object = patched(&review, &cluster.mutate(&review).await);
    let container = &object["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(
        env(container),
        [
            ("API_KEY", "<from>"),
            ("HOOKBUDGET_WAIT_TIMEOUT_SECONDS", "600"),
            ("HOOKBUDGET_WAIT_INTERVAL_SECONDS", "5"),
            ("HOOKBUDGET_WAIT_ATTEMPTS", "75"),
            ("HOOKBUDGET_PROBE_TIMEOUT_SECONDS", "3"),
            ("HOOKBUDGET_DEADLINE_SECONDS", "840"),
            ("HOOKBUDGET_RELEASE_TIMEOUT_SECONDS", "900"),
            (
                "HOOKBUDGET_RELEASE_TIMEOUT_SOURCE",
                "HelmRelease powerdns/bp-powerdns spec.install.timeout"
            ),
        ]
    );
    assert_eq!(object["spec"]["template"]["spec"]["restartPolicy"], "OnFailure");
    assert_eq!(
        cluster.last_judged(),
        (
            Webhook::Mutate,
            Mode::Warn,
            Decision::Allow,
            vec!["terminationMessagePolicy".to_owned(), "env".to_owned()]
        )
    );
}

#[tokio::test]
async fn rewrite_all_makes_the_deadline_the_clock_that_ends_the_job() {
    let cluster = Cluster::in_mode(Mode::Enforce);
    let mut review = review("job-create-waits-by-failing");
    annotate(&mut review, "hookbudget.dev/rewrite", "all");
    let object = patched(&review, &cluster.mutate(&review).await);
    assert_eq!(object["spec"]["template"]["spec"]["restartPolicy"], "Never");
    // 10 + 20 + ... + 320 = 630 s with a limit of 6; the seventh delay of 600 s passes 840 s.
    assert_eq!(object["spec"]["backoffLimit"], 7);
    let record = &object["metadata"]["annotations"]["hookbudget.dev/rewritten"];
    let record: Value = serde_json::from_str(record.as_str().unwrap()).unwrap();
    assert_eq!(
        record[1],
        json!({"field": "spec.backoffLimit", "from": 6, "to": 7, "rule": "HB101"})
    );
    review["request"]["object"] = object;
    assert_eq!(
        cluster.mutate(&review).await["patch"],
        Value::Null,
        "nothing is left to do"
    );
    let response = cluster.validate(&review).await;
    assert_eq!(response["allowed"], true);
    let findings = response["auditAnnotations"]["findings"].to_string();
    assert!(
        !findings.contains("HB101") && !findings.contains("HB301"),
        "{findings}"
    );
}

#[tokio::test]
async fn wait_for_puts_one_wait_in_front_that_fits_into_the_deadline() {
    let cluster = Cluster::in_mode(Mode::Enforce);
    let mut review = review("job-create-waits-by-failing");
    annotate(&mut review, "hookbudget.dev/rewrite", "all");
    annotate(
        &mut review,
        "hookbudget.dev/wait-for",
        "http://powerdns:8081/api/v1/servers, tcp://pdns-pg-rw:5432",
    );
    let response = cluster.mutate(&review).await;
    let object = patched(&review, &response);
    let spec = &object["spec"]["template"]["spec"];
    let wait = &spec["initContainers"][0];
    assert_eq!(wait["name"], "hookbudget-wait");
    assert_eq!(
        wait["args"],
        json!(["http://powerdns:8081/api/v1/servers", "tcp://pdns-pg-rw:5432"])
    );
    assert!(env(wait).contains(&("HOOKBUDGET_WAIT_TIMEOUT_SECONDS", "600")));
    assert_eq!(wait["securityContext"]["runAsNonRoot"], true);
    assert_eq!(spec["containers"][0]["name"], "bootstrap");
    assert_eq!(spec["restartPolicy"], "Never");
    assert_eq!(object["spec"]["backoffLimit"], 1);
    let rules = &object["spec"]["podFailurePolicy"]["rules"];
    assert_eq!(rules[0]["action"], "Ignore");
    assert_eq!(rules[1]["onExitCodes"]["containerName"], "hookbudget-wait");
    let (.., fields) = cluster.last_judged();
    assert!(fields.contains(&"initContainers".to_owned()), "{fields:?}");
    assert_eq!(
        warnings(&response),
        [
            "hookbudget rewrote restartPolicy OnFailure -> Never, backoffLimit 6 -> 1, podFailurePolicy, initContainers…"
        ]
    );
    review["request"]["object"] = object;
    assert_eq!(cluster.mutate(&review).await["patch"], Value::Null);
    let judged = cluster.validate(&review).await;
    assert_eq!(
        judged,
        json!({"uid": UID, "allowed": true}),
        "nothing is left to say"
    );
}

#[tokio::test]
async fn names_that_a_chart_uses_are_set_where_they_stand() {
    let cluster = Cluster::in_mode(Mode::Warn);
    let review = review("job-create-generate-name");
    let response = cluster.mutate(&review).await;
    let object = patched(&review, &response);
    let container = &object["spec"]["template"]["spec"]["containers"][0];
    let env = env(container);
    // 900 - 60 slack - 30 grace = 810 s of deadline, 240 s of it headroom: 570 / (5 + 3) = 71 tries.
    assert_eq!(object["spec"]["activeDeadlineSeconds"], 810);
    assert!(env.contains(&("ITERATIONS", "71")), "{env:?}");
    assert!(env.contains(&("HOOKBUDGET_WAIT_ATTEMPTS", "71")), "{env:?}");
    assert_eq!(env.iter().filter(|(name, _)| *name == "INTERVAL").count(), 1);
    assert_eq!(
        warnings(&response),
        ["hookbudget rewrote activeDeadlineSeconds 810"]
    );
    let mut rewritten = review.clone();
    rewritten["request"]["object"] = object.clone();
    assert_eq!(cluster.mutate(&rewritten).await["patch"], Value::Null);
    let before = cluster.validate(&review).await["auditAnnotations"]["findings"].to_string();
    let after = cluster.validate(&rewritten).await["auditAnnotations"]["findings"].to_string();
    for code in ["HB104", "HB106"] {
        assert!(
            before.contains(code) && !after.contains(code),
            "{before} / {after}"
        );
    }
}

#[tokio::test]
async fn a_plain_job_is_judged_but_never_rewritten_unless_it_asks() {
    let policy = Policy {
        rewrite: RewriteLevel::All,
        ..Policy::default()
    };
    let cluster = Cluster::with(policy, NamespaceFacts::default());
    let mut review = review("job-create-waits-by-failing");
    let object = &mut review["request"]["object"];
    object["metadata"]["annotations"] = Value::Null;
    assert_eq!(cluster.mutate(&review).await["patch"], Value::Null);
    annotate(&mut review, "hookbudget.dev/wait-interval", "2s");
    let object = patched(&review, &cluster.mutate(&review).await);
    let container = &object["spec"]["template"]["spec"]["containers"][0];
    assert!(env(container).contains(&("HOOKBUDGET_WAIT_INTERVAL_SECONDS", "2")));
    assert_eq!(object["spec"]["template"]["spec"]["restartPolicy"], "OnFailure");
}

#[tokio::test]
async fn a_namespace_sets_the_level_and_the_release_timeout_of_its_jobs() {
    let facts = NamespaceFacts {
        rewrite: Some(RewriteLevel::All),
        release_timeout: Some(Seconds::new(700)),
        ..NamespaceFacts::default()
    };
    let cluster = Cluster::with(Policy::default(), facts);
    let mut review = review("job-create-waits-by-failing");
    let object = patched(&review, &cluster.mutate(&review).await);
    assert_eq!(object["spec"]["template"]["spec"]["restartPolicy"], "Never");

    // No HelmRelease reconciles into this namespace: 700 - 60 - 30 is less than 840 - 240.
    review["request"]["namespace"] = "tofu-state".into();
    let object = patched(&review, &cluster.mutate(&review).await);
    let env = env(&object["spec"]["template"]["spec"]["containers"][0]);
    assert!(
        env.contains(&("HOOKBUDGET_RELEASE_TIMEOUT_SECONDS", "700")),
        "{env:?}"
    );

    annotate(&mut review, "hookbudget.dev/rewrite", "none");
    let object = patched(&review, &cluster.mutate(&review).await);
    assert_eq!(
        object["spec"]["template"]["spec"]["restartPolicy"], "OnFailure",
        "the Job's own annotation wins"
    );
}
