//! A text that is copied when it is changed and not before.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::rc::Rc;

/// The words of a script and the values of variables are handed on in every round of a loop: shared until
/// somebody adds to them.
#[derive(Clone, Default)]
pub(super) struct Text {
    /// The text, where it is shared.
    shared: Option<Rc<str>>,
    /// Else.
    own: String,
}

impl Text {
    pub(super) fn as_str(&self) -> &str {
        self
    }

    /// Makes copies of it cheap from here on.
    pub(super) fn share(&mut self) {
        if !self.own.is_empty() {
            self.shared = Some(std::mem::take(&mut self.own).into());
        }
    }

    /// The text as one that nobody else looks at, with room for more.
    fn own(&mut self, more: usize) -> &mut String {
        if let Some(text) = self.shared.take() {
            self.own.reserve(text.len() + more);
            self.own.push_str(&text);
        }
        &mut self.own
    }

    pub(super) fn push(&mut self, c: char) {
        self.own(c.len_utf8()).push(c);
    }

    pub(super) fn push_str(&mut self, more: &str) {
        if !more.is_empty() {
            self.own(more.len()).push_str(more);
        }
    }

    pub(super) fn truncate(&mut self, length: usize) {
        if length < self.len() {
            self.own(0).truncate(length);
        }
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.shared.as_deref().unwrap_or(&self.own)
    }
}

impl From<String> for Text {
    fn from(own: String) -> Self {
        Self { shared: None, own }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        let shared = (!text.is_empty()).then(|| text.into());
        Self {
            shared,
            ..Self::default()
        }
    }
}

impl From<&Rc<str>> for Text {
    fn from(text: &Rc<str>) -> Self {
        Self {
            shared: Some(Rc::clone(text)),
            ..Self::default()
        }
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Eq for Text {}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        match (&self.shared, &other.shared) {
            (Some(a), Some(b)) if Rc::ptr_eq(a, b) => true,
            _ => self.as_str() == other.as_str(),
        }
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_does_not_see_what_is_added() {
        let mut first = Text::from("wait");
        let second = first.clone();
        first.push_str("ing");
        first.push('!');
        assert_eq!((&*first, &*second), ("waiting!", "wait"));
        first.truncate(4);
        assert_eq!(first, second);
        first.share();
        assert_eq!(first, "wait");
    }
}
