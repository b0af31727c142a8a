//! The window around a whole release action: the timeout of the Flux Kustomization that waits for the
//! `HelmRelease`, and what the hooks of one action may take of it together.

use std::collections::HashMap;

use super::Seconds;
use super::finding::Confidence;
use super::formulas::{kustomization_timeout, needed_release};
use super::job::{Job, Origin};
use super::release::{HelmRelease, Stage, Surroundings, owning_helm_release};

/// A Flux `Kustomization` as facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kustomization {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `spec.interval`.
    pub interval: Seconds,
    /// `spec.timeout`, if set.
    pub timeout: Option<Seconds>,
    /// `spec.wait`: all that is applied is waited for.
    pub wait: bool,
    /// `spec.suspend`.
    pub suspend: bool,
    /// `spec.path`, as components without `.`.
    pub path: Vec<String>,
    /// Namespace and name of the `HelmRelease`s that `spec.healthChecks` names; they count without `wait`.
    pub health_checks: Vec<(String, String)>,
}

impl Kustomization {
    /// The timeout in force, and the field that states it (fluxcd/kustomize-controller `GetTimeout`).
    #[must_use]
    pub fn timeout(&self) -> (Seconds, &'static str) {
        let timeout = kustomization_timeout(self.timeout, self.interval);
        let field = match self.timeout {
            Some(stated) if stated == timeout => "spec.timeout",
            None if timeout > Seconds::new(30) => "spec.interval - 30 s",
            _ => "the least timeout that there is",
        };
        (timeout, field)
    }

    fn checks(&self, release: &HelmRelease) -> bool {
        self.health_checks
            .iter()
            .any(|(namespace, name)| *namespace == release.namespace && *name == release.name)
    }

    /// True when the file lies below the path that the Kustomization applies.
    fn applies(&self, file: &str) -> bool {
        let parts: Vec<&str> = file.split('/').collect();
        let here = |part: &[&str]| part.iter().zip(&self.path).all(|(a, b)| a == b);
        !self.path.is_empty() && parts.windows(self.path.len()).any(here)
    }
}

/// The Kustomization that waits for a release, and how sure that is: Flux's labels and `healthChecks` name it,
/// the path only suggests it, and a single one that waits for all it applies is taken for it.
fn waiting_for<'k>(
    release: &HelmRelease,
    kustomizations: &'k [Kustomization],
) -> Option<(&'k Kustomization, Confidence)> {
    let active = || kustomizations.iter().filter(|k| !k.suspend);
    if let Some((namespace, name)) = &release.kustomization {
        return active()
            .find(|k| k.namespace == *namespace && k.name == *name)
            .filter(|k| k.wait || k.checks(release))
            .map(|k| (k, Confidence::Certain));
    }
    if let Some(checks) = active().find(|k| k.checks(release)) {
        return Some((checks, Confidence::Certain));
    }
    if release.stage != Stage::Unknown {
        // In a cluster, what a Kustomization applied bears its labels: the rest was applied by somebody else.
        return None;
    }
    let by_path = active()
        .filter(|k| k.wait && release.file.as_deref().is_some_and(|file| k.applies(file)))
        .max_by_key(|k| k.path.len());
    let mut all = active();
    let only = all.next().filter(|k| all.next().is_none() && k.wait);
    by_path.or(only).map(|k| (k, Confidence::Likely))
}

/// What a release action spends on its hooks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActionHooks {
    /// The first hooks by name with the longest that the release waits for each.
    pub first: Vec<(String, Seconds)>,
    /// How many there are.
    pub count: usize,
    /// All of them, one after the other.
    pub total: Seconds,
    /// The hook that may take longest, the first of equals.
    pub longest: Option<(String, Seconds)>,
}

/// Hooks that a message names.
const MOST_NAMED: usize = 4;

impl ActionHooks {
    fn add(&mut self, name: &str, span: Seconds) {
        if self.first.len() < MOST_NAMED {
            self.first.push((name.to_owned(), span));
        }
        self.count += 1;
        self.total = self.total + span;
        if self.longest.as_ref().is_none_or(|(_, longest)| span > *longest) {
            self.longest = Some((name.to_owned(), span));
        }
    }
}

/// A release whose hooks are known, and the window that they have to fit into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The Kustomization that waits.
    pub kustomization: Kustomization,
    /// How sure that it is this one.
    pub confidence: Confidence,
    /// The hooks of an installation, and how often it is tried; `None` for ever.
    pub install: (ActionHooks, Option<u32>),
    /// The hooks of an upgrade, and how often it is tried; `None` for ever.
    pub upgrade: (ActionHooks, Option<u32>),
}

/// The windows by namespace and name of the `HelmRelease`.
#[derive(Clone, Debug, Default)]
pub struct Windows {
    by_release: HashMap<(String, String), Window>,
}

impl Windows {
    /// Sums up the hooks of every release that a Kustomization waits for.
    #[must_use]
    pub fn of<'j, 'a: 'j>(
        jobs: impl Iterator<Item = &'j Job<'a>>,
        releases: &[HelmRelease],
        kustomizations: &[Kustomization],
    ) -> Self {
        let mut windows = Self::default();
        if kustomizations.is_empty() {
            return windows;
        }
        for release in releases.iter().filter(|release| !release.suspend) {
            if let Some((kustomization, confidence)) = waiting_for(release, kustomizations) {
                let window = Window {
                    kustomization: kustomization.clone(),
                    confidence,
                    install: (ActionHooks::default(), release.install_tries()),
                    upgrade: (ActionHooks::default(), release.upgrade_tries()),
                };
                let key = (release.namespace.clone(), release.name.clone());
                windows.by_release.insert(key, window);
            }
        }
        for job in jobs.filter(|job| job.origin() == Origin::HelmHook) {
            if let Some(release) = owning_helm_release(job, releases, None) {
                windows.add(job, release);
            }
        }
        windows
    }

    /// The window of a single Job, where the other hooks of its release are not known: what it spends is the
    /// least that the action spends.
    #[must_use]
    pub fn of_one(job: &Job<'_>, around: Surroundings<'_>) -> Option<Self> {
        if around.kustomizations.is_empty() || job.origin() != Origin::HelmHook {
            return None;
        }
        let release = owning_helm_release(job, around.helm_releases, around.requester)?;
        let mut windows = Self::of(
            [].into_iter(),
            std::slice::from_ref(release),
            around.kustomizations,
        );
        if windows.by_release.is_empty() {
            return None;
        }
        windows.add(job, release);
        Some(windows)
    }

    fn add(&mut self, job: &Job<'_>, release: &HelmRelease) {
        let key = (release.namespace.clone(), release.name.clone());
        let Some(window) = self.by_release.get_mut(&key) else {
            return;
        };
        for hook in job.hooks() {
            let action = match hook {
                "pre-install" | "post-install" => &mut window.install.0,
                "pre-upgrade" | "post-upgrade" => &mut window.upgrade.0,
                _ => continue,
            };
            let (timeout, _) = release.timeout_of(hook);
            let own = job
                .active_deadline
                .map(|deadline| needed_release(deadline, job.pod.grace()));
            action.add(&job.name, own.map_or(timeout, |own| own.min(timeout)));
        }
    }

    /// The window of a `HelmRelease`.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<&Window> {
        self.by_release.get(&(namespace.to_owned(), name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    fn kustomization(name: &str, path: &[&str]) -> Kustomization {
        Kustomization {
            namespace: "flux-system".into(),
            name: name.into(),
            interval: Seconds::new(600),
            wait: true,
            path: path.iter().map(|part| (*part).to_owned()).collect(),
            ..Kustomization::default()
        }
    }

    #[test]
    fn the_timeout_without_one_is_the_interval_less_half_a_minute() {
        for (timeout, interval, expected) in [
            (None, 600, (570, "spec.interval - 30 s")),
            (None, 45, (30, "the least timeout that there is")),
            (Some(900), 600, (900, "spec.timeout")),
            (Some(5), 600, (30, "the least timeout that there is")),
        ] {
            let kustomization = Kustomization {
                timeout: timeout.map(Seconds::new),
                interval: Seconds::new(interval),
                ..Kustomization::default()
            };
            let (timeout, field) = kustomization.timeout();
            assert_eq!((timeout.whole(), field), expected);
        }
    }

    #[test]
    fn the_kustomization_is_named_or_found_by_its_path_or_the_only_one() {
        let release = HelmRelease {
            namespace: "shop".into(),
            name: "shop".into(),
            file: Some("fleet/apps/shop/release.yaml".into()),
            ..HelmRelease::default()
        };
        let found = |release: &HelmRelease, list: &[Kustomization]| {
            waiting_for(release, list).map(|(k, confidence)| (k.name.clone(), confidence))
        };
        let likely = |name: &str| Some((name.to_owned(), Confidence::Likely));
        let (apps, infra) = (
            kustomization("apps", &["apps"]),
            kustomization("infra", &["infra"]),
        );
        assert_eq!(found(&release, &[apps.clone(), infra.clone()]), likely("apps"));
        assert_eq!(found(&release, from_ref(&infra)), likely("infra"));
        assert_eq!(found(&release, &[infra.clone(), infra.clone()]), None);
        let idle = Kustomization {
            wait: false,
            ..infra.clone()
        };
        assert_eq!(found(&release, from_ref(&idle)), None);
        let checks_of = |k: &Kustomization| Kustomization {
            health_checks: vec![("shop".into(), "shop".into())],
            wait: false,
            ..k.clone()
        };
        let checks = checks_of(&idle);
        let certain = |name: &str| Some((name.to_owned(), Confidence::Certain));
        assert_eq!(found(&release, &[checks, apps.clone()]), certain("infra"));
        let live = HelmRelease {
            stage: Stage::New,
            ..release.clone()
        };
        assert_eq!(found(&live, from_ref(&apps)), None);
        assert_eq!(found(&live, from_ref(&checks_of(&infra))), certain("infra"));
        let labelled = HelmRelease {
            kustomization: Some(("flux-system".into(), "infra".into())),
            ..release
        };
        assert_eq!(found(&labelled, &[apps.clone(), infra]), certain("infra"));
        assert_eq!(found(&labelled, &[apps, idle]), None);
    }
}
