//! One Job before all rules: their findings, less what is exempted, at the levels of the policy.

use super::exemption::{self, Exemption};
use super::finding::{Finding, Severity};
use super::policy::RuleLevel;
use super::rule::Context;
use super::rules;

/// More findings than most Jobs have.
const USUAL: usize = 12;

/// Judges a Job by every rule. Findings come with the worst first; an exempted one keeps its place and names
/// the reason. Beside them, what became of the exemptions.
#[must_use]
pub fn judge(context: &Context<'_>) -> (Vec<Finding>, Vec<Exemption>) {
    let mut exemptions = context.exemptions.to_vec();
    if context.job.is_foreign() {
        return (Vec::new(), exemptions);
    }
    let mut findings: Vec<Finding> = Vec::new();
    for rule in rules::ALL {
        if context.policy.rules.get(rule.code) == Some(&RuleLevel::Off) {
            continue;
        }
        let found = (rule.check)(context);
        if !found.is_empty() {
            if findings.is_empty() {
                findings.reserve(USUAL);
            }
            findings.extend(found);
        }
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
