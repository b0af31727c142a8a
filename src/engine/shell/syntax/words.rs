//! Words: quotes, expansions, substitutions.

use std::rc::Rc;

use super::ast::{Part, Word};
use super::cursor::{Parsed, Parser};

/// What ends a run of parts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// A blank or an operator.
    Word,
    /// The `}` of an expansion.
    Brace,
    /// A double quote; all is quoted.
    Quote,
    /// The end of an arithmetic expression: quotes are nothing special.
    End,
}

impl Parser<'_> {
    pub(super) fn word(&mut self) -> Parsed<Word> {
        let at = self.place(self.at);
        let parts = self.parts(Stop::Word)?;
        Ok(Word { at, parts })
    }

    /// The arithmetic expression between two offsets, with its expansions.
    pub(super) fn expression(&mut self, from: usize, to: usize) -> Parsed<Word> {
        let (at, end) = (self.at, self.end);
        (self.at, self.end) = (from, to);
        let parts = self.deeper(|parser| parser.parts(Stop::End));
        (self.at, self.end) = (at, end);
        Ok(Word {
            at: self.place(from),
            parts: parts?,
        })
    }

    pub(super) fn parts(&mut self, stop: Stop) -> Parsed<Vec<Part>> {
        let quoted = matches!(stop, Stop::Quote | Stop::End);
        let mut parts = Vec::new();
        let mut plain = String::new();
        while let Some(byte) = self.byte(0) {
            let ends = match stop {
                Stop::Word => {
                    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b';' | b'&' | b'|' | b')')
                        || (matches!(byte, b'<' | b'>') && self.byte(1) != Some(b'('))
                        || (byte == b'(' && !plain.ends_with(['?', '*', '+', '@', '!']))
                }
                Stop::Brace => byte == b'}',
                Stop::Quote => byte == b'"',
                Stop::End => false,
            };
            if ends {
                break;
            }
            match byte {
                b'\\' => self.escape(quoted, &mut plain, &mut parts),
                b'\'' if !quoted => {
                    flush(&mut plain, quoted, &mut parts);
                    parts.push(self.single_quotes(1)?);
                }
                b'"' if stop != Stop::End => {
                    flush(&mut plain, quoted, &mut parts);
                    self.double_quotes(&mut parts)?;
                }
                b'`' => {
                    flush(&mut plain, quoted, &mut parts);
                    parts.push(self.back_quotes(quoted)?);
                }
                b'$' => {
                    if let Some(part) = self.dollar(quoted)? {
                        flush(&mut plain, quoted, &mut parts);
                        parts.push(part);
                    } else {
                        plain.push('$');
                        self.at += 1;
                    }
                }
                b'<' | b'>' if stop == Stop::Word => {
                    // A process substitution: a file whose content is not followed.
                    self.at += 2;
                    self.list()?;
                    self.expect_sign(")")?;
                    parts.push(Part::Quoted("/dev/fd/63".into()));
                }
                b'(' if stop == Stop::Word => self.extended_pattern(&mut plain)?,
                _ => self.character(&mut plain),
            }
        }
        flush(&mut plain, quoted, &mut parts);
        Ok(parts)
    }

    fn character(&mut self, plain: &mut String) {
        match self.rest().chars().next() {
            Some(c) => {
                plain.push(c);
                self.at += c.len_utf8();
            }
            None => self.at = self.end,
        }
    }

    /// A backslash: it keeps its own character only where a double quote gives it no meaning.
    fn escape(&mut self, quoted: bool, plain: &mut String, parts: &mut Vec<Part>) {
        self.at += 1;
        let Some(next) = self.rest().chars().next() else {
            plain.push('\\');
            return;
        };
        self.at += next.len_utf8();
        if next == '\n' {
            return;
        }
        if quoted {
            if !matches!(next, '$' | '`' | '"' | '\\') {
                plain.push('\\');
            }
            plain.push(next);
        } else {
            flush(plain, quoted, parts);
            parts.push(Part::Quoted(Rc::from(&*next.encode_utf8(&mut [0; 4]))));
        }
    }

    fn single_quotes(&mut self, opener: usize) -> Parsed<Part> {
        self.at += opener;
        let Some(length) = self.rest().find('\'') else {
            return Err(self.error("a single quote is not closed".to_owned()));
        };
        let text = self.slice(self.at, self.at + length).into();
        self.at += length + 1;
        Ok(Part::Quoted(text))
    }

    fn double_quotes(&mut self, parts: &mut Vec<Part>) -> Parsed<()> {
        self.at += 1;
        let inner = self.deeper(|parser| parser.parts(Stop::Quote))?;
        if self.byte(0) != Some(b'"') {
            return Err(self.error("a double quote is not closed".to_owned()));
        }
        self.at += 1;
        if inner.is_empty() {
            parts.push(Part::Quoted("".into()));
        }
        parts.extend(inner);
        Ok(())
    }

    fn back_quotes(&mut self, quoted: bool) -> Parsed<Part> {
        let start = self.at + 1;
        let mut inner = String::new();
        let mut characters = self.slice(start, self.end).char_indices();
        while let Some((at, c)) = characters.next() {
            match c {
                '`' => {
                    self.at = start + at + 1;
                    let mut parser = Parser::new(&inner);
                    parser.depth = self.depth;
                    parser.fixed_at = Some(self.place(start));
                    let list = parser.list()?;
                    if parser.at < parser.end {
                        return Err(parser.error(format!("unexpected {}", parser.excerpt())));
                    }
                    return Ok(Part::Command {
                        list: Rc::new(list),
                        quoted,
                    });
                }
                '\\' => match characters.next() {
                    Some((_, next @ ('`' | '\\' | '$'))) => inner.push(next),
                    Some((_, next)) => inner.extend(['\\', next]),
                    None => {}
                },
                _ => inner.push(c),
            }
        }
        Err(self.error("a back quote is not closed".to_owned()))
    }

    /// What starts with `$`; `None` where the sign stands for itself.
    fn dollar(&mut self, quoted: bool) -> Parsed<Option<Part>> {
        match self.byte(1) {
            Some(b'(') => {
                if self.byte(2) == Some(b'(')
                    && let Some(end) = self.arithmetic_end(self.at + 3)
                {
                    let word = self.expression(self.at + 3, end)?;
                    self.at = end + 2;
                    return Ok(Some(Part::Arith(Box::new(word))));
                }
                self.at += 2;
                let list = self.list()?;
                self.expect_sign(")")?;
                Ok(Some(Part::Command {
                    list: Rc::new(list),
                    quoted,
                }))
            }
            Some(b'[') => {
                // The old form of `$(( ))`.
                let Some(length) = self.rest().find(']') else {
                    return Ok(None);
                };
                let word = self.expression(self.at + 2, self.at + length)?;
                self.at += length + 1;
                Ok(Some(Part::Arith(Box::new(word))))
            }
            Some(b'\'') if !quoted => self.single_quotes(2).map(Some),
            Some(b'"') if !quoted => {
                self.at += 1;
                let mut parts = Vec::new();
                self.double_quotes(&mut parts)?;
                match (parts.pop(), parts.is_empty()) {
                    (Some(part), true) => Ok(Some(part)),
                    _ => Err(self.error("a translated text with expansions is not followed".to_owned())),
                }
            }
            _ => self.parameter(quoted),
        }
    }

    /// The offset of the `))` that ends the arithmetic which starts at `from`.
    pub(super) fn arithmetic_end(&self, from: usize) -> Option<usize> {
        let mut open = 0_u32;
        let text = self.slice(from, self.end).as_bytes();
        for (at, byte) in text.iter().enumerate() {
            match byte {
                b'(' => open += 1,
                b')' if open > 0 => open -= 1,
                b')' => return (text.get(at + 1) == Some(&b')')).then_some(from + at),
                b'\'' | b'"' if open == 0 && at == 0 => return None,
                _ => {}
            }
        }
        None
    }

    /// `@(a|b)` and the like, taken as it stands.
    fn extended_pattern(&mut self, plain: &mut String) -> Parsed<()> {
        let mut open = 0_u32;
        while let Some(byte) = self.byte(0) {
            match byte {
                b'(' => open += 1,
                b')' => open -= 1,
                b'\n' => break,
                _ => {}
            }
            self.character(plain);
            if open == 0 {
                return Ok(());
            }
        }
        Err(self.error("a pattern is not closed".to_owned()))
    }
}

fn flush(plain: &mut String, quoted: bool, parts: &mut Vec<Part>) {
    if !plain.is_empty() {
        let text = plain.as_str().into();
        plain.clear();
        parts.push(if quoted {
            Part::Quoted(text)
        } else {
            Part::Literal(text)
        });
    }
}
