//! The text of a value, alone or beside what is read out of it.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor};

use super::{Error, Reader};

/// The name by which a [`Reader`] is asked for a text; others do not know it.
pub(super) const TOKEN: &str = "hookbudget: the value and its text";

/// The text of a value that is read later or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw<'a>(pub &'a str);

/// A value and its text, of one walk over it. A value that cannot be read does not cost its surroundings anything.
#[derive(Debug)]
pub struct Whole<'a, T> {
    /// The text.
    pub text: &'a str,
    /// The value, or why there is none.
    pub value: Result<T, String>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let whole = Whole::<IgnoredAny>::deserialize(deserializer)?;
        match whole.value {
            Ok(_) => Ok(Self(whole.text)),
            Err(why) => Err(D::Error::custom(why)),
        }
    }
}

impl<'de: 'a, 'a, T: Deserialize<'de>> Deserialize<'de> for Whole<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Both<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Both<T> {
            type Value = Whole<'de, T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value with its text, which only this crate's reader of JSON gives")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut both: A) -> Result<Self::Value, A::Error> {
                let value = match both.next_element::<T>() {
                    Ok(Some(value)) => Ok(value),
                    Ok(None) => return Err(A::Error::invalid_length(0, &self)),
                    Err(error) => Err(error.to_string()),
                };
                let text = both.next_element::<&'de str>()?;
                let text = text.ok_or_else(|| A::Error::invalid_length(1, &self))?;
                Ok(Whole { text, value })
            }
        }
        let whole = deserializer.deserialize_newtype_struct(TOKEN, Both(PhantomData))?;
        Ok(Self {
            text: whole.text,
            value: whole.value,
        })
    }
}

/// Gives a value, and then its text.
pub(super) struct Twice<'r, 'de> {
    reader: &'r mut Reader<'de>,
    begun: usize,
    depth: usize,
    is_read: bool,
}

impl<'r, 'de> Twice<'r, 'de> {
    pub(super) fn of(reader: &'r mut Reader<'de>) -> Result<Self, Error> {
        reader.peek()?;
        Ok(Self {
            begun: reader.at,
            depth: reader.depth,
            reader,
            is_read: false,
        })
    }
}

impl<'de> SeqAccess<'de> for Twice<'_, 'de> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        if self.reader.at == self.begun && !self.is_read {
            let value = seed.deserialize(&mut *self.reader);
            self.is_read = value.is_ok();
            return value
                .map(Some)
                .map_err(|error| error.at(self.reader.at - self.begun));
        }
        if !self.is_read {
            self.reader.at = self.begun;
            self.reader.depth = self.depth;
            self.reader.pass()?;
        }
        let text = self.reader.text.get(self.begun..self.reader.at);
        let text: BorrowedStrDeserializer<'de, Error> =
            BorrowedStrDeserializer::new(text.unwrap_or_default());
        seed.deserialize(text).map(Some)
    }
}
