//! HB110.

use crate::engine::finding::{At, Finding, Severity};
use crate::engine::rule::{Context, rule};
use crate::engine::rules::common::go;
use crate::engine::window::{ActionHooks, Window};
use crate::engine::{Seconds, release::HelmRelease};

rule! {
    /// The hooks of one release action together outlast the Flux Kustomization that waits for the release.
    ///
    /// ## What it does
    ///
    /// Adds up what the hooks of an installation or an upgrade may take, each until its own deadline (with
    /// grace and poll) or the timeout of the action, times the attempts of
    /// `spec.install.remediation.retries` or `spec.upgrade.remediation.retries`, and compares it with the
    /// timeout of the Kustomization that waits for the HelmRelease: `spec.timeout`, else `spec.interval` less
    /// 30 s, 30 s at least. It looks only where Jobs, HelmRelease and Kustomization are known, and
    /// reports once, on the hook that may take longest. A Kustomization waits when it has `wait: true` or names
    /// the HelmRelease in `healthChecks`.
    ///
    /// At admission one hook alone is known: what it takes is the least that the action takes.
    ///
    /// ## Why is this bad?
    ///
    /// The timeout of Helm and Flux is no timeout of the action: each hook gets it anew (helm/helm
    /// `pkg/action/hooks.go`), the main wait once more, and every remediation runs them all again. Two hooks of
    /// 15 minutes and two attempts are an hour. The Kustomization gives up meanwhile with "timeout waiting
    /// for", blocks whatever depends on it, and says nothing about the hook that is still at work.
    ///
    /// ## How to fix
    ///
    /// Give the Kustomization the sum and the slack, or shorten the hooks' deadlines:
    ///
    /// ```yaml
    /// kind: Kustomization
    /// spec:
    ///   interval: 10m
    ///   timeout: 30m
    ///   wait: true
    /// ```
    ///
    /// ## When to ignore
    ///
    /// When nothing depends on the Kustomization, and its next reconciliation is soon enough.
    "HB110" "hooks-outlast-release-window" Warning check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let (Some(windows), Some(object)) = (cx.around.windows, &cx.clocks.release.object) else {
        return;
    };
    let Some(window) = windows.get(&object.namespace, &object.name) else {
        return;
    };
    let releases = cx.around.helm_releases.iter();
    let release = releases
        .into_iter()
        .find(|r| r.namespace == object.namespace && r.name == object.name);
    let (timeout, field) = window.kustomization.timeout();
    let worst = [("install", &window.install), ("upgrade", &window.upgrade)]
        .into_iter()
        .map(|(action, (hooks, tries))| (action, hooks, *tries, spent(hooks, *tries)))
        .filter(|(.., spent)| *spent > timeout)
        .reduce(|a, b| if b.3 > a.3 { b } else { a });
    let Some((action, hooks, tries, spent)) = worst else {
        return;
    };
    let mine = cx.job.hooks().iter().any(|hook| hook.ends_with(action))
        && hooks
            .longest
            .as_ref()
            .is_some_and(|(name, _)| *name == cx.job.name);
    if !mine {
        return;
    }
    let Window {
        kustomization,
        confidence,
        ..
    } = window;
    let named = format!("Kustomization {}/{}", kustomization.namespace, kustomization.name);
    let again = again(action, tries, release);
    found.push(Finding {
        at: cx.at(|| At::field("/metadata/annotations/helm.sh~1hook")),
        brief: cx.brief(|_| format!("hooks of one {action} {spent}, Kustomization {timeout}")),
        message: cx.message(|_| format!(
            "the {} of one {action} of HelmRelease {}/{}{again} may take {spent}, and {named} gives up at {timeout} \
             ({field}): it fails while the hooks go on",
            count(hooks),
            object.namespace,
            object.name
        )),
        arithmetic: cx.arithmetic(|_| Some(format!(
            "{}; {named} {field} = {timeout}",
            sum(hooks, tries, spent)
        ))),
        help: cx.help(|_| format!(
            "spec.timeout: {} in {named}, or shorter deadlines",
            go(spent + cx.policy.slack)
        )),
        ..RULE.finding(Severity::Warning, *confidence)
    });
}

/// All hooks in all attempts. A release that is tried for ever never outlasts by that alone: whoever writes
/// it wants the Kustomization to fail meanwhile.
fn spent(hooks: &ActionHooks, tries: Option<u32>) -> Seconds {
    hooks.total.times(u64::from(tries.unwrap_or(1)))
}

fn count(hooks: &ActionHooks) -> String {
    match hooks.count {
        1 => "hook".to_owned(),
        count => format!("{count} hooks"),
    }
}

fn again(action: &str, tries: Option<u32>, release: Option<&HelmRelease>) -> String {
    let suspended = release.is_some_and(|release| release.suspend);
    match tries {
        Some(tries) if tries > 1 && !suspended => {
            format!(
                " in {tries} attempts (spec.{action}.remediation.retries: {})",
                tries - 1
            )
        }
        _ => String::new(),
    }
}

/// `(migrate 875 s + seed 300 s) x 2 attempts = 2350 s`.
fn sum(hooks: &ActionHooks, tries: Option<u32>, spent: Seconds) -> String {
    let mut terms: Vec<String> = hooks
        .first
        .iter()
        .map(|(name, span)| format!("{name} {span}"))
        .collect();
    let more = hooks.count - hooks.first.len();
    if more > 0 {
        let named: Seconds = hooks.first.iter().map(|(_, span)| *span).sum();
        terms.push(format!("{more} more {}", hooks.total - named));
    }
    let terms = terms.join(" + ");
    match tries {
        Some(tries) if tries > 1 => format!("({terms}) x {tries} attempts = {spent}"),
        _ => format!("{terms} = {spent}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::assess;
    use crate::engine::job::Job;
    use crate::engine::policy::Policy;
    use crate::engine::release::Surroundings;
    use crate::engine::rules::testkit::{HOOK, Hook};
    use crate::engine::window::{Kustomization, Windows};

    fn job(name: &'static str, runs: &'static str, deadline: Option<i64>) -> Job<'static> {
        let hook = Hook {
            runs,
            deadline,
            release: None,
            ..HOOK
        };
        Job {
            name: name.into(),
            ..hook.job()
        }
    }

    /// Which of the Jobs are reported, with their arithmetic, in a release whose timeout is 15 minutes.
    fn reported(jobs: &[Job<'_>], retries: Option<i64>, timeout: i64) -> Vec<(String, String)> {
        let releases = [HelmRelease {
            namespace: "shop".into(),
            name: "shop".into(),
            timeout: Some(Seconds::new(900)),
            install_retries: retries,
            ..HelmRelease::default()
        }];
        let kustomization = Kustomization {
            namespace: "flux-system".into(),
            name: "apps".into(),
            interval: Seconds::new(600),
            timeout: Some(Seconds::new(timeout)),
            wait: true,
            ..Kustomization::default()
        };
        let windows = Windows::of(jobs.iter(), &releases, &[kustomization]);
        let around = Surroundings {
            helm_releases: &releases,
            windows: Some(&windows),
            ..Surroundings::default()
        };
        let mut found = Vec::new();
        for job in jobs {
            let findings = assess(job, around, &Policy::default()).findings;
            for finding in findings.into_iter().filter(|f| f.code == "HB110") {
                found.push((
                    job.name.to_string(),
                    finding.arithmetic.unwrap_or_default().to_string(),
                ));
            }
        }
        found
    }

    #[test]
    fn the_window_below_at_and_above_the_sum_of_the_hooks() {
        let jobs = [
            job("migrate", "pre-install,pre-upgrade", Some(600)),
            job("seed", "post-install", None),
            job("check", "test", Some(900)),
        ];
        for (timeout, fails) in [(1534, true), (1535, false), (1536, false)] {
            let found = reported(&jobs, None, timeout);
            assert_eq!(found.len(), usize::from(fails), "{timeout}: {found:?}");
        }
        let found = reported(&jobs, Some(2), 1536);
        assert_eq!(
            found,
            [(
                "seed".to_owned(),
                "(migrate 635 s + seed 900 s) x 3 attempts = 4605 s; Kustomization flux-system/apps spec.timeout \
                 = 1536 s"
                    .to_owned()
            )]
        );
        assert_eq!(reported(&jobs, Some(-1), 1535), [], "for ever is not a sum");
    }

    #[test]
    fn a_deadline_beyond_the_timeout_counts_only_up_to_it() {
        let jobs = [job("migrate", "pre-upgrade", Some(5_000))];
        assert_eq!(reported(&jobs, None, 900), []);
        assert_eq!(reported(&jobs, None, 899).len(), 1);
    }
}
