//! The inputs of `lint` and `simulate`, judged: every Job and `CronJob` with its release, its clocks and its
//! findings.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::manifest::{self, Document, InputError, Loaded, PathOrStdin};
use super::parallel::in_order;
use crate::engine::cold_start;
use crate::engine::inventory::Inventory;
use crate::engine::job::Job;
use crate::engine::policy::Policy;
use crate::engine::release::{HelmRelease, Surroundings};
use crate::engine::shell::ScriptFile;
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
    /// The `ConfigMap`s of the inputs: a mounted script stands in one of them.
    pub config_maps: Arc<ConfigMaps<'a>>,
}

impl<'a> Judged<'a> {
    /// The document that holds an element of a container's `command`, `args` or mounted scripts, and the
    /// pointer of its text there.
    #[must_use]
    pub fn script(&self, container: &str, element: usize) -> (&'a Document, String) {
        let length = |list: &str| {
            let list = self.document.items(&format!("{container}/{list}"));
            list.unwrap_or(0)
        };
        let (commands, args) = (length("command"), length("args"));
        if element < commands {
            return (self.document, format!("{container}/command/{element}"));
        }
        let mounted = element.checked_sub(commands + args).and_then(|index| {
            let containers = &self.assessment.clocks.containers;
            let container = containers.iter().find(|known| known.pointer == container)?;
            let file = container.reading.files.get(index)?;
            let document = self.config_maps.find(file)?;
            let key = file.key.replace('~', "~0").replace('/', "~1");
            Some((document, format!("/data/{key}")))
        });
        mounted.unwrap_or_else(|| {
            let index = element - commands;
            (self.document, format!("{container}/args/{index}"))
        })
    }
}

/// The documents that are `ConfigMap`s, by name.
#[derive(Debug, Default)]
pub struct ConfigMaps<'a>(HashMap<&'a str, Vec<&'a Document>>);

impl<'a> ConfigMaps<'a> {
    fn of(documents: &'a [Document]) -> Self {
        let mut found = Self::default();
        for document in documents.iter().filter(|document| document.kind() == "ConfigMap") {
            if let Some(name) = document.value.pointer("/metadata/name").and_then(Value::as_str) {
                found.0.entry(name).or_default().push(document);
            }
        }
        found
    }

    fn find(&self, file: &ScriptFile) -> Option<&'a Document> {
        let namespace = |document: &'a Document| {
            let namespace = document.value.pointer("/metadata/namespace");
            namespace.and_then(Value::as_str)
        };
        let named = self.0.get(file.config_map.as_str())?;
        let wanted = file.namespace.as_deref();
        named
            .iter()
            .copied()
            .find(|document| namespace(document) == wanted)
    }
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
    let config_maps = Arc::new(ConfigMaps::of(&loaded.documents));
    let mut jobs = Vec::new();
    let now = Timestamp::now();
    let documents: Vec<&Document> = loaded.documents.iter().collect();
    for (document, result) in in_order(documents, |document| (document, job_of(document))) {
        match result {
            Ok(Some(job)) => jobs.push((document, job)),
            Ok(None) => objects.passed_over += 1,
            Err(errors) => objects.errors.extend(errors),
        }
    }
    let windows = Windows::of(jobs.iter().map(|(_, job)| job), &releases, &kustomizations);
    objects.judged = in_order(jobs, |(document, job)| {
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
            ..Surroundings::default()
        };
        let assessment = assess(&job, around, &options.policy);
        Judged {
            document,
            job,
            assessment,
            config_maps: Arc::clone(&config_maps),
        }
    });
    objects
        .errors
        .sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    objects
}

/// The facts of a Job; nothing for an object of another kind.
fn job_of(document: &Document) -> Result<Option<Job<'_>>, Vec<InputError>> {
    let version = document.api_version();
    let is_job = matches!(document.kind(), "Job" | "CronJob");
    if is_job && version.is_empty() {
        let message = "apiVersion is missing: write batch/v1".to_owned();
        return Err(vec![document.error_at("", message)]);
    }
    if !matches!(version, "batch/v1" | "batch/v1beta1") || !is_job {
        return Ok(None);
    }
    let object = manifest::decode::<JobObject<'_>>(document).map_err(|error| vec![error])?;
    let (job, problems) = object.into_facts();
    if let Some(pointer) = template_in(&job) {
        Err(vec![document.error_at(&pointer, manifest::TEMPLATE)])
    } else if problems.is_empty() {
        Ok(Some(job))
    } else {
        // No API server takes it, and a judgement would be about values that nobody wrote.
        Err(errors_of(document, problems).collect())
    }
}

/// The field that shows a template which happens to be YAML: no API server takes braces in a name or an image. In a
/// script they may be a template of another program.
fn template_in(job: &Job<'_>) -> Option<String> {
    if job.name.contains("{{") {
        return Some("/metadata/name".to_owned());
    }
    if job
        .namespace
        .as_ref()
        .is_some_and(|namespace| namespace.contains("{{"))
    {
        return Some("/metadata/namespace".to_owned());
    }
    let mut containers = job.containers();
    let (init, index, _) = containers.find(|(_, _, container)| container.image.contains("{{"))?;
    Some(job.container_pointer(init, index) + "/image")
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
                errors.extend(errors_of(document, problems));
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
                errors.extend(errors_of(document, problems));
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

fn errors_of(document: &Document, problems: Vec<Problem>) -> impl Iterator<Item = InputError> {
    problems.into_iter().map(|problem| {
        let field = crate::engine::finding::At::field(problem.pointer.clone()).dotted();
        document.error_at(&problem.pointer, format!("{field} {}", problem.message))
    })
}
