//! Arguments to documents: everything that can be read is, everything else is named.
use std::collections::HashSet;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::decode::describe;
use super::document::Document;
use super::error::{InputError, Skipped};
use super::paths::{self, PathOrStdin};
use super::source::{Origin, Source};
use super::tree::{Fault, NodeId, Tree};
use super::{json, split, yaml};

/// The name of standard input in messages.
const STDIN: &str = "<stdin>";

const TEMPLATE: &str = "this is a Helm template that was not rendered; \
    pipe what `helm template CHART` renders into `hookbudget lint -`";

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
    let mut loaded = Loaded::default();
    let mut seen = HashSet::new();
    for path in paths {
        match path {
            PathOrStdin::Stdin => loaded.add(STDIN, Origin::Stdin, paths::read(STDIN, &mut *stdin)),
            PathOrStdin::Path(path) => {
                let (files, errors) = paths::files(path);
                loaded.errors.extend(errors);
                for file in files {
                    // A file that two arguments name is one file.
                    if seen.insert(std::fs::canonicalize(&file).unwrap_or_else(|_| file.clone())) {
                        let text = paths::read_file(&file);
                        loaded.add(&file.display().to_string(), Origin::File(file), text);
                    }
                }
            }
        }
    }
    loaded
}

impl Loaded {
    /// Reads one text.
    #[must_use]
    pub fn of(source: &Arc<Source>) -> Self {
        let mut loaded = Self::default();
        loaded.add_source(source);
        loaded
    }

    fn add(&mut self, name: &str, origin: Origin, text: Result<String, InputError>) {
        match text {
            Ok(text) => {
                let source = Arc::new(Source::new(name, origin, text));
                if *source.origin() == Origin::Stdin {
                    self.stdin = Some(Arc::clone(&source));
                }
                self.add_source(&source);
            }
            Err(error) => self.errors.push(error),
        }
    }

    /// Adds the documents of one input.
    pub(crate) fn add_source(&mut self, source: &Arc<Source>) {
        let template = unrendered(source.text());
        if let Some(at) = template.filter(|_| {
            Path::new(&**source.name())
                .components()
                .any(|part| part.as_os_str() == "templates")
        }) {
            self.errors.push(InputError::at(source, at, TEMPLATE));
            return;
        }
        let ranges = split::documents(source.text());
        if ranges.is_empty() {
            self.skip(source, 0, "empty");
        }
        let mut named = false;
        for range in ranges {
            for fault in self.add_range(source, &range) {
                let template = template.and(source.slice(&range).find("{{"));
                match template {
                    Some(_) if named => {}
                    Some(at) => self
                        .errors
                        .push(InputError::at(source, range.start + at, TEMPLATE)),
                    None => self
                        .errors
                        .push(InputError::at(source, fault.byte, fault.message)),
                }
                named |= template.is_some();
            }
        }
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
        match tree.value(root) {
            Err(fault) => return Some(fault),
            Ok(value) => {
                for document in Document::new(Arc::clone(source), tree, root, value).flatten() {
                    self.sort(document);
                }
            }
        }
        None
    }

    /// An object goes to the documents, anything else is set aside with its reason.
    fn sort(&mut self, document: Document) {
        let start = document.locate("").span.start;
        let reason = match &document.value {
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
    let rendered = text.lines().any(|line| line.starts_with("# Source: "));
    if rendered { None } else { text.find("{{") }
}
