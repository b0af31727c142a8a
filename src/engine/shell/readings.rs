//! Readings that are kept: an object that is created passes two webhooks, and the Jobs of a `CronJob` run the
//! same script again and again.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use super::files::Files;
use super::reading::{Probe, Reading, Wait};
use super::{entry, reading::Target};
use crate::engine::job::Container;

/// What all kept readings together may weigh, in bytes: a few hundred ordinary ones.
const MOST: usize = 1024 * 1024;
/// What one of them may weigh; an ordinary one has one or two KiB.
const LARGEST: usize = 32 * 1024;

/// What tells two containers apart: a hash with a key that nobody outside the process knows, over all that a
/// reading may depend on, and the length of all texts in it.
type Key = (u64, usize);

/// Reads containers, and remembers what it has read. What comes out is what [`super::read_container`] gives.
#[derive(Debug, Default)]
pub struct Readings {
    hasher: RandomState,
    kept: Mutex<Kept>,
}

/// Two generations: when the younger one is full, the older one is forgotten.
#[derive(Debug, Default)]
struct Kept {
    young: HashMap<Key, Arc<Reading>>,
    old: HashMap<Key, Arc<Reading>>,
    /// Of the younger one, in bytes.
    weight: usize,
}

impl Readings {
    /// Reads the waits of a container, as [`super::read_container`].
    pub fn of(&self, container: &Container<'_>, files: Files<'_>) -> Arc<Reading> {
        if files.show_texts() {
            // The texts of other objects decide as well.
            return Arc::new(entry::read_container(container, files));
        }
        let key = self.key(container, files);
        if let Some(known) = self.kept().find(key) {
            return known;
        }
        let reading = Arc::new(entry::read_container(container, files));
        let weight = weight(&reading);
        if weight <= LARGEST {
            self.kept().keep(key, weight, Arc::clone(&reading));
        }
        reading
    }

    fn key(&self, container: &Container<'_>, files: Files<'_>) -> Key {
        let mut hasher = Measured {
            hasher: self.hasher.build_hasher(),
            length: 0,
        };
        container.hash(&mut hasher);
        files.hash(&mut hasher);
        (hasher.finish(), hasher.length)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn find(&mut self, key: Key) -> Option<Arc<Reading>> {
        if let Some(known) = self.young.get(&key) {
            return Some(Arc::clone(known));
        }
        let known = self.old.remove(&key)?;
        self.keep(key, weight(&known), Arc::clone(&known));
        Some(known)
    }

    fn keep(&mut self, key: Key, weight: usize, reading: Arc<Reading>) {
        if self.weight + weight > MOST / 2 {
            self.old = std::mem::take(&mut self.young);
            self.weight = 0;
        }
        if self.young.insert(key, reading).is_none() {
            self.weight += weight;
        }
    }
}

/// What a reading takes of memory, in bytes.
fn weight(reading: &Reading) -> usize {
    let of_target = |target: &Option<Target>| {
        let target = target.as_ref();
        target.map_or(0, |target| {
            target.text.len() + target.host.as_ref().map_or(0, String::len)
        })
    };
    let of_probe = |probe: &Probe| size_of::<Probe>() + probe.tool.len() + of_target(&probe.target);
    let of_wait = |wait: &Wait| {
        size_of::<Wait>()
            + wait.arithmetic.len()
            + wait.tool.as_ref().map_or(0, |tool| tool.len())
            + of_target(&wait.target)
            + wait.probe.as_ref().map_or(0, of_probe)
    };
    let waits: usize = reading.waits.iter().map(of_wait).sum();
    let calls: usize = reading.calls.iter().map(of_probe).sum();
    let unread: usize = reading
        .unread
        .iter()
        .map(|unread| size_of_val(unread) + unread.why.len())
        .sum();
    // A file's names are bounded by the API server: 253 bytes each.
    let files = reading.files.len() * 800;
    let installs = size_of_val(&*reading.installs);
    size_of::<Reading>() + waits + calls + unread + files + installs
}

/// A hasher that counts the bytes it is given.
struct Measured<H> {
    hasher: H,
    length: usize,
}

impl<H: Hasher> Hasher for Measured<H> {
    fn write(&mut self, bytes: &[u8]) {
        self.length += bytes.len();
        self.hasher.write(bytes);
    }

    fn finish(&self) -> u64 {
        self.hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::job::EnvVar;

    fn container(script: &str) -> Container<'_> {
        Container {
            command: vec!["sh".into(), "-c".into(), script.into()],
            ..Container::default()
        }
    }

    const LOOP: &str = "for i in $(seq 1 $N); do curl -m 3 http://a:1/ && break; sleep 5; done";

    #[test]
    fn what_is_remembered_is_what_is_read() {
        let readings = Readings::default();
        for number in ["3", "60", "3"] {
            let mut container = container(LOOP);
            container.env = vec![EnvVar {
                name: "N".into(),
                value: Some(number.into()),
            }];
            let read = entry::read_container(&container, Files::default());
            for _ in 0..2 {
                assert_eq!(*readings.of(&container, Files::default()), read);
            }
        }
        assert_eq!(readings.kept().young.len(), 2);
    }

    #[test]
    fn the_oldest_are_forgotten_and_the_one_in_use_stays() {
        let readings = Readings::default();
        let used = container(LOOP);
        let first = readings.of(&used, Files::default());
        for number in 0..4_000 {
            let script = format!("curl -m 3 http://a:{number}/; sleep {number}");
            readings.of(&container(&script), Files::default());
            let again = readings.of(&used, Files::default());
            assert!(Arc::ptr_eq(&first, &again), "read anew after {number} others");
        }
        let kept = readings.kept();
        assert!(!kept.old.is_empty() && kept.young.len() + kept.old.len() < 4_000);
        let all = kept.young.values().chain(kept.old.values());
        assert!(all.map(|reading| weight(reading)).sum::<usize>() <= MOST);
    }
}
