//! Several watches of one kind, one per namespace, as one list to the index.

use std::collections::BTreeMap;

use kube::ResourceExt;
use kube::runtime::watcher::Event;
use serde_json::value::RawValue;

use super::watched::Watched;
use crate::index::change::Change;
use crate::index::kind::Kind;

/// Turns the events of one or several watches into changes. A single watch is passed through; of several, a
/// list of one namespace must not sweep away the others, so what it misses is deleted one by one.
#[derive(Debug)]
pub(super) struct Merge {
    kind: Kind,
    /// Per watch: what it holds, as name and what a deletion needs to know; only with several watches.
    held: Vec<Held>,
    begun: bool,
    ended: bool,
}

#[derive(Debug, Default)]
struct Held {
    names: BTreeMap<String, Seen>,
    listed: bool,
}

#[derive(Debug)]
struct Seen {
    namespace: String,
    uid: String,
    fresh: bool,
}

impl Merge {
    pub(super) fn new(kind: Kind, watches: usize) -> Self {
        Self {
            kind,
            held: (0..watches).map(|_| Held::default()).collect(),
            begun: false,
            ended: false,
        }
    }

    /// The changes that an event of watch number `from` means.
    pub(super) fn changes(&mut self, from: usize, event: Event<Watched>) -> Vec<Change> {
        let kind = self.kind;
        if self.held.len() == 1 {
            return vec![match event {
                Event::Init => Change::Begin(kind),
                Event::InitDone => Change::End(kind),
                Event::InitApply(object) | Event::Apply(object) => apply(kind, object),
                Event::Delete(object) => delete(kind, object.text),
            }];
        }
        let Some(held) = self.held.get_mut(from) else {
            return Vec::new();
        };
        match event {
            Event::Init => {
                held.names.values_mut().for_each(|seen| seen.fresh = false);
                let first = !std::mem::replace(&mut self.begun, true);
                first.then_some(Change::Begin(kind)).into_iter().collect()
            }
            Event::InitApply(object) | Event::Apply(object) => {
                let seen = Seen {
                    namespace: object.namespace().unwrap_or_default(),
                    uid: object.uid().unwrap_or_default(),
                    fresh: true,
                };
                held.names.insert(object.name_any(), seen);
                vec![apply(kind, object)]
            }
            Event::Delete(object) => {
                held.names.remove(&object.name_any());
                vec![delete(kind, object.text)]
            }
            Event::InitDone => {
                held.listed = true;
                let gone = held.names.extract_if(.., |_, seen| !seen.fresh);
                let mut changes: Vec<_> = gone
                    .filter_map(|(name, seen)| deleted(kind, &name, &seen))
                    .collect();
                if !self.ended && self.held.iter().all(|held| held.listed) {
                    self.ended = true;
                    changes.push(Change::End(kind));
                }
                changes
            }
        }
    }
}

fn apply(kind: Kind, object: Watched) -> Change {
    Change::Apply {
        kind,
        object: object.text,
    }
}

fn delete(kind: Kind, object: Box<RawValue>) -> Change {
    Change::Delete { kind, object }
}

/// A deletion that nobody saw: the object's name is all there is.
fn deleted(kind: Kind, name: &str, seen: &Seen) -> Option<Change> {
    let object =
        serde_json::json!({"metadata": {"name": name, "namespace": seen.namespace, "uid": seen.uid}});
    RawValue::from_string(object.to_string())
        .ok()
        .map(|object| Change::Gone { kind, object })
}
