//! The nodes of a document as a serde data format, so that an object is decoded without a copy of its text. It
//! gives what `serde_json` would give for the document's value, error messages included.
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Error;

use super::source::Source;
use super::tree::{Entry, NodeId, Scalar, Shape, Tree};

/// A node of a plain document.
#[derive(Clone, Copy)]
pub(super) struct NodeReader<'de> {
    source: &'de Source,
    tree: &'de Tree,
    id: NodeId,
}

impl<'de> NodeReader<'de> {
    pub(super) const fn new(source: &'de Source, tree: &'de Tree, id: NodeId) -> Self {
        Self { source, tree, id }
    }

    const fn at(self, id: NodeId) -> Self {
        Self { id, ..self }
    }

    fn shape(self) -> Option<&'de Shape> {
        self.tree.resolved(self.id).map(|node| &node.shape)
    }

    fn is_null(self) -> bool {
        matches!(
            self.shape(),
            None | Some(Shape::Scalar {
                value: Scalar::Null,
                ..
            })
        )
    }
}

impl<'de> Deserializer<'de> for NodeReader<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.shape() {
            Some(Shape::Scalar { value, .. }) => match value {
                Scalar::Null => visitor.visit_unit(),
                Scalar::Bool(flag) => visitor.visit_bool(*flag),
                Scalar::Number(number) => number.deserialize_any(visitor),
                Scalar::Text(text) => visitor.visit_borrowed_str(text.get(self.source)),
            },
            Some(Shape::Sequence(items)) => visitor.visit_seq(Items {
                reader: self,
                rest: items.iter(),
            }),
            Some(Shape::Mapping(entries)) => visitor.visit_map(Entries {
                reader: self,
                rest: entries.iter(),
                value: None,
            }),
            // A plain tree has no alias.
            Some(Shape::Alias(_)) | None => visitor.visit_unit(),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.shape() {
            Some(Shape::Mapping(entries)) => {
                let entries = Entries {
                    reader: self,
                    rest: entries.iter(),
                    value: None,
                };
                MapAccessDeserializer::new(entries).deserialize_enum(name, variants, visitor)
            }
            Some(Shape::Scalar {
                value: Scalar::Text(text),
                ..
            }) => {
                let text: StrDeserializer<'_, Error> = text.get(self.source).into_deserializer();
                visitor.visit_enum(text)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    /// What nobody asks for is not looked into.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier
    }
}

struct Items<'de> {
    reader: NodeReader<'de>,
    rest: std::slice::Iter<'de, NodeId>,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let item = self.rest.next();
        item.map(|id| seed.deserialize(self.reader.at(*id))).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

struct Entries<'de> {
    reader: NodeReader<'de>,
    rest: std::slice::Iter<'de, Entry>,
    value: Option<NodeId>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some(entry) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some(entry.value);
        let key = entry.key.as_ref().map_or("", |key| key.get(self.reader.source));
        seed.deserialize(serde::de::value::BorrowedStrDeserializer::new(key))
            .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let id = self.value.take().unwrap_or(usize::MAX);
        seed.deserialize(self.reader.at(id))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}
