//! Which fixes a round makes.

use std::collections::HashSet;

use serde_json::Value;

use super::{Barred, Note, pointers};
use crate::cli::manifest::{Document, Loaded};
use crate::cli::objects::{Judged, Objects};
use crate::cli::render::lint_text::locate;
use crate::engine::finding::{Edit, Finding, FixSafety};
use crate::engine::release::ReleaseObject;

/// A fix that a round makes.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    /// The object's number among all documents.
    pub(super) document: usize,
    pub(super) edits: Vec<Edit>,
    pub(super) note: Note,
}

impl Choice {
    pub(super) fn barred(&self) -> Barred {
        (self.document, self.note.code, pointers(&self.edits))
    }
}

/// For each object its safe fixes that do not touch each other; where it has none, its worst unsafe one.
pub(super) fn choose(
    objects: &Objects<'_>,
    loaded: &Loaded,
    unsafe_fixes: bool,
    barred: &HashSet<Barred>,
) -> Vec<Choice> {
    let (mut chosen, mut others) = (Vec::new(), HashSet::new());
    let mut at = 0;
    for judged in &objects.judged {
        // The judged objects keep the order of the documents.
        while loaded
            .documents
            .get(at)
            .is_some_and(|document| !std::ptr::eq(document, judged.document))
        {
            at += 1;
        }
        let mut candidates: Vec<Choice> = judged
            .assessment
            .findings
            .iter()
            .filter(|finding| finding.exempted.is_none())
            .filter_map(|finding| choice(at, judged, finding, loaded))
            .filter(|choice| !barred.contains(&choice.barred()))
            .collect();
        // An object of others takes one fix in a round, from whoever comes first.
        candidates.retain(|choice| choice.document == at || others.insert(choice.document));
        // The findings come with the worst first, and a stable sort keeps that.
        candidates.sort_by_key(|choice| choice.note.safety);
        let mut mine: Vec<Choice> = Vec::new();
        for candidate in candidates {
            let fits = match candidate.note.safety {
                FixSafety::Safe => mine.iter().all(|other| !touch(&other.edits, &candidate.edits)),
                FixSafety::Unsafe => unsafe_fixes && mine.is_empty(),
            };
            if fits {
                mine.push(candidate);
            }
        }
        chosen.extend(mine);
    }
    chosen
}

fn choice(own: usize, judged: &Judged<'_>, finding: &Finding, loaded: &Loaded) -> Option<Choice> {
    let fix = finding.fix.as_ref().filter(|fix| !fix.edits.is_empty())?;
    let at = locate(judged, &finding.at);
    let (number, document) = match &fix.on {
        None => (own, judged.document),
        Some(object) => {
            let mut documents = loaded.documents.iter().enumerate();
            documents.find(|(_, document)| is_of(document, object))?
        }
    };
    let is_at_hand = fix.on.is_none() && at.file == *document.file();
    Some(Choice {
        document: number,
        edits: fix.edits.clone(),
        note: Note {
            file: document.file().clone(),
            line: if is_at_hand {
                at.line
            } else {
                document.locate("").line
            },
            code: finding.code,
            object: judged.job.to_string(),
            safety: fix.safety,
            refused: None,
        },
    })
}

/// Whether a document is the object of a fix.
fn is_of(document: &Document, object: &ReleaseObject) -> bool {
    let text = |pointer| document.value.pointer(pointer).and_then(Value::as_str);
    let namespace = text("/metadata/namespace");
    document.kind() == object.kind
        && text("/metadata/name") == Some(&object.name)
        && namespace.is_none_or(|namespace| namespace == object.namespace)
}

/// Whether two fixes write the same field, or one writes what the other one stands in.
fn touch(some: &[Edit], others: &[Edit]) -> bool {
    let within = |inner: &str, outer: &str| {
        inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    some.iter().any(|a| {
        others
            .iter()
            .any(|b| within(a.pointer(), b.pointer()) || within(b.pointer(), a.pointer()))
    })
}
