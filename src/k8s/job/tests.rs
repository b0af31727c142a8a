use std::borrow::Cow;

use super::*;

fn facts(text: &str) -> (Job<'_>, Vec<Problem>) {
    serde_json::from_str::<JobObject<'_>>(text)
        .expect("a Job")
        .into_facts()
}

#[test]
fn the_defaults_of_the_api_server_apply_and_null_means_unset() {
    let (job, problems) = facts(
        r#"{"kind":"Job","metadata":{"generateName":"mint-","annotations":null,
                "labels":{"a":null}},"spec":{"backoffLimit":null,"template":{"spec":{"restartPolicy":"Never",
                "containers":[{"name":"c","image":"busybox"}],"initContainers":null}}}}"#,
    );
    assert_eq!(problems, []);
    assert_eq!(
        job.backoff_limit,
        BackoffLimit {
            value: 6,
            stated: false
        }
    );
    assert_eq!(
        (job.parallelism, job.completions, job.name.as_ref()),
        (1, Some(1), "mint-")
    );
    assert_eq!((job.active_deadline, job.pod.grace().whole()), (None, 30));
}

#[test]
fn text_is_borrowed_from_the_body() {
    let (job, _) = facts(
        r#"{"metadata":{"name":"a"},"spec":{"template":{"spec":{"containers":[{"command":["sh","-c"]}]}}}}"#,
    );
    assert!(matches!(job.name, Cow::Borrowed("a")));
    assert!(matches!(job.pod.containers[0].command[1], Cow::Borrowed("-c")));
}

#[test]
fn what_the_api_server_refuses_is_named_with_its_place() {
    let (_, problems) = facts(
        r#"{"spec":{"backoffLimit":-1,"activeDeadlineSeconds":9223372036854775807,"parallelism":4294967296,
                "template":{"spec":{"restartPolicy":"Always"}}}}"#,
    );
    let said: Vec<_> = problems
        .iter()
        .map(|p| format!("{}: {}", p.pointer, p.message))
        .collect();
    for part in [
        "/spec/backoffLimit: -1 is out of range",
        "/spec/activeDeadlineSeconds: 9223372036854775807 seconds are more than 292 years",
        "/spec/parallelism: 4294967296 is out of range",
        "/spec/template/spec/restartPolicy: is Always",
        "/spec/template/spec/containers: has no container",
    ] {
        assert!(
            said.iter().any(|line| line.starts_with(part)),
            "{part} not in {said:#?}"
        );
    }
}

#[test]
fn a_cron_job_is_judged_by_its_job_template() {
    let (job, problems) = facts(
        r#"{"kind":"CronJob","metadata":{"name":"tf-state-backup"},"spec":{"schedule":"0 2 * * *",
                "concurrencyPolicy":"Forbid","jobTemplate":{"metadata":{"annotations":{"x":"y"}},
                "spec":{"backoffLimit":2,"template":{"spec":{"restartPolicy":"OnFailure",
                "containers":[{"name":"b","resources":{"limits":{"memory":134217728}}}]}}}}}}"#,
    );
    assert_eq!(problems, []);
    assert_eq!(
        (job.backoff_limit.value, job.pod.restart_policy),
        (2, RestartPolicy::OnFailure)
    );
    assert_eq!(job.annotation("x"), Some("y"));
    let cron = job.cron.expect("cron facts");
    assert_eq!((cron.concurrency, cron.failed_history), (Concurrency::Forbid, 1));
    assert_eq!(job.pod.containers[0].memory_limit.as_deref(), Some("134217728"));
}

#[test]
fn what_a_pod_cannot_start_without_is_noted_with_its_place() {
    let text = r#"{"kind":"Job","spec":{"template":{"spec":{"restartPolicy":"Never","serviceAccount":"seeder",
        "volumes":[
            {"name":"a","secret":{"secretName":"keys"}},
            {"name":"b","configMap":{"name":"maybe","optional":true}},
            {"name":"c","projected":{"sources":[{"configMap":{"name":"scripts"}},{"secret":{"name":"later","optional":true}},
                {"serviceAccountToken":{"path":"token"}}]}},
            {"name":"d","emptyDir":{}}],
        "containers":[{"name":"main","env":[
            {"name":"A","value":"1"},
            {"name":"B","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}},
            {"name":"C","valueFrom":{"secretKeyRef":{"name":"token","key":"t"}}}],
            "envFrom":[{"configMapRef":{"name":"settings"}},{"secretRef":{"name":"extra","optional":true}}]}]}}}}"#;
    let (job, problems) = serde_json::from_str::<JobObject<'_>>(text)
        .expect("a Job")
        .into_facts();
    assert_eq!(problems, []);
    let needs = job.pod.needs.iter().map(|need| {
        let name = match &need.source {
            VolumeSource::ConfigMap(name) => format!("ConfigMap {name}"),
            VolumeSource::Secret(name) => format!("Secret {name}"),
        };
        (name, job.need_pointer(need.place))
    });
    let needs: Vec<_> = needs.collect();
    let pod = "/spec/template/spec";
    let expected = [
        ("Secret keys", "volumes/0"),
        ("ConfigMap scripts", "volumes/2"),
        ("ConfigMap settings", "containers/0/envFrom/0"),
        ("Secret token", "containers/0/env/2"),
    ];
    let expected = expected.map(|(name, at)| (name.to_owned(), format!("{pod}/{at}")));
    assert_eq!(needs, expected);
    assert_eq!(job.pod.service_account.as_deref(), Some("seeder"));
    // The projected volume counts once for each object that fills it.
    assert_eq!(job.pod.volumes.len(), 4);
}
