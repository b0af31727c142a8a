//! `lint --fix`: the edits of findings, made on the text of the files.
//!
//! Fixes are made in rounds. In each, an object gets its safe fixes that do not touch each other, or its worst
//! unsafe one; then everything is read and judged again, because a fix may answer another finding, or raise one.
//! A fix counts only if the text reads again as the value with the edits applied and as nothing else changed.
mod choose;
mod diff;
mod file;
mod settle;
mod value;

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

pub use diff::unified;
pub use file::write;
pub use value::apply;

use super::manifest::{Loaded, Origin, Source};
use super::objects::{self, Options};
use crate::engine::finding::{Edit, FixSafety};
use choose::Choice;

/// Rounds at the most. An object needs one for all its safe fixes and one for each unsafe one; there are fewer
/// rules than this.
const MOST_ROUNDS: usize = 64;

/// A fix that was made, or that could not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The file that is written, as the user named it.
    pub file: Arc<str>,
    /// Line of the finding, as earlier fixes left the text; of the object where the finding is in another file.
    pub line: usize,
    /// The rule's code.
    pub code: &'static str,
    /// `Job ns/name`.
    pub object: String,
    /// Whether behaviour changes.
    pub safety: FixSafety,
    /// Why it could not be made; `None` for one that was.
    pub refused: Option<String>,
}

/// A file whose text the fixes change.
#[derive(Debug)]
pub struct Changed {
    /// The text as it was read, and where from.
    pub before: Arc<Source>,
    /// The text to write.
    pub after: Arc<Source>,
}

/// What became of the fixes.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The files to write.
    pub changed: Vec<Changed>,
    /// Every fix, in the order of the files.
    pub notes: Vec<Note>,
}

/// Makes the fixes on the texts that were read. Nothing is written.
pub fn fix(loaded: &mut Loaded, options: &Options, unsafe_fixes: bool) -> Outcome {
    let mut fixing = Fixing::new(loaded);
    for _ in 0..MOST_ROUNDS {
        let choices = {
            let objects = objects::judge(fixing.loaded, options);
            choose::choose(&objects, fixing.loaded, unsafe_fixes, &fixing.barred)
        };
        if choices.is_empty() {
            break;
        }
        fixing.round(choices);
    }
    fixing.outcome()
}

/// A fix as far as the next round needs to know it: the object's number, the rule, and the fields.
type Barred = (usize, &'static str, Vec<String>);

/// One file of the inputs while it is being fixed.
struct Input {
    original: Arc<Source>,
    documents: Range<usize>,
}

struct Fixing<'a> {
    loaded: &'a mut Loaded,
    inputs: Vec<Input>,
    /// Fixes that cannot be made, or that undo each other.
    barred: HashSet<Barred>,
    /// What each object looked like before each of its fixes.
    past: HashMap<usize, Vec<(u64, Vec<Barred>)>>,
    made: Vec<(usize, Note)>,
    refused: Vec<(usize, Note)>,
}

impl<'a> Fixing<'a> {
    fn new(loaded: &'a mut Loaded) -> Self {
        let mut inputs: Vec<Input> = Vec::new();
        for (at, document) in loaded.documents.iter().enumerate() {
            match inputs.last_mut() {
                Some(input) if Arc::ptr_eq(&input.original, document.source()) => {
                    input.documents.end = at + 1;
                }
                _ => inputs.push(Input {
                    original: Arc::clone(document.source()),
                    documents: at..at + 1,
                }),
            }
        }
        Self {
            loaded,
            inputs,
            barred: HashSet::new(),
            past: HashMap::new(),
            made: Vec::new(),
            refused: Vec::new(),
        }
    }

    fn round(&mut self, choices: Vec<Choice>) {
        let mut by_input: HashMap<usize, Vec<Choice>> = HashMap::new();
        for choice in choices {
            let input = self
                .inputs
                .partition_point(|input| input.documents.end <= choice.document);
            by_input.entry(input).or_default().push(choice);
        }
        for at in 0..self.inputs.len() {
            let Some(choices) = by_input.remove(&at) else {
                continue;
            };
            let Some(range) = self.inputs.get(at).map(|input| input.documents.clone()) else {
                continue;
            };
            let Some(documents) = self.loaded.documents.get(range.clone()) else {
                continue;
            };
            if documents
                .first()
                .is_some_and(|document| *document.source().origin() == Origin::Chart)
            {
                let why = "it was rendered from a chart: change the template or its values";
                for choice in choices {
                    self.refuse(choice, why.to_owned());
                }
                continue;
            }
            let before: HashMap<usize, u64> = choices
                .iter()
                .map(|choice| (choice.document, self.fingerprint(choice.document)))
                .collect();
            let settled = settle::settle(documents, range.start, choices);
            if let Some(documents) = settled.documents {
                self.loaded.documents.splice(range, documents);
            }
            for (choice, why) in settled.refused {
                self.refuse(choice, why);
            }
            self.remember(at, settled.made, &before);
        }
    }

    fn refuse(&mut self, choice: Choice, why: String) {
        self.barred.insert(choice.barred());
        let note = Note {
            refused: Some(why),
            ..choice.note
        };
        self.refused.push((choice.document, note));
    }

    /// Notes what was made. Fixes that lead an object back to what it was undo each other: the file starts again
    /// without them, so that the end does not depend on where the circle was left.
    fn remember(&mut self, input: usize, made: Vec<Choice>, before: &HashMap<usize, u64>) {
        let mut circle: Vec<Barred> = Vec::new();
        let mut fixes: HashMap<usize, Vec<Barred>> = HashMap::new();
        for choice in made {
            fixes.entry(choice.document).or_default().push(choice.barred());
            self.made.push((choice.document, choice.note));
        }
        let mut touched: Vec<usize> = fixes.keys().copied().collect();
        touched.sort_unstable();
        for document in touched {
            let now = self.fingerprint(document);
            let past = self.past.entry(document).or_default();
            let fixes = fixes.remove(&document).unwrap_or_default();
            past.push((before.get(&document).copied().unwrap_or_default(), fixes));
            if let Some(met) = past.iter().position(|(print, _)| *print == now) {
                circle.extend(past.iter().skip(met).flat_map(|(_, fixes)| fixes.clone()));
            }
        }
        if !circle.is_empty() {
            self.start_again(input, circle);
        }
    }

    fn start_again(&mut self, input: usize, circle: Vec<Barred>) {
        let Some(Input { original, documents }) = self.inputs.get(input) else {
            return;
        };
        let fresh = Loaded::of(original).documents;
        if fresh.len() == documents.len() {
            self.loaded.documents.splice(documents.clone(), fresh);
        }
        for document in documents.clone() {
            self.past.remove(&document);
        }
        let (mine, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.made)
            .into_iter()
            .partition(|(document, _)| documents.contains(document));
        self.made = rest;
        let mut codes: Vec<&str> = circle.iter().map(|(_, code, _)| *code).collect();
        codes.sort_unstable();
        codes.dedup();
        let codes = codes.join(" and ");
        for barred in circle {
            if !self.barred.insert(barred.clone()) {
                continue;
            }
            let (document, code, _) = barred;
            let note = mine
                .iter()
                .find(|(at, note)| *at == document && note.code == code);
            if let Some((_, note)) = note {
                let why = format!("the fixes of {codes} undo each other: decide which one is meant");
                self.refused.push((
                    document,
                    Note {
                        refused: Some(why),
                        ..note.clone()
                    },
                ));
            }
        }
    }

    fn fingerprint(&self, document: usize) -> u64 {
        let mut hasher = DefaultHasher::new();
        if let Some(document) = self.loaded.documents.get(document) {
            document.value.to_string().hash(&mut hasher);
        }
        hasher.finish()
    }

    fn outcome(self) -> Outcome {
        let mut notes = self.made;
        notes.extend(self.refused);
        notes.sort_by_key(|(document, note)| (*document, note.refused.is_some()));
        let changed = self.inputs.iter().filter_map(|input| {
            let after = self.loaded.documents.get(input.documents.start)?.source();
            (after.text() != input.original.text()).then(|| Changed {
                before: Arc::clone(&input.original),
                after: Arc::clone(after),
            })
        });
        Outcome {
            changed: changed.collect(),
            notes: notes.into_iter().map(|(_, note)| note).collect(),
        }
    }
}

fn pointers(edits: &[Edit]) -> Vec<String> {
    edits.iter().map(|edit| edit.pointer().to_owned()).collect()
}

#[cfg(test)]
mod tests;
