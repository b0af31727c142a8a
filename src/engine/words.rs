//! Texts that are written one behind the other: all texts about a Job are one allocation, whatever their number.

use std::cell::Cell;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// Bytes of the texts of a usual denial.
const USUAL: usize = 2_048;

/// A text, or a part of one that others share.
#[derive(Clone, Default)]
pub struct Words {
    all: Option<Arc<String>>,
    begin: usize,
    end: usize,
}

impl Words {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let all = self.all.as_ref().and_then(|all| all.get(self.begin..self.end));
        all.unwrap_or_default()
    }

    /// True where something was written, even if it cannot be read yet.
    pub(super) const fn is_written(&self) -> bool {
        self.end > self.begin
    }
}

impl Deref for Words {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Words {
    fn as_ref(&self) -> &str {
        self
    }
}

impl From<String> for Words {
    fn from(text: String) -> Self {
        Self {
            begin: 0,
            end: text.len(),
            all: (!text.is_empty()).then(|| Arc::new(text)),
        }
    }
}

impl From<&str> for Words {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<Words> for String {
    fn from(words: Words) -> Self {
        words.as_str().to_owned()
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq for Words {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Words {}

impl PartialEq<str> for Words {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Words {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl Serialize for Words {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

/// Where the texts about one Job are written. They can be read when all of them are.
#[derive(Default)]
pub struct Page(Cell<String>);

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page").finish_non_exhaustive()
    }
}

impl Page {
    /// Writes a text: into what it is handed, or as what it returns.
    pub(super) fn write<S: Said>(&self, text: impl FnOnce(&mut String) -> S) -> Words {
        let mut all = self.0.take();
        if all.capacity() == 0 {
            all.reserve(USUAL);
        }
        let begin = all.len();
        text(&mut all).add_to(&mut all);
        let end = all.len();
        self.0.set(all);
        Words {
            all: None,
            begin,
            end,
        }
    }

    /// Nothing is written any more; the words are given the text that they are of.
    pub(super) fn finish<'w>(self, words: impl Iterator<Item = &'w mut Words>) {
        let all = self.0.into_inner();
        if all.is_empty() {
            return;
        }
        let all = Arc::new(all);
        for words in words.filter(|words| words.all.is_none() && words.is_written()) {
            words.all = Some(Arc::clone(&all));
        }
    }
}

/// What a text comes to, beside what it has written already.
pub(super) trait Said {
    /// Adds the rest.
    fn add_to(self, text: &mut String);
}

impl Said for fmt::Result {
    fn add_to(self, _: &mut String) {}
}

impl Said for &str {
    fn add_to(self, text: &mut String) {
        text.push_str(self);
    }
}

impl Said for String {
    fn add_to(self, text: &mut String) {
        text.push_str(&self);
    }
}

impl<S: Said> Said for Option<S> {
    fn add_to(self, text: &mut String) {
        if let Some(said) = self {
            said.add_to(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn texts_are_parts_of_one() {
        let page = Page::default();
        let mut words = [
            page.write(|text| write!(text, "{} and {}", 1, 2)),
            page.write(|_| "three".to_owned()),
            page.write(|_| None::<String>),
            Words::from("by itself"),
        ];
        page.finish(words.iter_mut());
        assert_eq!(
            words.each_ref().map(Words::as_str),
            ["1 and 2", "three", "", "by itself"]
        );
        assert!(words[0] == "1 and 2" && words[2].is_empty());
    }
}
