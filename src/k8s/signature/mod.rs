//! Objects held against the signatures of the policy. What matches becomes a fact; the objects are not kept.

mod expression;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use self::expression::{Expression, LARGEST, MOST, Size, convert};
use crate::engine::evidence::{Lost, ObjectRef, SignatureHit};
use crate::engine::redact::redact;
use crate::engine::signature::{Found, ObjectSignature, Signature};

/// Objects that match a signature, per look: the newest decide, and a chain has room for one.
const HITS: usize = 16;
/// What all evaluations of one look may cost together.
const MOST_PER_LOOK: u64 = 20 * MOST;

/// Objects that some signatures look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Query {
    /// `cluster.x-k8s.io/v1beta1`.
    pub api_version: String,
    /// `Cluster`.
    pub kind: String,
    /// The namespace; empty where `found` says it.
    pub namespace: String,
    /// A label selector, as kubectl takes it.
    pub label_selector: String,
    /// Where to look without a namespace.
    pub found: Found,
}

impl Query {
    fn of(object: &ObjectSignature) -> Self {
        Self {
            api_version: object.api_version.clone(),
            kind: object.kind.clone(),
            namespace: object.namespace.clone(),
            label_selector: object.label_selector.clone(),
            found: object.found,
        }
    }

    /// As kubectl takes it: `Cluster.v1beta1.cluster.x-k8s.io`.
    #[must_use]
    pub fn resource(&self) -> String {
        match self.api_version.split_once('/') {
            Some((group, version)) => format!("{}.{version}.{group}", self.kind),
            None => self.kind.clone(),
        }
    }

    /// The namespaces to look in: those that are named, or `None` for all.
    #[must_use]
    pub fn namespaces(&self, job: &str, dependencies: &[String]) -> Option<BTreeSet<String>> {
        match self.found {
            _ if !self.namespace.is_empty() => Some(BTreeSet::from([self.namespace.clone()])),
            Found::Anywhere => None,
            Found::Job => Some(BTreeSet::from([job.to_owned()])),
            Found::Dependency => Some(dependencies.iter().cloned().collect()),
        }
    }
}

/// The signatures of a policy that look at objects, compiled.
#[derive(Default)]
pub struct Compiled {
    entries: Vec<(String, Query, String, Expression)>,
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.entries.iter().map(|(name, ..)| name);
        f.debug_list().entries(names).finish()
    }
}

/// What is wrong with an expression, and what to write instead; `None` when it is good.
#[must_use]
pub fn mistake(cel: &str) -> Option<String> {
    Expression::new(cel).err()
}

impl Compiled {
    /// Compiles what a policy holds. One that cannot be compiled is left out: a policy with such a one is refused
    /// where it is read.
    #[must_use]
    pub fn new(signatures: &[Signature]) -> Self {
        let objects = signatures
            .iter()
            .filter_map(|signature| Some((signature, signature.object()?)));
        let entries = objects.filter_map(|(signature, object)| {
            let expression = Expression::new(&object.cel).ok()?;
            let name = signature.name.as_str().to_owned();
            Some((name, Query::of(object), object.cel.clone(), expression))
        });
        Self {
            entries: entries.collect(),
        }
    }

    /// What has to be read, each once.
    #[must_use]
    pub fn queries(&self) -> BTreeSet<Query> {
        self.entries.iter().map(|(_, query, ..)| query.clone()).collect()
    }

    /// Holds the objects of a query against the signatures that look at them.
    #[must_use]
    pub fn look(&self, query: &Query, objects: &[Value], now: Timestamp) -> (Vec<SignatureHit>, Vec<Lost>) {
        let own: Vec<_> = self.entries.iter().filter(|(_, of, ..)| of == query).collect();
        let (mut hits, mut lost) = (Vec::new(), Vec::new());
        let mut left = MOST_PER_LOOK;
        for object in objects {
            let mut size = Size::default();
            let value = convert(&trimmed(object), &mut size);
            let named = named(&query.kind, object);
            for (name, _, cel, expression) in &own {
                let cost = expression.cost(&size);
                if size.bytes > LARGEST || cost > MOST || cost > left {
                    let place = format!("{} {}/{}", named.kind, named.namespace, named.name);
                    let too_large = Lost {
                        what: format!("{place}, for signature {name}"),
                        why: "too large or too many to look at with this expression".to_owned(),
                    };
                    if lost.len() < HITS {
                        lost.push(too_large);
                    }
                    continue;
                }
                left -= cost;
                // An absent field is the usual reason why an expression has no value.
                if expression.holds(&value, now).unwrap_or(false) && hits.len() < HITS {
                    hits.push(hit(name, cel, named.clone(), object));
                }
            }
        }
        (hits, lost)
    }
}

/// The object without what nobody's signature is about and what may be large.
fn trimmed(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
    }
    object
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn named(kind: &str, object: &Value) -> ObjectRef {
    ObjectRef {
        kind: kind.to_owned(),
        namespace: text(object, "/metadata/namespace").to_owned(),
        name: text(object, "/metadata/name").to_owned(),
    }
}

/// The fact: the conditions that are not True, else that the expression holds.
fn hit(name: &str, cel: &str, object: ObjectRef, value: &Value) -> SignatureHit {
    const SHOWN: usize = 3;
    let conditions = value.pointer("/status/conditions").and_then(Value::as_array);
    let bad: Vec<&Value> = conditions
        .into_iter()
        .flatten()
        .filter(|condition| !matches!(text(condition, "/status"), "True" | ""))
        .take(SHOWN)
        .collect();
    let said: Vec<String> = bad
        .iter()
        .map(|condition| {
            let (kind, status) = (text(condition, "/type"), text(condition, "/status"));
            let reason = match text(condition, "/reason") {
                "" => "without a reason",
                reason => reason,
            };
            let head = format!("{kind}={status} {reason}");
            match text(condition, "/message").trim() {
                "" => head,
                message => format!("{head}: {}", cut(message)),
            }
        })
        .collect();
    let changed = bad.iter().filter_map(|c| time(text(c, "/lastTransitionTime")));
    let proof = if said.is_empty() {
        format!("this is true of it: {}", cut(cel.trim()))
    } else {
        said.join("; ")
    };
    SignatureHit {
        name: name.to_owned(),
        object,
        proof: redact(&proof).into_owned(),
        since: changed
            .max()
            .or_else(|| time(text(value, "/metadata/creationTimestamp"))),
    }
}

fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(400)]
}

#[cfg(test)]
mod tests;
