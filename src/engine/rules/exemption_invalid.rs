//! HB602.

use crate::engine::annotations::{EXEMPT_ONE, EXEMPT_UNTIL, of, pointer, until};
use crate::engine::exemption::{Exemption, State};
use crate::engine::finding::{At, Confidence, Finding, Severity};
use crate::engine::nearest::nearest;
use crate::engine::rule::{Context, rule};
use crate::engine::rules::ALL;

rule! {
    /// An exemption does not count: it has no reason, is over, or names no rule.
    ///
    /// ## What it does
    ///
    /// Reports an annotation `hookbudget.dev/exempt` or `hookbudget.dev/exempt.<rule>` without a reason, one
    /// whose `hookbudget.dev/exempt-until` is over or cannot be read, and one that names no rule. An exemption
    /// whose rule finds nothing is reported as information.
    ///
    /// ## Why is this bad?
    ///
    /// Whoever wrote the annotation believes that the object is exempted, and finds out when an install is
    /// denied. An exemption that nobody needs any more hides the next mistake of the same kind.
    ///
    /// ## How it is read
    ///
    /// - A rule is named by its code or its name, in any case: `exempt.HB301`, `exempt.logs-lost-on-failure`.
    /// - `exempt-until` ends every exemption of the object. A day (`2030-12-31`) counts to its end in UTC, a time
    ///   (`2030-12-31T18:00:00Z`) is exact.
    /// - A date that cannot be read ends nothing: a slip must not start a denial. This rule says so.
    /// - `exempt` takes what all rules find but this one and HB603: what is said of annotations, their own end among
    ///   it, is taken by `exempt.HB602` and `exempt.HB603` alone.
    /// - A policy turns a rule off for everybody; then its exemptions are neither used nor unused.
    ///
    /// ## How to fix
    ///
    /// ```yaml
    /// metadata:
    ///   annotations:
    ///     hookbudget.dev/exempt.HB301: "logs go to the collector"
    ///     hookbudget.dev/exempt-until: "2030-12-31"
    /// ```
    ///
    /// or remove the annotation.
    ///
    /// ## When to ignore
    ///
    /// An unused exemption may stay where the same manifest is rendered with values for which it is needed.
    "HB602" "exemption-invalid" Warning check
}

fn check(cx: &Context<'_>, found: &mut Vec<Finding>) {
    found.extend(cx.exemptions.iter().filter_map(invalid));
    let unreadable = of(cx.job).find(|(_, key, value)| *key == EXEMPT_UNTIL && until(value).is_none());
    if let Some((map, key, value)) = unreadable {
        found.push(Finding {
            at: cx.at(|| At::field(pointer(map, key))),
            brief: cx.brief(|_| "exempt-until is no date".to_owned()),
            message: cx.message(|_| {
                format!("{key} is {value:?}, no date of RFC 3339: the exemptions of this object never end")
            }),
            help: cx.help(|_| "a day such as 2030-12-31, or a time such as 2030-12-31T18:00:00Z".to_owned()),
            ..RULE.finding(Severity::Warning, Confidence::Certain)
        });
    }
}

fn invalid(exemption: &Exemption) -> Option<Finding> {
    let key = &exemption.annotation;
    let (brief, message, help) = match exemption.state {
        State::NoReason => (
            "an exemption without a reason does not count".to_owned(),
            format!("{key} has no reason and exempts from nothing"),
            format!("{key}: \"<why this is fine here>\""),
        ),
        State::Expired => {
            let until = exemption.until.as_deref().unwrap_or_default();
            (
                format!("the exemption ended {until}"),
                format!("{key} is over since {EXEMPT_UNTIL} {until} and exempts from nothing"),
                format!("mend what it exempts from, or a later {EXEMPT_UNTIL}"),
            )
        }
        State::UnknownRule => {
            let name = key.strip_prefix(EXEMPT_ONE).unwrap_or(key);
            let known = ALL.iter().flat_map(|rule| [rule.code, rule.name]);
            let help = nearest(name, known).map_or_else(
                || format!("{EXEMPT_ONE}HB301 with the code or the name of a rule"),
                |meant| format!("{EXEMPT_ONE}{meant}"),
            );
            (
                "the exemption names no rule".to_owned(),
                format!("{key} names no rule and exempts from nothing"),
                help,
            )
        }
        State::Used | State::Unused | State::NotRun => return None,
    };
    Some(Finding {
        at: At::field(exemption.pointer.clone()),
        brief: brief.into(),
        message: message.into(),
        help: help.into(),
        ..RULE.finding(Severity::Warning, Confidence::Certain)
    })
}

/// The exemptions that took nothing, once every other rule has run.
pub(in crate::engine) fn unused(cx: &Context<'_>, exemptions: &[Exemption]) -> Vec<Finding> {
    let runs = cx.is_active(RULE.code);
    let unused = exemptions
        .iter()
        .filter(|exemption| runs && exemption.state == State::Unused && exemption.rule != Some(RULE.code));
    unused
        .map(|exemption| {
            let what = exemption.rule.map_or_else(
                || "no rule finds anything".to_owned(),
                |code| format!("{code} finds nothing"),
            );
            Finding {
                at: cx.at(|| At::field(exemption.pointer.clone())),
                brief: cx.brief(|_| "the exemption is not needed".to_owned()),
                message: cx.message(|_| format!("{} is not needed: {what} here", exemption.annotation)),
                help: cx
                    .help(|_| "remove the annotation, so that it does not hide the next mistake".to_owned()),
                ..RULE.finding(Severity::Info, Confidence::Certain)
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::engine::finding::Decision;
    use crate::engine::job::{Job, RestartPolicy};
    use crate::engine::policy::{Mode, Policy, RuleLevel};
    use crate::engine::release::Surroundings;
    use crate::engine::rules::testkit::{HOOK, Hook};
    use crate::engine::{Assessment, assess};

    /// HB101 denies it, and HB301 warns.
    fn job(annotations: &[(&'static str, &'static str)]) -> Job<'static> {
        let hook = Hook {
            policy: RestartPolicy::OnFailure,
            limit: 6,
            deadline: Some(840),
            ..HOOK
        };
        let mut job = hook.job();
        for (key, value) in annotations {
            job.annotations.push(((*key).into(), (*value).into()));
        }
        job
    }

    fn assessed(annotations: &[(&'static str, &'static str)], now: &str, policy: &Policy) -> Assessment {
        let around = Surroundings {
            now: Some(now.parse::<Timestamp>().expect("a time")),
            ..Surroundings::default()
        };
        assess(&job(annotations), around, policy)
    }

    fn states(annotations: &[(&'static str, &'static str)], now: &str) -> Vec<(State, Severity)> {
        let assessment = assessed(annotations, now, &Policy::default());
        let of = |state: &Exemption| {
            let said = assessment.findings.iter().find(|f| f.code == "HB602");
            (
                state.state,
                said.map_or(Severity::Error, |finding| finding.severity),
            )
        };
        assessment.exemptions.iter().map(of).collect()
    }

    const NOW: &str = "2030-06-01T12:00:00Z";
    /// No finding of HB602.
    const SILENT: Severity = Severity::Error;

    #[test]
    fn what_became_of_an_exemption_is_reported() {
        for (key, reason, state) in [
            (
                "hookbudget.dev/exempt.HB301",
                "logs go elsewhere",
                (State::Used, SILENT),
            ),
            (
                "hookbudget.dev/exempt.hb301",
                "logs go elsewhere",
                (State::Used, SILENT),
            ),
            (
                "hookbudget.dev/exempt.logs-lost-on-failure",
                "so",
                (State::Used, SILENT),
            ),
            ("hookbudget.dev/exempt", "known", (State::Used, SILENT)),
            (
                "hookbudget.dev/exempt.HB301",
                " ",
                (State::NoReason, Severity::Warning),
            ),
            ("hookbudget.dev/exempt", "", (State::NoReason, Severity::Warning)),
            (
                "hookbudget.dev/exempt.HB999",
                "so",
                (State::UnknownRule, Severity::Warning),
            ),
            (
                "hookbudget.dev/exempt.HB201",
                "so",
                (State::Unused, Severity::Info),
            ),
        ] {
            assert_eq!(states(&[(key, reason)], NOW), [state], "{key}: {reason}");
        }
    }

    #[test]
    fn an_exemption_holds_to_the_end_of_its_day() {
        let until = |now| {
            let pair = [
                ("hookbudget.dev/exempt.HB301", "so"),
                ("hookbudget.dev/exempt-until", "2030-05-31"),
            ];
            states(&pair, now)[0].0
        };
        assert_eq!(until("2030-05-31T23:59:59Z"), State::Used);
        assert_eq!(until("2030-06-01T00:00:00Z"), State::Expired);
        let unreadable = [
            ("hookbudget.dev/exempt.HB301", "so"),
            ("hookbudget.dev/exempt-until", "soon"),
        ];
        assert_eq!(states(&unreadable, NOW), [(State::Used, Severity::Warning)]);
    }

    #[test]
    fn only_an_exemption_that_holds_lets_an_error_through() {
        let enforced = |pairs: &[(&'static str, &'static str)]| {
            let assessment = assessed(pairs, NOW, &Policy::default());
            assessment.decision(&job(pairs), Mode::Enforce)
        };
        let one = ("hookbudget.dev/exempt.HB101", "the chart is gone in June");
        let other = ("hookbudget.dev/exempt.HB206", "the chart is gone in June");
        let all = ("hookbudget.dev/exempt", "known");
        let over = ("hookbudget.dev/exempt-until", "2030-05-31");
        assert_eq!(enforced(&[]), Decision::Deny);
        assert_eq!(enforced(&[one, other]), Decision::Warn);
        assert_eq!(enforced(&[all]), Decision::Allow);
        assert_eq!(enforced(&[one, other, over]), Decision::Deny);
        assert_eq!(enforced(&[("hookbudget.dev/exempt", "")]), Decision::Deny);
    }

    #[test]
    fn the_exemption_from_a_rule_that_does_not_run_is_not_unused() {
        let mut policy = Policy::default();
        policy.rules.insert("HB201".to_owned(), RuleLevel::Off);
        let assessment = assessed(&[("hookbudget.dev/exempt.HB201", "so")], NOW, &policy);
        assert_eq!(assessment.exemptions[0].state, State::NotRun);
        assert!(assessment.findings.iter().all(|finding| finding.code != "HB602"));
    }

    #[test]
    fn an_unknown_rule_gets_the_nearest_one() {
        for (key, meant) in [
            ("hookbudget.dev/exempt.HB30l", "exempt.HB301"),
            (
                "hookbudget.dev/exempt.log-lost-on-failure",
                "exempt.logs-lost-on-failure",
            ),
        ] {
            let assessment = assessed(&[(key, "so")], NOW, &Policy::default());
            let finding = assessment.findings.iter().find(|f| f.code == "HB602").expect(key);
            assert!(finding.help.ends_with(meant), "{}", finding.help);
        }
    }
}
