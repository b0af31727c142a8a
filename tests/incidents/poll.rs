//! What the exporter says while an incident is played, looked at every second: progress, root causes, and whether the
//! shipped alert would fire.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;

use crate::kit::{Sample, fetched, samples};

/// The series of a Job whose course is kept.
const COURSES: [&str; 4] = [
    "hookbudget_job_wait_attempts",
    "hookbudget_job_wait_ratio",
    "hookbudget_job_wait_remaining_seconds",
    "hookbudget_job_restarts",
];

/// A word of the exporter about a Job.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    /// Its root cause and verdict.
    Cause(BTreeMap<String, String>),
    /// Whether `HookJobFailed` holds of it.
    Alert(bool),
}

type Job = (String, String);

#[derive(Default)]
struct Heard {
    courses: BTreeMap<(String, String, String), Vec<(Timestamp, f64)>>,
    said: Vec<(Timestamp, Job, Said)>,
    last: BTreeMap<Job, (Option<BTreeMap<String, String>>, bool)>,
}

/// Asks an exporter until it is dropped.
pub(super) struct Poll {
    heard: Arc<Mutex<Heard>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Poll {
    pub(super) fn start(url: &str) -> Self {
        let (heard, over) = (Arc::<Mutex<Heard>>::default(), Arc::<AtomicBool>::default());
        let (into, end, url) = (heard.clone(), over.clone(), format!("{url}/metrics"));
        let thread = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                let answer = fetched(&url);
                if answer.ok {
                    let now = Timestamp::now();
                    let all: Vec<Sample> = samples(&answer.stdout).collect();
                    take(
                        &mut into.lock().unwrap_or_else(PoisonError::into_inner),
                        now,
                        &all,
                    );
                }
                std::thread::sleep(Duration::from_secs(1));
            }
        });
        Self {
            heard,
            over,
            thread: Some(thread),
        }
    }

    /// The course of a series of a Job.
    pub(super) fn course(&self, namespace: &str, job: &str, name: &str) -> Vec<(Timestamp, f64)> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (namespace.to_owned(), job.to_owned(), name.to_owned());
        heard.courses.get(&key).cloned().unwrap_or_default()
    }

    /// What was said of a Job, in order.
    pub(super) fn said(&self, namespace: &str, job: &str) -> Vec<(Timestamp, Said)> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = heard
            .said
            .iter()
            .filter(|(_, of, _)| of.0 == namespace && of.1 == job);
        mine.map(|(at, _, said)| (*at, said.clone())).collect()
    }
}

impl Drop for Poll {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A thread that has panicked has said why.
            _ = thread.join();
        }
    }
}

fn take(heard: &mut Heard, now: Timestamp, all: &[Sample]) {
    for sample in all
        .iter()
        .filter(|sample| COURSES.contains(&sample.name.as_str()))
    {
        let key = (
            sample.label("namespace").to_owned(),
            sample.label("job_name").to_owned(),
            sample.name.clone(),
        );
        heard.courses.entry(key).or_default().push((now, sample.value));
    }
    let jobs = all.iter().filter(|sample| sample.name == "hookbudget_job_state");
    for sample in jobs {
        let job = (
            sample.label("namespace").to_owned(),
            sample.label("job_name").to_owned(),
        );
        let cause = all.iter().find(|sample| {
            sample.name == "hookbudget_job_root_cause"
                && sample.label("namespace") == job.0
                && sample.label("job_name") == job.1
        });
        let fires = cause.is_some_and(|cause| alerts(cause, all));
        let labels = cause.map(|cause| cause.labels.clone());
        let before = heard
            .last
            .insert(job.clone(), (labels.clone(), fires))
            .unwrap_or_default();
        if let Some(labels) = labels.filter(|labels| before.0.as_ref() != Some(labels)) {
            heard.said.push((now, job.clone(), Said::Cause(labels)));
        }
        if fires != before.1 {
            heard.said.push((now, job, Said::Alert(fires)));
        }
    }
}

/// The condition of the alert `HookJobFailed`: a cause that somebody has to act on, and no later run that has succeeded.
pub(super) fn alerts(cause: &Sample, all: &[Sample]) -> bool {
    if cause.label("trigger") == "NotFailed"
        || ["transient", "cosmetic", "parked"].contains(&cause.label("verdict"))
    {
        return false;
    }
    !all.iter().any(|sample| {
        sample.name == "hookbudget_job_later_success_timestamp_seconds"
            && ["namespace", "job_name"]
                .iter()
                .all(|key| sample.label(key) == cause.label(key))
    })
}
