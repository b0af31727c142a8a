//! One kind as its watch leaves it.

use std::collections::BTreeMap;

use kube::ResourceExt;
use kube::runtime::watcher::Event;

use super::kinds::Source;
use crate::index::live::Watched;
use crate::k8s::meta::without_values;

type Key = (String, String);

/// What the events of a watch add up to.
#[derive(Debug)]
pub(super) struct State<S> {
    current: BTreeMap<Key, S>,
    listed: BTreeMap<Key, S>,
    /// Objects that could not be read, since the last time somebody asked.
    unreadable: u64,
}

impl<S> Default for State<S> {
    fn default() -> Self {
        Self {
            current: BTreeMap::new(),
            listed: BTreeMap::new(),
            unreadable: 0,
        }
    }
}

impl<S: Source> State<S> {
    /// Takes an event in; true when there is a new state to show.
    pub(super) fn apply(&mut self, event: Event<Watched>) -> bool {
        match event {
            Event::Init => {
                self.listed.clear();
                false
            }
            Event::InitApply(object) => {
                if let Some(facts) = self.facts(&object) {
                    self.listed.insert(key(&object), facts);
                }
                false
            }
            Event::InitDone => {
                self.current = std::mem::take(&mut self.listed);
                true
            }
            Event::Apply(object) => match self.facts(&object) {
                Some(facts) => {
                    let known = self.current.get_mut(&key(&object));
                    match known {
                        Some(known) if *known == facts => false,
                        Some(known) => {
                            *known = facts;
                            true
                        }
                        None => self.current.insert(key(&object), facts).is_none(),
                    }
                }
                // What cannot be read any more says nothing any more.
                None => self.current.remove(&key(&object)).is_some(),
            },
            Event::Delete(object) => self.current.remove(&key(&object)).is_some(),
        }
    }

    pub(super) fn all(&self) -> Vec<S> {
        self.current.values().cloned().collect()
    }

    pub(super) fn take_unreadable(&mut self) -> u64 {
        std::mem::take(&mut self.unreadable)
    }

    fn facts(&mut self, object: &Watched) -> Option<S> {
        let kind = S::RESOURCE.kind;
        let (namespace, name) = key(object);
        match S::read(object.text.get()) {
            Ok((facts, problems)) => {
                for problem in problems {
                    tracing::warn!(
                        kind,
                        namespace,
                        name,
                        field = problem.pointer,
                        why = problem.message,
                        "a field counts as absent"
                    );
                }
                facts
            }
            Err(error) => {
                self.unreadable += 1;
                let error = without_values(&error);
                tracing::warn!(
                    kind,
                    namespace,
                    name,
                    error,
                    "an object cannot be read and is passed over"
                );
                None
            }
        }
    }
}

fn key(object: &Watched) -> Key {
    (object.namespace().unwrap_or_default(), object.name_any())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Seconds;
    use crate::engine::release::HelmRelease;

    fn release(spec: &serde_json::Value) -> Watched {
        serde_json::from_value(serde_json::json!({
            "apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
            "metadata": {"name": "bp-powerdns", "namespace": "powerdns"}, "spec": spec,
        }))
        .expect("an object")
    }

    #[test]
    fn a_release_that_cannot_be_read_is_passed_over_and_counted() {
        let mut state = State::<HelmRelease>::default();
        let timeout = serde_json::json!({"install": {"timeout": "15m"}});
        assert!(state.apply(Event::Apply(release(&timeout))));
        assert!(!state.apply(Event::Apply(release(&timeout))), "nothing new");
        let seen: Vec<_> = state.all().iter().map(|r| r.install_timeout).collect();
        assert_eq!(seen, [Some(Seconds::new(900))]);
        assert!(state.apply(Event::Apply(release(&serde_json::json!({"timeout": 5})))));
        assert_eq!((state.all().len(), state.take_unreadable()), (0, 1));
        assert!(!state.apply(Event::InitApply(release(&serde_json::json!({})))));
        assert!(state.apply(Event::InitDone));
        assert_eq!((state.all().len(), state.take_unreadable()), (1, 0));
    }
}
