//! Which families are exposed: decided once at the start, so that a scrape looks at no name.

use std::sync::Arc;

use regex::Regex;

use super::families::FAMILIES;
use super::family::Family;
use super::needed::{Loss, NEEDED};
use crate::engine::nearest::nearest;

/// The families that a scrape gets.
#[derive(Clone, Debug)]
pub struct Selection(Arc<[Family]>);

/// An alert that misses families which are not exposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// The alert of `dashboards/alerts`.
    pub alert: &'static str,
    /// What it asks for and does not get.
    pub families: Vec<&'static str>,
    /// Whether it can fire at all.
    pub silent: bool,
}

impl Default for Selection {
    /// All of them.
    fn default() -> Self {
        Self(FAMILIES.as_slice().into())
    }
}

/// A pattern for names of families, as `--metric-allowlist` and `--metric-denylist` take it: a name, or a regular
/// expression for the whole of it.
///
/// # Errors
/// If it is no regular expression: what is wrong, in one sentence.
pub fn pattern(text: &str) -> Result<Regex, String> {
    let text = text.trim();
    Regex::new(&format!("^(?:{text})$")).map_err(|error| {
        // The regex crate draws the pattern over several lines; what is wrong stands in the last one.
        let error = error.to_string();
        let last = error.lines().last().unwrap_or_default();
        let last = last.trim_start_matches("error: ");
        format!(
            "{last}; write names of families or regular expressions, with commas between them and none inside"
        )
    })
}

impl Selection {
    /// What every one of these patterns leaves out is exposed.
    #[must_use]
    pub fn without(denied: &[Regex]) -> Self {
        Self::of(|name| !denied.iter().any(|pattern| pattern.is_match(name)))
    }

    /// What one of these patterns names is exposed, and nothing else.
    #[must_use]
    pub fn only(allowed: &[Regex]) -> Self {
        Self::of(|name| allowed.iter().any(|pattern| pattern.is_match(name)))
    }

    fn of(is_in: impl Fn(&str) -> bool) -> Self {
        Self(
            FAMILIES
                .iter()
                .filter(|family| is_in(family.name))
                .copied()
                .collect(),
        )
    }

    /// The families, in the order of the exposition.
    #[must_use]
    pub fn families(&self) -> &[Family] {
        &self.0
    }

    /// True of a family that is exposed.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|family| family.name == name)
    }

    /// The shipped alerts that miss something.
    #[must_use]
    pub fn missed(&self) -> Vec<Missed> {
        let missed = NEEDED.iter().filter_map(|(alert, needs)| {
            let gone: Vec<_> = needs.iter().filter(|(family, _)| !self.has(family)).collect();
            (!gone.is_empty()).then(|| Missed {
                alert,
                families: gone.iter().map(|(family, _)| *family).collect(),
                silent: gone.iter().any(|(_, loss)| *loss == Loss::Silent),
            })
        });
        missed.collect()
    }
}

/// Patterns that no family has, each with the family that was most likely meant.
#[must_use]
pub fn unmatched<'p>(patterns: impl IntoIterator<Item = &'p Regex>) -> Vec<(String, Option<&'static str>)> {
    let unmatched = patterns
        .into_iter()
        .filter(|pattern| !FAMILIES.iter().any(|family| pattern.is_match(family.name)));
    unmatched
        .map(|pattern| {
            let text = pattern.as_str();
            let text = text
                .strip_prefix("^(?:")
                .and_then(|text| text.strip_suffix(")$"))
                .unwrap_or(text);
            // A part of a histogram is not told apart from the whole.
            let whole = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| text.strip_suffix(end));
            let names = FAMILIES.iter().map(|family| family.name);
            (text.to_owned(), nearest(whole.unwrap_or(text), names))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(texts: &[&str]) -> Vec<Regex> {
        texts
            .iter()
            .map(|text| pattern(text).expect("a pattern"))
            .collect()
    }

    #[test]
    fn a_pattern_is_for_the_whole_name() {
        let without = Selection::without(&patterns(&["hookbudget_job_root_cause"]));
        assert!(!without.has("hookbudget_job_root_cause") && without.has("hookbudget_job_root_cause_info"));
        let without = Selection::without(&patterns(&[
            "hookbudget_job_root_cause.*",
            " hookbudget_owner_.+|process_.*",
        ]));
        assert!(!without.has("hookbudget_job_root_cause_info") && !without.has("process_open_fds"));
        assert!(without.has("hookbudget_job_info") && !without.has("hookbudget_owner_wait_seconds"));
        let only = Selection::only(&patterns(&["hookbudget_job_info", "hookbudget_job_state"]));
        let names: Vec<_> = only.families().iter().map(|family| family.name).collect();
        assert_eq!(names, ["hookbudget_job_info", "hookbudget_job_state"]);
        assert_eq!(Selection::without(&[]).families().len(), FAMILIES.len());
        assert!(Selection::only(&[]).families().is_empty());
    }

    #[test]
    fn what_is_no_pattern_or_names_nothing_is_told() {
        let error = pattern("hookbudget_(job").expect_err("an open group");
        assert_eq!(
            error,
            "unclosed group; write names of families or regular expressions, with commas between them and none inside"
        );
        let told = unmatched(&patterns(&[
            "hookbudget_job_.*",
            "hookbudget_job_finding",
            "hookbudget_owner_wait_seconds_bucket",
            "kube_job_info",
        ]));
        assert_eq!(
            told,
            [
                (
                    "hookbudget_job_finding".to_owned(),
                    Some("hookbudget_job_findings")
                ),
                (
                    "hookbudget_owner_wait_seconds_bucket".to_owned(),
                    Some("hookbudget_owner_wait_seconds")
                ),
                ("kube_job_info".to_owned(), None),
            ]
        );
    }

    #[test]
    fn an_alert_that_misses_its_family_is_named() {
        assert_eq!(Selection::default().missed(), []);
        let missed = Selection::without(&patterns(&["hookbudget_job_findings"])).missed();
        assert_eq!(missed, [], "no alert asks for it");
        let missed = Selection::without(&patterns(&["hookbudget_job_root_cause_info"])).missed();
        let of = |alert: &str| {
            missed
                .iter()
                .find(|missed| missed.alert == alert)
                .map(|missed| missed.silent)
        };
        assert_eq!(of("HookJobsShareCulprit"), Some(true));
        assert_eq!(of("HookJobFailed"), Some(false), "it says less");
        assert_eq!(of("HookJobFlapping"), None);
        let missed = Selection::without(&patterns(&["hookbudget_job_chain_info"])).missed();
        let names: Vec<_> = missed
            .iter()
            .map(|missed| (missed.alert, missed.silent))
            .collect();
        assert_eq!(names, [("HookJobFailed", false)], "its description asks for it");
    }
}
