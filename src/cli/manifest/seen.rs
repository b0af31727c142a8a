//! Which keys a mapping has had, so that one that comes twice is found.
use std::collections::HashMap;

use super::source::Source;
use super::tree::Entry;

/// Up to this many keys are compared one by one: most mappings have fewer than ten.
const FEW: usize = 24;

/// The keys of a mapping that is being read.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Every key with its place, once there are many.
    many: HashMap<String, usize>,
}

impl Seen {
    /// Where this key stood before; else it is noted as standing at `start`. `entries` are those before it.
    pub(super) fn find(
        &mut self,
        source: &Source,
        entries: &[Entry],
        name: &str,
        start: usize,
    ) -> Option<usize> {
        let named = |entry: &Entry| {
            entry
                .key
                .as_ref()
                .map(|key| (key.get(source).to_owned(), entry.key_span.start))
        };
        if entries.len() < FEW {
            let same = |entry: &&Entry| entry.key.as_ref().is_some_and(|key| key.get(source) == name);
            return entries.iter().find(same).map(|entry| entry.key_span.start);
        }
        if self.many.is_empty() {
            self.many.extend(entries.iter().filter_map(named));
        }
        self.many.insert(name.to_owned(), start)
    }
}
