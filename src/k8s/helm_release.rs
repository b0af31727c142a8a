//! Flux `HelmRelease` (`helm.toolkit.fluxcd.io` v2 and v2beta2) into the engine's facts.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::custom_resource;
use super::job::Problem;
use super::text::{Str, StrMap, null_default};
use crate::engine::job::lookup;
use crate::engine::release::{Action as Doing, HelmRelease, Stage};

/// The API group of a `HelmRelease`.
pub const GROUP: &str = "helm.toolkit.fluxcd.io";

/// A `HelmRelease` as it stands in a list or a file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct HelmReleaseObject<'a> {
    #[serde(borrow, deserialize_with = "null_default")]
    metadata: Metadata<'a>,
    #[serde(borrow, deserialize_with = "null_default")]
    spec: Spec<'a>,
    #[serde(borrow, deserialize_with = "null_default")]
    status: Status<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata<'a> {
    #[serde(borrow)]
    name: Str<'a>,
    #[serde(borrow)]
    namespace: Option<Str<'a>>,
    #[serde(borrow)]
    uid: Option<Str<'a>>,
    #[serde(borrow, deserialize_with = "null_default")]
    labels: StrMap<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec<'a> {
    #[serde(borrow)]
    release_name: Option<Str<'a>>,
    #[serde(borrow)]
    target_namespace: Option<Str<'a>>,
    #[serde(borrow)]
    service_account_name: Option<Str<'a>>,
    kube_config: Option<IgnoredAny>,
    suspend: Option<bool>,
    #[serde(borrow)]
    timeout: Option<Str<'a>>,
    #[serde(borrow, deserialize_with = "null_default")]
    install: Action<'a>,
    #[serde(borrow, deserialize_with = "null_default")]
    upgrade: Action<'a>,
    #[serde(borrow, deserialize_with = "null_default")]
    rollback: Action<'a>,
    #[serde(borrow, deserialize_with = "null_default")]
    uninstall: Action<'a>,
    #[serde(borrow, deserialize_with = "null_default")]
    test: Action<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Action<'a> {
    #[serde(borrow)]
    timeout: Option<Str<'a>>,
    #[serde(deserialize_with = "null_default")]
    remediation: Remediation,
    #[serde(borrow, deserialize_with = "null_default")]
    strategy: Strategy<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Remediation {
    retries: Option<i64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Strategy<'a> {
    #[serde(borrow)]
    name: Option<Str<'a>>,
}

impl Action<'_> {
    /// `RetryOnFailure` tries again for ever, whatever the remediation says.
    fn retries(&self) -> Option<i64> {
        if self.strategy.is_retry() {
            Some(-1)
        } else {
            self.remediation.retries
        }
    }
}

impl Strategy<'_> {
    fn is_retry(&self) -> bool {
        self.name
            .as_ref()
            .is_some_and(|Str(name)| name == "RetryOnFailure")
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Status<'a> {
    #[serde(borrow, deserialize_with = "null_default")]
    conditions: Vec<Condition<'a>>,
    #[serde(borrow, deserialize_with = "null_default")]
    history: Vec<Snapshot<'a>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Condition<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    #[serde(borrow)]
    status: Str<'a>,
    #[serde(borrow)]
    message: Option<Str<'a>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Snapshot<'a> {
    #[serde(borrow)]
    status: Option<Str<'a>>,
}

impl Status<'_> {
    /// helm-controller says `Running 'install' action with timeout of 15m0s` before it begins
    /// (fluxcd/helm-controller `internal/reconcile/atomic_release.go`), and keeps the history of revisions.
    fn stage(&self, install_is_retried: bool) -> Stage {
        let running = self
            .conditions
            .iter()
            .filter(|condition| condition.kind.0 == "Reconciling" && condition.status.0 == "True")
            .filter_map(|condition| {
                condition
                    .message
                    .as_ref()?
                    .0
                    .strip_prefix("Running '")?
                    .split('\'')
                    .next()
            })
            .find_map(Doing::parse);
        if let Some(action) = running {
            return Stage::Running(action);
        }
        let was = |snapshot: &Snapshot<'_>, words: &[&str]| {
            snapshot
                .status
                .as_ref()
                .is_some_and(|Str(status)| words.contains(&status.as_ref()))
        };
        let deployed = self
            .history
            .iter()
            .any(|old| was(old, &["deployed", "superseded"]));
        // A failed installation is undone and installed anew, or, where it is only retried, upgraded.
        let failed = self
            .history
            .first()
            .is_some_and(|newest| !was(newest, &["uninstalled"]));
        if deployed || (failed && install_is_retried) {
            Stage::Deployed
        } else {
            Stage::New
        }
    }
}

impl HelmReleaseObject<'_> {
    /// The facts, and the timeouts that are no durations (they count as absent).
    #[must_use]
    pub fn into_facts(self) -> (HelmRelease, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut span = |value, pointer| custom_resource::span(value, pointer, &mut problems);
        let owned =
            |value: Option<Str<'_>>| value.map(|Str(text)| text.into_owned()).filter(|t| !t.is_empty());
        let Self {
            metadata,
            spec,
            status,
        } = self;
        let label = |key| lookup(&metadata.labels.0, key).map(str::to_owned);
        let kustomization =
            label("kustomize.toolkit.fluxcd.io/namespace").zip(label("kustomize.toolkit.fluxcd.io/name"));
        let install_is_retried = spec.install.strategy.is_retry();
        // Only what comes from a cluster has a uid, and a status that says how far it is.
        let stage = if metadata.uid.is_some() {
            status.stage(install_is_retried)
        } else {
            Stage::Unknown
        };
        let (install_retries, upgrade_retries) = (spec.install.retries(), spec.upgrade.retries());
        let release = HelmRelease {
            namespace: owned(metadata.namespace).unwrap_or_else(|| "default".to_owned()),
            name: metadata.name.0.into_owned(),
            release_name: owned(spec.release_name),
            target_namespace: owned(spec.target_namespace),
            suspend: spec.suspend.unwrap_or(false),
            service_account: owned(spec.service_account_name),
            remote: spec.kube_config.is_some(),
            timeout: span(spec.timeout, "/spec/timeout"),
            install_timeout: span(spec.install.timeout, "/spec/install/timeout"),
            upgrade_timeout: span(spec.upgrade.timeout, "/spec/upgrade/timeout"),
            rollback_timeout: span(spec.rollback.timeout, "/spec/rollback/timeout"),
            uninstall_timeout: span(spec.uninstall.timeout, "/spec/uninstall/timeout"),
            test_timeout: span(spec.test.timeout, "/spec/test/timeout"),
            install_retries,
            upgrade_retries,
            stage,
            kustomization,
            file: None,
        };
        (release, problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Seconds;

    #[test]
    fn timeouts_are_go_durations_and_a_wrong_one_is_named() {
        let text = r#"{"metadata":{"name":"bp-gitea","namespace":"flux"},
            "spec":{"timeout":"20m","install":{"timeout":"15m0s"},"upgrade":{"timeout":"15 min"},"rollback":null}}"#;
        let object: HelmReleaseObject<'_> = serde_json::from_str(text).expect("a HelmRelease");
        let (release, problems) = object.into_facts();
        assert_eq!(release.install_timeout, Some(Seconds::new(900)));
        assert_eq!(
            (release.upgrade_timeout, release.timeout),
            (None, Some(Seconds::new(1200)))
        );
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].pointer, "/spec/upgrade/timeout");
    }

    #[test]
    fn the_status_says_which_action_runs_or_comes_next() {
        let running = r#"{"conditions":[{"type":"Reconciling","status":"True",
            "message":"Running 'upgrade' action with timeout of 15m0s"}],"history":[{"status":"deployed"}]}"#;
        let retried = r#""install":{"strategy":{"name":"RetryOnFailure"}}"#;
        for (status, spec, expected) in [
            ("null", "", Stage::New),
            (r#"{"conditions":null,"history":[]}"#, "", Stage::New),
            (running, "", Stage::Running(Doing::Upgrade)),
            (
                r#"{"history":[{"status":"failed"},{"status":"superseded"}]}"#,
                "",
                Stage::Deployed,
            ),
            (r#"{"history":[{"status":"failed"}]}"#, "", Stage::New),
            (r#"{"history":[{"status":"failed"}]}"#, retried, Stage::Deployed),
            (r#"{"history":[{"status":"uninstalled"}]}"#, retried, Stage::New),
        ] {
            let text =
                format!(r#"{{"metadata":{{"name":"r","uid":"u"}},"spec":{{{spec}}},"status":{status}}}"#);
            let object: HelmReleaseObject<'_> = serde_json::from_str(&text).expect("a HelmRelease");
            let (release, _) = object.into_facts();
            assert_eq!(release.stage, expected, "{text}");
            assert_eq!(release.install_tries(), spec.is_empty().then_some(1));
        }
        let file: HelmReleaseObject<'_> =
            serde_json::from_str(r#"{"metadata":{"name":"r"},"spec":{"kubeConfig":{}}}"#)
                .expect("a HelmRelease");
        let (release, _) = file.into_facts();
        assert_eq!((release.stage, release.remote), (Stage::Unknown, true));
    }
}
