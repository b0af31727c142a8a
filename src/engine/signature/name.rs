//! The name of a signature: part of a label value, so it is short, plain and costs no allocation.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// What a signature's name begins with as a root cause.
pub const PREFIX: &str = "custom_";
/// Longest name, without the prefix, in bytes.
pub const LONGEST: usize = 40;

/// The name of a signature, kept with its prefix.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignatureName {
    bytes: [u8; PREFIX.len() + LONGEST],
    length: u8,
}

impl SignatureName {
    /// Reads a name as the policy writes it: small letters, digits and underscores, a letter first.
    ///
    /// # Errors
    /// Says what to write instead.
    pub fn parse(name: &str) -> Result<Self, String> {
        if let Some(rest) = name.strip_prefix(PREFIX) {
            return Err(format!(
                "{name} has the prefix {PREFIX}, which the label gets by itself: write {rest}"
            ));
        }
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let good = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.len() <= LONGEST
            && name.bytes().all(plain);
        if !good {
            return Err(format!(
                "{name:?} is no name of a cause: write 1 to {LONGEST} small letters, digits and underscores, a letter \
                 first, such as api_unreachable"
            ));
        }
        let mut bytes = [0; PREFIX.len() + LONGEST];
        let length = PREFIX.len() + name.len();
        bytes[..PREFIX.len()].copy_from_slice(PREFIX.as_bytes());
        bytes[PREFIX.len()..length].copy_from_slice(name.as_bytes());
        Ok(Self {
            bytes,
            // At most 47.
            length: u8::try_from(length).unwrap_or(u8::MAX),
        })
    }

    /// The value of the label `root_cause`: `custom_` and the name.
    #[must_use]
    pub const fn label(&self) -> &str {
        let (text, _) = self.bytes.split_at(self.length as usize);
        match std::str::from_utf8(text) {
            Ok(text) => text,
            // It was text when it was read.
            Err(_) => "",
        }
    }

    /// The name as the policy writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.label().strip_prefix(PREFIX).unwrap_or_default()
    }
}

impl fmt::Debug for SignatureName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl Serialize for SignatureName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for SignatureName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(feature = "cli")]
impl schemars::JsonSchema for SignatureName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SignatureName".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "minLength": 1, "maxLength": LONGEST})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_plain_word() {
        for good in ["a", "no_room", "api2", &"x".repeat(LONGEST)] {
            let name = SignatureName::parse(good).expect(good);
            assert_eq!(name.as_str(), good);
            assert_eq!(name.label(), format!("custom_{good}"));
        }
        for bad in [
            "",
            "2a",
            "_a",
            "A",
            "a-b",
            "a b",
            "\u{e9}",
            "a\"b",
            "custom_a",
            &"x".repeat(LONGEST + 1),
        ] {
            assert!(SignatureName::parse(bad).is_err(), "{bad}");
        }
    }
}
