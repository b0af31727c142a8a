//! What a rule is: a pure function from the facts about one Job to findings, with its documentation.

use super::budget::Clocks;
use super::exemption::{self, Exemption};
use super::finding::{At, Confidence, Finding, Fix, FixSafety, Severity};
use super::job::{Job, Origin};
use super::policy::{Policy, RuleLevel};
use super::release::Surroundings;
use super::words::{Page, Said, Words};

/// Which parts of findings somebody is going to look at. The others stay empty: most findings of a review are
/// counted and never shown, and to write them costs more than to find them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Told {
    /// Every part.
    #[default]
    Everything,
    /// What a denial says: place, message, arithmetic, help.
    Denial,
    /// What a warning says: brief, help, fix.
    Warnings,
    /// What a rewrite does: the fix, unless it is less safe than this.
    Fixes(FixSafety),
    /// Code, severity and confidence alone.
    Codes,
}

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
    /// What is told of each finding.
    pub told: Told,
    /// Where it is written.
    pub page: &'a Page,
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
        [self.job.spec_pointer(), "/", path].concat()
    }

    /// [`Finding::at`], where it is told.
    pub(super) fn at(&self, at: impl FnOnce() -> At) -> At {
        match self.told {
            Told::Everything | Told::Denial => at(),
            Told::Warnings | Told::Fixes(_) | Told::Codes => At::default(),
        }
    }

    /// [`Finding::brief`], where it is told.
    pub(super) fn brief<S: Said>(&self, text: impl FnOnce(&mut String) -> S) -> Words {
        match self.told {
            Told::Everything | Told::Warnings => self.page.write(text),
            Told::Denial | Told::Fixes(_) | Told::Codes => Words::default(),
        }
    }

    /// [`Finding::message`], where it is told.
    pub(super) fn message<S: Said>(&self, text: impl FnOnce(&mut String) -> S) -> Words {
        match self.told {
            Told::Everything | Told::Denial => self.page.write(text),
            Told::Warnings | Told::Fixes(_) | Told::Codes => Words::default(),
        }
    }

    /// [`Finding::arithmetic`], where it is told.
    pub(super) fn arithmetic<S: Said>(&self, text: impl FnOnce(&mut String) -> S) -> Option<Words> {
        match self.told {
            Told::Everything | Told::Denial => Some(self.page.write(text)).filter(Words::is_written),
            Told::Warnings | Told::Fixes(_) | Told::Codes => None,
        }
    }

    /// [`Finding::help`], where it is told.
    pub(super) fn help<S: Said>(&self, text: impl FnOnce(&mut String) -> S) -> Words {
        match self.told {
            Told::Everything | Told::Denial | Told::Warnings => self.page.write(text),
            Told::Fixes(_) | Told::Codes => Words::default(),
        }
    }

    /// [`Finding::fix`], where it is told.
    pub(super) fn fix(&self, fix: impl FnOnce() -> Option<Fix>) -> Option<Fix> {
        match self.told {
            Told::Everything | Told::Warnings | Told::Fixes(_) => fix(),
            Told::Denial | Told::Codes => None,
        }
    }

    /// [`Finding::fix`] where it changes how the Job behaves, where it is told.
    pub(super) fn unsafe_fix(&self, fix: impl FnOnce() -> Option<Fix>) -> Option<Fix> {
        if self.told == Told::Fixes(FixSafety::Safe) {
            return None;
        }
        self.fix(fix)
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
    /// Judges one Job: what it finds comes behind what others have found.
    pub check: fn(&Context<'_>, &mut Vec<Finding>),
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
            at: At::default(),
            brief: Words::default(),
            message: Words::default(),
            arithmetic: None,
            help: Words::default(),
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
