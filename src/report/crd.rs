//! The custom resource definition, from which the chart's file is generated.

use serde_json::{Value, json};

use super::{GROUP, KIND, PLURAL, VERSION};

/// The definition of `JobDiagnosis`. `report` has the names and types of `diagnose --format json`; `evidence` is
/// what the exporter reads back after a restart, and may change its shape with every version.
#[must_use]
pub fn crd() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{PLURAL}.{GROUP}"),
            "annotations": {"helm.sh/resource-policy": "keep"},
        },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND, "listKind": "JobDiagnosisList", "plural": PLURAL, "singular": "jobdiagnosis",
                "shortNames": ["jdiag"], "categories": ["hookbudget"],
            },
            "versions": [{
                "name": VERSION,
                "served": true,
                "storage": true,
                "additionalPrinterColumns": [
                    column("Job", "string", ".report.job.name", 0),
                    column("Trigger", "string", ".report.trigger", 0),
                    column("Root cause", "string", ".report.root_cause", 0),
                    column("Verdict", "string", ".report.verdict", 0),
                    column("Retry", "string", ".report.retry_advice", 1),
                    column("Route", "string", ".report.route", 1),
                    column("Summary", "string", ".report.summary", 1),
                    column("Age", "date", ".metadata.creationTimestamp", 0),
                ],
                "schema": {"openAPIV3Schema": schema()},
            }],
        },
    })
}

fn column(name: &str, kind: &str, path: &str, priority: u8) -> Value {
    json!({"name": name, "type": kind, "jsonPath": path, "priority": priority})
}

fn schema() -> Value {
    json!({
        "type": "object",
        "description": "Why a Job failed or does not end, kept after the Job and its Pods are gone.",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "report": report(),
            "log": list(&text("A line, redacted."), "The end of the log of the last run."),
            "evidence": {
                "type": "object",
                "description": "What the diagnosis rests on, for the exporter to judge again after a restart. \
                                Its shape may change with every version.",
                "x-kubernetes-preserve-unknown-fields": true,
            },
        },
    })
}

fn report() -> Value {
    let named = json!({"type": "object", "properties": {
        "kind": {"type": "string"}, "namespace": {"type": "string"}, "name": {"type": "string"}}});
    let mut owner = named.clone();
    owner["nullable"] = json!(true);
    owner["description"] = json!("The CronJob, release or application that the Job belongs to.");
    let mut culprit = owner.clone();
    culprit["description"] = json!("The deepest object that is proven to be at fault.");
    let fields = |names: &[&str]| -> Value {
        let fields = names
            .iter()
            .map(|name| ((*name).to_owned(), json!({"type": "string"})));
        json!({"type": "object", "properties": fields.collect::<serde_json::Map<_, _>>()})
    };
    let mut proof = fields(&["kind", "source", "text"]);
    proof["properties"]["at"] = json!({"type": "string", "nullable": true});
    json!({
        "type": "object",
        "description": "The diagnosis, as `hookbudget diagnose --format json` gives it.",
        "properties": {
            "job": named,
            "owner": owner,
            "state": text("failed, waiting, suspended or missing."),
            "trigger": text("How the Job ended."),
            "root_cause": or_null("Why: a cause of `hookbudget explain`, or `custom_NAME` of a signature of the policy."),
            "verdict": text("real, transient, cosmetic, parked or unknown."),
            "severity": text("critical, warning or info."),
            "route": or_null("Who is told."),
            "confidence": text("certain, likely or possible."),
            "summary": text("One sentence."),
            "chain": list(&fields(&["kind", "namespace", "name", "relation", "finding", "proof"]),
                          "From the symptom down to the root."),
            "culprit": culprit,
            "same_culprit": list(&fields(&["namespace", "name"]), "Other Jobs whose chains end at the same object."),
            "same_culprit_more": {"type": "integer", "description": "How many more there are."},
            "repair_order": list(&text("A step."), "What to do, bottom first."),
            "contributing": list(&text("A cause."), "What made it worse."),
            "candidates": list(&text("A cause."), "What it may have been, where that is not known."),
            "not": list(&fields(&["cause", "why"]), "What it was not."),
            "retry_advice": text("retry, wait or do-not-retry."),
            "retry_reason": or_null("Why not, where the run before failed at the same object."),
            "progress": {
                "type": "object",
                "nullable": true,
                "description": "How far the Job's own wait had come.",
                "x-kubernetes-preserve-unknown-fields": true,
            },
            "evidence": list(&proof, "What the diagnosis rests on."),
            "evidence_lost": list(&fields(&["what", "why"]), "What could not be had."),
        },
    })
}

fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

fn or_null(description: &str) -> Value {
    json!({"type": "string", "nullable": true, "description": description})
}

fn list(items: &Value, description: &str) -> Value {
    json!({"type": "array", "description": description, "items": items})
}
