//! Exemptions: an object that its owner takes out of a rule's judgement, with a reason and for a time.
//!
//! `hookbudget.dev/exempt.<rule>: "<reason>"` names one rule by its code or its name, in any case;
//! `hookbudget.dev/exempt: "<reason>"` means them all but those about annotations (HB602, HB603). `hookbudget.dev/exempt-until` ends every exemption of
//! the object: a day counts to its end in UTC. What has no reason, or is over, exempts from nothing. A date that
//! cannot be read ends nothing, and the rule HB602 says so: a slip of the pen must not start a denial.

use jiff::Timestamp;
use serde::Serialize;

use super::annotations::{self, EXEMPT_ALL, EXEMPT_ONE, EXEMPT_UNTIL};
use super::finding::Finding;
use super::job::Job;
use super::policy::{Policy, RuleLevel};
use super::rules;

/// One exemption of an object, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exemption {
    /// The annotation: `hookbudget.dev/exempt.HB301`.
    pub annotation: String,
    /// JSON pointer of the annotation.
    #[serde(skip)]
    pub pointer: String,
    /// The code of the rule; `None` for all rules, and for one that does not exist.
    pub rule: Option<&'static str>,
    /// Why, in the owner's words; empty where none is given.
    pub reason: String,
    /// `hookbudget.dev/exempt-until` as it stands.
    pub until: Option<String>,
    /// What became of it.
    pub state: State,
}

/// What became of an exemption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It exempts from a finding.
    Used,
    /// Its rule ran and found nothing.
    Unused,
    /// Its rule does not run here.
    NotRun,
    /// Its time is over.
    Expired,
    /// It has no reason.
    NoReason,
    /// It names no rule.
    UnknownRule,
}

impl State {
    /// True for one that exempts where its rule finds something.
    const fn holds(self) -> bool {
        matches!(self, Self::Used | Self::Unused | Self::NotRun)
    }
}

/// The exemptions of an object at a moment, before its rules have run; without a moment none is over.
#[must_use]
pub fn of(job: &Job<'_>, now: Option<Timestamp>) -> Vec<Exemption> {
    let mut found = Vec::new();
    for (map, key, value) in annotations::of(job) {
        let rule = match key.strip_prefix(EXEMPT_ONE) {
            Some(name) => rules::find(name).map(|rule| rule.code),
            None if key == EXEMPT_ALL => None,
            None => continue,
        };
        let until = job.annotation(EXEMPT_UNTIL);
        let end = until.and_then(annotations::until);
        let reason = value.trim();
        let state = if rule.is_none() && key != EXEMPT_ALL {
            State::UnknownRule
        } else if reason.is_empty() {
            State::NoReason
        } else if end.zip(now).is_some_and(|(end, now)| now >= end) {
            State::Expired
        } else {
            State::Unused
        };
        found.push(Exemption {
            annotation: key.to_owned(),
            pointer: annotations::pointer(map, key),
            rule,
            reason: reason.to_owned(),
            until: until.map(str::to_owned),
            state,
        });
    }
    found
}

/// Marks the findings that an exemption takes, and the exemptions that take one. The reason of the exemption
/// from that one rule stands before the reason of the exemption from all.
pub fn apply(exemptions: &mut [Exemption], findings: &mut [Finding]) {
    for finding in findings.iter_mut().filter(|finding| finding.exempted.is_none()) {
        let taken = exemptions
            .iter_mut()
            .filter(|exemption| exemption.state.holds())
            .filter(|exemption| {
                exemption
                    .rule
                    .map_or(!is_about_annotations(finding), |code| code == finding.code)
            })
            .max_by_key(|exemption| exemption.rule.is_some());
        if let Some(exemption) = taken {
            exemption.state = State::Used;
            finding.exempted = Some(exemption.reason.clone());
        }
    }
}

/// True for what is said of the annotations themselves: an exemption from all rules must not hide that its own end
/// cannot be read.
fn is_about_annotations(finding: &Finding) -> bool {
    matches!(finding.code, "HB602" | "HB603")
}

/// Tells an exemption that nobody needs from one whose rule does not run under this policy.
pub fn settle(exemptions: &mut [Exemption], policy: &Policy) {
    let off = |code: &str| policy.rules.get(code) == Some(&RuleLevel::Off);
    for exemption in exemptions.iter_mut().filter(|e| e.state == State::Unused) {
        let left_out = match exemption.rule {
            Some(code) => off(code),
            None => rules::ALL.iter().any(|rule| off(rule.code)),
        };
        if left_out {
            exemption.state = State::NotRun;
        }
    }
}

/// True when an exemption that holds takes this rule's findings.
#[must_use]
pub fn covers(exemptions: &[Exemption], code: &str) -> bool {
    exemptions
        .iter()
        .any(|exemption| exemption.state.holds() && exemption.rule.is_none_or(|rule| rule == code))
}
