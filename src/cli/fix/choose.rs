//! Which fixes a round makes.

use std::collections::HashSet;

use super::{Barred, Note, pointers};
use crate::cli::manifest::Loaded;
use crate::cli::objects::{Judged, Objects};
use crate::cli::render::lint_text::locate;
use crate::engine::finding::{Edit, Finding, FixSafety};

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
    let mut chosen = Vec::new();
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
            .filter_map(|finding| choice(at, judged, finding))
            .filter(|choice| !barred.contains(&choice.barred()))
            .collect();
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

fn choice(document: usize, judged: &Judged<'_>, finding: &Finding) -> Option<Choice> {
    let fix = finding.fix.as_ref().filter(|fix| !fix.edits.is_empty())?;
    let at = locate(judged, &finding.at);
    let own = at.file == *judged.document.file();
    Some(Choice {
        document,
        edits: fix.edits.clone(),
        note: Note {
            file: judged.document.file().clone(),
            line: if own {
                at.line
            } else {
                judged.document.locate("").line
            },
            code: finding.code,
            object: judged.job.to_string(),
            safety: fix.safety,
            refused: None,
        },
    })
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
