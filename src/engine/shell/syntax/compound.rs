//! Groups, loops, conditions, `case`, `[[ ]]` and `(( ))`.

use super::ast::{CaseArm, Kind, Word};
use super::cursor::{Parsed, Parser};

impl Parser<'_> {
    /// The compound command that starts here, if one does.
    pub(super) fn compound(&mut self) -> Parsed<Option<Kind>> {
        if self.byte(0) == Some(b'(') {
            return self.parenthesis().map(Some);
        }
        let Some(word) = self.keyword() else {
            return Ok(None);
        };
        let kind = match word {
            "{" => {
                self.at += 1;
                let list = self.list()?;
                self.expect_keyword("}")?;
                Kind::Group(list)
            }
            "if" => self.condition()?,
            "while" | "until" => {
                self.at += word.len();
                let condition = self.list()?;
                let body = self.do_group()?;
                Kind::Loop {
                    until: word == "until",
                    condition,
                    body,
                }
            }
            "for" => self.for_loop()?,
            "case" => self.case()?,
            "[[" => self.double_bracket()?,
            "function" => {
                let at = self.place(self.at);
                self.at += word.len();
                self.skip_blanks();
                let name = self.word()?.bare().unwrap_or_default().to_owned();
                self.skip_blanks();
                if self.byte(0) == Some(b'(') {
                    self.at += 1;
                    self.skip_blanks();
                    self.expect_sign(")")?;
                }
                self.function_body(at, name)?.kind
            }
            "select" | "coproc" => return Err(self.error(format!("`{word}` is not followed"))),
            _ => return Ok(None),
        };
        Ok(Some(kind))
    }

    fn parenthesis(&mut self) -> Parsed<Kind> {
        if self.looking_at("((")
            && let Some(end) = self.arithmetic_end(self.at + 2)
        {
            let word = self.expression(self.at + 2, end)?;
            self.at = end + 2;
            return Ok(Kind::Arith(word));
        }
        self.at += 1;
        let list = self.list()?;
        self.expect_sign(")")?;
        Ok(Kind::Subshell(list))
    }

    fn condition(&mut self) -> Parsed<Kind> {
        let mut arms = Vec::new();
        let mut opener = "if";
        loop {
            self.at += opener.len();
            let condition = self.list()?;
            self.expect_keyword("then")?;
            arms.push((condition, self.list()?));
            self.skip_lines();
            match self.keyword() {
                Some("elif") => opener = "elif",
                Some("else") => {
                    self.at += 4;
                    let otherwise = Some(self.list()?);
                    self.expect_keyword("fi")?;
                    return Ok(Kind::If { arms, otherwise });
                }
                _ => {
                    self.expect_keyword("fi")?;
                    return Ok(Kind::If {
                        arms,
                        otherwise: None,
                    });
                }
            }
        }
    }

    fn do_group(&mut self) -> Parsed<super::List> {
        self.expect_keyword("do")?;
        let body = self.list()?;
        self.expect_keyword("done")?;
        Ok(body)
    }

    fn for_loop(&mut self) -> Parsed<Kind> {
        self.at += 3;
        self.skip_blanks();
        if self.looking_at("((") {
            return self.for_arithmetic();
        }
        let name = self.word()?.bare().unwrap_or_default().to_owned();
        if name.is_empty() {
            return Err(self.error("`for` has no name".to_owned()));
        }
        self.skip_lines();
        let mut words = None;
        if self.keyword() == Some("in") {
            self.at += 2;
            words = Some(self.words_to_end_of_line()?);
        }
        self.skip_blanks();
        if self.byte(0) == Some(b';') {
            self.at += 1;
        }
        let body = self.do_group()?;
        Ok(Kind::For { name, words, body })
    }

    fn words_to_end_of_line(&mut self) -> Parsed<Vec<Word>> {
        let mut words = Vec::new();
        loop {
            self.skip_blanks();
            match self.byte(0) {
                None | Some(b'\n' | b';') => return Ok(words),
                Some(b'(' | b')' | b'&' | b'|' | b'<' | b'>') => {
                    return Err(self.error(format!("unexpected {} in a list", self.excerpt())));
                }
                Some(_) => words.push(self.word()?),
            }
        }
    }

    fn for_arithmetic(&mut self) -> Parsed<Kind> {
        let start = self.at + 2;
        let Some(end) = self.arithmetic_end(start) else {
            return Err(self.error("`))` of a `for` is missing".to_owned()));
        };
        let mut cuts = self
            .slice(start, end)
            .match_indices(';')
            .map(|(at, _)| start + at);
        let (Some(first), Some(second), None) = (cuts.next(), cuts.next(), cuts.next()) else {
            return Err(self.error("a `for ((` needs two semicolons".to_owned()));
        };
        let parts = Box::new([
            self.expression(start, first)?,
            self.expression(first + 1, second)?,
            self.expression(second + 1, end)?,
        ]);
        self.at = end + 2;
        self.skip_blanks();
        if self.byte(0) == Some(b';') {
            self.at += 1;
        }
        self.skip_lines();
        if self.keyword() == Some("{") {
            self.at += 1;
            let body = self.list()?;
            self.expect_keyword("}")?;
            return Ok(Kind::ForArith { parts, body });
        }
        let body = self.do_group()?;
        Ok(Kind::ForArith { parts, body })
    }

    fn case(&mut self) -> Parsed<Kind> {
        self.at += 4;
        self.skip_blanks();
        let subject = self.word()?;
        self.expect_keyword("in")?;
        let mut arms = Vec::new();
        loop {
            self.skip_lines();
            if self.keyword() == Some("esac") {
                self.at += 4;
                return Ok(Kind::Case { subject, arms });
            }
            if self.byte(0) == Some(b'(') {
                self.at += 1;
            }
            let mut patterns = Vec::new();
            loop {
                self.skip_blanks();
                let pattern = self.word()?;
                if pattern.parts.is_empty() {
                    return Err(self.error(format!("a pattern is missing before {}", self.excerpt())));
                }
                patterns.push(pattern);
                self.skip_blanks();
                if self.byte(0) != Some(b'|') {
                    break;
                }
                self.at += 1;
            }
            self.expect_sign(")")?;
            let body = self.list()?;
            arms.push(CaseArm { patterns, body });
            self.skip_lines();
            match (self.byte(0), self.byte(1), self.byte(2)) {
                (Some(b';'), Some(b';'), Some(b'&')) => self.at += 3,
                (Some(b';'), Some(b';' | b'&'), _) => self.at += 2,
                _ => {
                    self.expect_keyword("esac")?;
                    return Ok(Kind::Case { subject, arms });
                }
            }
        }
    }

    /// The words of `[[ ]]`; its operators become words too.
    fn double_bracket(&mut self) -> Parsed<Kind> {
        self.at += 2;
        let mut words: Vec<Word> = Vec::new();
        loop {
            self.skip_lines();
            if self.keyword() == Some("]]") {
                self.at += 2;
                return Ok(Kind::Test(words));
            }
            let at = self.at;
            let operator = ["&&", "||", "(", ")", "<", ">"]
                .into_iter()
                .find(|sign| self.looking_at(sign));
            if words.last().and_then(Word::bare) == Some("=~") {
                words.push(self.regular_expression());
            } else if let Some(operator) = operator {
                self.at += operator.len();
                words.push(Word {
                    at: self.place(at),
                    parts: vec![super::Part::Literal(operator.into())],
                });
            } else {
                words.push(self.word()?);
            }
            if self.at == at {
                return Err(self.error(format!("`]]` is missing before {}", self.excerpt())));
            }
        }
    }

    fn regular_expression(&mut self) -> Word {
        let rest = self.rest();
        let length = rest.find([' ', '\t', '\n']).unwrap_or(rest.len());
        let at = self.at;
        self.at += length;
        let text = rest.get(..length).unwrap_or_default();
        Word {
            at: self.place(at),
            parts: vec![super::Part::Quoted(text.into())],
        }
    }
}
