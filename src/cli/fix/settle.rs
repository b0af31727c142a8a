//! The fixes of one file in one round: made together where that gives the text that is meant, and one by one
//! where it does not, so that a fix which cannot be made takes no other with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::choose::Choice;
use super::value;
use crate::cli::manifest::{Document, Loaded, Splice};
use crate::engine::finding::Edit;

/// What became of the fixes of one file.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// The file's objects afterwards; `None` where nothing changed.
    pub(super) documents: Option<Vec<Document>>,
    pub(super) made: Vec<Choice>,
    pub(super) refused: Vec<(Choice, String)>,
}

/// Makes fixes on a file's objects, the first of which has the number `first`.
pub(super) fn settle(documents: &[Document], first: usize, choices: Vec<Choice>) -> Settled {
    let mut settled = Settled::default();
    settle_into(&mut settled, documents, first, choices);
    settled
}

fn settle_into(settled: &mut Settled, original: &[Document], first: usize, choices: Vec<Choice>) {
    let mut choices = choices;
    loop {
        if choices.is_empty() {
            return;
        }
        let documents = settled.documents.as_deref().unwrap_or(original);
        match attempt(documents, first, &choices) {
            Ok(documents) => {
                settled.documents = Some(documents);
                settled.made.append(&mut choices);
            }
            Err(Failure::Of(at, why)) => settled.refused.push((choices.remove(at), why)),
            Err(Failure::Somewhere(why)) if choices.len() == 1 => {
                settled.refused.extend(choices.pop().map(|choice| (choice, why)));
            }
            Err(Failure::Somewhere(_)) => {
                let rest = choices.split_off(choices.len() / 2);
                settle_into(settled, original, first, choices);
                choices = rest;
            }
        }
    }
}

/// One edit of a choice.
struct Step<'e> {
    choice: usize,
    edit: &'e Edit,
}

enum Failure {
    /// The choice of this number cannot be made.
    Of(usize, String),
    /// The text afterwards is not what was meant.
    Somewhere(String),
}

fn attempt(documents: &[Document], first: usize, choices: &[Choice]) -> Result<Vec<Document>, Failure> {
    let mut edits: BTreeMap<usize, Vec<Step<'_>>> = BTreeMap::new();
    for (number, choice) in choices.iter().enumerate() {
        let steps = choice.edits.iter().map(|edit| Step { choice: number, edit });
        edits.entry(choice.document - first).or_default().extend(steps);
    }
    let mut wanted: BTreeMap<usize, Value> = BTreeMap::new();
    for (at, edits) in &edits {
        let Some(document) = documents.get(*at) else {
            continue;
        };
        let mut value = Value::clone(&document.value);
        for Step { choice, edit } in edits {
            value::apply(&mut value, edit).map_err(|why| Failure::Of(*choice, why.to_owned()))?;
        }
        wanted.insert(*at, value);
    }
    let steps = edits.values().map(Vec::len).max().unwrap_or(0);
    let mut now: Option<Vec<Document>> = None;
    for step in 0..steps {
        let current = now.as_deref().unwrap_or(documents);
        now = Some(one_step(current, &edits, step)?);
    }
    let now = now.unwrap_or_default();
    let same = documents
        .iter()
        .zip(&now)
        .enumerate()
        .all(|(at, (before, after))| *wanted.get(&at).unwrap_or(&before.value) == *after.value);
    if same && now.len() == documents.len() {
        Ok(now)
    } else {
        let why = "the text would read as another value: the way it is written is beyond this tool, edit it by hand";
        Err(Failure::Somewhere(why.to_owned()))
    }
}

/// Makes the edit of this number of every object, and reads the text again.
fn one_step(
    documents: &[Document],
    edits: &BTreeMap<usize, Vec<Step<'_>>>,
    step: usize,
) -> Result<Vec<Document>, Failure> {
    let Some(source) = documents.first().map(Document::source) else {
        return Ok(Vec::new());
    };
    let mut splices = Vec::new();
    for (at, edits) in edits {
        if let (Some(Step { choice, edit }), Some(document)) = (edits.get(step), documents.get(*at)) {
            let splice = document.splice(edit).map_err(|why| Failure::Of(*choice, why))?;
            splices.push(splice);
        }
    }
    splices.sort_by_key(|splice| splice.range.start);
    let text = spliced(source.text(), &splices)
        .ok_or_else(|| Failure::Somewhere("two edits meet in the same text".to_owned()))?;
    let before = Loaded::of(source).errors.len();
    let loaded = Loaded::of(&Arc::new(source.with_text(text)));
    if loaded.errors.len() > before {
        let why = loaded.errors.last().map_or_else(String::new, ToString::to_string);
        return Err(Failure::Somewhere(format!(
            "the text could not be read afterwards: {why}"
        )));
    }
    Ok(loaded.documents)
}

/// The text with all changes made; `None` where two of them overlap.
fn spliced(text: &str, splices: &[Splice]) -> Option<String> {
    let mut spliced =
        String::with_capacity(text.len() + splices.iter().map(|splice| splice.text.len()).sum::<usize>());
    let mut at = 0;
    for splice in splices {
        spliced.push_str(text.get(at..splice.range.start)?);
        spliced.push_str(&splice.text);
        at = splice.range.end;
    }
    spliced.push_str(text.get(at..)?);
    Some(spliced)
}
