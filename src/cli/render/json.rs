//! The report of `lint --format json`. Its names are stable; more may come.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::cli::fix::{Note, Outcome};
use crate::cli::manifest::InputError;
use crate::cli::objects::{Judged, Objects};
use crate::cli::parallel::in_order;
use crate::engine::assess::Decisions;
use crate::engine::budget::Clocks;
use crate::engine::exemption::Exemption;
use crate::engine::finding::{Finding, Severity};
use crate::engine::release::ReleaseObject;
use crate::engine::shell::Wait;
use crate::engine::{Limit, Seconds};

/// The whole report.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    version: u32,
    #[serde(serialize_with = "each_object")]
    objects: &'a Objects<'a>,
    #[serde(serialize_with = "each_finding")]
    findings: &'a Objects<'a>,
    errors: Vec<ErrorReport<'a>>,
    summary: Summary,
    /// What `--fix` did; absent without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    fixes: Option<Vec<Value>>,
}

#[derive(Debug, Serialize)]
struct ObjectReport<'a> {
    file: &'a str,
    line: usize,
    kind: &'static str,
    namespace: Option<&'a str>,
    name: &'a str,
    origin: &'static str,
    hooks: Vec<&'a str>,
    release: Option<&'a ReleaseObject>,
    clocks: ClocksReport,
    ends_by: &'static str,
    ends_at: Limit,
    waits: Vec<Value>,
    unread: Vec<Value>,
    exemptions: &'a [Exemption],
    decision: Decisions,
}

#[derive(Debug, Serialize)]
struct ClocksReport {
    wait_nominal: Option<Seconds>,
    wait_worst: Option<Seconds>,
    wait_source: &'static str,
    retries_lower: Limit,
    retries_upper: Limit,
    deadline: Option<Seconds>,
    release_timeout: Option<Seconds>,
    release_timeout_source: String,
    cold_start: Seconds,
    cold_start_source: String,
    startup: Seconds,
}

#[derive(Debug, Serialize)]
struct FindingReport<'a> {
    code: &'static str,
    name: &'static str,
    severity: Severity,
    confidence: &'static str,
    file: String,
    line: usize,
    column: usize,
    object: Value,
    field: String,
    message: &'a str,
    arithmetic: Option<&'a str>,
    help: &'a str,
    fix: Option<Value>,
    exempted: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct ErrorReport<'a> {
    file: &'a str,
    line: Option<usize>,
    column: Option<usize>,
    message: &'a str,
}

#[derive(Debug, Default, Serialize)]
struct Summary {
    objects: usize,
    errors: usize,
    warnings: usize,
    infos: usize,
}

/// Builds the report.
#[must_use]
pub fn report<'a>(objects: &'a Objects<'a>, outcome: Option<&Outcome>) -> Report<'a> {
    let findings = objects
        .judged
        .iter()
        .flat_map(|judged| &judged.assessment.findings);
    let mut summary = Summary {
        objects: objects.judged.len(),
        ..Summary::default()
    };
    for finding in findings.filter(|finding| finding.exempted.is_none()) {
        match finding.severity {
            Severity::Error => summary.errors += 1,
            Severity::Warning => summary.warnings += 1,
            Severity::Info => summary.infos += 1,
        }
    }
    Report {
        version: 1,
        objects,
        findings: objects,
        errors: objects.errors.iter().map(error_report).collect(),
        summary,
        fixes: outcome.map(|outcome| outcome.notes.iter().map(fix_report).collect()),
    }
}

/// Jobs that are described at once, on all cores: the descriptions of a hundred thousand would take more memory
/// than all the rest.
const BATCH: usize = 1_024;

fn each_object<S: Serializer>(objects: &Objects<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    let batches = objects.judged.chunks(BATCH);
    serializer.collect_seq(batches.flat_map(|batch| in_order(batch.iter().collect(), object_report)))
}

fn each_finding<S: Serializer>(objects: &Objects<'_>, serializer: S) -> Result<S::Ok, S::Error> {
    let batches = objects.judged.chunks(BATCH);
    serializer.collect_seq(
        batches
            .flat_map(|batch| in_order(batch.iter().collect(), findings_report))
            .flatten(),
    )
}

fn findings_report<'a>(judged: &'a Judged<'_>) -> Vec<FindingReport<'a>> {
    let findings = judged.assessment.findings.iter();
    findings.map(|finding| finding_report(judged, finding)).collect()
}

/// What could not be read in the containers' scripts and commands, with its place.
pub(in crate::cli) fn unread_report(judged: &Judged<'_>) -> Vec<Value> {
    let containers = judged.assessment.clocks.containers.iter();
    let unread = containers.flat_map(|container| {
        container.reading.unread.iter().map(move |unread| {
            let at = super::lint_text::place(judged, &container.pointer, unread.place);
            json!({
                "container": container.name, "init": container.init,
                "file": &*at.file, "line": at.line, "why": unread.why
            })
        })
    });
    unread.collect()
}

fn fix_report(note: &Note) -> Value {
    json!({
        "code": note.code,
        "file": &*note.file,
        "line": note.line,
        "object": note.object,
        "safety": note.safety,
        "made": note.refused.is_none(),
        "why_not": note.refused,
    })
}

fn object_report<'a>(judged: &'a Judged<'_>) -> ObjectReport<'a> {
    let Judged {
        document,
        job,
        assessment,
        ..
    } = judged;
    let clocks = &assessment.clocks;
    ObjectReport {
        file: document.file(),
        line: document.locate("").line,
        kind: job.kind.as_str(),
        namespace: job.namespace.as_deref(),
        name: &job.name,
        origin: job.origin().as_str(),
        hooks: job.hooks(),
        release: clocks.release.object.as_deref(),
        clocks: clocks_report(clocks),
        ends_by: clocks.ends_by.as_str(),
        ends_at: clocks.ends_at,
        waits: clocks
            .waits()
            .map(|(container, wait)| wait_report(judged, container, wait))
            .collect(),
        unread: unread_report(judged),
        exemptions: &assessment.exemptions,
        decision: assessment.decisions(job),
    }
}

fn clocks_report(clocks: &Clocks) -> ClocksReport {
    ClocksReport {
        wait_nominal: clocks.wait.and_then(|wait| wait.nominal.seconds()),
        wait_worst: clocks.wait.and_then(|wait| wait.worst.seconds()),
        wait_source: clocks.wait_source.as_str(),
        retries_lower: clocks.retries_lower,
        retries_upper: clocks.retries_upper,
        deadline: clocks.deadline,
        release_timeout: clocks.release.timeout,
        release_timeout_source: clocks.release.source.to_string(),
        cold_start: clocks.cold_start.span,
        cold_start_source: clocks.cold_start.source.to_string(),
        startup: clocks.startup,
    }
}

fn wait_report(
    judged: &Judged<'_>,
    container: &crate::engine::budget::ContainerReading,
    wait: &Wait,
) -> Value {
    let at = super::lint_text::place(judged, &container.pointer, wait.place);
    json!({
        "container": container.name,
        "init": container.init,
        "file": &*at.file,
        "line": at.line,
        "target": wait.target.as_ref().map(ToString::to_string),
        "nominal": wait.span.nominal,
        "worst": wait.span.worst,
        "bounded": wait.is_bounded(),
        "falls_through": wait.falls_through,
        "ready_statuses": wait.ready_statuses,
        "fatal_statuses": wait.fatal_statuses,
        "confidence": wait.confidence,
        "arithmetic": wait.arithmetic,
    })
}

fn finding_report<'a>(judged: &'a Judged<'_>, finding: &'a Finding) -> FindingReport<'a> {
    let job = &judged.job;
    let location = super::lint_text::locate(judged, &finding.at);
    FindingReport {
        code: finding.code,
        name: finding.name,
        severity: finding.severity,
        confidence: finding.confidence.as_str(),
        file: location.file.to_string(),
        line: location.line,
        column: location.column,
        object: json!({ "kind": job.kind.as_str(), "namespace": job.namespace, "name": job.name }),
        field: finding.at.dotted(),
        message: &finding.message,
        arithmetic: finding.arithmetic.as_deref(),
        help: &finding.help,
        fix: finding.fix.as_ref().map(|fix| match &fix.on {
            None => json!({ "safety": fix.safety, "edits": fix.edits }),
            Some(object) => json!({ "safety": fix.safety, "object": object, "edits": fix.edits }),
        }),
        exempted: finding.exempted.as_deref(),
    }
}

fn error_report(error: &InputError) -> ErrorReport<'_> {
    ErrorReport {
        file: &error.file,
        line: error.line,
        column: error.column,
        message: &error.message,
    }
}
