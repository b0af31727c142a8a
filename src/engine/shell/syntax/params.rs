//! `$NAME` and `${...}`.

use super::ast::{Param, ParamOp, Part, Word};
use super::cursor::{Parsed, Parser};
use super::words::Stop;

impl Parser<'_> {
    pub(super) fn parameter(&mut self, quoted: bool) -> Parsed<Option<Part>> {
        let after = self.slice(self.at + 1, self.end);
        if after.starts_with('{') {
            self.at += 2;
            let param = Box::new(self.deeper(Self::braced)?);
            return Ok(Some(Part::Param { param, quoted }));
        }
        let name = name_of(after);
        if name.is_empty() {
            return Ok(None);
        }
        self.at += 1 + name.len();
        let param = Param {
            name: name.to_owned(),
            op: ParamOp::Plain,
        };
        Ok(Some(Part::Param {
            param: Box::new(param),
            quoted,
        }))
    }

    /// After `${`.
    fn braced(&mut self) -> Parsed<Param> {
        let length = self.byte(0) == Some(b'#') && self.byte(1) != Some(b'}');
        let indirect = self.byte(0) == Some(b'!');
        if length || indirect {
            self.at += 1;
        }
        let name = long_name_of(self.rest()).to_owned();
        self.at += name.len();
        if name.is_empty() {
            return Err(self.error(format!("an expansion has no name before {}", self.excerpt())));
        }
        let element = self.byte(0) == Some(b'[');
        let op = self.operation()?;
        self.expect_sign("}")?;
        let op = match op {
            _ if indirect || element => ParamOp::Other,
            ParamOp::Plain if length => ParamOp::Length,
            op => op,
        };
        Ok(Param { name, op })
    }

    fn operation(&mut self) -> Parsed<ParamOp> {
        let colon = self.byte(0) == Some(b':');
        let sign = self.byte(usize::from(colon));
        let twice = sign.is_some() && self.byte(1) == sign;
        let skip = match sign {
            Some(b'-' | b'=' | b'?' | b'+') => 1 + usize::from(colon),
            Some(b'%' | b'#') if !colon => 1 + usize::from(twice),
            _ => 0,
        };
        self.at += skip;
        let at = self.place(self.at);
        let word = Word {
            at,
            parts: self.parts(Stop::Brace)?,
        };
        Ok(match sign {
            Some(b'-') => ParamOp::Default { colon, word },
            Some(b'=') => ParamOp::Assign { colon, word },
            Some(b'?') => ParamOp::Demand { colon },
            Some(b'+') => ParamOp::Alternative { colon, word },
            Some(b'%') if !colon => ParamOp::TrimSuffix {
                longest: twice,
                pattern: word,
            },
            Some(b'#') if !colon => ParamOp::TrimPrefix {
                longest: twice,
                pattern: word,
            },
            Some(b'}') if !colon => ParamOp::Plain,
            _ => ParamOp::Other,
        })
    }
}

/// The name after a `$` without braces.
fn name_of(text: &str) -> &str {
    match text.as_bytes().first() {
        Some(b'?' | b'#' | b'@' | b'*' | b'!' | b'$' | b'-' | b'0'..=b'9') => {
            text.get(..1).unwrap_or_default()
        }
        _ => identifier(text),
    }
}

fn long_name_of(text: &str) -> &str {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if digits > 0 {
        text.get(..digits).unwrap_or_default()
    } else {
        name_of(text)
    }
}

fn identifier(text: &str) -> &str {
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}
