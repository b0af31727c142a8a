//! The place in the text, blanks, comments, here-documents and the list of commands.

use std::rc::Rc;

use super::DEEPEST;
use super::ast::{Item, Join, List, Pipeline};

/// Why a script could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine::shell) struct SyntaxError {
    pub at: usize,
    pub why: String,
}

pub(super) type Parsed<T> = Result<T, SyntaxError>;

/// A here-document whose text starts after the next line break.
pub(super) struct HereDocument {
    pub delimiter: String,
    pub strip_tabs: bool,
}

/// Reads one script, or the inside of a back-quoted command.
pub(in crate::engine::shell) struct Parser<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
    pub(super) end: usize,
    pub(super) depth: u32,
    pub(super) heredocs: Vec<HereDocument>,
    /// Where the text stands, when it is not the script itself.
    pub(super) fixed_at: Option<usize>,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            end: text.len(),
            depth: 0,
            heredocs: Vec::new(),
            fixed_at: None,
        }
    }

    /// All commands up to the end or to the first error.
    pub(super) fn program(mut self) -> (List, Option<SyntaxError>) {
        let mut items = Vec::new();
        let error = match self.list_into(&mut items) {
            Ok(()) if self.at >= self.end => None,
            Ok(()) => Some(self.error(format!("unexpected {}", self.excerpt()))),
            Err(error) => Some(error),
        };
        (List(items), error)
    }

    pub(super) fn list(&mut self) -> Parsed<List> {
        self.deeper(|parser| {
            let mut items = Vec::new();
            parser.list_into(&mut items)?;
            Ok(List(items))
        })
    }

    /// Reads until a word or sign that closes a list.
    fn list_into(&mut self, items: &mut Vec<Rc<Item>>) -> Parsed<()> {
        loop {
            self.skip_lines();
            if self.at_list_end() {
                return Ok(());
            }
            let mut item = self.and_or()?;
            self.skip_blanks();
            let separated = match (self.byte(0), self.byte(1)) {
                (Some(b'&'), _) => {
                    self.at += 1;
                    item.background = true;
                    true
                }
                (Some(b';'), Some(b';' | b'&')) => false,
                (Some(b';'), _) => {
                    self.at += 1;
                    true
                }
                (Some(b'\n'), _) => true,
                _ => false,
            };
            items.push(Rc::new(item));
            if !separated && !self.at_list_end() {
                return Err(self.error(format!("unexpected {}", self.excerpt())));
            }
        }
    }

    fn and_or(&mut self) -> Parsed<Item> {
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            self.skip_blanks();
            let join = if self.looking_at("&&") {
                Join::And
            } else if self.looking_at("||") {
                Join::Or
            } else {
                return Ok(Item {
                    first,
                    rest,
                    background: false,
                });
            };
            self.at += 2;
            self.skip_lines();
            rest.push((join, self.pipeline()?));
        }
    }

    fn pipeline(&mut self) -> Parsed<Pipeline> {
        let mut bang = false;
        loop {
            self.skip_blanks();
            match self.keyword() {
                Some("!") => {
                    bang = !bang;
                    self.at += 1;
                }
                Some("time") => {
                    self.at += 4;
                    self.skip_blanks();
                    if self.keyword() == Some("-p") {
                        self.at += 2;
                    }
                }
                _ => break,
            }
        }
        let mut stages = vec![self.command()?];
        loop {
            self.skip_blanks();
            if self.byte(0) != Some(b'|') || self.byte(1) == Some(b'|') {
                return Ok(Pipeline { bang, stages });
            }
            self.at += if self.byte(1) == Some(b'&') { 2 } else { 1 };
            self.skip_lines();
            stages.push(self.command()?);
        }
    }

    fn at_list_end(&self) -> bool {
        match self.byte(0) {
            None | Some(b')') => true,
            Some(b';') => matches!(self.byte(1), Some(b';' | b'&')),
            _ => matches!(
                self.keyword(),
                Some("then" | "else" | "elif" | "fi" | "do" | "done" | "esac" | "}")
            ),
        }
    }

    /// Runs `read` one level deeper.
    pub(super) fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= DEEPEST {
            return Err(self.error(format!("nested deeper than {DEEPEST} levels")));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    pub(super) fn byte(&self, ahead: usize) -> Option<u8> {
        let at = self.at + ahead;
        if at < self.end {
            self.text.as_bytes().get(at).copied()
        } else {
            None
        }
    }

    pub(super) fn looking_at(&self, sign: &str) -> bool {
        self.rest().starts_with(sign)
    }

    pub(super) fn rest(&self) -> &'a str {
        self.slice(self.at, self.end)
    }

    /// The text between two offsets; empty where they do not lie on characters.
    pub(super) fn slice(&self, from: usize, to: usize) -> &'a str {
        self.text.get(from..to).unwrap_or_default()
    }

    /// The offset of `at` in the script.
    pub(super) fn place(&self, at: usize) -> usize {
        self.fixed_at.unwrap_or(at)
    }

    pub(super) fn error(&self, why: String) -> SyntaxError {
        SyntaxError {
            at: self.place(self.at),
            why,
        }
    }

    pub(super) fn excerpt(&self) -> String {
        let rest = self.rest().lines().next().unwrap_or_default();
        if self.rest().is_empty() {
            "end of the script".to_owned()
        } else {
            format!("`{}`", rest.chars().take(20).collect::<String>())
        }
    }

    /// Blanks, continued lines and a comment, up to the end of the line.
    pub(super) fn skip_blanks(&mut self) {
        loop {
            match (self.byte(0), self.byte(1)) {
                (Some(b' ' | b'\t' | b'\r'), _) => self.at += 1,
                (Some(b'\\'), Some(b'\n')) => self.at += 2,
                (Some(b'#'), _) => {
                    self.at += self.rest().find('\n').unwrap_or(self.rest().len());
                }
                _ => return,
            }
        }
    }

    /// Blanks and line breaks; the texts of here-documents are passed over.
    pub(super) fn skip_lines(&mut self) {
        loop {
            self.skip_blanks();
            if self.byte(0) != Some(b'\n') {
                return;
            }
            self.at += 1;
            for document in std::mem::take(&mut self.heredocs) {
                self.skip_document(&document);
            }
        }
    }

    fn skip_document(&mut self, document: &HereDocument) {
        while self.at < self.end {
            let rest = self.rest();
            let (line, length) = match rest.find('\n') {
                Some(end) => (rest.get(..end).unwrap_or_default(), end + 1),
                None => (rest, rest.len()),
            };
            self.at += length.max(1);
            let line = if document.strip_tabs {
                line.trim_start_matches('\t')
            } else {
                line
            };
            if line.trim_end_matches('\r') == document.delimiter {
                return;
            }
        }
    }

    /// The plain word here, if it ends where a reserved word has to end.
    pub(super) fn keyword(&self) -> Option<&'a str> {
        let rest = self.rest();
        let length = rest
            .find(|c: char| {
                !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '!' | '{' | '}' | '[' | ']'))
            })
            .unwrap_or(rest.len());
        let delimiter = rest.as_bytes().get(length).copied();
        let ends = delimiter.is_none_or(|byte| {
            matches!(
                byte,
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')'
            )
        });
        (length > 0 && ends).then(|| rest.get(..length).unwrap_or_default())
    }

    /// Takes the reserved word, or fails.
    pub(super) fn expect_keyword(&mut self, word: &str) -> Parsed<()> {
        self.skip_lines();
        if self.keyword() == Some(word) {
            self.at += word.len();
            Ok(())
        } else {
            Err(self.error(format!("`{word}` is missing before {}", self.excerpt())))
        }
    }

    /// Takes the sign, or fails.
    pub(super) fn expect_sign(&mut self, sign: &str) -> Parsed<()> {
        if self.looking_at(sign) {
            self.at += sign.len();
            Ok(())
        } else {
            Err(self.error(format!("`{sign}` is missing before {}", self.excerpt())))
        }
    }
}
