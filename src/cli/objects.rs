//! The inputs of `lint` and `simulate`, judged: every Job and `CronJob` with its release, its clocks and its
//! findings.

use std::collections::HashMap;

use serde_json::Value;

use super::manifest::{self, Document, InputError, Loaded, PathOrStdin};
use super::parallel::in_order;
use crate::engine::inventory::Inventory;
use crate::engine::job::Job;
use crate::engine::policy::Policy;
use crate::engine::release::{HelmRelease, Surroundings};
use crate::engine::{Assessment, Seconds, assess};
use crate::k8s::helm_release::{GROUP, HelmReleaseObject};
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
    let namespaces = namespace_timeouts(loaded, &mut objects.errors);
    let inventory = inventory(loaded);
    let context = Around {
        releases: &releases,
        namespaces: &namespaces,
        inventory: &inventory,
        options,
    };
    let documents: Vec<&Document> = loaded.documents.iter().collect();
    for result in in_order(documents, |document| context.judge(document)) {
        match result {
            Ok(Some(judged)) => objects.judged.push(judged),
            Ok(None) => objects.passed_over += 1,
            Err(errors) => objects.errors.extend(errors),
        }
    }
    objects
        .errors
        .sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    objects
}

/// What stands around every Job of the inputs.
struct Around<'a> {
    releases: &'a [HelmRelease],
    namespaces: &'a HashMap<&'a str, Seconds>,
    inventory: &'a Inventory<'a>,
    options: &'a Options,
}

impl Around<'_> {
    /// A Job judged; nothing for an object of another kind.
    fn judge<'d>(&self, document: &'d Document) -> Result<Option<Judged<'d>>, Vec<InputError>> {
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
        if !problems.is_empty() {
            // No API server takes it, and a judgement would be about values that nobody wrote.
            return Err(errors_of(document, problems).collect());
        }
        let around = Surroundings {
            helm_releases: self.releases,
            flag: self.options.release_timeout,
            namespace_timeout: job
                .namespace
                .as_deref()
                .and_then(|ns| self.namespaces.get(ns).copied()),
            inventory: Some(self.inventory),
        };
        let assessment = assess(&job, around, &self.options.policy);
        Ok(Some(Judged {
            document,
            job,
            assessment,
        }))
    }
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
                releases.push(release);
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

fn namespace_timeouts<'a>(loaded: &'a Loaded, errors: &mut Vec<InputError>) -> HashMap<&'a str, Seconds> {
    let mut timeouts = HashMap::new();
    for document in loaded
        .documents
        .iter()
        .filter(|d| d.api_version() == "v1" && d.kind() == "Namespace")
    {
        let pointer = "/metadata/annotations/hookbudget.dev~1release-timeout";
        let name = document.value.pointer("/metadata/name").and_then(Value::as_str);
        let stated = document.value.pointer(pointer).and_then(Value::as_str);
        if let (Some(name), Some(text)) = (name, stated) {
            match Seconds::parse_go(text) {
                Ok(timeout) => _ = timeouts.insert(name, timeout),
                Err(error) => errors.push(document.error_at(pointer, error.to_string())),
            }
        }
    }
    timeouts
}

fn errors_of(document: &Document, problems: Vec<Problem>) -> impl Iterator<Item = InputError> {
    problems.into_iter().map(|problem| {
        let field = crate::engine::finding::At::field(problem.pointer.clone()).dotted();
        document.error_at(&problem.pointer, format!("{field} {}", problem.message))
    })
}
