//! Which Jobs the page shows, as the query of its address: a filter can be sent to somebody else, and works without
//! JavaScript.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::group::Group;
use crate::engine::root_cause::RootCause;
use crate::index::{Gist, JobView};

/// Characters of a value that are looked at: no name of Kubernetes is longer than 253.
const LONGEST: usize = 256;

/// One thing to filter by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// One Job, `namespace/name`.
    Job,
    /// How it stands: a [`Group`].
    State,
    /// Its namespace.
    Namespace,
    /// Its root cause.
    Cause,
    /// Who has to repair it.
    Route,
    /// Whether anybody has to act.
    Verdict,
    /// Words in its name, its owner, its summary or its chain.
    Text,
}

impl Key {
    pub(super) const ALL: [Self; 7] = [
        Self::Job,
        Self::State,
        Self::Namespace,
        Self::Cause,
        Self::Route,
        Self::Verdict,
        Self::Text,
    ];

    /// The name of the parameter.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::State => "state",
            Self::Namespace => "namespace",
            Self::Cause => "cause",
            Self::Route => "route",
            Self::Verdict => "verdict",
            Self::Text => "text",
        }
    }
}

/// What the reader wants to see. The empty filter lets everything through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter(BTreeMap<Key, String>);

impl Filter {
    /// Reads the parameters of an address. Those that are not known or empty are passed over, and of one that is said
    /// twice the last counts: an old link must not end in an error.
    #[must_use]
    pub fn read(parameters: &[(String, String)]) -> Self {
        let mut filter = Self::default();
        for (name, value) in parameters {
            if let Some(key) = Key::ALL.into_iter().find(|key| key.as_str() == name) {
                filter = filter.with(key, value);
            }
        }
        filter
    }

    /// True when the parameters say what is filtered by and nothing else: a form sends its empty fields too.
    pub(super) fn is_all_of(&self, parameters: &[(String, String)]) -> bool {
        self.0.len() == parameters.len()
    }

    /// This filter with one value replaced; an empty one removes it.
    pub(super) fn with(&self, key: Key, value: &str) -> Self {
        let mut filter = self.clone();
        let value: String = value.trim().chars().take(LONGEST).collect();
        if value.is_empty() {
            filter.0.remove(&key);
        } else {
            filter.0.insert(key, value);
        }
        filter
    }

    /// The value of a key, empty where it is not filtered by.
    pub(super) fn get(&self, key: Key) -> &str {
        self.0.get(&key).map_or("", String::as_str)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True when it asks for nothing but these.
    pub(super) fn asks_only_for(&self, keys: &[Key]) -> bool {
        self.0.keys().all(|key| keys.contains(key))
    }

    /// The link to the page with this filter, relative to the page: it may stand behind a proxy, below a path.
    pub(super) fn link(&self) -> String {
        let mut link = String::from("./");
        for (number, (key, value)) in self.0.iter().enumerate() {
            link.push(if number == 0 { '?' } else { '&' });
            link.push_str(key.as_str());
            link.push('=');
            encode(&mut link, value);
        }
        link
    }

    /// The same as the value of an attribute.
    pub(super) fn href(&self) -> String {
        self.link().replace('&', "&amp;")
    }

    /// The link to the diagnoses that it lets through, as the value of an attribute.
    pub(super) fn api_href(&self) -> String {
        self.href().replacen("./", "api/jobs", 1)
    }

    /// Whether a Job that stands in `group` is wanted.
    pub(super) fn wants(&self, job: &JobView, group: Group) -> bool {
        self.0.iter().all(|(key, value)| match key {
            Key::Job => value
                .split_once('/')
                .is_some_and(|(namespace, name)| namespace == &*job.key.namespace && name == &*job.key.name),
            Key::State => group.as_str() == value,
            Key::Namespace => &*job.key.namespace == value,
            Key::Cause => cause(job) == Some(value),
            Key::Route => blamed(job)
                .and_then(|found| found.route)
                .is_some_and(|route| route.as_str() == value),
            Key::Verdict => blamed(job).is_some_and(|found| found.verdict.as_str() == value),
            Key::Text => says(job, value),
        })
    }
}

/// The filter that shows one Job.
pub(super) fn only(namespace: &str, name: &str) -> Filter {
    Filter::default().with(Key::Job, &format!("{namespace}/{name}"))
}

/// The root cause of a Job that has failed, or what is known to hold up one that waits.
pub(super) fn cause(job: &JobView) -> Option<&str> {
    let found = job.gist().and_then(|gist| gist.root_cause.as_ref());
    let unknown = || job.root_cause().map(|_| &RootCause::Unknown);
    found.or_else(unknown).map(RootCause::as_str)
}

/// What the diagnosis says, where it says that something is wrong: verdict and route say nothing before.
pub(super) fn blamed(job: &JobView) -> Option<&Gist> {
    job.gist().filter(|gist| gist.root_cause.is_some())
}

fn says(job: &JobView, text: &str) -> bool {
    let wanted = text.to_lowercase();
    let has = |text: &str| text.to_lowercase().contains(&wanted);
    let owner = job.spec.record.owner.as_ref();
    has(&job.key.name)
        || has(&job.key.namespace)
        || owner.is_some_and(|owner| has(&owner.name) || has(&owner.kind))
        || cause(job).is_some_and(has)
        || job.diagnosis().is_some_and(|found| {
            has(&found.summary)
                || found
                    .chain
                    .iter()
                    .any(|link| has(&link.name) || has(&link.finding))
        })
}

/// Percent-encodes what may not stand in the query of an address (RFC 3986 3.4).
fn encode(into: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte) {
            into.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parameters: &[(&str, &str)]) -> Filter {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Filter::read(&parameters.iter().map(owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_filter_is_its_link() {
        let filter = read(&[
            ("cause", "oom_killed"),
            ("text", "é & b"),
            ("namespace", ""),
            ("else", "x"),
        ]);
        assert_eq!(filter.link(), "./?cause=oom_killed&text=%C3%A9%20%26%20b");
        assert_eq!(filter.with(Key::Text, "").link(), "./?cause=oom_killed");
        assert_eq!(Filter::default().link(), "./");
        assert_eq!(only("a", "b").link(), "./?job=a/b");
    }

    #[test]
    fn the_last_of_two_values_counts_and_none_is_endless() {
        assert_eq!(read(&[("text", "a"), ("text", "b")]).get(Key::Text), "b");
        assert_eq!(read(&[("text", &"x".repeat(9999))]).get(Key::Text).len(), LONGEST);
    }
}
