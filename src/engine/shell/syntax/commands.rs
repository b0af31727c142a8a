//! Simple commands, assignments, redirections, functions.

use std::rc::Rc;

use super::ast::{Assign, Command, Kind, Part, Redirect, RedirectKind, Word};
use super::cursor::{HereDocument, Parsed, Parser};

impl Parser<'_> {
    pub(super) fn command(&mut self) -> Parsed<Command> {
        self.deeper(|parser| {
            parser.skip_blanks();
            let at = parser.place(parser.at);
            let Some(kind) = parser.compound()? else {
                return parser.simple(at);
            };
            let mut redirects = Vec::new();
            loop {
                parser.skip_blanks();
                match parser.redirect()? {
                    Some(redirect) => redirects.push(redirect),
                    None => return Ok(Command { at, kind, redirects }),
                }
            }
        })
    }

    fn simple(&mut self, at: usize) -> Parsed<Command> {
        let (mut assigns, mut words, mut redirects) = (Vec::new(), Vec::<Word>::new(), Vec::new());
        loop {
            self.skip_blanks();
            if let Some(redirect) = self.redirect()? {
                redirects.push(redirect);
                continue;
            }
            if words.is_empty()
                && let Some(assign) = self.assignment()?
            {
                assigns.push(assign);
                continue;
            }
            if self.byte(0) == Some(b'(')
                && let [name] = words.as_slice()
                && let Some(name) = name.bare()
            {
                let name = name.to_owned();
                return self.function(at, name);
            }
            match (self.byte(0), self.byte(1)) {
                (Some(b'<' | b'>'), Some(b'(')) => words.push(self.word()?),
                (None | Some(b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>'), _) => break,
                (Some(_), _) => words.push(self.word()?),
            }
            // `local list=(a b)`
            if self.byte(0) == Some(b'(')
                && words.len() > 1
                && words
                    .last()
                    .and_then(Word::bare)
                    .is_some_and(|text| text.ends_with('='))
            {
                self.array()?;
            }
        }
        if assigns.is_empty() && words.is_empty() && redirects.is_empty() {
            return Err(self.error(format!("a command is missing before {}", self.excerpt())));
        }
        Ok(Command {
            at,
            kind: Kind::Simple { assigns, words },
            redirects,
        })
    }

    /// `()` and the body, after the name.
    fn function(&mut self, at: usize, name: String) -> Parsed<Command> {
        self.expect_sign("(")?;
        self.skip_blanks();
        self.expect_sign(")")?;
        self.function_body(at, name)
    }

    pub(super) fn function_body(&mut self, at: usize, name: String) -> Parsed<Command> {
        self.skip_lines();
        let body = Rc::new(self.command()?);
        Ok(Command {
            at,
            kind: Kind::Function { name, body },
            redirects: Vec::new(),
        })
    }

    fn assignment(&mut self) -> Parsed<Option<Assign>> {
        let rest = self.rest();
        let name_end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
        let name = rest.get(..name_end).unwrap_or_default();
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Ok(None);
        }
        let mut after = rest.get(name_end..).unwrap_or_default();
        let mut length = name_end;
        let element = after.starts_with('[');
        if element {
            let Some(close) = after
                .find(']')
                .filter(|close| !after.get(..*close).unwrap_or_default().contains(['\n', ' ']))
            else {
                return Ok(None);
            };
            length += close + 1;
            after = after.get(close + 1..).unwrap_or_default();
        }
        let append = after.starts_with("+=");
        if !append && !after.starts_with('=') {
            return Ok(None);
        }
        let name = name.to_owned();
        self.at += length + if append { 2 } else { 1 };
        if self.byte(0) == Some(b'(') {
            self.array()?;
            return Ok(Some(Assign {
                name,
                append,
                value: None,
            }));
        }
        let value = self.word()?;
        Ok(Some(Assign {
            name,
            append,
            value: (!element).then_some(value),
        }))
    }

    /// `(a b c)` of an array: read and forgotten.
    fn array(&mut self) -> Parsed<()> {
        self.expect_sign("(")?;
        loop {
            self.skip_lines();
            match self.byte(0) {
                Some(b')') => {
                    self.at += 1;
                    return Ok(());
                }
                None => return Err(self.error("`)` of an array is missing".to_owned())),
                Some(b'(' | b';' | b'&' | b'|' | b'<' | b'>') => {
                    return Err(self.error(format!("unexpected {} in an array", self.excerpt())));
                }
                Some(_) => {
                    self.word()?;
                }
            }
        }
    }

    pub(super) fn redirect(&mut self) -> Parsed<Option<Redirect>> {
        let rest = self.rest();
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let sign = rest.get(digits..).unwrap_or_default();
        // `&>` joins output and errors; `<(` and `>(` are words.
        let (kind, length) = if digits == 0 && sign.starts_with("&>>") {
            (RedirectKind::Write, 3)
        } else if digits == 0 && sign.starts_with("&>") {
            (RedirectKind::Write, 2)
        } else if sign.starts_with("<(") || sign.starts_with(">(") {
            return Ok(None);
        } else if sign.starts_with("<<<") {
            (RedirectKind::HereString, 3)
        } else if sign.starts_with("<<-") {
            (RedirectKind::HereDocument, 3)
        } else if sign.starts_with("<<") {
            (RedirectKind::HereDocument, 2)
        } else if sign.starts_with("<&") || sign.starts_with(">&") {
            (RedirectKind::Duplicate, 2)
        } else if sign.starts_with("<>") {
            (RedirectKind::Read, 2)
        } else if sign.starts_with(">>") || sign.starts_with(">|") {
            (RedirectKind::Write, 2)
        } else if sign.starts_with('<') {
            (RedirectKind::Read, 1)
        } else if sign.starts_with('>') {
            (RedirectKind::Write, 1)
        } else {
            return Ok(None);
        };
        let fd = rest.get(..digits).and_then(|digits| digits.parse().ok());
        let strip_tabs = sign.starts_with("<<-");
        self.at += digits + length;
        self.skip_blanks();
        let target = self.word()?;
        if target.parts.is_empty() {
            return Err(self.error(format!("a redirection has no target before {}", self.excerpt())));
        }
        if kind == RedirectKind::HereDocument {
            let delimiter = target.parts.iter().map(|part| match part {
                Part::Literal(text) | Part::Quoted(text) => text.as_ref(),
                _ => "",
            });
            let delimiter = delimiter.collect();
            self.heredocs.push(HereDocument {
                delimiter,
                strip_tabs,
            });
        }
        Ok(Some(Redirect { kind, fd, target }))
    }
}
