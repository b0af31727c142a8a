//! HB306.

use crate::engine::finding::{At, Confidence, Edit, Finding, Fix, FixSafety, Severity};
use crate::engine::job::{JobKind, Origin, lookup};
use crate::engine::rule::{Context, rule};
use crate::engine::rules::common::{HOOK_OUTPUT, is_released_by_flux, shows_on_failure};

rule! {
    /// Helm does not print the logs of this hook when it fails.
    ///
    /// ## What it does
    ///
    /// Reports a Helm hook whose annotation `helm.sh/hook-output-log-policy` does not contain `hook-failed`.
    /// It looks at manifests only, in `lint`. At admission the annotation has no effect any more: Helm reads it
    /// from the chart that it renders, not from the cluster.
    ///
    /// ## Why is this bad?
    ///
    /// Helm 3.18 and later print the logs of a failed hook into the terminal or the log of the pipeline, before
    /// they delete anything (helm/helm `pkg/action/hooks.go`, `outputLogsByPolicy`). Without the annotation there
    /// is `job failed: BackoffLimitExceeded`, and somebody with access to the cluster has to look for the Pod.
    ///
    /// What Helm prints are the logs of the Pods that are there: all attempts under `restartPolicy: Never`. Under
    /// `OnFailure` the Pod is deleted with the failure (HB301), so that only a hook that runs into the release's
    /// timeout has logs left to print.
    ///
    /// ## Severity
    ///
    /// Information: next to no public chart sets it yet. It never becomes a warning at admission, and the
    /// webhook never writes it.
    ///
    /// ## How to fix
    ///
    /// ```yaml
    /// metadata:
    ///   annotations:
    ///     helm.sh/hook-output-log-policy: hook-failed
    /// ```
    ///
    /// ## Fix safety
    ///
    /// Unsafe, because nobody who writes a chart knows who installs it. With the command line of Helm it changes
    /// no more than what is printed, and it has no effect before 3.18 and under Argo CD.
    ///
    /// **Not with Flux.** Its helm-controller prints no hook logs. v1.6.3, on the SDK of Helm 4, gives Helm nothing
    /// to write to and ends with a nil pointer on the first hook that has this annotation; the release stays
    /// `pending-upgrade` (fluxcd/helm-controller issue 1562, open since August 2026). A hook of a `HelmRelease`, or
    /// among inputs that hold one, is therefore passed over. Leave the annotation out of a chart that Flux may
    /// install.
    ///
    /// ## When to ignore
    ///
    /// When the release is not made by the command line of Helm, or when the hook prints secrets: the logs go
    /// where Helm's own output goes.
    "HB306" "hook-logs-not-shown" Info check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let applies = cx.around.is_of_manifests()
        && cx.origin() == Origin::HelmHook
        && cx.job.kind == JobKind::Job
        && !is_released_by_flux(cx);
    if !applies || shows_on_failure(cx.job) {
        return;
    }
    let present = lookup(&cx.job.annotations, HOOK_OUTPUT)
        .unwrap_or_default()
        .trim();
    let value = match present {
        "" => "hook-failed".to_owned(),
        others => format!("{others},hook-failed"),
    };
    let pointer = format!("/metadata/annotations/{}", HOOK_OUTPUT.replace('/', "~1"));
    found.push(Finding {
        at: cx.at(|| At::field(pointer.clone())),
        brief: cx.brief(|_| "Helm prints no logs when the hook fails".to_owned()),
        message: cx.message(|_| {
            format!("no {HOOK_OUTPUT} of hook-failed: when the hook fails, Helm prints the reason and no log")
        }),
        help: cx.help(|_| {
            format!("{HOOK_OUTPUT}: {value} (Helm 3.18 and later; not for a chart that Flux installs)")
        }),
        fix: cx.fix(|| {
            Some(Fix {
                safety: FixSafety::Unsafe,
                on: None,
                edits: vec![Edit::Set {
                    pointer,
                    value: value.into(),
                }],
            })
        }),
        ..RULE.finding(Severity::Info, Confidence::Certain)
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::assess;
    use crate::engine::inventory::Inventory;
    use crate::engine::job::Job;
    use crate::engine::policy::Policy;
    use crate::engine::release::{HelmRelease, Surroundings};
    use crate::engine::rules::testkit::{HOOK, Hook};

    fn says(job: &Job<'_>, around: Surroundings<'_>) -> Vec<Finding> {
        let mut findings = assess(job, around, &Policy::default()).findings;
        findings.retain(|finding| finding.code == "HB306");
        findings
    }

    fn hook(runs: &'static str, output: Option<&'static str>) -> Job<'static> {
        let mut job = Hook { runs, ..HOOK }.job();
        job.annotations
            .extend(output.map(|words| (HOOK_OUTPUT.into(), words.into())));
        job
    }

    #[test]
    fn a_helm_hook_whose_logs_nobody_prints() {
        let inventory = Inventory::default();
        let manifests = Surroundings {
            inventory: Some(&inventory),
            ..Surroundings::default()
        };
        for (runs, output, value) in [
            ("post-install", None, Some("hook-failed")),
            ("post-install", Some(""), Some("hook-failed")),
            (
                "post-install",
                Some("hook-succeeded"),
                Some("hook-succeeded,hook-failed"),
            ),
            ("post-install", Some("hook-succeeded, hook-failed"), None),
            ("Sync", None, None),
        ] {
            let findings = says(&hook(runs, output), manifests);
            let written = findings
                .first()
                .and_then(|finding| finding.fix.as_ref())
                .map(|fix| &fix.edits[0]);
            let written = written.map(|edit| match edit {
                Edit::Set { value, .. } => value.as_str().unwrap_or_default().to_owned(),
                other => panic!("{other:?}"),
            });
            assert_eq!(written.as_deref(), value, "{runs} {output:?}");
        }
    }

    #[test]
    fn neither_at_admission_nor_under_flux() {
        let inventory = Inventory::default();
        let releases = [HelmRelease::default()];
        let job = hook("post-install", None);
        let around = |inventory, helm_releases| Surroundings {
            helm_releases,
            inventory,
            ..Surroundings::default()
        };
        assert_eq!(says(&job, around(None, &[])), []);
        assert_eq!(says(&job, around(Some(&inventory), &releases)), []);
        assert_eq!(says(&job, around(Some(&inventory), &[])).len(), 1);
    }
}
