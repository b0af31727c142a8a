//! HB111.

use crate::engine::Seconds;
use crate::engine::finding::{At, Confidence, Edit, Finding, Fix, FixSafety, Severity};
use crate::engine::formulas::needed_release;
use crate::engine::policy::HELM_DEFAULT_TIMEOUT;
use crate::engine::release::{HelmRelease, RELEASE_POLL};
use crate::engine::rule::{Context, rule};
use crate::engine::rules::common::{WaitInMessage, at_most_a_warning, confidence_of_waits, go, plus_startup};

rule! {
    /// The HelmRelease sets no timeout, and the default of 5 minutes is too short for the hook.
    ///
    /// ## What it does
    ///
    /// Compares the budget of a hook (`activeDeadlineSeconds` with grace and poll, else its own wait with the
    /// slack) with 300 s, where the HelmRelease that runs it sets neither `spec.timeout` nor the timeout of the
    /// action.
    ///
    /// ## Why is this bad?
    ///
    /// `spec.interval` is often taken for the timeout, and a chart's hooks for a part of the chart. But each
    /// hook is waited for 300 s (fluxcd/helm-controller `api/v2`, `GetTimeout`), on the first installation too,
    /// when all images are pulled and every dependency starts from nothing. A hook that may take 14 minutes
    /// then fails its release at minute five, while it is still working as designed.
    ///
    /// ## Severity
    ///
    /// A warning; an error where files are linted together, so that both stand side by side, and the deadline
    /// or the wait alone is not below 300 s. It never denies: HB103 and HB104 do, with the same numbers.
    ///
    /// ## How to fix
    ///
    /// Set both, because an upgrade runs the hooks as well; the unsafe fix writes what the hook's actions lack into the
    /// HelmRelease, where it is among the files:
    ///
    /// ```yaml
    /// kind: HelmRelease
    /// spec:
    ///   install:
    ///     timeout: 15m
    ///   upgrade:
    ///     timeout: 15m
    /// ```
    ///
    /// ## When to ignore
    ///
    /// Hardly: the timeout costs nothing when the hook is quick.
    "HB111" "release-timeout-defaulted" Error check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let release = &cx.clocks.release;
    let Some(object) = release.object.as_ref().filter(|_| release.source.is_defaulted()) else {
        return;
    };
    let timeout = HELM_DEFAULT_TIMEOUT;
    let Some(budget) = Budget::of(cx).filter(|budget| budget.needed >= timeout) else {
        return;
    };
    let both_files = cx.around.inventory.is_some();
    // Admission warns: nothing is certain here that it would not deny. HB103 and HB104 deny what cannot fit.
    let (severity, confidence) = if both_files && budget.alone >= timeout {
        (Severity::Error, budget.confidence.min(Confidence::Likely))
    } else {
        (Severity::Warning, budget.confidence)
    };
    let named = format!("HelmRelease {}/{}", object.namespace, object.name);
    let owner = cx.around.helm_releases.iter();
    let mut owner =
        owner.filter(|release| release.namespace == object.namespace && release.name == object.name);
    let fields = owner
        .next()
        .map_or_else(Vec::new, |owner| fields_to_set(cx, owner));
    let raise = go(budget.raise);
    let help = |_: &mut String| {
        let fields = fields
            .iter()
            .map(|field| format!("{}: {raise}", At::field(*field).dotted()));
        format!("{} in {named}", fields.collect::<Vec<_>>().join(" and "))
    };
    // A wait that is not fully read may be longer: its reader decides.
    let is_known = both_files && budget.confidence == Confidence::Certain;
    let fix = || Fix {
        safety: FixSafety::Unsafe,
        on: Some((**object).clone()),
        edits: fields
            .iter()
            .map(|field| Edit::Set {
                pointer: (*field).to_owned(),
                value: raise.clone().into(),
            })
            .collect(),
    };
    let own_pod = budget.what == "wait" && cx.clocks.waits_for_own_pod_only();
    let severity = at_most_a_warning(severity, own_pod);
    found.push(Finding {
        at: cx.at(|| budget.at),
        brief: cx.brief(|_| format!(
            "{} {}, default release timeout {timeout}",
            budget.what, budget.alone
        )),
        message: cx.message(|_| format!(
            "the {} of {} does not fit into the {timeout} that {named} waits: it sets no timeout for this hook, and \
             the default applies",
            budget.what, budget.alone
        )),
        arithmetic: cx.arithmetic(|_| Some(format!(
            "{}, the default of spec.timeout is {timeout}",
            budget.arithmetic
        ))),
        help: cx.help(help),
        fix: cx.fix(|| is_known.then(fix)),
        ..RULE.finding(severity, confidence)
    });
}

/// The timeouts that the actions of this hook lack.
fn fields_to_set(cx: &Context<'_>, release: &HelmRelease) -> Vec<&'static str> {
    let hooks = cx.job.hooks();
    let lacks = |action: &str, stated: Option<Seconds>| {
        stated.is_none() && hooks.iter().any(|hook| hook.ends_with(action))
    };
    let mut fields = Vec::new();
    if lacks("install", release.install_timeout) {
        fields.push("/spec/install/timeout");
    }
    if lacks("upgrade", release.upgrade_timeout) {
        fields.push("/spec/upgrade/timeout");
    }
    if fields.is_empty() {
        fields.push("/spec/timeout");
    }
    fields
}

/// What a hook needs of its release.
struct Budget {
    at: At,
    what: &'static str,
    /// The deadline or the wait.
    alone: Seconds,
    /// With all that has to happen behind it.
    needed: Seconds,
    /// The timeout that leaves the slack even when every probe hangs.
    raise: Seconds,
    arithmetic: String,
    confidence: Confidence,
}

impl Budget {
    fn of(cx: &Context<'_>) -> Option<Self> {
        let clocks = cx.clocks;
        if let Some(deadline) = clocks.deadline {
            let needed = needed_release(deadline, clocks.grace);
            return Some(Self {
                at: At::field(cx.field("activeDeadlineSeconds")),
                what: "deadline",
                alone: deadline,
                needed,
                raise: needed + cx.policy.slack,
                arithmetic: format!(
                    "{deadline} + {} grace + {RELEASE_POLL} poll = {needed}",
                    clocks.grace
                ),
                confidence: Confidence::Certain,
            });
        }
        let span = clocks.wait.filter(|_| clocks.has_wait())?;
        let (wait, worst) = (span.nominal.seconds()?, span.worst.seconds());
        let said = WaitInMessage::of(cx);
        let slack = cx.policy.slack;
        let needed = wait + clocks.startup + slack;
        Some(Self {
            at: said.at,
            what: "wait",
            alone: wait,
            needed,
            raise: worst.map_or(needed, |worst| needed.max(worst + clocks.startup + slack)),
            arithmetic: format!(
                "{}; {wait}{} + {slack} slack = {needed}",
                said.arithmetic,
                plus_startup(cx)
            ),
            confidence: confidence_of_waits(cx),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::assess;
    use crate::engine::inventory::Inventory;
    use crate::engine::policy::Policy;
    use crate::engine::release::Surroundings;
    use crate::engine::rules::testkit::{HOOK, Hook};

    fn severity(hook: Hook, release: HelmRelease, files: bool) -> Option<Severity> {
        let releases = [HelmRelease {
            namespace: "shop".into(),
            name: "shop".into(),
            ..release
        }];
        let inventory = Inventory::default();
        let around = Surroundings {
            helm_releases: &releases,
            inventory: files.then_some(&inventory),
            ..Surroundings::default()
        };
        let job = Hook {
            release: None,
            ..hook
        }
        .job();
        let findings = assess(&job, around, &Policy::default()).findings;
        findings.iter().find(|f| f.code == "HB111").map(|f| f.severity)
    }

    #[test]
    fn the_deadline_below_at_and_above_the_default() {
        for (deadline, files, admission) in [
            (264, None, None), // 264 + 30 + 5 = 299
            (265, Some(Severity::Warning), Some(Severity::Warning)),
            (299, Some(Severity::Warning), Some(Severity::Warning)),
            (300, Some(Severity::Error), Some(Severity::Warning)),
            (840, Some(Severity::Error), Some(Severity::Warning)),
        ] {
            let hook = Hook {
                deadline: Some(deadline),
                ..HOOK
            };
            assert_eq!(severity(hook, HelmRelease::default(), true), files, "{deadline}");
            assert_eq!(
                severity(hook, HelmRelease::default(), false),
                admission,
                "{deadline}"
            );
        }
    }

    #[test]
    fn the_wait_counts_where_there_is_no_deadline() {
        for (script, expected) in [
            (
                "for i in $(seq 119); do nc -z -w 1 db 80 && exit 0; sleep 2; done; exit 1",
                None,
            ),
            (
                "for i in $(seq 120); do nc -z -w 1 db 80 && exit 0; sleep 2; done; exit 1",
                Some(Severity::Warning),
            ),
            (
                "for i in $(seq 150); do nc -z -w 1 db 80 && exit 0; sleep 2; done; exit 1",
                Some(Severity::Error),
            ),
            ("sleep 600", None),
            ("curl -f http://catalog", None),
        ] {
            assert_eq!(
                severity(Hook { script, ..HOOK }, HelmRelease::default(), true),
                expected,
                "{script}"
            );
        }
    }

    #[test]
    fn a_timeout_of_any_kind_is_one() {
        let set = Some(Seconds::new(300));
        for (runs, release, fails) in [
            (
                "post-install",
                HelmRelease {
                    timeout: set,
                    ..HelmRelease::default()
                },
                false,
            ),
            (
                "post-install",
                HelmRelease {
                    install_timeout: set,
                    ..HelmRelease::default()
                },
                false,
            ),
            (
                "post-install",
                HelmRelease {
                    upgrade_timeout: set,
                    ..HelmRelease::default()
                },
                true,
            ),
            (
                "post-upgrade",
                HelmRelease {
                    install_timeout: set,
                    ..HelmRelease::default()
                },
                true,
            ),
        ] {
            let hook = Hook {
                runs,
                deadline: Some(840),
                ..HOOK
            };
            assert_eq!(severity(hook, release, true).is_some(), fails, "{runs}");
        }
    }
}
