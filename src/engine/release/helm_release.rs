//! A Flux `HelmRelease` as facts: its timeouts, and which action comes next.

use std::borrow::Cow;

use super::ReleaseObject;
use crate::engine::Seconds;
use crate::engine::job::Job;
use crate::engine::policy::HELM_DEFAULT_TIMEOUT;

/// What stands for a field where a `HelmRelease` states no timeout for an action.
pub(super) const DEFAULTED: &str = "the default of spec.timeout";

/// Longest name of a Helm release (fluxcd/helm-controller `internal/release/name.go`).
const LONGEST_NAME: usize = 53;
/// Characters of a shortened name before its dash and the twelve digits of its hash (the same file).
const SHORTENED: usize = 40;

/// What Helm does with a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Runs `pre-install` and `post-install`.
    Install,
    /// Runs `pre-upgrade` and `post-upgrade`.
    Upgrade,
    /// Runs `pre-rollback` and `post-rollback`.
    Rollback,
    /// Runs `pre-delete` and `post-delete`.
    Uninstall,
    /// Runs `test`.
    Test,
}

impl Action {
    /// The action that runs this hook.
    #[must_use]
    pub fn of(hook: &str) -> Self {
        match hook.split_once('-') {
            Some((_, "upgrade")) => Self::Upgrade,
            Some((_, "rollback")) => Self::Rollback,
            Some((_, "delete")) => Self::Uninstall,
            // test-success and test-failure are names that old charts use.
            None | Some(("test", _)) if hook.starts_with("test") => Self::Test,
            _ => Self::Install,
        }
    }

    /// Reads the name that helm-controller gives an action (fluxcd/helm-controller `internal/reconcile`).
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let all = [
            Self::Install,
            Self::Upgrade,
            Self::Rollback,
            Self::Uninstall,
            Self::Test,
        ];
        all.into_iter().find(|action| action.command() == name)
    }

    /// The field of a `HelmRelease` that states its timeout.
    pub(in crate::engine) const fn field(self) -> &'static str {
        match self {
            Self::Install => "spec.install.timeout",
            Self::Upgrade => "spec.upgrade.timeout",
            Self::Rollback => "spec.rollback.timeout",
            Self::Uninstall => "spec.uninstall.timeout",
            Self::Test => "spec.test.timeout",
        }
    }

    /// The command of Helm.
    #[must_use]
    pub const fn command(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Upgrade => "upgrade",
            Self::Rollback => "rollback",
            Self::Uninstall => "uninstall",
            Self::Test => "test",
        }
    }

    /// Its timeout, and the field to write another one in: the common one only where that is what states it.
    pub(in crate::engine) fn timeout(self, release: &HelmRelease) -> (Seconds, &'static str) {
        match (release.own_timeout(self), release.timeout) {
            (None, Some(timeout)) => (timeout, "spec.timeout"),
            (own, _) => (own.unwrap_or(HELM_DEFAULT_TIMEOUT), self.field()),
        }
    }
}

/// How far a `HelmRelease` is, as its status says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// It was read from a file: every action is still to come.
    #[default]
    Unknown,
    /// It is in the cluster, and nothing of it was ever deployed: an installation comes next.
    New,
    /// An installation failed that is tried again as an upgrade, or it is deployed: an upgrade comes next.
    Deployed,
    /// helm-controller says that this action runs.
    Running(Action),
}

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
    /// `spec.serviceAccountName`: who Flux acts as.
    pub service_account: Option<String>,
    /// True with `spec.kubeConfig`: its objects go to another cluster.
    pub remote: bool,
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
    /// `spec.install.remediation.retries`; below zero for ever, as under the strategy `RetryOnFailure`; none when
    /// absent.
    pub install_retries: Option<i64>,
    /// `spec.upgrade.remediation.retries`; as for the installation.
    pub upgrade_retries: Option<i64>,
    /// How far it is.
    pub stage: Stage,
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

    /// The name of the Helm release, which charts put into `app.kubernetes.io/instance`, before a long one is
    /// shortened.
    #[must_use]
    pub fn release_name(&self) -> Cow<'_, str> {
        match (&self.release_name, &self.target_namespace) {
            (Some(name), _) => Cow::Borrowed(name),
            (None, Some(target)) => Cow::Owned(format!("{target}-{}", self.name)),
            (None, None) => Cow::Borrowed(&self.name),
        }
    }

    /// True when the Helm release has this name, a shortened one included.
    #[must_use]
    pub fn is_named(&self, instance: &str) -> bool {
        let name = self.release_name();
        if name.len() <= LONGEST_NAME {
            return name == instance;
        }
        // The hash of the whole name follows; forty equal characters in one namespace are proof enough.
        let head = name.get(..SHORTENED);
        instance.len() == LONGEST_NAME
            && instance.as_bytes().get(SHORTENED) == Some(&b'-')
            && head.is_some_and(|head| instance.starts_with(head))
    }

    /// What names it in messages.
    #[must_use]
    pub fn object(&self) -> ReleaseObject {
        ReleaseObject {
            kind: "HelmRelease",
            namespace: self.namespace.clone(),
            name: self.name.clone(),
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
    pub(in crate::engine) fn timeout_of(&self, hook: &str) -> (Seconds, &'static str) {
        self.timeout_of_action(Action::of(hook))
    }

    fn timeout_of_action(&self, action: Action) -> (Seconds, &'static str) {
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

    /// The timeout that counts for a Job, and the field that states it. Where the status tells which action runs
    /// or comes next, and a hook of the Job belongs to it, that action's; else the shortest of its hooks'.
    pub(super) fn timeout_for(&self, job: &Job<'_>) -> (Seconds, &'static str) {
        let next = match self.stage {
            Stage::Unknown => None,
            Stage::New => Some(Action::Install),
            Stage::Deployed => Some(Action::Upgrade),
            Stage::Running(action) => Some(action),
        };
        let actions = || job.each_hook().map(Action::of);
        if let Some(action) = next
            && (actions().next().is_none() || actions().any(|of_hook| of_hook == action))
        {
            return self.timeout_of_action(action);
        }
        let clocks = actions().map(|action| self.timeout_of_action(action));
        let shortest = clocks.min_by_key(|(timeout, _)| *timeout);
        shortest.unwrap_or_else(|| self.timeout_of_action(Action::Install))
    }
}

fn tries(retries: Option<i64>) -> Option<u32> {
    let retries = u32::try_from(retries.unwrap_or(0)).ok()?;
    Some(retries.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_too_long_is_recognised_shortened() {
        let mut release = HelmRelease {
            target_namespace: Some("payments".into()),
            name: "reconciliation-of-settlements-with-external-providers".into(),
            ..HelmRelease::default()
        };
        assert!(!release.is_named("payments-reconciliation-of-settlements-x-0123456789ab"));
        let short = format!("{}-0123456789ab", &release.release_name()[..40]);
        assert_eq!(short.len(), 53);
        assert!(release.is_named(&short));
        assert!(!release.is_named(&release.release_name()));
        release.name = "settlements".into();
        assert!(release.is_named("payments-settlements") && !release.is_named("settlements"));
    }
}
