//! Waits that are written once and run several times, told as one.

use crate::engine::budget::ContainerReading;
use crate::engine::finding::Confidence;
use crate::engine::rules::common::read_confidence;
use crate::engine::shell::Wait;

/// A wait that is written once and runs several times: the loop of a helper that is called for each target.
pub(super) struct Folded<'a> {
    pub(super) container: &'a ContainerReading,
    first: &'a Wait,
    again: Vec<&'a Wait>,
}

impl<'a> Folded<'a> {
    /// The waits by their places, in the order in which they run.
    pub(super) fn of(waits: impl Iterator<Item = (&'a ContainerReading, &'a Wait)>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for (container, wait) in waits {
            let here = |other: &&mut Self| {
                other.container.pointer == container.pointer && other.first().place == wait.place
            };
            match all.iter_mut().find(here) {
                Some(same) => same.again.push(wait),
                None => all.push(Self {
                    container,
                    first: wait,
                    again: Vec::new(),
                }),
            }
        }
        all
    }

    pub(super) fn first(&self) -> &'a Wait {
        self.first
    }

    /// All of them.
    fn waits(&self) -> impl Iterator<Item = &'a Wait> {
        std::iter::once(self.first).chain(self.again.iter().copied())
    }

    /// How often it waits.
    pub(super) fn times(&self) -> usize {
        1 + self.again.len()
    }

    /// ` for db:5432, web:80 and cache:6379`, or how often it waits where that is not shown.
    pub(super) fn for_targets(&self) -> String {
        let mut named: Vec<&str> = Vec::new();
        for target in self.waits().filter_map(|wait| wait.target.as_ref()) {
            if !target.text.contains(['$', '`']) && !named.contains(&target.text.as_str()) {
                named.push(&target.text);
            }
        }
        let times = match self.times() {
            1 => String::new(),
            more => format!(", {more} times"),
        };
        match named.as_slice() {
            [] => times,
            [only] => format!(" for {only}{times}"),
            [rest @ .., last] if rest.len() + 1 == self.times() => {
                format!(" for {} and {last}", rest.join(", "))
            }
            [rest @ .., last] => format!(" for {} and {last}{times}", rest.join(", ")),
        }
    }

    /// The arithmetic of each, equal ones once.
    pub(super) fn arithmetic(&self) -> Option<String> {
        let mut texts: Vec<&str> = Vec::new();
        for wait in self.waits() {
            if !wait.arithmetic.is_empty() && !texts.contains(&wait.arithmetic.as_str()) {
                texts.push(&wait.arithmetic);
            }
        }
        (!texts.is_empty()).then(|| texts.join(", then "))
    }

    /// The surest of the readings: one wait that is there is enough.
    pub(super) fn confidence(&self) -> Confidence {
        let all = self.waits().map(|wait| read_confidence(wait.confidence));
        all.max().unwrap_or(Confidence::Possible)
    }

    /// True when each of them is for the Pod itself.
    pub(super) fn is_for_own_pod(&self) -> bool {
        self.waits().all(Wait::is_for_own_pod)
    }
}
