//! Where the timeout of a release is written.

use crate::engine::Seconds;
use crate::engine::job::Origin;
use crate::engine::release::{Action, TimeoutSource, owning_helm_release};
use crate::engine::rule::Context;
use crate::engine::rules::common::{go, is_released_by_flux};

/// Where the timeout of a release is written for the hooks of this Job, and the value that they need.
pub(super) fn release_timeout_to_write(cx: &Context<'_>, timeout: Seconds) -> String {
    let span = go(timeout);
    let hooks = cx.job.hooks();
    let mut actions: Vec<Action> = Vec::new();
    let of_hooks = hooks.iter().map(|hook| Action::of(hook));
    for action in of_hooks.chain(
        hooks
            .is_empty()
            .then_some([Action::Install, Action::Upgrade])
            .into_iter()
            .flatten(),
    ) {
        if !actions.contains(&action) {
            actions.push(action);
        }
    }
    let fields = |actions: &[Action], of: &dyn Fn(Action) -> &'static str| {
        let mut fields: Vec<String> = Vec::new();
        for action in actions {
            let field = format!("{}: {span}", of(*action));
            if !fields.contains(&field) {
                fields.push(field);
            }
        }
        fields.join(" and ")
    };
    let release = owning_helm_release(cx.job, cx.around.helm_releases, cx.around.requester);
    match (&cx.clocks.release.source, release) {
        (TimeoutSource::HelmRelease { object, .. }, Some(release)) => {
            actions.retain(|action| action.timeout(release).0 < timeout);
            let written = fields(&actions, &|action| action.timeout(release).1);
            format!("{written} in HelmRelease {}/{}", object.namespace, object.name)
        }
        (TimeoutSource::JobAnnotation, _) if cx.origin() == Origin::ArgoHook => {
            format!("hookbudget.dev/release-timeout: {span}, if the sync may take as long")
        }
        (source, _) => {
            let flux = fields(&actions, &Action::field);
            let commands: Vec<&str> = actions.iter().map(|action| action.command()).collect();
            let stated = match source {
                TimeoutSource::JobAnnotation | TimeoutSource::NamespaceAnnotation => {
                    format!(", and hookbudget.dev/release-timeout: {span}")
                }
                TimeoutSource::Flag => format!(", and --release-timeout {span} here"),
                _ => String::new(),
            };
            if cx.origin() == Origin::Flux || is_released_by_flux(cx) {
                format!("{flux} in its HelmRelease{stated}")
            } else {
                format!(
                    "helm {} --timeout {span} (Flux: {flux}){stated}",
                    commands.join(" and ")
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::assess;
    use crate::engine::job::Job;
    use crate::engine::policy::Policy;
    use crate::engine::release::{HelmRelease, Surroundings};
    use crate::engine::rules::testkit::{HOOK, Hook};
    use crate::engine::seconds::Seconds;

    fn help(job: &Job<'_>, releases: &[HelmRelease], flag: Option<i64>) -> Option<String> {
        let around = Surroundings {
            helm_releases: releases,
            flag: flag.map(Seconds::new),
            ..Surroundings::default()
        };
        let findings = assess(job, around, &Policy::default()).findings;
        findings
            .into_iter()
            .find(|finding| finding.code == "HB103")
            .map(|finding| finding.help.into())
    }

    fn job(runs: &'static str, release: Option<&'static str>) -> Job<'static> {
        Hook {
            runs,
            deadline: Some(900),
            release,
            ..HOOK
        }
        .job()
    }

    #[test]
    fn the_field_of_the_action_that_runs_the_hook() {
        let helm = |install: Option<i64>, common: Option<i64>| HelmRelease {
            namespace: "shop".into(),
            name: "bp-shop".into(),
            install_timeout: install.map(Seconds::new),
            timeout: common.map(Seconds::new),
            ..HelmRelease::default()
        };
        let both = "post-install,post-upgrade";
        for (runs, release, written) in [
            (
                both,
                helm(None, None),
                "spec.install.timeout: 16m35s and spec.upgrade.timeout: 16m35s",
            ),
            (
                both,
                helm(Some(600), None),
                "spec.install.timeout: 16m35s and spec.upgrade.timeout: 16m35s",
            ),
            (both, helm(Some(1200), None), "spec.upgrade.timeout: 16m35s"),
            (both, helm(Some(1200), Some(400)), "spec.timeout: 16m35s"),
            (both, helm(None, Some(400)), "spec.timeout: 16m35s"),
            (
                "pre-delete",
                helm(Some(1200), None),
                "spec.uninstall.timeout: 16m35s",
            ),
            (
                "post-rollback",
                helm(Some(1200), None),
                "spec.rollback.timeout: 16m35s",
            ),
            (
                "test-success",
                helm(Some(1200), None),
                "spec.test.timeout: 16m35s",
            ),
        ] {
            let help = help(&job(runs, None), &[release], None).unwrap_or_default();
            let wanted = format!("{written} in HelmRelease shop/bp-shop");
            assert!(help.ends_with(&wanted), "{runs}: {help}");
        }
    }

    #[test]
    fn without_an_object_the_command_and_the_field() {
        let delete = "helm uninstall --timeout 16m35s (Flux: spec.uninstall.timeout: 16m35s)";
        assert_eq!(help(&job("pre-delete", None), &[], None).as_deref(), Some(delete));
        let flag = help(&job("test-success", None), &[], Some(300)).unwrap_or_default();
        assert!(flag.contains("helm test --timeout 16m35s"), "{flag}");
        assert!(flag.ends_with("and --release-timeout 16m35s here"), "{flag}");
        let argo = help(&job("PostSync", Some("5m")), &[], None).unwrap_or_default();
        assert!(argo.contains("hookbudget.dev/release-timeout: 16m35s"), "{argo}");
        assert!(!argo.contains("helm"), "{argo}");
    }
}
