//! The grammar of JSON (RFC 8259), byte by byte and, inside strings, eight bytes at a time.

use serde::de::{Error as _, Visitor};

use super::{Error, Reader};

impl<'de> Reader<'de> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is no space; it stays.
    pub(super) fn peek(&mut self) -> Result<u8, Error> {
        self.space();
        self.byte()
            .ok_or_else(|| Error::custom("the text ends too early"))
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.byte() {
            self.at += 1;
        }
    }

    /// Nothing but space is left.
    pub(super) fn end(&mut self) -> Result<(), Error> {
        self.space();
        match self.byte() {
            None => Ok(()),
            Some(_) => Err(Error::custom("more text behind the value")),
        }
    }

    pub(super) fn take(&mut self, byte: u8) -> Result<(), Error> {
        if self.peek()? != byte {
            return Err(Error::custom(format_args!("expected `{}`", char::from(byte))));
        }
        self.at += 1;
        Ok(())
    }

    pub(super) fn word(&mut self, word: &str) -> Result<(), Error> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        if !rest.starts_with(word.as_bytes()) {
            return Err(Error::custom("expected a value"));
        }
        self.at += word.len();
        Ok(())
    }

    /// From an opening quote past the closing one: what stands between, and whether anything in it is escaped.
    pub(super) fn string(&mut self) -> Result<(&'de str, bool), Error> {
        let begun = self.at + 1;
        let mut end = begun;
        let mut escaped = false;
        let bytes = self.text.as_bytes();
        loop {
            end += plain(bytes.get(end..).unwrap_or_default());
            match bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    end += escape(bytes.get(end + 1..).unwrap_or_default())?;
                }
                Some(_) => return Err(Error::custom("a control character in a string")),
                None => return Err(Error::custom("a string without an end")),
            }
        }
        let inside = self.text.get(begun..end).unwrap_or_default();
        self.at = end + 1;
        Ok((inside, escaped))
    }

    pub(super) fn number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        let (text, whole) = self.digits()?;
        if whole && text != "-0" {
            if let Ok(number) = text.parse::<u64>() {
                return visitor.visit_u64(number);
            }
            if let Ok(number) = text.parse::<i64>() {
                return visitor.visit_i64(number);
            }
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => visitor.visit_f64(number),
            _ => Err(Error::custom("the number is out of range")),
        }
    }

    /// A number, and whether it is written without a fraction and an exponent.
    fn digits(&mut self) -> Result<(&'de str, bool), Error> {
        let begun = self.at;
        let bytes = self.text.as_bytes();
        let run = |from: usize| {
            let rest = bytes.get(from..).unwrap_or_default();
            rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
        };
        let mut end = begun + usize::from(bytes.get(begun) == Some(&b'-'));
        let first = bytes.get(end);
        let length = run(end);
        match (length, first) {
            (0, _) => return Err(Error::custom("expected a value")),
            (2.., Some(b'0')) => return Err(Error::custom("a number begins with 0")),
            _ => end += length,
        }
        let mut whole = true;
        if bytes.get(end) == Some(&b'.') {
            whole = false;
            let length = run(end + 1);
            if length == 0 {
                return Err(Error::custom("no digit behind the point"));
            }
            end += 1 + length;
        }
        if let Some(b'e' | b'E') = bytes.get(end) {
            whole = false;
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let length = run(end + 1 + sign);
            if length == 0 {
                return Err(Error::custom("no digit in the exponent"));
            }
            end += 1 + sign + length;
        }
        self.at = end;
        Ok((self.text.get(begun..end).unwrap_or_default(), whole))
    }

    /// Passes over a value, however deep it is.
    pub(super) fn pass(&mut self) -> Result<(), Error> {
        let mut open = Open::default();
        loop {
            match self.peek()? {
                b'"' => self.string().map(|_| ())?,
                b'{' => {
                    self.at += 1;
                    if self.peek()? != b'}' {
                        open.push(true);
                        self.pass_key()?;
                        continue;
                    }
                    self.at += 1;
                }
                b'[' => {
                    self.at += 1;
                    if self.peek()? != b']' {
                        open.push(false);
                        continue;
                    }
                    self.at += 1;
                }
                b't' => self.word("true")?,
                b'f' => self.word("false")?,
                b'n' => self.word("null")?,
                _ => self.digits().map(|_| ())?,
            }
            // Behind a value: out of all that ends here, and on to the next one.
            loop {
                let Some(object) = open.last() else {
                    return Ok(());
                };
                let byte = self.peek()?;
                self.at += 1;
                match (byte, object) {
                    (b',', true) => {
                        self.pass_key()?;
                        break;
                    }
                    (b',', false) => break,
                    (b'}', true) | (b']', false) => open.pop(),
                    _ => return Err(Error::custom("expected `,` or the closing bracket")),
                }
            }
        }
    }

    fn pass_key(&mut self) -> Result<(), Error> {
        if self.peek()? != b'"' {
            return Err(Error::custom("expected the name of a field"));
        }
        self.string()?;
        self.take(b':')
    }
}

/// The brackets that are open, an object as 1 and an array as 0, the innermost in the lowest bit.
#[derive(Default)]
struct Open {
    inner: u64,
    depth: usize,
    /// Sixty-four levels each, of what is deeper than that.
    outer: Vec<u64>,
}

impl Open {
    fn push(&mut self, object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.outer.push(self.inner);
        }
        self.inner = self.inner << 1 | u64::from(object);
        self.depth += 1;
    }

    fn last(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.inner & 1 == 1)
    }

    fn pop(&mut self) {
        self.depth -= 1;
        self.inner >>= 1;
        if self.depth > 0
            && self.depth.is_multiple_of(64)
            && let Some(inner) = self.outer.pop()
        {
            self.inner = inner;
        }
    }
}

/// How many bytes stand before the next quote, backslash or control character.
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    // The lowest marked byte is one that is wanted; above it there may be false marks.
    let below = |word: u64, bound: u8| word.wrapping_sub(ONES * u64::from(bound)) & !word & HIGH;
    let equal = |word: u64, byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    let (words, rest) = bytes.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let marks = below(word, 0x20) | equal(word, b'"') | equal(word, b'\\');
        if marks != 0 {
            return number * 8 + marks.trailing_zeros() as usize / 8;
        }
    }
    let special = |byte: &u8| matches!(byte, 0..0x20 | b'"' | b'\\');
    let rest = rest.iter().position(special).unwrap_or(rest.len());
    words.len() * 8 + rest
}

/// The length of an escape, its backslash included.
fn escape(behind: &[u8]) -> Result<usize, Error> {
    match behind.first() {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(2),
        Some(b'u') if code_unit(behind).is_some() => Ok(6),
        _ => Err(Error::custom("no such escape")),
    }
}

/// The code unit of `uXXXX`.
fn code_unit(text: &[u8]) -> Option<u16> {
    let digits = text.get(1..5)?;
    digits.iter().try_fold(0, |unit: u16, digit| {
        let value = char::from(*digit).to_digit(16)?;
        Some(unit << 4 | u16::try_from(value).ok()?)
    })
}

/// The text of a string whose escapes are well formed.
pub(super) fn unescaped(inside: &str) -> Result<String, Error> {
    let mut text = String::with_capacity(inside.len());
    let mut rest = inside;
    // Inside a string only escapes stop a plain run.
    loop {
        let (before, behind) = rest
            .split_at_checked(plain(rest.as_bytes()))
            .unwrap_or((rest, ""));
        text.push_str(before);
        let Some(behind) = behind.get(1..) else {
            return Ok(text);
        };
        let mut length = 1;
        text.push(match behind.as_bytes().first() {
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let (c, taken) =
                    character(behind).ok_or_else(|| Error::custom("half of a surrogate pair"))?;
                length = taken;
                c
            }
            Some(byte) => char::from(*byte),
            None => return Err(Error::custom("no such escape")),
        });
        rest = behind.get(length..).unwrap_or_default();
    }
}

/// The character of `uXXXX`, or of `uXXXX\uXXXX` where it takes two units, and the length of that.
fn character(text: &str) -> Option<(char, usize)> {
    let first = code_unit(text.as_bytes())?;
    if let Some(c) = char::from_u32(u32::from(first)) {
        return Some((c, 5));
    }
    let second = text.get(5..)?.strip_prefix('\\')?;
    let second = second.starts_with('u').then(|| code_unit(second.as_bytes()))??;
    let c = char::decode_utf16([first, second]).next()?.ok()?;
    Some((c, 11))
}
