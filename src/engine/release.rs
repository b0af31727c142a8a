//! The release that a hook Job belongs to, and the timeout that its wait has to fit into.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Serialize;

use super::Seconds;
use super::inventory::Inventory;
use super::job::{Job, Origin};
use super::policy::{HELM_DEFAULT_TIMEOUT, Policy};
use super::window::Windows;

/// How long Flux's poller and the API take to see a finished Job (fluxcd/pkg `ssa` polls every 5 s).
pub const RELEASE_POLL: Seconds = Seconds::new(5);

/// What stands for a field where a `HelmRelease` states no timeout for an action.
const DEFAULTED: &str = "the default of spec.timeout";

/// A Flux `HelmRelease` as facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HelmRelease {
    /// Its own namespace.
    pub namespace: String,
    /// Its own name.
    pub name: String,
    /// `spec.releaseName`, if set.
    pub release_name: Option<String>,
    /// `spec.targetNamespace`, if set.
    pub target_namespace: Option<String>,
    /// `spec.suspend`.
    pub suspend: bool,
    /// `spec.timeout`, if set.
    pub timeout: Option<Seconds>,
    /// `spec.install.timeout`, if set.
    pub install_timeout: Option<Seconds>,
    /// `spec.upgrade.timeout`, if set.
    pub upgrade_timeout: Option<Seconds>,
    /// `spec.rollback.timeout`, if set.
    pub rollback_timeout: Option<Seconds>,
    /// `spec.uninstall.timeout`, if set.
    pub uninstall_timeout: Option<Seconds>,
    /// `spec.test.timeout`, if set.
    pub test_timeout: Option<Seconds>,
    /// `spec.install.remediation.retries`; below zero for ever, none when absent.
    pub install_retries: Option<i64>,
    /// `spec.upgrade.remediation.retries`; below zero for ever, none when absent.
    pub upgrade_retries: Option<i64>,
    /// Namespace and name of the Kustomization that applied it, where Flux's labels say it.
    pub kustomization: Option<(String, String)>,
    /// The file that it stands in, where it was read from one.
    pub file: Option<String>,
}

impl HelmRelease {
    /// The namespace that the release's objects go to.
    #[must_use]
    pub fn release_namespace(&self) -> &str {
        self.target_namespace.as_deref().unwrap_or(&self.namespace)
    }

    /// The name of the Helm release, which charts put into `app.kubernetes.io/instance`.
    #[must_use]
    pub fn release_name(&self) -> Cow<'_, str> {
        match (&self.release_name, &self.target_namespace) {
            (Some(name), _) => Cow::Borrowed(name),
            (None, Some(target)) => Cow::Owned(format!("{target}-{}", self.name)),
            (None, None) => Cow::Borrowed(&self.name),
        }
    }

    /// How often an installation is tried; `None` for ever.
    #[must_use]
    pub fn install_tries(&self) -> Option<u32> {
        tries(self.install_retries)
    }

    /// How often an upgrade is tried; `None` for ever.
    #[must_use]
    pub fn upgrade_tries(&self) -> Option<u32> {
        tries(self.upgrade_retries)
    }

    /// The timeout of the action that runs this hook, and the field that states it.
    pub(super) fn timeout_of(&self, hook: &str) -> (Seconds, &'static str) {
        let action = Action::of(hook);
        match (self.own_timeout(action), self.timeout) {
            (Some(timeout), _) => (timeout, action.field()),
            (None, Some(timeout)) => (timeout, "spec.timeout"),
            (None, None) => (HELM_DEFAULT_TIMEOUT, DEFAULTED),
        }
    }

    fn own_timeout(&self, action: Action) -> Option<Seconds> {
        match action {
            Action::Install => self.install_timeout,
            Action::Upgrade => self.upgrade_timeout,
            Action::Rollback => self.rollback_timeout,
            Action::Uninstall => self.uninstall_timeout,
            Action::Test => self.test_timeout,
        }
    }
}

/// What is done to a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Install,
    Upgrade,
    Rollback,
    Uninstall,
    Test,
}

impl Action {
    /// The action that runs this hook.
    pub(super) fn of(hook: &str) -> Self {
        match hook.split_once('-') {
            Some((_, "upgrade")) => Self::Upgrade,
            Some((_, "rollback")) => Self::Rollback,
            Some((_, "delete")) => Self::Uninstall,
            // test-success and test-failure are names that old charts use.
            None | Some(("test", _)) if hook.starts_with("test") => Self::Test,
            _ => Self::Install,
        }
    }

    /// The field of a `HelmRelease` that states its timeout.
    pub(super) const fn field(self) -> &'static str {
        match self {
            Self::Install => "spec.install.timeout",
            Self::Upgrade => "spec.upgrade.timeout",
            Self::Rollback => "spec.rollback.timeout",
            Self::Uninstall => "spec.uninstall.timeout",
            Self::Test => "spec.test.timeout",
        }
    }

    /// The command of Helm.
    pub(super) const fn command(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Upgrade => "upgrade",
            Self::Rollback => "rollback",
            Self::Uninstall => "uninstall",
            Self::Test => "test",
        }
    }

    /// Its timeout, and the field to write another one in: the common one only where that is what states it.
    pub(super) fn timeout(self, release: &HelmRelease) -> (Seconds, &'static str) {
        match (release.own_timeout(self), release.timeout) {
            (None, Some(timeout)) => (timeout, "spec.timeout"),
            (own, _) => (own.unwrap_or(HELM_DEFAULT_TIMEOUT), self.field()),
        }
    }
}

fn tries(retries: Option<i64>) -> Option<u32> {
    let retries = u32::try_from(retries.unwrap_or(0)).ok()?;
    Some(retries.saturating_add(1))
}

/// What is known of the clock outside the Job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Release {
    /// The timeout, where one applies.
    pub timeout: Option<Seconds>,
    /// Who states it.
    pub source: TimeoutSource,
    /// The release object that owns the Job, where it could be told.
    pub object: Option<ReleaseObject>,
}

impl Release {
    /// True when somebody stated the timeout; false for an assumed default and for none.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !matches!(self.source, TimeoutSource::AssumedDefault | TimeoutSource::None)
    }
}

/// A release object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct ReleaseObject {
    /// `HelmRelease`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Who states the release's timeout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TimeoutSource {
    /// No release waits for the Job.
    #[default]
    None,
    /// A `HelmRelease` states it in this field.
    HelmRelease {
        /// The object.
        object: ReleaseObject,
        /// The field, or that it is the field's default.
        field: &'static str,
    },
    /// The annotation `hookbudget.dev/release-timeout` of the Job.
    JobAnnotation,
    /// The annotation `hookbudget.dev/release-timeout` of the namespace.
    NamespaceAnnotation,
    /// The flag `--release-timeout`.
    Flag,
    /// The policy's default stands in.
    AssumedDefault,
}

impl TimeoutSource {
    /// True for a `HelmRelease` that leaves the timeout to its default.
    #[must_use]
    pub fn is_defaulted(&self) -> bool {
        matches!(self, Self::HelmRelease { field, .. } if *field == DEFAULTED)
    }
}

impl std::fmt::Display for TimeoutSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::HelmRelease { object, field } => {
                write!(f, "{} {}/{} {field}", object.kind, object.namespace, object.name)
            }
            Self::JobAnnotation => f.write_str("annotation hookbudget.dev/release-timeout of the Job"),
            Self::NamespaceAnnotation => {
                f.write_str("annotation hookbudget.dev/release-timeout of the namespace")
            }
            Self::Flag => f.write_str("flag"),
            Self::AssumedDefault => f.write_str("assumed default"),
        }
    }
}

/// What is known around a Job that is judged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Surroundings<'a> {
    /// The `HelmRelease` objects that are known.
    pub helm_releases: &'a [HelmRelease],
    /// `--release-timeout`.
    pub flag: Option<Seconds>,
    /// The namespace's annotation `hookbudget.dev/release-timeout`.
    pub namespace_timeout: Option<Seconds>,
    /// The namespace's annotation `hookbudget.dev/cold-start`.
    pub namespace_cold_start: Option<Seconds>,
    /// The other objects of the inputs; `None` where they are not looked at, as at admission.
    pub inventory: Option<&'a Inventory<'a>>,
    /// The hooks of each release together and the window around them; `None` as for `inventory`.
    pub windows: Option<&'a Windows>,
    /// The moment of the judgement, by which exemptions end; without it none is over.
    pub now: Option<Timestamp>,
}

impl Surroundings<'_> {
    /// True where the Job stands in a manifest, before a release is made of it; false for one that is in the
    /// cluster or on its way there.
    #[must_use]
    pub const fn is_of_manifests(&self) -> bool {
        self.inventory.is_some()
    }
}

/// Finds the release of a Job and its timeout: the Job's annotation, Flux's origin labels, the `HelmRelease`
/// that reconciles into this namespace, the flag, the namespace's annotation, the policy's default. Argo CD
/// has no timeout per hook, and nothing waits for a `CronJob` or a plain Job.
#[must_use]
pub fn release_of(job: &Job<'_>, around: Surroundings<'_>, policy: &Policy) -> Release {
    let stated = job
        .annotation("hookbudget.dev/release-timeout")
        .and_then(|text| Seconds::parse_go(text).ok());
    if let Some(timeout) = stated {
        return Release {
            timeout: Some(timeout),
            source: TimeoutSource::JobAnnotation,
            object: None,
        };
    }
    let origin = job.origin();
    if !matches!(origin, Origin::HelmHook | Origin::Flux) {
        return Release::default();
    }
    if let Some(release) = owning_helm_release(job, around.helm_releases) {
        let hooks = job.hooks();
        let shortest = hooks
            .iter()
            .map(|hook| release.timeout_of(hook))
            .min_by_key(|(timeout, _)| *timeout);
        let (timeout, field) = shortest.unwrap_or_else(|| release.timeout_of("install"));
        let object = ReleaseObject {
            kind: "HelmRelease".to_owned(),
            namespace: release.namespace.clone(),
            name: release.name.clone(),
        };
        let source = TimeoutSource::HelmRelease {
            object: object.clone(),
            field,
        };
        return Release {
            timeout: Some(timeout),
            source,
            object: Some(object),
        };
    }
    let (timeout, source) = match (around.flag, around.namespace_timeout) {
        (Some(timeout), _) => (timeout, TimeoutSource::Flag),
        (None, Some(timeout)) => (timeout, TimeoutSource::NamespaceAnnotation),
        (None, None) => (policy.release_timeout, TimeoutSource::AssumedDefault),
    };
    Release {
        timeout: Some(timeout),
        source,
        object: None,
    }
}

pub(super) fn owning_helm_release<'r>(job: &Job<'_>, releases: &'r [HelmRelease]) -> Option<&'r HelmRelease> {
    let label = |key| job.label(key);
    if let (Some(name), Some(namespace)) = (
        label("helm.toolkit.fluxcd.io/name"),
        label("helm.toolkit.fluxcd.io/namespace"),
    ) {
        return releases
            .iter()
            .find(|r| r.name == name && r.namespace == namespace);
    }
    let here = |r: &&HelmRelease| {
        job.namespace
            .as_deref()
            .is_none_or(|ns| ns == r.release_namespace())
    };
    let mut candidates = releases.iter().filter(here);
    if let Some(instance) = label("app.kubernetes.io/instance")
        && let Some(release) = candidates.clone().find(|r| r.release_name() == instance)
    {
        return Some(release);
    }
    match (candidates.next(), candidates.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(hooks: &'static str) -> Job<'static> {
        Job {
            namespace: Some("powerdns".into()),
            annotations: vec![("helm.sh/hook".into(), hooks.into())],
            ..Job::default()
        }
    }

    fn helm_release() -> HelmRelease {
        HelmRelease {
            namespace: "powerdns".into(),
            name: "bp-powerdns".into(),
            install_timeout: Some(Seconds::new(900)),
            upgrade_timeout: Some(Seconds::new(600)),
            ..HelmRelease::default()
        }
    }

    fn found(job: &Job<'_>, releases: &[HelmRelease]) -> (Option<i64>, String) {
        let around = Surroundings {
            helm_releases: releases,
            ..Surroundings::default()
        };
        let release = release_of(job, around, &Policy::default());
        (release.timeout.map(Seconds::whole), release.source.to_string())
    }

    #[test]
    fn the_hook_chooses_the_action_and_the_shortest_clock_counts() {
        let releases = [helm_release()];
        let install = (
            Some(900),
            "HelmRelease powerdns/bp-powerdns spec.install.timeout".to_owned(),
        );
        assert_eq!(found(&hook("post-install"), &releases), install);
        let both = found(&hook("pre-install, pre-upgrade"), &releases);
        assert_eq!(
            both,
            (
                Some(600),
                "HelmRelease powerdns/bp-powerdns spec.upgrade.timeout".to_owned()
            )
        );
        let rollback = found(&hook("pre-rollback"), &releases);
        assert_eq!(
            rollback,
            (
                Some(300),
                "HelmRelease powerdns/bp-powerdns the default of spec.timeout".to_owned()
            )
        );
    }

    #[test]
    fn two_releases_in_a_namespace_are_told_apart_by_the_instance_or_not_at_all() {
        let other = HelmRelease {
            name: "bp-gitea".into(),
            timeout: Some(Seconds::new(60)),
            ..helm_release()
        };
        let releases = [helm_release(), other];
        assert_eq!(
            found(&hook("post-install"), &releases),
            (Some(300), "assumed default".to_owned())
        );
        let mut named = hook("post-install");
        named.labels = vec![("app.kubernetes.io/instance".into(), "bp-powerdns".into())];
        assert_eq!(found(&named, &releases).0, Some(900));
    }

    #[test]
    fn argo_and_plain_jobs_have_no_release_timeout() {
        let mut argo = hook("x");
        argo.annotations = vec![("argocd.argoproj.io/hook".into(), "PreSync".into())];
        assert_eq!(found(&argo, &[helm_release()]), (None, "none".to_owned()));
        assert_eq!(found(&Job::default(), &[helm_release()]).0, None);
    }
}
