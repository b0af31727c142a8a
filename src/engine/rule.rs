//! What a rule is: a pure function from the facts about one Job to findings, with its documentation.

use super::budget::Clocks;
use super::exemption::{self, Exemption};
use super::finding::{Confidence, Finding, Severity};
use super::job::{Job, Origin};
use super::policy::{Policy, RuleLevel};
use super::release::Surroundings;

/// All that a rule may look at.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The Job or `CronJob`.
    pub job: &'a Job<'a>,
    /// Its clocks.
    pub clocks: &'a Clocks,
    /// What is known beside the Job: releases and the other objects of the inputs.
    pub around: Surroundings<'a>,
    /// What the installation demands.
    pub policy: &'a Policy,
    /// The exemptions of the Job, before any rule has run.
    pub exemptions: &'a [Exemption],
}

impl Context<'_> {
    /// Who brings the Job into the cluster.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.job.origin()
    }

    /// JSON pointer of a field of the Job's spec: `field("backoffLimit")`.
    #[must_use]
    pub fn field(&self, path: &str) -> String {
        format!("{}/{path}", self.job.spec_pointer())
    }

    /// True when another rule runs here and no exemption takes its findings.
    #[must_use]
    pub fn is_active(&self, code: &str) -> bool {
        self.policy.rules.get(code) != Some(&RuleLevel::Off) && !exemption::covers(self.exemptions, code)
    }
}

/// A rule: its name, its page, its judgement.
#[derive(Debug)]
pub struct Rule {
    /// `HB101`; never reused.
    pub code: &'static str,
    /// `retries-end-before-deadline`.
    pub name: &'static str,
    /// The worst severity that the rule gives.
    pub severity: Severity,
    /// The documentation page in Markdown: the doc comment of the rule's file.
    pub docs: &'static str,
    /// Judges one Job.
    pub check: fn(&Context<'_>) -> Vec<Finding>,
}

impl Rule {
    /// The first sentence of the page.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        self.docs
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty())
            .unwrap_or_default()
    }

    /// A finding of this rule. The caller fills what is its own.
    #[must_use]
    pub fn finding(&self, severity: Severity, confidence: Confidence) -> Finding {
        Finding {
            code: self.code,
            name: self.name,
            severity,
            confidence,
            at: super::finding::At::default(),
            brief: String::new(),
            message: String::new(),
            arithmetic: None,
            help: String::new(),
            fix: None,
            exempted: None,
        }
    }
}

/// Declares a rule: its doc comment becomes the documentation page.
macro_rules! rule {
    ($(#[doc = $doc:literal])+ $code:literal $name:literal $severity:ident $check:ident) => {
        #[doc = concat!("The rule `", $code, "`, ", $name, ".")]
        pub static RULE: $crate::engine::rule::Rule = $crate::engine::rule::Rule {
            code: $code,
            name: $name,
            severity: $crate::engine::finding::Severity::$severity,
            docs: concat!($($doc, "\n"),+),
            check: $check,
        };
    };
}
pub(crate) use rule;
