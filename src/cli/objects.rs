//! The inputs of `lint` and `simulate`, judged: every Job and `CronJob` with its release, its clocks and its
//! findings.

use std::collections::HashMap;

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::Value;

use super::manifest::{self, Document, InputError, Loaded, PathOrStdin};
use crate::engine::cold_start;
use crate::engine::inventory::Inventory;
use crate::engine::job::Job;
use crate::engine::policy::{API_VERSION, Policy};
use crate::engine::release::{HelmRelease, Surroundings};
use crate::engine::window::{Kustomization, Windows};
use crate::engine::{Assessment, Seconds, assess};
use crate::k8s::helm_release::{GROUP, HelmReleaseObject};
use crate::k8s::kustomization::{self, KustomizationObject};
use crate::k8s::namespace::NamespaceFacts;
use crate::k8s::{JobObject, Problem, neighbour};

/// One Job or `CronJob` of the inputs.
#[derive(Debug)]
pub struct Judged<'a> {
    /// The document that it stands in.
    pub document: &'a Document,
    /// Its facts.
    pub job: Job<'a>,
    /// Its clocks and findings.
    pub assessment: Assessment,
}

/// All that the inputs gave.
#[derive(Debug, Default)]
pub struct Objects<'a> {
    /// The Jobs and `CronJob`s, in the order of the inputs.
    pub judged: Vec<Judged<'a>>,
    /// What could not be read, with its place.
    pub errors: Vec<InputError>,
    /// Documents of kinds that say nothing about a Job's clocks.
    pub passed_over: usize,
}

/// What a user states beside the files.
#[derive(Debug, Default)]
pub struct Options {
    /// `--release-timeout`.
    pub release_timeout: Option<Seconds>,
    /// The policy in force.
    pub policy: Policy,
}

/// Reads the policy file, or takes the default policy.
///
/// # Errors
/// Names the file, the place and what to write instead.
pub fn policy(path: Option<&std::path::Path>) -> anyhow::Result<Policy> {
    let Some(path) = path else {
        return Ok(Policy::default());
    };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the policy {}", path.display()))?;
    read_policy(&text, &path.display().to_string())
}

/// Reads a policy's text, whose place is named in errors.
///
/// # Errors
/// Names the place and what to write instead.
pub fn read_policy(text: &str, place: &str) -> anyhow::Result<Policy> {
    let policy: Policy = serde_saphyr::from_str(text).map_err(|error| {
        // The first line says what and where; the rest draws the file.
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        let first = first.strip_prefix("error: ").unwrap_or(first);
        anyhow::anyhow!("{place} is not a policy: {first}")
    })?;
    anyhow::ensure!(
        policy.api_version == API_VERSION && policy.kind == "Policy",
        "{place} is {} {}: write apiVersion: {API_VERSION} and kind: Policy",
        policy.api_version,
        policy.kind,
    );
    Ok(policy)
}

/// Reads files, directories and standard input.
#[must_use]
pub fn load(paths: &[String]) -> Loaded {
    let paths: Vec<PathOrStdin> = paths.iter().map(PathOrStdin::from).collect();
    manifest::load(&paths)
}

/// Judges every Job among the documents, with the releases and namespaces among them as context.
#[must_use]
pub fn judge<'a>(loaded: &'a Loaded, options: &Options) -> Objects<'a> {
    let mut objects = Objects {
        errors: loaded.errors.clone(),
        ..Objects::default()
    };
    let releases = helm_releases(loaded, &mut objects.errors);
    let kustomizations = kustomizations(loaded, &mut objects.errors);
    let namespaces = namespaces(loaded, &mut objects.errors);
    let inventory = inventory(loaded);
    let mut jobs = Vec::new();
    let now = Timestamp::now();
    for document in &loaded.documents {
        let version = document.api_version();
        let is_job = matches!(document.kind(), "Job" | "CronJob");
        if is_job && version.is_empty() {
            let message = "apiVersion is missing: write batch/v1".to_owned();
            objects.errors.push(document.error_at("", message));
            continue;
        }
        if !matches!(version, "batch/v1" | "batch/v1beta1") || !is_job {
            objects.passed_over += 1;
            continue;
        }
        let (job, problems) = match manifest::decode::<JobObject<'_>>(document) {
            Ok(object) => object.into_facts(),
            Err(error) => {
                objects.errors.push(error);
                continue;
            }
        };
        if !problems.is_empty() {
            // No API server takes it, and a judgement would be about values that nobody wrote.
            report(document, problems, &mut objects.errors);
            continue;
        }
        jobs.push((document, job));
    }
    let windows = Windows::of(jobs.iter().map(|(_, job)| job), &releases, &kustomizations);
    for (document, job) in jobs {
        let namespace = job.namespace.as_deref().and_then(|name| namespaces.get(name));
        let namespace = namespace.copied().unwrap_or_default();
        let around = Surroundings {
            helm_releases: &releases,
            flag: options.release_timeout,
            namespace_timeout: namespace.release_timeout,
            namespace_cold_start: namespace.cold_start,
            inventory: Some(&inventory),
            windows: Some(&windows),
            now: Some(now),
        };
        let assessment = assess(&job, around, &options.policy);
        objects.judged.push(Judged {
            document,
            job,
            assessment,
        });
    }
    objects
        .errors
        .sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    objects
}

fn helm_releases(loaded: &Loaded, errors: &mut Vec<InputError>) -> Vec<HelmRelease> {
    let mut releases = Vec::new();
    for document in &loaded.documents {
        let group = document
            .api_version()
            .split_once('/')
            .map_or("", |(group, _)| group);
        if group != GROUP || document.kind() != "HelmRelease" {
            continue;
        }
        match manifest::decode::<HelmReleaseObject<'_>>(document) {
            Ok(object) => {
                let (release, problems) = object.into_facts();
                report(document, problems, errors);
                releases.push(HelmRelease {
                    file: Some(document.file().to_string()),
                    ..release
                });
            }
            Err(error) => errors.push(error),
        }
    }
    releases
}

fn inventory(loaded: &Loaded) -> Inventory<'_> {
    let mut inventory = Inventory::default();
    for document in &loaded.documents {
        if let Some(kind) = neighbour::kind_of(document.api_version(), document.kind()) {
            inventory.add(neighbour::neighbour(kind, &document.value));
        }
    }
    inventory
}

fn kustomizations(loaded: &Loaded, errors: &mut Vec<InputError>) -> Vec<Kustomization> {
    let mut found = Vec::new();
    for document in &loaded.documents {
        let version = document.api_version().split_once('/');
        if version.is_none_or(|(group, _)| group != kustomization::GROUP)
            || document.kind() != "Kustomization"
        {
            continue;
        }
        match manifest::decode::<KustomizationObject<'_>>(document) {
            Ok(object) => {
                let (facts, problems) = object.into_facts();
                report(document, problems, errors);
                found.extend(facts);
            }
            Err(error) => errors.push(error),
        }
    }
    found
}

/// What the namespaces among the inputs state. A value that is no duration is an error of the file.
fn namespaces<'a>(loaded: &'a Loaded, errors: &mut Vec<InputError>) -> HashMap<&'a str, NamespaceFacts> {
    const DURATIONS: [&str; 2] = ["hookbudget.dev/release-timeout", cold_start::ANNOTATION];
    let mut namespaces = HashMap::new();
    for document in loaded
        .documents
        .iter()
        .filter(|d| d.api_version() == "v1" && d.kind() == "Namespace")
    {
        let of = |list: &str, key: &str| {
            let pointer = format!("/metadata/{list}/{}", key.replace('/', "~1"));
            document.value.pointer(&pointer).and_then(Value::as_str)
        };
        for key in DURATIONS {
            if let Some(Err(error)) = of("annotations", key).map(Seconds::parse_go) {
                let pointer = format!("/metadata/annotations/{}", key.replace('/', "~1"));
                errors.push(document.error_at(&pointer, error.to_string()));
            }
        }
        if let Some(name) = document.value.pointer("/metadata/name").and_then(Value::as_str) {
            let facts = NamespaceFacts::read(|key| of("labels", key), |key| of("annotations", key));
            namespaces.insert(name, facts);
        }
    }
    namespaces
}

fn report(document: &Document, problems: Vec<Problem>, errors: &mut Vec<InputError>) {
    for problem in problems {
        let field = crate::engine::finding::At::field(problem.pointer.clone()).dotted();
        errors.push(document.error_at(&problem.pointer, format!("{field} {}", problem.message)));
    }
}
