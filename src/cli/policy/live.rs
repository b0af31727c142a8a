//! The policy file while a server runs: read again when its content changes, and a bad one never replaces a good one.
//!
//! A mounted ConfigMap is updated by swapping the symlink `..data` in its directory: the file that was opened never
//! changes, so a watch on it sees nothing. The content is polled and compared instead.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use tokio::sync::watch;
use tokio::time::sleep;

use super::{Refusal, read_text};
use crate::cli::manifest::InputError;
use crate::engine::policy::Policy;

/// Largest file that is read: a ConfigMap holds 1 MiB (`k8s.io/kubernetes` `pkg/apis/core/validation`,
/// `MaxSecretSize`).
const LARGEST: u64 = 1024 * 1024;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

/// Counters of the policy.
#[derive(Clone, Debug, Default)]
pub struct PolicyMetrics {
    success: Gauge,
    loaded: Gauge<i64, AtomicI64>,
    loads: Family<ResultLabel, Counter<u64, AtomicU64>>,
}

impl PolicyMetrics {
    /// Makes the counters and registers them.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        for result in ["loaded", "refused"] {
            metrics.loads.get_or_create(&ResultLabel { result }).inc_by(0);
        }
        registry.register(
            "hookbudget_policy_load_success",
            "1 when the policy in force is what the policy file holds; 0 when the file is refused and an earlier one holds",
            metrics.success.clone(),
        );
        registry.register_with_unit(
            "hookbudget_policy_loaded_timestamp",
            "When the policy in force was read",
            Unit::Seconds,
            metrics.loaded.clone(),
        );
        registry.register(
            "hookbudget_policy_loads",
            "New contents of the policy file, by what became of them",
            metrics.loads.clone(),
        );
        metrics
    }

    /// There is no file that could be refused: the default policy is in force.
    pub fn without_file(&self) {
        self.success.set(1);
    }

    fn took(&self, good: bool) {
        self.success.set(i64::from(good));
        let result = if good { "loaded" } else { "refused" };
        self.loads.get_or_create(&ResultLabel { result }).inc();
        if good {
            self.loaded.set(Timestamp::now().as_second());
        }
    }
}

/// What a look at the file found.
#[derive(Debug)]
pub enum Look {
    /// What was there before, good or bad.
    Same,
    /// A new policy, now in force.
    Loaded,
    /// What is no policy; the one in force stays.
    Refused(Refusal),
}

/// Keeps a policy in step with its file.
#[derive(Debug)]
pub struct LivePolicy {
    path: PathBuf,
    policy: Arc<ArcSwap<Policy>>,
    metrics: PolicyMetrics,
    /// What was looked at last, or why it could not be read.
    last: Option<Result<String, String>>,
}

impl LivePolicy {
    /// Nothing is read yet; the default policy is in force.
    #[must_use]
    pub fn new(path: &Path, metrics: PolicyMetrics) -> Self {
        Self {
            path: path.to_owned(),
            policy: Arc::default(),
            metrics,
            last: None,
        }
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> Arc<ArcSwap<Policy>> {
        Arc::clone(&self.policy)
    }

    /// Looks once.
    pub fn look(&mut self) -> Look {
        let text = self.read();
        if self.last.as_ref() == Some(&text) {
            return Look::Same;
        }
        self.last = Some(text.clone());
        let place = self.path.display().to_string();
        let read = match text {
            Ok(text) => read_text(&place, &text),
            Err(why) => Err(Refusal::Unreadable(InputError {
                file: place.as_str().into(),
                line: None,
                column: None,
                message: why,
            })),
        };
        self.metrics.took(read.is_ok());
        match read {
            Ok(policy) => {
                self.policy.store(Arc::new(policy));
                Look::Loaded
            }
            Err(refusal) => Look::Refused(refusal),
        }
    }

    fn read(&self) -> Result<String, String> {
        let size = std::fs::metadata(&self.path).map(|file| file.len());
        match size {
            Ok(size) if size > LARGEST => {
                Err(format!("{size} bytes are no policy: at most {LARGEST} are read"))
            }
            Ok(_) => std::fs::read_to_string(&self.path)
                .map_err(|error| format!("cannot be read: {error}; check the mount and that it is text")),
            Err(error) => Err(format!(
                "cannot be read: {error}; check the mount and the key policy.yaml of the ConfigMap"
            )),
        }
    }

    /// Looks every `interval` for ever, off the threads that serve. `good` becomes true with the first good policy,
    /// and `told` hears of each change.
    pub async fn run(mut self, interval: Duration, good: watch::Sender<bool>, told: impl Fn(&Look) + Send) {
        loop {
            let looked = tokio::task::spawn_blocking(move || {
                let look = self.look();
                (self, look)
            });
            let Ok((this, look)) = looked.await else {
                tracing::error!("reading the policy panicked; the policy in force stays for good");
                return;
            };
            self = this;
            match &look {
                Look::Same => {}
                Look::Loaded => {
                    tracing::info!(file = %self.path.display(), "policy loaded");
                    good.send_replace(true);
                    told(&look);
                }
                Look::Refused(refusal) => {
                    let in_force = if *good.borrow() {
                        "the last good one"
                    } else {
                        "the default one"
                    };
                    tracing::error!(file = %self.path.display(), %refusal, in_force, "the policy is refused: mend the file; `hookbudget policy check FILE` tells the same");
                    told(&look);
                }
            }
            sleep(interval).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::engine::Seconds;

    /// A directory as the kubelet mounts a ConfigMap: `policy.yaml` -> `..data/policy.yaml`, `..data` -> a directory
    /// that is swapped as a whole (`k8s.io/kubernetes` `pkg/volume/util/atomic_writer.go`).
    struct Mount {
        root: tempfile::TempDir,
        version: usize,
    }

    impl Mount {
        fn new(text: &str) -> Self {
            let root = tempfile::tempdir().expect("a directory");
            symlink("..data/policy.yaml", root.path().join("policy.yaml")).expect("a link");
            let mut mount = Self { root, version: 0 };
            mount.swap(text);
            mount
        }

        fn swap(&mut self, text: &str) {
            self.version += 1;
            let name = format!("..v{}", self.version);
            let root = self.root.path();
            std::fs::create_dir(root.join(&name)).expect("a directory");
            std::fs::write(root.join(&name).join("policy.yaml"), text).expect("a file");
            symlink(&name, root.join("..data_tmp")).expect("a link");
            std::fs::rename(root.join("..data_tmp"), root.join("..data")).expect("swapped");
            if self.version > 1 {
                std::fs::remove_dir_all(root.join(format!("..v{}", self.version - 1))).expect("removed");
            }
        }

        fn file(&self) -> PathBuf {
            self.root.path().join("policy.yaml")
        }
    }

    #[test]
    fn a_swapped_mount_is_seen_and_a_bad_policy_leaves_the_last_good_one() {
        let mut mount = Mount::new("headroom: 2m");
        let metrics = PolicyMetrics::default();
        let mut live = LivePolicy::new(&mount.file(), metrics.clone());
        let policy = live.policy();
        assert!(matches!(live.look(), Look::Loaded));
        assert_eq!(policy.load().headroom, Seconds::new(120));
        assert!(matches!(live.look(), Look::Same));

        mount.swap("headroom: 2m\ndefaultMod: enforce\n");
        let Look::Refused(refusal) = live.look() else {
            panic!("an unknown key is refused")
        };
        let text = refusal.to_string();
        assert!(
            text.contains("policy.yaml:2:1") && text.contains("did you mean defaultMode?"),
            "{text}"
        );
        assert_eq!(
            (policy.load().headroom, metrics.success.get()),
            (Seconds::new(120), 0)
        );
        assert!(matches!(live.look(), Look::Same), "said once");

        mount.swap("headroom: 3m");
        assert!(matches!(live.look(), Look::Loaded));
        assert_eq!(
            (policy.load().headroom, metrics.success.get()),
            (Seconds::new(180), 1)
        );

        std::fs::remove_file(mount.root.path().join("..data")).expect("gone");
        assert!(matches!(live.look(), Look::Refused(Refusal::Unreadable(_))));
        assert_eq!(policy.load().headroom, Seconds::new(180));
    }

    #[tokio::test]
    async fn it_is_good_from_the_first_good_one_on() {
        let mut mount = Mount::new("headrom: 2m");
        let live = LivePolicy::new(&mount.file(), PolicyMetrics::default());
        let policy = live.policy();
        let (good, mut is_good) = watch::channel(false);
        let (refused, mut refusals) = tokio::sync::mpsc::unbounded_channel();
        let told = move |look: &Look| {
            if let Look::Refused(refusal) = look {
                refused.send(refusal.to_string()).ok();
            }
        };
        let task = tokio::spawn(live.run(Duration::from_millis(5), good, told));
        assert!(
            refusals
                .recv()
                .await
                .is_some_and(|text| text.contains("headroom"))
        );
        assert!(!*is_good.borrow());
        mount.swap("headroom: 2m");
        is_good.wait_for(|good| *good).await.expect("good");
        assert_eq!(policy.load().headroom, Seconds::new(120));
        task.abort();
    }
}
