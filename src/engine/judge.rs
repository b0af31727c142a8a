//! One Job before all rules: their findings, less what is exempted, at the levels of the policy.

use super::exemption::{self, Exemption};
use super::finding::{Finding, Severity};
use super::policy::RuleLevel;
use super::rule::Context;
use super::rules;

/// Judges a Job by every rule. Findings come with the worst first; an exempted one keeps its place and names
/// the reason. Beside them, what became of the exemptions. Where there are findings already, of the same Job by the
/// same context, only their rules are asked again, to tell more.
#[must_use]
pub fn judge(context: &Context<'_>, mut findings: Vec<Finding>) -> (Vec<Finding>, Vec<Exemption>) {
    let mut exemptions = context.exemptions.to_vec();
    if context.job.is_foreign() {
        return (Vec::new(), exemptions);
    }
    let known = Known::of(&findings);
    findings.clear();
    for (number, rule) in rules::ALL.iter().enumerate() {
        if context.policy.rules.get(rule.code) == Some(&RuleLevel::Off) || !known.may_find(number) {
            continue;
        }
        (rule.check)(context, &mut findings);
    }
    exemption::apply(&mut exemptions, &mut findings);
    exemption::settle(&mut exemptions, context.policy);
    findings.extend(rules::exemption_invalid::unused(context, &exemptions));
    exemption::apply(&mut exemptions, &mut findings);
    for finding in &mut findings {
        finding.severity = match context.policy.rules.get(finding.code) {
            Some(RuleLevel::Info) => Severity::Info,
            Some(RuleLevel::Warning) => finding.severity.min(Severity::Warning),
            _ => finding.severity,
        };
    }
    findings.sort_by(|a, b| (b.severity, b.confidence, a.code).cmp(&(a.severity, a.confidence, b.code)));
    (findings, exemptions)
}

/// The rules that have found something, one bit each by their place in [`rules::ALL`]; all where none has.
struct Known(u128);

impl Known {
    fn of(findings: &[Finding]) -> Self {
        let bits = rules::ALL.iter().enumerate().map(|(number, rule)| {
            let found = findings.iter().any(|finding| finding.code == rule.code);
            u128::from(found).checked_shl(u32::try_from(number).unwrap_or(u32::MAX))
        });
        // A rule beyond the last bit is always asked.
        Self(bits.map(Option::unwrap_or_default).fold(0, |all, bit| all | bit))
    }

    fn may_find(&self, number: usize) -> bool {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        self.0 == 0 || self.0.checked_shr(number).is_none_or(|bits| bits & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::assess;
    use crate::engine::job::RestartPolicy;
    use crate::engine::policy::Policy;
    use crate::engine::release::Surroundings;
    use crate::engine::rules::testkit::{HOOK, Hook};

    /// How a policy's level changes an error (HB101) and a warning (HB301).
    fn said(level: Option<RuleLevel>) -> [Option<Severity>; 2] {
        let hook = Hook {
            policy: RestartPolicy::OnFailure,
            limit: 6,
            deadline: Some(840),
            ..HOOK
        };
        ["HB101", "HB301"].map(|code| {
            let mut policy = Policy::default();
            policy.rules.extend(level.map(|level| (code.to_owned(), level)));
            let findings = assess(&hook.job(), Surroundings::default(), &policy).findings;
            findings
                .iter()
                .find(|finding| finding.code == code)
                .map(|finding| finding.severity)
        })
    }

    #[test]
    fn a_policy_lowers_a_rule_and_never_raises_it() {
        let own = [Some(Severity::Error), Some(Severity::Warning)];
        assert_eq!(said(None), own);
        assert_eq!(said(Some(RuleLevel::Error)), own);
        assert_eq!(said(Some(RuleLevel::Warning)), [Some(Severity::Warning); 2]);
        assert_eq!(said(Some(RuleLevel::Info)), [Some(Severity::Info); 2]);
        assert_eq!(said(Some(RuleLevel::Off)), [None; 2]);
    }
}
