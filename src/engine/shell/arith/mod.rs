//! `$(( ))`: 64-bit integers, names, assignments.

use super::value::Value;

/// How deep parentheses may nest.
const DEEPEST: u32 = 24;

/// Where names get their values and keep them.
pub(super) trait Names {
    fn get(&mut self, name: &str) -> Value;
    fn set(&mut self, name: &str, value: Value);
}

/// Evaluates an expression. `Err` says why there is no number.
pub(super) fn evaluate(text: &str, names: &mut dyn Names) -> Result<Value, String> {
    let mut reader = Reader {
        text,
        at: 0,
        names,
        marks: Value::default(),
        depth: 0,
        skip: 0,
    };
    reader.blanks();
    if reader.at >= text.len() {
        return Ok(Value::known("0"));
    }
    let number = reader.comma()?;
    reader.blanks();
    if reader.at < text.len() {
        return Err(format!("`{text}` is not an arithmetic expression"));
    }
    let mut value = Value::known(number.to_string());
    value.mark(&reader.marks);
    Ok(value)
}

struct Reader<'a, 'n> {
    text: &'a str,
    at: usize,
    names: &'n mut dyn Names,
    marks: Value,
    depth: u32,
    /// Above zero inside a branch that is not taken: nothing is assigned there.
    skip: u32,
}

/// Binary operators from the loosest to the tightest, without the assignments.
const LEVELS: [&[&str]; 10] = [
    &["||"],
    &["&&"],
    &["|"],
    &["^"],
    &["&"],
    &["==", "!="],
    &["<=", ">=", "<", ">"],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "%"],
];

impl<'a> Reader<'a, '_> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn take(&mut self, sign: &str) -> bool {
        self.blanks();
        let found = self.rest().starts_with(sign);
        if found {
            self.at += sign.len();
        }
        found
    }

    fn comma(&mut self) -> Result<i64, String> {
        let mut value = self.ternary()?;
        while self.take(",") {
            value = self.ternary()?;
        }
        Ok(value)
    }

    fn ternary(&mut self) -> Result<i64, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("the arithmetic is nested too deep".to_owned());
        }
        let result = self.ternary_inner();
        self.depth -= 1;
        result
    }

    fn ternary_inner(&mut self) -> Result<i64, String> {
        let condition = self.binary(0)?;
        if !self.take("?") {
            return Ok(condition);
        }
        let yes = self.unless(condition == 0, Self::ternary)?;
        if !self.take(":") {
            return Err("a `:` is missing in the arithmetic".to_owned());
        }
        let no = self.unless(condition != 0, Self::ternary)?;
        Ok(if condition != 0 { yes } else { no })
    }

    fn unless(
        &mut self,
        skip: bool,
        read: impl FnOnce(&mut Self) -> Result<i64, String>,
    ) -> Result<i64, String> {
        self.skip += u32::from(skip);
        let result = read(self);
        self.skip -= u32::from(skip);
        result
    }

    /// Operators of this level and tighter ones.
    fn binary(&mut self, least: usize) -> Result<i64, String> {
        let mut left = self.power()?;
        loop {
            self.blanks();
            let Some((level, operator)) = self.operator().filter(|(level, _)| *level >= least) else {
                return Ok(left);
            };
            self.at += operator.len();
            let decided = (operator == "&&" && left == 0) || (operator == "||" && left != 0);
            let right = self.unless(decided, |reader| reader.binary(level + 1))?;
            left = if decided {
                i64::from(left != 0)
            } else {
                apply(operator, left, right)?
            };
        }
    }

    /// The binary operator that stands here, with its level.
    fn operator(&self) -> Option<(usize, &'static str)> {
        if !self
            .rest()
            .starts_with(['|', '&', '^', '=', '!', '<', '>', '+', '-', '*', '/', '%'])
        {
            return None;
        }
        let mut levels = LEVELS.iter().enumerate();
        levels.find_map(|(level, signs)| {
            let sign = signs.iter().find(|sign| self.is_operator(sign))?;
            Some((level, *sign))
        })
    }

    /// `sign` stands here and is not the start of a longer operator.
    fn is_operator(&self, sign: &str) -> bool {
        let Some(after) = self.rest().strip_prefix(sign) else {
            return false;
        };
        let next = after.bytes().next();
        match sign {
            "|" | "&" => next != sign.bytes().next() && next != Some(b'='),
            "<" | ">" => next != sign.bytes().next(),
            "*" => next != Some(b'*') && next != Some(b'='),
            "+" | "-" | "/" | "%" | "^" | "<<" | ">>" => next != Some(b'='),
            _ => true,
        }
    }

    fn power(&mut self) -> Result<i64, String> {
        let base = self.unary()?;
        if !self.take("**") {
            return Ok(base);
        }
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("the arithmetic is nested too deep".to_owned());
        }
        let exponent = self.power()?;
        self.depth -= 1;
        let exponent = u32::try_from(exponent).map_err(|_| "a negative exponent".to_owned())?;
        Ok(base.saturating_pow(exponent))
    }

    fn unary(&mut self) -> Result<i64, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("the arithmetic is nested too deep".to_owned());
        }
        let result = self.unary_inner();
        self.depth -= 1;
        result
    }

    fn unary_inner(&mut self) -> Result<i64, String> {
        for (sign, step) in [("++", 1), ("--", -1)] {
            let start = self.at;
            if self.take(sign) {
                let name = self.name();
                if name.is_empty() {
                    // `--5` is a sign before a sign.
                    self.at = start;
                    break;
                }
                let value = self.read(name)?.wrapping_add(step);
                self.write(name, value);
                return Ok(value);
            }
        }
        if self.take("!") {
            return Ok(i64::from(self.unary()? == 0));
        }
        if self.take("~") {
            return Ok(!self.unary()?);
        }
        if self.take("-") {
            return Ok(self.unary()?.wrapping_neg());
        }
        if self.take("+") {
            return self.unary();
        }
        if self.take("(") {
            let value = self.comma()?;
            return if self.take(")") {
                Ok(value)
            } else {
                Err("a `)` is missing in the arithmetic".to_owned())
            };
        }
        self.blanks();
        if self.rest().starts_with(|c: char| c.is_ascii_digit()) {
            self.number()
        } else {
            self.variable()
        }
    }

    fn number(&mut self) -> Result<i64, String> {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '#'))
            .unwrap_or(rest.len());
        let digits = rest.get(..end).unwrap_or_default();
        let value = integer(digits).ok_or_else(|| format!("`{digits}` is not a number"))?;
        self.at += end;
        Ok(value)
    }

    fn name(&mut self) -> &'a str {
        self.blanks();
        let rest = self.rest();
        let start = usize::from(rest.starts_with('$'));
        let body = rest.get(start..).unwrap_or_default();
        let end = body
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(body.len());
        let name = body.get(..end).unwrap_or_default();
        self.at += start + end;
        name
    }

    fn variable(&mut self) -> Result<i64, String> {
        let name = self.name();
        if name.is_empty() {
            return Err(format!("`{}` is not an arithmetic expression", self.text));
        }
        for (sign, step) in [("++", 1), ("--", -1)] {
            if self.take(sign) {
                let value = self.read(name)?;
                self.write(name, value.wrapping_add(step));
                return Ok(value);
            }
        }
        self.blanks();
        if self.rest().starts_with('=') && !self.rest().starts_with("==") {
            self.at += 1;
            let value = self.ternary()?;
            self.write(name, value);
            return Ok(value);
        }
        for operator in ["+", "-", "*", "/", "%", "<<", ">>", "&", "|", "^"] {
            if self
                .rest()
                .strip_prefix(operator)
                .is_some_and(|after| after.starts_with('='))
            {
                self.at += operator.len() + 1;
                let left = self.read(name)?;
                let right = self.ternary()?;
                let value = apply(operator, left, right)?;
                self.write(name, value);
                return Ok(value);
            }
        }
        self.read(name)
    }

    fn read(&mut self, name: &str) -> Result<i64, String> {
        let value = self.names.get(name);
        if self.skip == 0 {
            self.marks.mark(&value);
        }
        if let Some(why) = value.unknown {
            return if self.skip > 0 {
                Ok(0)
            } else {
                Err(why.to_string())
            };
        }
        if value.text.trim().is_empty() {
            return Ok(0);
        }
        integer(value.text.trim()).ok_or_else(|| format!("`${name}` is not a number: `{}`", value.text))
    }

    fn write(&mut self, name: &str, value: i64) {
        if self.skip == 0 {
            let mut text = Value::known(value.to_string());
            text.mark(&self.marks);
            self.names.set(name, text);
        }
    }
}

/// Decimal, hexadecimal, octal, `base#digits`.
pub(super) fn integer(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let value = if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        i64::from_str_radix(hex, 16).ok()?
    } else if let Some((base, digits)) = digits.split_once('#') {
        let base = base.parse().ok().filter(|base| (2..=36).contains(base))?;
        i64::from_str_radix(digits, base).ok()?
    } else if digits.len() > 1 && digits.starts_with('0') {
        i64::from_str_radix(digits, 8).ok()?
    } else {
        digits.parse().ok()?
    };
    value.checked_mul(sign)
}

fn apply(operator: &str, left: i64, right: i64) -> Result<i64, String> {
    let shift = u32::try_from(right & 63).unwrap_or(0);
    Ok(match operator {
        "||" => i64::from(left != 0 || right != 0),
        "&&" => i64::from(left != 0 && right != 0),
        "|" => left | right,
        "^" => left ^ right,
        "&" => left & right,
        "==" => i64::from(left == right),
        "!=" => i64::from(left != right),
        "<=" => i64::from(left <= right),
        ">=" => i64::from(left >= right),
        "<" => i64::from(left < right),
        ">" => i64::from(left > right),
        "<<" => left.wrapping_shl(shift),
        ">>" => left.wrapping_shr(shift),
        "+" => left.wrapping_add(right),
        "-" => left.wrapping_sub(right),
        "*" => left.wrapping_mul(right),
        "/" => left.checked_div(right).ok_or("a division by zero")?,
        _ => left.checked_rem(right).ok_or("a division by zero")?,
    })
}

#[cfg(test)]
mod tests;
