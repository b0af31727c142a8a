//! HB103.

use crate::engine::Seconds;
use crate::engine::finding::{At, Confidence, Edit, Finding, Fix, FixSafety, Severity};
use crate::engine::formulas::needed_release;
use crate::engine::release::RELEASE_POLL;
use crate::engine::rule::{Context, rule};
use crate::engine::rules::release_field::release_timeout_to_write;

rule! {
    /// The Job's deadline does not fit into the timeout of the release that waits for it.
    ///
    /// ## What it does
    ///
    /// Compares `activeDeadlineSeconds` + grace period + 5 s for a poll with the timeout of the owning release
    /// action: the HelmRelease's `install.timeout` or `upgrade.timeout`, the flag `--release-timeout`, an
    /// annotation `hookbudget.dev/release-timeout`, else 300 s, the default of Helm and Flux.
    ///
    /// ## Why is this bad?
    ///
    /// Helm and Flux give up at their own timeout and say only "timed out waiting for the condition"; the Job
    /// goes on in the cluster, unseen, and the next attempt deletes it. `Failed=True` appears only when the
    /// Pod is gone (Kubernetes 1.31 and later), up to `terminationGracePeriodSeconds` after the deadline, and
    /// Flux looks every 5 s: 840 s + 30 s + 5 s = 875 s fits into 900 s, with a grace of 60 s it does not.
    ///
    /// ## Severity
    ///
    /// An error when the timeout is stated, a warning when the default is assumed.
    ///
    /// ## How to fix
    ///
    /// Lower the deadline, as long as the wait still fits, or raise the release's timeout:
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
    /// ## Fix safety
    ///
    /// Unsafe: the Job is ended earlier than before.
    ///
    /// ## When to ignore
    ///
    /// When nobody waits for the release's own verdict.
    "HB103" "deadline-exceeds-release-timeout" Error check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    let clocks = cx.clocks;
    let (Some(deadline), Some(timeout)) = (clocks.deadline, clocks.release.timeout) else {
        return;
    };
    let needed = needed_release(deadline, clocks.grace);
    if needed < timeout {
        return;
    }
    let release = &clocks.release;
    let known = release.is_known();
    let (severity, confidence) = if known {
        (Severity::Error, Confidence::Certain)
    } else {
        (Severity::Warning, Confidence::Likely)
    };
    let pointer = || cx.field("activeDeadlineSeconds");
    let fitting = fitting_deadline(timeout, clocks.grace);
    let wait_fits = clocks.wait.is_none_or(|wait| {
        wait.nominal + cx.policy.headroom + clocks.startup <= crate::engine::Limit::At(fitting)
    });
    let is_mended = known && wait_fits && fitting > Seconds::ZERO;
    // A release that states no timeout is given one, rather than the Job less time (HB111).
    let release_lacks_it =
        release.source.is_defaulted() && release.object.is_some() && cx.around.inventory.is_some();
    let raise = || release_timeout_to_write(cx, needed + cx.policy.slack);
    found.push(Finding {
        at: cx.at(|| At::field(pointer())),
        brief: cx.brief(|_| format!(
            "deadline {deadline} + {} grace, release timeout {timeout}",
            clocks.grace
        )),
        message: cx.message(|_| if deadline >= timeout {
            format!(
                "the deadline of {deadline} ends after the release has given up at {timeout} ({}): the Job goes \
                 on and nobody is told how it ends",
                clocks.release.source
            )
        } else {
            format!(
                "the deadline of {deadline} ends too late for the release to see it before it gives up at \
                 {timeout} ({})",
                clocks.release.source
            )
        }),
        arithmetic: cx.arithmetic(|_| Some(format!(
            "{deadline} + {} grace + {RELEASE_POLL} poll = {needed}, release timeout {timeout}",
            clocks.grace
        ))),
        help: cx.help(|_| if is_mended {
            format!("activeDeadlineSeconds: {}, or {}", fitting.whole(), raise())
        } else {
            raise()
        }),
        fix: cx.fix(|| (is_mended && !release_lacks_it).then(|| Fix {
            safety: FixSafety::Unsafe,
            on: None,
            edits: vec![Edit::Set {
                pointer: pointer(),
                value: fitting.whole().into(),
            }],
        })),
        ..RULE.finding(severity, confidence)
    });
}

/// The latest deadline whose end the release still sees.
pub(in crate::engine) fn fitting_deadline(timeout: Seconds, grace: Seconds) -> Seconds {
    timeout.minus_or_zero(Seconds::new(1) + RELEASE_POLL + grace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rules::testkit::{CERTAIN, HOOK, Hook};

    #[test]
    fn the_deadline_with_grace_and_poll_below_at_and_above_the_timeout() {
        let likely = Some((Severity::Warning, Confidence::Likely));
        for (deadline, release, verdict) in [
            (864, Some("15m"), None), // 864 + 30 + 5 = 899
            (865, Some("15m"), CERTAIN),
            (866, Some("15m"), CERTAIN),
            (264, None, None), // 300 s are assumed
            (265, None, likely),
        ] {
            let hook = Hook {
                deadline: Some(deadline),
                release,
                ..HOOK
            };
            assert_eq!(hook.verdict("HB103"), verdict, "{deadline} {release:?}");
        }
    }

    #[test]
    fn the_deadline_to_write_is_the_longest_that_fits() {
        let hook = Hook {
            deadline: Some(1_200),
            release: Some("15m"),
            ..HOOK
        };
        let help = &hook.findings("HB103")[0].help;
        assert!(help.starts_with("activeDeadlineSeconds: 864,"), "{help}");
        let repaired = Hook {
            deadline: Some(864),
            ..hook
        };
        assert_eq!(repaired.verdict("HB103"), None);
    }
}
