//! Objects as clusters have them: names that are not given yet, containers of every kind, owners, UPDATEs.

use super::*;

const ALL: [&str; 5] = [
    "job-create-waits-by-failing",
    "job-create-generate-name",
    "job-create-owned-by-cronjob",
    "cronjob-create",
    "cronjob-update",
];

/// A `CronJob` whose Jobs are denied as errors that are certain: no clock is right.
fn unsafe_cron_job(operation: &str) -> Value {
    let mut review = review("cronjob-update");
    let request = &mut review["request"];
    request["operation"] = operation.into();
    let job = &mut request["object"]["spec"]["jobTemplate"]["spec"];
    job["activeDeadlineSeconds"] = 1800.into();
    annotate(&mut review, "hookbudget.dev/release-timeout", "10m");
    review
}

#[tokio::test]
async fn a_dry_run_gets_the_same_answer_to_the_byte() {
    for mode in [Mode::Audit, Mode::Warn, Mode::Enforce] {
        let cluster = Cluster::in_mode(mode);
        for name in ALL {
            let real = review(name);
            let mut dry = real.clone();
            dry["request"]["dryRun"] = true.into();
            for path in ["/mutate", "/validate"] {
                assert_eq!(
                    cluster.post(path, real.to_string()).await,
                    cluster.post(path, dry.to_string()).await,
                    "{name} {path}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_second_call_patches_nothing() {
    for level in [RewriteLevel::None, RewriteLevel::Safe, RewriteLevel::All] {
        let facts = NamespaceFacts {
            rewrite: Some(level),
            ..NamespaceFacts::default()
        };
        let cluster = Cluster::with(Policy::default(), facts);
        for name in ALL {
            for wait_for in [None, Some("tcp://db:5432")] {
                let mut review = review(name);
                if let Some(target) = wait_for {
                    annotate(&mut review, "hookbudget.dev/wait-for", target);
                }
                review["request"]["object"] = patched(&review, &cluster.mutate(&review).await);
                let again = cluster.mutate(&review).await;
                assert_eq!(again["patch"], Value::Null, "{name} {level:?} {wait_for:?}");
                assert_eq!(again["auditAnnotations"], Value::Null, "{name}");
            }
        }
    }
}

#[tokio::test]
async fn a_job_without_a_name_of_its_own_is_named_by_what_it_begins_with() {
    let cluster = Cluster::in_mode(Mode::Enforce);
    let mut review = review("job-create-waits-by-failing");
    review["request"]["name"] = Value::Null;
    let metadata = &mut review["request"]["object"]["metadata"];
    metadata["name"] = Value::Null;
    metadata["generateName"] = "zone-bootstrap-".into();
    metadata.as_object_mut().unwrap().remove("namespace");
    let denied = cluster.validate(&review).await;
    let message = denied["status"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("HB101 retries-end-before-deadline: Job powerdns/zone-bootstrap-"),
        "{message}"
    );
    // The release is looked up in the request's namespace.
    let object = patched(&review, &cluster.mutate(&review).await);
    let container = &object["spec"]["template"]["spec"]["containers"][0];
    assert!(env(container).contains(&("HOOKBUDGET_RELEASE_TIMEOUT_SECONDS", "900")));
    assert_eq!(object["metadata"]["namespace"], Value::Null);
}

#[tokio::test]
async fn a_hook_of_helm_is_one_in_any_case() {
    let cluster = Cluster::in_mode(Mode::Enforce);
    let mut review = review("job-create-waits-by-failing");
    let denied = cluster.validate(&review).await;
    assert_eq!(denied["allowed"], false);
    for spelt in ["POST-Install", " Post-Install , pre-Upgrade"] {
        annotate(&mut review, "helm.sh/hook", spelt);
        assert_eq!(cluster.validate(&review).await["allowed"], false, "{spelt}");
    }
    // Argo CD reads its own names as they are.
    review["request"]["object"]["metadata"]["annotations"] = json!({"argocd.argoproj.io/hook": "postsync"});
    assert_eq!(cluster.validate(&review).await["allowed"], true);
}

#[tokio::test]
async fn only_a_cron_job_of_kubernetes_answers_for_its_jobs() {
    let cluster = Cluster::in_mode(Mode::Enforce);
    let mut review = review("job-create-waits-by-failing");
    for (version, allowed) in [
        ("batch/v1", true),
        ("batch/v1beta1", true),
        ("evil.example/v1", false),
    ] {
        let owner =
            json!({"apiVersion": version, "kind": "CronJob", "name": "n", "uid": "u", "controller": true});
        review["request"]["object"]["metadata"]["ownerReferences"] = json!([owner]);
        assert_eq!(cluster.validate(&review).await["allowed"], allowed, "{version}");
    }
}

#[tokio::test]
async fn what_a_cron_job_states_is_not_replaced_unasked() {
    let stated = |review: &mut Value| {
        let spec = &mut review["request"]["object"]["spec"];
        spec["failedJobsHistoryLimit"] = 0.into();
        spec["jobTemplate"]["spec"]["ttlSecondsAfterFinished"] = 60.into();
    };
    let cluster = Cluster::in_mode(Mode::Warn);
    let mut review = review("cronjob-create");
    stated(&mut review);
    let kept = |object: &Value| {
        let spec = &object["spec"];
        (
            spec["failedJobsHistoryLimit"].clone(),
            spec["jobTemplate"]["spec"]["ttlSecondsAfterFinished"].clone(),
        )
    };
    let object = patched(&review, &cluster.mutate(&review).await);
    assert_eq!(
        kept(&object),
        (json!(0), json!(60)),
        "git states them, and would state them again"
    );
    annotate(&mut review, "hookbudget.dev/rewrite", "safe");
    let object = patched(&review, &cluster.mutate(&review).await);
    assert_eq!(kept(&object), (json!(1), json!(300)), "its owner asks for it");
}

#[tokio::test]
async fn what_is_absent_or_null_is_no_obstacle() {
    let cluster = Cluster::in_mode(Mode::Warn);
    for absent in [None, Some(Value::Null)] {
        let mut review = review("job-create-waits-by-failing");
        let mut set = |pointer: &str, key: &str| {
            let parent = review["request"]["object"].pointer_mut(pointer).unwrap();
            match &absent {
                Some(value) => parent[key] = value.clone(),
                None => drop(parent.as_object_mut().unwrap().remove(key)),
            }
        };
        set("/spec/template/spec/containers/0", "env");
        set("/spec/template/spec/containers/0", "resources");
        set("/spec/template/spec", "volumes");
        set("/spec/template", "metadata");
        set("/metadata", "labels");
        set("", "status");
        let object = patched(&review, &cluster.mutate(&review).await);
        let container = &object["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(env(container).len(), 7, "{container}");
        assert!(!warnings(&cluster.validate(&review).await).is_empty());
    }
}

#[tokio::test]
async fn of_two_equal_names_the_later_is_set_and_nothing_else_is_touched() {
    let cluster = Cluster::in_mode(Mode::Warn);
    let mut review = review("job-create-waits-by-failing");
    annotate(&mut review, "hookbudget.dev/env", "READY_S=wait-timeout");
    let own = json!([
        {"name": "READY_S", "value": "60"},
        {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "READY_S", "value": "90"},
        {"name": "A", "value": ""},
    ]);
    review["request"]["object"]["spec"]["template"]["spec"]["containers"][0]["env"] = own.clone();
    let object = patched(&review, &cluster.mutate(&review).await);
    let after = object["spec"]["template"]["spec"]["containers"][0]["env"]
        .as_array()
        .unwrap();
    let mut expected = own.as_array().unwrap().clone();
    expected[2]["value"] = "600".into();
    assert_eq!(after[..4], expected[..]);
    assert!(
        after[4..]
            .iter()
            .all(|e| e["name"].as_str().unwrap().starts_with("HOOKBUDGET_"))
    );
}

#[tokio::test]
async fn every_kind_of_container_gets_the_budget_but_ephemeral_ones() {
    let cluster = Cluster::in_mode(Mode::Warn);
    let mut review = review("job-create-waits-by-failing");
    let pod = &mut review["request"]["object"]["spec"]["template"]["spec"];
    pod["initContainers"] = json!([
        {"name": "prepare", "image": "busybox:1.37"},
        {"name": "proxy", "image": "proxy:1.2.3", "restartPolicy": "Always"},
    ]);
    // Nobody can write these into a template; whoever finds them there leaves them alone.
    pod["ephemeralContainers"] = json!([{"name": "debug", "image": "busybox:1.37", "env": null}]);
    let first = pod["containers"][0].clone();
    let many = (0..120).map(|n| {
        let mut container = first.clone();
        container["name"] = format!("worker-{n}").into();
        container
    });
    pod["containers"] = many.collect::<Vec<_>>().into();
    let before = pod.clone();
    let object = patched(&review, &cluster.mutate(&review).await);
    let pod = &object["spec"]["template"]["spec"];
    assert_eq!(pod["ephemeralContainers"], before["ephemeralContainers"]);
    for list in ["initContainers", "containers"] {
        let containers = pod[list].as_array().unwrap();
        assert_eq!(containers.len(), before[list].as_array().unwrap().len());
        for container in containers {
            let env = env(container);
            assert!(
                env.contains(&("HOOKBUDGET_WAIT_TIMEOUT_SECONDS", "600")),
                "{container}"
            );
        }
    }
    // All that is said of 120 containers stays within what the API server passes on.
    let response = cluster.validate(&review).await;
    let all: usize = warnings(&response).iter().map(|text| text.chars().count()).sum();
    assert!(all < 4_096, "{all}");
    let audited = response["auditAnnotations"]["findings"].as_str().unwrap();
    assert!(audited.chars().count() <= 4_096, "{}", audited.len());
}

#[tokio::test]
async fn a_job_that_a_cron_job_owns_is_never_denied() {
    let cluster = Cluster::in_mode(Mode::Enforce);
    let mut review = review("job-create-waits-by-failing");
    assert_eq!(cluster.validate(&review).await["allowed"], false);
    let owner =
        json!({"apiVersion": "batch/v1", "kind": "CronJob", "name": "zones", "uid": "u", "controller": true});
    for (owners, allowed) in [
        (json!([owner]), true),
        (
            json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "c"}, owner]),
            true,
        ),
        (
            json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "c"}]),
            false,
        ),
        (Value::Null, false),
    ] {
        review["request"]["object"]["metadata"]["ownerReferences"] = owners.clone();
        let response = cluster.validate(&review).await;
        assert_eq!(response["allowed"], allowed, "{owners}");
        if allowed {
            assert!(
                warnings(&response).iter().any(|w| w.starts_with("HB101")),
                "{response}"
            );
        }
    }
}

#[tokio::test]
async fn what_another_controller_runs_is_left_alone() {
    let cluster = Cluster::in_mode(Mode::Enforce);
    for (manager, left_alone) in [
        ("example.com/queue", true),
        ("kubernetes.io/job-controller", false),
    ] {
        let mut cron = unsafe_cron_job("CREATE");
        cron["request"]["object"]["spec"]["jobTemplate"]["spec"]["managedBy"] = manager.into();
        let mut job = review("job-create-waits-by-failing");
        job["request"]["object"]["spec"]["managedBy"] = manager.into();
        for review in [cron, job] {
            let response = cluster.validate(&review).await;
            assert_eq!(response["allowed"], left_alone, "{manager}: {response}");
            let patch = &cluster.mutate(&review).await["patch"];
            assert_eq!(patch.is_null(), left_alone, "{manager}");
        }
    }
}

#[tokio::test]
async fn a_cron_job_is_denied_when_an_update_makes_it_unsafe() {
    let cluster = Cluster::in_mode(Mode::Enforce);
    for operation in ["CREATE", "UPDATE"] {
        let response = cluster.validate(&unsafe_cron_job(operation)).await;
        assert_eq!(response["allowed"], false, "{operation}: {response}");
        let message = response["status"]["message"].as_str().unwrap();
        assert!(message.starts_with("HB103 "), "{message}");
    }
}

#[tokio::test]
async fn no_update_is_held_up_that_starts_nothing_new() {
    let cluster = Cluster::in_mode(Mode::Enforce);
    let cases: [(&str, Change); 4] = [
        ("a label of a CronJob that was there before", |r| {
            r["oldObject"] = r["object"].clone();
            r["object"]["metadata"]["labels"] = json!({"team": "storage"});
        }),
        ("a finalizer that is taken away", |r| {
            r["oldObject"] = r["object"].clone();
            r["oldObject"]["metadata"]["finalizers"] = json!(["foregroundDeletion"]);
        }),
        ("one that is suspended", |r| {
            r["object"]["spec"]["suspend"] = true.into();
        }),
        ("one that is being deleted", |r| {
            let deleted = "2026-03-02T08:00:00Z";
            r["oldObject"]["metadata"]["deletionTimestamp"] = deleted.into();
            r["object"]["metadata"]["deletionTimestamp"] = deleted.into();
        }),
    ];
    for (case, change) in cases {
        let mut review = unsafe_cron_job("UPDATE");
        change(&mut review["request"]);
        let response = cluster.validate(&review).await;
        assert_eq!(response["allowed"], true, "{case}: {response}");
        let patch = cluster.mutate(&review).await["patch"].clone();
        assert_eq!(patch.is_null(), !case.contains("suspended"), "{case}");
    }
    // An annotation of ours is part of what is judged.
    let mut review = unsafe_cron_job("UPDATE");
    review["request"]["oldObject"] = review["request"]["object"].clone();
    review["request"]["oldObject"]["metadata"]["annotations"]["hookbudget.dev/exempt"] = "known".into();
    assert_eq!(cluster.validate(&review).await["allowed"], false);
}

#[tokio::test]
async fn an_update_of_a_job_never_touches_its_template() {
    let cluster = Cluster::with(
        Policy {
            rewrite: RewriteLevel::All,
            ..Policy::default()
        },
        NamespaceFacts::default(),
    );
    let mut review = review("job-create-waits-by-failing");
    annotate(&mut review, "hookbudget.dev/wait-for", "tcp://db:5432");
    assert!(cluster.mutate(&review).await["patch"].is_string());
    for suspended in [false, true] {
        review["request"]["operation"] = "UPDATE".into();
        review["request"]["object"]["spec"]["suspend"] = suspended.into();
        review["request"]["oldObject"] = review["request"]["object"].clone();
        assert_eq!(
            cluster.mutate(&review).await,
            json!({"uid": UID, "allowed": true}),
            "suspended: {suspended}"
        );
    }
}

#[tokio::test]
async fn another_version_of_the_object_is_not_judged() {
    let cluster = Cluster::in_mode(Mode::Enforce);
    for (version, kind) in [
        ("v1beta1", "cronjob-create"),
        ("v2", "job-create-waits-by-failing"),
    ] {
        let mut review = review(kind);
        review["request"]["kind"]["version"] = version.into();
        let response = cluster.validate(&review).await;
        assert_eq!(response["allowed"], true);
        assert!(
            warnings(&response)[0].contains(&format!("batch/{version}")),
            "{response}"
        );
        assert_eq!(cluster.last_skipped(), Some(Skipped::Unreadable));
        assert_eq!(cluster.mutate(&review).await["patch"], Value::Null);
    }
}

#[tokio::test]
async fn a_container_that_has_the_name_of_the_wait_already_is_left_alone_and_named() {
    let cluster = Cluster::in_mode(Mode::Warn);
    for list in ["initContainers", "containers"] {
        let mut review = review("job-create-waits-by-failing");
        annotate(&mut review, "hookbudget.dev/wait-for", "tcp://db:5432");
        let pod = &mut review["request"]["object"]["spec"]["template"]["spec"];
        let own = json!({"name": "hookbudget-wait", "image": "own:1", "args": ["tcp://other:1"]});
        match pod[list].as_array_mut() {
            Some(containers) => containers.push(own),
            None => pod[list] = json!([own]),
        }
        let before = pod[list].as_array().unwrap().len();
        let response = cluster.mutate(&review).await;
        let object = patched(&review, &response);
        let after = object["spec"]["template"]["spec"][list].as_array().unwrap();
        assert_eq!(after.len(), before);
        assert_eq!(after[before - 1]["args"], json!(["tcp://other:1"]));
        let said = warnings(&response).join("\n");
        assert!(
            said.contains("a container hookbudget-wait is there already"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn the_added_wait_is_what_the_restricted_standard_asks_for() {
    let cluster = Cluster::in_mode(Mode::Warn);
    let mut review = review("job-create-waits-by-failing");
    annotate(&mut review, "hookbudget.dev/wait-for", "tcp://db:5432");
    let object = patched(&review, &cluster.mutate(&review).await);
    let wait = &object["spec"]["template"]["spec"]["initContainers"][0];
    // The image of the product, which holds the helper, of a version and not of a moment.
    assert_eq!(wait["image"], concat!("hookbudget:", env!("CARGO_PKG_VERSION")));
    assert_eq!(wait["command"], json!(["hookbudget-wait"]));
    // https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    let security = &wait["securityContext"];
    assert_eq!(security["allowPrivilegeEscalation"], false);
    assert_eq!(security["runAsNonRoot"], true);
    assert!(security["runAsUser"].as_i64().unwrap() > 0);
    assert_eq!(security["capabilities"], json!({"drop": ["ALL"]}));
    assert_eq!(security["seccompProfile"], json!({"type": "RuntimeDefault"}));
    assert_eq!(security["readOnlyRootFilesystem"], true);
    for absent in ["volumeMounts", "ports", "envFrom", "lifecycle", "volumeDevices"] {
        assert!(wait[absent].is_null(), "{absent}");
    }
    // Quotas of a namespace ask for both.
    for (list, memory) in [("requests", "16Mi"), ("limits", "32Mi")] {
        assert_eq!(wait["resources"][list]["memory"], memory);
        assert!(wait["resources"][list]["cpu"].is_string());
    }
    // What it may wait leaves the headroom of the deadline.
    assert!(
        env(wait).contains(&("HOOKBUDGET_WAIT_TIMEOUT_SECONDS", "600")),
        "{wait}"
    );

    // The policy may name another image.
    let policy = Policy {
        wait_image: "registry.example/wait:1.2.3".to_owned(),
        ..Policy::default()
    };
    let cluster = Cluster::with(policy, NamespaceFacts::default());
    let object = patched(&review, &cluster.mutate(&review).await);
    let wait = &object["spec"]["template"]["spec"]["initContainers"][0];
    assert_eq!(wait["image"], "registry.example/wait:1.2.3");
}
