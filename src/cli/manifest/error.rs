//! What could not be read, where it stands, and what to do about it.
use std::fmt;
use std::sync::Arc;

use super::source::Source;

/// A file or document that was left out, with the place and the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputError {
    /// The file as the user named it, or `<stdin>`.
    pub file: Arc<str>,
    /// Line, from 1; `None` where the whole file is meant.
    pub line: Option<usize>,
    /// Column in characters, from 1; `None` where the whole file is meant.
    pub column: Option<usize>,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl InputError {
    /// An error about a whole file.
    pub(super) fn whole(file: &str, message: impl Into<String>) -> Self {
        Self {
            file: Arc::from(file),
            line: None,
            column: None,
            message: message.into(),
        }
    }

    /// An error at a byte of a source.
    pub(super) fn at(source: &Source, byte: usize, message: impl Into<String>) -> Self {
        let (line, column) = source.line_column(byte);
        Self {
            file: Arc::clone(source.name()),
            line: Some(line),
            column: Some(column),
            message: message.into(),
        }
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.file)?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(out, ":{line}:{column}")?;
        }
        write!(out, ": {}", self.message)
    }
}

impl std::error::Error for InputError {}

/// A document that was understood and holds nothing to judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The file as the user named it, or `<stdin>`.
    pub file: Arc<str>,
    /// Line of the document's start, from 1.
    pub line: usize,
    /// Why nothing was taken from it.
    pub reason: &'static str,
}
