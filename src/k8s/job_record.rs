//! A Job's spec as evidence: assessed once, and then only what a diagnosis and a series need of it.

use std::sync::Arc;

use crate::engine::assess::assess_with;
use crate::engine::budget::{Clock, WaitSource};
use crate::engine::downloads::downloads;
use crate::engine::evidence::{Clocks, DownloadRecord, JobRecord, ObjectRef, ReleaseRecord, WaitRecord};
use crate::engine::finding::Severity;
use crate::engine::job::{Job, Origin};
use crate::engine::policy::Policy;
use crate::engine::redact::redact;
use crate::engine::release::{Surroundings, TimeoutSource};
use crate::engine::rule::Told;
use crate::engine::shell::{Target, read_container};
use crate::engine::{Limit, Seconds, budget, cold_start, wait_target};
use crate::k8s::meta::safe;

/// What the spec of a Job says, the Job's whole life long.
#[derive(Clone, Debug, Default, PartialEq, Hash)]
pub struct JobSpec {
    /// The record, its status left empty.
    pub record: JobRecord,
    /// The waits of its scripts and annotations.
    pub waits: Vec<WaitRecord>,
    /// What its scripts fetch from outside the cluster.
    pub downloads: Vec<DownloadRecord>,
    /// Who states the wait.
    pub wait_source: &'static str,
    /// The clock that ends the Job first when its dependency never comes up.
    pub ends_by: Option<Clock>,
    /// When that is, from the start of the Job (from its creation for the release).
    pub ends_at: Option<Seconds>,
    /// `hookbudget.dev/cold-start` of the Job.
    pub cold_start: Option<Seconds>,
    /// Codes and severities of the rules' findings that no annotation exempts.
    pub findings: Arc<[(&'static str, Severity)]>,
    /// True for a Job whose failure somebody waits for: a hook, a `CronJob`'s, or one with an annotation of ours.
    pub matters: bool,
    /// The labels that are exported as they are, in the exposition's form; whoever keeps the spec fills them in.
    pub labels: Option<Box<str>>,
}

impl JobSpec {
    /// Reads the waits of a Job, sets its clocks side by side and keeps the outcome.
    #[must_use]
    pub fn of(job: &Job<'_>, around: Surroundings<'_>, policy: &Policy) -> Self {
        let assessment = assess_with(job, around, policy, Told::Codes, |container, files| {
            read_container(container, files).into()
        });
        let clocks = &assessment.clocks;
        let origin = job.origin();
        let release = release_record(clocks, origin).or_else(|| kustomization_record(clocks, around));
        let record = JobRecord {
            namespace: job.namespace.as_deref().unwrap_or_default().to_owned(),
            name: job.name.clone().into_owned(),
            uid: job.uid.as_deref().unwrap_or_default().to_owned(),
            owner: owner(job, release.as_ref()),
            origin,
            hooks: job.hooks().into_iter().map(str::to_owned).collect(),
            restart_policy: job.pod.restart_policy,
            backoff_limit: Some(job.backoff_limit.value),
            deadline: job.active_deadline,
            suspended: job.suspend,
            parked: job
                .annotation("hookbudget.dev/parked")
                .map(|reason| safe(reason.to_owned())),
            release: release.map(Box::new),
            clocks: Clocks {
                wait_nominal: clocks.wait.and_then(|wait| wait.nominal.seconds()),
                wait_worst: clocks.wait.and_then(|wait| wait.worst.seconds()),
                retries_lower: clocks.retries_lower.seconds(),
                retries_upper: clocks.retries_upper.seconds(),
            },
            ..JobRecord::default()
        };
        let ours = |pairs: &[(_, _)]| {
            pairs.iter().any(
                |(key, _): &(std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| {
                    key.starts_with("hookbudget.dev/")
                },
            )
        };
        Self {
            matters: origin.is_hook()
                || origin == Origin::CronJob
                || ours(&job.annotations)
                || ours(&job.template_annotations),
            waits: waits(job, clocks),
            downloads: fetched(job, clocks),
            wait_source: match clocks.wait_source {
                WaitSource::Annotation => "annotation",
                WaitSource::Script => "script",
                WaitSource::None => "none",
                WaitSource::Unread | WaitSource::Hidden => "unknown",
            },
            ends_by: Some(clocks.ends_by).filter(|clock| *clock != Clock::Nothing),
            ends_at: Limit::seconds(clocks.ends_at),
            cold_start: job.annotation(cold_start::ANNOTATION).and_then(cold_start::parse),
            findings: assessment
                .findings
                .iter()
                .filter(|finding| finding.exempted.is_none())
                .map(|finding| (finding.code, finding.severity))
                .collect(),
            labels: None,
            record,
        }
    }
}

fn release_record(clocks: &budget::Clocks, origin: Origin) -> Option<ReleaseRecord> {
    let release = &clocks.release;
    if release.source == TimeoutSource::None && !matches!(origin, Origin::HelmHook | Origin::Flux) {
        return None;
    }
    Some(ReleaseRecord {
        object: release.object.as_ref().map(|object| ObjectRef {
            kind: object.kind.to_owned(),
            namespace: name(&object.namespace),
            name: name(&object.name),
        }),
        timeout: release.timeout,
        timeout_source: release.source.to_string(),
        assumed: !release.is_known(),
        gave_up: None,
        message: String::new(),
    })
}

/// The Kustomization that has applied a plain Job, where it waits for all that it applies: F13 is then the clock outside
/// the Job. A Job that is not done by then makes the Kustomization fail; the Job itself goes on.
fn kustomization_record(clocks: &budget::Clocks, around: Surroundings<'_>) -> Option<ReleaseRecord> {
    let object = clocks.release.object.as_ref()?;
    let known = around.kustomizations.iter().find(|known| {
        object.kind == "Kustomization" && known.name == object.name && known.namespace == object.namespace
    });
    let (timeout, field) = known.filter(|known| known.wait && !known.suspend)?.timeout();
    Some(ReleaseRecord {
        // It does not run the Job again, and so is no part of the chain.
        object: None,
        timeout: Some(timeout),
        timeout_source: format!("Kustomization {}/{} {field}", object.namespace, object.name),
        // The next reconciliation waits again: running out of it is no end of the Job.
        assumed: true,
        gave_up: None,
        message: String::new(),
    })
}

/// A name that an annotation or a label states, which may be anything: no object's name is longer (RFC 1123).
fn name(text: &str) -> String {
    safe(text[..text.floor_char_boundary(253)].to_owned())
}

/// The owner in the user's eyes: the `CronJob` that made the Job, else the release object, else what the labels
/// of Flux, Argo CD and Helm name.
fn owner(job: &Job<'_>, release: Option<&ReleaseRecord>) -> Option<ObjectRef> {
    let here = job.namespace.as_deref().unwrap_or_default();
    let named = |kind: &str, namespace: &str, of: &str| ObjectRef {
        kind: kind.to_owned(),
        namespace: name(namespace),
        name: name(of),
    };
    if let Some(owner) = &job.owner {
        return Some(named(&owner.kind, here, &owner.name));
    }
    if let Some(object) = release.and_then(|release| release.object.clone()) {
        return Some(object);
    }
    if let Some(name) = job.label("helm.toolkit.fluxcd.io/name") {
        let namespace = job.label("helm.toolkit.fluxcd.io/namespace").unwrap_or(here);
        return Some(named("HelmRelease", namespace, name));
    }
    if let Some(name) = job.label("argocd.argoproj.io/instance") {
        return Some(named("Application", here, name));
    }
    matches!(job.origin(), Origin::HelmHook | Origin::Flux)
        .then(|| job.label("app.kubernetes.io/instance"))
        .flatten()
        .map(|name| named("Release", here, name))
}

fn waits(job: &Job<'_>, clocks: &budget::Clocks) -> Vec<WaitRecord> {
    let safe = |target: &Target| Target {
        text: redact(&target.text).into_owned(),
        ..target.clone()
    };
    let seen = clocks.waits().map(|(container, wait)| WaitRecord {
        container: container.name.clone(),
        target: wait.target.as_ref().map(safe),
        attempts: wait.attempts,
        interval: wait.interval,
        nominal: wait.span.nominal.seconds(),
        place: format!("line {} of the script of {}", wait.place.line + 1, container.name),
    });
    let declared = job
        .annotation("hookbudget.dev/wait-for")
        .into_iter()
        .flat_map(wait_target::listed)
        .map(|text| WaitRecord {
            target: Some(safe(&Target::of_url(text))),
            place: "annotation hookbudget.dev/wait-for".to_owned(),
            ..WaitRecord::default()
        });
    seen.chain(declared).collect()
}

/// A URL may hold a password.
fn fetched(job: &Job<'_>, clocks: &budget::Clocks) -> Vec<DownloadRecord> {
    let mut downloads = downloads(job, clocks);
    for download in &mut downloads {
        download.target = redact(&download.target).into_owned();
    }
    downloads
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k8s::JobObject;

    fn spec(text: &str) -> JobSpec {
        let (job, _) = serde_json::from_str::<JobObject<'_>>(text)
            .expect("a Job")
            .into_facts();
        JobSpec::of(&job, Surroundings::default(), &Policy::default())
    }

    #[test]
    fn a_declared_target_is_a_wait() {
        let spec = spec(
            r#"{"metadata":{"name":"a","namespace":"n","annotations":{"hookbudget.dev/wait-for":
                "http://powerdns:8081/api, tcp://pg.db.svc:5432","helm.sh/hook":"post-install"}}}"#,
        );
        let services: Vec<_> = spec
            .waits
            .iter()
            .filter_map(|wait| wait.target.as_ref())
            .map(|target| (target.service(), target.port))
            .collect();
        assert_eq!(
            services,
            [
                (Some(("powerdns", None)), Some(8081)),
                (Some(("pg", Some("db"))), Some(5432))
            ]
        );
        assert!(spec.matters);
        assert_eq!(spec.ends_by, Some(Clock::Release));
    }

    #[test]
    fn what_a_variable_of_a_secret_name_holds_is_no_part_of_a_target() {
        let spec = spec(
            r#"{"metadata":{"name":"a","namespace":"n"},"spec":{"template":{"spec":{"containers":[{"name":"c","image":"a",
                "env":[{"name":"API_TOKEN","value":"hunter2"},{"name":"ZONE","value":"example"}],
                "command":["sh","-c","until curl -sf http://api/$ZONE/$API_TOKEN/x; do sleep 1; done"]}]}}}}"#,
        );
        let target = spec.waits[0].target.as_ref().expect("a target");
        assert!(!target.text.contains("hunter2"), "{}", target.text);
        assert!(target.text.starts_with("http://api/example/"), "{}", target.text);
    }

    #[test]
    fn a_download_stands_alone_unless_a_service_is_called_too() {
        let downloads = |script: &str| {
            let container = serde_json::json!({"name": "c", "image": "a", "command": ["sh", "-c", script]});
            let job = serde_json::json!({"metadata": {"name": "a", "namespace": "n"},
                "spec": {"template": {"spec": {"containers": [container]}}}});
            let read = spec(&job.to_string()).downloads.into_iter();
            read.map(|read| (read.tool, read.target, read.alone))
                .collect::<Vec<_>>()
        };
        let fetch = "URL=http://203.0.113.9/mc\ncurl -fsSLo /tmp/mc --connect-timeout 3 $URL\n";
        let curl = |alone| ("curl".to_owned(), "http://203.0.113.9/mc".to_owned(), alone);
        assert_eq!(downloads(fetch), [curl(true)]);
        assert_eq!(downloads(&format!("{fetch}curl http://api:80/")), [curl(false)]);
        assert_eq!(
            downloads("apk add --no-cache jq"),
            [("apk".to_owned(), "apk add".to_owned(), true)]
        );
        assert_eq!(downloads("curl http://powerdns:8081/zones"), []);
    }

    #[test]
    fn the_owner_is_the_cron_job_or_the_release() {
        let cron = spec(
            r#"{"metadata":{"name":"b-1","namespace":"n","ownerReferences":[
                {"kind":"CronJob","name":"b","uid":"u","controller":true}]}}"#,
        );
        assert_eq!(cron.record.owner.map(|o| o.kind).as_deref(), Some("CronJob"));
        let hook = spec(
            r#"{"metadata":{"name":"b","namespace":"n","labels":{"app.kubernetes.io/instance":"r"},
                "annotations":{"helm.sh/hook":"post-install"}}}"#,
        );
        assert_eq!(hook.record.owner.map(|o| o.name).as_deref(), Some("r"));
    }
}
