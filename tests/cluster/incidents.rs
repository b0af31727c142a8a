//! Incidents A and B as they happened: full length, on a real kubelet.

use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::admission::{api, service};
use crate::dumps::all_agree;
use crate::kit::{Namespace, incident, powerdns_key, root_cause, run, series, until, value};

/// What `simulate` says of a manifest.
fn simulated(manifest: &str, more: &[&str]) -> Value {
    let mut arguments = vec!["simulate", "-", "--json"];
    arguments.extend(more);
    let printed = run(env!("CARGO_BIN_EXE_hookbudget"), &arguments, manifest);
    serde_json::from_str(&printed.stdout).unwrap_or_else(|error| panic!("{error}: {}", printed.stderr))
}

/// Unguarded, the hook really dies of its limit, at a moment inside the range that `simulate` gave; and the
/// exporter names what it waited for.
#[test]
fn a_unguarded_dies_of_its_limit_inside_the_simulated_range() {
    let namespace = Namespace::new("a-off", "off");
    let manifests = incident("a-powerdns.yaml", "powerdns", &namespace);
    powerdns_key(&namespace, "k");
    namespace.must_create(&service("powerdns", 8081));
    namespace.must_create(&manifests);
    let story = simulated(&manifests, &[]);
    let (reason, seconds) = namespace.condition("powerdns-zone-bootstrap", "FailureTarget", 600);
    assert_eq!(reason, "BackoffLimitExceeded");
    let bound = |key: &str| story[key].as_f64().expect("a number");
    let (lower, upper) = (bound("ends_at_lower"), bound("ends_at_upper"));
    println!("incident A unguarded: {seconds} s measured, {lower}..{upper} s simulated");
    assert!(
        (lower..=upper).contains(&seconds),
        "{seconds} s is outside of {lower}..{upper} s"
    );
    assert_eq!(story["reason"], "BackoffLimitExceeded");
    let cause = root_cause(&namespace, "powerdns-zone-bootstrap", "budget_misconfigured");
    assert_eq!(cause.label("trigger"), "BackoffLimitExceeded");
    assert_eq!(cause.label("owner_name"), "bp-powerdns");
    all_agree(&namespace, "powerdns-zone-bootstrap", "budget_misconfigured");
}

/// The same on a small scale, with the node full: the chain goes down to the node's capacity.
#[test]
fn a_with_a_full_node_names_the_capacity() {
    let namespace = Namespace::new("a-full", "off");
    powerdns_key(&namespace, "k");
    namespace.must_create(&service("powerdns", 8081));
    let deployment = api("powerdns", 8081).replace(
        "        image: hookbudget-test/api:1\n",
        "        image: hookbudget-test/api:1\n        resources: {requests: {cpu: '99'}}\n",
    );
    namespace.must_create(&deployment);
    let quick =
        incident("a-powerdns.yaml", "powerdns", &namespace).replace("backoffLimit: 6", "backoffLimit: 2");
    namespace.must_create(&quick);
    namespace.condition("powerdns-zone-bootstrap", "FailureTarget", 300);
    let cause = root_cause(&namespace, "powerdns-zone-bootstrap", "dependency_node_capacity");
    assert_eq!(cause.label("route"), "platform");
    all_agree(&namespace, "powerdns-zone-bootstrap", "dependency_node_capacity");
}

/// The clocks of incident B as the webhook tells them, with the HelmRelease read from the cluster.
#[test]
fn b_is_warned_of_its_worst_case_and_its_fall_through() {
    let namespace = Namespace::new("b-warn", "warn");
    let manifests = incident("b-gitea-token.yaml", "catalyst-system", &namespace);
    let (release, job) = manifests.split_once("\n---\n").expect("two documents");
    namespace.must_create(release);
    until(30, "the webhook to know the HelmRelease", || {
        let printed = namespace.create_args(&["--dry-run=server"], job);
        assert!(printed.ok, "{}", printed.stderr);
        let told = ["HB104", "1344", "HB204"]
            .iter()
            .all(|part| printed.stderr.contains(part));
        told.then_some(())
    });
}

/// While it waits, the exporter's attempts and remaining seconds move with the log lines; when the dependency
/// comes up, the Job succeeds and the series say so.
#[test]
fn b_shows_its_progress_and_succeeds() {
    let (namespace, gitea) = (Namespace::new("b-wait", "warn"), Namespace::new("b-gitea", "off"));
    let manifests = incident("b-gitea-token.yaml", "catalyst-system", &namespace)
        .replace("ITERATIONS=168", "ITERATIONS=90")
        .replace("INTERVAL=5", "INTERVAL=2")
        .replace("gitea-http.gitea.svc", &format!("gitea-http.{}.svc", gitea.0))
        .replace("  ttlSecondsAfterFinished: 600\n", "")
        .replace("      serviceAccountName: catalyst-gitea-token-mint\n", "");
    gitea.must_create(&service("gitea-http", 3000));
    // Flux reads a HelmRelease, renders its chart and only then creates the hook: a watch has seen it by then.
    let (release, hook) = manifests
        .split_once("\n---\n")
        .expect("the HelmRelease and the hook");
    namespace.must_create(release);
    sleep(Duration::from_secs(2));
    namespace.must_create(hook);
    let job = "catalyst-gitea-token-mint";
    let attempts = || value(&namespace, job, "hookbudget_job_wait_attempts", &[]);
    let remaining = || value(&namespace, job, "hookbudget_job_wait_remaining_seconds", &[]);
    let (first, left) = until(90, "the first attempts", || {
        Some((attempts().filter(|n| *n >= 2.0)?, remaining()?))
    });
    assert_eq!(
        value(&namespace, job, "hookbudget_job_wait_attempts_limit", &[]),
        Some(90.0)
    );
    let budget = |clock| {
        value(
            &namespace,
            job,
            "hookbudget_job_budget_seconds",
            &[("clock", clock)],
        )
    };
    assert_eq!(
        (budget("wait_nominal"), budget("wait_worst")),
        (Some(180.0), Some(450.0))
    );
    // The webhook has written the deadline that follows from the release's timeout: 900 s - 60 s - 30 s (HB106).
    assert_eq!(
        (budget("release"), budget("deadline")),
        (Some(900.0), Some(810.0))
    );
    let (later, less) = until(60, "the attempts to move", || {
        let now = attempts().filter(|n| *n >= first + 5.0)?;
        Some((now, remaining().filter(|seconds| *seconds < left)?))
    });
    println!("incident B waits: attempt {first} with {left} s left, attempt {later} with {less} s left");
    gitea.must_create(&api("gitea-http", 3000));
    let (_, seconds) = namespace.condition(job, "Complete", 120);
    println!("incident B succeeded after {seconds} s");
    until(30, "the series to say that the Job succeeded", || {
        let all = series(&namespace, job);
        let waiting = all
            .iter()
            .any(|s| s.name == "hookbudget_job_wait_remaining_seconds");
        let failed = all.iter().any(|s| s.name == "hookbudget_job_root_cause");
        (!all.is_empty() && !waiting && !failed).then_some(())
    });
}

/// The same with a dependency that never comes: the wait runs out, falls through to the next step, and dies there.
#[test]
fn b_whose_dependency_never_comes() {
    let namespace = Namespace::new("b-never", "off");
    let manifests = incident("b-gitea-token.yaml", "catalyst-system", &namespace)
        .replace("ITERATIONS=168", "ITERATIONS=5")
        .replace("INTERVAL=5", "INTERVAL=1")
        .replace("backoffLimit: 8", "backoffLimit: 1")
        .replace("gitea-http.gitea.svc", &format!("gitea-http.{}.svc", namespace.0))
        .replace("  ttlSecondsAfterFinished: 600\n", "")
        .replace("      serviceAccountName: catalyst-gitea-token-mint\n", "");
    // Its time to come up is over.
    let annotated = "metadata: {annotations: {hookbudget.dev/cold-start: 1s}, ";
    namespace.must_create(&service("gitea-http", 3000).replacen("metadata: {", annotated, 1));
    namespace.must_create(&manifests);
    let job = "catalyst-gitea-token-mint";
    let (reason, seconds) = namespace.condition(job, "FailureTarget", 240);
    println!("incident B in vain: {reason} after {seconds} s");
    assert_eq!(reason, "BackoffLimitExceeded");
    let cause = root_cause(&namespace, job, "dependency_no_endpoints");
    assert_eq!(cause.label("owner_name"), "bp-catalyst-platform");
    all_agree(&namespace, job, "dependency_no_endpoints");
}
