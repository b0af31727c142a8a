//! What a word of a script stands for, as far as the manifest tells.

use std::rc::Rc;

use super::text::Text;

/// A text that is known, or known in parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools)] // marks that do not exclude each other
pub(super) struct Value {
    /// The text; parts that are not known stand as the script writes them (`$HOST`).
    pub text: Text,
    /// Why the text is not wholly known.
    pub unknown: Option<Rc<str>>,
    /// Comes from the clock.
    pub clock: bool,
    /// The HTTP status that a probe printed.
    pub code: bool,
    /// Not known because a program printed it.
    pub printed: bool,
    /// Not known because a program printed it that calls nobody: it may be what the script counts.
    pub local: bool,
    /// Not known because nobody has set the name: it is empty, unless an image sets it.
    pub unset: bool,
    /// Holds a default that an image may override.
    pub assumed: bool,
}

impl Value {
    pub(super) fn known(text: impl Into<Text>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    pub(super) fn unknown(text: impl Into<Text>, why: impl Into<Rc<str>>) -> Self {
        Self {
            text: text.into(),
            unknown: Some(why.into()),
            ..Self::default()
        }
    }

    /// What a program printed that the manifest does not show.
    pub(super) fn printed(program: &str) -> Self {
        let mut value = Self::unknown(format!("$({program})"), format!("`{program}` prints it"));
        value.printed = true;
        value
    }

    /// What a program printed of its own, and not of what a service has answered.
    pub(super) fn printed_here(program: &str) -> Self {
        let mut value = Self::printed(program);
        value.local = true;
        value
    }

    pub(super) fn is_known(&self) -> bool {
        self.unknown.is_none()
    }

    /// The text, where it is known.
    pub(super) fn get(&self) -> Option<&str> {
        self.is_known().then_some(self.text.as_str())
    }

    /// Puts `other` behind this value.
    pub(super) fn push(&mut self, other: &Self) {
        self.text.push_str(&other.text);
        self.mark(other);
    }

    /// Takes over what is known about where `other` comes from.
    pub(super) fn mark(&mut self, other: &Self) {
        if self.unknown.is_none() {
            self.unknown.clone_from(&other.unknown);
        }
        self.clock |= other.clock;
        self.code |= other.code;
        self.printed |= other.printed;
        self.local |= other.local;
        self.assumed |= other.assumed;
    }
}

/// curl's exit status for a connection that is refused ("7: Failed to connect to host", curl(1)): set only for
/// calls that an HTTP error does not make fail.
pub(super) const REFUSED: i32 = 7;

/// How a command or a test ends while the dependency is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Status {
    #[default]
    Success,
    Failure(i32),
    /// A program or a file decides. In a loop it counts as "not ready".
    Open,
    /// A number decides that the manifest does not show.
    Hidden(Rc<str>),
}

impl Status {
    pub(super) fn of(truth: bool) -> Self {
        if truth { Self::Success } else { Self::Failure(1) }
    }

    /// `!`
    pub(super) fn inverted(self, in_loop: bool) -> Self {
        match self {
            Self::Success => Self::Failure(1),
            Self::Failure(_) => Self::Success,
            Self::Open if in_loop => Self::Success,
            other => other,
        }
    }
}
