//! JSON read once, where it lies: what a review costs is mostly the reading of its text.
//!
//! It takes and refuses what `serde_json` does, and gives the same values. What differs is the work: a string
//! without escapes is borrowed, one with escapes is one allocation of its own length, what nobody asks for is
//! passed over without any, and [`Whole`] gives an object's text beside what was read out of it, in one walk.

mod scan;
#[cfg(test)]
mod tests;
mod whole;

use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;

pub use whole::{Raw, Whole};

/// Levels of nesting of what is read; what is passed over may be deeper (as `serde_json`).
const DEEPEST: usize = 128;

/// Reads a value out of a whole text.
///
/// # Errors
/// What is wrong with the text, and at which byte.
pub fn read<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, Error> {
    read_by(text, std::marker::PhantomData)
}

/// As [`read`], by somebody who knows more than the type says.
///
/// # Errors
/// As [`read`].
pub fn read_by<'de, S: DeserializeSeed<'de>>(text: &'de str, seed: S) -> Result<S::Value, Error> {
    let mut reader = Reader {
        text,
        at: 0,
        depth: 0,
    };
    let value = seed.deserialize(&mut reader);
    let value = value.and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| error.at(reader.at))
}

/// Why a text cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    what: Box<str>,
    byte: Option<usize>,
}

impl Error {
    fn at(mut self, byte: usize) -> Self {
        self.byte.get_or_insert(byte);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match self.byte {
            Some(byte) => write!(f, " at byte {byte}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(what: T) -> Self {
        Self {
            what: what.to_string().into(),
            byte: None,
        }
    }
}

/// A text and how far it is read.
struct Reader<'de> {
    text: &'de str,
    at: usize,
    depth: usize,
}

impl<'de> Reader<'de> {
    fn list<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        self.enter()?;
        let mut items = Items {
            reader: self,
            first: true,
        };
        let value = visitor.visit_seq(&mut items)?;
        if items.more(b']')? {
            return Err(Error::custom("the array has more items than are wanted"));
        }
        self.leave();
        Ok(value)
    }

    fn object<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        self.enter()?;
        let mut items = Items {
            reader: self,
            first: true,
        };
        let value = visitor.visit_map(&mut items)?;
        if items.more(b'}')? {
            return Err(Error::custom("the object has more fields than are wanted"));
        }
        self.leave();
        Ok(value)
    }

    /// Past the opening bracket.
    fn enter(&mut self) -> Result<(), Error> {
        self.at += 1;
        self.depth += 1;
        if self.depth == DEEPEST {
            return Err(Error::custom("nested too deep"));
        }
        Ok(())
    }

    /// Past the closing bracket.
    fn leave(&mut self) {
        self.at += 1;
        self.depth -= 1;
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.peek()? {
            b'"' => self.deserialize_str(visitor),
            b'{' => self.object(visitor),
            b'[' => self.list(visitor),
            b't' => self.word("true").and_then(|()| visitor.visit_bool(true)),
            b'f' => self.word("false").and_then(|()| visitor.visit_bool(false)),
            b'n' => self.word("null").and_then(|()| visitor.visit_unit()),
            _ => self.number(visitor),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.peek()? != b'"' {
            return self.deserialize_any(visitor);
        }
        let (inside, escaped) = self.string()?;
        if escaped {
            visitor.visit_string(scan::unescaped(inside)?)
        } else {
            visitor.visit_borrowed_str(inside)
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.peek()? == b'n' {
            self.word("null")?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == whole::TOKEN {
            return visitor.visit_seq(whole::Twice::of(self)?);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if self.peek()? != b'"' {
            return Err(Error::custom("expected the name of a variant"));
        }
        let (inside, escaped) = self.string()?;
        if escaped {
            visitor.visit_enum(scan::unescaped(inside)?.into_deserializer())
        } else {
            visitor.visit_enum(inside.into_deserializer())
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.pass()?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct
    }
}

/// What stands between two brackets.
struct Items<'r, 'de> {
    reader: &'r mut Reader<'de>,
    first: bool,
}

impl Items<'_, '_> {
    /// True before another item; the closing bracket stays.
    fn more(&mut self, closing: u8) -> Result<bool, Error> {
        let next = self.reader.peek()?;
        if next == closing {
            return Ok(false);
        }
        if !std::mem::take(&mut self.first) {
            self.reader.take(b',')?;
            if self.reader.peek()? == closing {
                return Err(Error::custom("a comma before the closing bracket"));
            }
        }
        Ok(true)
    }
}

impl<'de> SeqAccess<'de> for &mut Items<'_, 'de> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        if !self.more(b']')? {
            return Ok(None);
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }
}

impl<'de> MapAccess<'de> for &mut Items<'_, 'de> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        if !self.more(b'}')? {
            return Ok(None);
        }
        if self.reader.peek()? != b'"' {
            return Err(Error::custom("expected the name of a field"));
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        self.reader.take(b':')?;
        seed.deserialize(&mut *self.reader)
    }
}
