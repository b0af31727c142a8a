//! The specs of Jobs, shared among all Jobs whose specs say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use super::labels::label_pairs;
use super::view::Budget;
use crate::engine::Seconds;
use crate::engine::finding::Severity;
use crate::engine::policy::Policy;
use crate::k8s::job_record::JobSpec;

/// A spec, and what the series of each Job with this spec have from it: labels that are escaped once.
#[derive(Debug)]
pub struct SharedSpec {
    facts: JobSpec,
    /// How long a dependency may take to come up: the Job's own word, else the policy's.
    cold_start: Seconds,
    /// The further labels of `hookbudget_job_info`.
    pub info_labels: Box<str>,
    /// The further labels of `hookbudget_job_budget_seconds`, and the clocks.
    pub budget_series: Arc<[Labelled<Seconds>]>,
    /// The further labels of `hookbudget_job_wait_target_info`, where the spec says what is waited for.
    pub target_labels: Option<Box<str>>,
    /// The further labels of `hookbudget_job_findings`, and how often a rule has found it.
    pub finding_series: Arc<[Labelled<u64>]>,
}

impl Deref for SharedSpec {
    type Target = JobSpec;

    fn deref(&self) -> &JobSpec {
        &self.facts
    }
}

impl SharedSpec {
    fn new(facts: JobSpec, cold_start: Seconds, parts: &mut Parts) -> Self {
        let target = facts
            .waits
            .iter()
            .find_map(|wait| Some(wait.target.as_ref()?.text.as_str()));
        let mut spec = Self {
            cold_start,
            info_labels: info_labels(&facts),
            budget_series: Arc::default(),
            target_labels: target.map(|target| label_pairs(&[("target", target)])),
            finding_series: shared(&mut parts.counts, findings(&facts.findings)),
            facts,
        };
        let labelled = |budget: Budget<'_>| {
            let pairs = [("clock", budget.clock), ("source", budget.source)];
            (label_pairs(&pairs), budget.span)
        };
        let budgets: Vec<_> = spec.budgets().map(labelled).collect();
        spec.budget_series = shared(&mut parts.budgets, budgets);
        spec
    }

    /// The clocks that the spec states or implies; those without an end are left out.
    pub fn budgets(&self) -> impl Iterator<Item = Budget<'_>> {
        let clocks = &self.record.clocks;
        let release = self.record.release.as_ref();
        let cold_start_source = if self.facts.cold_start.is_some() {
            "annotation"
        } else {
            "policy"
        };
        [
            ("wait_nominal", self.wait_source, clocks.wait_nominal),
            ("wait_worst", self.wait_source, clocks.wait_worst),
            ("retries", "backoffLimit", clocks.retries_lower),
            ("deadline", "activeDeadlineSeconds", self.record.deadline),
            (
                "release",
                release.map_or("", |release| &release.timeout_source),
                release.and_then(|release| release.timeout),
            ),
            ("cold_start", cold_start_source, Some(self.cold_start)),
        ]
        .into_iter()
        .filter_map(|(clock, source, span)| span.map(|span| Budget { clock, source, span }))
    }
}

fn info_labels(spec: &JobSpec) -> Box<str> {
    let record = &spec.record;
    let (kind, name) = record
        .owner
        .as_ref()
        .map_or(("", ""), |owner| (owner.kind.as_str(), owner.name.as_str()));
    let release = match &record.owner {
        Some(owner) if matches!(owner.kind.as_str(), "HelmRelease" | "Release") => owner.name.as_str(),
        _ => "",
    };
    label_pairs(&[
        ("owner_kind", kind),
        ("owner_name", name),
        ("release", release),
        ("hook", &record.hooks.join(",")),
        ("restart_policy", record.restart_policy.as_str()),
    ])
}

/// Each finding once, in the order of the first of its kind.
fn findings(found: &[(&'static str, Severity)]) -> Vec<(Box<str>, u64)> {
    let is_first = |(place, finding): &(usize, &(&str, Severity))| !found[..*place].contains(finding);
    let first = found.iter().enumerate().filter(is_first);
    first
        .map(|(_, finding)| {
            let (code, severity) = finding;
            let labels = label_pairs(&[("code", *code), ("severity", severity.as_str())]);
            let count = found.iter().filter(|other| *other == finding).count();
            (labels, count as u64)
        })
        .collect()
}

/// The specs that Jobs have, by what they say. A `CronJob`'s runs differ in their names alone, and so do the hooks
/// that one chart brings into many namespaces.
#[derive(Debug, Default)]
pub(super) struct Specs {
    specs: BTreeMap<u64, Arc<SharedSpec>>,
    parts: Parts,
}

/// What specs have in common that differ otherwise: the Jobs of one chart have the same clocks and the same findings,
/// whoever owns them.
#[derive(Debug, Default)]
struct Parts {
    budgets: Lists<Labelled<Seconds>>,
    findings: Lists<(&'static str, Severity)>,
    counts: Lists<Labelled<u64>>,
}

/// The further labels of a sample as they are written, and its value.
type Labelled<T> = (Box<str>, T);
/// Lists that somebody has.
type Lists<T> = BTreeSet<Arc<[T]>>;

/// The same list as it is known, or this one from now on.
fn shared<T: Ord>(known: &mut BTreeSet<Arc<[T]>>, list: impl AsRef<[T]> + Into<Arc<[T]>>) -> Arc<[T]> {
    if let Some(known) = known.get(list.as_ref()) {
        return Arc::clone(known);
    }
    let list = list.into();
    known.insert(Arc::clone(&list));
    list
}

impl Specs {
    /// The spec without the names of its Job: the one that is known where it says the same.
    pub(super) fn share(&mut self, mut spec: JobSpec, policy: &Policy) -> Arc<SharedSpec> {
        let record = &mut spec.record;
        (record.namespace, record.name, record.uid) = Default::default();
        let cold_start = spec.cold_start.unwrap_or(policy.cold_start);
        let mut hasher = DefaultHasher::new();
        (&spec, cold_start).hash(&mut hasher);
        let hash = hasher.finish();
        match self.specs.get(&hash) {
            Some(known) if known.facts == spec && known.cold_start == cold_start => Arc::clone(known),
            _ => {
                spec.findings = shared(&mut self.parts.findings, spec.findings);
                let spec = Arc::new(SharedSpec::new(spec, cold_start, &mut self.parts));
                self.specs.insert(hash, Arc::clone(&spec));
                spec
            }
        }
    }

    /// Drops what no Job has any more.
    pub(super) fn tidy(&mut self) {
        self.specs.retain(|_, spec| Arc::strong_count(spec) > 1);
        let Parts {
            budgets,
            findings,
            counts,
        } = &mut self.parts;
        budgets.retain(|list| Arc::strong_count(list) > 1);
        findings.retain(|list| Arc::strong_count(list) > 1);
        counts.retain(|list| Arc::strong_count(list) > 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str, deadline: i64) -> JobSpec {
        let mut spec = JobSpec::default();
        name.clone_into(&mut spec.record.name);
        spec.record.deadline = Some(Seconds::new(deadline));
        spec
    }

    #[test]
    fn what_differs_in_names_alone_is_one() {
        let (mut specs, policy) = (Specs::default(), Policy::default());
        let first = specs.share(spec("a", 600), &policy);
        let second = specs.share(spec("b", 600), &policy);
        let other = specs.share(spec("a", 60), &policy);
        assert!(Arc::ptr_eq(&first, &second) && !Arc::ptr_eq(&first, &other));
        drop((first, second));
        specs.tidy();
        assert_eq!(specs.specs.len(), 1);
        assert_eq!(
            other.budget_series.len(),
            2,
            "its deadline and the policy's cold start"
        );
    }

    #[test]
    fn a_finding_that_is_there_twice_is_counted() {
        let found = [
            ("HB101", Severity::Warning),
            ("HB102", Severity::Info),
            ("HB101", Severity::Warning),
        ];
        let counts: Vec<u64> = findings(&found).iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [2, 1]);
    }

    #[test]
    fn what_differs_in_its_owner_has_clocks_and_findings_in_common() {
        let (mut specs, policy) = (Specs::default(), Policy::default());
        let mut owned = |owner: &str| {
            let mut spec = spec("a", 600);
            spec.findings = Arc::new([("HB101", Severity::Warning)]);
            spec.record.owner = Some(crate::engine::evidence::ObjectRef {
                name: owner.to_owned(),
                ..Default::default()
            });
            specs.share(spec, &policy)
        };
        let (first, second) = (owned("a"), owned("b"));
        assert!(!Arc::ptr_eq(&first, &second));
        assert!(Arc::ptr_eq(&first.findings, &second.findings));
        assert!(Arc::ptr_eq(&first.budget_series, &second.budget_series));
        assert!(Arc::ptr_eq(&first.finding_series, &second.finding_series));
        drop((first, second));
        specs.tidy();
        let parts = &specs.parts;
        assert_eq!(
            (parts.budgets.len(), parts.findings.len(), parts.counts.len()),
            (0, 0, 0)
        );
    }
}
