//! A dump into changes for the index, and into namespaces to look at.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use super::around::Around;
use super::cut;
use super::logs::{self, Log};
use super::signed::Signed;
use crate::cli::manifest::{self, Document, InputError, Loaded, Origin, PathOrStdin, Source};
use crate::engine::diagnosis::Diagnosis;
use crate::engine::evidence::Evidence;
use crate::engine::signature::Signature;
use crate::index::{Change, Kind, LogKey};
use crate::k8s::JobObject;
use crate::k8s::event::EventObject;
use crate::k8s::helm_release;
use crate::k8s::meta::AnyObject;
use crate::k8s::pod::PodObject;
use crate::report;

/// Fields of the API that say when something was: no other time tells when a dump was made.
const TIMES: [&str; 13] = [
    "creationTimestamp",
    "startTime",
    "completionTime",
    "lastTransitionTime",
    "lastProbeTime",
    "startedAt",
    "finishedAt",
    "firstTimestamp",
    "lastTimestamp",
    "eventTime",
    "lastObservedTime",
    "lastScheduleTime",
    "lastHeartbeatTime",
];

/// The order in which the index takes kinds in: owners before what they own.
const ORDER: [Kind; 7] = [
    Kind::HelmRelease,
    Kind::CronJob,
    Kind::CronJobEvent,
    Kind::Job,
    Kind::Pod,
    Kind::JobEvent,
    Kind::PodEvent,
];

/// What a dump holds.
#[derive(Debug, Default)]
pub(super) struct Dump {
    objects: BTreeMap<Kind, Vec<Box<RawValue>>>,
    /// What Jobs wait for.
    pub(super) around: Around,
    logs: Vec<Log>,
    /// How often the containers of each Pod were restarted.
    restarts: BTreeMap<(String, String), Vec<(String, u32)>>,
    /// Jobs that Pods belong to, and those that are there themselves.
    named: BTreeSet<(String, String)>,
    present: BTreeSet<(String, String)>,
    /// The newest time in it.
    pub(super) newest: Option<Timestamp>,
    /// What could not be read, with its place.
    pub(super) errors: Vec<InputError>,
    /// Objects that say nothing about a Job.
    pub(super) passed_over: usize,
    /// Objects that signatures of the policy look at.
    pub(super) signed: Signed,
    /// What an exporter has captured, and when that was written.
    pub(super) captured: Vec<(Evidence, Timestamp)>,
    /// The diagnoses that it has kept.
    pub(super) kept: Vec<Diagnosis>,
}

impl Dump {
    /// Reads files, directories and standard input; of other kinds what the signatures look at.
    pub(super) fn read(paths: &[String], signatures: &[Signature]) -> Self {
        let mut dump = Self {
            signed: Signed::new(signatures),
            ..Self::default()
        };
        let (log_files, others): (Vec<_>, Vec<_>) =
            paths.iter().partition(|path| logs::is_log(Path::new(path)));
        let arguments: Vec<PathOrStdin> = others
            .iter()
            .map(|path| PathOrStdin::from(path.as_str()))
            .collect();
        let mut loaded = manifest::load(&arguments);
        dump.around.set_partial(mend(&mut loaded));
        for document in &loaded.documents {
            dump.add(document);
        }
        dump.errors.append(&mut loaded.errors);
        let below = others.iter().flat_map(|path| logs::below(Path::new(path)));
        let files: BTreeSet<PathBuf> = log_files.into_iter().map(PathBuf::from).chain(below).collect();
        for file in files {
            match logs::read(&file) {
                Ok(logs) => dump.logs.extend(logs),
                Err(error) => dump.errors.push(error),
            }
        }
        let lines = dump.logs.iter().flat_map(|log| &log.lines);
        let newest = lines.filter_map(|line| line.at).max();
        dump.newest = dump.newest.max(newest);
        dump
    }

    /// The objects and logs for the index.
    pub(super) fn changes(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        for kind in ORDER {
            let objects = self.objects.remove(&kind).unwrap_or_default();
            changes.extend(objects.into_iter().map(|object| Change::Apply { kind, object }));
        }
        for log in std::mem::take(&mut self.logs) {
            let key = (log.namespace.clone(), log.pod.clone());
            let containers = self.restarts.get(&key).map_or(&[][..], Vec::as_slice);
            let found = match log.container.as_str() {
                "" => containers.last(),
                name => containers.iter().find(|(known, _)| known == name),
            };
            let restarts = found.map_or(0, |(_, restarts)| *restarts);
            let log_key = LogKey {
                namespace: log.namespace,
                pod: log.pod,
                container: found.map_or(log.container, |(name, _)| name.clone()),
                attempt: if log.previous {
                    restarts.saturating_sub(1)
                } else {
                    restarts
                },
            };
            changes.push(Change::Log {
                log: log_key,
                lines: log.lines,
            });
        }
        changes
    }

    /// Jobs whose Pods are in the dump while they themselves are not.
    pub(super) fn without_object(&self) -> Vec<String> {
        let missing = self.named.difference(&self.present);
        missing
            .map(|(namespace, name)| format!("{namespace}/{name}"))
            .collect()
    }

    fn add(&mut self, document: &Document) {
        let wanted = self
            .signed
            .keep(document.api_version(), document.kind(), &document.value);
        let group = document
            .api_version()
            .split_once('/')
            .map_or("", |(group, _)| group);
        match (group, document.kind()) {
            ("batch", "Job") => {
                let Some(metadata) = self.checked::<AnyObject>(document).map(|object| object.metadata) else {
                    return;
                };
                if let Err(error) = manifest::decode::<JobObject<'_>>(document) {
                    self.errors.push(error);
                    return;
                }
                self.present.insert((metadata.namespace, metadata.name));
                self.keep(Kind::Job, document);
            }
            ("batch", "CronJob") => self.keep(Kind::CronJob, document),
            (helm_release::GROUP, "HelmRelease") => {
                self.around.has_releases = true;
                self.keep(Kind::HelmRelease, document);
            }
            ("", "Pod") => self.add_pod(document),
            ("", "Event") => self.add_event(document, &document.value),
            ("events.k8s.io", "Event") => {
                self.add_event(document, &as_core_event(Value::clone(&document.value)));
            }
            (report::GROUP, report::KIND) => {
                let (evidence, diagnosis) = report::captured(&document.value.to_string());
                self.captured.extend(evidence);
                self.kept.extend(diagnosis);
            }
            _ => match self.around.add(group, document) {
                Ok(true) => {}
                Ok(false) if wanted => {}
                Ok(false) => {
                    self.passed_over += 1;
                    return;
                }
                Err(error) => {
                    self.errors.push(error);
                    return;
                }
            },
        }
        self.newest = self.newest.max(newest(&document.value));
    }

    fn add_pod(&mut self, document: &Document) {
        let Some(pod) = self.checked::<PodObject>(document) else {
            return;
        };
        self.around.add_pod(pod.clone(), document);
        let job = pod.job_name().map(str::to_owned);
        let record = pod.into_record(None);
        let containers = record.containers.iter();
        let restarts = containers.map(|container| (container.name.clone(), container.restarts));
        self.restarts.insert(
            (record.namespace.clone(), record.name.clone()),
            restarts.collect(),
        );
        if let Some(job) = job {
            self.named.insert((record.namespace, job));
            self.keep(Kind::Pod, document);
        }
    }

    fn add_event(&mut self, document: &Document, value: &Value) {
        let Ok(event) = EventObject::deserialize(value) else {
            self.errors
                .push(document.error_at("", "this Event has a field of a type that no Event has"));
            return;
        };
        let record = event.into_record();
        let kind = match record.object.kind.as_str() {
            "Job" => Kind::JobEvent,
            "CronJob" => Kind::CronJobEvent,
            kind => {
                let is_pods = kind == "Pod";
                self.around.add_event(record);
                if !is_pods {
                    return;
                }
                Kind::PodEvent
            }
        };
        self.keep_value(kind, value);
    }

    fn checked<T: DeserializeOwned>(&mut self, document: &Document) -> Option<T> {
        match manifest::decode::<T>(document) {
            Ok(object) => Some(object),
            Err(error) => {
                self.errors.push(error);
                None
            }
        }
    }

    fn keep(&mut self, kind: Kind, document: &Document) {
        self.keep_value(kind, &document.value);
    }

    fn keep_value(&mut self, kind: Kind, value: &Value) {
        // A value is always JSON.
        let raw = RawValue::from_string(value.to_string());
        self.objects.entry(kind).or_default().extend(raw);
    }
}

/// The newest time in a field that says when something was.
fn newest(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| match value {
                Value::String(text) if TIMES.contains(&key.as_str()) => text.parse().ok(),
                other => newest(other),
            })
            .max()
            .flatten(),
        Value::Array(items) => items.iter().map(newest).max().flatten(),
        _ => None,
    }
}

/// An Event of `events.k8s.io/v1` in the words of `v1` (kubernetes/api `events/v1/types.go`).
fn as_core_event(mut value: Value) -> Value {
    const NAMES: [(&str, &str); 5] = [
        ("regarding", "involvedObject"),
        ("note", "message"),
        ("deprecatedCount", "count"),
        ("deprecatedFirstTimestamp", "firstTimestamp"),
        ("deprecatedLastTimestamp", "lastTimestamp"),
    ];
    if let Some(fields) = value.as_object_mut() {
        for (new, old) in NAMES {
            if let Some(field) = fields.remove(new) {
                fields.insert(old.to_owned(), field);
            }
        }
    }
    value
}

/// Reads a file that ends in the middle up to where it is whole, and says so. True when there was one.
fn mend(loaded: &mut Loaded) -> bool {
    let mut cut_off = false;
    let broken = loaded
        .errors
        .iter()
        .filter(|error| error.line.is_some())
        .map(|error| &error.file);
    let no_kind = loaded
        .skipped
        .iter()
        .filter(|skipped| skipped.reason.starts_with("no `kind`"));
    let files: BTreeSet<Arc<str>> = broken
        .chain(no_kind.map(|skipped| &skipped.file))
        .cloned()
        .collect();
    for file in files {
        let text = match &loaded.stdin {
            Some(stdin) if *stdin.name() == file => Some(stdin.text().to_owned()),
            _ => fs::read_to_string(&*file).ok(),
        };
        let Some((text, count)) = text.as_deref().and_then(cut::mended) else {
            continue;
        };
        let source = Source::new(&file, Origin::File(PathBuf::from(&*file)), text);
        let (line, column) = source.line_column(source.text().len());
        let mended = Loaded::of(&Arc::new(source));
        if !mended.errors.is_empty() {
            continue;
        }
        cut_off = true;
        loaded.documents.retain(|document| *document.file() != file);
        loaded.errors.retain(|error| error.file != file);
        loaded.documents.extend(mended.documents);
        loaded.errors.push(InputError {
            file,
            line: Some(line),
            column: Some(column),
            message: format!(
                "the list is cut off here; {count} whole objects before are used. Dump it again to have the rest"
            ),
        });
    }
    cut_off
}
