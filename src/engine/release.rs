//! The release that a hook Job belongs to, and the timeout that its wait has to fit into.

mod helm_release;
mod owner;

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

pub use helm_release::{Action, HelmRelease, Stage};
pub(super) use owner::{is_helm_controller, owning_helm_release};

use super::Seconds;
use super::inventory::Inventory;
use super::job::{Job, Origin};
use super::policy::Policy;
use super::window::{Kustomization, Windows};
use helm_release::DEFAULTED;

/// How long Flux's poller and the API take to see a finished Job (fluxcd/pkg `ssa` polls every 5 s).
pub const RELEASE_POLL: Seconds = Seconds::new(5);

/// An Argo CD `Application` as facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Application {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `spec.syncPolicy.retry.limit`; below zero for ever.
    pub retries: Option<i64>,
}

/// What is known of the clock outside the Job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Release {
    /// The timeout, where one applies.
    pub timeout: Option<Seconds>,
    /// Who states it.
    pub source: TimeoutSource,
    /// The release object that owns the Job, where it could be told.
    pub object: Option<Arc<ReleaseObject>>,
}

impl Release {
    /// True when somebody stated the timeout; false for an assumed default and for none.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !matches!(
            self.source,
            TimeoutSource::AssumedDefault | TimeoutSource::Application { .. } | TimeoutSource::None
        )
    }
}

/// A release object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct ReleaseObject {
    /// `HelmRelease`, `Kustomization` or `Application`.
    pub kind: &'static str,
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
        object: Arc<ReleaseObject>,
        /// The field, or that it is the field's default.
        field: &'static str,
    },
    /// An Argo CD `Application` runs the hook, and waits without a limit.
    Application {
        /// The object.
        object: Arc<ReleaseObject>,
        /// How often a failed sync is tried again, if known; below zero for ever.
        retries: Option<i64>,
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

    /// The value of the label `source` of counters.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::HelmRelease { .. } => "helm_release",
            Self::Application { .. } => "application",
            Self::JobAnnotation => "job_annotation",
            Self::NamespaceAnnotation => "namespace_annotation",
            Self::Flag => "flag",
            Self::AssumedDefault => "assumed_default",
        }
    }
}

impl std::fmt::Display for TimeoutSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::HelmRelease { object, field } => {
                write!(f, "{} {}/{} {field}", object.kind, object.namespace, object.name)
            }
            Self::Application { object, retries } => {
                write!(
                    f,
                    "{} {}/{} without a timeout",
                    object.kind, object.namespace, object.name
                )?;
                match retries {
                    Some(retries) if *retries > 0 => write!(f, ", tried {} times", retries.saturating_add(1)),
                    Some(retries) if *retries < 0 => f.write_str(", tried for ever"),
                    _ => Ok(()),
                }
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
    /// The Flux `Kustomization`s that are known.
    pub kustomizations: &'a [Kustomization],
    /// The Argo CD `Application`s that are known.
    pub applications: &'a [Application],
    /// Who creates the Job, where somebody does: `userInfo.username` of the request.
    pub requester: Option<&'a str>,
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

/// Finds the release of a Job and its timeout: the Job's annotation, the `HelmRelease` that owns it (its origin
/// labels, who creates it, the release's name, the only one that releases into this namespace), the flag, the
/// namespace's annotation, the policy's default. Argo CD has no timeout per hook, and nothing waits for a
/// `CronJob` or a plain Job.
#[must_use]
pub fn release_of(job: &Job<'_>, around: Surroundings<'_>, policy: &Policy) -> Release {
    if let Some(timeout) = job.duration("hookbudget.dev/release-timeout") {
        return Release {
            timeout: Some(timeout),
            source: TimeoutSource::JobAnnotation,
            object: None,
        };
    }
    match job.origin() {
        Origin::HelmHook | Origin::Flux => {}
        Origin::ArgoHook => return of_application(job, around),
        Origin::CronJob | Origin::Plain => {
            return Release {
                object: owner::owning_kustomization(job).map(Arc::new),
                ..Release::default()
            };
        }
    }
    if let Some(release) = owning_helm_release(job, around.helm_releases, around.requester) {
        let (timeout, field) = release.timeout_for(job);
        let object = Arc::new(release.object());
        let source = TimeoutSource::HelmRelease {
            object: Arc::clone(&object),
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

fn of_application(job: &Job<'_>, around: Surroundings<'_>) -> Release {
    owner::owning_application(job, around).map_or_else(Release::default, |(object, retries)| {
        let object = Arc::new(object);
        Release {
            timeout: None,
            source: TimeoutSource::Application {
                object: Arc::clone(&object),
                retries,
            },
            object: Some(object),
        }
    })
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
    fn the_state_of_the_release_chooses_between_install_and_upgrade() {
        let install = (Some(900), "spec.install.timeout");
        let upgrade = (Some(600), "spec.upgrade.timeout");
        let shortest = upgrade;
        for (stage, hooks, expected) in [
            (Stage::Unknown, "pre-install,pre-upgrade", shortest),
            (Stage::New, "pre-install,pre-upgrade", install),
            (Stage::Deployed, "pre-install,pre-upgrade", upgrade),
            (
                Stage::Running(Action::Install),
                "pre-install,pre-upgrade",
                install,
            ),
            (
                Stage::Running(Action::Upgrade),
                "post-install,post-upgrade",
                upgrade,
            ),
            // The status is behind, or the hook belongs to no such action: the hook decides.
            (
                Stage::Running(Action::Uninstall),
                "pre-install,pre-upgrade",
                shortest,
            ),
            (Stage::Deployed, "pre-install", install),
        ] {
            let release = HelmRelease {
                stage,
                ..helm_release()
            };
            let (timeout, source) = found(&hook(hooks), &[release]);
            assert_eq!(
                (timeout, source.ends_with(expected.1)),
                (expected.0, true),
                "{stage:?} {hooks}: {source}"
            );
        }
    }

    fn found_for(job: &Job<'_>, releases: &[HelmRelease], requester: &str) -> String {
        let around = Surroundings {
            helm_releases: releases,
            requester: Some(requester),
            ..Surroundings::default()
        };
        release_of(job, around, &Policy::default()).source.to_string()
    }

    #[test]
    fn who_creates_the_job_tells_releases_apart() {
        let own = HelmRelease {
            service_account: Some("deployer".into()),
            ..helm_release()
        };
        let other = HelmRelease {
            name: "bp-gitea".into(),
            ..helm_release()
        };
        let releases = [other, own];
        let job = hook("post-install");
        let deployer = "system:serviceaccount:powerdns:deployer";
        assert!(found_for(&job, &releases, deployer).contains("powerdns/bp-powerdns "));
        let controller = "system:serviceaccount:flux-system:helm-controller";
        assert_eq!(found_for(&job, &releases, controller), "assumed default");
        // Somebody's own `helm install` next to a HelmRelease is not the HelmRelease's.
        let mut by_hand = hook("post-install");
        by_hand.labels = vec![("app.kubernetes.io/instance".into(), "mine".into())];
        assert_eq!(found_for(&by_hand, &releases[1..], "alice"), "assumed default");
        assert!(found_for(&by_hand, &releases[1..], controller).contains("powerdns/bp-powerdns "));
        assert!(found_for(&job, &releases[1..], "alice").contains("powerdns/bp-powerdns "));
    }

    #[test]
    fn a_release_at_work_wins_and_one_of_another_cluster_does_not_count() {
        let busy = HelmRelease {
            name: "bp-gitea".into(),
            stage: Stage::Running(Action::Install),
            ..helm_release()
        };
        let idle = HelmRelease {
            stage: Stage::Deployed,
            ..helm_release()
        };
        let job = hook("pre-install");
        assert!(found(&job, &[idle.clone(), busy]).1.contains("bp-gitea"));
        let remote = HelmRelease {
            name: "elsewhere".into(),
            remote: true,
            ..helm_release()
        };
        assert!(found(&job, &[remote.clone(), idle]).1.contains("bp-powerdns"));
        assert_eq!(found(&job, &[remote]).1, "assumed default");
    }

    #[test]
    fn a_helm_hook_that_argo_runs_has_no_timeout_but_an_application() {
        let mut job = hook("post-install");
        let id = "team-a_shop:batch/Job:powerdns/migrate";
        job.annotations
            .push(("argocd.argoproj.io/tracking-id".into(), id.into()));
        assert_eq!(
            found(&job, &[helm_release()]),
            (None, "Application team-a/shop without a timeout".to_owned())
        );
        let applications = [Application {
            namespace: "team-a".into(),
            name: "shop".into(),
            retries: Some(5),
        }];
        let around = Surroundings {
            applications: &applications,
            ..Surroundings::default()
        };
        let release = release_of(&job, around, &Policy::default());
        assert!(!release.is_known());
        assert_eq!(
            release.source.to_string(),
            "Application team-a/shop without a timeout, tried 6 times"
        );
    }

    #[test]
    fn argo_and_plain_jobs_have_no_release_timeout() {
        let mut argo = hook("x");
        argo.annotations = vec![("argocd.argoproj.io/hook".into(), "PreSync".into())];
        assert_eq!(found(&argo, &[helm_release()]), (None, "none".to_owned()));
        assert_eq!(found(&Job::default(), &[helm_release()]).0, None);
    }
}
