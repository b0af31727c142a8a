//! `batch/v1` Job and `CronJob` into the engine's facts.

mod failure_policy;
mod limits;
mod references;

use std::fmt;

use serde::Deserialize;

use failure_policy::{PodFailurePolicy, failure_rules};
use references::{EnvFromObject, Projected, ValueFrom, need};

use super::text::{Str, StrMap, long_list, null_default};
use crate::engine::Seconds;
use crate::engine::job::{
    BackoffLimit, Concurrency, Container, Cron, EnvVar, Job, JobKind, Mount, Need, NeedPlace, Owner,
    PodTemplate, RestartPolicy, Text, Volume, VolumeItem, VolumeSource,
};

/// A value that the API server would refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// JSON pointer of the field.
    pub pointer: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

/// A Job or a `CronJob` as it stands in a review, a list or a file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct JobObject<'a> {
    #[serde(borrow)]
    kind: Option<Str<'a>>,
    #[serde(borrow, deserialize_with = "null_default")]
    metadata: Metadata<'a>,
    #[serde(borrow, deserialize_with = "null_default")]
    spec: Spec<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow)]
    name: Option<Str<'a>>,
    #[serde(borrow)]
    generate_name: Option<Str<'a>>,
    #[serde(borrow)]
    namespace: Option<Str<'a>>,
    #[serde(borrow)]
    uid: Option<Str<'a>>,
    #[serde(borrow, deserialize_with = "null_default")]
    labels: StrMap<'a>,
    #[serde(borrow, deserialize_with = "null_default")]
    annotations: StrMap<'a>,
    #[serde(borrow, deserialize_with = "null_default")]
    owner_references: Vec<OwnerReference<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct OwnerReference<'a> {
    #[serde(borrow)]
    api_version: Str<'a>,
    #[serde(borrow)]
    kind: Str<'a>,
    #[serde(borrow)]
    name: Str<'a>,
    #[serde(borrow)]
    uid: Str<'a>,
    controller: Option<bool>,
}

/// The fields of a Job's spec and of a `CronJob`'s side by side: no name stands in both with another meaning.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec<'a> {
    active_deadline_seconds: Option<i64>,
    backoff_limit: Option<i64>,
    backoff_limit_per_index: Option<i64>,
    completions: Option<i64>,
    #[serde(borrow)]
    managed_by: Option<Str<'a>>,
    parallelism: Option<i64>,
    #[serde(borrow, deserialize_with = "null_default")]
    pod_failure_policy: PodFailurePolicy<'a>,
    #[serde(borrow)]
    pod_replacement_policy: Option<Str<'a>>,
    suspend: Option<bool>,
    #[serde(borrow, deserialize_with = "null_default")]
    template: Template<'a>,
    ttl_seconds_after_finished: Option<i64>,
    // CronJob
    #[serde(borrow)]
    concurrency_policy: Option<Str<'a>>,
    failed_jobs_history_limit: Option<i64>,
    #[serde(borrow)]
    job_template: Option<Box<JobTemplate<'a>>>,
    #[serde(borrow)]
    schedule: Option<Str<'a>>,
    starting_deadline_seconds: Option<i64>,
    successful_jobs_history_limit: Option<i64>,
    #[serde(borrow)]
    time_zone: Option<Str<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct JobTemplate<'a> {
    #[serde(borrow, deserialize_with = "null_default")]
    metadata: Metadata<'a>,
    #[serde(borrow, deserialize_with = "null_default")]
    spec: Spec<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Template<'a> {
    #[serde(borrow, deserialize_with = "null_default")]
    metadata: Metadata<'a>,
    #[serde(borrow, deserialize_with = "null_default")]
    spec: PodSpec<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodSpec<'a> {
    active_deadline_seconds: Option<i64>,
    #[serde(borrow, deserialize_with = "null_default")]
    containers: Vec<ContainerObject<'a>>,
    #[serde(borrow, deserialize_with = "null_default")]
    init_containers: Vec<ContainerObject<'a>>,
    #[serde(borrow)]
    restart_policy: Option<Str<'a>>,
    #[serde(borrow)]
    service_account: Option<Str<'a>>,
    #[serde(borrow)]
    service_account_name: Option<Str<'a>>,
    termination_grace_period_seconds: Option<i64>,
    #[serde(borrow, deserialize_with = "null_default")]
    volumes: Vec<VolumeObject<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContainerObject<'a> {
    #[serde(borrow, deserialize_with = "null_default")]
    args: Vec<Str<'a>>,
    #[serde(borrow, deserialize_with = "null_default")]
    command: Vec<Str<'a>>,
    #[serde(borrow, deserialize_with = "long_list")]
    env: Vec<EnvObject<'a>>,
    #[serde(borrow, deserialize_with = "null_default")]
    env_from: Vec<EnvFromObject<'a>>,
    #[serde(borrow)]
    image: Option<Str<'a>>,
    #[serde(borrow)]
    name: Option<Str<'a>>,
    #[serde(borrow, deserialize_with = "null_default")]
    resources: Resources<'a>,
    #[serde(borrow)]
    restart_policy: Option<Str<'a>>,
    #[serde(deserialize_with = "null_default")]
    restart_policy_rules: Vec<serde::de::IgnoredAny>,
    #[serde(borrow)]
    termination_message_policy: Option<Str<'a>>,
    #[serde(borrow, deserialize_with = "null_default")]
    volume_mounts: Vec<MountObject<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct EnvObject<'a> {
    #[serde(borrow)]
    name: Str<'a>,
    #[serde(borrow)]
    value: Option<Str<'a>>,
    #[serde(borrow)]
    value_from: Option<ValueFrom<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Resources<'a> {
    #[serde(borrow, deserialize_with = "null_default")]
    limits: Limits<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Limits<'a> {
    #[serde(borrow)]
    memory: Option<Quantity<'a>>,
}

/// A quantity may stand as a string or as a bare number.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Quantity<'a> {
    #[serde(borrow)]
    Text(Str<'a>),
    Number(serde_json::Number),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct MountObject<'a> {
    #[serde(borrow)]
    mount_path: Str<'a>,
    #[serde(borrow)]
    name: Str<'a>,
    #[serde(borrow)]
    sub_path: Option<Str<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct VolumeObject<'a> {
    #[serde(borrow)]
    config_map: Option<ConfigMapSource<'a>>,
    #[serde(borrow)]
    name: Str<'a>,
    #[serde(borrow)]
    projected: Option<Projected<'a>>,
    #[serde(borrow)]
    secret: Option<SecretSource<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ConfigMapSource<'a> {
    #[serde(rename = "defaultMode")]
    default_mode: Option<u32>,
    #[serde(borrow, deserialize_with = "null_default")]
    items: Vec<ItemObject<'a>>,
    #[serde(borrow)]
    name: Option<Str<'a>>,
    optional: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ItemObject<'a> {
    #[serde(borrow)]
    key: Str<'a>,
    mode: Option<u32>,
    #[serde(borrow)]
    path: Str<'a>,
}

impl<'a> ItemObject<'a> {
    fn into_facts(self) -> VolumeItem<'a> {
        VolumeItem {
            key: self.key.0,
            path: self.path.0,
            mode: self.mode,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SecretSource<'a> {
    optional: Option<bool>,
    #[serde(borrow)]
    secret_name: Option<Str<'a>>,
}

impl<'a> JobObject<'a> {
    /// The facts, and what the API server would refuse. A value that cannot stand counts as absent.
    #[must_use]
    pub fn into_facts(self) -> (Job<'a>, Vec<Problem>) {
        let mut problems = Problems(Vec::new());
        let is_cron = self.kind.is_some_and(|Str(kind)| kind == "CronJob");
        let Self {
            metadata, mut spec, ..
        } = self;
        let cron = is_cron.then(|| cron(&mut spec, &mut problems));
        let (template_metadata, spec, root) = match (is_cron, spec.job_template.take()) {
            (true, template) => {
                let template = template.map(|t| *t).unwrap_or_default();
                (Some(template.metadata), template.spec, "/spec/jobTemplate/spec")
            }
            (false, _) => (None, spec, "/spec"),
        };
        limits::annotations(&metadata.annotations.0, format_args!("/metadata"), &mut problems);
        let mut job = job(metadata, spec, root, &mut problems);
        let template = &job.template_annotations;
        limits::annotations(template, format_args!("{root}/template/metadata"), &mut problems);
        if let Some(metadata) = template_metadata {
            limits::annotations(
                &metadata.annotations.0,
                format_args!("/spec/jobTemplate/metadata"),
                &mut problems,
            );
            // What the Jobs of a CronJob carry counts like the CronJob's own.
            job.labels.extend(metadata.labels.0);
            job.annotations.extend(metadata.annotations.0);
            job.kind = JobKind::CronJob;
            job.cron = cron;
        }
        (job, problems.0)
    }
}

struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, pointer: String, message: impl Into<String>) {
        self.0.push(Problem {
            pointer,
            message: message.into(),
        });
    }

    /// A count that the API declares as `int32` and refuses below zero.
    fn count(&mut self, value: Option<i64>, root: impl fmt::Display, field: &str) -> Option<u32> {
        let value = value?;
        let fits = u32::try_from(value)
            .ok()
            .filter(|count| i32::try_from(*count).is_ok());
        if fits.is_none() {
            let range = format!("{value} is out of range: write a number from 0 to {}", i32::MAX);
            self.add(format!("{root}/{field}"), range);
        }
        fits
    }

    /// A span that the API declares in whole seconds and refuses below zero.
    fn span(&mut self, value: Option<i64>, root: impl fmt::Display, field: &str) -> Option<Seconds> {
        let value = value?;
        if value < 0 {
            self.add(
                format!("{root}/{field}"),
                format!("{value} is negative: write a span of 0 seconds or more"),
            );
            return None;
        }
        let span = Seconds::new(value);
        if span == Seconds::MAX {
            let message =
                format!("{value} seconds are more than 292 years and overflow in the Job controller");
            self.add(format!("{root}/{field}"), message);
        }
        Some(span)
    }
}

fn text(value: Option<Str<'_>>) -> Option<Text<'_>> {
    value.map(|Str(text)| text).filter(|text| !text.is_empty())
}

fn texts(values: Vec<Str<'_>>) -> Vec<Text<'_>> {
    values.into_iter().map(|Str(text)| text).collect()
}

fn cron<'a>(spec: &mut Spec<'a>, problems: &mut Problems) -> Cron<'a> {
    let concurrency = match spec
        .concurrency_policy
        .as_ref()
        .map_or("Allow", |Str(policy)| policy.as_ref())
    {
        "Forbid" => Concurrency::Forbid,
        "Replace" => Concurrency::Replace,
        "Allow" | "" => Concurrency::Allow,
        other => {
            let message = format!("{other:?} is no concurrency policy: write Allow, Forbid or Replace");
            problems.add("/spec/concurrencyPolicy".to_owned(), message);
            Concurrency::Allow
        }
    };
    Cron {
        schedule: text(spec.schedule.take()).unwrap_or_default(),
        time_zone: text(spec.time_zone.take()),
        concurrency,
        starting_deadline: problems.span(spec.starting_deadline_seconds, "/spec", "startingDeadlineSeconds"),
        failed_history: problems
            .count(spec.failed_jobs_history_limit, "/spec", "failedJobsHistoryLimit")
            .unwrap_or(1),
        successful_history: problems
            .count(
                spec.successful_jobs_history_limit,
                "/spec",
                "successfulJobsHistoryLimit",
            )
            .unwrap_or(3),
        suspend: spec.suspend.unwrap_or(false),
    }
}

fn job<'a>(metadata: Metadata<'a>, spec: Spec<'a>, root: &str, problems: &mut Problems) -> Job<'a> {
    let per_index = problems.count(spec.backoff_limit_per_index, root, "backoffLimitPerIndex");
    let stated = problems.count(spec.backoff_limit, root, "backoffLimit");
    let unlimited = BackoffLimit {
        value: i32::MAX.unsigned_abs(),
        stated: false,
    };
    let backoff_limit = match (stated, per_index) {
        (Some(value), _) => BackoffLimit { value, stated: true },
        (None, Some(_)) => unlimited,
        (None, None) => BackoffLimit::default(),
    };
    let parallelism = problems.count(spec.parallelism, root, "parallelism");
    let completions = problems.count(spec.completions, root, "completions");
    let owner = metadata
        .owner_references
        .into_iter()
        .find(|owner| owner.controller == Some(true));
    Job {
        kind: JobKind::Job,
        namespace: text(metadata.namespace),
        name: text(metadata.name)
            .or_else(|| text(metadata.generate_name))
            .unwrap_or_default(),
        uid: text(metadata.uid),
        labels: metadata.labels.0,
        annotations: metadata.annotations.0,
        owner: owner.map(|o| Owner {
            api_version: o.api_version.0,
            kind: o.kind.0,
            name: o.name.0,
            uid: o.uid.0,
        }),
        managed_by: text(spec.managed_by),
        suspend: spec.suspend.unwrap_or(false),
        backoff_limit,
        active_deadline: problems.span(spec.active_deadline_seconds, root, "activeDeadlineSeconds"),
        ttl_after_finished: problems.span(spec.ttl_seconds_after_finished, root, "ttlSecondsAfterFinished"),
        parallelism: parallelism.unwrap_or(1),
        completions: completions.or(parallelism.is_none().then_some(1)),
        backoff_limit_per_index: per_index,
        pod_failure_policy: failure_rules(spec.pod_failure_policy, root, problems),
        pod_replacement_policy: text(spec.pod_replacement_policy),
        template_labels: spec.template.metadata.labels.0,
        template_annotations: spec.template.metadata.annotations.0,
        cron: None,
        pod: pod(spec.template.spec, root, problems),
    }
}

fn pod<'a>(spec: PodSpec<'a>, root: &str, problems: &mut Problems) -> PodTemplate<'a> {
    let here = format_args!("{root}/template/spec");
    let restart_policy = match spec
        .restart_policy
        .as_ref()
        .map_or("", |Str(policy)| policy.as_ref())
    {
        "Never" => RestartPolicy::Never,
        "OnFailure" => RestartPolicy::OnFailure,
        other => {
            let found = if other.is_empty() {
                "is absent, which means Always".to_owned()
            } else {
                format!("is {other}")
            };
            let message = format!("{found}: the API server takes only Never or OnFailure in a Job");
            problems.add(format!("{here}/restartPolicy"), message);
            RestartPolicy::Always
        }
    };
    if spec.containers.is_empty() {
        problems.add(
            format!("{here}/containers"),
            "has no container: a Job needs at least one",
        );
    }
    limits::containers(spec.containers.len() + spec.init_containers.len(), here, problems);
    let mut needs = Vec::new();
    let volumes = spec
        .volumes
        .into_iter()
        .enumerate()
        .flat_map(|(index, mut volume)| {
            let place = NeedPlace::Volume(index);
            if let Some(projected) = volume.projected {
                return projected.volumes(&volume.name.0, place, &mut needs);
            }
            let (items, mode) = match &mut volume.config_map {
                Some(map) => (std::mem::take(&mut map.items), map.default_mode),
                None => (Vec::new(), None),
            };
            let items = items.into_iter().map(ItemObject::into_facts).collect();
            let (source, optional) = match (volume.config_map, volume.secret) {
                (Some(map), _) => (VolumeSource::ConfigMap(name(map.name)), map.optional),
                (None, Some(secret)) => (VolumeSource::Secret(name(secret.secret_name)), secret.optional),
                (None, None) => return Vec::new(),
            };
            if optional != Some(true) {
                needs.push(Need {
                    source: source.clone(),
                    place,
                });
            }
            vec![Volume {
                name: volume.name.0,
                source,
                items,
                mode,
            }]
        });
    let volumes = volumes.collect();
    let mut containers = |list: Vec<ContainerObject<'a>>, init| {
        list.into_iter()
            .enumerate()
            .map(|(index, object)| container(object, init, index, &mut needs))
            .collect()
    };
    let init_containers = containers(spec.init_containers, true);
    let containers = containers(spec.containers, false);
    PodTemplate {
        restart_policy,
        active_deadline: problems.span(spec.active_deadline_seconds, here, "activeDeadlineSeconds"),
        grace: problems.span(
            spec.termination_grace_period_seconds,
            here,
            "terminationGracePeriodSeconds",
        ),
        service_account: text(spec.service_account_name).or_else(|| text(spec.service_account)),
        volumes,
        init_containers,
        containers,
        needs,
    }
}

fn name(name: Option<Str<'_>>) -> Text<'_> {
    name.unwrap_or_default().0
}

fn container<'a>(
    object: ContainerObject<'a>,
    init: bool,
    container: usize,
    needs: &mut Vec<Need<'a>>,
) -> Container<'a> {
    let place = |from, entry| NeedPlace::Environment {
        init,
        container,
        from,
        entry,
    };
    let has_env_from = !object.env_from.is_empty();
    for (entry, source) in object.env_from.into_iter().enumerate() {
        need(
            needs,
            place(true, entry),
            source.config_map_ref,
            source.secret_ref,
        );
    }
    let env = object.env.into_iter().enumerate().map(|(index, entry)| {
        let given = entry.value_from.is_none();
        if let Some(from) = entry.value_from {
            need(
                needs,
                place(false, index),
                from.config_map_key_ref,
                from.secret_key_ref,
            );
        }
        EnvVar {
            name: entry.name.0,
            value: given.then(|| entry.value.unwrap_or_default().0),
        }
    });
    Container {
        name: text(object.name).unwrap_or_default(),
        image: text(object.image).unwrap_or_default(),
        command: texts(object.command),
        args: texts(object.args),
        env: env.collect(),
        has_env_from,
        restart_policy: text(object.restart_policy),
        has_restart_rules: !object.restart_policy_rules.is_empty(),
        message_policy: text(object.termination_message_policy),
        memory_limit: object.resources.limits.memory.map(|quantity| match quantity {
            Quantity::Text(Str(text)) => text,
            Quantity::Number(number) => number.to_string().into(),
        }),
        mounts: object
            .volume_mounts
            .into_iter()
            .map(|m| Mount {
                volume: m.name.0,
                path: m.mount_path.0,
                sub_path: text(m.sub_path),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests;
