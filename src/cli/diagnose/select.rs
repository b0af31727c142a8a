//! Which Jobs are diagnosed.

use std::sync::Arc;

use std::fmt;
use std::str::FromStr;

use crate::engine::diagnosis::Diagnosis;
use crate::index::{JobView, Still};

/// `job/NAME`, `cronjob/NAME` or `NAME`, as kubectl takes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// One Job.
    Job(String),
    /// The Jobs of a `CronJob`.
    CronJob(String),
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, name) = text.split_once('/').unwrap_or(("job", text));
        if name.is_empty() || name.contains('/') {
            return Err("write job/NAME or cronjob/NAME, and the namespace with -n".to_owned());
        }
        match kind.to_ascii_lowercase().as_str() {
            "job" | "jobs" | "job.batch" | "jobs.batch" => Ok(Self::Job(name.to_owned())),
            "cronjob" | "cronjobs" | "cj" | "cronjob.batch" | "cronjobs.batch" => {
                Ok(Self::CronJob(name.to_owned()))
            }
            other => Err(format!(
                "{other} cannot be diagnosed: write job/{name} or cronjob/{name}"
            )),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job(name) => write!(out, "job/{name}"),
            Self::CronJob(name) => write!(out, "cronjob/{name}"),
        }
    }
}

impl Wanted {
    fn takes(&self, job: &JobView) -> bool {
        let owner = job.spec.record.owner.as_ref();
        match self {
            Self::Job(name) => *job.key.name == **name,
            Self::CronJob(name) => owner.is_some_and(|owner| owner.kind == "CronJob" && owner.name == *name),
        }
    }
}

/// The diagnoses of the Jobs that are wanted: of one that is named whatever its state, else of those that wait,
/// are suspended or have failed, by namespace and name; then of the runs of `CronJob`s that never came.
pub(super) fn diagnoses(still: &Still, wanted: Option<&Wanted>, namespace: Option<&str>) -> Vec<Diagnosis> {
    let missed = still.missed_runs().into_iter().filter(|missed| {
        let there = namespace.is_none_or(|name| missed.job.namespace == name);
        let named = match wanted {
            None => true,
            Some(Wanted::CronJob(name)) => missed.job.name == *name,
            Some(Wanted::Job(_)) => false,
        };
        there && named
    });
    let jobs = still.jobs();
    jobs.iter()
        .filter(|job| namespace.is_none_or(|name| *job.key.namespace == *name))
        .filter(|job| wanted.is_none_or(|wanted| wanted.takes(job)))
        .filter_map(|job| match wanted {
            Some(_) => still.diagnosis(&job.key),
            None => job.diagnosis().map(Arc::unwrap_or_clone),
        })
        .chain(missed)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_named_as_for_kubectl() {
        for (text, name) in [
            ("zones", "job/zones"),
            ("job/zones", "job/zones"),
            ("jobs.batch/zones", "job/zones"),
            ("CronJob/backup", "cronjob/backup"),
        ] {
            assert_eq!(text.parse::<Wanted>().expect(text).to_string(), name);
        }
        for text in ["", "job/", "pod/x", "job/ns/x"] {
            assert!(text.parse::<Wanted>().is_err(), "{text}");
        }
    }
}
