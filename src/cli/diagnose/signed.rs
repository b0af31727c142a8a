//! The objects of a dump that signatures of the policy look at.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use crate::engine::evidence::Lost;
use crate::engine::signature::Signature;
use crate::index::{Change, SignatureAsk};
use crate::k8s::signature::{Compiled, Query};

/// What a dump holds for the signatures.
#[derive(Debug, Default)]
pub(super) struct Signed {
    compiled: Compiled,
    queries: BTreeSet<Query>,
    /// By apiVersion and kind.
    objects: BTreeMap<(String, String), Vec<Value>>,
}

impl Signed {
    pub(super) fn new(signatures: &[Signature]) -> Self {
        let compiled = Compiled::new(signatures);
        Self {
            queries: compiled.queries(),
            compiled,
            objects: BTreeMap::new(),
        }
    }

    /// Keeps an object where a signature looks at its kind; true if it does.
    pub(super) fn keep(&mut self, api_version: &str, kind: &str, value: &Value) -> bool {
        let group = |version: &str| version.rsplit_once('/').map(|(group, _)| group.to_owned());
        // Another version is kept for what is said about it.
        let wanted = self
            .queries
            .iter()
            .any(|query| query.kind == kind && group(&query.api_version) == group(api_version));
        if wanted {
            let key = (api_version.to_owned(), kind.to_owned());
            self.objects.entry(key).or_default().push(value.clone());
        }
        wanted
    }

    /// What the signatures find.
    pub(super) fn look(&self, ask: &SignatureAsk, now: Timestamp) -> Change {
        let (mut found, mut lost) = (Vec::new(), Vec::new());
        for query in &self.queries {
            let key = (query.api_version.clone(), query.kind.clone());
            let Some(objects) = self.objects.get(&key) else {
                lost.push(self.gap(query));
                continue;
            };
            let namespaces = query.namespaces(&ask.job.namespace, &ask.namespaces);
            let inside = |object: &&Value| {
                let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str);
                let there = |set: &BTreeSet<String>| namespace.is_none_or(|name| set.contains(name));
                namespaces.as_ref().is_none_or(there) && selects(&query.label_selector, object)
            };
            let objects: Vec<Value> = objects.iter().filter(inside).cloned().collect();
            let (hits, too_large) = self.compiled.look(query, &objects, now);
            found.extend(hits);
            lost.extend(too_large);
        }
        Change::Signatures {
            job: ask.job.clone(),
            found,
            lost,
        }
    }

    fn gap(&self, query: &Query) -> Lost {
        let other = self.objects.keys().find(|(_, kind)| *kind == query.kind);
        Lost {
            what: format!(
                "{} of {}, for signatures of the policy",
                query.kind, query.api_version
            ),
            why: match other {
                Some((version, _)) => format!("the dump has them as {version}: let the signature name that"),
                None => format!("none in the dump: kubectl get {} -A -o json", query.resource()),
            },
        }
    }
}

/// The equalities of a label selector (`a=b`, `a==b`, `a!=b`, `a`, `!a`); what is none of them selects everything, as
/// who made the dump has chosen already.
fn selects(selector: &str, object: &Value) -> bool {
    let label = |key: &str| {
        let labels = object.pointer("/metadata/labels")?;
        labels.get(key.trim())?.as_str()
    };
    if selector.contains('(') {
        return true;
    }
    let mut terms = selector.split(',').map(str::trim).filter(|term| !term.is_empty());
    terms.all(|term| {
        if let Some((key, value)) = term.split_once("!=") {
            label(key) != Some(value.trim())
        } else if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
            label(key) == Some(value.trim())
        } else if let Some(key) = term.strip_prefix('!') {
            label(key).is_none()
        } else {
            label(term).is_some()
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_select_as_for_kubectl() {
        let object = json!({"metadata": {"labels": {"app": "api", "tier": "1"}}});
        for (selector, selected) in [
            ("", true),
            ("app=api", true),
            ("app==api, tier!=2", true),
            ("app=db", false),
            ("app,!gone", true),
            ("!app", false),
            ("gone", false),
            ("app in (db)", true),
        ] {
            assert_eq!(selects(selector, &object), selected, "{selector}");
        }
    }
}
