//! Labels of Jobs that are exported as they are, because somebody asks for them.

use std::sync::Arc;

use super::labels::label_pairs;

/// Labels that an allowlist may name; a series with more is no series that anybody reads.
const MOST: usize = 64;

/// The labels of Jobs that `hookbudget_job_labels` shows: the key in Kubernetes, and the name of the label in Prometheus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobLabels(Arc<[(String, String)]>);

/// Why an allowlist cannot be taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobLabelsError {
    /// Another form than kube-state-metrics'.
    #[error("write jobs=[KEY,KEY], such as jobs=[team,app.kubernetes.io/part-of]: {0:?} is not of that form")]
    Form(String),
    /// Labels of another resource.
    #[error("only labels of jobs are copied, not of {0}: write jobs=[KEY,KEY]")]
    Resource(String),
    /// All of them at once.
    #[error("name the keys instead of *: with it, whoever may create a Job could add labels to the series")]
    All,
    /// No key of a label.
    #[error("{0:?} cannot be the key of a label of Kubernetes")]
    Key(String),
    /// Two keys that Prometheus cannot tell apart.
    #[error("{0} and {1} would both be {2}: leave one of them out")]
    Same(String, String, String),
    /// Too many.
    #[error("{0} keys are more than {MOST}")]
    Many(usize),
}

impl JobLabels {
    /// Reads an allowlist in the form of kube-state-metrics' `--metric-labels-allowlist`: `jobs=[KEY,KEY]`.
    ///
    /// # Errors
    /// If it has another form, names labels of other resources than Jobs, or labels that Prometheus cannot tell apart.
    pub fn parse(text: &str) -> Result<Self, JobLabelsError> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self::default());
        }
        let form = || JobLabelsError::Form(text.to_owned());
        let (resource, keys) = text
            .strip_suffix(']')
            .and_then(|text| text.split_once("=["))
            .ok_or_else(form)?;
        if resource.trim().contains(['[', ']', ',']) || keys.contains(['[', ']']) {
            return Err(form());
        }
        if resource.trim() != "jobs" {
            return Err(JobLabelsError::Resource(resource.trim().to_owned()));
        }
        let mut labels: Vec<(String, String)> = Vec::new();
        for key in keys.split(',').map(str::trim).filter(|key| !key.is_empty()) {
            let label = label_of(key)?;
            match labels.iter().find(|(_, taken)| *taken == label) {
                Some((known, _)) if known == key => {}
                Some((known, _)) => {
                    return Err(JobLabelsError::Same(known.clone(), key.to_owned(), label));
                }
                None => labels.push((key.to_owned(), label)),
            }
        }
        if labels.len() > MOST {
            return Err(JobLabelsError::Many(labels.len()));
        }
        Ok(Self(labels.into()))
    }

    /// True when nobody asks for any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The labels as they are written behind those that name the Job; `None` where the Job has none of them.
    pub(super) fn of<'v>(&self, value: impl Fn(&str) -> Option<&'v str>) -> Option<Box<str>> {
        let found = self.0.iter();
        let found = found.filter_map(|(key, label)| Some((label.as_str(), value(key)?)));
        let found: Vec<_> = found.collect();
        (!found.is_empty()).then(|| label_pairs(&found))
    }
}

/// `app.kubernetes.io/part-of` as `label_app_kubernetes_io_part_of`, as kube-state-metrics has it.
fn label_of(key: &str) -> Result<String, JobLabelsError> {
    if key == "*" {
        return Err(JobLabelsError::All);
    }
    let may_stand = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    if !key.chars().all(may_stand) || key.len() > 253 + 1 + 63 {
        return Err(JobLabelsError::Key(key.to_owned()));
    }
    let name = key.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    Ok(format!("label_{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_names_that_prometheus_takes() {
        let labels =
            JobLabels::parse(" jobs=[team, app.kubernetes.io/part-of,team,] ").expect("an allowlist");
        let value = |key: &str| (key == "app.kubernetes.io/part-of").then_some("a \"shop\"");
        assert_eq!(
            labels.of(value).as_deref(),
            Some("label_app_kubernetes_io_part_of=\"a \\\"shop\\\"\"")
        );
        assert_eq!(labels.of(|_| None), None);
        assert!(JobLabels::parse("").expect("nothing").is_empty());
        assert!(JobLabels::parse("jobs=[]").expect("nothing").is_empty());
    }

    #[test]
    fn what_cannot_be_taken_says_what_to_write() {
        for (text, part) in [
            ("team", "write jobs=[KEY,KEY]"),
            ("jobs=[team", "write jobs=[KEY,KEY]"),
            ("jobs=[team],pods=[app]", "write jobs=[KEY,KEY]"),
            ("pods=[app]", "not of pods"),
            ("jobs=[*]", "name the keys"),
            ("jobs=[te am]", "\"te am\" cannot be"),
            ("jobs=[a.b,a/b]", "a.b and a/b would both be label_a_b"),
        ] {
            let error = JobLabels::parse(text).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        let many: Vec<_> = (0..=MOST).map(|n| format!("k{n}")).collect();
        let many = format!("jobs=[{}]", many.join(","));
        assert_eq!(JobLabels::parse(&many), Err(JobLabelsError::Many(MOST + 1)));
    }
}
