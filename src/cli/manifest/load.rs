//! Arguments to documents: everything that can be read is, everything else is named.
use std::collections::HashSet;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::decode::describe;
use super::document::Document;
use super::error::{InputError, Skipped};
use super::paths::{self, PathOrStdin};
use super::source::{Origin, Source};
use super::tree::{Fault, NodeId, Tree};
use super::{json, split, yaml};
use crate::cli::parallel::in_order;

/// The name of standard input in messages.
const STDIN: &str = "<stdin>";

/// What is said of a template where an object was expected.
pub const TEMPLATE: &str = "this is a Helm template that was not rendered; \
    `hookbudget lint --chart CHART` renders it, or pipe `helm template CHART` into `hookbudget lint -`";

/// What was read.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The objects, in the order of the arguments, files and documents.
    pub documents: Vec<Document>,
    /// What could not be read, with place and remedy.
    pub errors: Vec<InputError>,
    /// What was read and holds no Kubernetes object.
    pub skipped: Vec<Skipped>,
    /// The text of standard input, where it was read.
    pub stdin: Option<Arc<Source>>,
}

/// Reads files, directories and standard input.
///
/// Never fails as a whole: a document or file that cannot be read is an entry of
/// [`Loaded::errors`], and the rest goes on.
#[must_use]
pub fn load(paths: &[PathOrStdin]) -> Loaded {
    load_with(paths, &mut io::stdin().lock())
}

/// [`load`] with another reader in the place of standard input.
#[must_use]
pub fn load_with(paths: &[PathOrStdin], stdin: &mut dyn Read) -> Loaded {
    let mut inputs = Vec::new();
    let mut seen = HashSet::new();
    for path in paths {
        match path {
            PathOrStdin::Stdin => {
                inputs.push(Input::Stdin(paths::read(STDIN, &mut *stdin)));
            }
            PathOrStdin::Path(path) => {
                let (files, errors) = paths::files(path);
                inputs.extend(errors.into_iter().map(Input::Unreadable));
                // A file that two arguments name is one file.
                let new = |file: &PathBuf| {
                    seen.insert(std::fs::canonicalize(file).unwrap_or_else(|_| file.clone()))
                };
                inputs.extend(files.into_iter().filter(new).map(Input::File));
            }
        }
    }
    in_order(inputs, Input::load)
        .into_iter()
        .fold(Loaded::default(), Loaded::and)
}

/// Reads one file that holds one document, whatever its kind, such as a policy; an empty one is an empty
/// object.
///
/// # Errors
/// Names the file, and where it can the place, of what cannot be read.
pub fn load_one(path: &Path) -> Result<Document, InputError> {
    let text = paths::read_file(path)?;
    let origin = Origin::File(path.to_owned());
    one(Source::new(&path.display().to_string(), origin, text))
}

/// [`load_one`] of a text that stands at a place which messages name.
///
/// # Errors
/// Names the place of what cannot be read.
pub fn one_of(place: &str, text: &str) -> Result<Document, InputError> {
    one(Source::new(place, Origin::Object, text.to_owned()))
}

fn one(source: Source) -> Result<Document, InputError> {
    let source = Arc::new(source);
    let fault = |fault: Fault| InputError::at(&source, fault.byte, fault.message);
    let mut found: Option<Document> = None;
    for range in split::documents(&source) {
        let Some((tree, root)) = yaml::parse(&source, &range).map_err(fault)? else {
            continue;
        };
        let document = Document::new(Arc::clone(&source), tree, root).map_err(fault)?;
        if document.value.is_null() {
            continue;
        }
        if found.is_some() {
            return Err(document.error_at("", "a second document: one file holds one"));
        }
        found = Some(document);
    }
    Ok(found.unwrap_or_else(|| Document::empty(source)))
}

/// One file or stream, read or not yet.
enum Input {
    File(PathBuf),
    Stdin(Result<String, InputError>),
    Unreadable(InputError),
}

impl Input {
    fn load(self) -> Loaded {
        let (name, text, origin) = match self {
            Self::File(path) => (
                path.display().to_string(),
                paths::read_file(&path),
                Origin::File(path),
            ),
            Self::Stdin(text) => (STDIN.to_owned(), text, Origin::Stdin),
            Self::Unreadable(error) => return Loaded::failed(error),
        };
        text.map_or_else(Loaded::failed, |text| {
            let source = Arc::new(Source::new(&name, origin, text));
            let mut loaded = Loaded::of(&source);
            loaded.stdin = (*source.origin() == Origin::Stdin).then_some(source);
            loaded
        })
    }
}

impl Loaded {
    fn failed(error: InputError) -> Self {
        Self {
            errors: vec![error],
            ..Self::default()
        }
    }

    fn and(mut self, mut next: Self) -> Self {
        self.documents.append(&mut next.documents);
        self.errors.append(&mut next.errors);
        self.skipped.append(&mut next.skipped);
        self.stdin = self.stdin.or(next.stdin);
        self
    }

    /// Adds the documents of one more input.
    pub(crate) fn add_source(&mut self, source: &Arc<Source>) {
        *self = std::mem::take(self).and(Self::of(source));
    }

    /// The documents of one input.
    #[must_use]
    pub fn of(source: &Arc<Source>) -> Self {
        let template = unrendered(source.text());
        if let Some(at) = template.filter(|_| {
            Path::new(&**source.name())
                .components()
                .any(|part| part.as_os_str() == "templates")
        }) {
            return Self::failed(InputError::at(source, at, TEMPLATE));
        }
        let mut loaded = Self::default();
        let ranges = split::documents(source);
        if ranges.is_empty() {
            loaded.skip(source, 0, "empty");
        }
        let parts = in_order(ranges, |range| {
            let mut part = Self::default();
            let faults = part.add_range(source, &range);
            (range, part, faults)
        });
        let mut named = false;
        for (range, part, faults) in parts {
            loaded = loaded.and(part);
            for fault in faults {
                let template = template.and(source.slice(&range).find("{{"));
                match template {
                    Some(_) if named => {}
                    Some(at) => loaded
                        .errors
                        .push(InputError::at(source, range.start + at, TEMPLATE)),
                    None => loaded
                        .errors
                        .push(InputError::at(source, fault.byte, fault.message)),
                }
                named |= template.is_some();
            }
        }
        loaded
    }

    /// Adds what one stretch of the stream holds: a YAML document, or JSON texts.
    fn add_range(&mut self, source: &Arc<Source>, range: &Range<usize>) -> Vec<Fault> {
        if !source.slice(range).trim_start().starts_with(['{', '[']) {
            return self
                .add_tree(source, range, yaml::parse(source, range))
                .into_iter()
                .collect();
        }
        let (texts, fault) = json::texts(source, range);
        if let Some(fault) = fault {
            // `{name: x}` is YAML; so is JSON with a comment behind it.
            let read = yaml::parse(source, range);
            let says_json = source.name().to_ascii_lowercase().ends_with(".json");
            if read.is_ok() || (texts.is_empty() && !says_json) {
                return self.add_tree(source, range, read).into_iter().collect();
            }
            return self.add_json(source, &texts).into_iter().chain([fault]).collect();
        }
        self.add_json(source, &texts)
    }

    fn add_json(&mut self, source: &Arc<Source>, texts: &[Range<usize>]) -> Vec<Fault> {
        texts
            .iter()
            .filter_map(|text| self.add_tree(source, text, json::parse(source, text).map(Some)))
            .collect()
    }

    fn add_tree(
        &mut self,
        source: &Arc<Source>,
        range: &Range<usize>,
        read: Result<Option<(Tree, NodeId)>, Fault>,
    ) -> Option<Fault> {
        let (tree, root) = match read {
            Err(fault) => return Some(fault),
            Ok(None) => {
                self.skip(source, range.start, "empty");
                return None;
            }
            Ok(Some(found)) => found,
        };
        match Document::new(Arc::clone(source), tree, root) {
            Err(fault) => return Some(fault),
            Ok(document) => {
                for document in document.flatten() {
                    self.sort(document);
                }
            }
        }
        None
    }

    /// An object goes to the documents, anything else is set aside with its reason.
    fn sort(&mut self, document: Document) {
        let start = document.locate("").span.start;
        if !document.kind().is_empty() {
            self.documents.push(document);
            return;
        }
        let reason = match &*document.value {
            Value::Null => "empty",
            Value::Object(object) => match object.get("kind") {
                Some(Value::String(_)) => {
                    self.documents.push(document);
                    return;
                }
                Some(other) => {
                    let message = format!("kind: expected a string, found {}", describe(other));
                    self.errors.push(document.error_at("/kind", message));
                    return;
                }
                None => "no `kind`: not a Kubernetes object",
            },
            _ => "not an object",
        };
        self.skip(&Arc::clone(document.source()), start, reason);
    }

    fn skip(&mut self, source: &Source, byte: usize, reason: &'static str) {
        let (line, _) = source.line_column(byte);
        self.skipped.push(Skipped {
            file: Arc::clone(source.name()),
            line,
            reason,
        });
    }
}

/// The first `{{`, unless Helm's own `# Source:` comments say that the text was rendered:
/// alerting rules and workflows keep their own `{{ }}` after that.
fn unrendered(text: &str) -> Option<usize> {
    let mut braces = text.match_indices('{').map(|(at, _)| at);
    let first = braces.find(|at| text.as_bytes().get(at + 1) == Some(&b'{'))?;
    let rendered = text.lines().any(|line| line.starts_with("# Source: "));
    (!rendered).then_some(first)
}
